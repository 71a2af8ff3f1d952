"""The seed document: what is printed there runs as printed, and does what is written beside it."""

import logging
import sys
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import agent_runtime_framework as arf
from agent_runtime_framework import (
    AgentContext,
    AgentMessage,
    BaseJourneyState,
    BaseJourneyTools,
    IntentRouter,
    JourneyAgent,
    LLMExecutor,
    LLMExecutorConfig,
    MethodToolExecutor,
    PromptManager,
    RouteDefinition,
    StepPromptMapping,
    ToolSchema,
    ToolSchemaBuilder,
    check_journey,
    configure,
    get_config,
)
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.configuration import fresh_configuration
from support.journeys import types, working
from support.printed import printed, run_printed

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
SCRIPT: tuple[Any, ...] = (
    "Welcome! What is your name?",
    calls(("save_name", {"name": "Ada"})),
    "And your email?",
    calls(("save_email", {"email": "ada@example.org"})),
    "Thank you for joining, Ada!",
)
SAID = ("Hello", "I am Ada", "ada@example.org")


async def onboarding() -> tuple[dict[str, Any], type[JourneyAgent[Any, Any, Any]]]:
    """Return what the quick start defines, and its agent with `save_name` offered in the first step too."""
    with ScriptedLLM("Welcome!") as first:
        names = await run_printed("quick_start", my_llm_client=first, context=AgentContext("r-0", "c-0", HELLO))
    printed_agent: Any = names["OnboardingAgent"]
    steps = names["OnboardingStep"]

    class Leaving(printed_agent):  # type: ignore[misc]
        def get_tool_schemas(self, state: Any) -> list[ToolSchema]:
            at = steps.COLLECT_NAME if state.step == steps.WELCOME else state.step
            schemas: list[ToolSchema] = super().get_tool_schemas(replace(state, step=at))
            return schemas

    return names, Leaving


async def test_the_onboarding_example_runs_as_printed() -> None:
    context = AgentContext("r-1", "c-1", HELLO)
    with ScriptedLLM("Welcome! What is your name?") as llm:
        names = await run_printed("quick_start", my_llm_client=llm, context=context)

    assert names["result"].response == "Welcome! What is your name?"
    assert names["result"].state == {"step": "welcome", "name": "", "email": ""}
    (request,) = llm.requests
    assert request.messages == [{"role": "system", "content": "Welcome! Ask for the user's name."}, *HELLO]
    assert not request.tools


async def test_nothing_leads_out_of_its_first_step_as_printed_and_the_check_says_so() -> None:
    names, leaving = await onboarding()

    assert check_journey(names["agent"]) == [
        "step 'welcome' has no way out: it is not the end, and no tool is offered there"
    ]
    assert check_journey(leaving()) == []


async def test_with_a_way_out_it_goes_from_the_first_step_to_the_last_in_runs_that_keep_their_state() -> None:
    _, leaving = await onboarding()
    history: list[AgentMessage] = []
    steps: list[str] = []

    class Kept(leaving):  # type: ignore[valid-type, misc]
        state: Any = None

        async def load_state(self, ctx: AgentContext) -> Any:
            return self.state

        async def save_state(self, ctx: AgentContext, state: Any) -> None:
            self.state = state

    with ScriptedLLM(*SCRIPT) as llm:
        agent = Kept(llm_client=llm)
        for number, text in enumerate(SAID):
            history.append(AgentMessage("user", text))
            result = await agent.run(AgentContext(f"r-{number}", "c-1", history))
            history += result.messages
            steps.append((result.state or {})["step"])

    assert steps == ["welcome", "collect_email", "complete"]
    assert history[-1].content == "Thank you for joining, Ada!"
    assert agent.state.to_dict() == {"step": "complete", "name": "Ada", "email": "ada@example.org"}
    assert agent.is_terminal_state(agent.state)
    check_what_the_model_was_told(llm)


async def test_on_a_worker_it_goes_from_the_first_step_to_the_last_too(substrate: Substrate) -> None:
    _, leaving = await onboarding()
    with ScriptedLLM(*SCRIPT) as llm:
        async with working(leaving(llm_client=llm), substrate=substrate) as rt:
            replies = [await rt.send("onboarding-agent", "c-1", text, timeout=20) for text in SAID]
            every = await types(rt, "c-1")

    assert [reply.state["step"] for reply in replies] == ["welcome", "collect_email", "complete"]
    assert replies[-1].text == "Thank you for joining, Ada!"
    assert replies[-1].state == {"step": "complete", "name": "Ada", "email": "ada@example.org"}
    assert (every.count("turn.completed"), every.count("step.entered")) == (3, 2)
    check_what_the_model_was_told(llm)


