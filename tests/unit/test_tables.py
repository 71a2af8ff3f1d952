"""The rows of golden logs, and what is said of their columns."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent_runtime_framework.events import (
    ConversationId,
    Frame,
    Head,
    StateChanged,
    Stored,
    UnknownEvent,
    UserSpoke,
    decode_frame,
    frame_hash,
)
from agent_runtime_framework.projections import initial, timeline
from agent_runtime_framework.projections.ledger import Ledger
from agent_runtime_framework.projections.rows import event_rows, sound
from agent_runtime_framework.projections.tables import NAMES, TABLES, EventRow, Row, without_content

LOGS = sorted((Path(__file__).parents[1] / "golden").rglob("*.jsonl"))


def frames(path: Path) -> list[Stored]:
    return [stored(ConversationId(path.stem), at, line) for at, line in enumerate(path.read_bytes().splitlines(), 1)]


def stored(conversation: ConversationId, position: int, data: bytes) -> Stored:
    frame = decode_frame(data)
    return Stored(conversation, frame, Head(frame.last, position, frame_hash(data)), data)


def rows_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of a golden log by table, as plain data."""
    ledger, rows = Ledger(initial(ConversationId(path.stem))), list[Row]()
    for found in frames(path):
        rows += [*event_rows(found), *ledger.enter(found)]
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for row in [*rows, *ledger.open_rows()]:
        table = TABLES[NAMES[type(row)]]
        plain = msgspec.json.decode(msgspec.json.encode(row))
        tables[table.name].append({column.name: plain.get(column.name) for column in table.columns})
    return tables


def golden(name: str) -> dict[str, list[dict[str, Any]]]:
    return rows_of(next(path for path in LOGS if path.stem == name))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_an_event_is_a_row_with_its_own_fields(path: Path) -> None:
    for stored in frames(path):
        for row, recorded in zip(event_rows(stored), timeline(stored), strict=True):
            assert row.data is not None
            assert msgspec.json.decode(row.data) == recorded.data
            assert (row.version, row.type, row.cause) == (recorded.version, recorded.type, recorded.event.cause)
            assert (row.time, row.turn, row.step) == (recorded.time, recorded.turn, stored.frame.step)


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_what_is_recorded_is_counted_once(path: Path) -> None:
    tables = rows_of(path)
    events = [event for line in path.read_bytes().splitlines() for event in msgspec.json.decode(line)["events"]]
    types = Counter(event["type"] for event in events)
    assert len(tables["events"]) == len(events)
    assert len(tables["turns"]) == types["turn.started"]
    assert len(tables["model_calls"]) == types["model.requested"]
    assert Counter(row["outcome"] for row in tables["model_calls"])["answered"] == types["model.answered"]
    assert sum(row["attempts"] for row in tables["tool_calls"]) == types["tool.started"]
    assert len([row for row in tables["tool_calls"] if row["outcome"]]) == types["tool.returned"] + types["tool.failed"]
    (conversation,) = tables["conversations"]
    assert conversation["version"] == len(events)
    assert [conversation[name] for name in ("turns", "model_calls", "tool_calls")] == [
        len(tables[name]) for name in ("turns", "model_calls", "tool_calls")
    ]
    assert [stay["left"] for stay in tables["steps"]][-1] is None
    assert None not in [stay["left"] for stay in tables["steps"]][:-1]


def test_a_model_call_that_was_tried_again_is_a_row_for_each_attempt() -> None:
    rows = [row for row in golden("retried")["model_calls"] if row["failure"]]
    assert rows
    assert {row["outcome"] for row in rows} == {"failed"}
    assert all(row["tokens"] is None and row["words"] is None for row in rows)


def test_a_turn_that_was_taken_over_says_so() -> None:
    tables = golden("taken-over")
    assert max(row["lives"] for row in tables["turns"]) > 1
    assert {row["verdict"] for row in tables["tool_calls"]} >= {"run", "in_doubt"}
    again = [row for row in tables["tool_calls"] if row["attempts"] > 1]
    assert again
    assert all(row["effect"] != "once" for row in again)


