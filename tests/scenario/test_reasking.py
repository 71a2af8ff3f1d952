"""Asking the model again at each point of a recorded conversation: what is asked, and where the choices differ."""

import asyncio
from types import MappingProxyType
from typing import Any

import pytest

from agent_runtime_framework import (
    Asked,
    ExecutorHooks,
    InvalidInput,
    JourneyAgent,
    JourneyConfig,
    NoReply,
    NotFound,
    reask,
    tool,
)
from agent_runtime_framework.events import ModelError, Stored
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import in_memory
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.desk import Desk, DeskTools, QuoteAgent, QuoteTools, Step, desk
from support.journeys import NO_WAITING, Order, OrderAgent, frames, order_agent, working
from support.recorded_logs import Unordered, log_of, texts

ADA = ("save_name", {"name": "Ada"})
TEA = ("add", {"line": "tea"})
SAID = ("I am Ada", "Tea, please", "Thank you so much for all of this")


async def ordered() -> list[Stored]:
    """Return a log with five points: a name and a line are taken, and each is spoken of; then a good-bye."""
    answers = (calls(ADA), "Hello Ada!", calls(TEA), "Tea it is.", "You are welcome.")
    with ScriptedLLM(*answers) as llm:
        return await log_of(order_agent(llm), *SAID)


def kinds(one: Asked) -> list[str]:
    return [each.kind for each in one.differences]


async def at(again: Any, number: int = 0, log: list[Stored] | None = None) -> Asked:
    """Return what comes of the point with this number, where the model answers `again` at each."""
    llm = Unordered(lambda *_: again)
    return (await reask(log or await ordered(), order_agent(llm))).points[number]


async def test_the_model_is_given_what_it_was_given_and_its_choices_are_the_same() -> None:
    log = await ordered()
    with ScriptedLLM(calls(ADA), "Hello Ada!", calls(TEA), "Tea it is.", "You are welcome.") as llm:
        again = await reask(log, order_agent(llm), concurrency=1)

    assert [one.result for one in again.points] == ["same"] * 5
    assert [one.unchanged for one in again.points] == [True] * 5
    assert not again.differs
    assert str(again) == "c-1: 5 points: 5 the same"
    assert [[*texts(request.messages)][-1] for request in llm.requests] == [
        "I am Ada",
        "Nice to meet you, Ada.",
        "Tea, please",
        "Added tea.",
        SAID[-1],
    ]


async def test_nothing_of_a_new_answer_is_gone_on_with() -> None:
    log = await ordered()
    with ScriptedLLM(*["Something else"] * 5) as llm:
        again = await reask(log, order_agent(llm), concurrency=1)

    assert all("Something else" not in [*texts(request.messages)] for request in llm.requests)
    assert [one.result for one in again.points] == ["differs", "words", "differs", "words", "words"]
    assert [one.step for one in again.points] == ["name", "order", "order", "order", "order"]
    assert [one.turn for one in again.points] == [1, 1, 2, 2, 3]
    assert [one.said for one in again.points] == [SAID[0], SAID[0], SAID[1], SAID[1], SAID[2]]


async def test_a_text_where_a_tool_was_called_differs_in_tool_and_step() -> None:
    one = await at("Who are you?")

    assert kinds(one) == ["tool", "step"]
    assert [(each.then, each.now) for each in one.differences] == [("save_name", "none"), ("order", "stays in name")]


async def test_a_tool_where_there_was_a_text_differs_in_tool() -> None:
    one = await at(calls(TEA), 1)

    assert [(each.kind, each.then, each.now) for each in one.differences] == [("tool", "none", "add")]


async def test_other_arguments_are_told_field_by_field() -> None:
    one = await at(calls(("save_name", {"name": "Ada Lovelace", "title": "Countess"})))

    assert [(each.kind, each.subject, each.then, each.now) for each in one.differences] == [
        ("arguments", "save_name.name", '"Ada"', '"Ada Lovelace"'),
        ("arguments", "save_name.title", "not given", '"Countess"'),
    ]


