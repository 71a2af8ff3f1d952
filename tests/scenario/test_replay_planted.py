"""What somebody changed of an agent: each change is found in a recorded talk, and named by what it is."""

import pytest

from agent_runtime_framework import Replayed, tool
from agent_runtime_framework.events import Stored
from support.hand_written import Written
from support.planted import PLANTED, WORD, Once, Removed, Tighter, WithVip, raising
from support.signup import SignUp, SignUpAgent, SignUpTools, Step, again, recorded, today


@pytest.fixture(scope="module")
def log() -> list[Stored]:
    return recorded()


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


async def test_code_that_raised_then_and_does_not_now_is_found() -> None:
    agent = raising(Step.NAME)
    log = Written(agent)
    log.say("hi")
    log.say("anybody?")

    assert (await again(agent, log.log)).divergences == ()
    found = await again(SignUpAgent(), log.log)
    assert [(one.aspect, one.version, one.times) for one in found.divergences] == [("outcome", 4, 2)]
    assert found.divergences[0].then == "failed (author_error): KeyError: 'prices'"
    assert found.divergences[0].now == "goes on: the model is asked; the next turn is taken up as it was recorded"
