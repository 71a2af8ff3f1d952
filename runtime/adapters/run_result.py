"""What a run gives back to its runner, and what the runner is told of an error."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class RunResult:
    """Is what a run came to, all of it plain JSON.

    Attributes:
        final_output: `response`, the text, and `state`, the journey's state.
        final_messages: what this run made, in OpenAI form.
        usage: the sum over the model's answers.
        artifacts: nothing that a journey makes; for whoever overrides `run`.

    """

    final_output: dict[str, Any]
    final_messages: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    artifacts: dict[str, Any] = field(default_factory=dict)


@dataclass
class RunError:
    """Is what a runner should know of an error: its type, its words, where it was raised, whether to try again."""

    type: str
    message: str
    stack: str = ""
    retriable: bool = True
    details: dict[str, Any] = field(default_factory=dict)
