"""The door: what is public, that it can be had from the root, and what importing the root costs."""

import ast
import doctest
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import agent_runtime_framework
import agent_runtime_framework.adapters
import agent_runtime_framework.testing
from support.configuration import fresh_configuration

PUBLIC = [
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

ALIASES = {"Executor": "LLMExecutor", "ExecutorConfig": "LLMExecutorConfig"}

SOURCE = Path(agent_runtime_framework.__file__).read_text()


def test_these_names_are_public() -> None:
    assert agent_runtime_framework.__all__ == PUBLIC


def test_the_public_names_are_sorted_and_each_is_there_once() -> None:
    assert sorted(set(agent_runtime_framework.__all__)) == agent_runtime_framework.__all__


def test_dir_lists_the_public_names() -> None:
    assert dir(agent_runtime_framework) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_can_be_imported_from_the_root(name: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"from agent_runtime_framework import {name}", namespace)

    assert namespace[name] == getattr(agent_runtime_framework, name)
    if name != "__version__":
        assert namespace[name].__name__ == ALIASES.get(name, name)


@pytest.mark.parametrize("name", ["DjangoRuntimeAdapter", "DjangoStateStore", "create_django_runtime"])
def test_adapters_have_a_door_of_their_own_to_the_same_objects(name: str) -> None:
    assert getattr(agent_runtime_framework.adapters, name) is getattr(agent_runtime_framework, name)
    assert name in agent_runtime_framework.adapters.__all__


def test_type_checkers_see_every_name() -> None:
    (block,) = [node for node in ast.parse(SOURCE).body if isinstance(node, ast.If)]
    imported = [alias for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]

    assert {alias.name for alias in imported} == set(PUBLIC) - {"__version__"}


def test_the_version_is_a_text() -> None:
    assert agent_runtime_framework.__version__[0].isdecimal()


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'agent_runtime_framework' has no attribute 'Nothing'"):
        _ = agent_runtime_framework.Nothing


def loaded_after(statement: str) -> set[str]:
    """Return which of the libraries that cost are loaded in a new process after a statement."""
    costly = {"nats", "openai", "pykka", "msgspec", "cryptography", "duckdb"}
    program = f"import sys; {statement}; print(*({costly} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_importing_the_root_loads_no_library() -> None:
    assert loaded_after("import agent_runtime_framework") == set()


def test_configuring_loads_no_library() -> None:
    assert loaded_after("from agent_runtime_framework import configure; configure(debug=True)") == set()


def test_what_an_author_writes_with_loads_neither_nats_nor_openai() -> None:
    for names in ("BaseJourneyState, PromptManager, IntentRouter", "MemoryManager, StateStore, InMemoryStore"):
        assert not loaded_after(f"from agent_runtime_framework import {names}") & {"nats", "openai", "duckdb"}


def test_a_runtime_loads_no_cryptography() -> None:
    assert "cryptography" not in loaded_after("from agent_runtime_framework import Runtime, SealConfig; Runtime()")


@pytest.fixture
def _fresh() -> Iterator[None]:
    with fresh_configuration():
        yield


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize(
    ("home", "name"),
    [(agent_runtime_framework, name) for name in PUBLIC if not name.startswith("__")]
    + [(agent_runtime_framework.testing, name) for name in agent_runtime_framework.testing.__all__],
    ids=lambda given: given if isinstance(given, str) else given.__name__.rpartition("_")[2],
)
def test_the_example_of_each_name_runs_as_printed(home: ModuleType, name: str, nats_url: str) -> None:
    value = getattr(home, name)
    known = {**vars(sys.modules[value.__module__]), "nats_url": nats_url}
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(value) or "", known, name, name, 0)
    told: list[str] = []
    results = doctest.DocTestRunner().run(example, out=told.append)

    assert (results.failed, "".join(told)) == (0, "")
    assert results.attempted > 0, f"the docstring of {name} has no example"