def check_what_the_model_was_told(llm: ScriptedLLM) -> None:
    """Fail unless prompt and tools were those of the step, and each result was what the tool of the seed returns."""
    assert [request.messages[0]["content"] for request in llm.requests] == [
        "Welcome! Ask for the user's name.",
        "Welcome! Ask for the user's name.",
        "Collect the user's email using save_email tool.",
        "Collect the user's email using save_email tool.",
        "Thank the user for completing onboarding.",
    ]
    assert [[tool["function"]["name"] for tool in request.tools or ()] for request in llm.requests] == [
        ["save_name"],
        ["save_name"],
        ["save_email"],
        ["save_email"],
        [],
    ]
    assert llm.requests[2].messages[-1]["content"] == "Great, Ada! Now, what's your email?"
    assert llm.requests[4].messages[-1]["content"] == "Perfect! You're all set, Ada!"


async def test_the_agent_has_what_is_said_of_it_where_nothing_is_overridden() -> None:
    names, leaving = await onboarding()
    agent, done = leaving(), names["OnboardingState"](step=names["OnboardingStep"].COMPLETE)

    assert agent.key == "onboarding-agent"
    assert agent.load_state(AgentContext("r", "c", [])) is None
    assert [agent.is_terminal_state(state) for state in (agent.get_initial_state(), done)] == [False, True]


# --- debug and production -----------------------------------------------------------------------------------------


@dataclass
class MyState(BaseJourneyState[str]):
    step: str = "only"

    def is_complete(self) -> bool:
        return False


def agent_with(tools: type[BaseJourneyTools[MyState]], llm: ScriptedLLM) -> JourneyAgent[Any, Any, Any]:
    """Return an agent whose one tool is the `process_data` of the seed."""

    class Agent(JourneyAgent[MyState, BaseJourneyTools[MyState], str]):
        key = "processing"
        prompts = {"only": "Process."}  # noqa: RUF012
        tools_class = tools

        def get_tool_schemas(self, state: MyState) -> list[ToolSchema]:
            return [ToolSchemaBuilder("process_data").param("data", "string", required=True).build()]

    return Agent(llm)


async def test_the_modes_are_set_as_printed() -> None:
    with fresh_configuration():
        await run_printed("modes")
        assert (arf.is_debug(), arf.should_swallow_exceptions(), get_config().log_level) == (False, True, "INFO")


async def test_the_debug_example_raises_and_the_same_tool_in_production_is_told_to_the_model() -> None:
    wrong = calls(("process_data", {"data": "abc"}))
    context = AgentContext("r-1", "c-1", HELLO)
    with fresh_configuration():
        names = await run_printed("debug", BaseJourneyTools=BaseJourneyTools, MyState=MyState)
        assert arf.is_debug()
        with ScriptedLLM(wrong) as llm, pytest.raises(ValueError, match="invalid literal for int") as raised:
            await agent_with(names["MyTools"], llm).run(context)

        await run_printed("production", configure=configure)
        with ScriptedLLM(wrong, calls(("process_data", {"data": "7"})), "Done.") as llm:
            result = await agent_with(names["MyTools"], llm).run(context)

    assert str(raised.value) == "invalid literal for int() with base 10: 'abc'"
    assert raised.traceback[-1].name == "process_data"
    assert [message.content for message in result.messages if message.role == "tool"] == [
        "Error executing process_data: invalid literal for int() with base 10: 'abc'",
        "Processed: 7",
    ]
    assert "Error executing process_data: invalid literal for int() with base 10: 'abc'" in printed("production")


async def test_the_options_are_set_as_printed() -> None:
    with fresh_configuration():
        names = await run_printed("options")
        assert get_config() is names["config"]
        assert (arf.is_debug(), arf.should_swallow_exceptions(), get_config().log_level) == (True, False, "DEBUG")
        assert logging.getLogger("agent_runtime_framework").level == logging.DEBUG


# --- routing, memory, prompts -------------------------------------------------------------------------------------


class MyJourney(StrEnum):
    QUOTE = "quote"


class MyStep(StrEnum):
    WELCOME = "welcome"
    COLLECTING = "collecting"
    OTHER = "other"


async def test_the_router_gives_tools_and_resolves_them_as_printed() -> None:
    names = await run_printed("routing", Enum=Enum)

    assert [schema.name for schema in names["tools"]] == ["start_quote", "file_claim"]
    assert names["journey"] is names["Journey"].QUOTE


async def test_the_router_of_the_reference_does_so_too() -> None:
    names = await run_printed("router", IntentRouter=IntentRouter, RouteDefinition=RouteDefinition, MyJourney=MyJourney)

    assert [schema.description for schema in names["tools"]] == ["Start a quote journey"]
    assert names["journey"] is MyJourney.QUOTE


