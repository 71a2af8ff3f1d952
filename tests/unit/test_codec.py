"""Frames, events and ids as bytes: what goes in comes out, and nothing that comes in breaks more than itself."""

import hashlib
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from agent_runtime_framework.events import (
    FRAME_LIMIT,
    START,
    AgentSpoke,
    AnyEvent,
    ConversationStarted,
    CorruptLog,
    Frame,
    Head,
    InvalidId,
    InvalidInput,
    KnownEvent,
    Lineage,
    ModelAnswered,
    StateChanged,
    TooLarge,
    ToolReturned,
    UnknownEvent,
    UserSpoke,
    add_usage,
    call_id,
    check_token,
    decode_event,
    decode_frame,
    encode_event,
    encode_frame,
    frame_hash,
)
from support.journeys import tokens

KNOWN: tuple[type[Any], ...] = typing.get_args(KnownEvent)
SAMPLES: dict[type, Any] = {str: "text", int: 3, dict: {"key": Raw(b'{"a":[1,2.50,"x"]}')}, tuple: ("a",)}


def sample(kind: type[Any]) -> AnyEvent:
    """Return an event of that kind with every required field set."""
    hints = typing.get_type_hints(kind)
    required = [field.name for field in msgspec.structs.fields(kind) if field.required]
    values = {name: SAMPLES.get(typing.get_origin(hints[name]) or hints[name], "error") for name in required}
    if kind is ModelAnswered:
        values["message"] = {"role": "assistant", "content": "hi", "tool_calls": [{"id": None}]}
    event: AnyEvent = kind(cause=7, **values)
    return event


def frame(*events: AnyEvent) -> Frame:
    return Frame(first=4, time=1_700_000_000_000, writer="w-1", agent="a", prev="f" * 64, events=events)


def with_event(event: bytes) -> bytes:
    """Return a frame's bytes with this event put before the one that it has."""
    return encode_frame(frame(AgentSpoke(cause=2))).replace(b'"events":[', b'"events":[' + event + b",")


@pytest.mark.parametrize("kind", KNOWN)
def test_each_event_of_the_vocabulary_comes_back_as_it_was(kind: type[Any]) -> None:
    event = sample(kind)
    whole = frame(event, AgentSpoke())

    assert decode_event(encode_event(event)) == event
    assert decode_frame(encode_frame(whole)) == whole
    assert type(decode_frame(encode_frame(whole)).events[0]) is kind


def test_each_tag_is_a_noun_and_a_past_participle_and_is_used_once() -> None:
    tags = [kind.__struct_config__.tag for kind in KNOWN]

    assert len(set(tags)) == len(tags)
    assert all(tag.count(".") == 1 and tag == tag.lower() for tag in tags)


def test_what_has_its_default_is_not_stored() -> None:
    assert encode_frame(Frame(first=1, time=2, writer="w", agent="a", events=(AgentSpoke(),))) == (
        b'{"first":1,"time":2,"writer":"w","agent":"a","events":[{"type":"agent.spoke"}]}'
    )


def test_the_bytes_of_a_frame_are_the_same_each_time() -> None:
    one = frame(ConversationStarted(agent="a", journey_hash="", state={"b": Raw(b"1"), "a": Raw(b"2")}))

    assert encode_frame(one) == encode_frame(one)
    assert encode_frame(decode_frame(encode_frame(one))) == encode_frame(one)


def test_the_hash_is_the_sha_256_of_the_stored_bytes() -> None:
    data = encode_frame(frame(AgentSpoke()))

    assert frame_hash(data) == hashlib.sha256(data).hexdigest()


def test_values_of_a_state_keep_their_bytes() -> None:
    value = Raw(b'{"n": 1.50, "big": 123456789012345678901234567890, "s": "\\u00e9"}')
    event = decode_frame(encode_frame(frame(StateChanged(set={"field": value})))).events[0]

    assert isinstance(event, StateChanged)
    assert bytes(event.set["field"]) == bytes(value)


def test_a_frame_numbers_its_events_from_its_first_version() -> None:
    whole = frame(AgentSpoke(cause=1), AgentSpoke(cause=2), AgentSpoke(cause=3))

    assert [(version, event.cause) for version, event in whole.numbered()] == [(4, 1), (5, 2), (6, 3)]
    assert whole.last == 6
    assert Head() == START == Head(version=0, position=0, hash="")


def test_fields_of_a_newer_release_pass() -> None:
    data = encode_frame(frame(AgentSpoke(cause=2)))
    newer = data.replace(b'{"first"', b'{"mood":{"x":[1]},"first"').replace(b'"cause":2', b'"tone":"warm","cause":2')

    assert newer != data
    assert decode_frame(newer) == decode_frame(data)


def test_an_event_with_an_unknown_tag_is_kept_with_its_bytes() -> None:
    event = b'{"type":"agent.dreamed","cause":3,"of":[1.50,{"deep":"\\u00e9"}]}'
    found = decode_frame(with_event(event))

    assert found.events == (UnknownEvent(tag="agent.dreamed", raw=event, cause=3), AgentSpoke(cause=2))
    assert encode_event(found.events[0]) == event
    assert encode_frame(found) == with_event(event)


