"""What cannot be simulated is refused at the door, by a text that says what would do."""

from typing import Any

import pytest

from agent_runtime_framework import InvalidInput
from agent_runtime_framework.testing import (
    Block,
    Cancel,
    Crash,
    Join,
    Leave,
    OnboardingAgent,
    Pause,
    Publish,
    Read,
    Say,
    Spoil,
    simulate,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("agents", "kind", "why"),
    [
        ("shop", TypeError, "a journey agent or a list of them, such as MyAgent"),
        (5, TypeError, "a journey agent or a list of them"),
        (OnboardingAgent, TypeError, "a journey agent or a list of them"),
        ([], InvalidInput, "there is no agent to simulate"),
        (["shop"], InvalidInput, "is no journey agent: give an instance"),
        ([OnboardingAgent(), OnboardingAgent()], InvalidInput, "two agents have the key 'onboarding'"),
    ],
)
def test_what_is_no_agent(agents: Any, kind: type[Exception], why: str) -> None:
    with pytest.raises(kind, match=why):
        simulate(agents, [])


@pytest.mark.parametrize(
    ("line", "kind", "why"),
    [
        ("hi", TypeError, r"a script is a list of lines \(Say, Cancel, .*; 'hi' is none"),
        (Say("bad id", "x"), InvalidInput, "conversation id 'bad id' is not valid"),
        (Say("c-1", " "), InvalidInput, "the message is empty"),
        (Say("c-1", 5), InvalidInput, "must be a text, not int"),  # type: ignore[arg-type]
        (Say("c-1", "a" * 300_000), InvalidInput, "at most 262144 are taken"),
        (Say("c-1", "x", id="a b"), InvalidInput, "message id 'a b' is not valid"),
        (Say("c-1", "x", agent="shop"), InvalidInput, "no agent has the key 'shop'; there are 'onboarding'"),
        (Say("c-1", "x", at=-1), ValueError, "at must be a number of virtual seconds from 0, not -1"),
        (Say("c-1", "x", at=NAN), ValueError, "at must be a number"),
        (Say("c-1", "x", at="1"), TypeError, "at must be a number"),  # type: ignore[arg-type]
        (Say("c-1", "x", times=0), ValueError, "times must be a whole number from 1, not 0"),
        (Cancel("c-1", agent="shop"), InvalidInput, "no agent has the key"),
        (Read("bad id"), InvalidInput, "conversation id"),
        (Spoil("bad id"), InvalidInput, "conversation id"),
        (Publish("c-1", "text"), TypeError, "data must be bytes"),  # type: ignore[arg-type]
    ],
)
def test_a_line_that_nobody_can_act_out(line: Any, kind: type[Exception], why: str) -> None:
    with pytest.raises(kind, match=why):
        simulate(OnboardingAgent(), [line])


@pytest.mark.parametrize("script", ["hi", Say("c-1", "hi"), None])
def test_what_is_no_script(script: Any) -> None:
    with pytest.raises(TypeError, match="a script is a list of lines"):
        simulate(OnboardingAgent(), script)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "2"])
def test_a_number_of_workers_that_is_none(workers: Any) -> None:
    with pytest.raises(ValueError, match="workers must be a whole number from 1"):
        simulate(OnboardingAgent(), [], workers=workers)


@pytest.mark.parametrize(
    ("faults", "kind", "why"),
    [
        ("crash", TypeError, r"faults must be a list of kinds, .* not 'crash': write \['crash'\]"),
        (Crash(), TypeError, r"faults must be a list .*: write \[Crash"),
        ([5], TypeError, "; 5 is neither"),
        (["quake"], ValueError, "no such fault: quake; there are crash"),
        ([Crash(worker=2, step=1)], ValueError, "there is no worker 2: they are numbered 0 to 1"),
        ([Crash(worker=-1)], ValueError, "there is no worker -1"),
        ([Crash(worker=3, at=2), Join()], ValueError, "numbered 0 to 2"),
        ([Crash(step=-5)], ValueError, "step must be a whole number from 1, not -5"),
        ([Leave(step=0)], ValueError, "step must be a whole number from 1"),
        ([Pause(after=0)], ValueError, "after must be a whole number from 1"),
        ([Pause(at=-0.5)], ValueError, "at must be a number"),
        ([Pause(step=1, at=0.5)], ValueError, "give one of step, at and after"),
        ([Block(seconds=-1)], ValueError, "seconds must be a number"),
        ([Crash(down=NAN)], ValueError, "down must be a number"),
        ([Join(at=-1)], ValueError, "at must be a number"),
    ],
)
def test_a_fault_that_cannot_happen(faults: Any, kind: type[Exception], why: str) -> None:
    with pytest.raises(kind, match=why):
        simulate(OnboardingAgent(), [], faults=faults)


def test_a_fault_may_be_for_a_worker_that_joins() -> None:
    run = simulate(OnboardingAgent(), [Say("c-1", "hi", at=3)], faults=[Join(at=0.5), Crash(worker=2, at=2)])

    assert run.counted == {"join": 1, "crash": 1}


async def test_a_simulation_inside_a_coroutine_is_refused_before_anything_is_made() -> None:
    with pytest.raises(InvalidInput, match="simulate runs a loop of its own: call it from a plain function"):
        simulate(OnboardingAgent(), [])
