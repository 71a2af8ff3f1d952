"""A worker of a new version goes on with conversations of an old one: as they are, or with a state made of theirs."""

from collections.abc import Mapping
from typing import Any

import pytest

from agent_runtime_framework import AgentContext, InvalidInput, JourneyConfig, NoReply
from agent_runtime_framework.events import ConversationId, MemoryLog, StateChanged, StepEntered, ToolStarted, TurnFailed
from agent_runtime_framework.projections import fold, initial
from agent_runtime_framework.runtime.agents import run_turn
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import frames, working
from support.versions import (
    CHAT,
    NewStep,
    NewTicket,
    OldAgent,
    events_of,
    interrupted,
    migrate,
    new,
    old,
    revisions,
    reworded,
    say,
    version_of,
)

NAME = calls(("name", {"who": "Ada"}))
SEAT = calls(("seat", {}))
OLD, REWORDED, NEW = version_of(old(None)), version_of(reworded(None)), version_of(new(None))


async def begin(substrate: Substrate, **config: Any) -> OldAgent:
    """Let the old version begin, and take a seat for Ada."""
    with ScriptedLLM(NAME, SEAT, "Seat 1.") as llm:
        agent = old(llm, **config)
        await say(substrate, agent, "I am Ada")
    return agent


async def test_a_new_version_goes_on_with_the_state_as_it_is_and_is_recorded_once(substrate: Substrate) -> None:
    await begin(substrate)

    with ScriptedLLM(SEAT, "Seat 2.", "Bye.") as llm:
        async with working(reworded(llm), substrate=substrate) as rt:
            reply = await rt.send("ticket", CHAT, "one more")
            await rt.send("ticket", CHAT, "no more")
            now = await rt.conversation(CHAT)
        prompts = [request.messages[0]["content"] for request in llm.requests]
        kinds = [event.__class__.__name__ for event in (await frames(substrate, CHAT))[6].frame.events]

    assert (reply.text, reply.state["seats"]) == ("Seat 2.", 2)
    assert prompts == ["Reworded: seats"] * 3
    assert await revisions(substrate, old(None)) == [(OLD, REWORDED)]
    assert kinds == ["UserSpoke", "TurnStarted", "JourneyRevised", "ModelRequested"]
    assert now.journey_hash == REWORDED


async def test_the_same_version_records_nothing(substrate: Substrate) -> None:
    agent = await begin(substrate)

    with ScriptedLLM("Hello again.") as llm:
        await say(substrate, old(llm, on_new_version="pin"), "hi")

    assert await revisions(substrate, agent) == []


async def test_versions_that_alternate_are_all_recorded(substrate: Substrate) -> None:
    await begin(substrate)
    for agent in (reworded, old, reworded):
        with ScriptedLLM("Yes?") as llm:
            await say(substrate, agent(llm), "hi")

    assert await revisions(substrate, old(None)) == [(OLD, REWORDED), (REWORDED, OLD), (OLD, REWORDED)]


def as_object(state: dict[str, Any], from_hash: str) -> NewTicket:
    made = migrate(state, from_hash)
    return NewTicket(made["step"], made["guest"], made["seats"])


@pytest.mark.parametrize("migration", [migrate, as_object])
async def test_a_state_that_the_new_class_cannot_read_is_migrated_and_that_is_recorded(
    substrate: Substrate, migration: Any
) -> None:
    await begin(substrate)

    with ScriptedLLM(SEAT, "There you are.") as llm:
        agent = new(llm, on_new_version=migration)
        reply = await say(substrate, agent, "one more")
        tool_said = llm.requests[1].messages[-1]["content"]
        events = await events_of(substrate, agent)

    at = next(number for number, event in enumerate(events) if event.__class__.__name__ == "JourneyRevised")
    changed, step = events[at + 1 : at + 3]
    assert isinstance(changed, StateChanged)
    assert ({*changed.set}, changed.unset) == ({"guest", "seats", "step"}, ("who",))
    assert isinstance(step, StepEntered)
    assert (step.previous, step.step) == ("seats", "places")
    assert llm.requests[0].messages[0]["content"] == "New: places"
    assert tool_said == "Ada: row 1, row 2"
    assert reply.state == {"step": "places", "guest": "Ada", "seats": ["row 1", "row 2"]}


async def test_a_migration_is_given_the_version_that_the_state_was_recorded_under() -> None:
    substrate = in_memory(SystemClock())
    await begin(substrate)
    given: list[tuple[dict[str, Any], str]] = []

    def migration(state: dict[str, Any], from_hash: str) -> dict[str, Any]:
        given.append((dict(state), from_hash))
        state.clear()  # it is the function's own
        return {"step": "guest"}

    with ScriptedLLM("Hello.", "Hello again.") as llm:
        agent = new(llm, on_new_version=migration)
        async with working(agent, substrate=substrate) as rt:
            reply = await rt.send("ticket", CHAT, "hi")
            await rt.send("ticket", CHAT, "hi")

    assert given == [({"step": "seats", "who": "Ada", "seats": 1}, OLD)]
    assert reply.state == {"step": "guest", "guest": "", "seats": []}


def raising(state: dict[str, Any], from_hash: str) -> Any:
    raise KeyError(f"no {sorted(state)} of {from_hash[:0]}today")


def ending(state: dict[str, Any], from_hash: str) -> Any:
    raise SystemExit(3)


async def waiting(state: dict[str, Any], from_hash: str) -> Any:
    return {}


def unawaited(state: dict[str, Any], from_hash: str) -> Any:
    return waiting(state, from_hash)


