"""Golden logs are decided again by the agents whose logs they are: what a release decided, every later one decides."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework import replay
from agent_runtime_framework.actors import settle
from agent_runtime_framework.actors.replay import AsRecorded, Recorded, recorded
from agent_runtime_framework.events import START, ConversationId, Head, Stored, decode_frame, frame_hash
from agent_runtime_framework.projections import Conversation, fold, initial
from agent_runtime_framework.runtime.agents import Journeys
from support.golden import GOLDEN
from support.golden_agents import AGENTS

LOGS = sorted(log for log in GOLDEN.rglob("*.jsonl") if log.stem in AGENTS)


def stored(log: Path) -> Iterator[Stored]:
    head = START
    for position, line in enumerate(log.read_bytes().splitlines(), 1):
        frame = decode_frame(line)
        head = Head(frame.last, position, frame_hash(line))
        yield Stored(ConversationId(log.stem), frame, head, line)


def decided(before: Conversation, one: Stored, known: Recorded, version: Journeys) -> bool:
    """Say whether this version of the agent decides what is recorded."""
    after = fold(before, [one.frame])
    journey = AsRecorded(version)
    journey.knows(one.frame, after)
    settled = settle(before, journey if known.asks else None, *known.commands)
    return (settled.conversation, settled.events) == (after, one.frame.events)


@pytest.mark.parametrize("log", LOGS, ids=lambda log: f"{log.parent.name}-{log.stem}")
def test_each_frame_is_decided_again_by_a_version_of_its_agent(log: Path) -> None:
    versions = [Journeys(version(None)) for version in AGENTS[log.stem]]
    before, asked = initial(ConversationId(log.stem)), 0
    for one in stored(log):
        known = recorded(before, one.frame)
        if known is not None:
            assert any(decided(before, one, known, version) for version in versions), one.frame
            asked += 1
        before = fold(before, [one.frame])
    assert asked > 0


@pytest.mark.parametrize("log", [log for log in LOGS if len(AGENTS[log.stem]) == 1], ids=lambda log: log.stem)
async def test_one_that_only_one_version_decided_on_is_replayed_the_same(log: Path) -> None:
    assert (await replay(stored(log), AGENTS[log.stem][0](None))).divergences == ()
