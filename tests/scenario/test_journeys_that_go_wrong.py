"""Routing with hostile models and authors: nothing is lost, and the conversation stays usable."""

import asyncio
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest

from agent_runtime_framework import AgentContext, BaseJourneyTools, JourneyConfig, Refused, tool
from agent_runtime_framework.events import JourneyEntered, ToolFailed
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.desk import Claim, ClaimAgent, DeskAgent, Quote, QuoteAgent, QuoteTools, desk
from support.journeys import recorded, working

TO_QUOTE = calls(("start_quote", {}))
TO_CLAIM = calls(("file_claim", {}))
BACK = calls(("reroute_conversation", {}))


def asked(conversation: str, text: str) -> AgentContext:
    return AgentContext(f"r-{text}", conversation, [{"role": "user", "content": text}])


async def failures(runtime: Any) -> list[str]:
    events = [one.event for one in await recorded(runtime, "c-1")]
    return [event.content for event in events if isinstance(event, ToolFailed)]


class NamesakeTools(BaseJourneyTools[Claim]):
    @tool
    async def file_claim(self, damage: str) -> str:
        self.state.damage = damage
        return "Filed by the journey's own tool."


class Namesake(ClaimAgent):
    tools_class = NamesakeTools


async def test_a_journeys_own_tool_is_run_though_a_route_has_its_name() -> None:
    with ScriptedLLM(TO_CLAIM, calls(("file_claim", {"damage": "dent"})), "Done.") as llm:
        async with working(desk(llm, claim=Namesake())) as rt:
            reply = await rt.send("desk", "c-1", "hi")

    assert reply.state == {"step": "ask", "damage": "dent"}
    assert llm.requests[2].messages[-1]["content"] == "Filed by the journey's own tool."


@dataclass
class Odd(Quote):
    """Is stored well, and is no quote when it is read."""

    value: str = "many"  # type: ignore[assignment]


class Rebinding(QuoteTools):
    @tool
    async def price(self, value: int) -> str:
        self.state = Odd()
        return "Rebound."


@pytest.mark.parametrize("how", ["entering", "loading", "rebinding"])
async def test_a_state_of_another_class_fails_the_call_and_the_conversation_goes_on(how: str) -> None:
    class Handing(DeskAgent):
        def enter_journey(self, journey: Any, state: Any, ctx: AgentContext) -> Any:
            return Odd() if how == "entering" else None

    class Strange(QuoteAgent):
        tools_class = Rebinding if how == "rebinding" else QuoteTools

        def load_state(self, ctx: AgentContext) -> Any:
            return Odd() if how == "loading" else None

    routed = () if how != "rebinding" else (calls(("price", {"value": 1})),)
    with ScriptedLLM(TO_QUOTE, *routed, "Sorry.", "Still here.") as llm:
        async with working(desk(llm, Handing, quote=Strange())) as rt:
            first = await rt.send("desk", "c-1", "hi")
            second = await rt.send("desk", "c-1", "and now?")
            (failed,) = await failures(rt)

    assert (first.text, second.text) == ("Sorry.", "Still here.")
    assert "field 'value' does not fit" in failed


async def test_a_first_state_of_another_class_is_refused_at_the_door() -> None:
    class Strange(QuoteAgent):
        def load_state(self, ctx: AgentContext) -> Any:
            return Odd()

    async with working(Strange(ScriptedLLM())) as rt:
        with pytest.raises(Refused, match=r"the agent could not begin.*field 'value' does not fit"):
            await rt.send("quote", "c-1", "hi")


@pytest.mark.parametrize("raised", [SystemExit(3), StopIteration(), asyncio.CancelledError()])
@pytest.mark.parametrize(
    ("where", "call"), [("create_tools", calls(("note", {"text": "x"}))), ("enter_journey", TO_QUOTE)]
)
async def test_what_would_end_more_than_a_call_ends_only_the_call(where: str, call: Any, raised: BaseException) -> None:
    def broken(*_: Any) -> Any:
        raise raised

    with ScriptedLLM(call, "Sorry.", "Still here.") as llm:
        async with working(desk(llm, type("Broken", (DeskAgent,), {where: broken}))) as rt:
            first = await rt.send("desk", "c-1", "hi", timeout=10)
            second = await rt.send("desk", "c-1", "and now?", timeout=10)
            (failed,) = await failures(rt)

    assert (first.text, second.text) == ("Sorry.", "Still here.")
    assert re.search(rf"it raised {type(raised).__name__}|it awaited was cancelled|coroutine raised", failed)


