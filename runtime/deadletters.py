"""Dead letters: commands that no worker is given again, kept until somebody looks at them.

There are two kinds.  One whose turn was begun by a worker and taken over by others, until so many had ended or broken
in it that it is not tried again; and one that nobody can decode.  A letter is kept before its command is acknowledged,
so a crash in between keeps it once more, under the same name.

The bytes of a command may be as many as a server takes in one message, and JSON makes them more.  So they are kept in
pieces, in a store of their own, and before the letter itself: a letter that is listed is complete.

What was sent to a conversation that is sealed is kept sealed, as it came or else as it is kept, and so without words of
what is wrong with it.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Callable
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from ..actors import BusCommand, SayToAgent
from ..events import (
    AgentKey,
    Cipher,
    ConversationId,
    CorruptLog,
    FrameworkError,
    InvalidId,
    InvalidInput,
    NotFound,
    Refused,
    Vault,
    Withheld,
    check_token,
    not_to_be_had,
)
from .memory import MemoryStore
from .wire import SealedCommand, decode_command, decode_stored, encode, key_of, open_command

STORE, DATA_STORE = "dead-letters", "dead-letters-data"
"""The stores of a namespace that hold letters, and the bytes of their commands."""

PIECE = 32 * 1024
"""So many bytes of a command are kept under one key; any server takes that, also as JSON."""

NAMELESS = "nameless"
"""Stands in a letter's name for a conversation whose id is no token."""

DIGITS = 20
"""So many hexadecimal digits, 80 bits, tell apart what has no id."""

IN_SEAL = "nobody can decode its command, which is sealed"
"""Is what is wrong with a letter that was sealed when it was kept; more might be somebody's words."""

Reason: TypeAlias = Literal["poison", "undecodable"]


class DeadLetter(Struct, frozen=True, kw_only=True):
    """Is a command that no worker is given again.

    Attributes:
        conversation, id: which command; the id of one that nobody can decode is made of its bytes.
        agent: whom it was sent to.
        reason: `poison`: worker after worker ended or broke in its turn; or `undecodable`.
        error: what was wrong, in words.
        time: when it was kept, in Unix milliseconds.
        size: how many bytes the command has.
        attempts: how many workers tried its turn, all of which ended or broke in it; None where that is not known.

    >>> from agent_runtime_framework import DeadLetter
    >>> letter = DeadLetter(conversation="c-1", id="m-1", agent="bot", reason="poison", error="", time=0, size=60)
    >>> letter.name
    'c-1/m-1'

    """

    conversation: str
    id: str
    agent: str
    reason: Reason
    error: str
    time: int
    size: int
    attempts: int | None = None

    @property
    def name(self) -> str:
        """What it is called on the command line: conversation and id, since two conversations may share ids."""
        try:
            return f"{check_token(self.conversation, 'conversation id')}/{self.id}"
        except InvalidId:
            return f"{NAMELESS}/{self.id}"


class DeadLetters:
    """Keeps dead letters in the stores that `store` gives by name.

    >>> import asyncio
    >>> from agent_runtime_framework.runtime.deadletters import DeadLetters, poisoned
    >>> from agent_runtime_framework.runtime.substrate import stores_in_memory
    >>> data = b'{"type":"say","id":"m-1","agent":"bot","text":"hi"}'
    >>> async def main():
    ...     letters = DeadLetters(stores_in_memory())
    ...     await letters.keep(poisoned("bot", "c-1", "m-1", data, attempts=5, time=0), data)
    ...     return [(letter.name, await letters.data(letter) == data) async for letter in letters.all()]
    >>> asyncio.run(main())
    [('c-1/m-1', True)]
    """

    def __init__(self, store: Callable[[str], MemoryStore[Any]], vault: Vault | None = None) -> None:
        self._letters = store(STORE)
        self._pieces = store(DATA_STORE)
        self._vault = vault

    async def keep(self, letter: DeadLetter, data: bytes) -> None:
        """Keep a letter and its command's bytes; one that is there already stays as it is.

        Raises:
            Unavailable: it is not known to be kept; keeping it again is safe.
            Withheld: it is to be sealed, and the key is not here.

        """
        if await self._letters.exists(letter.name):
            return
        letter, data = await self._sealed(letter, data)
        for number, start in enumerate(range(0, len(data), PIECE)):
            await self._pieces.set(_piece(letter.name, number), b64encode(data[start : start + PIECE]).decode())
        await self._letters.set(letter.name, msgspec.to_builtins(letter))

    async def all(self) -> AsyncGenerator[DeadLetter, None]:
        """Yield all letters, in no order.

        Raises:
            Unavailable: the server did not answer.

        """
        async for stored in self._letters.values():
            yield _read(stored)

    async def get(self, name: str) -> DeadLetter:
        """Return the letter of this name.

        Raises:
            NotFound: there is none.
            Unavailable: the server did not answer.

        """
        stored = await self._letters.get(name)
        if stored is None:
            raise NotFound(f"no dead letter {name!r}")
        return _read(stored)

    async def data(self, letter: DeadLetter) -> bytes:
        """Return the command's bytes, as they came; opened, if they were sealed and the key can be had.

        Raises:
            NotFound: somebody drops the letter just now.
            Unavailable: the server did not answer.

        """
        pieces = []
        for number in range(_pieces(letter)):
            piece = await self._pieces.get(_piece(letter.name, number))
            if piece is None:
                raise NotFound(f"the command of dead letter {letter.name!r} is gone: drop what is left of it")
            pieces.append(b64decode(piece))
        return await self._opened(letter, b"".join(pieces))

    async def drop(self, name: str) -> None:
        """Remove a letter, its bytes first: what did not come to its end can be done again.

        Raises:
            NotFound: there is none.
            Unavailable: it is not known to be removed; the same call may be made again.

        """
        letter = await self.get(name)
        for number in range(_pieces(letter)):
            await self._pieces.delete(_piece(name, number))
        await self._letters.delete(name)

    async def erase(self, conversation: ConversationId) -> tuple[int, bool]:
        """Remove all letters of a conversation; return how many, and whether their bytes are overwritten on disk, too.

        Raises:
            Unavailable: some may be left; the same call may be made again.

        """
        letters = [letter async for letter in self.all() if letter.conversation == conversation]
        surely = True
        for letter in letters:
            for number in range(_pieces(letter)):
                surely &= await self._pieces.erase(_piece(letter.name, number))
            surely &= await self._letters.erase(letter.name)
        return len(letters), surely

    async def _sealed(self, letter: DeadLetter, data: bytes) -> tuple[DeadLetter, bytes]:
        """Return a letter and its bytes as they are kept."""
        cipher = await self._key(letter)
        if cipher is None or _is_sealed(data):
            return letter, data
        sealed = encode(SealedCommand(id=letter.id, agent=letter.agent, sealed=cipher.seal(data, _bound(letter))))
        return msgspec.structs.replace(letter, size=len(sealed), error=IN_SEAL), sealed

    async def _opened(self, letter: DeadLetter, data: bytes) -> bytes:
        stored = _stored(data)
        cipher = await self._key(letter) if isinstance(stored, SealedCommand) else None
        if cipher is None or not isinstance(stored, SealedCommand):
            return data
        try:
            if letter.error == IN_SEAL:
                return cipher.open(stored.sealed, _bound(letter))
            return encode(open_command(stored, ConversationId(letter.conversation), cipher))
        except (CorruptLog, InvalidInput, Withheld):
            return data

    async def _key(self, letter: DeadLetter) -> Cipher | None:
        if self._vault is None or letter.name.startswith(f"{NAMELESS}/"):
            return None
        return await key_of(ConversationId(letter.conversation), self._vault)


