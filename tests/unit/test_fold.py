"""Folding: total, the same in parts and at once, and never slower for what came before."""

from typing import Any, get_args

import msgspec
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec import Raw

from agent_runtime_framework.events import (
    AgentSpoke,
    AnyEvent,
    ConversationErased,
    ConversationId,
    ConversationStarted,
    Frame,
    JourneyEntered,
    ModelAnswered,
    ModelRequested,
    StateChanged,
    StepEntered,
    ToolFailed,
    ToolReturned,
    ToolStarted,
    TurnCompleted,
    TurnStarted,
    UnknownEvent,
    UserSpoke,
    decode_event,
    decode_frame,
    encode_event,
    encode_frame,
)
from agent_runtime_framework.projections import (
    OwedModelCall,
    OwedToolCall,
    evolve,
    fold,
    initial,
    outstanding,
    state_of,
)
from agent_runtime_framework.projections.calls import DEEPEST, depth, names_in, offered_in, too_deep
from agent_runtime_framework.projections.conversation import Standing
from agent_runtime_framework.projections.evolution import RULES
from support.journeys import given, tokens
from support.strategies import events

CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "x", "function": {"name": "add", "arguments": "{}"}}],
}
STARTED = ConversationStarted(agent="order", journey_hash="h", state={"step": Raw(b'"name"')}, step="name")
SPOKE = UserSpoke(message_id="m-1", text="hi", metadata={"lang": "en"})
TURN = TurnStarted(number=1, cause=2)
ASKED = ModelRequested(cause=3, prompt="Be kind.", tools=({"function": {"name": "add"}},), last_turn=1)
ANSWERED = ModelAnswered(cause=4, message=CALL, usage=tokens(3, 2, 5))
RUNNING = ToolStarted(cause=5, index=0, effect="read", step="name")
RETURNED = ToolReturned(cause=5, index=0, content="Added.")


def tools_named(names: list[str]) -> str:
    return msgspec.json.encode([{"type": "function", "function": {"name": name}} for name in names]).decode()


@for_all(events)
def test_an_event_is_the_same_after_its_bytes(event: Any) -> None:
    assert decode_event(encode_event(event)) == event


@for_all(st.lists(events, min_size=1, max_size=8))
def test_a_frame_is_the_same_after_its_bytes(listed: list[Any]) -> None:
    frame = Frame(first=1, time=5, writer="w", agent="a", events=tuple(listed))

    assert decode_frame(encode_frame(frame)) == frame


@for_all(st.lists(events, max_size=30), st.integers(0, 30))
def test_folding_in_two_parts_equals_folding_at_once(listed: list[Any], cut: int) -> None:
    start = initial(ConversationId("c-1"))
    first, second = tuple(listed[:cut]), tuple(listed[cut:])
    at_once = fold(start, [Frame(first=1, time=0, writer="w", agent="a", events=tuple(listed))])

    before = fold(start, [Frame(first=1, time=0, writer="w", agent="a", events=first)])
    after = fold(before, [Frame(first=1 + len(first), time=0, writer="w", agent="a", events=second)])

    assert after == at_once
    assert at_once.version == len(listed)


@for_all(st.lists(events, max_size=30), events)
def test_evolving_never_changes_what_was(listed: list[Any], event: Any) -> None:
    before = given(*listed)
    copy = msgspec.json.encode(before.transcript.window(0, 100)), dict(before.state), before.version

    evolve(before, event)

    assert (msgspec.json.encode(before.transcript.window(0, 100)), dict(before.state), before.version) == copy


def test_every_kind_of_event_has_its_rule() -> None:
    assert RULES.keys() == {*get_args(AnyEvent)}


@for_all(st.text(max_size=40) | st.lists(st.sampled_from(("add", "look", "é")), max_size=4).map(tools_named))
def test_what_is_offered_is_what_the_list_of_tools_names(tools: str) -> None:
    assert offered_in(tools) == offered_in(tools) == {*names_in(tools)}


@for_all(st.text('[]{}"\\a', max_size=200) | st.integers(DEEPEST - 2, DEEPEST + 2).map(lambda levels: '{"a":' * levels))
def test_a_text_is_too_deep_where_its_depth_is_counted_to_be(text: str) -> None:
    assert too_deep(text) == (depth(text) > DEEPEST)


def test_a_model_call_is_owed_from_its_request_to_its_answer() -> None:
    asked = given(STARTED, SPOKE, TURN, ASKED)

    owed = outstanding(asked)

    assert isinstance(owed, OwedModelCall)
    assert (owed.request.version, owed.request.prompt) == (4, "Be kind.")
    assert outstanding(evolve(asked, ANSWERED)) is None


