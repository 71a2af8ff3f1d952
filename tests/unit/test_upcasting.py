"""Old forms of our own events: read as today's, whatever their upcasters do."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from agent_runtime_framework.events import (
    ConversationId,
    StateChanged,
    UnknownEvent,
    UserSpoke,
    decode_event,
    decode_frame,
    encode_frame,
)
from agent_runtime_framework.events import codec as codec_module
from agent_runtime_framework.events.upcasting import UPCASTERS, Upcaster
from agent_runtime_framework.projections import fold, initial

OLDEST = b'{"type":"person.said","cause":3,"id":"m-1","words":["good","day"]}'
OLD = b'{"type":"user.said","cause":3,"message_id":"m-1","words":["good","day"]}'
SPOKE = UserSpoke(cause=3, message_id="m-1", text="good day")


def joined(fields: dict[str, Any]) -> Mapping[str, Any]:
    words = fields.pop("words")
    return {**fields, "type": "user.spoke", "text": " ".join(words)}


def renamed(fields: dict[str, Any]) -> Mapping[str, Any]:
    return {**fields, "type": "user.said", "message_id": fields.pop("id")}


MADE_UP: Mapping[str, Upcaster] = MappingProxyType({"user.said": joined, "person.said": renamed})


def test_an_old_form_is_read_as_that_of_today() -> None:
    assert decode_event(OLD, MADE_UP) == SPOKE


def test_a_chain_of_old_forms_is_followed() -> None:
    assert decode_event(OLDEST, MADE_UP) == SPOKE


def test_an_old_form_stands_in_a_frame_beside_those_of_today_and_folds() -> None:
    today = b'{"type":"turn.started","cause":1,"number":1}'
    data = b'{"first":1,"time":0,"writer":"w","agent":"a","events":[%b,%b]}' % (OLDEST, today)

    frame = decode_frame(data, MADE_UP)
    now = fold(initial(ConversationId("c-1")), [frame])

    assert frame.events[0] == SPOKE
    assert (now.unknown, now.version) == ((), 2)
    assert now.turn is not None
    assert now.turn.message_id == "m-1"


def test_the_bytes_of_a_state_go_through_it() -> None:
    stored = b'{"type":"state.set","set":{"total":12345678901234567890123,"price":2.5,"name":"\xc3\xa4"}}'

    changed = decode_event(stored, {"state.set": lambda fields: {**fields, "type": "state.changed"}})

    assert isinstance(changed, StateChanged)
    assert {name: bytes(value) for name, value in changed.set.items()} == {
        "total": b"12345678901234567890123",
        "price": b"2.5",
        "name": '"ä"'.encode(),
    }


def test_without_an_upcaster_it_is_unknown() -> None:
    assert decode_event(OLD) == UnknownEvent(tag="user.said", raw=OLD, cause=3)
    assert decode_event(OLDEST, {"person.said": renamed}) == UnknownEvent(tag="person.said", raw=OLDEST, cause=3)


def raises(_fields: dict[str, Any]) -> Mapping[str, Any]:
    raise RuntimeError("it raises")


@pytest.mark.parametrize(
    "odd",
    [
        raises,
        lambda _: None,
        lambda _: "text",
        lambda _: {},
        lambda _: {"type": None},
        lambda _: {"type": ["user.spoke"]},
        lambda _: {"type": "user.spoke"},
        lambda _: {"type": "user.spoke", "message_id": 3, "text": "hi"},
        lambda _: {"type": "user.spoke", "message_id": "m-1", "text": object()},
        lambda _: {"type": "user.spoke", "message_id": "m-1", "text": "\ud800"},
        lambda _: {"type": "no.such"},
        lambda fields: fields,
    ],
)
def test_an_upcaster_that_goes_wrong_leaves_the_event_unknown(odd: Any) -> None:
    assert decode_event(OLD, {"user.said": odd}) == UnknownEvent(tag="user.said", raw=OLD, cause=3)


def test_old_forms_that_lead_to_each_other_end() -> None:
    circle = {
        "user.said": lambda fields: {**fields, "type": "person.said"},
        "person.said": lambda fields: {**fields, "type": "user.said"},
    }

    assert isinstance(decode_event(OLD, circle), UnknownEvent)


def test_what_is_of_today_asks_no_upcaster(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it was asked")

    monkeypatch.setattr(codec_module, "upcast", never)
    data = msgspec.json.encode(SPOKE)

    assert decode_event(data) == SPOKE
    frame = decode_frame(b'{"first":1,"time":0,"writer":"w","agent":"a","events":[%b]}' % data)
    assert decode_frame(encode_frame(frame)) == frame


def test_no_form_is_old_yet() -> None:
    assert dict(UPCASTERS) == {}
