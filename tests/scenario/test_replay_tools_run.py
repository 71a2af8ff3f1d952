"""Replays that really run today's tools: on a state of their own, under the keys of then, and what comes of it."""

import asyncio
from typing import Any, ClassVar

import pytest

from agent_runtime_framework import BaseJourneyTools, JourneyAgent, Replayed, ToolResult, tool
from agent_runtime_framework.actors import ResumeTurn
from agent_runtime_framework.events import Stored, ToolFailed
from support.hand_written import Written
from support.signup import TALK, SignUp, SignUpAgent, SignUpTools, Step, again, recorded, today


@pytest.fixture(scope="module")
def log() -> list[Stored]:
    return recorded()


def told(found: Replayed) -> list[tuple[str, str, str, str]]:
    return [(one.aspect, one.subject, one.then, one.now) for one in found.divergences]


async def test_tools_that_do_the_same_make_no_difference(log: list[Stored]) -> None:
    found = await again(SignUpAgent(), log, tools="run")

    assert (found.divergences, found.remaining) == ((), ())


def saving(outcome: Any) -> SignUpAgent:
    """Return the agent whose `save_name` does something else today."""

    class Changed(SignUpTools):
        async def save_name(self, name: str) -> Any:
            self.state.name = name
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome is asyncio.sleep:
                await outcome(60)
            self.state.step = Step.EMAIL
            return outcome

    return today(tools=Changed, config={"tool_timeout": 0.05} if outcome is asyncio.sleep else None)


RESULTS: list[tuple[Any, str]] = [
    ("Hello.", "Hello."),
    (ToolResult.fail("not now"), "failed (error): not now"),
    (ValueError("it raises"), "failed (error): Error executing save_name: it raises"),
    (SystemExit(3), "failed (error): Error executing save_name: it raised SystemExit(3)"),
    (asyncio.CancelledError(), "failed (error): Error executing save_name: something that it awaited was cancelled"),
    (asyncio.sleep, "failed (timeout): Error executing save_name: no result within 0.05 s; the state is unchanged"),
]


@pytest.mark.parametrize(("outcome", "words"), RESULTS, ids=[words for _, words in RESULTS])
async def test_what_a_tool_comes_to_today_is_told_and_gone_on_with(outcome: Any, words: str, log: list[Stored]) -> None:
    found = await again(saving(outcome), log, tools="run")

    assert told(found)[0] == ("result", 'save_name(name="Ada")', "Nice to meet you, Ada.", words)
    assert found.first is not None
    assert (found.first.version, found.first.turn) == (13, 2)
    # a tool that failed has changed nothing, so the journey is where it was
    assert (("step", "", "email", "name") in told(found)) == words.startswith("failed")


def test_the_reply_of_an_earlier_turn_is_not_that_of_one_that_goes_on() -> None:
    log = recorded(talk=TALK[:5])

    found = asyncio.run(again(saving(ToolResult.fail("not now")), log, tools="run"))

    assert ("step", "name") in [(one.aspect, one.now) for one in found.remaining]
    assert "reply" not in [one.aspect for one in found.remaining]


async def test_another_change_of_the_state_is_told(log: list[Stored]) -> None:
    class Shouting(SignUpTools):
        async def save_name(self, name: str) -> str:
            self.state.name, self.state.step = name.upper(), Step.EMAIL
            return f"Nice to meet you, {name}."

    found = await again(today(tools=Shouting), log, tools="run")

    assert told(found)[0] == ("state", "name", '"Ada"', '"ADA"')
    assert ("result", "look()", "Ada ada@example.com", "ADA ada@example.com") in told(found)
    assert [(one.subject, one.now) for one in found.remaining] == [("name", '"ADA"')]