def test_a_tool_call_is_owed_from_its_start_to_its_outcome() -> None:
    running = given(STARTED, SPOKE, TURN, ASKED, ANSWERED, RUNNING)

    owed = outstanding(running)

    assert isinstance(owed, OwedToolCall)
    assert (owed.answer, owed.call.name, owed.running.effect) == (5, "add", "read")
    assert outstanding(evolve(running, RETURNED)) is None
    assert outstanding(evolve(running, ToolFailed(cause=5, kind="error", content="no"))) is None


def test_a_reply_has_the_words_of_what_it_refers_to() -> None:
    text = ModelAnswered(cause=4, message={"role": "assistant", "content": "Hello."}, usage=tokens(1, 1, 2))
    end = TurnCompleted(cause=6, reason="text_response")
    from_answer = given(STARTED, SPOKE, TURN, ASKED, text, AgentSpoke(cause=5), end)
    from_tool = given(STARTED, SPOKE, TURN, ASKED, ANSWERED, RUNNING, RETURNED, AgentSpoke(cause=7), end)

    assert from_answer.ended is not None
    assert from_tool.ended is not None
    assert (from_answer.ended.text, from_tool.ended.text) == ("Hello.", "Added.")
    assert (from_answer.ended.message_id, from_answer.ended.usage) == ("m-1", tokens(1, 1, 2))


def test_state_changes_set_and_unset_fields_and_keep_the_others() -> None:
    changed = given(
        ConversationStarted(agent="a", journey_hash="", state={"a": Raw(b"1"), "b": Raw(b"2"), "c": Raw(b"3")}),
        StateChanged(set={"b": Raw(b"[4]")}, unset=("c",)),
    )

    assert state_of(changed) == {"a": 1, "b": [4]}


def test_a_text_that_stands_in_the_log_is_found_by_reference() -> None:
    again = given(STARTED, SPOKE, TURN, ASKED, ANSWERED, ModelRequested(cause=5, prompt_at=4, tools_at=4, last_turn=1))

    owed = outstanding(again)

    assert isinstance(owed, OwedModelCall)
    assert (owed.request.prompt, owed.request.tools) == ("Be kind.", '[{"function":{"name":"add"}}]')


def test_journeys_and_steps_are_what_was_entered_last() -> None:
    moved = given(STARTED, StepEntered(previous="name", step="order"))
    switched = evolve(moved, JourneyEntered(previous="order", journey="claim", state={"n": Raw(b"1")}, step="first"))

    assert (moved.journey, moved.step) == ("order", "order")
    assert (switched.journey, switched.step, state_of(switched), switched.agent) == (
        "claim",
        "first",
        {"n": 1},
        "order",
    )


def test_a_journey_that_was_left_is_entered_again_as_it_was_unless_with_a_new_state() -> None:
    begun = given(STARTED, SPOKE, TURN, ASKED)
    away = evolve(begun, JourneyEntered(previous="order", journey="claim", state={"n": Raw(b"1")}, step="first"))
    back = evolve(away, JourneyEntered(previous="claim", journey="order", step=begun.step, resumed=True))
    again = evolve(back, JourneyEntered(previous="order", journey="claim", step="first", resumed=True))
    anew = evolve(back, JourneyEntered(previous="order", journey="claim", state={"n": Raw(b"2")}, step="first"))

    assert (list(away.left), list(back.left), list(again.left)) == (["order"], ["claim"], ["order"])
    assert (back.state, back.step) == (begun.state, begun.step)
    assert (state_of(again), state_of(anew)) == ({"n": 1}, {"n": 2})


def test_what_was_offered_is_not_offered_any_more_once_another_journey_is_on() -> None:
    begun = given(STARTED, SPOKE, TURN, ASKED)
    away = evolve(begun, JourneyEntered(previous="order", journey="claim"))

    assert begun.turn is not None
    assert away.turn is not None
    assert (begun.turn.offered, away.turn.offered) == (frozenset({"add"}), frozenset())


def test_an_erased_conversation_has_no_words_left() -> None:
    away = JourneyEntered(previous="order", journey="claim", state={"n": Raw(b"1")})
    erased = given(STARTED, SPOKE, TURN, ASKED, away, ConversationErased(reason="asked for"))

    assert erased.status == "erased"
    assert not erased.left
    assert (state_of(erased), erased.transcript.window(0, 9), outstanding(erased)) == ({}, (), None)


def test_an_unknown_event_is_counted_and_named() -> None:
    after = evolve(given(STARTED), UnknownEvent(tag="moon.rose", raw=b"{}"))

    assert (after.version, after.unknown) == (2, ("moon.rose",))


def test_a_prompt_that_stands_in_two_conversations_is_in_memory_once() -> None:
    one, other = (Standing().add(4, " ".join(["You", "are", number])) for number in ("kind", "kind"))
    assert one.at[4] is other.at[4]
    assert next(iter(one.where)) is one.at[4]
