"""Journey agents on an append-only event log: durable, replayable, auditable conversations.

The code lives in the rooms `events`, `projections`, `actors` and `runtime`; what a person writes against is all here,
and loaded at its first use, so that the import alone loads neither openai nor nats.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actors.journey import (
        AgentContext as AgentContext,
    )
    from .actors.journey import (
        AgentMessage as AgentMessage,
    )
    from .actors.journey import (
        AgentResult as AgentResult,
    )
    from .actors.journey import (
        BaseJourneyState as BaseJourneyState,
    )
    from .actors.journey import (
        BaseJourneyTools as BaseJourneyTools,
    )
    from .actors.journey import (
        BaseState as BaseState,
    )
    from .actors.journey import (
        BaseTool as BaseTool,
    )
    from .actors.journey import (
        StateSerializer as StateSerializer,
    )
    from .actors.journey import (
        ToolParameter as ToolParameter,
    )
    from .actors.journey import (
        ToolResult as ToolResult,
    )
    from .actors.journey import (
        ToolSchema as ToolSchema,
    )
    from .actors.journey import (
        ToolSchemaBuilder as ToolSchemaBuilder,
    )
    from .actors.journey import (
        schemas_to_openai_format as schemas_to_openai_format,
    )
    from .runtime.agents import (
        BaseAgent as BaseAgent,
    )
    from .runtime.agents import (
        JourneyAgent as JourneyAgent,
    )
    from .runtime.agents import (
        JourneyConfig as JourneyConfig,
    )
    from .runtime.client import (
        Client as Client,
    )
    from .runtime.client import (
        Reply as Reply,
    )
    from .runtime.models import (
        LLMClient as LLMClient,
    )
    from .runtime.models import (
        OpenAIClient as OpenAIClient,
    )
    from .runtime.models import (
        get_llm_client as get_llm_client,
    )
    from .runtime.runtime import (
        Runtime as Runtime,
    )

_HOMES = {
    ".actors.journey": (
        "AgentContext",
        "AgentMessage",
        "AgentResult",
        "BaseJourneyState",
        "BaseJourneyTools",
        "BaseState",
        "BaseTool",
        "StateSerializer",
        "ToolParameter",
        "ToolResult",
        "ToolSchema",
        "ToolSchemaBuilder",
        "schemas_to_openai_format",
    ),
    ".runtime.agents": (
        "BaseAgent",
        "JourneyAgent",
        "JourneyConfig",
    ),
    ".runtime.client": (
        "Client",
        "Reply",
    ),
    ".runtime.models": (
        "LLMClient",
        "OpenAIClient",
        "get_llm_client",
    ),
    ".runtime.runtime": ("Runtime",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AgentContext",
    "AgentMessage",
    "AgentResult",
    "BaseAgent",
    "BaseJourneyState",
    "BaseJourneyTools",
    "BaseState",
    "BaseTool",
    "Client",
    "JourneyAgent",
    "JourneyConfig",
    "LLMClient",
    "OpenAIClient",
    "Reply",
    "Runtime",
    "StateSerializer",
    "ToolParameter",
    "ToolResult",
    "ToolSchema",
    "ToolSchemaBuilder",
    "__version__",
    "get_llm_client",
    "schemas_to_openai_format",
]


def __getattr__(name: str) -> Any:
    """Load a public name at its first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415  only who asks pays for it

        return version("agent-runtime-framework")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
