"""A turn in progress: what was asked, what the model chose, what its calls came to."""

from typing import Any

from msgspec import Struct

from ..events import Effect, Usage
from .calls import Call

POISONED = "poison"
"""The reason of a turn that failed because worker after worker ended in it; its command is kept as a dead letter."""


class Request(Struct, frozen=True, gc=False):
    """Is one request to the model, with the texts that the event may only refer to.

    Attributes:
        version: where it stands.
        attempt: 1 for the first; a retry or a resumption counts on.
        model, parameters: as the author configured them.
        prompt: the system prompt.
        tools: the JSON list of tools in OpenAI form; empty text if none were offered.
        effects: the effect classes that were declared for them.
        first_turn, last_turn: the window of the transcript.
        hash: SHA-256 of what is sent.
        not_before: Unix milliseconds before which it is not sent, or None.

    """

    version: int
    attempt: int
    model: str
    parameters: dict[str, Any]
    prompt: str
    tools: str
    effects: dict[str, Effect]
    first_turn: int
    last_turn: int
    hash: str
    not_before: int | None = None


class Running(Struct, frozen=True, gc=False):
    """Is the call that was started and has no outcome yet."""

    index: int
    attempt: int
    effect: Effect


class Result(Struct, frozen=True, gc=False):
    """Is the outcome of one call: where it stands, what the model was told, whether the tool returned."""

    index: int
    version: int
    text: str
    succeeded: bool


class Answer(Struct, frozen=True, gc=False):
    """Is the model's last answer and how far its calls have come; calls run one after another, in order.

    `journey` is the one that it was given in, which a call of it may have led away from.
    """

    version: int
    text: str
    calls: tuple[Call, ...] = ()
    running: Running | None = None
    results: tuple[Result, ...] = ()
    journey: str = ""

    @property
    def next_call(self) -> Call | None:
        """The first call that has neither started nor an outcome, or None."""
        done = len(self.results)
        return None if self.running is not None or done >= len(self.calls) else self.calls[done]

    @property
    def open_calls(self) -> tuple[Call, ...]:
        """The calls that have no outcome, the running one included."""
        return self.calls[len(self.results) :]


class Turn(Struct, frozen=True, gc=False):
    """Is the turn in progress.

    Attributes:
        number: 1 for the first of the conversation.
        message_id, spoke, metadata: what began it; `spoke` is the version of `user.spoke`.
        began: the version of `turn.started`.
        attempt: 1, and one more for each life that went on with it.
        request: the last request; `waiting` says that it has no outcome yet.
        answer: what it came to, or None while it waits.
        rounds: how many answers there were.
        left: the journeys that were left in it, in order.
        rounds_before: how many answers there were when the last of these was left.
        offered: names of the tools that the last request offered.
        usage: the sum over the turn's answers.
        last: the last tool result, or None.

    """

    number: int
    message_id: str
    spoke: int
    metadata: dict[str, Any]
    began: int
    attempt: int = 1
    request: Request | None = None
    waiting: bool = False
    answer: Answer | None = None
    rounds: int = 0
    left: tuple[str, ...] = ()
    rounds_before: int = 0
    offered: frozenset[str] = frozenset()
    usage: Usage = {}
    last: Result | None = None


class Ended(Struct, frozen=True, gc=False):
    """Is how a turn ended, and what its sender is told.

    Attributes:
        turn, message_id: which one.
        version: of the event that ended it.
        outcome: `completed`, `failed` or `cancelled`.
        reason: why, in one word or two.
        text: the reply; empty if there was none.
        error: what went wrong; empty if nothing did.
        usage: the sum over the turn's answers.
        metadata: what came with the message.
        left: the journeys that were left in it, in order.

    """

    turn: int
    message_id: str
    version: int
    outcome: str
    reason: str
    text: str = ""
    error: str = ""
    usage: Usage = {}
    metadata: dict[str, Any] = {}
    left: tuple[str, ...] = ()