async def test_arguments_that_are_no_json_differ() -> None:
    one = await at(calls(("save_name", '{"name": ')))

    assert kinds(one) == ["arguments", "step"]
    assert one.now is not None
    assert "not valid JSON" in one.now.calls[0].refused


async def test_other_words_beside_the_same_call_are_no_other_choice() -> None:
    again = await reask(await ordered(), order_agent(Unordered(lambda *_: calls(TEA, text="One moment."))))

    assert again.points[2].result == "words"
    assert again.counts.words == 1


async def test_two_calls_in_another_order_are_another_choice() -> None:
    look: tuple[str, dict[str, str]] = ("look", {})
    with ScriptedLLM(calls(ADA), "Hello!", calls(TEA, look), "Tea it is.") as llm:
        log = await log_of(order_agent(llm), *SAID[:2])
    one = await at(calls(look, TEA), 2, log)

    assert [(each.kind, each.then, each.now) for each in one.differences] == [("tool", "add, look", "look, add")]


async def test_a_tool_that_is_not_offered_there_is_marked() -> None:
    one = await at(calls(TEA))

    assert one.now is not None
    assert str(one.now) == 'add(line="tea") [not offered]'
    assert kinds(one) == ["tool", "step"]  # what is refused leads nowhere


async def test_arguments_that_today_s_tool_would_refuse_are_marked() -> None:
    with ScriptedLLM(calls(("price", {"value": 100})), "Two.") as llm:
        log = await log_of(QuoteAgent(llm), "A quote")
    again = await reask(log, QuoteAgent(Unordered(lambda *_: calls(("price", {"value": "much"})))))

    now = again.points[0].now
    assert now is not None
    assert now.calls[0].refused.startswith("the arguments of 'price' do not fit: `value`:")
    assert kinds(again.points[0]) == ["arguments", "step"]


async def test_a_declared_tool_says_where_it_would_lead() -> None:
    with ScriptedLLM("What is it worth?") as llm:
        log = await log_of(QuoteAgent(llm), "A quote")
    again = await reask(log, QuoteAgent(ScriptedLLM(calls(("price", {"value": 100})))))

    assert [(each.kind, each.then, each.now) for each in again.points[0].differences] == [
        ("tool", "none", "price"),
        ("step", "stays in ask", "may lead to done"),
    ]


async def test_where_nobody_can_know_where_a_call_leads_no_other_step_is_claimed() -> None:
    class Tools(QuoteTools):
        @tool
        async def guess(self) -> str:
            """Guess the price."""
            return "Fifty."

    class Guessing(QuoteAgent):
        tools_class = Tools

    with ScriptedLLM(calls(("price", {"value": 100})), "Two.") as llm:
        log = await log_of(Guessing(llm), "A quote")
    again = await reask(log, Guessing(Unordered(lambda *_: calls(("guess", {})))))

    assert kinds(again.points[0]) == ["tool"]


async def test_today_s_prompt_tools_and_parameters_are_what_is_asked() -> None:
    class Today(OrderAgent):
        def get_system_prompt(self, state: Order) -> str:
            return f"Today: {state.step.value}"

    llm = Unordered(lambda *_: "Hello!")
    again = await reask(await ordered(), Today(llm, JourneyConfig(model_parameters={"temperature": 0})))

    assert {messages[0]["content"] for messages in llm.asked} == {"Today: name", "Today: order"}
    assert llm.parameters == [{"temperature": 0}] * 5
    assert not any(one.unchanged for one in again.points)


async def test_today_s_window_of_the_history_is_what_is_asked() -> None:
    llm = Unordered(lambda *_: "Hello!")
    await reask(await ordered(), order_agent(llm, history_turns=0), concurrency=1)

    assert [next(texts(messages)) for messages in llm.asked] == [SAID[0], SAID[0], SAID[1], SAID[1], SAID[2]]


