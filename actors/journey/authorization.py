"""Who may call what: an author's policy is shown a call before its tool starts, and allows or denies it."""

from typing import Any, TypeAlias

from msgspec import Struct

from ...events import Effect, InvalidInput


class ToolCall(Struct, frozen=True, kw_only=True):
    """Is a tool call as a policy is shown it: one that was offered, whose arguments are valid.

    Attributes:
        id: `<version of the answer>.<index>`, as the log names it.
        name: the tool; also one that leads to another journey.
        arguments: a copy of what it is called with.
        effect: the class that the tool was offered with.

    >>> from agent_runtime_framework import ToolCall
    >>> ToolCall(id="5.0", name="pay", arguments={"amount": 12}, effect="once").arguments["amount"]
    12

    """

    id: str
    name: str
    arguments: dict[str, Any] = {}
    effect: Effect = "once"


class Allow(Struct, frozen=True):
    """Lets a call run; a reason is recorded beside its start.

    >>> from agent_runtime_framework import Allow
    >>> Allow(), Allow("within the limit")
    (Allow(reason=''), Allow(reason='within the limit'))
    """

    reason: str = ""

    def __post_init__(self) -> None:
        if not _is_text(self.reason):
            raise InvalidInput(f"the reason of Allow must be a text, not a {type(self.reason).__name__}")


class Deny(Struct, frozen=True):
    """Keeps a call from running; the model is told the reason, and it is recorded.

    Raises:
        InvalidInput: there is no reason.

    >>> from agent_runtime_framework import Deny
    >>> Deny("over the limit of 50")
    Deny(reason='over the limit of 50')

    """

    reason: str

    def __post_init__(self) -> None:
        if not _is_text(self.reason) or not self.reason.strip():
            given = "an empty text" if _is_text(self.reason) else f"a {type(self.reason).__name__}"
            raise InvalidInput(f"Deny needs a reason, which the model is told, such as 'over the limit', not {given}")


Authorization: TypeAlias = Allow | Deny
"""What a policy says of a call."""


def _is_text(reason: object) -> bool:
    return isinstance(reason, str)
