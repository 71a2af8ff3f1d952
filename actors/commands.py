"""What may be asked of a conversation, imperative, one frozen struct a command.

Three kinds: what people send over the bus; what effects came to; and what the journey says of a state that was only
just decided.  All are idempotent under the fold: by command id, by request version, or by call and attempt.
"""

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from ..events import Effect, ToolFailure, Usage


class SayToAgent(Struct, frozen=True, kw_only=True, tag="say"):
    """A person says something to an agent; `id` is the message id."""

    id: str
    agent: str
    text: str
    metadata: dict[str, Any] = {}


class CancelTurn(Struct, frozen=True, kw_only=True, tag="cancel"):
    """A person ends the turn in progress."""

    id: str
    agent: str
    reason: str = ""


class InterruptTurn(Struct, frozen=True):
    """A message ends the turn in progress and begins the next one."""

    say: SayToAgent

    @property
    def id(self) -> str:
        """The id of the message."""
        return self.say.id


class RecordAnswer(Struct, frozen=True, kw_only=True):
    """The model answered the request at version `request`."""

    request: int
    message: dict[str, Any]
    finish_reason: str | None = None
    usage: Usage = {}
    latency_ms: int = 0
    response_id: str | None = None
    model: str = ""


class RecordModelFailure(Struct, frozen=True, kw_only=True):
    """The model gave no usable answer to the request at version `request`; with `retry_at` it is asked again then."""

    request: int
    kind: str
    error: str
    retry_at: int | None = None
    latency_ms: int = 0


class EnterJourney(Struct, frozen=True, kw_only=True):
    """A call led to another journey: with the state that it begins with, or, where that is None, as it was left."""

    journey: str
    journey_hash: str = ""
    state: dict[str, bytes] | None = None
    step: str = ""


class RecordToolReturn(Struct, frozen=True, kw_only=True):
    """A call returned; `state` is the whole state after it, each top-level field as JSON bytes, `step` its step.

    With `enters` it led to another journey, and the one that is left stays as it was.
    """

    answer: int
    index: int
    attempt: int
    content: str
    state: dict[str, bytes]
    step: str
    latency_ms: int = 0
    enters: EnterJourney | None = None


class RecordToolFailure(Struct, frozen=True, kw_only=True):
    """A call that was started has no result; `content` is what the model is told, if `fatal` does not end the turn."""

    answer: int
    index: int
    attempt: int
    kind: ToolFailure
    content: str
    error: str | None = None
    latency_ms: int = 0
    fatal: bool = False


class ReviseJourney(Struct, frozen=True, kw_only=True):
    """A conversation whose state was recorded under `previous` goes on under another version of its journey.

    `state` is what that version made of the state, each top-level field as JSON bytes, and `step` its step; None where
    the state stays as it is.
    """

    previous: str
    journey_hash: str
    state: dict[str, bytes] | None = None
    step: str = ""


class ResumeTurn(Struct, frozen=True):
    """Another life goes on with the turn in progress, perhaps with another version of its journey."""

    revision: ReviseJourney | None = None


class RefuseCommand(Struct, frozen=True, kw_only=True):
    """A command is to have no effect."""

    id: str
    reason: str


class HaltTurn(Struct, frozen=True, kw_only=True):
    """The turn in progress ends, and the effect `owed` is not begun; whoever was to perform it knows."""

    owed: str
    reason: str = ""


class FailTurn(Struct, frozen=True, kw_only=True):
    """The turn in progress cannot go on."""

    reason: str
    error: str


class Open(Struct, frozen=True, kw_only=True):
    """The conversation begins with this state and these messages from before."""

    agent: str
    journey_hash: str
    state: dict[str, bytes]
    step: str = ""
    history: tuple[dict[str, Any], ...] = ()


class AskModel(Struct, frozen=True, kw_only=True):
    """The journey's request to the model.

    `tools` is the JSON list in OpenAI form, empty text for none; `effects` the effect classes declared for them.
    """

    prompt: str
    tools: str = ""
    effects: dict[str, Effect] = {}
    model: str = ""
    parameters: dict[str, Any] = {}
    history_turns: int | None = None


class RunTool(Struct, frozen=True, kw_only=True):
    """The next call may run; `policy` says that the author's policy was asked, and `reason` why it allowed it."""

    effect: Effect
    policy: Literal["allowed"] | None = None
    reason: str = ""


class RefuseTool(Struct, frozen=True, kw_only=True):
    """The next call may not run; `content` is what the model is told.

    `policy` says that it was the author's policy which denied it, and `reason` why.
    """

    kind: ToolFailure
    content: str
    policy: Literal["denied"] | None = None
    reason: str = ""


class EndTurn(Struct, frozen=True, kw_only=True):
    """The turn is over; `spoken` is the version of the answer or tool result that is the reply, None for no reply."""

    reason: str
    spoken: int | None = None


BusCommand: TypeAlias = SayToAgent | CancelTurn
Outcome: TypeAlias = RecordAnswer | RecordModelFailure | RecordToolReturn | RecordToolFailure
JourneyCommand: TypeAlias = Open | ReviseJourney | AskModel | RunTool | RefuseTool | EndTurn | FailTurn
Command: TypeAlias = BusCommand | Outcome | JourneyCommand | InterruptTurn | ResumeTurn | HaltTurn | RefuseCommand
