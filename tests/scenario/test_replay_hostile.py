"""Logs that make no sense and agents that misbehave: a replay says what it found, and raises only what it promises."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace

from agent_runtime_framework import InvalidInput, JourneyAgent, NotFound, tool
from agent_runtime_framework import replay as replayed
from agent_runtime_framework.actors import CancelTurn, RefuseCommand
from agent_runtime_framework.events import (
    ConversationErased,
    CorruptLog,
    Frame,
    Head,
    Stored,
    ToolReturned,
    ToolStarted,
    UnknownEvent,
)
from agent_runtime_framework.projections import OwedToolCall, fold, initial, outstanding, timeline
from agent_runtime_framework.runtime.cli.reading.summary import Summaries
from agent_runtime_framework.runtime.replay import Tools, logs
from support.desk import DeskAgent
from support.hand_written import Written
from support.signup import (
    CHAT,
    PROMPTS,
    SignUp,
    SignUpAgent,
    SignUpTools,
    Step,
    again,
    recorded,
    recorded_at_work,
    today,
    with_state,
)
from support.strategies import events

LOG = recorded()
LATER = UnknownEvent(tag="turn.pondered", raw=b'{"type":"turn.pondered","how":"deep"}')


def chain(frames: Sequence[Frame]) -> list[Stored]:
    """Return frames as a log gives them back, whatever is in them."""
    stored, version = list[Stored](), 0
    for frame in frames:
        if frame.events:
            numbered = replace(frame, first=version + 1)
            version = numbered.last
            stored.append(Stored(CHAT, numbered, Head(version, len(stored) + 1, ""), b""))
    return stored


def spoilt(data: st.DataObject) -> list[Frame]:
    frames = [one.frame for one in LOG]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(frames) - 1))
        match data.draw(st.integers(0, 4)):
            case 0 if len(frames) > 1:
                del frames[at]
            case 1:
                frames.insert(data.draw(st.integers(0, len(frames))), frames[at])
            case 2:
                frames[at] = replace(frames[at], events=(*frames[at].events, data.draw(events)))
            case 3:
                frames[at] = replace(frames[at], events=(data.draw(events), *frames[at].events))
            case _:
                frames[at] = replace(frames[at], events=tuple(data.draw(st.permutations(frames[at].events))))
    return frames


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@for_all(st.data(), st.sampled_from(["log", "run"]))
async def test_a_log_that_makes_no_sense_is_replayed_all_the_same(data: st.DataObject, tools: Tools) -> None:
    assert str(await again(SignUpAgent(), chain(spoilt(data)), tools=tools)).startswith("c-1: ")


async def test_nothing_recorded_and_bytes_that_do_not_fit_are_what_it_raises_for() -> None:
    with pytest.raises(NotFound):
        await again(SignUpAgent(), [])

    async def damaged() -> Any:
        yield LOG[0]
        raise CorruptLog("the frame at position 2 is none")

    with pytest.raises(CorruptLog):
        await replayed(damaged(), SignUpAgent())


async def test_another_agents_conversation_is_refused_also_where_it_could_not_begin_at_first() -> None:
    with pytest.raises(InvalidInput, match="is of agent 'signup', not of 'desk'"):
        await again(DeskAgent(), LOG)
    log = Written(SignUpAgent())
    log.take(RefuseCommand(id="m-0", reason="the agent could not begin: RuntimeError"))
    assert str(await again(DeskAgent(), log.log)) == "c-1: 0 turns, 1 event: the same"
    log.say("hi")
    with pytest.raises(InvalidInput, match="is of agent 'signup', not of 'desk'"):
        await again(DeskAgent(), log.log)


async def test_events_of_a_newer_release_are_passed_over() -> None:
    log = Written(SignUpAgent(), *LOG)
    log.add(LATER)
    log.say("hi again")
    log.add(LATER, LATER)

    assert (await again(SignUpAgent(), log.log)).divergences == ()


async def test_a_conversation_that_was_erased_is_the_same() -> None:
    log = Written(SignUpAgent(), *LOG)
    log.add(ConversationErased())
    assert (await again(SignUpAgent(), log.log)).divergences == ()
    # also where today's code could not read what it was
    assert (await again(with_state(Spent, load_state=loaded), log.log)).remaining == ()


async def test_a_conversation_in_the_middle_of_a_turn_is_replayed_up_to_there() -> None:
    for length in range(1, len(LOG) + 1):
        found = await again(SignUpAgent(), LOG[:length])
        assert (found.divergences, found.version) == ((), LOG[length - 1].frame.last)
        assert (await again(SignUpAgent(), LOG[:length], tools="run")).divergences == ()


@dataclass
class Spent(SignUp):
    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Spent":
        raise SystemExit(3)


@dataclass
class Forgetful(SignUp):
    """Writes what it never reads again."""

    seen: list[str] = field(default_factory=list)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Forgetful":
        return super().from_dict({name: value for name, value in data.items() if name != "seen"})


class SeeingTools(SignUpTools):
    @tool(effect="read")
    async def look(self) -> str:
        """Look at what is known."""
        self.state.seen = ["looked"]  # type: ignore[attr-defined]
        return "looked"


@dataclass
class Stamped(SignUp):
    """Writes another stamp each time."""

    stamp: str = field(default_factory=lambda: uuid.uuid4().hex)

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "stamp": uuid.uuid4().hex}


def noted(self: SignUpAgent, state: SignUp) -> str:
    """Return a prompt, and change the state that was given for it."""
    prompt = f"{PROMPTS[state.step]} {state.name}"
    state.name, state.step = "nobody", Step.DONE
    return prompt


def made_up(self: SignUpAgent, state: SignUp) -> str:
    return f"{PROMPTS[state.step]} Conversation {uuid.uuid4()}."


async def late(self: SignUpAgent, state: SignUp) -> str:
    return PROMPTS[state.step]


def loaded(self: SignUpAgent, ctx: Any) -> SignUp:
    return SignUp(name=f"loaded {uuid.uuid4()}")


def huge(self: SignUpAgent) -> SignUp:
    return SignUp(name="x" * 200_000)


def leaving(self: SignUpAgent, state: SignUp) -> str:
    raise SystemExit(3)


ODD: dict[str, JourneyAgent[Any, Any, Any]] = {
    "a state that forgets": with_state(Forgetful, tools_class=SeeingTools),
    "a state with a stamp": with_state(Stamped),
    "a prompt that changes the state": today(get_system_prompt=noted),
    "a prompt that ends the process": today(get_system_prompt=leaving),
    "a prompt that is awaited": today(get_system_prompt=late),
    "a state that is loaded": today(load_state=loaded),
    "a huge state": today(get_initial_state=huge),
}


@pytest.mark.parametrize("name", ODD)
async def test_odd_code_that_did_not_change_makes_no_difference(name: str) -> None:
    found = await again(ODD[name], await recorded_at_work(ODD[name]))

    assert (found.divergences, found.remaining) == ((), ())


async def test_what_differs_each_time_it_is_asked_for_is_named_and_not_compared() -> None:
    agent = today(get_system_prompt=made_up)
    found = await again(agent, LOG)

    assert found.first is None
    assert found.unsteady == tuple(("prompt", step) for step in ("name", "email", "plan", "done"))
    assert "not compared, because it differs each time it is asked for: prompt in step name, prompt in" in str(found)
    # what else is changed is found all the same
    more = await again(today(get_system_prompt=made_up, config={"history_turns": 1}), LOG)
    assert {one.aspect for one in more.divergences} == {"window"}


async def test_a_state_that_cannot_be_read_any_more_is_an_outcome_and_no_exception() -> None:
    found = await again(with_state(Spent), LOG)

    assert found.first is not None
    assert found.first.now == "it could not begin: SystemExit: 3"
    log = await recorded_at_work(ODD["a state that is loaded"])
    read = await again(with_state(Spent, load_state=loaded), log)
    assert read.first is not None
    assert read.first.now == "failed (author_error): SystemExit: 3"


@pytest.mark.parametrize("method", ["get_system_prompt", "get_tool_schemas", "is_closing_message", "get_initial_state"])
async def test_code_that_raises_whatever_it_likes_is_an_outcome_and_no_exception(method: str) -> None:
    for error in (SystemExit(3), GeneratorExit(), StopIteration(), BaseException("no"), RecursionError()):

        def raising(*_: Any, error: BaseException = error) -> Any:
            raise error

        written: dict[str, Any] = {method: raising}
        for tools in ("log", "run"):
            found = await again(today(**written), LOG, tools=tools)
            assert found.first is not None
            assert found.first.aspect == "outcome"


async def test_a_first_state_that_is_too_large_today_is_told() -> None:
    found = await again(today(get_initial_state=lambda self: SignUp(name="x" * 600_000)), LOG)

    assert found.first is not None
    assert (found.first.aspect, found.first.version) == ("outcome", 1)
    assert "it could not begin: the first state has more than" in str(found)


async def test_an_agent_that_looks_at_its_model_client_finds_its_own() -> None:
    def named(self: SignUpAgent, state: SignUp) -> str:
        return f"You are {getattr(self.llm_client, 'model', 'nobody')}."

    found = await again(today(get_system_prompt=named), LOG)

    assert {one.now for one in found.divergences} == {"You are nobody."}


async def test_a_turn_that_was_ended_from_outside_is_ended_now() -> None:
    log = Written(SignUpAgent(), *LOG)
    log.say("look")
    log.answer(("look", {}), ("look", {}))
    log.take(CancelTurn(id="x-1", agent="signup", reason="enough"))
    log.say("and now?")
    log.answer(text="Well.")

    for tools in ("log", "run"):
        assert (await again(SignUpAgent(), log.log, tools=tools)).divergences == ()


async def test_a_long_conversation_lets_others_run_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "PAUSE", -1.0)  # however fast the machine is
    log = Written(SignUpAgent())
    for turn in range(60):
        log.say(f"look {turn}")
        log.answer(("look", {}))
        log.returns("nothing")
        log.answer(text="Nothing.")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.ensure_future(tick())
    assert (await again(SignUpAgent(), log.log)).divergences == ()
    ticking.cancel()
    assert ticks > len(log.log) / 2


@pytest.mark.parametrize("index", [-7, 7])
@pytest.mark.parametrize("kinds", [ToolStarted, ToolReturned, ToolStarted | ToolReturned])
async def test_a_call_that_no_answer_has_is_replayed_told_and_owed_by_nobody(index: int, kinds: Any) -> None:
    log = chain(
        [
            replace(
                one.frame,
                events=tuple(
                    replace(event, index=index) if isinstance(event, kinds) else event for event in one.frame.events
                ),
            )
            for one in LOG
        ]
    )
    summaries, now = Summaries(), initial(CHAT)
    for stored in log:
        now = fold(now, [stored.frame])
        owed = outstanding(now)
        assert not isinstance(owed, OwedToolCall) or owed.call.index != index
        for recorded_ in timeline(stored):
            summaries.of(recorded_)
    assert str(await again(SignUpAgent(), log)).startswith("c-1: ")
