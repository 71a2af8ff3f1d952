"""The classes of the contract: plain and mutable, fields in its order, type parameters where an author puts them."""

import copy
import dataclasses
import pickle
from enum import StrEnum
from typing import Any

import pytest

import agent_runtime_framework
from agent_runtime_framework import (
    BaseJourneyState,
    BaseJourneyTools,
    InMemoryStore,
    IntentDetector,
    IntentRouter,
    JourneyAgent,
    JourneyConfig,
    MemoryStore,
    PromptManager,
    RouteDefinition,
    RouteResult,
    StepPromptMapping,
)

REQUIRED = object()
CLOSING = ["thank you", "thanks", "bye", "goodbye"]

FIELDS: dict[str, dict[str, Any]] = {
    "FrameworkConfig": {"debug": False, "swallow_tool_exceptions": True, "log_level": "INFO"},
    "ToolParameter": {
        "name": REQUIRED,
        "type": REQUIRED,
        "description": "",
        "required": False,
        "enum": None,
        "items": None,
        "default": None,
    },
    "ToolSchema": {"name": REQUIRED, "description": REQUIRED, "parameters": []},
    "ToolResult": {"content": REQUIRED, "success": True, "error": None, "metadata": {}},
    "AgentMessage": {
        "role": REQUIRED,
        "content": None,
        "tool_calls": [],
        "tool_call_id": None,
        "name": None,
        "metadata": {},
    },
    "AgentContext": {"run_id": REQUIRED, "conversation_id": REQUIRED, "input_messages": REQUIRED, "metadata": {}},
    "AgentResult": {"response": REQUIRED, "messages": [], "state": None, "usage": None, "metadata": {}},
    "JourneyConfig": {"max_tool_iterations": 10, "terminal_tools": set(), "closing_phrases": CLOSING},
    "LLMExecutorConfig": {
        "max_iterations": 10,
        "terminal_tools": set(),
        "require_tool_call": False,
        "stop_on_text": True,
    },
    "ExecutionResult": {
        "response": REQUIRED,
        "messages": [],
        "tool_calls_made": 0,
        "stopped_reason": "text_response",
        "usage": {},
    },
    "RouteDefinition": {"journey": REQUIRED, "name": REQUIRED, "description": REQUIRED, "keywords": []},
    "RouteResult": {"journey": REQUIRED, "confidence": 1.0, "metadata": {}},
    "StoredMessage": {"role": REQUIRED, "content": REQUIRED, "metadata": {}},
    "MemoryContext": {"state": None, "messages": [], "metadata": {}},
    "PromptTemplate": {"template": REQUIRED, "defaults": {}},
    "StepPromptMapping": {"prompts": {}, "default": ""},
}

EVERY_CLASS = pytest.mark.parametrize("name", FIELDS)


class Step(StrEnum):
    ONE = "one"


def class_named(name: str) -> Any:
    return getattr(agent_runtime_framework, name)


def values(name: str) -> dict[str, Any]:
    """Return a value for each field of the contract, each another than its default."""
    levels = {"log_level": "ERROR", "parameters": [class_named("ToolParameter")("p", "string")]}
    return {field: levels.get(field, f"{field} of {name}") for field in FIELDS[name]}


@EVERY_CLASS
def test_the_fields_of_the_contract_come_first_in_its_order_by_position_and_by_name(name: str) -> None:
    given = values(name)
    made = class_named(name)(*given.values())

    assert {field: getattr(made, field) for field in given} == given
    assert made == class_named(name)(**given)


@EVERY_CLASS
def test_what_is_not_given_has_the_default_of_the_contract_and_no_two_share_it(name: str) -> None:
    required = {field: field for field, default in FIELDS[name].items() if default is REQUIRED}
    first, second = class_named(name)(**required), class_named(name)(**required)

    for field, default in FIELDS[name].items():
        if default is not REQUIRED:
            assert getattr(first, field) == default
            assert type(getattr(first, field)) is type(default)
            assert not isinstance(default, list | dict | set) or getattr(first, field) is not getattr(second, field)


@EVERY_CLASS
def test_without_a_field_that_has_no_default_it_cannot_be_made(name: str) -> None:
    required = [field for field, default in FIELDS[name].items() if default is REQUIRED]
    for missing in required:
        with pytest.raises(TypeError, match=missing):
            class_named(name)(**{field: field for field in required if field != missing})


@EVERY_CLASS
def test_it_is_a_plain_dataclass_that_can_be_changed(name: str) -> None:
    made = class_named(name)(**values(name))
    for field in FIELDS[name]:
        setattr(made, field, "changed")
        assert getattr(made, field) == "changed"

    assert dataclasses.is_dataclass(made)
    assert set(FIELDS[name]) <= vars(made).keys()


@EVERY_CLASS
def test_it_can_be_copied_replaced_and_pickled(name: str) -> None:
    made = class_named(name)(**values(name))

    assert dataclasses.replace(made) == copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made


@EVERY_CLASS
def test_fields_beyond_the_contract_are_given_by_name_and_have_defaults(name: str) -> None:
    given = list(values(name).values())
    more = [field for field in dataclasses.fields(class_named(name)) if field.name not in FIELDS[name]]

    assert all(field.kw_only for field in more)
    assert class_named(name)(*given)
    with pytest.raises(TypeError, match="positional argument"):
        class_named(name)(*given, "one more")


def test_two_names_of_the_executor_are_one() -> None:
    assert class_named("Executor") is class_named("LLMExecutor")
    assert class_named("ExecutorConfig") is class_named("LLMExecutorConfig")


@pytest.mark.parametrize(
    ("made", "cls"),
    [
        (IntentRouter[Step](), IntentRouter),
        (IntentDetector[Step](default_journey=Step.ONE), IntentDetector),
        (RouteDefinition[Step](Step.ONE, "one", "One"), RouteDefinition),
        (RouteResult[Step](Step.ONE), RouteResult),
        (StepPromptMapping[Step]({Step.ONE: "One."}), StepPromptMapping),
        (PromptManager[Step](mapping=StepPromptMapping[Step]()), PromptManager),
        (InMemoryStore[Step](), InMemoryStore),
    ],
)
def test_a_type_parameter_may_be_given_where_an_object_is_made(made: Any, cls: Any) -> None:
    assert type(made) is cls
    assert made.__orig_class__ == cls[Step]


def test_a_type_parameter_may_be_given_where_a_class_is_made() -> None:
    class State(BaseJourneyState[Step]):
        step: Step = Step.ONE

        def is_complete(self) -> bool:
            return False

    class Tools(BaseJourneyTools[State]):
        pass

    class Agent(JourneyAgent[State, Tools, Step]):
        pass

    class Store(MemoryStore[dict[str, int]]):
        pass

    assert Tools(State()).state.step is Step.ONE
    assert issubclass(Agent, JourneyAgent)
    assert issubclass(Store, MemoryStore)


def test_a_model_is_given_all_of_the_history_unless_the_author_says_how_much() -> None:
    assert JourneyConfig().history_turns is None
