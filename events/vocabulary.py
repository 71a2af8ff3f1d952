"""What can happen in a conversation: the whole vocabulary, one frozen struct an event.

Rules of this file:
  - An event is a past-tense fact.  It is never refused when it is read back; checks live where events are decided.
  - Each fact is stored once.  `cause` is the version of the event that this one follows from, and does the referring:
    a tool event's `cause` is the answer that holds the call, `agent.spoke`'s the answer or tool result that it is.
  - New fields come with defaults, a field's type never changes, a tag is never reused: golden logs are folded for ever.
  - What a field means never changes either.  Where it has to, the class takes a new tag, the old tag gets an upcaster
    (`events/upcasting.py`), and a golden log of the last release that wrote the old form shows that it is read.
  - Every field is `Structure` or `Content`.  Content is what people, models, tools and authors said, and is sealed
    where a conversation is (`events/encryption.py`).  Structure is what a reader without the key may still see.
  - An event holds data and nothing that could hold an event, so none is ever part of a cycle; the garbage collector
    is not told of them (`gc=False`), nor of frames and of what is folded from them.
"""

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from msgspec import Meta, Raw, Struct

from .ids import CallId, call_id

T = TypeVar("T")
Structure: TypeAlias = Annotated[T, Meta(extra={"privacy": "structure"})]
Content: TypeAlias = Annotated[T, Meta(extra={"privacy": "content"})]

Effect: TypeAlias = Literal["once", "idempotent", "read"]
"""What repeating a tool does: harm (`once`, the default), nothing under one key (`idempotent`), or nothing (`read`)."""

ToolFailure: TypeAlias = Literal[
    "error", "unknown", "not_offered", "invalid", "denied", "timeout", "in_doubt", "cancelled"
]


Usage: TypeAlias = dict[str, int]
"""Counts tokens under the provider's names, such as `total_tokens`."""


def add_usage(one: Usage, other: Usage) -> Usage:
    """Return the sum, under every name that either has."""
    total = {**one}
    for name, count in other.items():
        total[name] = total.get(name, 0) + count
    return total


class Lineage(Struct, frozen=True, kw_only=True, gc=False):
    """Names what a fork was cut from: the parent, the version of the cut, the hash of the frame there."""

    parent: str
    version: int
    frame: str


