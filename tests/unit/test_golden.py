"""Golden logs: what an earlier release stored folds to what it folded to then, for ever.

Each file is a conversation, one stored frame a line; beside it stands what it came to.  A new release adds a directory
by `tests/support/golden.py`; nothing in an old one is ever changed.  Their agents are in
`tests/support/golden_agents.py`.
"""

import json
from pathlib import Path
from typing import get_args

import pytest

from agent_runtime_framework.events import (
    AnyEvent,
    ConversationErased,
    ConversationId,
    ConversationStarted,
    JourneyEntered,
    JourneyRevised,
    KnownEvent,
    ModelFailed,
    ToolFailed,
    ToolFailure,
    UnknownEvent,
    decode_frame,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.projections import evolve, initial
from agent_runtime_framework.runtime.agents import Journeys
from support.golden import GOLDEN, came_to, write
from support.golden_agents import AGENTS
from support.golden_stories import STORIES

LOGS = sorted(GOLDEN.rglob("*.jsonl"))


def lines_of(log: Path) -> list[bytes]:
    return log.read_bytes().splitlines()


def test_there_are_golden_logs() -> None:
    assert {log.parent.name for log in LOGS} == {"0.4.0"}
    assert len(LOGS) == 9


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_a_golden_log_folds_to_what_it_did(log: Path) -> None:
    now = initial(ConversationId(log.stem))
    for line in lines_of(log):
        for event in decode_frame(line).events:
            assert not isinstance(event, UnknownEvent), event.raw
            now = evolve(now, event)

    expected = json.loads(log.with_suffix(".json").read_text())
    came = json.loads(json.dumps(came_to(now)))
    assert expected.keys() >= came.keys() - {"journey_hash", "left_under"}  # the first ones say nothing of versions
    assert {name: came[name] for name in expected} == expected


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_its_frames_are_a_chain_and_are_written_as_they_were(log: Path) -> None:
    head, hash_ = 0, ""
    for line in lines_of(log):
        frame = decode_frame(line)
        assert (frame.first, frame.prev) == (head + 1, hash_)
        assert encode_frame(frame) == line
        head, hash_ = frame.last, frame_hash(line)


def events_of(log: Path) -> list[AnyEvent]:
    return [event for line in lines_of(log) for event in decode_frame(line).events]


def test_golden_logs_hold_every_event_that_is_written_and_all_that_tools_come_to() -> None:
    events = [event for log in LOGS for event in events_of(log)]

    assert {type(event) for event in events} == {*get_args(KnownEvent)} - {ConversationErased}
    assert {event.kind for event in events if isinstance(event, ToolFailed)} == {*get_args(ToolFailure)}
    assert any(event.retry_at for event in events if isinstance(event, ModelFailed))


@pytest.mark.parametrize("name", AGENTS)
def test_the_agents_are_still_those_whose_logs_are_golden(name: str) -> None:
    recorded = {
        event.journey_hash
        for event in events_of(GOLDEN / "0.4.0" / f"{name}.jsonl")
        if isinstance(event, ConversationStarted | JourneyEntered | JourneyRevised)
    }

    assert recorded <= {journey.hash for version in AGENTS[name] for journey in Journeys(version(None))}


def test_a_release_can_write_its_logs_and_writes_nothing_twice(tmp_path: Path) -> None:
    written = write(tmp_path / "one", STORIES)
    write(tmp_path / "two", STORIES)

    assert [path.stem for path in written] == [*STORIES]
    assert write(tmp_path / "one", STORIES) == []
    for path in written:
        again = tmp_path / "two" / path.name
        assert path.read_bytes() == again.read_bytes()
        assert path.with_suffix(".json").read_bytes() == again.with_suffix(".json").read_bytes()
