"""Golden logs: what an earlier release stored folds to what it folded to then, for ever.

Each file is a conversation, one stored frame a line; beside it stands what it came to.  A new release adds a directory;
nothing in an old one is ever changed.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from agent_runtime_framework.events import ConversationId, UnknownEvent, decode_frame, encode_frame, frame_hash
from agent_runtime_framework.projections import Conversation, as_plain, evolve, initial, render, state_of

GOLDEN = Path(__file__).parents[1] / "golden"
LOGS = sorted(GOLDEN.rglob("*.jsonl"))


def came_to(conversation: Conversation) -> dict[str, Any]:
    """Return all of a fold that a release must not change."""
    return {
        "version": conversation.version,
        "agent": conversation.agent,
        "journey": conversation.journey,
        "step": conversation.step,
        "state": state_of(conversation),
        "left": {name: [left.step, as_plain(left.state)] for name, left in sorted(conversation.left.items())},
        "status": conversation.status,
        "turns": conversation.turns,
        "ended": None
        if conversation.ended is None
        else [conversation.ended.outcome, conversation.ended.reason, conversation.ended.text, conversation.ended.usage],
        "handled": dict(sorted(conversation.handled.items())),
        "messages": render("", conversation.transcript.window(0, conversation.turns)),
    }


def lines_of(log: Path) -> list[bytes]:
    return log.read_bytes().splitlines()


def test_there_are_golden_logs() -> None:
    assert {log.parent.name for log in LOGS} == {"0.4.0"}
    assert len(LOGS) == 3


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_a_golden_log_folds_to_what_it_did(log: Path) -> None:
    now = initial(ConversationId(log.stem))
    for line in lines_of(log):
        for event in decode_frame(line).events:
            assert not isinstance(event, UnknownEvent), event.raw
            now = evolve(now, event)

    assert json.loads(json.dumps(came_to(now))) == json.loads(log.with_suffix(".json").read_text())


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_its_frames_are_a_chain_and_are_written_as_they_were(log: Path) -> None:
    head, hash_ = 0, ""
    for line in lines_of(log):
        frame = decode_frame(line)
        assert (frame.first, frame.prev) == (head + 1, hash_)
        assert encode_frame(frame) == line
        head, hash_ = frame.last, frame_hash(line)