async def test_another_client_can_be_tried() -> None:
    other = Unordered(lambda *_: "Hello!")
    own = ScriptedLLM()
    again = await reask(await ordered(), order_agent(own), client=other)

    assert (len(other.asked), own.requests, again.points[0].model) == (5, [], "scripted")


async def test_code_that_raises_where_the_model_was_asked_is_a_difference_of_its_own() -> None:
    class Raising(OrderAgent):
        def get_system_prompt(self, state: Order) -> str:
            if state.step.value == "order":
                raise LookupError("no such prompt")
            return super().get_system_prompt(state)

    llm = Unordered(lambda *_: calls(ADA))
    again = await reask(await ordered(), Raising(llm))

    assert len(llm.asked) == 1
    assert [kinds(one) for one in again.points] == [[], *[["code"]] * 4]
    assert again.points[1].error == "raises: LookupError: no such prompt"
    assert again.counts.code == 4


async def test_a_turn_that_today_s_code_closes_without_asking_is_a_difference_of_its_own() -> None:
    class Closing(OrderAgent):
        def is_terminal_state(self, state: Order) -> bool:
            return bool(state.lines)

        def is_closing_message(self, text: str) -> bool:
            return text == SAID[-1]

    again = await reask(await ordered(), Closing(Unordered(lambda *_: "You are welcome.")))

    assert kinds(again.points[4]) == ["code"]
    assert again.points[4].error == "ends the turn: closing"


async def test_a_turn_that_today_s_limits_end_earlier_is_a_difference_of_its_own() -> None:
    again = await reask(await ordered(), order_agent(Unordered(lambda *_: "Hello!"), terminal_tools={"add"}))

    assert [one.error for one in again.points if "code" in kinds(one)] == ["ends the turn: terminal_tool:add"]


async def test_a_closing_turn_was_not_asked_then_and_is_no_point() -> None:
    with ScriptedLLM(calls(("price", {"value": 100})), "Two.") as llm:
        log = await log_of(QuoteAgent(llm), "A quote", "thanks")
    again = await reask(log, QuoteAgent(Unordered(lambda *_: "Hm.")))

    assert (again.turns, again.total) == (2, 2)


async def test_a_request_that_was_retried_is_one_point() -> None:
    busy = ModelError("busy", kind="rate_limited", transient=True)
    with ScriptedLLM(busy, busy, "Who are you?") as llm:
        log = await log_of(order_agent(llm), "hi")
    again = await reask(log, order_agent(Unordered(lambda *_: "Who are you?")))

    assert [(one.result, one.version, one.unchanged) for one in again.points] == [("same", 4, True)]


async def test_a_request_without_an_answer_is_no_point() -> None:
    substrate = in_memory(SystemClock())
    with ScriptedLLM(ModelError("no", kind="refused", transient=False), "Hello!") as llm:
        async with working(order_agent(llm), substrate=substrate) as runtime:
            with pytest.raises(NoReply):
                await runtime.send("order", "c-1", "hi")
            await runtime.send("order", "c-1", "hi again")
    log = await frames(substrate, "c-1")
    again = await reask(log, order_agent(Unordered(lambda *_: "Hello!")))

    assert [(one.turn, one.result) for one in again.points] == [(2, "same")]


# --- other journeys


async def routed() -> list[Stored]:
    answers = (calls(("start_quote", {})), calls(("price", {"value": 100})), "Two.")
    with ScriptedLLM(*answers) as llm:
        return await log_of(desk(llm), "A quote for 100")


async def test_each_journey_is_asked_what_it_asks() -> None:
    llm = Unordered(lambda *_: "Hm.")
    again = await reask(await routed(), desk(llm), concurrency=1)

    assert [messages[0]["content"] for messages in llm.asked] == ["What do you want?", "Quote: ask", "Quote: done"]
    assert [one.journey for one in again.points] == ["desk", "quote", "quote"]
    assert [one.result for one in again.points] == ["differs", "differs", "words"]
    assert [(each.kind, each.then, each.now) for each in again.points[0].differences] == [
        ("tool", "start_quote", "none"),
        ("step", "journey quote", "stays in hello"),
    ]


