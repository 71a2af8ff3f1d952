"""Words that somebody put behind an erasure are damage for whoever audits all conversations, never what was said."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from agent_runtime_framework.events import ConversationErased, Frame, MemoryLog, UserSpoke, encode_frame, frame_hash
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.runtime.whole import whole_conversations
from support.chains import CHAT
from support.tables import export, faults


@pytest.fixture
async def forged() -> Substrate:
    """A place with a conversation that was erased, and went on all the same."""
    substrate, position, prev = in_memory(SystemClock()), 0, ""
    assert isinstance(substrate.log, MemoryLog)
    frames = (
        Frame(first=1, time=0, writer="w", agent="a", events=(UserSpoke(message_id="m-1", text="honest"),)),
        Frame(first=2, time=0, writer="w", agent="a", status="erased", events=(ConversationErased(),)),
        Frame(first=3, time=0, writer="w", agent="a", events=(UserSpoke(message_id="m-2", text="forged"),)),
    )
    for frame in frames:
        data = encode_frame(replace(frame, prev=prev))
        position = await substrate.log.records.put(CHAT, data, id="", expected=position)
        prev = frame_hash(data)
    return substrate


async def test_it_is_told_as_damaged_up_to_its_erasure(forged: Substrate) -> None:
    (whole,) = [whole async for whole in whole_conversations(forged)]

    assert "only refusals follow an erasure" in str(whole.damage)
    assert [stored.frame.last for stored in whole.frames] == [1, 2]


async def test_it_is_left_out_of_tables(forged: Substrate, tmp_path: Path) -> None:
    (fault,) = faults(await export(forged, tmp_path))

    assert "only refusals follow an erasure" in fault
