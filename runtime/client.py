"""The client: says something to an agent and hears the reply; reads and follows conversations.

A message is published once under its id, which the caller may choose: sending the same id again never says it twice,
and finds the reply that is already recorded.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from ..actors import CancelTurn, cut
from ..actors.sizes import REASON_LIMIT
from ..events import (
    AgentKey,
    ConversationId,
    InvalidInput,
    Unavailable,
    WriterId,
    check_token,
    not_found,
)
from .bus import partition_of
from .checking import as_id as checked_id
from .checking import checked
from .clock import SystemClock, new_id
from .credentials import ANONYMOUS, Credentials
from .deadletters import DATA_STORE, STORE, DeadLetter, DeadLetters, said_again
from .erasing import Receipt, erase
from .forking import Forked, ParentErased, cut_off, edits_of, find_cut, taken
from .late import late
from .leases import unanswered
from .logfiles import Recording
from .memory import MemoryStore
from .opening import Place, opened
from .reader import Reader
from .restoring import restoring
from .saying import Reply, Saying, publish
from .vault import KeyWrapper
from .wire import Queued

LOOK = 2.0
"""Seconds to find out why there is no reply."""


class Client(Reader):
    """Talks to agents over a bus and a log; needs none of the agents' code.

    A message is kept until a worker of its agent takes it:

    >>> import asyncio
    >>> from agent_runtime_framework import Client
    >>> async def main():
    ...     async with Client.connect(nats_url, namespace="client-example") as client:
    ...         return await client.publish("greeter", "c-1", "hi", message_id="m-1"), await client.workers()
    >>> asyncio.run(main())
    ('m-1', {})
    """

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        nats: str | None = None,
        home: str | Path | None = None,
        namespace: str = "arf",
        *,
        credentials: Credentials = ANONYMOUS,
        create: bool = True,
        wrapper: KeyWrapper | None = None,
    ) -> AsyncIterator["Client"]:
        """Open a client on the server at `nats`, which is shown the credentials, or on the embedded one in `home`.

        Without `create` only what is already there is opened.  What is sealed there is opened with `wrapper`, or the
        master key in the environment's `ARF_MASTER_KEY`; without one its structure is read.

        Raises:
            InvalidInput: the URL is none, the credentials cannot be used, or the master key is another.
            NotFound: nothing is there, and nothing was to be created.
            Unavailable: no server answers, it does not let us in, or the embedded one does not come up.

        """
        place = Place(
            nats=nats,
            home=None if home is None else Path(home),
            namespace=namespace,
            credentials=credentials,
            wrapper=wrapper,
        )
        async with opened(place, WriterId(new_id("client")), create=create) as there:
            yield Client(there.substrate)

    _said: Saying | None = None

    @property
    def _saying(self) -> Saying:
        if self._said is None or self._said.substrate is not self.substrate:
            self._said = Saying(self.substrate, self._follower)
        return self._said

    async def publish(
        self,
        agent_key: str,
        conversation_id: str | UUID,
        text: str,
        metadata: Mapping[str, Any] | None = None,
        message_id: str | None = None,
    ) -> str:
        """Hand a message to the agent's workers and return its id, without waiting for a reply.

        Raises:
            InvalidInput: an id, the text or the metadata cannot be taken.
            Refused: it is to be sealed, and the conversation was erased.
            Withheld: it is to be sealed, and there is no master key here.
            Unavailable: the message is not known to be stored; publishing the same id again is safe.

        """
        say = checked(agent_key, text, metadata or {}, message_id)
        await self._saying.publish(checked_id(conversation_id), say)
        return say.id

    async def send(
        self,
        agent_key: str,
        conversation_id: str | UUID,
        text: str,
        metadata: Mapping[str, Any] | None = None,
        message_id: str | None = None,
        timeout: float = 60.0,
        on_queued: Callable[[Queued], object] | None = None,
    ) -> Reply:
        """Say something and wait for the reply; `on_queued` hears, now and then, that the message waits.

        Raises:
            InvalidInput: an id, the text or the metadata cannot be taken.
            Refused: the conversation did not take the message; the reason is in the log.
            NoReply: the turn ended without a reply.
            Unavailable: no reply within `timeout` seconds, or no server; sending the same id again is safe.

        """
        conversation = checked_id(conversation_id)
        say = checked(agent_key, text, metadata or {}, message_id)
        saying = self._saying
        known = await saying.known(conversation, say)
        last_queued: Queued | None = None

        def waiting(queued: Queued) -> None:
            nonlocal last_queued
            last_queued = queued
            if on_queued is not None:
                on_queued(queued)

        try:
            async with asyncio.timeout(timeout):
                return await saying.reply(known, say, waiting)
        except TimeoutError:
            nobody = await self._nobody(say.agent)
            raise late(say, conversation, within=timeout, nobody=nobody, queued=last_queued) from None

    async def _nobody(self, agent_key: str) -> str:
        """Return `unanswered` for the agent; empty if that cannot be known now."""
        try:
            async with asyncio.timeout(LOOK):
                return unanswered(agent_key, await self.workers())
        except (TimeoutError, Unavailable):
            return ""

    def store(self, name: str = "") -> MemoryStore[Any]:
        """Return a store that outlives this process: a bucket of the namespace, made by its first write.

        It is the backend for a `StateStore` or a `ConversationStore`.  One may have several, each under its name.

        Raises:
            InvalidId: the name is not a token.
            InvalidInput: the runtime itself keeps something under that name.

        """
        if name in (STORE, DATA_STORE):
            raise InvalidInput(f"store {name!r} is the runtime's own: choose another name")
        return self.substrate.store(check_token(name, "store") if name else "")

    async def workers(self) -> dict[AgentKey, set[WriterId]]:
        """Return which workers own conversations now, by agent; an agent that nobody answers for is not there.

        Raises:
            Unavailable: the server did not answer.

        """
        alive: dict[AgentKey, set[WriterId]] = {}
        for (agent, _), worker in (await self.substrate.leases.holders()).items():
            alive.setdefault(agent, set()).add(worker)
        return alive

    async def owner(self, agent_key: str, conversation_id: str | UUID) -> WriterId | None:
        """Return which worker takes the agent's messages in this conversation now, or None if none does.

        Raises:
            InvalidInput: an id is not valid.
            Unavailable: the server did not answer.

        """
        agent = AgentKey(check_token(agent_key, "agent key"))
        holders = await self.substrate.leases.holders()
        return holders.get((agent, partition_of(checked_id(conversation_id), self.substrate.bus.partitions)))

    async def cancel(self, conversation_id: str | UUID, reason: str = "") -> str:
        """End the turn in progress; return the command's id.

        Raises:
            InvalidInput: the id or the reason cannot be taken.
            NotFound: there is no such conversation.

        """
        if not isinstance(reason, str):
            raise InvalidInput(f"the reason must be a text, not {type(reason).__name__}")
        conversation = checked_id(conversation_id)
        last = await self._log.last(conversation)
        if last is None:
            raise not_found(conversation)
        command = CancelTurn(id=new_id("c"), agent=last.frame.agent, reason=cut(reason, REASON_LIMIT))
        await publish(self.substrate, conversation, command, last)
        return command.id

    async def restore(self, recording: Recording) -> int:
        """Store a conversation as it was recorded elsewhere; return how many of its frames were not here yet.

        Nobody is told of it: it goes on when somebody says something in it.

        Raises:
            InvalidInput: its id is not valid, or a frame is too large for the server.
            Refused: it is in clear, and the namespace is encrypted; nothing was stored.
            Conflict: the conversation is here with other events, and stays as it is.
            CorruptLog: the frames do not fit each other, or those that are here do not.
            Unavailable: the server did not answer; the same call may be made again, and goes on.

        """
        checked_id(recording.conversation)
        vault = self.substrate.vault
        encrypted = vault is not None and await vault.encrypted()
        return len([stored async for stored in restoring(self._log, recording, encrypted=encrypted)])

    async def fork(
        self,
        conversation_id: str | UUID,
        at: int | None = None,
        as_id: str | UUID | None = None,
        *,
        model: str | None = None,
        prompt: str | None = None,
    ) -> Forked:
        """Begin a conversation that goes on from what another was after version `at`, or is now.

        That one stays as it is, and so does what the fork has from it, whatever is said in either later.
        It gets a new id where `as_id` names none.  What is said in it is answered by `model`, where one is given, and
        under `prompt` in the step that it is in now; whatever else is to be otherwise is said to it.

        Raises:
            InvalidInput: an id, the model or the prompt cannot be taken.
            NotFound: there is no such conversation, or no such version of it.
            Refused: it was erased, or a turn is in progress there; the message names the nearest cuts.
            Conflict: there is a conversation of that id already.
            NewerRelease, CorruptLog: what is before the cut cannot be gone on from.
            Unavailable: no server answers, or the fork is not known to be stored.

        """
        parent, edits = checked_id(conversation_id), edits_of(model, prompt)
        child = ConversationId(new_id("fork")) if as_id is None else checked_id(as_id)
        if await self._log.last(child) is not None:  # the append would refuse it, too, after all that is read for it
            raise taken(child)
        cut_at = await find_cut(self._log, parent, at)
        now, writer = SystemClock().now(), WriterId(new_id("client"))
        try:
            return await cut_off(self._log, cut_at, child, edits, time=now, writer=writer)
        except ParentErased as error:
            await erase(self, child, str(error), with_forks=True, told=int)
            raise

    async def erase(
        self,
        conversation_id: str | UUID,
        reason: str,
        with_forks: bool = False,
        on_progress: Callable[[int], object] = lambda removed: None,  # noqa: ARG005
    ) -> Receipt:
        """Take away for good what was said in a conversation, and return what was done.

        The reason is recorded, and stays readable.  Where the conversation is in clear, `on_progress` hears how many
        frames are overwritten.  Nobody needs the master key for it.

        Raises:
            InvalidInput: the id or the reason cannot be taken.
            NotFound: there is no such conversation.
            Refused: it has forks, and they are not to be erased with it.
            Conflict, Unavailable: it is not done, or not known to be; the same call may be made again, and goes on.

        """
        return await erase(self, checked_id(conversation_id), reason, with_forks=with_forks, told=on_progress)

    @property
    def _letters(self) -> DeadLetters:
        return DeadLetters(self.substrate.store, self.substrate.vault)

    def dead_letters(self) -> AsyncGenerator[DeadLetter, None]:
        """Yield the commands that no worker is given again, in no order; `arf deadletters` shows them.

        Raises:
            Unavailable: the server did not answer.

        """
        return self._letters.all()

    async def dead_letter(self, name: str) -> tuple[DeadLetter, bytes]:
        """Return the dead letter of this name, with the bytes of its command.

        Raises:
            NotFound: there is none.
            Unavailable: the server did not answer.

        """
        letter = await self._letters.get(name)
        return letter, await self._letters.data(letter)

    async def retry_dead_letter(self, name: str) -> str:
        """Say what a dead letter holds once more, remove it, and return the new message id.

        Raises:
            NotFound: there is none.
            Refused: nobody can decode its command.
            Unavailable: it is not known to be done; the same call may be made again, and does not say it twice.

        """
        letter, data = await self.dead_letter(name)
        say = said_again(letter, data)
        await self.publish(letter.agent, letter.conversation, say.text, say.metadata, say.id)
        await self.drop_dead_letter(name)
        return say.id

    async def drop_dead_letter(self, name: str) -> None:
        """Remove a dead letter; errors as `retry_dead_letter`."""
        await self._letters.drop(name)
