"""What an author learns from a simulation: an agent that does not work, a mistake in the model, what is waited for."""

import asyncio
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest

from agent_runtime_framework import AgentContext, BaseJourneyState, BaseJourneyTools, JourneyAgent, ModelError, tool
from agent_runtime_framework.runtime.testing.simulation import FailedTurn, random_journeys
from agent_runtime_framework.testing import (
    Crash,
    Inconclusive,
    Leave,
    OnboardingAgent,
    Pause,
    RuleBroken,
    Say,
    Simulation,
    calls,
    random_script,
    simulate,
)


class Step(StrEnum):
    ONLY = "only"


@dataclass
class Basket(BaseJourneyState[Step]):
    step: Step = Step.ONLY
    line: Any = None

    def is_complete(self) -> bool:
        return False


class Tools(BaseJourneyTools[Basket]):
    @tool(effect="read")
    async def add(self) -> str:
        """Add a line."""
        self.state.line = "tea"
        return "Added."

    @tool(effect="read")
    async def spoil(self) -> str:
        """Leave what cannot be kept."""
        self.state.line = object()
        return "Spoilt."

    @tool(effect="read")
    async def leave(self) -> str:
        """End the process."""
        sys.exit(3)

    @tool(effect="read")
    async def connect(self) -> str:
        """Open a connection to nobody."""
        await asyncio.open_connection("127.0.0.1", 9)
        return "Connected."

    @tool(effect="read")
    async def wait(self) -> str:
        """Wait for ever."""
        await asyncio.Event().wait()
        return "Never."


class Shop(JourneyAgent[Basket, Tools, Step]):
    key = "shop"
    prompts = {Step.ONLY: "Sell."}  # noqa: RUF012


class Silent(Shop):
    key = "silent"

    def get_system_prompt(self, state: Basket) -> str:
        raise ValueError(f"no prompt for {state.step}")


class Forgetful(Shop):
    async def load_state(self, ctx: AgentContext) -> Basket | None:
        await asyncio.Event().wait()
        return None


def calling(name: str) -> Any:
    """Return a model that calls one tool, then replies."""
    return lambda messages, tools, random: "Done." if messages[-1]["role"] == "tool" else calls((name, {}))


def run_of(name: str, agent: Any = None, **options: Any) -> Simulation:
    """Return the run of one turn that calls one tool."""
    return simulate(agent or Shop(), [Say("c-1", "hi")], faults=(), model=calling(name), **options)


# --- what a run tells


def test_a_run_tells_replies_and_states() -> None:
    run = run_of("add")

    assert (run.failed, run.raised) == ((), ())
    assert run.replies == {"c-1": ("Done.",)}
    assert run.states == {"c-1": {"step": "only", "line": "tea"}}


def test_a_prompt_that_raises_is_a_failed_turn() -> None:
    run = run_of("add", Silent())

    assert run.failed == (FailedTurn("c-1", 1, "author_error", "ValueError: no prompt for only"),)
    assert run.replies == {"c-1": ()}


@pytest.mark.parametrize(("name", "why"), [("spoil", "no JSON form"), ("leave", "SystemExit")])
def test_a_tool_that_breaks_is_told(name: str, why: str) -> None:
    (one,) = run_of(name).raised

    assert (one.conversation, one.turn, one.tool) == ("c-1", 1, name)
    assert why in one.error


def test_a_tool_that_a_fault_broke_is_not_told_as_the_authors() -> None:
    broke = 0
    for seed in range(40):
        run = simulate(OnboardingAgent(), [Say("c-1", "hi"), Say("c-1", "Ada", 1)], seed, faults=["tool_failed"])
        broke += run.counted.get("tool_failed", 0)
        assert run.raised == ()
    assert broke > 0


def test_what_random_runs_tell_fits_their_logs() -> None:
    told = 0
    for seed in range(20):
        agents = random_journeys(seed)
        run = simulate(agents, random_script(seed, [agent.key for agent in agents]), seed)
        told += sum(map(len, run.replies.values()))
        assert run.turns >= sum(map(len, run.replies.values())) + len(run.failed)
        assert set(run.states) == set(run.replies) == set(run.logs)
    assert told > 20


