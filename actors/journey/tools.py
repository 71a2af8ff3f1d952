"""Tools: what an author writes so that a model can act, and what a tool may return."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, Generic, Self

from .schemas import ToolSchema
from .state import StateT


@dataclass
class ToolResult:
    """Is what a tool may return instead of a text, to say more than it: `content` goes to the model.

    With `success=False` the call counts as failed, and the state stays as it was before the call.

    >>> from agent_runtime_framework import ToolResult
    >>> ToolResult.ok("Saved", rows=1)
    ToolResult(content='Saved', success=True, error=None, metadata={'rows': 1})
    >>> ToolResult.fail("No such order").content
    'No such order'
    """

    content: str
    success: bool = True
    error: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the content, which is what the model is told."""
        return str(self.content)

    @classmethod
    def ok(cls, content: str, **metadata: Any) -> Self:
        """Return a success."""
        return cls(content=content, metadata=metadata)

    @classmethod
    def fail(cls, error: str, **metadata: Any) -> Self:
        """Return a failure, which the model is told in the same words."""
        return cls(content=error, success=False, error=error, metadata=metadata)


class BaseTool(ABC):
    """Is one tool as an object of its own: its schema, and what it does.

    >>> import asyncio
    >>> from agent_runtime_framework import BaseTool, ToolSchema
    >>> class Greet(BaseTool):
    ...     @property
    ...     def schema(self):
    ...         return ToolSchema("greet", "Greet the user")
    ...     async def execute(self, **arguments):
    ...         return "Hello"
    >>> tool = Greet()
    >>> tool.name, asyncio.run(tool.execute())
    ('greet', 'Hello')
    """

    @property
    @abstractmethod
    def schema(self) -> ToolSchema:
        """What the model is told about the tool."""

    @property
    def name(self) -> str:
        """The name that the model calls it by."""
        return self.schema.name

    @abstractmethod
    async def execute(self, *_: Any, **arguments: Any) -> str | ToolResult:
        """Do it, and return what the model is told; arguments come by name, so a tool may name those that it takes."""


class BaseJourneyTools(Generic[StateT]):
    """Holds the tools of a journey as methods that read and change `self.state`.

    After a tool the state is `self.state`, so a tool may change it in place or bind a new one.

    Attributes:
        state: the journey's state.
        backend_client: whatever the author gave to reach other systems; None if nothing was given.
        on_state_change: called with the state by `_notify_state_change`; plain or async.
        idempotency_key: set by the runtime before a call, the same for every attempt of one call and of no other; pass
            it to systems that refuse to do one thing twice.

    >>> import asyncio
    >>> from types import SimpleNamespace
    >>> from agent_runtime_framework import BaseJourneyTools
    >>> class Tools(BaseJourneyTools[SimpleNamespace]):
    ...     async def save_name(self, name):
    ...         self.state.name = name
    ...         await self._notify_state_change()
    ...         return f"Hello {name}"
    >>> tools = Tools(SimpleNamespace(name=""), on_state_change=print)
    >>> asyncio.run(tools.save_name("Ada"))
    namespace(name='Ada')
    'Hello Ada'

    """

    # class attributes, so that a subclass whose constructor does not call this one still has them
    backend_client: Any = None
    on_state_change: Callable[[StateT], Any] | None = None
    idempotency_key: str | None = None

    def __init__(
        self,
        state: StateT,
        backend_client: Any = None,
        on_state_change: Callable[[StateT], Any] | None = None,
    ) -> None:
        self.state = state
        self.backend_client = backend_client
        self.on_state_change = on_state_change

    async def _notify_state_change(self) -> None:
        """Call `on_state_change` with the state and wait for it; nothing happens without one."""
        if self.on_state_change is not None:
            outcome = self.on_state_change(self.state)
            if isawaitable(outcome):
                await outcome

    def _require_backend(self) -> Any:
        """Return the backend client.

        Raises:
            ValueError: none was given.

        """
        if self.backend_client is None:
            raise ValueError(f"{type(self).__name__} requires a backend_client; pass one where the tools are created")
        return self.backend_client
