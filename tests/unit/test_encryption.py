"""What of an event is content, and that sealing takes out exactly that and gives it back."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime_framework.events import (
    ERASED,
    SEALED,
    AnyEvent,
    CorruptLog,
    Frame,
    TurnFailed,
    UnknownEvent,
    UserSpoke,
    decode_frame,
    encode_frame,
)
from agent_runtime_framework.events.codec import is_sealed, seal_frame
from agent_runtime_framework.events.encryption import Field, bound_to, marked, opened, sealed
from agent_runtime_framework.runtime.crypto.ciphers import AesGcm, new_key
from agent_runtime_framework.runtime.vault import Shut
from support.strategies import events

CIPHER = AesGcm(new_key())

CONTENT = {
    "conversation.started": {"state", "history", "edits.prompt"},
    "user.spoke": {"text", "metadata"},
    "model.requested": {"parameters", "prompt", "tools", "request"},
    "model.answered": {"message"},
    "model.failed": {"error"},
    "tool.started": {"reason"},
    "tool.returned": {"content"},
    "tool.failed": {"content", "error", "reason"},
    "state.changed": {"set"},
    "journey.entered": {"state"},
    "turn.failed": {"error"},
    "turn.cancelled": {"reason"},
    "command.refused": {"reason"},
}
"""What somebody said; all else can be read without a key.  Think twice before taking anything out."""


def frame_of(*said: AnyEvent) -> Frame:
    return Frame(first=1, time=0, writer="w", agent="a", events=said)


def sealed_bytes(frame: Frame) -> bytes:
    return seal_frame(frame, encode_frame(frame, limit=None), "c-1", CIPHER)


def names(fields: dict[str, Field]) -> set[str]:
    return {
        f"{name}.{inner}" if inner else name
        for name, field in fields.items()
        for inner in ([""] if field.within is None else names(dict(field.within)))
    }


def test_what_is_content_is_written_down_here() -> None:
    assert {tag: names(dict(fields)) for tag, fields in marked().items() if fields} == CONTENT


@given(said=st.lists(events, min_size=1, max_size=4))
def test_what_was_sealed_is_opened_as_it_was(said: list[Any]) -> None:
    frame = frame_of(*said)

    assert decode_frame(sealed_bytes(frame), conversation="c-1", cipher=CIPHER) == decode_frame(
        encode_frame(frame, limit=None)
    )


@given(said=st.lists(events, min_size=1, max_size=4))
def test_without_the_key_every_event_is_known_and_has_its_structure(said: list[Any]) -> None:
    frame = frame_of(*said)

    shut = decode_frame(sealed_bytes(frame))

    assert [type(event) for event in shut.events] == [type(event) for event in frame.events]
    for event, was in zip(shut.events, frame.events, strict=True):
        kept, all_of_it = msgspec.to_builtins(event, enc_hook=bytes), msgspec.to_builtins(was, enc_hook=bytes)
        content = CONTENT.get(all_of_it["type"], set()) | {"edits"}
        assert {k: v for k, v in kept.items() if k not in content} == {
            k: v for k, v in all_of_it.items() if k not in content
        }


def test_an_event_that_is_not_known_comes_back_to_the_byte() -> None:
    raw = b'{ "type" : "user.spoke", "text": 7, "words": "caf\xc3\xa9" }'
    frame = frame_of(UnknownEvent(tag="user.spoke", raw=raw))

    data = sealed_bytes(frame)

    assert b"caf" not in data
    assert decode_frame(data, conversation="c-1", cipher=CIPHER) == frame


def test_what_has_no_content_is_stored_as_in_clear() -> None:
    from agent_runtime_framework.events import TurnResumed

    frame = frame_of(TurnResumed(number=1, attempt=2))

    assert sealed_bytes(frame) == encode_frame(frame)
    assert not is_sealed(sealed_bytes(frame))


def test_words_about_sealing_seal_nothing() -> None:
    frame = frame_of(UserSpoke(message_id="m-1", text='"sealed":"x"', metadata={"sealed": "x"}))

    assert not is_sealed(encode_frame(frame))
    assert decode_frame(encode_frame(frame), conversation="c-1", cipher=CIPHER) == frame


@pytest.mark.parametrize(("erased", "shown"), [(True, ERASED), (False, SEALED)])
def test_a_key_that_cannot_be_had_says_which_it_is(*, erased: bool, shown: str) -> None:
    frame = frame_of(UserSpoke(message_id="m-1", text="hi"), TurnFailed(reason="poison"))

    shut = decode_frame(sealed_bytes(frame), conversation="c-1", cipher=Shut("why", erased))

    assert shut.sealed == shown
    assert shut.events == (
        UserSpoke(message_id="m-1", text=shown),
        TurnFailed(reason="poison", error=shown),
    )


@pytest.mark.parametrize("conversation", ["c-2", ""])
def test_it_belongs_to_its_conversation(conversation: str) -> None:
    data = sealed_bytes(frame_of(UserSpoke(message_id="m-1", text="hi")))

    with pytest.raises(CorruptLog, match="does not open under its key"):
        decode_frame(data, conversation=conversation, cipher=CIPHER)


@pytest.mark.parametrize("text", ["", "a", "====", "AAAA", "ü"])
def test_what_is_no_ciphertext_is_a_damage(text: str) -> None:
    with pytest.raises(CorruptLog):
        opened(text, CIPHER, b"")


def test_content_of_another_number_of_events_is_a_damage() -> None:
    data = sealed_bytes(frame_of(UserSpoke(message_id="m-1", text="hi")))
    fields = msgspec.json.decode(data)
    fields["sealed"] = sealed([None, None], CIPHER, bound_to("c-1", 1))

    with pytest.raises(CorruptLog, match="content of 2 events is sealed in a frame of 1"):
        decode_frame(msgspec.json.encode(fields), conversation="c-1", cipher=CIPHER)