def test_who_is_spoken_to_is_said_by_a_key() -> None:
    script = [Say("c-1", "hi"), Say("c-2", "hi", agent="silent")]
    run = simulate([Shop(), Silent()], script, faults=(), model=calling("add"))

    assert {chat: log[0].frame.agent for chat, log in run.logs.items()} == {"c-1": "shop", "c-2": "silent"}


# --- the model function


@pytest.mark.parametrize("model", [lambda: 1, lambda messages: "hi", "hi", Shop()])
def test_a_model_of_another_signature_is_refused_at_once(model: Any) -> None:
    with pytest.raises(TypeError, match=r"model must be a function of \(messages, tools, random\)"):
        simulate(Shop(), [], model=model)


@pytest.mark.parametrize("seed", range(4))
def test_what_the_model_function_raises_is_raised(seed: int) -> None:
    def broken(messages: Any, tools: Any, random: Any) -> Any:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine") as raised:
        simulate(Shop(), [Say("c-1", "hi")], seed, model=broken)
    assert any(f"seed={seed}" in note for note in raised.value.__notes__)


@pytest.mark.parametrize("answer", [1, None, calls(("add", {"at": object()}))])
def test_what_no_model_answers_is_raised(answer: Any) -> None:
    with pytest.raises(TypeError):
        simulate(Shop(), [Say("c-1", "hi")], model=lambda messages, tools, random: answer)


def test_a_model_error_is_a_model_that_fails() -> None:
    def away(messages: Any, tools: Any, random: Any) -> Any:
        raise ModelError("no such model", kind="refused", transient=False)

    run = simulate(Shop(), [Say("c-1", "hi")], faults=(), model=away)

    assert run.failed == (FailedTurn("c-1", 1, "model_refused", "no such model"),)


# --- what shows nothing


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Crash(worker=0, step=10**6), "step=1000000"),
        (Pause(after=10**6), "after=1000000"),
        (Leave(worker=1, at=10**6), "at=1000000"),
    ],
)
def test_a_fault_that_never_happens_is_raised(fault: Any, why: str) -> None:
    with pytest.raises(Inconclusive, match=f"{why}.* never happened: .*worker 0 took .* see it again") as raised:
        simulate(Shop(), [Say("c-1", "hi")], faults=[fault], model=calling("add"))
    assert raised.value.simulation.never_happened == (fault,)


def test_what_is_said_late_is_waited_for() -> None:
    run = simulate(Shop(), [Say("c-1", "hi", at=200)], faults=[Crash(worker=0, at=180)], model=calling("add"))

    assert (run.turns, run.counted) == (1, {"crash": 1})


@pytest.mark.parametrize("name", ["wait", "connect"])
def test_a_tool_that_waits_for_what_is_outside_is_named(name: str) -> None:
    waits = (
        rf"^tool '{name}' of turn 1 in 'c-1' still waits after 1\d\d virtual seconds; a simulation cannot await what"
    )
    with pytest.raises(Inconclusive, match=waits):
        run_of(name)


def test_whom_a_waiting_tool_holds_up_is_not_said_to_be_lost() -> None:
    script = [Say("c-1", "hi"), Say("c-1", "and?", 1), Say("c-2", "hi", 1)]
    for seed in range(3):
        with pytest.raises(Inconclusive, match="tool 'wait' of turn 1"):
            simulate(Shop(), script, seed, faults=(), model=calling("wait"))


def test_a_model_and_a_loading_that_wait_are_named() -> None:
    async def model(messages: Any, tools: Any, random: Any) -> Any:
        await asyncio.Event().wait()

    with pytest.raises(Inconclusive, match="the model function of turn 1 in 'c-1' still waits"):
        simulate(Shop(), [Say("c-1", "hi")], faults=(), model=model)
    with pytest.raises(Inconclusive, match="load_state in 'c-1' still waits"):
        run_of("add", Forgetful())


def test_neither_is_taken_for_a_broken_rule() -> None:
    assert not issubclass(Inconclusive, RuleBroken)