@pytest.mark.parametrize(
    ("event", "tag", "cause"),
    [
        (b'{"type":"user.spoke","text":5}', "user.spoke", None),
        (b'{"type":"user.spoke"}', "user.spoke", None),
        (b'{"type":"tool.failed","cause":9,"kind":"a new kind","content":""}', "tool.failed", 9),
        (b'{"cause":9}', "", 9),
        (b"{}", "", None),
    ],
)
def test_an_event_whose_fields_do_not_fit_its_tag_is_kept_with_its_bytes(
    event: bytes, tag: str, cause: int | None
) -> None:
    kept = UnknownEvent(tag=tag, raw=event, cause=cause)

    assert decode_frame(with_event(event)).events == (kept, AgentSpoke(cause=2))
    assert decode_event(event) == kept


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b"\x00\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        encode_frame(frame(AgentSpoke()))[:-1],
        encode_frame(frame(AgentSpoke())) + b"x",
        encode_frame(frame(AgentSpoke())).replace(b'"first":4', b'"first":"4"'),
        encode_frame(frame(AgentSpoke())).replace(b'"writer":"w-1",', b""),
        encode_frame(frame(AgentSpoke())).replace(b'{"type":"agent.spoke"}', b"5"),
        encode_frame(frame(AgentSpoke())).replace(b'{"type":"agent.spoke"}', b'{"type":5}'),
        encode_frame(frame(AgentSpoke())).replace(b'[{"type":"agent.spoke"}]', b"{}"),
        encode_frame(frame(AgentSpoke())).replace(b"w-1", b"w-\xff"),
    ],
)
def test_bytes_that_are_no_frame_are_a_corrupt_log(data: bytes) -> None:
    with pytest.raises(CorruptLog, match="stored bytes are not"):
        decode_frame(data)


@pytest.mark.parametrize("data", [b"", b"5", b"[]", b"{", b'{"type":5}', b'{"type":"x","cause":"y"}', b"\xff"])
def test_bytes_that_are_no_event_are_a_corrupt_log(data: bytes) -> None:
    with pytest.raises(CorruptLog, match="stored bytes are not an event"):
        decode_event(data)


@given(st.binary(max_size=200))
def test_no_bytes_break_more_than_the_frame_that_they_are(data: bytes) -> None:
    with pytest.raises(CorruptLog):
        decode_frame(data)


@given(st.data())
def test_a_damaged_frame_is_read_or_a_corrupt_log_and_never_has_the_same_hash(data: st.DataObject) -> None:
    whole = encode_frame(frame(UserSpoke(message_id="m", text="hello"), ToolReturned(cause=4, content="it")))
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]

    assert frame_hash(damaged) != frame_hash(whole)
    try:
        decoded = decode_frame(damaged)
    except CorruptLog:
        return
    assert isinstance(decoded, Frame)
    assert decode_frame(encode_frame(decoded)) == decoded


@given(st.text(), st.dictionaries(st.text(), st.none() | st.booleans() | st.text() | st.integers(-(2**63), 2**63)))
def test_any_unicode_comes_back(text: str, metadata: dict[str, Any]) -> None:
    event = UserSpoke(message_id="m", text=text, metadata=metadata)

    assert decode_frame(encode_frame(frame(event))).events == (event,)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_a_text_that_is_not_unicode_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="frame at version 4 is not valid Unicode"):
        encode_frame(frame(UserSpoke(message_id="m", text=text)))


def test_a_frame_of_exactly_the_limit_is_encoded_and_one_byte_more_is_not() -> None:
    room = FRAME_LIMIT - len(encode_frame(frame(UserSpoke(message_id="m", text=""))))

    assert len(encode_frame(frame(UserSpoke(message_id="m", text="x" * room)))) == FRAME_LIMIT
    with pytest.raises(TooLarge, match=f"version 4 has {FRAME_LIMIT + 1} bytes, at most {FRAME_LIMIT} are taken"):
        encode_frame(frame(UserSpoke(message_id="m", text="x" * (room + 1))))


def test_the_limit_counts_bytes_and_can_be_lifted() -> None:
    event = UserSpoke(message_id="m", text="é" * (FRAME_LIMIT // 2))

    with pytest.raises(TooLarge):
        encode_frame(frame(event))
    assert decode_frame(encode_frame(frame(event), limit=None)).events == (event,)


def test_a_fork_names_what_it_was_cut_from() -> None:
    event = ConversationStarted(
        agent="a", journey_hash="", state={}, lineage=Lineage(parent="c-1", version=9, frame="f" * 64)
    )

    assert decode_event(encode_event(event)) == event


def test_usage_adds_up() -> None:
    assert add_usage({**tokens(1, 2, 3), "cached": 1}, tokens(10, 20, 30)) == {**tokens(11, 22, 33), "cached": 1}


@pytest.mark.parametrize("value", ["a", "A-z_09", "x" * 128, "-", "0f8fad5b-d9cb-469f-a165-70867728950e"])
def test_a_token_is_taken(value: str) -> None:
    assert check_token(value, "conversation id") == value


@pytest.mark.parametrize("value", ["", "x" * 129, "a b", "a.b", "*", ">", "a/b", "é", "a\n", "\n", "a\0", "\u0661"])
def test_what_is_no_token_is_refused_by_name(value: str) -> None:
    with pytest.raises(InvalidId, match=r"agent key .* is not valid: use 1 to 128 characters"):
        check_token(value, "agent key")


def test_a_long_wrong_id_is_not_repeated_whole() -> None:
    with pytest.raises(InvalidId) as refused:
        check_token("é" * 100_000, "conversation id")
    assert len(str(refused.value)) < 250


def test_a_call_is_named_by_its_answer_and_its_place_there() -> None:
    assert call_id(12, 0) == "12.0"
    assert ToolReturned(cause=12, index=3, content="").call == "12.3"
