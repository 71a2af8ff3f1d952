"""The people of a script: each line is a client of its own, with a connection of its own."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from ....actors import CancelTurn
from ....events import (
    AgentKey,
    Conflict,
    ConversationId,
    CorruptLog,
    Frame,
    FrameworkError,
    NewerRelease,
    NoReply,
    NotFound,
    PositionMoved,
    Refused,
    Unavailable,
    UnknownEvent,
    encode_frame,
)
from ...client import Client
from ...forking import cut_off, find_cut
from ...wire import encode
from .connection import Connection
from .loop import Process
from .script import Cancel, Fork, Line, Publish, Read, Say, Spoil
from .world import World, writer_of

TRIES, PATIENCE = 4, 20.0
"""How often a message is sent again that has no reply, and how long each reply is waited for."""

LISTENING = 3.0


class People:
    """Acts out a script."""

    def __init__(self, world: World, front: str, client: Callable[[Connection], Client]) -> None:
        self._world = world
        self._front = front
        self._client = client
        self._hopeless: set[str] = set()

    def begin(self, lines: tuple[Line, ...]) -> list[asyncio.Task[None]]:
        """Begin with all lines, each at its time."""
        self._hopeless = {line.conversation for line in lines if isinstance(line, Spoil)}
        return [self._begin(number, line) for number, line in enumerate(lines)]

    def _begin(self, number: int, line: Line) -> asyncio.Task[None]:
        reads = isinstance(line, Read)
        process = Process(f"{'reader' if reads else 'client'} {number}")
        connection = Connection(self._world, process, writer_of(f"client-{number}"), reads=reads)
        return process.context.run(asyncio.ensure_future, self._act(number, line, connection))

    async def _act(self, number: int, line: Line, connection: Connection) -> None:
        await asyncio.sleep(line.at)
        try:
            match line:
                case Say():
                    await self._say(line, line.id or f"m-{number}", connection)
                case Cancel():
                    command = CancelTurn(id=f"x-{number}", agent=line.agent or self._front)
                    await self._publish(line, encode(command), command.id, connection)
                case Publish():
                    self._world.faults.happened("bad_command", line.conversation[:20])
                    await self._publish(line, line.data, f"b-{number}", connection)
                case Fork():
                    await self._fork(line, number, connection)
                case Read():
                    await self._read(line, connection)
                case Spoil():
                    self._world.faults.happened("log_spoiled", line.conversation)
                    self._spoil(line)
        except Exception as error:
            self._world.checker.ended(f"{connection.process.name} ended by {error!r}")
            raise

    async def _say(self, line: Say, id_: str, connection: Connection) -> None:
        client, agent = self._client(connection), line.agent or self._front
        for _ in range(line.times - 1):
            self._world.faults.happened("said_twice", id_)
            with contextlib.suppress(Unavailable):
                await client.publish(agent, line.conversation, line.text, message_id=id_)
        tries, patience = (1, LISTENING) if line.conversation in self._hopeless else (TRIES, PATIENCE)
        for _ in range(tries):
            try:
                reply = await client.send(agent, line.conversation, line.text, message_id=id_, timeout=patience)
            except Unavailable:
                continue
            except (NoReply, Refused):
                return
            except CorruptLog:
                if line.conversation in self._world.spoiled:
                    return
                raise
            self._world.checker.read(ConversationId(line.conversation), reply.state, reply.version)
            return

    async def _publish(self, line: Cancel | Publish, data: bytes, id_: str, connection: Connection) -> None:
        bus, agent = connection.substrate.bus, AgentKey(line.agent or self._front)
        for _ in range(TRIES):
            try:
                await bus.publish(agent, ConversationId(line.conversation), data, id=id_)
            except Unavailable:
                continue
            return

    async def _fork(self, line: Fork, number: int, connection: Connection) -> None:
        """Fork a conversation where its last turn is over, under a time and a name that the seed knows."""
        log, chat = connection.substrate.log, ConversationId(line.conversation)
        for _ in range(TRIES):
            try:
                over = [one.head.version async for one in log.read(chat) if one.frame.status == "idle"]
                cut = await find_cut(log, chat, over[-1] if over else None)
                time, writer = self._world.clock.now(), writer_of(f"client-{number}")
                await cut_off(log, cut, ConversationId(line.to), None, time=time, writer=writer)
            except Unavailable:
                continue
            except (NotFound, Refused, Conflict):
                return
            except (CorruptLog, NewerRelease):
                if chat not in self._world.spoiled:
                    raise
            return

    async def _read(self, line: Read, connection: Connection) -> None:
        client, chat = self._client(connection), ConversationId(line.conversation)

        async def state() -> None:
            now = await client.conversation(chat)
            self._world.checker.read(chat, await client.state(chat, now.version), now.version)

        async def events() -> None:
            _ = [event async for event in client.events(chat)]

        async def listen() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LISTENING):
                    _ = [event async for event in client.follow(chat)]

        async def survey() -> None:
            _ = [one async for one in client.conversations()]
            _ = (await client.workers(), await client.owner(self._front, chat))

        looks: tuple[Callable[[], Awaitable[Any]], ...] = (state, events, listen, survey)
        for look in looks:
            try:
                await look()
            except (NotFound, Unavailable):
                continue
            except FrameworkError:
                if chat not in self._world.spoiled:
                    raise

    def _spoil(self, line: Spoil) -> None:
        """Write what no worker can go on from."""
        world, chat = self._world, ConversationId(line.conversation)
        world.spoiled.add(chat)
        world.checker.spoil(chat)
        head = world.head(chat)
        data = b"no frame"
        if line.newer:
            event = UnknownEvent("mood.guessed", b'{"type":"mood.guessed"}')
            frame = Frame(first=head.version + 1, time=0, writer="w-newer", agent="", prev=head.hash, events=(event,))
            data = encode_frame(frame)
        with contextlib.suppress(PositionMoved):
            world.put(chat, data, "spoilt", head.position)
