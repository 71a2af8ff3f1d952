"""What travels beside the log: commands to workers, and frames and tokens to followers, as JSON.

In a conversation that is sealed it is sealed, too: a queue keeps commands on disk until they are acknowledged.  A frame
goes as it is stored.
"""

from typing import TypeAlias

import msgspec
from msgspec import Raw, Struct

from ..actors import BusCommand
from ..events import Cipher, ConversationId, CorruptLog, InvalidInput, Vault
from ..events.codec import MALFORMED


class LiveFrame(Struct, frozen=True, tag="frame"):
    """Is a frame that was stored: its position in the log, and its very bytes."""

    position: int
    frame: Raw


class Delta(Struct, frozen=True, tag="delta"):
    """Is a piece of text as the model gives it; it is not in the log, the whole answer will be.

    Attributes:
        turn: the turn in progress.
        request: the version of the request that is being answered.
        attempt: of that request.
        number: counts the pieces from 0; a gap means that some were lost.
        text: the piece.

    >>> from agent_runtime_framework import Delta
    >>> pieces = enumerate(["Hello, ", "Ada!"])
    >>> heard = [Delta(turn=1, request=4, attempt=1, number=at, text=text) for at, text in pieces]
    >>> "".join(delta.text for delta in heard)
    'Hello, Ada!'

    """

    turn: int
    request: int
    attempt: int
    number: int
    text: str


class Queued(Struct, frozen=True, tag="queued"):
    """Is a message that waits: for its turn to begin, which is in the log only then, or for a reason that is given.

    Attributes:
        message_id: of the message.
        ahead: how many turns are to begin or end before it, as far as that is known now.
        reason: why its turn does not go on, such as a stream that is full; empty where it only waits its turn.

    >>> from agent_runtime_framework import Queued
    >>> Queued(message_id="m-2", ahead=1)
    Queued(message_id='m-2', ahead=1, reason='')

    """

    message_id: str
    ahead: int
    reason: str = ""


class SealedCommand(Struct, frozen=True, kw_only=True, tag="sealed"):
    """Is a command whose content is sealed with the key of its conversation; its id and its agent can be read."""

    id: str
    agent: str
    sealed: bytes


class SealedWord(Struct, frozen=True, tag="sealed"):
    """Is a delta, or word of a message that waits, sealed with the key of its conversation."""

    sealed: bytes


LiveMessage: TypeAlias = LiveFrame | Delta | Queued

_encoder = msgspec.json.Encoder()
_command: msgspec.json.Decoder[BusCommand] = msgspec.json.Decoder(BusCommand)
_stored: msgspec.json.Decoder[BusCommand | SealedCommand] = msgspec.json.Decoder(BusCommand | SealedCommand)
_live: msgspec.json.Decoder[LiveMessage | SealedWord] = msgspec.json.Decoder(LiveMessage | SealedWord)


def encode(message: BusCommand | LiveMessage | SealedCommand | SealedWord) -> bytes:
    """Return the bytes to send.

    Raises:
        InvalidInput: a text in it is not valid Unicode, or a value is not JSON.

    """
    try:
        return _encoder.encode(message)
    except (UnicodeEncodeError, TypeError, RecursionError) as error:
        raise InvalidInput(f"the message cannot be sent as JSON: {error}") from error


def decode_command(data: bytes) -> BusCommand:
    """Return the command that these bytes hold, which is not sealed.

    Raises:
        InvalidInput: they hold none.

    """
    try:
        return _command.decode(data)
    except MALFORMED as error:
        raise InvalidInput(f"this is no command: {error}") from error


def decode_stored(data: bytes) -> BusCommand | SealedCommand:
    """Return the command that these bytes hold, perhaps sealed.

    Raises:
        InvalidInput: they hold none.

    """
    try:
        return _stored.decode(data)
    except MALFORMED as error:
        raise InvalidInput(f"this is no command: {error}") from error


def decode_live(data: bytes) -> LiveMessage | SealedWord:
    """Return what a follower is told, perhaps sealed.

    Raises:
        InvalidInput: the bytes hold nothing that a follower knows.

    """
    try:
        return _live.decode(data)
    except MALFORMED as error:
        raise InvalidInput(f"this is nothing a follower knows: {error}") from error


# --- sealing


def seal_command(command: BusCommand, conversation: ConversationId, cipher: Cipher | None) -> bytes:
    """Return the bytes to send of a command; raises as `encode`, and Withheld where the key is not here."""
    data = encode(command)
    if cipher is None:
        return data
    sealed = cipher.seal(data, _bound("command", conversation, command.id))
    return encode(SealedCommand(id=command.id, agent=command.agent, sealed=sealed))


def open_command(command: SealedCommand, conversation: ConversationId, cipher: Cipher) -> BusCommand:
    """Return the command that is sealed.

    Raises:
        InvalidInput: what is sealed was changed, or is no command.
        Withheld: the key is not here, or was erased.

    """
    try:
        opened = decode_command(cipher.open(command.sealed, _bound("command", conversation, command.id)))
    except CorruptLog as error:
        raise InvalidInput(f"this is no command: {error}") from error
    if (opened.id, opened.agent) != (command.id, command.agent):
        raise InvalidInput("this is no command: another one is sealed in it")
    return opened


async def seal_live(message: Delta | Queued, conversation: ConversationId, vault: Vault | None) -> bytes:
    """Return the bytes to publish of what is not in the log; raises as `seal_command`, and as the vault."""
    data = encode(message)
    cipher = None if vault is None else await vault.cipher(conversation)
    return data if cipher is None else encode(SealedWord(cipher.seal(data, _bound("live", conversation))))


async def open_live(word: SealedWord, conversation: ConversationId, vault: Vault | None) -> LiveMessage:
    """Return what is sealed.

    Raises:
        InvalidInput: it was changed, or holds nothing that a follower knows.
        Withheld: the key is not here, or was erased.

    """
    cipher = None if vault is None else await key_of(conversation, vault)
    if cipher is None:
        raise InvalidInput("this is nothing a follower knows: it is sealed, and there is no key")
    try:
        message = decode_live(cipher.open(word.sealed, _bound("live", conversation)))
    except CorruptLog as error:
        raise InvalidInput(f"this is nothing a follower knows: {error}") from error
    if isinstance(message, SealedWord):
        raise InvalidInput("this is nothing a follower knows: it is sealed twice")
    return message


async def key_of(conversation: ConversationId, vault: Vault) -> Cipher | None:
    """Return the cipher for what is sealed: where none is remembered, one may have been made meanwhile."""
    return await vault.cipher(conversation) or await vault.cipher(conversation, anew=True)


def _bound(what: str, *names: str) -> bytes:
    return " ".join((what, *names)).encode()


def place_in_line(queued: Queued) -> str:
    """Return in words which turn it gets of those that wait: where none is known to come before it, the next.

    >>> from agent_runtime_framework.runtime.wire import Queued, place_in_line
    >>> place_in_line(Queued("m-2", ahead=0)), place_in_line(Queued("m-2", ahead=3))
    ('next', '3 ahead of it')

    """
    return f"{queued.ahead} ahead of it" if queued.ahead else "next"