async def test_memory_keeps_what_is_saved_as_printed() -> None:
    messages = [{"role": "user", "content": "Hello"}, AgentMessage("assistant", "Hi!")]
    given = {"conversation_id": "c-1", "new_state": MyState("later"), "messages": messages}
    names = await run_printed("memory", **given)
    again = await names["manager"].load_context("c-1", "my-agent")

    assert not names["context"].has_state()
    assert again.state == {"step": "later"}
    assert again.get_message_dicts() == [*HELLO, {"role": "assistant", "content": "Hi!"}]
    assert await names["state_store"].load_state("c-1", "my-agent") == {"step": "later"}


async def test_prompts_are_rendered_as_printed() -> None:
    names = await run_printed("prompts", MyStep=MyStep)

    assert names["prompt"] == "Hello Alice! You are at step welcome."
    assert names["template"].render() == "Hello there! You are at step ${step}."
    assert names["prompts"].get(MyStep.COLLECTING) == "Please provide your information."
    assert names["prompts"].get(MyStep.OTHER) == "I'm here to assist you."


async def test_the_prompt_manager_takes_a_state_as_printed() -> None:
    mapping = StepPromptMapping({MyStep.WELCOME: arf.PromptTemplate("Hello $user_name!")})
    names = await run_printed(
        "prompt_manager",
        PromptManager=PromptManager,
        MyStep=MyStep,
        # the document leaves the mapping open: `StepPromptMapping(...)`
        StepPromptMapping=lambda _open: mapping,
        state=SimpleNamespace(step=MyStep.WELCOME, name="Ada"),
    )

    assert names["prompt"] == "Hello Ada!"


# --- the executor and its hooks -----------------------------------------------------------------------------------


async def test_hooks_print_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedLLM(calls(("add", {"a": 1})), "Done.") as llm:
        names = await run_printed("hooks", my_llm=llm)
        await names["executor"].run(HELLO)

    assert isinstance(names["executor"], LLMExecutor)
    assert capsys.readouterr().out == "Calling tool: add\nTool completed: add\n"


class Adding(BaseJourneyTools[Any]):
    async def my_tool(self, arg1: str, arg2: float = 2) -> str:
        return f"{arg1}{arg2}"


async def test_the_executor_runs_the_tools_of_an_object_as_printed() -> None:
    built = await run_printed("schema", ToolSchemaBuilder=ToolSchemaBuilder)
    hooks = (await run_printed("hooks", my_llm=None))["MyHooks"]
    with ScriptedLLM(calls(("my_tool", {"arg1": "a"})), "It is a2.") as llm:
        names = await run_printed(
            "executor",
            my_llm=llm,
            tools=Adding(None),
            tool_schema=built["schema"],
            MyHooks=hooks,
            LLMExecutor=LLMExecutor,
            LLMExecutorConfig=LLMExecutorConfig,
            MethodToolExecutor=MethodToolExecutor,
        )

    assert (names["result"].response, names["result"].tool_calls_made) == ("It is a2.", 1)
    assert llm.requests[0].messages == [{"role": "system", "content": "You are helpful."}, *HELLO]
    assert llm.requests[0].tools == [
        {
            "type": "function",
            "function": {
                "name": "my_tool",
                "description": "What the tool does",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "arg1": {"type": "string", "description": "Description"},
                        "arg2": {"type": "number", "description": "Description"},
                    },
                    "required": ["arg1"],
                },
            },
        }
    ]
    assert llm.requests[1].messages[-1]["content"] == "a2"


def test_the_older_names_of_the_executor_still_work() -> None:
    assert arf.Executor is LLMExecutor
    assert arf.ExecutorConfig is LLMExecutorConfig


CORE = """
from agent_runtime_framework.testing import ScriptedLLM

def get_llm_client(**options):
    return ScriptedLLM("Hello from the core.")
"""


async def test_an_agent_without_a_client_uses_that_of_an_installed_core_as_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "agent_runtime_core").mkdir()
    (tmp_path / "agent_runtime_core" / "__init__.py").touch()
    (tmp_path / "agent_runtime_core" / "llm.py").write_text(CORE)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("agent_runtime_core", "agent_runtime_core.llm"):
        monkeypatch.setitem(sys.modules, name, None)  # so that what is imported is taken away again
        monkeypatch.delitem(sys.modules, name)
    _, leaving = await onboarding()

    names = await run_printed("core", MyAgent=leaving)
    result = await names["agent"].run(AgentContext("r-1", "c-1", HELLO))

    assert result.response == "Hello from the core."
