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
        IntentDetector as IntentDetector,
    )
    from .actors.journey import (
        IntentRouter as IntentRouter,
    )
    from .actors.journey import (
        PromptManager as PromptManager,
    )
    from .actors.journey import (
        PromptTemplate as PromptTemplate,
    )
    from .actors.journey import (
        RouteDefinition as RouteDefinition,
    )
    from .actors.journey import (
        RouteResult as RouteResult,
    )
    from .actors.journey import (
        StateSerializer as StateSerializer,
    )
    from .actors.journey import (
        StepPromptMapping as StepPromptMapping,
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
        create_reroute_tool as create_reroute_tool,
    )
    from .actors.journey import (
        preference_enricher as preference_enricher,
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
    from .runtime.config import (
        FrameworkConfig as FrameworkConfig,
    )
    from .runtime.config import (
        configure as configure,
    )
    from .runtime.config import (
        get_config as get_config,
    )
    from .runtime.config import (
        is_debug as is_debug,
    )
    from .runtime.config import (
        set_config as set_config,
    )
    from .runtime.config import (
        should_swallow_exceptions as should_swallow_exceptions,
    )
    from .runtime.memory import (
        ConversationStore as ConversationStore,
    )
    from .runtime.memory import (
        InMemoryStore as InMemoryStore,
    )
    from .runtime.memory import (
        MemoryContext as MemoryContext,
    )
    from .runtime.memory import (
        MemoryManager as MemoryManager,
    )
    from .runtime.memory import (
        MemoryStore as MemoryStore,
    )
    from .runtime.memory import (
        StateStore as StateStore,
    )
    from .runtime.memory import (
        StoredMessage as StoredMessage,
    )
    from .runtime.memory import (
        build_memory_context as build_memory_context,
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
    from .runtime.nats.store import (
        JetStreamStore as JetStreamStore,
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
        "IntentDetector",
        "IntentRouter",
        "PromptManager",
        "PromptTemplate",
        "RouteDefinition",
        "RouteResult",
        "StateSerializer",
        "StepPromptMapping",
        "ToolParameter",
        "ToolResult",
        "ToolSchema",
        "ToolSchemaBuilder",
        "create_reroute_tool",
        "preference_enricher",
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
    ".runtime.config": (
        "FrameworkConfig",
        "configure",
        "get_config",
        "is_debug",
        "set_config",
        "should_swallow_exceptions",
    ),
    ".runtime.memory": (
        "ConversationStore",
        "InMemoryStore",
        "MemoryContext",
        "MemoryManager",
        "MemoryStore",
        "StateStore",
        "StoredMessage",
        "build_memory_context",
    ),
    ".runtime.models": (
        "LLMClient",
        "OpenAIClient",
        "get_llm_client",
    ),
    ".runtime.nats.store": ("JetStreamStore",),
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
    "ConversationStore",
    "FrameworkConfig",
    "InMemoryStore",
    "IntentDetector",
    "IntentRouter",
    "JetStreamStore",
    "JourneyAgent",
    "JourneyConfig",
    "LLMClient",
    "MemoryContext",
    "MemoryManager",
    "MemoryStore",
    "OpenAIClient",
    "PromptManager",
    "PromptTemplate",
    "Reply",
    "RouteDefinition",
    "RouteResult",
    "Runtime",
    "StateSerializer",
    "StateStore",
    "StepPromptMapping",
    "StoredMessage",
    "ToolParameter",
    "ToolResult",
    "ToolSchema",
    "ToolSchemaBuilder",
    "__version__",
    "build_memory_context",
    "configure",
    "create_reroute_tool",
    "get_config",
    "get_llm_client",
    "is_debug",
    "preference_enricher",
    "schemas_to_openai_format",
    "set_config",
    "should_swallow_exceptions",
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
