"""New versions of journeys behind a router: each journey's own configuration counts for its own state."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest

from agent_runtime_framework import (
    BaseJourneyState,
    BaseJourneyTools,
    JourneyAgent,
    JourneyConfig,
    NoReply,
    Refused,
    Runtime,
    tool,
)
from agent_runtime_framework.events import (
    AgentKey,
    AnyEvent,
    ConversationId,
    JourneyEntered,
    JourneyRevised,
    StateChanged,
    ToolFailed,
    WriterId,
)
from agent_runtime_framework.runtime.agents import Journeys
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.runtime.testing.working import at_work
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.desk import DeskAgent, QuoteAgent, Step, desk
from support.journeys import recorded, working
from support.versions import owner_first

TO_QUOTE = calls(("start_quote", {}))
PRICE = calls(("price", {"value": 500}))
BACK = calls(("reroute_conversation", {}))


@dataclass
class Offer(BaseJourneyState[Step]):
    """Is the state of the quote's new version, which cannot be read as the old one's."""

    amount: str
    step: Step = Step.ASK

    def is_complete(self) -> bool:
        return self.step == Step.DONE


class OfferTools(BaseJourneyTools[Offer]):
    @tool(effect="read")
    async def price(self, value: int) -> str:
        """Work out the price."""
        self.state.amount, self.state.step = f"{value} euros", Step.DONE
        return self.state.amount


class NewQuote(JourneyAgent[Offer, OfferTools, Step]):
    key = "quote"
    prompts = MappingProxyType({step: f"New quote: {step}" for step in Step})

    def get_initial_state(self) -> Offer:
        return Offer("nothing yet")


class RewordedQuote(QuoteAgent):
    prompts = MappingProxyType({step: f"Reworded quote: {step}" for step in Step})


class RewordedDesk(DeskAgent):
    def get_system_prompt(self, state: Any) -> str:
        return "What can I do for you?"


def migrate(state: dict[str, Any], from_hash: str) -> dict[str, Any]:
    return {"step": state["step"], "amount": f"{state['value']} euros"}


def raising(state: dict[str, Any], from_hash: str) -> dict[str, Any]:
    raise ValueError("no such quote")


def new_quote(on_new_version: Any) -> NewQuote:
    return NewQuote(config=JourneyConfig(on_new_version=on_new_version))


async def said(substrate: Substrate, agent: DeskAgent, *texts: str) -> list[AnyEvent]:
    """Let a worker answer these messages, and return the events that it recorded."""
    async with working(agent, substrate=substrate) as rt:
        before = len(await recorded(rt, "c-1")) if await substrate.log.last(ConversationId("c-1")) else 0
        for text in texts:
            await rt.send("desk", "c-1", text)
        return [one.event for one in await recorded(rt, "c-1")][before:]


async def left_in_quote(substrate: Substrate, *answers: Any) -> None:
    """Let the old version ask for a quote, and perhaps more."""
    with ScriptedLLM(TO_QUOTE, *answers, "Yes?") as llm:
        await said(substrate, desk(llm), "a quote, please")


def revised(events: list[AnyEvent]) -> list[tuple[str, str]]:
    return [(one.previous, one.journey_hash) for one in events if isinstance(one, JourneyRevised)]


def hashes(agent: DeskAgent) -> dict[str, str]:
    return {journey.name: journey.hash for journey in Journeys(agent)}


OLD = hashes(desk(None))


async def test_the_journey_that_is_on_is_revised_as_it_says_itself(substrate: Substrate) -> None:
    await left_in_quote(substrate)

    with ScriptedLLM("What is it worth?") as llm:
        agent = desk(llm, RewordedDesk, quote=new_quote(migrate))
        agent.config = JourneyConfig(on_new_version="pin")
        events = await said(substrate, agent, "well?")

    assert revised(events) == [(OLD["quote"], hashes(agent)["quote"])]
    assert [{*one.set} for one in events if isinstance(one, StateChanged)] == [{"amount"}]
    assert llm.requests[0].messages[0]["content"] == "New quote: ask"


async def test_a_journey_that_is_entered_again_is_revised_then_and_not_before(substrate: Substrate) -> None:
    await left_in_quote(substrate, BACK)

    with ScriptedLLM("Still here.", TO_QUOTE, "What is it worth?") as llm:
        agent = desk(llm, quote=new_quote(migrate))
        before = await said(substrate, agent, "hello?")
        after = await said(substrate, agent, "the quote")

    assert revised(before) == []
    at = next(number for number, event in enumerate(after) if isinstance(event, JourneyEntered))
    entered, revision, changed = after[at : at + 3]
    assert isinstance(entered, JourneyEntered)
    assert (entered.resumed, entered.journey_hash) == (True, OLD["quote"])
    assert isinstance(revision, JourneyRevised)
    assert (revision.previous, revision.journey_hash) == (OLD["quote"], hashes(agent)["quote"])
    assert isinstance(changed, StateChanged)
    assert (bytes(changed.set["amount"]), changed.unset) == (b'"0 euros"', ("value",))


async def test_the_front_is_revised_when_it_is_come_back_to() -> None:
    substrate = in_memory(SystemClock())
    await left_in_quote(substrate)

    with ScriptedLLM("Well?", BACK, "What can I do?") as llm:
        agent = desk(llm, RewordedDesk)
        before = await said(substrate, agent, "hm")
        after = await said(substrate, agent, "back")

    assert revised(before) == []
    assert revised(after) == [(OLD["desk"], hashes(agent)["desk"])]


async def test_a_journey_that_was_over_begins_anew_in_the_new_version() -> None:
    substrate = in_memory(SystemClock())
    await left_in_quote(substrate, PRICE, BACK)

    with ScriptedLLM(TO_QUOTE, "What is it worth?") as llm:
        agent = desk(llm, quote=new_quote(migrate))
        events = await said(substrate, agent, "another quote")

    entered = next(event for event in events if isinstance(event, JourneyEntered))
    assert (entered.resumed, entered.journey_hash) == (False, hashes(agent)["quote"])
    assert revised(events) == []


async def test_a_migration_that_raises_where_a_journey_is_entered_again_fails_the_turn() -> None:
    substrate = in_memory(SystemClock())
    await left_in_quote(substrate, BACK)

    llm = ScriptedLLM(TO_QUOTE)
    with pytest.raises(NoReply, match="no such quote"):
        await said(substrate, desk(llm, quote=new_quote(raising)), "the quote")
    llm.assert_done()
    with ScriptedLLM("What is it worth?") as llm:
        agent = desk(llm, quote=new_quote(migrate))
        events = await said(substrate, agent, "and now?")

    assert revised(events) == [(OLD["quote"], hashes(agent)["quote"])]


async def test_a_pinned_journey_that_was_left_is_not_entered_by_another_version(substrate: Substrate) -> None:
    await left_in_quote(substrate, BACK)

    reworded = RewordedQuote(config=JourneyConfig(on_new_version="pin"))
    with ScriptedLLM(TO_QUOTE, "Not now, sorry.") as llm:
        events = await said(substrate, desk(llm, quote=reworded), "the quote")
    told = llm.requests[1].messages[-1]["content"]

    assert [event.kind for event in events if isinstance(event, ToolFailed)] == ["denied"]
    assert told.startswith("Error: 'quote' cannot be gone on with here now")
    assert revised(events) == []

    with ScriptedLLM(TO_QUOTE, "What is it worth?") as llm:
        events = await said(substrate, desk(llm), "and now?")
    assert [event.resumed for event in events if isinstance(event, JourneyEntered)] == [True]


async def test_a_pinned_journey_that_cannot_be_read_any_more_is_not_entered_either() -> None:
    substrate = in_memory(SystemClock())
    await left_in_quote(substrate, BACK)

    with ScriptedLLM(TO_QUOTE, "Not now, sorry.") as llm:
        events = await said(substrate, desk(llm, quote=new_quote("pin")), "the quote")

    assert [event.kind for event in events if isinstance(event, ToolFailed)] == ["denied"]


async def test_a_pinned_journey_that_was_over_begins_anew() -> None:
    substrate = in_memory(SystemClock())
    await left_in_quote(substrate, PRICE, BACK)

    reworded = RewordedQuote(config=JourneyConfig(on_new_version="pin"))
    with ScriptedLLM(TO_QUOTE, "What is it worth?") as llm:
        events = await said(substrate, desk(llm, quote=reworded), "another quote")

    assert [event.resumed for event in events if isinstance(event, JourneyEntered)] == [False]


async def test_a_conversation_in_a_pinned_journey_is_left_to_a_worker_with_that_version_of_it(
    substrate: Substrate,
) -> None:
    await left_in_quote(substrate)
    pinning = RewordedQuote(config=JourneyConfig(on_new_version="pin"))
    alone = desk(ScriptedLLM(), quote=pinning)
    with pytest.raises(Refused, match=f"pinned to version {OLD['quote'][:12]} of 'quote'"):
        await said(substrate, alone, "well?")

    with ScriptedLLM("What is it worth?") as llm:
        # the front is another one, and goes on with what is the front's
        theirs = Runtime([desk(llm, RewordedDesk)], substrate=substrate)
        ours = Runtime([desk(ScriptedLLM(), quote=pinning)], substrate=substrate)
        theirs.writer = WriterId("w-old")
        ours.writer = owner_first("w-new", theirs.writer, AgentKey("desk"))
        async with at_work(theirs), at_work(ours):
            reply = await ours.send("desk", "c-1", "and now?", timeout=20)

    assert reply.text == "What is it worth?"