async def test_a_route_to_another_journey_leads_elsewhere() -> None:
    again = await reask(await routed(), desk(Unordered(lambda *_: calls(("file_claim", {})))))

    assert again.points[0].differences[1].now == "may lead to journey claim"
    assert str(again.points[1].now) == "file_claim() [not offered]"


async def test_a_journey_that_is_gone_is_a_difference_of_its_own() -> None:
    class Alone(JourneyAgent[Desk, DeskTools, Step]):
        key = "desk"
        prompts = MappingProxyType({step: f"Desk: {step}" for step in Step})

    llm = Unordered(lambda *_: "Hm.")
    again = await reask(await routed(), Alone(llm))

    assert len(llm.asked) == 1
    assert [kinds(one) for one in again.points] == [["tool", "step"], ["code"], ["code"]]
    assert "is in journey 'quote', which 'desk' does not lead to any more" in again.points[1].error


# --- at the door


async def test_a_conversation_of_another_agent_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is of agent 'order', not of 'quote'"):
        await reask(await ordered(), QuoteAgent(ScriptedLLM()))


async def test_an_empty_log_is_not_found() -> None:
    with pytest.raises(NotFound):
        await reask([], order_agent(ScriptedLLM()))


async def test_numbers_below_one_are_refused() -> None:
    log = await ordered()
    with pytest.raises(InvalidInput, match="`budget` must be at least 1, not 0"):
        await reask(log, order_agent(ScriptedLLM()), budget=0)
    with pytest.raises(InvalidInput, match="`concurrency` must be at least 1, not 0"):
        await reask(log, order_agent(ScriptedLLM()), concurrency=0)


async def test_without_a_model_nothing_is_asked_and_it_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(InvalidInput, match="OPENAI_API_KEY"):
        await reask(await ordered(), order_agent(None), retry=NO_WAITING)


async def test_nobody_s_hooks_hear_of_what_happens_in_no_turn() -> None:
    heard: list[Any] = []

    class Hooks(ExecutorHooks):
        async def on_llm_call(self, messages: Any, tools: Any) -> None:
            heard.append(messages)

    agent = order_agent(Unordered(lambda *_: "Hello!"))
    agent.hooks = Hooks()
    assert (await reask(await ordered(), agent)).total == 5
    assert heard == []


@pytest.mark.parametrize("raised", [SystemExit(3), asyncio.CancelledError(), StopIteration(), ValueError("no")])
async def test_whatever_a_client_raises_fails_its_point_alone(raised: BaseException) -> None:
    def rule(messages: list[dict[str, Any]], tools: Any) -> Any:
        return raised if messages[-1]["content"] == "Tea, please" else "Hello!"

    again = await reask(await ordered(), order_agent(Unordered(rule)), retry=NO_WAITING)

    assert [one.turn for one in again.points if one.result == "failed"] == [2]
    assert len(again.points) == 5


async def test_calls_that_make_no_sense_are_told() -> None:
    nonsense = {"role": "assistant", "tool_calls": [3, {"function": {"name": 7}}]}
    one = await at(nonsense)

    assert str(one.now).count("(no name)()") == 2
    assert kinds(one) == ["tool", "step"]


async def test_a_report_tells_what_was_said_and_chosen() -> None:
    again = await reask(await ordered(), order_agent(Unordered(lambda *_: calls(("save_name", {"name": "Bob"})))))

    assert str(again).splitlines()[:8] == [
        "c-1: 5 points: 0 the same, 4 other tool, 1 other arguments",
        "",
        "  version 4, turn 1, step name: arguments",
        '    said  "I am Ada"',
        '    then  save_name(name="Ada")',
        '    now   save_name(name="Bob")',
        '          save_name.name: "Ada" -> "Bob"',
        "",
    ]
