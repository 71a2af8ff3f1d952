"""Authors who do their worst where journeys are entered, left and asked: no conversation is lost in one of them."""

import asyncio
from typing import Any

import msgspec
import pytest

from agent_runtime_framework import AgentContext, BaseJourneyTools, IntentRouter, InvalidInput, RouteDefinition, tool
from agent_runtime_framework.events import NoReply, Refused
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.desk import DeskAgent, Journey, Quote, QuoteAgent, desk
from support.journeys import types, working

TO_QUOTE = calls(("start_quote", {}))
NOTE = calls(("note", {"text": "x"}))


class Abort(BaseException):
    """Is no Exception, as what some test runners and green threads raise."""


ODD = [SystemExit(1), asyncio.CancelledError(), StopIteration(), GeneratorExit(), Abort("enough")]


def raising(error: BaseException) -> Any:
    def author(*_: Any) -> Any:
        raise error

    return author


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("method", ["get_system_prompt", "get_tool_schemas", "is_terminal_state", "load_state"])
async def test_what_an_author_raises_where_nothing_is_awaited_fails_the_turn(method: str, error: BaseException) -> None:
    agent = desk(ScriptedLLM())
    setattr(agent, method, raising(error))
    async with working(agent) as rt:
        with pytest.raises((NoReply, Refused), match=type(error).__name__.removesuffix("Error") + "|cancelled"):
            await rt.send("desk", "c-1", "hi", timeout=10)
        assert (await types(rt, "c-1"))[-1] in ("turn.failed", "command.refused")


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("method", ["create_tools", "execute_tool", "enter_journey"])
async def test_what_an_author_raises_in_a_call_fails_the_call_and_the_turn_goes_on(
    method: str, error: BaseException
) -> None:
    with ScriptedLLM(NOTE, TO_QUOTE, "Well.") as llm:
        agent = desk(llm)
        setattr(agent, method, raising(error))
        async with working(agent) as rt:
            assert (await rt.send("desk", "c-1", "hi", timeout=10)).text == "Well."
            assert "tool.failed" in await types(rt, "c-1")


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("method", ["load_state", "get_initial_state"])
async def test_a_journey_that_cannot_be_entered_is_not(method: str, error: BaseException) -> None:
    quote = QuoteAgent()
    setattr(quote, method, raising(error))
    with ScriptedLLM(TO_QUOTE, "Sorry.") as llm:
        async with working(desk(llm, quote=quote)) as rt:
            assert (await rt.send("desk", "c-1", "hi", timeout=10)).text == "Sorry."
            assert (await rt.conversation("c-1")).journey == "desk"


async def test_a_journey_that_takes_too_long_to_enter_is_not_entered() -> None:
    class Hanging(DeskAgent):
        async def enter_journey(self, journey: Any, state: Any, ctx: AgentContext) -> Any:
            await asyncio.Event().wait()

    with ScriptedLLM(TO_QUOTE, "Sorry.") as llm:
        agent = desk(llm, Hanging)
        agent.config.tool_timeout = 0.3
        async with working(agent) as rt:
            assert (await rt.send("desk", "c-1", "hi", timeout=10)).text == "Sorry."
            assert (await rt.conversation("c-1")).journey == "desk"


class Foreign(msgspec.Struct, frozen=True):
    """Is a state whose step no quote has."""

    step: str = "elsewhere"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (Foreign(), "'quote' cannot be in this Foreign: give a Quote"),
        ({"step": "ask"}, "an object of type dict is no state"),
        (Quote(value=object()), "state field 'value' holds an object"),  # type: ignore[arg-type]
        (Quote, "cannot be stored"),
    ],
)
async def test_a_state_that_the_journey_cannot_be_in_is_refused_before_it_is_entered(given: Any, told: str) -> None:
    class Handing(DeskAgent):
        def enter_journey(self, journey: Any, state: Any, ctx: AgentContext) -> Any:
            return given

    with ScriptedLLM(TO_QUOTE, "Sorry.", "Yes?") as llm:
        async with working(desk(llm, Handing)) as rt:
            assert (await rt.send("desk", "c-1", "hi", timeout=10)).text == "Sorry."
            assert (await rt.send("desk", "c-1", "still there?", timeout=10)).text == "Yes?"

    assert told in llm.requests[1].messages[-1]["content"]


async def test_a_state_of_another_class_is_taken_as_the_journeys_own_reads_it() -> None:
    class Handing(DeskAgent):
        def enter_journey(self, journey: Any, state: Any, ctx: AgentContext) -> Any:
            return {"quote": Like(value=3)}[journey.value]

    class Like(msgspec.Struct):
        step: str = "ask"
        value: int = 0
        more: str = "is not the quote's"

    with ScriptedLLM(TO_QUOTE, "What is it worth?") as llm:
        async with working(desk(llm, Handing)) as rt:
            assert (await rt.send("desk", "c-1", "hi")).state == {"step": "ask", "value": 3}


class Rerouting(BaseJourneyTools[Quote]):
    @tool
    async def reroute_conversation(self) -> str:
        """Do what the name says, in its own way."""
        return "Rerouted."


async def test_no_journey_has_a_tool_of_the_name_that_leads_back() -> None:
    agent = desk(ScriptedLLM(), quote=type("Clashing", (QuoteAgent,), {"tools_class": Rerouting})())
    with pytest.raises(InvalidInput, match="'quote' has a tool and a route named"):
        await agent.run(AgentContext("r-1", "c-1", [{"role": "user", "content": "hi"}]))


async def test_no_route_has_the_name_of_the_tool_that_leads_back() -> None:
    class Circular(DeskAgent):
        router = IntentRouter[Journey]().add_route(RouteDefinition(Journey.QUOTE, "reroute_conversation", ""))

    with pytest.raises(InvalidInput, match="a route of 'desk' is named 'reroute_conversation'"):
        await desk(ScriptedLLM(), Circular).run(AgentContext("r-1", "c-1", [{"role": "user", "content": "hi"}]))


async def test_a_route_that_comes_while_the_agent_is_at_work_says_that_it_must_be_started_anew() -> None:
    class Growing(DeskAgent):
        router = IntentRouter[Any]().add_route(RouteDefinition(Journey.QUOTE, "start_quote", "Get a quote"))

    with ScriptedLLM(calls(("moan", {})), "Sorry.") as llm:
        async with working(desk(llm, Growing)) as rt:
            Growing.router.add_route(RouteDefinition("complaint", "moan", "Complain"))
            assert (await rt.send("desk", "c-1", "hi", timeout=10)).text == "Sorry."

    assert "route 'moan' of 'desk' was added while that was at work" in llm.requests[1].messages[-1]["content"]