def test_a_tool_call_tells_what_it_changed() -> None:
    (call, *_) = [row for row in golden("vocabulary")["tool_calls"] if row["verdict"] == "run"]
    assert call["changed"] == ["n", "gone", "q"]
    assert (call["tool"], call["call"], call["key"]) == ("t", "8.0", "vocabulary@8.0")
    assert (call["message"], call["prompt_at"], call["request"]) == ("hi", 4, 6)
    assert (call["started_at"], call["ended_at"]) == (1700000000009, 1700000000010)


def test_steps_are_entered_and_left() -> None:
    stays = golden("routed")["steps"]
    assert len({stay["journey"] for stay in stays}) > 1
    assert all(stay["stayed_ms"] == stay["left_at"] - stay["entered_at"] for stay in stays[:-1])


def test_every_column_says_what_it_is() -> None:
    for table in TABLES.values():
        assert table.about.endswith(".")
        assert [column.name for column in table.columns] == list(table.row.__struct_fields__)
        for column in table.columns:
            assert column.about
            assert column.type in {"VARCHAR", "BIGINT", "BOOLEAN", "TIMESTAMP", "JSON", "VARCHAR[]"}


SAID = {
    "events": {"data"},
    "turns": {"message", "reply", "error"},
    "model_calls": {"parameters", "offered", "words", "error"},
    "tool_calls": {
        "provider_id", "message", "offered", "words", "tool", "arguments", "problem", "policy_reason", "content",
        "error", "changed",
    },
    "steps": set(),
    "conversations": set(),
}  # fmt: skip
"""What people, models, tools and authors said."""


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_without_content_nothing_is_left_of_what_was_said(path: Path) -> None:
    ledger = Ledger(initial(ConversationId(path.stem)))
    rows: list[Row] = []
    for found in frames(path):
        rows += [*event_rows(found), *ledger.enter(found)]
    for row in [*rows, *ledger.open_rows()]:
        table = TABLES[NAMES[type(row)]]
        assert set(table.content) == SAID[table.name]
        bare = without_content(row)
        assert all(getattr(bare, name) is None for name in table.content)
        kept = set(type(row).__struct_fields__) - set(table.content)
        assert all(getattr(bare, name) == getattr(row, name) for name in kept)


def own_fields(*events: Any) -> bytes:
    frame = Frame(first=1, time=0, writer="w", agent="a", events=events)
    (row,) = event_rows(Stored(ConversationId("c-1"), frame, Head(1, 1, ""), b""))
    assert isinstance(row, EventRow)
    return bytes(row.data or b"")


@pytest.mark.parametrize("cause", [None, 0, 7, 123456])
def test_tag_and_cause_are_no_part_of_an_event_s_own_fields(cause: int | None) -> None:
    said = UserSpoke(message_id="m", text='"cause":1', metadata={"type": "x"}, cause=cause)
    assert own_fields(said) == b'{"message_id":"m","text":"\\"cause\\":1","metadata":{"type":"x"}}'
    assert own_fields(StateChanged(cause=cause)) == b"{}"
    unknown = UnknownEvent(tag="x", raw=b'{"cause":3,"type":"x","a":[1, 2]}', cause=3)
    assert own_fields(unknown) == b'{"a":[1, 2]}'


@pytest.mark.parametrize(
    "data", [b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", b'{"a":"\xff"}', b'{"a":"' + b"[" * 200 + b'"}']
)
def test_json_that_databases_refuse_becomes_a_text(data: bytes) -> None:
    taken = bytes(sound(data))
    if b'"[[' in data:  # brackets in a text are no depth
        assert taken == data
    else:
        assert msgspec.json.decode(taken) == data.decode(errors="backslashreplace")
