"""What travels beside the log: commands to workers, and frames and tokens to followers, as JSON."""

from typing import TypeAlias

import msgspec
from msgspec import Raw, Struct

from ..actors import BusCommand
from ..events import InvalidInput
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


LiveMessage: TypeAlias = LiveFrame | Delta | Queued

_encoder = msgspec.json.Encoder()
_command: msgspec.json.Decoder[BusCommand] = msgspec.json.Decoder(BusCommand)
_live: msgspec.json.Decoder[LiveMessage] = msgspec.json.Decoder(LiveMessage)


def encode(message: BusCommand | LiveMessage) -> bytes:
    """Return the bytes to send.

    Raises:
        InvalidInput: a text in it is not valid Unicode, or a value is not JSON.

    """
    try:
        return _encoder.encode(message)
    except (UnicodeEncodeError, TypeError, RecursionError) as error:
        raise InvalidInput(f"the message cannot be sent as JSON: {error}") from error


def decode_command(data: bytes) -> BusCommand:
    """Return the command that these bytes hold.

    Raises:
        InvalidInput: they hold none.

    """
    try:
        return _command.decode(data)
    except MALFORMED as error:
        raise InvalidInput(f"this is no command: {error}") from error


def decode_live(data: bytes) -> LiveMessage:
    """Return what a follower is told.

    Raises:
        InvalidInput: the bytes hold nothing that a follower knows.

    """
    try:
        return _live.decode(data)
    except MALFORMED as error:
        raise InvalidInput(f"this is nothing a follower knows: {error}") from error


def place_in_line(queued: Queued) -> str:
    """Return in words which turn it gets of those that wait: where none is known to come before it, the next.

    >>> from agent_runtime_framework.runtime.wire import Queued, place_in_line
    >>> place_in_line(Queued("m-2", ahead=0)), place_in_line(Queued("m-2", ahead=3))
    ('next', '3 ahead of it')

    """
    return f"{queued.ahead} ahead of it" if queued.ahead else "next"
