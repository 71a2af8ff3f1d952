"""The context of a run as `django_agent_runtime` gives it, and as a journey's tools see it."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ...actors.journey import AgentContext

T = TypeVar("T")


class RunContext(Protocol):
    """Is what a runner hands to a run; each of its methods may be `async def` or `def`.

    Beside these it may have `emit_user_message(text)`, which else is an event of type `assistant.message`, and
    `check_cancelled()`, which looks again whether the run is to end.  `conversation_id` may be None.
    """

    @property
    def run_id(self) -> Any:
        """Names the run; what is checkpointed belongs to it alone."""

    @property
    def input_messages(self) -> Sequence[Mapping[str, Any]]:
        """What was said so far, the new message last."""

    def emit(self, type: str, payload: dict[str, Any], /) -> Awaitable[None] | None:  # noqa: A002  the runner's own word
        """Store an event and tell whoever watches."""

    def checkpoint(self, state: dict[str, Any], /) -> Awaitable[None] | None:
        """Keep a state for this run."""

    def get_state(self) -> Awaitable[dict[str, Any] | None] | dict[str, Any] | None:
        """Return what was checkpointed last in this run, or None."""

    def cancelled(self) -> Awaitable[bool] | bool:
        """Say whether the run is to end."""


class AdaptedContext(AgentContext):
    """Is a run's context as the journey's tools are told it: an `AgentContext` that has all that the run's has beside.

    Where the run has no conversation, its own id stands in.
    """

    def __init__(self, run: RunContext) -> None:
        super().__init__(
            run_id=run.run_id,
            conversation_id=conversation_of(run) or run.run_id,
            input_messages=list(run.input_messages or ()),
            metadata=dict(getattr(run, "metadata", None) or {}),
        )
        self.run = run

    def __getattr__(self, name: str) -> Any:
        """Return what only the run's own context has, such as `params`."""
        if name == "run":  # not there yet: asking it for itself would never end
            raise AttributeError(name)
        return getattr(self.run, name)


async def answered(answer: Awaitable[T] | T) -> T:
    """Return what a runner's method gave: it may be `async def` or `def`."""
    return await answer if isinstance(answer, Awaitable) else answer


def conversation_of(run: RunContext) -> Any:
    """Return the id of the run's conversation, None if it has none."""
    return getattr(run, "conversation_id", None)