def argumentless() -> dict[str, Any]:
    return {}


WRONG: Mapping[str, tuple[Any, str]] = {
    "raises": (raising, "KeyError: \"no ['seats', 'step', 'who'] of today\""),
    "ends the process": (ending, "SystemExit: 3"),
    "nothing": (lambda _state, _hash: None, "on_new_version of 'ticket' must return a state or its dict, not None"),
    "a coroutine": (unawaited, "not a coroutine: write it with def, not async def"),
    "a number": (lambda _state, _hash: 3, "on_new_version of 'ticket' returned no state: an object of type int is"),
    "the old state": (lambda state, _hash: state, "returned a dict that is no NewTicket"),
    "a field of a wrong type": (lambda _state, _hash: {"step": "guest", "seats": 3}, "no NewTicket"),
    "what has no JSON form": (lambda _state, _hash: {"step": "guest", "guest": object()}, "no NewTicket"),
    "too few arguments": (argumentless, "takes 0 positional arguments"),
    "too much": (
        lambda _state, _hash: {"step": "guest", "guest": "a" * 300_000},
        "the migrated state of 'ticket' has more than",
    ),
}


@pytest.mark.parametrize(("migration", "why"), WRONG.values(), ids=WRONG)
async def test_a_migration_that_goes_wrong_fails_the_turn_and_changes_nothing(migration: Any, why: str) -> None:
    substrate = in_memory(SystemClock())
    await begin(substrate)
    with ScriptedLLM() as llm:
        agent = new(llm, on_new_version=migration)
        async with working(agent, substrate=substrate) as rt:
            with pytest.raises(NoReply):
                await rt.send("ticket", CHAT, "hi")
            with pytest.raises(NoReply):
                await rt.send("ticket", CHAT, "hi again")
            now = await rt.conversation(CHAT)
    failed = [event for event in await events_of(substrate, agent) if isinstance(event, TurnFailed)]

    assert [event.reason for event in failed] == ["author_error"] * 2
    assert why in failed[0].error
    assert (now.journey_hash, now.state["who"]) == (OLD, b'"Ada"')
    assert await revisions(substrate, agent) == []

    with ScriptedLLM("Welcome back.") as llm:
        reply = await say(substrate, new(llm, on_new_version=migrate), "and now?")
    assert (reply.text, reply.state["guest"]) == ("Welcome back.", "Ada")


async def test_a_turn_that_the_old_version_began_is_migrated_before_its_tool_runs_again(substrate: Substrate) -> None:
    await begin(substrate)
    with ScriptedLLM(SEAT) as llm:
        async with interrupted(substrate, old(llm)):
            pass

    with ScriptedLLM("There you are.") as llm:
        agent = new(llm, on_new_version=migrate)
        reply = await say(substrate, agent, "a seat", message_id="m-seat")
        events = await events_of(substrate, agent)

    assert llm.requests[0].messages[-1]["content"] == "Ada: row 1, row 2"
    assert (reply.text, reply.state["seats"]) == ("There you are.", ["row 1", "row 2"])
    starts = [event for event in events if isinstance(event, ToolStarted)][-2:]
    assert [(start.attempt, start.step) for start in starts] == [(1, "seats"), (2, "places")]


async def test_a_turn_taken_over_whose_migration_raises_fails_and_the_next_message_is_taken(
    substrate: Substrate,
) -> None:
    await begin(substrate)
    with ScriptedLLM(SEAT) as llm:
        async with interrupted(substrate, old(llm)):
            pass

    with pytest.raises(NoReply, match="author_error"):
        await say(substrate, new(ScriptedLLM(), on_new_version=raising), "a seat", message_id="m-seat")
    with ScriptedLLM("Hello.") as llm:
        reply = await say(substrate, new(llm, on_new_version=migrate), "hi")

    assert (reply.text, reply.state["seats"]) == ("Hello.", ["row 1"])


@pytest.mark.parametrize("value", ["continued", "", None, 3, True, waiting, ["pin"]])
async def test_what_cannot_be_followed_is_refused_when_the_agent_is_bound(value: Any) -> None:
    agent = old(ScriptedLLM(), on_new_version=value)

    with pytest.raises(InvalidInput) as refused:
        async with working(agent):
            pass

    said = str(refused.value)
    assert said.startswith("`on_new_version` of 'ticket' must be continue, pin, or a plain function of a state")
    assert "\n" not in said


async def test_a_run_without_a_server_goes_on_with_a_log_that_is_kept_and_never_differs_over_a_fresh_one() -> None:
    log = MemoryLog()
    with ScriptedLLM("Hello.", "Hello again.", "And again.") as llm:
        await run_turn(old(llm), AgentContext("r-1", CHAT, [{"role": "user", "content": "hi"}]), log)
        agent = new(llm, on_new_version=lambda _state, _hash: NewTicket(NewStep.PLACES, "Bob"))
        kept = await run_turn(agent, AgentContext("r-2", CHAT, [{"role": "user", "content": "hi"}]), log)
        fresh = await run_turn(agent, AgentContext("r-3", CHAT, [{"role": "user", "content": "hi"}]))
    now = fold(initial(ConversationId(CHAT)), [stored.frame async for stored in log.read(CHAT)])

    assert kept.state == {"step": "places", "guest": "Bob", "seats": []}
    assert fresh.state == {"step": "guest", "guest": "", "seats": []}
    assert now.journey_hash == NEW


def test_going_on_is_what_happens_unless_something_else_is_said() -> None:
    assert JourneyConfig().on_new_version == "continue"
