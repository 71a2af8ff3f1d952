"""The demo's agent and its offline model, talked to on a whole runtime."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime_framework import AgentContext, Client, Reply, Runtime
from agent_runtime_framework.events import ConversationStarted, StepEntered
from agent_runtime_framework.projections import Recorded
from agent_runtime_framework.runtime.demo import OfflineModel, OnboardingAgent, make_agent
from agent_runtime_framework.runtime.demo.agent import OnboardingState, Plan, Step, email_problem
from agent_runtime_framework.runtime.models import OpenAIClient
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.runtime.wire import Delta
from support.journeys import recorded, working


def demo() -> OnboardingAgent:
    return OnboardingAgent(OfflineModel())


async def talk(runtime: Client, *messages: str, conversation: str = "c-1") -> list[Reply]:
    """Say these messages one after another, and return the replies."""
    return [await runtime.send("onboarding", conversation, message, timeout=10) for message in messages]


async def path(runtime: Runtime, conversation: str = "c-1") -> list[str]:
    """Return the steps that the journey has been in."""
    events = [found.event for found in await recorded(runtime, conversation)]
    return [event.step for event in events if isinstance(event, ConversationStarted | StepEntered)]


async def test_the_demo_runs_from_welcome_to_complete(substrate: Substrate) -> None:
    async with working(demo(), substrate=substrate) as runtime:
        replies = await talk(runtime, "hi", "I am Ada", "ada@example.org", "pro")
        assert [reply.text for reply in replies] == [
            "Welcome! Signing up takes a name, an email address and a plan. May I have your name?",
            "Nice to meet you, Ada. May I have your email address?",
            "Your address ada@example.org is saved. "
            "Please tell me which plan you want: free, or pro with a trial of 14 days.",
            "The pro plan it is. Your trial of 14 days has begun. Thank you for signing up. You are all set.",
        ]
        assert await path(runtime) == ["welcome", "name", "email", "plan", "trial", "complete"]
        assert replies[-1].state == {
            "step": "complete",
            "name": "Ada",
            "email": "ada@example.org",
            "email_problem": "",
            "plan": "pro",
        }


async def test_the_free_plan_needs_no_trial() -> None:
    async with working(demo()) as runtime:
        replies = await talk(runtime, "hello", "Zoë", "zoe@example.org", "I don't want pro, free please")
        assert await path(runtime) == ["welcome", "name", "email", "plan", "complete"]
        assert replies[-1].state["plan"] == "free"
        assert replies[-1].text == "The free plan it is. Thank you for signing up. You are all set."


async def test_a_wrong_address_loops_back_until_there_is_a_right_one() -> None:
    async with working(demo()) as runtime:
        _, _, wrong, again, right = await talk(
            runtime, "hi", "I am Ada", "ada at example.org", "ada@", "ada@example.org"
        )
        assert wrong.text == (
            "'ada at example.org' is no email address: it has no @. May I have a complete email address?"
        )
        assert (wrong.state["step"], wrong.state["email"]) == ("email_again", "")
        assert "what follows the @" in again.text
        assert again.state["step"] == "email_again"
        assert (right.state["step"], right.state["email"]) == ("plan", "ada@example.org")
        assert await path(runtime) == ["welcome", "name", "email", "email_again", "plan"]


async def test_all_may_be_said_at_once() -> None:
    async with working(demo()) as runtime:
        (reply,) = await talk(runtime, "hi, I am Ada, ada@example.org, pro please")
        assert await path(runtime) == ["welcome", "name", "email", "plan", "trial", "complete"]
        assert reply.text.endswith("Your trial of 14 days has begun. Thank you for signing up. You are all set.")


async def test_a_wrong_address_that_is_put_right_at_once_is_put_right_in_the_same_turn() -> None:
    async with working(demo()) as runtime:
        await talk(runtime, "I'm Ada. My mail is ada@, I mean ada@example.org. Free please!")
        assert await path(runtime) == ["welcome", "name", "email", "email_again", "plan", "complete"]


async def test_talk_after_completion_changes_nothing_and_thanks_need_no_answer() -> None:
    async with working(demo()) as runtime:
        *_, done, asked, thanked = await talk(
            runtime, "hi, I am Ada, ada@example.org, pro please", "I am Bob, and what now?", "thanks"
        )
        assert "offline demo model" in asked.text
        assert thanked.text == ""
        assert done.state == asked.state == thanked.state


async def test_who_says_nothing_useful_is_asked_again_in_the_same_step() -> None:
    async with working(demo()) as runtime:
        replies = await talk(runtime, "what?", "what?", "why?", "Ada", "what?", "a@b.org", "what?", "pro?")
        asked = "Sorry, I did not understand that. May I have your name?"
        assert [reply.text for reply in replies[1:3]] == [asked, asked]
        steps = ["name", "name", "name", "email", "email", "plan", "plan", "plan"]
        assert [reply.state["step"] for reply in replies] == steps


async def test_the_words_of_a_reply_are_heard_one_by_one_as_they_come() -> None:
    async with working(demo()) as runtime:
        heard: list[str] = []

        async def listen() -> None:
            async for found in runtime.follow("c-1"):
                if isinstance(found, Delta):
                    heard.append(found.text)
                elif isinstance(found, Recorded) and found.type == "turn.completed":
                    return

        listening = asyncio.ensure_future(listen())
        (reply,) = await talk(runtime, "hi")
        await listening
        assert "".join(heard) == reply.text
        assert len(heard) == len(reply.text.split())


def agent_at(step: Step) -> OnboardingAgent:
    """Return the agent with a journey that is in this step."""

    class InTheMiddle(OnboardingAgent):
        def load_state(self, ctx: AgentContext) -> OnboardingState:
            return OnboardingState(step=step, name="Ada", email="ada@example.org", plan=Plan.PRO)

    return InTheMiddle(OfflineModel())


SAID = [
    "I am Ada",
    "it's",
    "not",
    "pro",
    "free",
    "ada@",
    "ada@example.org",
    "a at b.c",
    "?",
    ",",
    "call",
    "begin",
    "José",
]


NO_ADDRESS = st.characters(exclude_categories=["Cs"], exclude_characters="@.")
"""As many wrong addresses as a turn has rounds end it with the last refusal."""


@settings(max_examples=150, deadline=None)
@given(
    step=st.sampled_from(Step),
    said=st.lists(st.sampled_from(SAID) | st.text(NO_ADDRESS, max_size=8), min_size=1, max_size=8).map(" ".join),
)
def test_whatever_is_said_a_turn_ends_in_words_and_makes_no_call_twice(step: Step, said: str) -> None:
    result = asyncio.run(agent_at(step).run(AgentContext("r", "c", [{"role": "user", "content": said}])))
    assert result.metadata["reason"] == "text_response"
    assert result.response.strip()
    calls: list[Any] = [str(call["function"]) for message in result.messages for call in message.tool_calls]
    assert len(calls) == len(set(calls))


@pytest.mark.parametrize("email", ["ada@example.org", "a.b+c@x-y.co.uk", "josé@exämple.org"])
def test_an_address_that_can_be_right_has_no_problem(email: str) -> None:
    assert email_problem(email) == ""


@pytest.mark.parametrize(
    ("email", "problem"),
    [
        ("ada", "it has no @"),
        ("ada @example.org", "it has a space in it"),
        ("@example.org", "nothing stands before the @"),
        ("ada@", "what follows the @ is not like example.org"),
        ("ada@example", "what follows the @ is not like example.org"),
        ("ada@example.", "what follows the @ is not like example.org"),
        ("ada@@example.org", "what follows the @ is not like example.org"),
    ],
)
def test_what_is_wrong_with_an_address_is_named(email: str, problem: str) -> None:
    assert email_problem(email) == problem


async def test_a_plan_that_does_not_exist_is_refused_and_nothing_changes() -> None:
    agent = demo()
    state = OnboardingState(step=Step.PLAN)
    context = AgentContext("r", "c", [])
    with pytest.raises(ValueError, match="gold"):
        await agent.execute_tool(agent.create_tools(state, context), "choose_plan", {"plan": "gold"})
    assert state.step == Step.PLAN


def test_every_step_has_a_prompt_and_all_but_the_last_a_tool() -> None:
    for step in Step:
        state = OnboardingState(step=step)
        assert demo().get_system_prompt(state)
        names = [tool.name for tool in demo().get_tool_schemas(state)]
        assert bool(names) == (step != Step.COMPLETE)
        assert all(tool.effect == "idempotent" for tool in demo().get_tool_schemas(state))
        assert all(f"`{name}`" in demo().get_system_prompt(state) for name in names)


@pytest.mark.parametrize(
    ("name", "value"), [("OPENAI_API_KEY", "sk-test"), ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")]
)
def test_a_provider_in_the_environment_is_used(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv(name, value)
    assert isinstance(make_agent().llm_client, OpenAIClient)


def test_without_a_provider_the_model_is_the_offline_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert isinstance(make_agent().llm_client, OfflineModel)
