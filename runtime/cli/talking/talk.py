"""A talk with an agent: what is typed or piped in is said, and what is recorded of the conversation is told."""

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from ....actors import SayToAgent
from ....events import (
    CommandRefused,
    ConversationId,
    FrameworkError,
    InvalidInput,
    NoReply,
    Refused,
    Unavailable,
    UserSpoke,
)
from ....projections import Conversation, Recorded, evolve, initial
from ...agents.run import no_reply
from ...checking import checked
from ...client import Client
from ...wire import Delta, Queued, place_in_line
from ..console.place import check_agent
from .terminal import Terminal

PATIENCE: Final = 60.0
"""Seconds in which a message is published again and again while the server is away."""

PAUSE: Final = 0.5

TAKEN: Final = 60.0
"""Seconds in which a message must have been taken up, unless another turn is in progress."""


class _Awaited(Struct, frozen=True):
    """Is a message whose reply is awaited."""

    id: str
    over: "asyncio.Future[None]"


class Talk:
    """Is one conversation with an agent, as it goes on from now.

    `follow` and `hold` run side by side: the one tells what is recorded, whoever caused it; the other says one line
    after another, each when the one before has its reply.

    Attributes:
        client: what it is held through.
        agent, model: the agent's key, and its model in words.
        since: what was recorded from then on is told, in Unix milliseconds; what is older is only known.
        now: the conversation, as far as it was followed.
        failed: whether a message was not taken, or had no reply.

    """

    def __init__(
        self, client: Client, agent: str, model: str, conversation: str, terminal: Terminal, *, since: int
    ) -> None:
        self.client = client
        self.agent = agent
        self.model = model
        self.now = initial(ConversationId(conversation))
        self.failed = False
        self._terminal = terminal
        self._teller = terminal.teller
        self._old = 0
        self._since = since
        self._awaited: _Awaited | None = None
        self._queued = False

    async def open(self) -> None:
        """Find where the conversation stands, and say what the talk is.

        Raises:
            Refused: it is another agent's.

        """
        last = await self.client.substrate.log.last(self.now.id)
        check_agent(last, self.agent)
        goes_on = ""
        if last is not None:
            self._old = last.head.version
            turns = f"{last.frame.turn} turn{'' if last.frame.turn == 1 else 's'}"
            goes_on = f" (goes on after {turns}{f', step {last.frame.step}' if last.frame.step else ''})"
        self._teller.begin(self.agent, f"model: {self.model}", f"conversation: {self.now.id}{goes_on}")

    @property
    def waits(self) -> bool:
        """Whether a message has no reply yet."""
        return self._awaited is not None

    async def follow(self) -> None:
        """Tell what is recorded, and what the model says meanwhile, for ever."""
        async for heard in self.client.follow(self.now.id):
            if isinstance(heard, Delta):
                self._teller.piece(heard)
            elif isinstance(heard, Queued):
                self._hear_queued(heard)
            else:
                self._hear(heard)

    def _hear_queued(self, queued: Queued) -> None:
        if self._awaited is None or self._awaited.id != queued.message_id:
            return
        if not self._queued:
            self._teller.notice(f"queued: {queued.reason or place_in_line(queued)}")
        self._queued = True

    def _hear(self, recorded: Recorded) -> None:
        event, awaited = recorded.event, self._awaited
        self.now = evolve(self.now, event)
        # what was typed at the terminal stands there already
        seen = (
            self._terminal.echoed
            and awaited is not None
            and isinstance(event, UserSpoke)
            and event.message_id == awaited.id
        )
        news = recorded.version > self._old or recorded.time >= self._since
        self._teller.heard(recorded, news=news and not seen)
        if awaited is None or awaited.over.done():
            return
        ended = self.now.ended
        if isinstance(event, CommandRefused) and event.command_id == awaited.id:
            awaited.over.set_exception(Refused(f"message {awaited.id} was refused: {event.because}"))
        elif ended is not None and (ended.message_id, ended.version) == (awaited.id, self.now.version):
            if ended.outcome == "completed":
                awaited.over.set_result(None)
            else:
                awaited.over.set_exception(no_reply(self.now.id, ended))

    async def hold(self, until: Callable[[Conversation], bool] | None = None) -> None:
        """Say each line of stdin, and wait for the reply; end with stdin, or when `until` says so after a reply.

        Raises:
            Unavailable: the server did not come back, or nobody takes a message up.

        """
        while True:
            self._terminal.prompt.ask()
            line = await self._terminal.lines.next()
            if line is None:
                self._terminal.prompt.over()
                return
            self._terminal.prompt.answered()
            if line.strip() and await self._say(line) and until is not None and until(self.now):
                return

    async def _say(self, line: str) -> bool:
        """Say one line, and return whether there was a reply."""
        try:
            say = checked(self.agent, line, {}, None)
            self._awaited = _Awaited(say.id, asyncio.get_running_loop().create_future())
            await self._publish(say)
            await self._reply(self._awaited)
        except (InvalidInput, NoReply, Refused) as error:
            self._fail(error)
            return False
        self._awaited = None
        return True

    async def _reply(self, awaited: _Awaited) -> None:
        """Return when the reply was told.

        Raises:
            NoReply, Refused: there is none.
            Unavailable: nobody takes the message up.

        """
        self._queued = False
        while not (await asyncio.wait([awaited.over], timeout=TAKEN))[0]:
            queued, self._queued = self._queued, False
            if self.now.turn is None and not queued:
                raise Unavailable(
                    f"message {awaited.id} was not taken up within {TAKEN:g} s; it is kept, and answered once a worker "
                    "can go on with the conversation"
                )
        await awaited.over

    def _fail(self, error: FrameworkError) -> None:
        self.failed, self._awaited = True, None
        self._teller.notice(f"error: {error}")

    async def _publish(self, say: SayToAgent) -> None:
        loop = asyncio.get_running_loop()
        until, told = loop.time() + PATIENCE, False
        while True:
            try:
                await self.client.publish(self.agent, self.now.id, say.text, message_id=say.id)
            except Unavailable as error:
                if loop.time() > until:
                    raise
                if not told:
                    self._teller.notice(f"{error}; trying again for {PATIENCE:.0f} s")
                    told = True
            else:
                return
            await asyncio.sleep(PAUSE)
