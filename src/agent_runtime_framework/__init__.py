"""Journey agents on an append-only event log: durable, replayable, auditable conversations.

The code lives in the rooms `events`, `projections`, `actors` and `runtime`; what a person writes against is all here,
and loaded at its first use, so that the import alone loads neither openai nor nats.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actors.journey import (
        AgentContext,
        AgentMessage,
        AgentResult,
        Allow,
        BaseJourneyState,
        BaseJourneyTools,
        BaseState,
        BaseTool,
        Deny,
        IntentDetector,
        IntentRouter,
        PromptManager,
        PromptTemplate,
        RouteDefinition,
        RouteResult,
        StateSerializer,
        StepPromptMapping,
        ToolCall,
        ToolParameter,
        ToolResult,
        ToolSchema,
        ToolSchemaBuilder,
        check_journey,
        create_reroute_tool,
        diagram,
        preference_enricher,
        schemas_to_openai_format,
        secret,
        tool,
    )
    from .actors.replay import (
        Asked,
        Divergence,
        Reasked,
        Replayed,
    )
    from .events import (
        Conflict,
        CorruptLog,
        FrameworkError,
        InvalidInput,
        ModelError,
        NewerRelease,
        NoReply,
        NotFound,
        OtherVersion,
        Refused,
        TooLarge,
        Unavailable,
        Withheld,
    )
    from .projections import (
        Aside,
        Projection,
        Recorded,
        ToolDecision,
        TurnAccount,
    )
    from .runtime.adapters import (
        DjangoRuntimeAdapter,
        DjangoStateStore,
        create_django_runtime,
    )
    from .runtime.agents import (
        BaseAgent,
        CallableToolExecutor,
        CompositeHooks,
        ExecutionResult,
        Executor,
        ExecutorConfig,
        ExecutorHooks,
        JourneyAgent,
        JourneyConfig,
        LLMExecutor,
        LLMExecutorConfig,
        LoggingHooks,
        MethodToolExecutor,
        ToolExecutor,
    )
    from .runtime.client import (
        Client,
    )
    from .runtime.config import (
        FrameworkConfig,
        configure,
        get_config,
        is_debug,
        set_config,
        should_swallow_exceptions,
    )
    from .runtime.credentials import (
        Credentials,
    )
    from .runtime.deadletters import (
        DeadLetter,
    )
    from .runtime.erasing import (
        Receipt,
    )
    from .runtime.forking import (
        Forked,
    )
    from .runtime.logfiles import (
        Recording,
        read_logs,
        write_logs,
    )
    from .runtime.memory import (
        ConversationStore,
        InMemoryStore,
        MemoryContext,
        MemoryManager,
        MemoryStore,
        StateStore,
        StoredMessage,
        build_memory_context,
    )
    from .runtime.models import (
        LLMClient,
        ModelReply,
        OpenAIClient,
        get_llm_client,
    )
    from .runtime.nats.store import (
        JetStreamStore,
    )
    from .runtime.replay import (
        reask,
        replay,
    )
    from .runtime.retry import (
        RetryPolicy,
    )
    from .runtime.runtime import (
        Runtime,
    )
    from .runtime.saying import (
        Reply,
    )
    from .runtime.sealing import (
        SealConfig,
    )
    from .runtime.sinks import (
        MemorySink,
        Sink,
    )
    from .runtime.sinks.sqlite import (
        SQLiteSink,
    )
    from .runtime.subscription import (
        Subscription,
    )
    from .runtime.summary import (
        Summary,
    )
    from .runtime.vault import (
        KeyWrapper,
    )
    from .runtime.verifying import (
        Verdict,
    )
    from .runtime.wire import (
        Delta,
        Queued,
    )

_HOMES = {
    ".actors.journey": (
        "AgentContext AgentMessage AgentResult Allow BaseJourneyState BaseJourneyTools BaseState BaseTool Deny "
        "IntentDetector IntentRouter PromptManager PromptTemplate RouteDefinition RouteResult StateSerializer "
        "StepPromptMapping ToolCall ToolParameter ToolResult ToolSchema ToolSchemaBuilder check_journey "
        "create_reroute_tool diagram preference_enricher schemas_to_openai_format secret tool"
    ),
    ".actors.replay": "Asked Divergence Reasked Replayed",
    ".events": (
        "Conflict CorruptLog FrameworkError InvalidInput ModelError NewerRelease NoReply NotFound OtherVersion "
        "Refused TooLarge Unavailable Withheld"
    ),
    ".projections": "Aside Projection Recorded ToolDecision TurnAccount",
    ".runtime.adapters": "DjangoRuntimeAdapter DjangoStateStore create_django_runtime",
    ".runtime.agents": (
        "BaseAgent CallableToolExecutor CompositeHooks ExecutionResult Executor ExecutorConfig ExecutorHooks "
        "JourneyAgent JourneyConfig LLMExecutor LLMExecutorConfig LoggingHooks MethodToolExecutor ToolExecutor"
    ),
    ".runtime.client": "Client",
    ".runtime.config": "FrameworkConfig configure get_config is_debug set_config should_swallow_exceptions",
    ".runtime.credentials": "Credentials",
    ".runtime.deadletters": "DeadLetter",
    ".runtime.erasing": "Receipt",
    ".runtime.forking": "Forked",
    ".runtime.logfiles": "Recording read_logs write_logs",
    ".runtime.memory": (
        "ConversationStore InMemoryStore MemoryContext MemoryManager MemoryStore StateStore StoredMessage "
        "build_memory_context"
    ),
    ".runtime.models": "LLMClient ModelReply OpenAIClient get_llm_client",
    ".runtime.nats.store": "JetStreamStore",
    ".runtime.replay": "reask replay",
    ".runtime.retry": "RetryPolicy",
    ".runtime.runtime": "Runtime",
    ".runtime.saying": "Reply",
    ".runtime.sealing": "SealConfig",
    ".runtime.sinks": "MemorySink Sink",
    ".runtime.sinks.sqlite": "SQLiteSink",
    ".runtime.subscription": "Subscription",
    ".runtime.summary": "Summary",
    ".runtime.vault": "KeyWrapper",
    ".runtime.verifying": "Verdict",
    ".runtime.wire": "Delta Queued",
}
"""The modules that have the public names, and which."""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "AgentContext",
    "AgentMessage",
    "AgentResult",
    "Allow",
    "Aside",
    "Asked",
    "BaseAgent",
    "BaseJourneyState",
    "BaseJourneyTools",
    "BaseState",
    "BaseTool",
    "CallableToolExecutor",
    "Client",
    "CompositeHooks",
    "Conflict",
    "ConversationStore",
    "CorruptLog",
    "Credentials",
    "DeadLetter",
    "Delta",
    "Deny",
    "Divergence",
    "DjangoRuntimeAdapter",
    "DjangoStateStore",
    "ExecutionResult",
    "Executor",
    "ExecutorConfig",
    "ExecutorHooks",
    "Forked",
    "FrameworkConfig",
    "FrameworkError",
    "InMemoryStore",
    "IntentDetector",
    "IntentRouter",
    "InvalidInput",
    "JetStreamStore",
    "JourneyAgent",
    "JourneyConfig",
    "KeyWrapper",
    "LLMClient",
    "LLMExecutor",
    "LLMExecutorConfig",
    "LoggingHooks",
    "MemoryContext",
    "MemoryManager",
    "MemorySink",
    "MemoryStore",
    "MethodToolExecutor",
    "ModelError",
    "ModelReply",
    "NewerRelease",
    "NoReply",
    "NotFound",
    "OpenAIClient",
    "OtherVersion",
    "Projection",
    "PromptManager",
    "PromptTemplate",
    "Queued",
    "Reasked",
    "Receipt",
    "Recorded",
    "Recording",
    "Refused",
    "Replayed",
    "Reply",
    "RetryPolicy",
    "RouteDefinition",
    "RouteResult",
    "Runtime",
    "SQLiteSink",
    "SealConfig",
    "Sink",
    "StateSerializer",
    "StateStore",
    "StepPromptMapping",
    "StoredMessage",
    "Subscription",
    "Summary",
    "TooLarge",
    "ToolCall",
    "ToolDecision",
    "ToolExecutor",
    "ToolParameter",
    "ToolResult",
    "ToolSchema",
    "ToolSchemaBuilder",
    "TurnAccount",
    "Unavailable",
    "Verdict",
    "Withheld",
    "__version__",
    "build_memory_context",
    "check_journey",
    "configure",
    "create_django_runtime",
    "create_reroute_tool",
    "diagram",
    "get_config",
    "get_llm_client",
    "is_debug",
    "preference_enricher",
    "read_logs",
    "reask",
    "replay",
    "schemas_to_openai_format",
    "secret",
    "set_config",
    "should_swallow_exceptions",
    "tool",
    "write_logs",
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
