"""What somebody changed of an agent: each change is found in a recorded talk, and named by what it is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest

from agent_runtime_framework import BaseJourneyState, JourneyAgent, Replayed, tool
from agent_runtime_framework.events import Stored
from support.hand_written import Written
from support.signup import (
    PROMPTS,
    Plan,
    SignUp,
    SignUpAgent,
    SignUpTools,
    Step,
    again,
    recorded,
    today,
    with_state,
)


@pytest.fixture(scope="module")
def log() -> list[Stored]:
    return recorded()


class Renamed(SignUpTools):
    @tool(steps=Step.NAME, effect="idempotent")
    async def keep_name(self, name: str) -> str:
        """Save the name.

        Args:
            name: The whole name.
        """
        return name

    save_name = None  # type: ignore[assignment]


class Removed(SignUpTools):
    look = None  # type: ignore[assignment]


class Added(SignUpTools):
    @tool
    async def help(self) -> str:
        """Help."""
        return "No."


class Tighter(SignUpTools):
    @tool(steps=Step.PLAN)
    async def choose_plan(self, plan: Plan, seats: int) -> str:  # type: ignore[override]
        """Choose the plan."""
        return f"{seats} seats of {plan}."


class Swapped(SignUpTools):
    @tool(steps=Step.PLAN, effect="idempotent")
    async def save_email(self, email: str) -> str:
        """Save the email address."""
        return f"Saved {email}."

    @tool(steps=Step.EMAIL)
    async def choose_plan(self, plan: str, seats: int) -> str:
        """Choose the plan."""
        return f"{seats} seats of {plan}."


class Once(SignUpTools):
    @tool(steps=Step.EMAIL, effect="once")
    async def save_email(self, email: str) -> str:
        """Save the email address."""
        return f"Saved {email}."


class Described(SignUpTools):
    @tool(steps=Step.EMAIL, effect="idempotent")
    async def save_email(self, email: str) -> str:
        """Keep the email address."""
        return f"Saved {email}."


class Explained(SignUpTools):
    @tool(steps=Step.NAME, effect="idempotent")
    async def save_name(self, name: str) -> str:
        """Save the name.

        Args:
            name: The first name.
        """
        return f"Nice to meet you, {name}."


@dataclass
class WithoutPlan(BaseJourneyState[Step]):
    step: Step = Step.NAME
    name: str = ""
    email: str = ""
    seats: int = 0

    def is_complete(self) -> bool:
        return self.step == Step.DONE


@dataclass
class WithVip(SignUp):
    vip: bool = False


@dataclass
class FreeAtFirst(SignUp):
    plan: str = "free"


class Mail(StrEnum):
    NAME = "name"
    MAIL = "mail"
    PLAN = "plan"
    DONE = "done"


@dataclass
class WithMail(BaseJourneyState[Mail]):
    step: Mail = Mail.NAME
    name: str = ""
    email: str = ""
    plan: str = "none"
    seats: int = 0

    def is_complete(self) -> bool:
        return self.step == Mail.DONE


@dataclass
class StepByFields(SignUp):
    def get_step(self) -> Step:
        if not self.email:
            return Step.EMAIL if self.name else Step.NAME
        return Step.DONE if self.plan != "none" else Step.EMAIL


def raising(at: Step) -> SignUpAgent:
    def get_system_prompt(self: SignUpAgent, state: SignUp) -> str:
        if state.step == at:
            raise KeyError("prices")
        return PROMPTS[state.step]

    return today(get_system_prompt=get_system_prompt)


WORD = {**PROMPTS, Step.EMAIL: "Ask for the e-mail address."}

PLANTED: dict[str, tuple[JourneyAgent[Any, Any, Any], tuple[str, str, int], str]] = {
    "a word of a prompt": (
        today(prompts=WORD),
        ("prompt", "email", 16),
        "prompt in step email: -Ask for the email address. +Ask for the e-mail address.",
    ),
    "a renamed tool": (today(tools=Renamed), ("tools", "name", 4), "save_name: renamed to keep_name"),
    "a tool removed": (today(tools=Removed), ("tools", "name", 4), "look: not offered any more"),
    "a tool added": (today(tools=Added), ("tools", "name", 4), "help: newly offered"),
    "a tool described otherwise": (
        today(tools=Described),
        ("tools", "email", 16),
        'save_email: description: "Save the email address." -> "Keep the email address."',
    ),
    "an argument explained otherwise": (
        today(tools=Explained),
        ("tools", "name", 4),
        'save_name: parameters.properties.name.description: "The whole name." -> "The first name."',
    ),
    "a tighter argument": (
        today(tools=Tighter),
        ("tools", "plan", 30),
        'choose_plan: parameters.properties.plan.enum: none -> ["free","pro"]',
    ),
    "tools at other steps": (today(tools=Swapped), ("tools", "email", 16), "save_email: not offered any more"),
    "another effect class": (
        today(tools=Once),
        ("tools", "email", 16),
        'save_email: effect: "idempotent" -> "once"',
    ),
    "a temperature": (
        today(config={"model_parameters": {"temperature": 0.7}}),
        ("parameters", "name", 4),
        '{"temperature":0.5} -> {"temperature":0.7}',
    ),
    "a shorter history": (
        today(config={"history_turns": 1}),
        ("window", "name", 10),
        "all turns -> the last 2 turns",
    ),
    "fewer rounds": (
        today(config={"max_tool_iterations": 1}),
        ("outcome", "", 16),
        "outcome: goes on: the model is asked again -> completed (max_iterations)",
    ),
    "a terminal tool": (
        today(config={"terminal_tools": {"save_name"}}),
        ("outcome", "", 16),
        "outcome: goes on: the model is asked again -> completed (terminal_tool:save_name)",
    ),
    "other closing phrases": (
        today(config={"closing_phrases": ["ciao"]}),
        ("outcome", "", 51),
        "outcome: completed (closing) -> goes on: the model is asked; the next turn is taken up as it was recorded",
    ),
    "code that raises": (
        raising(Step.PLAN),
        ("outcome", "", 30),
        "outcome: goes on: the model is asked again -> failed (author_error): KeyError: 'prices'",
    ),
    "a dropped field": (with_state(WithoutPlan), ("state", "plan", 1), 'state.plan: "none" -> not set'),
    "an added field": (with_state(WithVip), ("state", "vip", 1), "state.vip: not set -> false"),
    "another default": (with_state(FreeAtFirst), ("state", "plan", 1), 'state.plan: "none" -> "free"'),
    "a renamed value of a step": (
        with_state(WithMail),
        ("outcome", "", 16),
        "failed (author_error): InvalidInput: state field 'step' does not fit its annotation: 'email' is not a valid",
    ),
    "a step computed otherwise": (with_state(StepByFields), ("step", "", 27), "step: plan -> email"),
}


@pytest.mark.parametrize("planted", PLANTED)
async def test_a_change_is_found_where_it_shows_and_named(planted: str, log: list[Stored]) -> None:
    agent, where, words = PLANTED[planted]

    found = await again(agent, log)

    assert found.first is not None
    assert (found.first.aspect, found.first.subject, found.first.version) == where
    assert found.first.then != found.first.now
    assert words in str(found)
    assert f"diverges at version {where[2]}, turn {found.first.turn}" in str(found)


async def test_nothing_is_found_where_nothing_changed(log: list[Stored]) -> None:
    found = await again(SignUpAgent(), log)

    assert (found.divergences, found.remaining, found.unsteady) == ((), (), ())
    assert str(found) == "c-1: 6 turns, 61 events: the same"


def told(found: Replayed) -> list[tuple[str, str, str, str]]:
    return [(one.aspect, one.subject, one.then, one.now) for one in found.divergences]


async def test_a_tighter_argument_refuses_the_call_that_ran_and_the_journey_stays(log: list[Stored]) -> None:
    found = await again(today(tools=Tighter), log, "tools")

    refused = (
        "refused (invalid): Error: the arguments of 'choose_plan' do not fit: `plan`: "
        "Invalid enum value 'gold'; use one of `free`, `pro`"
    )
    assert ("call", 'choose_plan(plan="gold", seats=2)', "run as once", refused) in told(found)
    assert ("step", "", "done", "plan") in told(found)
    assert ("state", "seats", "2", "0") in told(found)


async def test_the_effect_class_of_a_call_is_behaviour(log: list[Stored]) -> None:
    found = await again(today(tools=Once), log, "tools")

    assert found.first is not None
    assert told(found)[1] == ("call", 'save_email(email="ada@example.com")', "run as idempotent", "run as once")
    assert (found.first.aspect, found.first.version) == ("call", 24)


async def test_a_call_that_was_refused_and_would_run_is_lost_until_the_next_turn(log: list[Stored]) -> None:
    class Looser(SignUpTools):
        @tool(steps=Step.PLAN)
        async def choose_plan(self, plan: str, seats: int | str) -> str:
            """Choose the plan."""
            return f"{seats} seats of {plan}."

    found = await again(today(tools=Looser, config={"closing_phrases": ["ciao"]}), log, "tools")

    aspects = [(one.aspect, one.version) for one in found.counted]
    assert aspects == [("call", 38), ("outcome", 41), ("outcome", 51)]
    assert found.counted[1].now == (
        'unknown: choose_plan(plan="gold", seats="two") would run, of which the log has no outcome; '
        "the next turn is taken up as it was recorded"
    )
    # and then it goes on: the closing phrase of the next turn is found, too
    assert found.counted[2].then == "completed (closing)"


class Hurried(SignUpTools):
    async def save_name(self, name: str) -> str:
        self.state.name, self.state.step = name, Step.PLAN
        return f"Nice to meet you, {name}."


async def test_another_order_in_the_body_of_a_tool_shows_where_tools_are_run(log: list[Stored]) -> None:
    by_log = await again(today(tools=Hurried), log)
    by_run = await again(today(tools=Hurried), log, tools="run")

    assert by_log.first is None
    assert by_run.first is not None
    assert (by_run.first.aspect, by_run.first.then, by_run.first.now) == ("step", "email", "plan")
    assert [(one.aspect, one.subject) for one in by_run.remaining] == [("state", "email")]
    assert 'in the end\n    state.email: "ada@example.com" -> ""' in str(by_run)


@pytest.mark.parametrize("planted", ["a word of a prompt", "a tool added", "a temperature", "a shorter history"])
async def test_what_is_ignored_is_told_and_does_not_count(planted: str, log: list[Stored]) -> None:
    agent, (aspect, _, _), words = PLANTED[planted]

    found = await again(agent, log, aspect)

    assert found.first is None
    assert found.divergences != ()
    assert "the same but for what is ignored" in str(found)
    assert words.rpartition(": ")[2].removeprefix("-").split(" +")[0] in str(found)
    assert ", ignored)" in str(found)


async def test_several_changes_at_once_are_all_found(log: list[Stored]) -> None:
    agent = today(
        tools=Removed,
        prompts=WORD,
        get_initial_state=lambda self: WithVip(),
        config={"closing_phrases": ["ciao"], "model_parameters": {}},
    )

    found = await again(agent, log)

    assert {one.aspect for one in found.divergences} == {"state", "parameters", "tools", "prompt", "call", "outcome"}


async def test_the_report_tells_behaviour_first_and_what_only_a_model_sees_last(log: list[Stored]) -> None:
    text = str(await again(today(tools=Tighter, config={"max_tool_iterations": 1}), log))

    places = [text.index(words) for words in ("\n  outcome", "\n  step", "\n  in the end", "given to the model")]
    assert places == sorted(places)


async def test_a_long_text_is_cut_and_the_report_says_where_all_of_it_is(log: list[Stored]) -> None:
    def long(self: SignUpAgent, state: SignUp) -> str:
        return "\n".join(f"Line {number}." for number in range(500))

    text = str(await again(today(get_system_prompt=long), log))

    assert "more lines (-o json has them)" in text
    assert len(text.splitlines()) < 200


async def test_the_same_words_in_prompts_that_are_never_the_same_are_one_difference() -> None:
    def counting(word: str) -> SignUpAgent:
        def get_system_prompt(self: SignUpAgent, state: SignUp) -> str:
            return f"There are {word} {state.seats} seats taken."

        return today(get_system_prompt=get_system_prompt)

    log = Written(counting("now"))
    for turn in range(30):
        log.say("look")
        log.answer(("look", {}))
        log.returns("nothing", seats=str(turn).encode())
        log.answer(text="Nothing.")

    found = await again(counting("today"), log.log)

    assert [(one.version, one.times) for one in found.divergences] == [(4, 60)]
    assert "+There are today 0 seats taken." in str(found)


async def test_many_differences_are_counted_and_the_first_are_told() -> None:
    log = Written(SignUpAgent())
    for turn in range(60):
        log.say("look")
        log.answer(text=f"Answer {turn}.")

    def get_system_prompt(self: SignUpAgent, state: SignUp) -> str:
        raise KeyError("prices")

    text = str(await again(today(get_system_prompt=get_system_prompt), log.log))

    assert "and 41 more differences in behaviour (-o json has them)" in text
    assert len(text.splitlines()) < 100
