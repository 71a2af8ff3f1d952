"""What goes into an agent's run and what comes out: messages, the context, the result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from ...events import InvalidInput


@dataclass
class AgentMessage:
    """Is one message of a conversation, in the form that models speak.

    >>> from agent_runtime_framework import AgentMessage
    >>> AgentMessage("user", "Hello").to_dict()
    {'role': 'user', 'content': 'Hello'}
    """

    role: str
    content: str | None = None
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    tool_call_id: str | None = None
    name: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the message without what is empty, and without its metadata."""
        fields = {
            "content": self.content,
            "tool_calls": list(self.tool_calls or ()),
            "tool_call_id": self.tool_call_id,
            "name": self.name,
        }
        return {"role": self.role, **{name: value for name, value in fields.items() if value}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make a message from a dict; what is missing is empty, unknown keys are ignored.

        Raises:
            InvalidInput: there is no role, or the role, the calls or the metadata are of another type.

        """
        if not data.get("role"):
            raise InvalidInput(f"a message needs a role; this one has {sorted(map(str, data))}")
        return cls(
            role=_typed(data, "role", str, "a text"),
            content=data.get("content"),
            tool_calls=list(_typed(data, "tool_calls", (list, tuple), "a list") or ()),
            tool_call_id=data.get("tool_call_id"),
            name=data.get("name"),
            metadata=dict(_typed(data, "metadata", Mapping, "a dict") or {}),
        )


def _typed(data: Mapping[str, Any], field_name: str, kind: type | tuple[type, ...], said: str) -> Any:
    value = data.get(field_name)
    if not value or isinstance(value, kind):
        return value
    raise InvalidInput(f"the {field_name} of a message must be {said}; this one has a {type(value).__name__}")


@dataclass
class AgentContext:
    """Is what an agent is told about the run: whose it is, and what was said so far, the new message last.

    Ids are texts or UUIDs; messages are `AgentMessage`s or dicts.

    >>> from agent_runtime_framework import AgentContext, AgentMessage
    >>> AgentContext("run-1", "c-1", [AgentMessage("user", "Hello")]).get_user_message()
    'Hello'
    """

    run_id: Any
    conversation_id: Any
    input_messages: Sequence[AgentMessage | Mapping[str, Any]]
    metadata: dict[str, Any] = field(default_factory=dict)

    def get_user_message(self) -> str | None:
        """Return the text of the last user message that has one, or None."""
        for message in reversed(self.input_messages):
            fields = message if isinstance(message, Mapping) else vars(message)
            if fields.get("role") == "user" and (text := _text(fields.get("content"))).strip():
                return text
        return None

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of, and what is pickled."""
        return {"input_messages": self.input_messages, **vars(self)}


_MAKING = "_making_input_messages"


class _WhenLookedAt:
    """Makes the messages of a context when they are first looked at; those that are there are found before it."""

    def __get__(self, context: AgentContext | None, _: type[AgentContext]) -> list[dict[str, Any]]:
        fields: dict[str, Any] = {} if context is None else vars(context)
        make = fields.get(_MAKING)
        if make is not None:
            fields.setdefault("input_messages", make())  # another thread may have made them meanwhile
            fields.pop(_MAKING, None)
        if "input_messages" not in fields:
            raise AttributeError("input_messages")
        made: list[dict[str, Any]] = fields["input_messages"]
        return made


AgentContext.input_messages = _WhenLookedAt()  # type: ignore[assignment]  # a field all the same, and one without default


def context_telling(
    run_id: str, conversation_id: str, said: Callable[[], list[dict[str, Any]]], metadata: dict[str, Any]
) -> AgentContext:
    """Return a context whose messages are `said`, which is asked when they are first looked at, if they ever are."""
    context = AgentContext(run_id, conversation_id, (), metadata)
    del context.input_messages
    vars(context)[_MAKING] = said
    return context


def _text(content: Any) -> str:
    """Return a content's text: the content itself, or the text parts of a list of parts."""
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


@dataclass
class AgentResult:
    """Is what a run gave.

    `messages` are those that this run made, without system and input; `state` is the final state's `to_dict()`; `usage`
    is the sum over the run's model calls.

    >>> from agent_runtime_framework import AgentResult
    >>> AgentResult("Bye!", usage={"total_tokens": 12}).response
    'Bye!'
    """

    response: str
    messages: list[AgentMessage] = field(default_factory=list)
    state: dict[str, Any] | None = None
    usage: dict[str, int] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
