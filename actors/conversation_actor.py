"""The conversation actor: the one place where deciding, appending, adopting and performing meet.

For each command: settle, append at the expected head, adopt, publish, perform what is owed.  It is the only engine; a
test over `MemoryLog`, a run without a server and a worker over JetStream all go through it, and a turn that a dead
worker left behind is gone on with by the same lines.

Nothing is performed or published before its frame is stored.  The actor never waits for a model or a tool: an effect
runs beside it, and its outcome comes back as a command.  Effects are performed only where this life recorded the
intent; one that another life recorded is first taken over by `turn.resumed`.
"""

import asyncio
import itertools
import logging
from types import TracebackType

from ..events import (
    QUEUE_LIMIT,
    Conflict,
    ConversationId,
    EventLog,
    Frame,
    FrameworkError,
    InvalidInput,
    OtherVersion,
    Stored,
    TurnResumed,
    TurnStarted,
    Unavailable,
    Withheld,
)
from ..projections import Conversation, Owed, Turn, outstanding
from .admission import SUSPECT
from .asyncio_actor import AsyncioActor, AsyncioInbox
from .commands import BusCommand, CancelTurn, Command, InterruptTurn, Open, RefuseCommand, ResumeTurn, SayToAgent
from .current import Current
from .decide import overflow
from .effect_task import EffectTask, performed
from .instead import storable
from .life import Admitted, Delivered, Effects, Life, Message
from .revision import Pinned
from .settle import Journey, settle
from .sizes import described
from .snapshots import NoSnapshots, Snapshots

logger = logging.getLogger("agent_runtime_framework.actors")

NO_SNAPSHOTS = NoSnapshots()

BEGINS = frozenset((TurnStarted, TurnResumed))
"""Events by which this life runs a turn."""

SAID_EVERY = 40
"""Of so many tries to reach the log one is logged: a conversation may wait for long, and many at once."""