async def test_a_journey_that_was_over_begins_anew_though_its_agent_still_has_the_old_state() -> None:
    class Keeping(QuoteAgent):
        kept = Quote()

        def load_state(self, ctx: AgentContext) -> Quote:
            return self.kept

        def save_state(self, ctx: AgentContext, state: Quote) -> None:
            type(self).kept = state

    price = calls(("price", {"value": 500}))
    with ScriptedLLM(TO_QUOTE, price, "10.", BACK, TO_QUOTE, "What is it worth?") as llm:
        async with working(desk(llm, quote=Keeping())) as rt:
            await rt.send("desk", "c-1", "a quote for 500")
            again = await rt.send("desk", "c-1", "another quote")

    assert again.state == {"step": "ask", "value": 0}


async def test_without_a_server_a_journey_goes_on_with_what_its_agent_kept() -> None:
    class Keeping(QuoteAgent):
        kept: Quote | None = None

        def load_state(self, ctx: AgentContext) -> Quote | None:
            return self.kept

        def save_state(self, ctx: AgentContext, state: Quote) -> None:
            type(self).kept = state

    class Handing(DeskAgent):
        def enter_journey(self, journey: Any, state: Any, ctx: AgentContext) -> Quote:
            return Quote(value=1)

    class Counting(QuoteTools):
        @tool
        async def price(self, value: int) -> str:
            self.state.value += value
            return "Added."

    script: list[Any] = [TO_QUOTE, calls(("price", {"value": 10})), "Added."]
    agent = desk(
        ScriptedLLM(*script, *script),
        Handing,
        quote=type("Counted", (Keeping,), {"tools_class": Counting})(),
    )
    first = await agent.run(asked("c-1", "one"))
    second = await agent.run(asked("c-1", "two"))

    assert [first.state, second.state] == [{"step": "ask", "value": 11}, {"step": "ask", "value": 21}]


async def test_a_journey_is_asked_however_few_answers_it_may_take_and_its_words_are_the_reply() -> None:
    with ScriptedLLM(TO_QUOTE, "What is it worth?") as llm:
        quote = QuoteAgent(config=JourneyConfig(max_tool_iterations=1))
        agent = desk(llm, quote=quote)
        agent.config = JourneyConfig(max_tool_iterations=1)
        reply = await agent.run(asked("c-1", "hi"))

    assert (reply.response, reply.metadata["reason"]) == ("What is it worth?", "text_response")


async def test_a_model_that_routes_in_circles_is_told_to_answer() -> None:
    circle: list[Any] = [step for _ in range(6) for step in (TO_QUOTE, BACK)]
    with ScriptedLLM(*circle[:11], "Enough.") as llm:
        async with working(desk(llm)) as rt:
            reply = await rt.send("desk", "c-1", "hi")
            events = [one.event for one in await recorded(rt, "c-1")]

    assert reply.text == "Enough."
    assert sum(isinstance(event, JourneyEntered) for event in events) == 10
    assert [event.kind for event in events if isinstance(event, ToolFailed)] == ["denied"]
    assert llm.requests[11].messages[-1]["content"].startswith("Error: 10 journeys were entered in this turn already")


async def test_a_hung_enter_journey_ends_by_the_time_limit_and_nothing_was_entered() -> None:
    class Hung(DeskAgent):
        async def enter_journey(self, journey: Any, state: Any, ctx: AgentContext) -> Any:
            await asyncio.Event().wait()

    with ScriptedLLM(TO_QUOTE, "Sorry.") as llm:
        agent = desk(llm, Hung)
        agent.config = JourneyConfig(tool_timeout=0.3)
        async with working(agent) as rt:
            reply = await rt.send("desk", "c-1", "hi")
            now = await rt.conversation("c-1")

    assert (reply.text, now.journey) == ("Sorry.", "desk")
    assert llm.requests[1].messages[-1]["content"].endswith("no result within 0.3 s; the state is unchanged")


async def test_a_step_setter_that_refuses_does_not_keep_an_agent_from_answering() -> None:
    class Strict(Quote):
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "step" and value == "hello":
                raise ValueError("no way back")
            super().__setattr__(name, value)

    class Careful(QuoteAgent):
        prompts = MappingProxyType({**(QuoteAgent.prompts or {})})

        def get_initial_state(self) -> Quote:
            return Strict()

    with ScriptedLLM("Hello.") as llm:
        assert (await Careful(llm).run(asked("c-1", "hi"))).response == "Hello."
