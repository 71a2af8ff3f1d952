"""Conversations that went through several journeys, decided again: the same, and with routes and journeys changed."""

from types import MappingProxyType
from typing import Any

import pytest

from agent_runtime_framework import IntentRouter, JourneyConfig, RouteDefinition
from agent_runtime_framework.events import Stored
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import in_memory
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.desk import ClaimAgent, DeskAgent, Journey, QuoteAgent, Step, desk
from support.journeys import frames, working
from support.signup import again, recorded


class CurtQuote(QuoteAgent):
    prompts = MappingProxyType({step: f"Curtly: {step}" for step in Step})


def revalued(state: dict[str, Any], from_hash: str) -> dict[str, Any]:
    assert len(from_hash) == 64
    return {**state, "value": 7}


BACK = calls(("reroute_conversation", {"reason": "a claim"}))
TALK: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("a quote, please", (calls(("note", {"text": "hello"}), ("start_quote", {})), "What is it worth?")),
    ("500", (calls(("price", {"value": 500})), "10 euros.")),
    ("it is broken now", (BACK, calls(("file_claim", {})), "What happened?")),
    ("a dent", (calls(("file", {"damage": "dent"}), ("reroute_conversation", {})), "Anything else?")),
    ("the quote again", (calls(("start_quote", {})), "What is it worth?")),
)


@pytest.fixture(scope="module")
def log() -> list[Stored]:
    return recorded(DeskAgent(), TALK)


async def test_journeys_that_were_entered_left_and_entered_again_are_led_the_same(log: list[Stored]) -> None:
    assert (await again(DeskAgent(), log)).divergences == ()
    assert (await again(DeskAgent(), log, tools="run")).divergences == ()


async def test_a_route_that_was_removed_is_found(log: list[Stored]) -> None:
    class OneRoute(DeskAgent):
        router = IntentRouter[Journey]().add_routes([RouteDefinition(Journey.QUOTE, "start_quote", "Get a quote")])
        journeys = MappingProxyType({Journey.QUOTE: QuoteAgent()})

    found = await again(OneRoute(), log)

    assert found.first is not None
    assert (found.first.aspect, found.first.subject, found.first.version) == ("tools", "hello", 4)
    assert "file_claim: not offered any more" in str(found)
    refused = [one for one in found.divergences if one.aspect == "call"]
    assert [one.subject for one in refused] == ["file_claim()", 'file(damage="dent")', "reroute_conversation()"]
    assert ("journey", "claim", "desk") in [(one.aspect, one.then, one.now) for one in found.divergences]


async def test_a_journey_that_was_renamed_is_found(log: list[Stored]) -> None:
    class Offer(QuoteAgent):
        key = "offer"

    found = await again(desk(None, quote=Offer()), log)

    assert found.first is not None
    assert found.first.aspect == "outcome"
    assert found.first.now == (
        "failed (author_error): InvalidInput: 'c-1' is in journey 'quote', which 'desk' does not lead to any more; "
        "add it to `journeys` again"
    )
    # with tools that are really run, it is the new one that is entered
    entered = await again(desk(None, quote=Offer()), log, tools="run")
    journeys = [(one.then, one.now) for one in entered.divergences if one.aspect == "journey"]
    assert journeys == [("quote", "offer")]


async def test_a_prompt_of_a_journey_behind_a_route_is_found_there(log: list[Stored]) -> None:
    class Curt(ClaimAgent):
        prompts = MappingProxyType({step: f"Curtly: {step}" for step in Step})

    found = await again(desk(None, claim=Curt()), log)

    assert {(one.aspect, one.subject) for one in found.divergences} == {("prompt", "ask")}
    assert (await again(desk(None, claim=Curt()), log, "prompt")).first is None


async def test_that_a_journey_which_was_left_is_pinned_to_its_version_is_no_difference(log: list[Stored]) -> None:
    found = await again(desk(None, quote=CurtQuote(config=JourneyConfig(on_new_version="pin"))), log)

    assert {one.aspect for one in found.divergences} == {"prompt"}


@pytest.mark.parametrize("how", ["continue", "pin", revalued])
async def test_a_journey_that_was_entered_again_by_another_version_is_led_the_same(how: Any) -> None:
    substrate = in_memory(SystemClock())
    config = JourneyConfig(on_new_version=how)
    with ScriptedLLM(calls(("start_quote", {})), "What is it worth?", BACK, "Anything else?") as llm:
        async with working(desk(llm), substrate=substrate) as rt:
            await rt.send("desk", "c-1", "a quote, please")
            await rt.send("desk", "c-1", "it is broken now")
    with ScriptedLLM(calls(("start_quote", {})), "Well.") as llm:
        async with working(desk(llm, quote=CurtQuote(config=config)), substrate=substrate) as rt:
            await rt.send("desk", "c-1", "the quote again")

    log = await frames(substrate, "c-1")
    for tools in ("log", "run"):
        found = await again(desk(None, quote=CurtQuote(config=config)), log, "prompt", tools=tools)
        assert found.first is None, str(found)