def poisoned(agent: str, conversation: str, id: str, data: bytes, *, attempts: int, time: int) -> DeadLetter:  # noqa: A002
    """Return the letter of a command whose turn came to this attempt, which was not tried any more."""
    tried = attempts - 1
    return DeadLetter(
        conversation=conversation,
        id=id,
        agent=agent,
        reason="poison",
        error=f"{tried} workers ended or broke in its turn, one after another; it is not tried again",
        time=time,
        size=len(data),
        attempts=tried,
    )


def undecodable(agent: str, conversation: str, data: bytes, *, error: str, time: int) -> DeadLetter:
    """Return the letter of a command that nobody can decode; the same bytes at the same place give the same one."""
    return DeadLetter(
        conversation=conversation,
        id=f"x-{_digest(agent.encode(), conversation.encode(errors='surrogatepass'), data)}",
        agent=agent,
        reason="undecodable",
        error=error,
        time=time,
        size=len(data),
    )


def said_again(letter: DeadLetter, data: bytes) -> SayToAgent:
    """Return the message of a letter under a new id, which is always the same: said again twice, it is said once.

    Raises:
        Refused: the command is none that could be sent again.
        Withheld: it is sealed, and its key is not here, or was erased.

    """
    if _is_sealed(data):
        raise not_to_be_had(f"dead letter {letter.name}")
    command = command_of(letter, data)
    if not isinstance(command, SayToAgent):
        raise Refused(f"dead letter {letter.name} cannot be sent again, nobody can decode it: look at it, and drop it")
    return msgspec.structs.replace(command, id=f"m-{_digest(letter.name.encode())}")


def command_of(letter: DeadLetter, data: bytes) -> BusCommand | None:
    """Return the command that a letter holds, None if nobody can decode it."""
    if letter.reason == "undecodable":
        return None
    try:
        return decode_command(data)
    except InvalidInput:
        return None


def place_of(letter: DeadLetter) -> tuple[AgentKey, ConversationId]:
    """Return whom and in which conversation a letter's command was for."""
    return AgentKey(letter.agent), ConversationId(letter.conversation)


def _is_sealed(data: bytes) -> bool:
    return isinstance(_stored(data), SealedCommand)


def _stored(data: bytes) -> BusCommand | SealedCommand | None:
    try:
        return decode_stored(data)
    except InvalidInput:
        return None


def _bound(letter: DeadLetter) -> bytes:
    return f"letter {letter.name}".encode()


def _read(stored: Any) -> DeadLetter:
    try:
        return msgspec.convert(stored, DeadLetter)
    except msgspec.ValidationError as error:
        raise FrameworkError(f"store {STORE!r} holds what is no dead letter ({error}); delete that there") from error


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(b"%d:%s" % (len(part), part) for part in parts)).hexdigest()[:DIGITS]


def _pieces(letter: DeadLetter) -> int:
    return -(-letter.size // PIECE)


def _piece(name: str, number: int) -> str:
    return f"{name}/{number}"