class ConversationActor(AsyncioActor):
    """Is one conversation, as `agent` answers it."""

    def __init__(
        self,
        agent: str,
        conversation: ConversationId,
        *,
        journey: Journey,
        log: EventLog,
        effects: Effects,
        life: Life,
        snapshots: Snapshots = NO_SNAPSHOTS,
    ) -> None:
        super().__init__()
        self.agent = agent
        self.id = conversation
        self._journey = journey
        self._log = log
        self._effects = effects
        self._life = life
        self._current = Current(conversation, log=log, snapshots=snapshots)
        self._opening: Open | None = None
        self._running = 0
        self._waiting: list[SayToAgent] = []
        self._unacknowledged: list[Delivered] = []
        self._effect: tuple[str, asyncio.Task[None] | None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def _conversation(self) -> Conversation:
        return self._current.conversation

    @property
    def idle(self) -> bool:
        """Whether nothing is in progress, waiting or unacknowledged here."""
        quiet = self._effect is None and self._current.keeping is None
        return quiet and not self._unacknowledged and self.actor_inbox.empty()

    @property
    def keeping(self) -> asyncio.Task[None] | None:
        """What keeps a snapshot of the conversation at this moment, or None."""
        return self._current.keeping

    @property
    def running(self) -> tuple[asyncio.Task[None], ...]:
        """What runs now: effects, also those that are being ended, the handling of messages, and what is being kept."""
        handling = self.actor_inbox.draining if isinstance(self.actor_inbox, AsyncioInbox) else None
        return (*self._tasks, *(() if handling is None else (handling,)))

    async def on_receive(self, message: Message) -> None:
        """Take one command, and go on as far as it goes; what cannot be taken now is given back."""
        self._life.busy(self, busy=True)
        if isinstance(message, Delivered):
            self._unacknowledged.append(message)
        try:
            await self._go_on(message)
        except FrameworkError as error:
            # where another life took over, whoever shares the conversations out says so, of all of them at once
            level = logging.DEBUG if isinstance(error, Conflict | OtherVersion) else logging.WARNING
            logger.log(level, "%s: %s", self.id, error)
            self._stop_by(error)

    async def _go_on(self, message: Message) -> None:
        if isinstance(message, Delivered) and not self._life.ownership.holds(self.agent, self.id):
            self._unacknowledged.remove(message)  # it comes again, to whoever holds the conversation then
            self._idle()
            return
        await self._current.load(self._pause)
        if isinstance(message, Delivered):
            await self._take(await self._opened(message.command))
        elif not isinstance(message, Admitted):
            await self._commit(message)
        self._acknowledge()
        await self._begin()
        if isinstance(message, Delivered):
            await self._tell_queued(message.command.id)
        self._perform()

    async def _take(self, command: BusCommand | RefuseCommand) -> None:
        """Decide a command, or let a message wait for its turn to begin."""
        now = self._conversation
        if not isinstance(command, SayToAgent):
            await self._commit(command)
        elif command.id in now.handled or any(command.id == other.id for other in self._waiting):
            return
        elif now.agent not in ("", command.agent) or (now.turn is not None and self._journey.mailbox == "reject"):
            await self._commit(command)
        elif len(self._waiting) < QUEUE_LIMIT:
            self._waiting.append(command)
        else:
            await self._commit(overflow(command))

    async def _begin(self) -> None:
        """Go on with the turn of another life, and begin those that wait, as far as they are admitted."""
        while True:
            turn, leaving = self._conversation.turn, self._life.ownership.leaving(self.agent, self.id)
            if self._running and turn is None:
                self._running = 0
                self._life.leave(self)  # whoever waits goes first
            theirs = self._is_theirs(turn)
            if leaving or not (theirs or self._may_speak(turn)):
                break
            if not self._life.enter(self, suspect=theirs and turn is not None and turn.attempt + 1 >= SUSPECT):
                return
            await self._commit(ResumeTurn() if theirs else self._next_said(turn))
            self._acknowledge()
        if turn is None or theirs or self._is_anothers:
            self._life.leave(self)

    @property
    def _is_anothers(self) -> bool:
        """Whether the conversation belongs to another agent, whose turns this actor never hears of."""
        return self._conversation.agent not in ("", self.agent)

    def _is_theirs(self, turn: Turn | None) -> bool:
        """Say whether a turn is in progress that another life began and this one has not taken over."""
        return turn is not None and self._running != turn.number and not (self._is_anothers or self._current.lost)

    def _may_speak(self, turn: Turn | None) -> bool:
        # another's is refused, whatever goes on there
        return bool(self._waiting) and (self._is_anothers or turn is None or self._journey.mailbox == "interrupt")

    def _next_said(self, turn: Turn | None) -> SayToAgent | InterruptTurn:
        said = self._waiting.pop(0)
        return said if turn is None or self._is_anothers else InterruptTurn(said)

    async def remind(self) -> None:
        """Tell again of the messages that wait."""
        for said in tuple(self._waiting):
            await self._tell_queued(said.id)

    async def _tell_queued(self, id_: str) -> None:
        place = next((place for place, said in enumerate(self._waiting) if said.id == id_), None)
        if place is not None:
            before = self._life.ahead(self) + (self._conversation.turn is not None)
            await self._effects.queued(self.id, id_, place + before)

    async def _commit(self, command: Command) -> None:
        """Take one command from decision to stored frame."""
        journey: Journey | None = self._journey
        commands = self._preceded(command)
        while True:
            settled = settle(self._conversation, None if self._current.lost else journey, *commands)  # 1. decide
            if settled.pinned is not None:
                commands = (await self._turned_away(command, settled.pinned),)
                continue
            if not settled.events:
                return
            try:
                frame = self._current.frame(settled, command, time=self._life.now(), writer=self._life.writer)
                stored = await self._patiently(frame)  # 2. append
            except Conflict:
                await self._catch_up()
                if isinstance(command, SayToAgent) and self._conversation.turn is not None and not self._is_anothers:
                    self._waiting.insert(0, command)
                    return
                continue
            except Withheld as error:
                if journey is None or not (error.erased and isinstance(command, SayToAgent | CancelTurn)):
                    raise
                journey, commands = None, (RefuseCommand(id=command.id, reason=""),)
                continue
            except InvalidInput as error:
                journey, commands = None, storable(self._conversation, commands, error)
                continue
            self._current.adopt(settled.conversation, stored)  # 3. adopt
            if settled.conversation.agent:  # until it has begun, who waits may be the first
                self._opening = None
            if not BEGINS.isdisjoint(map(type, settled.events)):
                self._running = settled.conversation.turns
            if settled.raised is not None:
                self._effects.raised(self.id, settled.conversation.turns, settled.raised)
            await self._effects.stored(stored, settled.conversation)  # 4. publish
            self._keep()
            return

    async def _turned_away(self, command: Command, pinned: Pinned) -> RefuseCommand:
        """Return the refusal of a message in a conversation that is pinned to a version which nobody has.

        Raises:
            OtherVersion: somebody else has it; or a turn is in progress, which waits until somebody has it.

        """
        elsewhere = self._life.ownership.elsewhere(self.agent, self.id, pinned.version)
        if isinstance(command, SayToAgent | InterruptTurn) and not elsewhere:
            return RefuseCommand(id=command.id, reason=pinned.reason)
        for said in [one.command for one in self._unacknowledged if isinstance(one.command, SayToAgent)]:
            await self._effects.queued(self.id, said.id, 0, pinned.waits)
        raise OtherVersion(f"{self.id!r} {pinned.waits}", version=pinned.version)

    async def _patiently(self, frame: Frame) -> Stored:
        """Store, waiting as long as the log cannot be reached and the conversation is still ours.

        Raises:
            Conflict: somebody else stored there, or owns the conversation now.

        """
        for tries in itertools.count():
            if self.actor_stopped.is_set():
                break
            try:
                return await self._log.append(self.id, frame, self._current.head)
            except Unavailable as error:
                await self._pause(error, tries)
        raise Conflict(f"{self.id!r} is no longer this worker's; nothing was stored")

    async def _pause(self, error: Unavailable, tries: int) -> None:
        """Wait a moment before the log is tried again, and say so now and then; raise if that is another's matter."""
        if not self._life.ownership.owns(self.agent, self.id):
            raise error
        logger.log(logging.DEBUG if tries % SAID_EVERY else logging.WARNING, "%s: %s; trying again", self.id, error)
        if not tries % SAID_EVERY:
            turn = self._conversation.turn
            waits = [turn.message_id] if turn is not None else [one.command.id for one in self._unacknowledged[-1:]]
            for id_ in waits:
                await self._effects.queued(self.id, id_, 0, str(error))
        await self._life.pause()

    def _preceded(self, command: Command) -> tuple[Command, ...]:
        if self._opening is not None and not self._conversation.agent and isinstance(command, SayToAgent):
            return (self._opening, command)
        return (command,)

    async def _opened(self, command: BusCommand) -> BusCommand | RefuseCommand:
        """Learn how the conversation begins, if it does with this command; refuse it if the author's code raises."""
        if self._current.lost:
            return RefuseCommand(id=command.id, reason="")  # words could not be sealed by everybody who comes here
        if self._conversation.agent or self._conversation.erased or not isinstance(command, SayToAgent):
            return command
        try:
            self._opening = await self._effects.open(self.id, command)
        except Exception as error:
            logger.error("%s: the agent could not begin", self.id, exc_info=error)  # noqa: TRY400  with its traceback
            return RefuseCommand(id=command.id, reason=f"the agent could not begin: {described(error)}")
        return command

    async def _catch_up(self) -> None:
        """Fold what another writer appended; its turn, or ours that it went on with, is taken over when admitted."""
        await self._current.catch_up(self._pause)
        if self.actor_stopped.is_set() or not self._life.ownership.holds(self.agent, self.id):
            raise Conflict(
                f"{self.id!r} was taken over at version {self._current.head.version}; this worker lets go of it"
            )
        owed = outstanding(self._conversation)
        if owed is None or self._effect is None or self._effect[0] != owed.id:
            self._running = 0

    def _keep(self) -> None:
        """Begin to keep the conversation beside all else, if that is due."""
        keeping = self._current.keep()
        if keeping is not None:
            self._run_beside(keeping)

    def _run_beside(self, task: asyncio.Task[None]) -> None:
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    def _perform(self) -> None:
        """Begin what is owed and not yet under way; end what is no longer owed."""
        turn = self._conversation.turn
        mine = turn is not None and self._running == turn.number
        owed = outstanding(self._conversation) if mine else None
        wanted = None if owed is None else owed.id
        if self._effect is not None and self._effect[0] != wanted:
            self._end_effect()
        if owed is not None and self._effect is None and self._may_perform():
            task = EffectTask(self._effects_outcome(self._conversation, owed), loop=asyncio.get_running_loop())
            self._effect = (owed.id, task)
            self._run_beside(task)
        self._idle()

    def _end_effect(self) -> None:
        if self._effect is not None and self._effect[1] is not None:
            self._effect[1].cancel()
        self._effect = None

    def _may_perform(self) -> bool:
        return not self.actor_stopped.is_set() and self._life.ownership.holds(self.agent, self.id)

    def _idle(self) -> None:
        self._life.busy(self, busy=self._effect is not None or not self.actor_inbox.empty())

    async def _effects_outcome(self, conversation: Conversation, owed: Owed) -> None:
        outcome = await performed(self._effects, conversation, owed)
        if not self.actor_stopped.is_set():
            if self._effect is not None and self._effect[1] is asyncio.current_task():
                self._effect = (owed.id, None)  # it is over, and what this task does from here on is not ended with it
            await self.go_on_with(outcome)

    def _acknowledge(self) -> None:
        """Tell the senders of commands that had their effect and for which nothing is owed any more."""
        turn = self._conversation.turn
        still: list[Delivered] = []
        for delivered in self._unacknowledged:
            id_ = delivered.command.id
            if id_ not in self._conversation.handled or (
                turn is not None and turn.message_id == id_ and not self._current.lost
            ):
                still.append(delivered)
            elif delivered.poisoned is not None and id_ in self._conversation.poisoned:
                delivered.poisoned(self._conversation.poisoned[id_])
            else:
                delivered.done()
        self._unacknowledged = still

    def end(self) -> None:
        """Leave the memory; see `AsyncioActor.end`."""
        super().end()
        self._current.let_go()

    def abandon(self) -> None:
        """Let go of the conversation at once: end the effect, acknowledge nothing; whoever owns it now goes on."""
        self.actor_stopped.set()
        self._end_effect()
        if self._current.keeping is not None:
            self._current.keeping.cancel()
        self._unacknowledged.clear()
        self._waiting.clear()
        self._life.leave(self)
        self._life.busy(self, busy=False)

    def on_failure(
        self,
        exception_type: type[BaseException] | None,  # noqa: ARG002  pykka's signature
        exception_value: BaseException | None,
        traceback: TracebackType | None,  # noqa: ARG002
    ) -> None:
        """Give back what was not finished, so that it comes again to an actor that is folded anew."""
        self._stop_by(exception_value if isinstance(exception_value, Exception) else RuntimeError("stopped"))

    def _stop_by(self, error: Exception) -> None:
        unfinished = list(self._unacknowledged)
        while not self.actor_inbox.empty():
            message = self.actor_inbox.get().message
            if isinstance(message, Delivered):
                unfinished.append(message)
        self.abandon()
        self._life.gone(self)
        for delivered in unfinished:
            delivered.failed(error)
