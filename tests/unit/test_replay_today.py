"""Asking today's code in a replay: what is not its own to say comes from the log."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from agent_runtime_framework.actors import (
    AskModel,
    EndTurn,
    Mailbox,
    Open,
    Policy,
    RefuseTool,
    ReviseJourney,
    SayToAgent,
    Verdict,
    settle,
)
from agent_runtime_framework.actors.replay import AsRecorded
from agent_runtime_framework.actors.replay.today import as_read, first_state
from agent_runtime_framework.events import ConversationId, Frame, JourneyRevised, StateChanged, StepEntered
from agent_runtime_framework.projections import Call, Conversation, initial

OPEN = Open(agent="shop", journey_hash="h", state={"n": b"0"}, step="a")
CHAT = ConversationId("c-1")
FRAME = Frame(first=1, time=0, writer="w-1", agent="shop")
SAY = SayToAgent(id="m-1", agent="shop", text="tea")


class Code:
    """Is today's code that says what it is given to say, one thing after another."""

    mailbox: Mailbox = "queue"

    def __init__(self, *asks: AskModel | EndTurn, states: Iterator[dict[str, bytes]] | None = None) -> None:
        self.asks = itertools.cycle(asks)
        self.asked = 0
        self.states = states

    def revise(self, conversation: Conversation) -> None:
        return None

    def policy(self, conversation: Conversation) -> Policy:
        return Policy()

    def ask_model(self, conversation: Conversation) -> AskModel | EndTurn:
        self.asked += 1
        return next(self.asks)

    def judge(self, conversation: Conversation, call: Call) -> Verdict:
        return RefuseTool(kind="denied", content="no")

    def first(self, conversation: ConversationId) -> tuple[dict[str, bytes], str] | None:
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


def again(code: Code, then: Conversation) -> tuple[AskModel, AsRecorded]:
    journey = AsRecorded(code)
    journey.knows(FRAME, then)
    made = journey.ask_model(then)
    assert isinstance(made, AskModel)
    return made, journey


def test_what_was_asked_then_has_the_model_of_then_and_is_asked_for_once() -> None:
    then, code = talked(asked()), Code(AskModel(prompt="Sell tea.", model="another"))

    made, journey = again(code, then)

    assert (made.model, made.prompt) == ("m", "Sell tea.")
    assert (code.asked, journey.unsteady) == (1, {})


def test_a_revision_is_the_one_of_then_done_to_the_state_of_now() -> None:
    events = (
        JourneyRevised(previous="h", journey_hash="h-2"),
        StateChanged(cause=5, set={"more": Raw(b"[]")}, unset=("n",)),
        StepEntered(cause=5, previous="a", step="b"),
    )
    now, journey = talked(asked()), AsRecorded(Code())
    journey.knows(Frame(first=5, time=0, writer="w-1", agent="shop", events=events), now)

    assert journey.revise(now) == ReviseJourney(previous="h", journey_hash="h-2", state={"more": b"[]"}, step="b")
    assert journey.revise(replace(now, journey_hash="h-2")) is None
    journey.knows(FRAME, now)
    assert journey.revise(now) is None


def test_what_differs_each_time_is_as_it_was_then_and_the_rest_is_todays() -> None:
    then = talked(asked(parameters={"seed": 1}))
    one, other = (asked(f"Number {number}.", parameters={"seed": 2}) for number in (1, 2))

    made, journey = again(Code(one, other), then)

    assert (made.prompt, made.parameters) == ("Sell tea.", {"seed": 2})
    assert [*journey.unsteady] == [("prompt", "a")]
    tools = [asked(tools=f'[{{"function":{{"name":"t{number}"}}}}]', parameters={"n": number}) for number in (1, 2)]
    made, journey = again(Code(*tools), then)
    assert (made.tools, made.parameters) == ("", {"seed": 1})
    assert [*journey.unsteady] == [("tools", "a"), ("parameters", "a")]


def test_a_turn_that_needs_no_answer_today_needs_none() -> None:
    journey = AsRecorded(Code(EndTurn(reason="closing")))
    journey.knows(FRAME, talked(asked()))

    assert journey.ask_model(talked(asked())) == EndTurn(reason="closing")


def test_a_first_state_takes_from_then_what_is_made_up() -> None:
    states = ({"id": str(number).encode(), "n": b"5"} for number in itertools.count())

    assert first_state(Code(states=states), CHAT, {"id": b'"then"', "n": b"0"}) == ({"id": b'"then"', "n": b"5"}, "a")
    assert first_state(Code(), CHAT, {}) is None
    assert first_state(Code(states=iter(())), CHAT, {}) == "StopIteration"


def test_a_state_is_read_for_its_fields_and_its_step_and_keeps_what_is_in_them() -> None:
    then = talked(asked())
    read = Code(states=iter([{"n": b"9", "more": b"[]"}]))

    assert as_read(read, then, {"n": b"1", "gone": b"2"}) == ({"n": b"1", "more": b"[]"}, "b")
    assert as_read(Code(), then, {"n": b"1"}) == "SystemExit: 3"