async def test_a_call_that_was_refused_then_is_run_and_its_outcome_gone_on_with(log: list[Stored]) -> None:
    class Looser(SignUpTools):
        @tool(steps=Step.PLAN)
        async def choose_plan(self, plan: str, seats: int | str) -> str:
            """Choose the plan."""
            self.state.plan, self.state.step = plan, Step.DONE
            return f"{seats} seats of {plan}."

    found = await again(today(tools=Looser), log, "tools", tools="run")

    named = 'choose_plan(plan="gold", seats="two")'
    refused = "refused (invalid): Error: the arguments of 'choose_plan' do not fit: `seats`: Expected `int`, got `str`"
    assert told(found)[1:3] == [
        ("call", named, refused, "run as once"),
        (
            "call",
            'choose_plan(plan="gold", seats=2)',
            "run as once",
            "refused (not_offered): Error: Tool 'choose_plan' is not available now",
        ),
    ]
    assert [(one.subject, one.then, one.now) for one in found.remaining] == [("seats", "2", "0")]


class Keys(SignUpTools):
    """Are tools that write down under which key they were run, beyond the runtime."""

    written: ClassVar[list[tuple[str, str | None]]] = []
    moves: ClassVar[bool] = True

    @tool(steps=Step.NAME, effect="idempotent")
    async def save_name(self, name: str) -> str:
        """Save the name.

        Args:
            name: The whole name.
        """
        self.written.append(("save_name", self.idempotency_key))
        self.state.name = name
        if self.moves:
            self.state.step = Step.EMAIL
        return f"Nice to meet you, {name}."

    @tool(effect="read")
    async def look(self) -> str:
        """Look at what is known."""
        self.written.append(("look", self.idempotency_key))
        return f"{self.state.name} {self.state.email}".strip()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    kept: list[tuple[str, str | None]] = []
    monkeypatch.setattr(Keys, "written", kept)
    return kept


@pytest.fixture
def with_keys(written: list[tuple[str, str | None]]) -> list[Stored]:
    return recorded(today(tools=Keys))


async def test_tools_run_under_the_keys_of_then_also_where_versions_are_others(
    with_keys: list[Stored], written: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    then = list(written)
    written.clear()
    await again(today(tools=Keys), with_keys, tools="run")
    assert written == then  # what they do beyond the runtime they do again
    assert [key for _, key in then] == ["c-1@11.0", "c-1@23.1", "c-1@55.0"]

    written.clear()
    monkeypatch.setattr(Keys, "moves", False)
    found = await again(today(tools=Keys), with_keys, tools="run")

    assert found.first is not None
    assert found.first.aspect == "step"
    assert written == then


async def test_a_call_that_was_in_doubt_is_not_run_now_either(written: list[tuple[str, str | None]]) -> None:
    class Doubtful(Keys):
        @tool(steps=Step.NAME)
        async def save_name(self, name: str) -> str:
            """Save the name."""
            self.written.append(("save_name", self.idempotency_key))
            return name

    log = Written(today(tools=Doubtful))
    log.say("I am Ada")
    log.answer(("save_name", {"name": "Ada"}))
    log.take(ResumeTurn())
    assert any(isinstance(event, ToolFailed) and event.kind == "in_doubt" for event in log.log[-1].frame.events)
    log.answer(text="I do not know whether that is saved.")

    found = await again(today(tools=Doubtful), log.log, tools="run")

    assert (found.divergences, written) == ((), [])


async def test_a_repeated_attempt_is_run_once_and_under_the_key_of_the_first(
    written: list[tuple[str, str | None]],
) -> None:
    log = Written(today(tools=Keys))
    log.say("I am Ada")
    log.answer(("save_name", {"name": "Ada"}))
    log.take(ResumeTurn())
    log.returns("Nice to meet you, Ada.", step="email", name=b'"Ada"')
    log.answer(text="And your email address?")

    found = await again(today(tools=Keys), log.log, tools="run")

    assert (found.divergences, written) == ((), [("save_name", "c-1@5.0")])


async def test_a_tool_that_ends_the_turn_of_which_it_is_the_last_leaves_nothing_to_do() -> None:
    class Only(BaseJourneyTools[SignUp]):
        @tool
        async def done(self) -> str:
            """Be done."""
            return "Done."

    agent: JourneyAgent[Any, Any, Any] = today(tools=Only, config={"terminal_tools": {"done"}})
    log = Written(agent)
    log.say("hi")
    log.answer(("done", {}))
    log.returns("Finished.")

    found = await again(agent, log.log, tools="run")

    assert [(one.aspect, one.then, one.now) for one in found.divergences] == [
        ("result", "Finished.", "Done."),
        ("reply", "Finished.", "Done."),
    ]
