"""Asking today's code in a replay: what is not its own to say comes from the log."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from agent_runtime_framework.actors import (
    AskModel,
    EndTurn,
    Mailbox,
    Open,
    Policy,
    RecordAnswer,
    RefuseTool,
    SayToAgent,
    Verdict,
    settle,
)
from agent_runtime_framework.actors.replay import AsRecorded
from agent_runtime_framework.actors.replay.today import as_read, first_state
from agent_runtime_framework.events import ConversationId
from agent_runtime_framework.projections import Call, Conversation, initial

OPEN = Open(agent="shop", journey_hash="h", state={"n": b"0"}, step="a")
SAY = SayToAgent(id="m-1", agent="shop", text="tea")


class Code:
    """Is today's code that says what it is given to say, one thing after another."""

    mailbox: Mailbox = "queue"

    def __init__(self, *asks: AskModel | EndTurn, states: Iterator[dict[str, bytes]] | None = None) -> None:
        self.asks = itertools.cycle(asks)
        self.asked = 0
        self.states = states

    def policy(self, conversation: Conversation) -> Policy:
        return Policy()

    def ask_model(self, conversation: Conversation) -> AskModel | EndTurn:
        self.asked += 1
        return next(self.asks)

    def judge(self, conversation: Conversation, call: Call) -> Verdict:
        return RefuseTool(kind="denied", content="no")

    def first(self) -> tuple[dict[str, bytes], str] | None:
        return None if self.states is None else (next(self.states), "a")

    def as_read(self, conversation: Conversation, state: Mapping[str, bytes]) -> tuple[dict[str, bytes], str]:
        if self.states is None:
            raise SystemExit(3)
        return next(self.states), "b"


def asked(prompt: str = "Sell tea.", **given: Any) -> AskModel:
    return AskModel(prompt=prompt, model="m", **given)


def talked(ask: AskModel) -> Conversation:
    """Return a conversation in which the model was asked this."""
    return settle(initial(ConversationId("c-1")), Code(ask), OPEN, SAY).conversation


def again(code: Code, then: Conversation, now: Conversation | None = None) -> tuple[AskModel, AsRecorded]:
    journey = AsRecorded(code)
    journey.knows(then)
    made = journey.ask_model(then if now is None else now)
    assert isinstance(made, AskModel)
    return made, journey


def test_what_was_asked_then_has_the_hash_and_the_model_of_then_and_is_asked_for_once() -> None:
    then, code = talked(asked()), Code(AskModel(prompt="Sell tea.", model="another"))
    assert then.turn is not None
    assert then.turn.request is not None

    made, journey = again(code, then)

    assert (made.model, made.request) == ("m", then.turn.request.hash)
    assert len(then.turn.request.hash) == 64
    assert (code.asked, journey.unsteady) == (1, {})


def test_what_was_not_asked_then_has_no_hash() -> None:
    then = talked(asked())
    assert again(Code(asked("Sell coffee.")), then)[0].request == ""
    assert again(Code(asked(parameters={"seed": 1})), then)[0].request == ""
    # nor has the same request where something else was said before it
    other = settle(then, Code(EndTurn(reason="x")), RecordAnswer(request=4, message={"content": "Tea."})).conversation
    assert again(Code(asked()), then, other)[0].request == ""


def test_what_differs_each_time_is_as_it_was_then_and_the_rest_is_todays() -> None:
    then = talked(asked(parameters={"seed": 1}))
    one, other = (asked(f"Number {number}.", parameters={"seed": 2}) for number in (1, 2))

    made, journey = again(Code(one, other), then)

    assert (made.prompt, made.parameters, made.request) == ("Sell tea.", {"seed": 2}, "")
    assert [*journey.unsteady] == [("prompt", "a")]
    tools = [asked(tools=f'[{{"function":{{"name":"t{number}"}}}}]', parameters={"n": number}) for number in (1, 2)]
    made, journey = again(Code(*tools), then)
    assert (made.tools, made.parameters) == ("", {"seed": 1})
    assert [*journey.unsteady] == [("tools", "a"), ("parameters", "a")]


def test_a_turn_that_needs_no_answer_today_needs_none() -> None:
    journey = AsRecorded(Code(EndTurn(reason="closing")))
    journey.knows(talked(asked()))

    assert journey.ask_model(talked(asked())) == EndTurn(reason="closing")


def test_a_first_state_takes_from_then_what_is_made_up() -> None:
    states = ({"id": str(number).encode(), "n": b"5"} for number in itertools.count())

    assert first_state(Code(states=states), {"id": b'"then"', "n": b"0"}) == ({"id": b'"then"', "n": b"5"}, "a")
    assert first_state(Code(), {}) is None
    assert first_state(Code(states=iter(())), {}) == "StopIteration"


def test_a_state_is_read_for_its_fields_and_its_step_and_keeps_what_is_in_them() -> None:
    then = talked(asked())
    read = Code(states=iter([{"n": b"9", "more": b"[]"}]))

    assert as_read(read, then, {"n": b"1", "gone": b"2"}) == ({"n": b"1", "more": b"[]"}, "b")
    assert as_read(Code(), then, {"n": b"1"}) == "SystemExit: 3"
