"""How journeys and their turns end, without a server and in a worker."""

from typing import Any, ClassVar

import msgspec
import pytest

from agent_runtime_framework import BaseJourneyTools, JourneyAgent, ToolSchema, ToolSchemaBuilder
from agent_runtime_framework.events import TurnCompleted
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import Beginning, Order, Step, order_agent
from support.paths import Take, both_paths

LOOK = calls(("look", {}))


def reason(events: list[Any]) -> str:
    """Return why the turn was over."""
    (completed,) = (event for event in events if isinstance(event, TurnCompleted))
    return completed.reason


@both_paths
@pytest.mark.parametrize("said", ["Thanks!", "ok, THANK YOU", "bye-bye", "Goodbye, see you soon"])
async def test_in_a_terminal_state_a_closing_message_gets_an_empty_response_and_no_model_call(
    said: str, take: Take
) -> None:
    with ScriptedLLM() as llm:
        taken = await take(Beginning(llm, Step.DONE), said)

    assert (taken.text, taken.state["step"], reason(taken.events)) == ("", "done", "closing")


@both_paths
@pytest.mark.parametrize("said", ["bye?", "goodbyes", "okthanks", "thanks but I want one more", "more tea"])
async def test_in_a_terminal_state_other_words_are_answered(said: str, take: Take) -> None:
    with ScriptedLLM("Yes?") as llm:
        assert (await take(Beginning(llm, Step.DONE), said)).text == "Yes?"


@both_paths
async def test_before_the_end_a_closing_message_is_answered(take: Take) -> None:
    with ScriptedLLM("Wait!") as llm:
        assert (await take(Beginning(llm, Step.ORDER), "bye")).text == "Wait!"


@both_paths
async def test_an_author_says_what_closes_and_what_is_terminal(take: Take) -> None:
    class Own(Beginning):
        def is_terminal_state(self, state: Order) -> bool:
            return state.step == Step.NAME

        def is_closing_message(self, text: str) -> bool:
            return text == "That is all, my friend, for today and tomorrow"

    taken = await take(Own(ScriptedLLM(), Step.NAME), "That is all, my friend, for today and tomorrow")
    with ScriptedLLM("Ciao!") as llm:
        other = await take(Beginning(llm, Step.DONE, closing_phrases=["ciao"]), "thanks")
    phrase = await take(Beginning(ScriptedLLM(), Step.DONE, closing_phrases=["ciao"]), "Ciao, ciao")

    assert (taken.text, other.text, phrase.text) == ("", "Ciao!", "")


@both_paths
async def test_a_terminal_tool_that_is_called_last_ends_the_turn_with_its_text(take: Take) -> None:
    with ScriptedLLM(calls(("look", {}), ("finish", {}))) as llm:
        taken = await take(Beginning(llm, Step.ORDER, terminal_tools={"finish"}), "done")

    assert (taken.text, taken.state["step"]) == ("Your order is placed.", "done")
    assert reason(taken.events) == "terminal_tool:finish"


@both_paths
async def test_a_terminal_tool_that_is_not_last_or_fails_does_not_end_the_turn(take: Take) -> None:
    script = (calls(("finish", {}), ("look", {})), "Placed.")
    with ScriptedLLM(*script) as llm:
        taken = await take(Beginning(llm, Step.ORDER, terminal_tools={"finish"}), "done")
    with ScriptedLLM(calls(("fail", {})), calls(("decline", {})), "Sorry.") as llm:
        failed = await take(Beginning(llm, Step.ORDER, terminal_tools={"fail", "decline"}), "done")

    assert (taken.text, failed.text) == ("Placed.", "Sorry.")
    assert [kind for kind, _ in failed.failures] == ["error", "error"]


@both_paths
async def test_at_the_last_iteration_the_response_is_the_last_tools_text_and_that_is_recorded(take: Take) -> None:
    with ScriptedLLM(calls(("add", {"line": "tea"})), LOOK) as llm:
        taken = await take(Beginning(llm, Step.ORDER, max_tool_iterations=2), "tea")

    assert (taken.text, reason(taken.events)) == ("1 lines, 0", "max_iterations")


@both_paths
@pytest.mark.parametrize("words", ["thanks a lot, my friend", "that is all, thank you"])
async def test_a_closing_message_has_at_most_five_words(words: str, take: Take) -> None:
    taken = await take(Beginning(ScriptedLLM(), Step.DONE), words)

    assert len(words.split()) == 5
    assert taken.text == ""


@both_paths
async def test_a_journey_that_ends_in_a_turn_still_ends_that_turn_with_words_of_the_model(take: Take) -> None:
    with ScriptedLLM(calls(("finish", {})), "It is on its way.") as llm:
        taken = await take(Beginning(llm, Step.ORDER), "order it, thanks")

    assert (taken.text, taken.state["step"]) == ("It is on its way.", "done")


class Abandoned(Order):
    """Is over before it is complete."""

    def is_terminal(self) -> bool:
        return True


@both_paths
async def test_a_journey_is_over_where_its_state_says_that_it_is_terminal(take: Take) -> None:
    agent = order_agent(ScriptedLLM())
    agent.get_initial_state = Abandoned  # type: ignore[method-assign]

    assert (await take(agent, "bye")).text == ""
    assert not Abandoned().is_complete()


class Basket(msgspec.Struct):
    """Is a state on its own, without a base class."""

    step: str = "open"
    dish: str = ""


class BasketTools(BaseJourneyTools[Basket]):
    async def choose(self, dish: str) -> str:
        self.state.dish, self.state.step = dish, "placed"
        return f"One {dish}."


class BasketAgent(JourneyAgent[Basket, BasketTools, str]):
    key = "basket"
    prompts: ClassVar = {"open": "Ask.", "placed": "Say good-bye."}

    def get_tool_schemas(self, state: Basket) -> list[ToolSchema]:
        return [ToolSchemaBuilder("choose").param("dish", "string", required=True).build()]


@both_paths
async def test_a_struct_with_a_step_is_a_state_that_is_never_over_by_itself(take: Take) -> None:
    with ScriptedLLM(calls(("choose", {"dish": "soup"})), "Soup it is.") as llm:
        taken = await take(BasketAgent(llm), "soup")
    agent = BasketAgent(ScriptedLLM("Yes?"))
    agent.get_initial_state = lambda: Basket("placed", "soup")  # type: ignore[method-assign]
    goodbye = await take(agent, "bye")

    assert (taken.state, llm.requests[1].messages[0]["content"]) == (
        {"step": "placed", "dish": "soup"},
        "Say good-bye.",
    )
    assert goodbye.text == "Yes?"
