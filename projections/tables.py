"""The tables that a log can be asked as: one struct a row, which says of each column its type and what stands in it.

Columns that are marked `Content` hold what people, models, tools and authors said.  They are NULL in the rows of a
conversation that was erased; the others stay.  What a fork has from its parent is in the rows of its parent alone, so
no row is there twice, and sums over all conversations are right.
"""

from types import NoneType, UnionType
from typing import Annotated, Any, Final, NewType, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from ..events import Content

Time = NewType("Time", int)
"""Unix milliseconds; a TIMESTAMP in UTC as a column."""

Words: TypeAlias = Content[str | None]
Json: TypeAlias = Content[Raw | None]


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Is a row of a table: whose it is, first of all; None is NULL."""

    conversation: Annotated[str, "the conversation"]


R = TypeVar("R", bound=Row)


class EventRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Each event."""

    version: Annotated[int, "its number in the conversation, from 1"]
    time: Annotated[Time, "when it was decided"]
    turn: Annotated[int, "the turn, 0 before the first"]
    step: Annotated[str, "the step of the journey after it was decided"]
    agent: Annotated[str, "the front agent"]
    type: Annotated[str, "such as tool.started"]
    cause: Annotated[int | None, "the version that it follows from"] = None
    writer: Annotated[str, "the life of the worker that decided it"]
    command: Annotated[str | None, "the command that was answered"] = None
    position: Annotated[int, "where its frame stands in the stream"]
    data: Annotated[Json, "its own fields"] = None


class TurnRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Each turn; one in progress has no outcome."""

    agent: Annotated[str, "the front agent"]
    turn: Annotated[int, "its number, from 1"]
    journey: Annotated[str, "the journey in which it began"]
    step: Annotated[str, "the step in which it began"]
    message_id: Annotated[str | None, "the id of the message that began it"] = None
    message: Annotated[Words, "what the user said"] = None
    reply: Annotated[Words, "what the user was told"] = None
    outcome: Annotated[str | None, "completed, failed or cancelled"] = None
    reason: Annotated[str | None, "why it ended"] = None
    error: Annotated[Words, "what went wrong"] = None
    cancelled_by: Annotated[str | None, "the id of the command that ended it"] = None
    began: Annotated[int, "version of its first event"]
    began_at: Annotated[Time, "when it began"]
    replied: Annotated[int | None, "version of the reply"] = None
    ended: Annotated[int | None, "version of its end"] = None
    ended_at: Annotated[Time | None, "when it ended"] = None
    whole_ms: Annotated[int | None, "from its beginning to its end"] = None
    model_ms: Annotated[int, "how long models were waited for"]
    tool_ms: Annotated[int, "how long tools took"]
    lives: Annotated[int, "how many worker lives had it"]
    rounds: Annotated[int, "questions to the model"]
    model_failures: Annotated[int, "how often the model failed"]
    tool_calls: Annotated[int, "calls that the model made"]
    tokens: Annotated[int | None, "total_tokens of all its answers"] = None
    prompt_tokens: Annotated[int | None, "prompt_tokens of all its answers"] = None
    completion_tokens: Annotated[int | None, "completion_tokens of all its answers"] = None


class ModelCallRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Each time that a model was to be asked, and what came of it; one that was taken over has no outcome."""

    agent: Annotated[str, "the front agent"]
    turn: Annotated[int, "the turn"]
    round: Annotated[int, "which question of the turn, from 1; retries are of the same"]
    attempt: Annotated[int, "1, and one more for each retry"]
    request: Annotated[int | None, "version of the request"] = None
    requested_at: Annotated[Time | None, "when it was decided to ask"] = None
    not_before: Annotated[Time | None, "before when it was not sent"] = None
    request_hash: Annotated[str | None, "SHA-256 of what was sent"] = None
    journey: Annotated[str, "the journey then"]
    journey_hash: Annotated[str, "its version"]
    step: Annotated[str, "the step then"]
    model: Annotated[str, "the model as configured"]
    parameters: Annotated[Json, "as configured"] = None
    prompt_at: Annotated[int | None, "version of the event that holds the prompt"] = None
    tools_at: Annotated[int | None, "version of the event that holds the tools"] = None
    offered: Annotated[Content[tuple[str, ...] | None], "names of the tools offered"] = None
    first_turn: Annotated[int, "the history that was given begins with this turn"]
    last_turn: Annotated[int, "and ends with this one"]
    outcome: Annotated[str | None, "answered or failed"] = None
    answered: Annotated[int | None, "version of the answer, or of the failure"] = None
    answered_at: Annotated[Time | None, "when that was recorded"] = None
    latency_ms: Annotated[int | None, "how long it took"] = None
    words: Annotated[Words, "what the model said beside its calls"] = None
    tool_calls: Annotated[int | None, "how many calls it made"] = None
    finish_reason: Annotated[str | None, "as the provider says"] = None
    response_id: Annotated[str | None, "the provider's"] = None
    answered_by: Annotated[str | None, "the model as the provider names it"] = None
    tokens: Annotated[int | None, "total_tokens"] = None
    prompt_tokens: Annotated[int | None, "prompt_tokens"] = None
    completion_tokens: Annotated[int | None, "completion_tokens"] = None
    usage: Annotated[Raw | None, "all that the provider counted"] = None
    failure: Annotated[str | None, "kind of the failure, such as rate_limited"] = None
    error: Annotated[Words, "its message"] = None
    retry_at: Annotated[Time | None, "when it was to be asked again"] = None


class ToolCallRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Each tool call that a model made, from what it was offered to what came of it."""

    agent: Annotated[str, "the front agent"]
    turn: Annotated[int, "the turn"]
    call: Annotated[str, "its id, <version of the answer>.<index>"]
    provider_id: Annotated[Words, "its id as the provider gave it"] = None
    message_id: Annotated[str | None, "the id of the message that began the turn"] = None
    message: Annotated[Words, "what the user said"] = None
    spoke: Annotated[int | None, "version of that"] = None
    spoke_at: Annotated[Time | None, "when"] = None
    journey: Annotated[str, "the journey when the model was asked"]
    journey_hash: Annotated[str, "its version"]
    step: Annotated[str, "the step then"]
    model: Annotated[str, "the model as configured"]
    answered_by: Annotated[str | None, "the model as the provider names it"] = None
    response_id: Annotated[str | None, "the provider's"] = None
    request: Annotated[int | None, "version of the request that was answered"] = None
    request_hash: Annotated[str | None, "SHA-256 of what was sent"] = None
    asked: Annotated[int, "how often the model was asked until it answered"]
    prompt_at: Annotated[int | None, "version of the event that holds the prompt"] = None
    tools_at: Annotated[int | None, "version of the event that holds the tools"] = None
    offered: Annotated[Content[tuple[str, ...] | None], "names of the tools offered"] = None
    words: Annotated[Words, "what the model said beside its calls"] = None
    tool: Annotated[Words, "the tool that it chose"] = None
    arguments: Annotated[Json, "with what arguments"] = None
    problem: Annotated[Words, "what is wrong with the call as it was written"] = None
    verdict: Annotated[str, "run, in_doubt, not_offered, invalid, denied, unknown, not_run or undecided"]
    policy: Annotated[str | None, "allowed or denied, by the agent's policy"] = None
    policy_reason: Annotated[Words, "why"] = None
    effect: Annotated[str, "once, idempotent or read"]
    key: Annotated[str, "the idempotency key"]
    attempts: Annotated[int, "how often it was started"]
    outcome: Annotated[str | None, "returned, or the kind of failure"] = None
    outcome_at: Annotated[int | None, "version of that"] = None
    content: Annotated[Words, "what the model was told"] = None
    error: Annotated[Words, "what is recorded beside it for the operator"] = None
    requested_at: Annotated[Time | None, "when the model was asked"] = None
    chosen_at: Annotated[Time, "when it chose"]
    started_at: Annotated[Time | None, "when the tool was first started"] = None
    ended_at: Annotated[Time | None, "when it was over"] = None
    latency_ms: Annotated[int, "how long the tool took"]
    changed: Annotated[Content[tuple[str, ...] | None], "names of the state's fields that it changed"] = None
    step_after: Annotated[str | None, "the step that it led to"] = None
    tokens: Annotated[int | None, "total_tokens of the answer that chose it, and maybe others"] = None
    model_ms: Annotated[int, "how long that answer took"]
    turn_outcome: Annotated[str | None, "completed, failed or cancelled"] = None
    turn_reason: Annotated[str | None, "why the turn ended"] = None


class StepRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Each stay in a step of a journey; the one that goes on has no end.

    A fork enters the step that it begins in with its first event.
    """

    agent: Annotated[str, "the front agent"]
    turn: Annotated[int, "the turn in which it was entered, 0 before the first"]
    journey: Annotated[str, "the journey"]
    step: Annotated[str, "the step"]
    entered: Annotated[int, "version of the event that led there"]
    entered_at: Annotated[Time, "when"]
    left: Annotated[int | None, "version of the event that led away"] = None
    left_at: Annotated[Time | None, "when"] = None
    stayed_ms: Annotated[int | None, "from the one to the other"] = None


class ConversationRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Each conversation as it is; what it has from a parent is not counted."""

    agent: Annotated[str, "the front agent"]
    journey: Annotated[str | None, "the journey that it is in"] = None
    journey_hash: Annotated[str | None, "its version"] = None
    step: Annotated[str, "the step that it is in"]
    status: Annotated[str, "idle, running or erased"]
    parent: Annotated[str | None, "what it was forked from"] = None
    started_at: Annotated[Time | None, "when it began"] = None
    last_at: Annotated[Time, "when its last event was decided"]
    first: Annotated[int | None, "version of its first event"] = None
    version: Annotated[int, "version of its last event"]
    turns: Annotated[int | None, "turns that began in it"] = None
    model_calls: Annotated[int | None, "rows of model_calls"] = None
    tool_calls: Annotated[int | None, "rows of tool_calls"] = None
    tokens: Annotated[int | None, "total_tokens of all its answers"] = None
    position: Annotated[int, "where its last frame stands in the stream"]
    erased: Annotated[bool, "whether its content is gone"]
    erased_at: Annotated[Time | None, "when it was erased"] = None


# --- what columns they have


class Column(Struct, frozen=True):
    """Is a column: its name, its type in SQL, whether it holds content, and what that is."""

    name: str
    type: str
    content: bool
    about: str


class Table(Struct, frozen=True):
    """Is a table: its name, the struct of its rows, what stands in it, its columns."""

    name: str
    row: type[Row]
    about: str
    columns: tuple[Column, ...]

    @property
    def content(self) -> tuple[str, ...]:
        """The names of its columns that hold content."""
        return tuple(column.name for column in self.columns if column.content)


_SQL: Final[dict[Any, str]] = {
    str: "VARCHAR",
    int: "BIGINT",
    bool: "BOOLEAN",
    Time: "TIMESTAMP",
    Raw: "JSON",
    tuple: "VARCHAR[]",
}


def _column(name: str, hint: Any) -> Column:
    shape, (*marks, about) = hint.__origin__, hint.__metadata__
    content = any(isinstance(mark, Meta) and (mark.extra or {}).get("privacy") == "content" for mark in marks)
    if get_origin(shape) in (Union, UnionType):
        (shape,) = (part for part in get_args(shape) if part is not NoneType)
    return Column(name, _SQL[get_origin(shape) or shape], content, about)


def _table(name: str, row: type[Row]) -> Table:
    columns = tuple(_column(column, hint) for column, hint in get_type_hints(row, include_extras=True).items())
    return Table(name, row, (row.__doc__ or "").partition("\n")[0], columns)


TABLES: Final[dict[str, Table]] = {
    table.name: table
    for table in (
        _table("events", EventRow),
        _table("turns", TurnRow),
        _table("model_calls", ModelCallRow),
        _table("tool_calls", ToolCallRow),
        _table("steps", StepRow),
        _table("conversations", ConversationRow),
    )
}
"""All tables, by name."""

NAMES: Final[dict[type[Row], str]] = {table.row: name for name, table in TABLES.items()}
"""The name of the table of a row."""

_EMPTIED: Final = {table.row: dict.fromkeys(table.content) for table in TABLES.values()}


def without_content(row: R) -> R:
    """Return a row as it is of a conversation that was erased."""
    return replace(row, **_EMPTIED[type(row)])