class Edits(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Says what a fork does otherwise than its parent did: another model, another prompt in one step of one journey.

    An empty model and a prompt that is None leave things as they are.
    """

    model: Structure[str] = ""
    prompt: Content[str | None] = None
    journey: Structure[str] = ""
    step: Structure[str] = ""


class Event(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True, gc=False):
    """Is what every event has: the version that it follows from, or None where nothing recorded precedes it."""

    cause: Structure[int | None] = None


class ConversationStarted(Event, frozen=True, kw_only=True, tag="conversation.started"):
    """It exists: under its front agent, with a first state, perhaps with messages from before.

    With a lineage it is a fork: it goes on from what its parent was at the cut, whose state, step and transcript it
    has, and counts versions on from there.  `edits` says what it does otherwise; each of its fields is marked itself.
    """

    agent: Structure[str]
    journey_hash: Structure[str]
    state: Content[dict[str, Raw]]
    step: Structure[str] = ""
    history: Content[tuple[dict[str, Any], ...]] = ()
    lineage: Structure[Lineage | None] = None
    edits: Structure[Edits | None] = None


class UserSpoke(Event, frozen=True, kw_only=True, tag="user.spoke"):
    """Someone said something."""

    message_id: Structure[str]
    text: Content[str]
    metadata: Content[dict[str, Any]] = {}


class TurnStarted(Event, frozen=True, kw_only=True, tag="turn.started"):
    """A turn begins; `cause` is what the user said."""

    number: Structure[int]


class TurnResumed(Event, frozen=True, kw_only=True, tag="turn.resumed"):
    """A turn goes on in another worker or life; the first resumption is attempt 2."""

    number: Structure[int]
    attempt: Structure[int]


class ModelRequested(Event, frozen=True, kw_only=True, tag="model.requested"):
    """The model is owed a call.

    `prompt` and `tools` hold the text where it is first used; later requests give the version where it stands in
    `prompt_at` and `tools_at`.  `tools` is the list in OpenAI form, `effects` the classes that were declared for
    them.  `not_before` (Unix milliseconds) delays a retry.  `first_turn` to `last_turn` is the window of the
    transcript that was sent, rendered by revision `renderer`; `request` is the SHA-256 of what went to the model,
    and content as that is: whoever guesses what was said could try whether it is so.
    """

    attempt: Structure[int] = 1
    model: Structure[str] = ""
    parameters: Content[dict[str, Any]] = {}
    prompt: Content[str | None] = None
    prompt_at: Structure[int | None] = None
    tools: Content[tuple[dict[str, Any], ...]] = ()
    tools_at: Structure[int | None] = None
    effects: Structure[dict[str, Effect]] = {}
    first_turn: Structure[int] = 0
    last_turn: Structure[int] = 0
    renderer: Structure[int] = 1
    request: Content[str] = ""
    not_before: Structure[int | None] = None


class ModelAnswered(Event, frozen=True, kw_only=True, tag="model.answered"):
    """The model answered; `message` is the assistant message as it came, `cause` the request."""

    message: Content[dict[str, Any]]
    finish_reason: Structure[str | None] = None
    usage: Structure[Usage] = {}
    latency_ms: Structure[int] = 0
    response_id: Structure[str | None] = None
    model: Structure[str] = ""


class ModelFailed(Event, frozen=True, kw_only=True, tag="model.failed"):
    """The model gave no usable answer; with `retry_at` (Unix milliseconds) it is asked again then."""

    kind: Structure[str]
    error: Content[str]
    retry_at: Structure[int | None] = None
    latency_ms: Structure[int] = 0


class _ToolEvent(Event, frozen=True, kw_only=True):
    """Concerns one call: the one at `index` of the answer at `cause`."""

    index: Structure[int] = 0

    @property
    def call(self) -> CallId:
        """The call's id, `<answer version>.<index>`."""
        return call_id(self.cause or 0, self.index)


class ToolStarted(_ToolEvent, frozen=True, kw_only=True, tag="tool.started"):
    """A tool is about to run: the intent, recorded before the effect.

    `policy` says that the agent's policy was asked and allowed the call, and `reason` why, if it said so.  It is asked
    once a call, so another attempt says nothing of it.
    """

    effect: Structure[Effect] = "once"
    attempt: Structure[int] = 1
    step: Structure[str] = ""
    policy: Structure[Literal["allowed"] | None] = None
    reason: Content[str] = ""


class ToolReturned(_ToolEvent, frozen=True, kw_only=True, tag="tool.returned"):
    """A tool ran to its end; `content` is what the model is told."""

    content: Content[str]
    latency_ms: Structure[int] = 0


class ToolFailed(_ToolEvent, frozen=True, kw_only=True, tag="tool.failed"):
    """A call had no result; `content` is what the model is told, `error` what the operator should know beyond it.

    `policy` says that the agent's policy denied the call, and `reason` why; the runtime's own denials have neither.
    """

    kind: Structure[ToolFailure]
    content: Content[str]
    error: Content[str | None] = None
    latency_ms: Structure[int] = 0
    policy: Structure[Literal["denied"] | None] = None
    reason: Content[str] = ""


class StateChanged(Event, frozen=True, kw_only=True, tag="state.changed"):
    """Top-level fields of the journey's state were set or unset; values are JSON as it was compared."""

    set: Content[dict[str, Raw]] = {}
    unset: Structure[tuple[str, ...]] = ()


class StepEntered(Event, frozen=True, kw_only=True, tag="step.entered"):
    """The journey moved."""

    previous: Structure[str]
    step: Structure[str]


class JourneyEntered(Event, frozen=True, kw_only=True, tag="journey.entered"):
    """The router switched to another journey: with the state that it begins with, or as it was left (`resumed`)."""

    previous: Structure[str]
    journey: Structure[str]
    journey_hash: Structure[str] = ""
    state: Content[dict[str, Raw]] = {}
    step: Structure[str] = ""
    resumed: Structure[bool] = False


class JourneyRevised(Event, frozen=True, kw_only=True, tag="journey.revised"):
    """A worker with another version of the journey goes on; both are named by their hash.

    What that version made of the state follows as `state.changed` and `step.entered`.
    """

    previous: Structure[str]
    journey_hash: Structure[str]


class AgentSpoke(Event, frozen=True, kw_only=True, tag="agent.spoke"):
    """The reply: the answer or the tool result at `cause`, which holds its words."""


class TurnCompleted(Event, frozen=True, kw_only=True, tag="turn.completed"):
    """The turn is over; `reason` is `text_response`, `terminal_tool:<name>`, `max_iterations` or `closing`."""

    reason: Structure[str]
    usage: Structure[Usage] = {}


class TurnFailed(Event, frozen=True, kw_only=True, tag="turn.failed"):
    """The turn is over without a reply."""

    reason: Structure[str]
    error: Content[str] = ""
    usage: Structure[Usage] = {}


class TurnCancelled(Event, frozen=True, kw_only=True, tag="turn.cancelled"):
    """The turn was ended from outside, by a command or by whoever was to perform it; what was recorded stays."""

    command_id: Structure[str]
    reason: Content[str] = ""
    usage: Structure[Usage] = {}


class CommandRefused(Event, frozen=True, kw_only=True, tag="command.refused"):
    """A command had no effect.

    No reason is given where nobody can seal one any more, because what the conversation goes on from was erased.
    """

    command_id: Structure[str]
    reason: Content[str] = ""

    @property
    def because(self) -> str:
        """Why, in words, also where none are recorded."""
        return self.reason or "what it goes on from was erased"


class ConversationErased(Event, frozen=True, kw_only=True, tag="conversation.erased"):
    """Its content is gone; structure and hashes stay, and why it was erased.

    Where it was sealed its key is gone, and the log stays; where it was in clear, the log begins with this frame.
    """

    reason: Structure[str] = ""


class UnknownEvent(Struct, frozen=True, tag_field="type", tag="unknown", gc=False):
    """Is an event of a newer release, or one whose fields do not fit: kept as stored, shown, never decided on."""

    tag: str
    raw: bytes
    cause: int | None = None


KnownEvent: TypeAlias = (
    ConversationStarted
    | UserSpoke
    | TurnStarted
    | TurnResumed
    | ModelRequested
    | ModelAnswered
    | ModelFailed
    | ToolStarted
    | ToolReturned
    | ToolFailed
    | StateChanged
    | StepEntered
    | JourneyEntered
    | JourneyRevised
    | AgentSpoke
    | TurnCompleted
    | TurnFailed
    | TurnCancelled
    | CommandRefused
    | ConversationErased
)
AnyEvent: TypeAlias = KnownEvent | UnknownEvent
