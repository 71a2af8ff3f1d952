"""What a message asks for: it tells the model which tools to call in which rounds, so that answers need no memory."""

import msgspec
from msgspec import Struct


class Call(Struct, frozen=True, array_like=True):
    """Is one call: the tool, how many seconds it works at its first start, and how many at a later one."""

    tool: str
    first: float = 0.0
    again: float = 0.0


class Script(Struct, frozen=True):
    """Is what the user says, as JSON: the message's id, the calls of each round, the seconds that each answer takes.

    An answer that is asked for again takes no time.
    """

    id: str
    rounds: list[list[Call]] = []
    thinks: float = 0.0

    @property
    def reply(self) -> str:
        """The last answer of the turn."""
        return f"done {self.id}"

    def text(self) -> str:
        """Return what is sent."""
        return msgspec.json.encode(self).decode()


def read(text: str) -> Script:
    """Return the script that a message holds."""
    return msgspec.json.decode(text, type=Script)
