"""What the clients did and heard, and what the monkey did: the other half of what the log is held against."""

import time

from msgspec import Struct

from agent_runtime_framework.events import ConversationId
from agent_runtime_framework.runtime.testing.rules import Broken


class Sent(Struct):
    """Is one command that a client sent, under one id however often.

    Attributes:
        agent: whose key it bears.
        kind: `say`, `cancel`, or `stray` for a message under another agent's key.
        acknowledged: whether a publish of it returned; only then it may not be lost.
        began, replied: seconds of a clock that never runs backwards; `replied` is None unless the reply was heard.
        tries: how often it was sent.

    """

    id: str
    conversation: ConversationId
    agent: str
    kind: str
    began: float
    acknowledged: bool = False
    replied: float | None = None
    tries: int = 0


class Deed(Struct, frozen=True):
    """Is what the monkey did: to which process, when (Unix milliseconds); `pid` is 0 for what hits no worker."""

    what: str
    pid: int
    time: int


class Book:
    """Is where clients and the monkey write down what they did."""

    def __init__(self) -> None:
        self.sent: dict[tuple[ConversationId, str], Sent] = {}
        self.deeds: list[Deed] = []
        self.broken: list[Broken] = []

    def send(self, id_: str, conversation: ConversationId, agent: str, kind: str = "say") -> Sent:
        """Write down a command that is about to be sent."""
        sent = Sent(id_, conversation, agent, kind, time.monotonic())
        self.sent[conversation, id_] = sent
        return sent

    def do(self, what: str, pid: int = 0) -> None:
        """Write down a deed."""
        self.deeds.append(Deed(what, pid, time.time_ns() // 1_000_000))

    def count(self, *what: str) -> int:
        """Return how many deeds were of these kinds."""
        return sum(deed.what in what for deed in self.deeds)
