"""What chaos counts by itself is seen to fail: each thing that must not happen is planted, and found."""

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace
from ops.chaos.book import Sent
from ops.chaos.counts import Evidence, asked_again, doubled, judged, lost
from ops.chaos.ledger import Start
from ops.chaos.model import Asked

from agent_runtime_framework.events import (
    START,
    AgentSpoke,
    CommandRefused,
    ConversationId,
    ConversationStarted,
    Frame,
    KnownEvent,
    MemoryLog,
    ModelAnswered,
    ModelRequested,
    Stored,
    ToolReturned,
    ToolStarted,
    TurnCompleted,
    TurnStarted,
    UserSpoke,
)

CHAT = ConversationId("c-1")
CALL: dict[str, Any] = {"id": "m-1/0.0", "type": "function", "function": {"name": "charge", "arguments": "{}"}}
TURN: tuple[tuple[KnownEvent, ...], ...] = (
    (
        ConversationStarted(agent="chaos", journey_hash="", state={}),
        UserSpoke(message_id="m-1", text="go"),
        TurnStarted(number=1, cause=2),
        ModelRequested(cause=3, last_turn=1, prompt="Do.", request="r-1"),
    ),
    (
        ModelAnswered(cause=4, message={"role": "assistant", "content": None, "tool_calls": [CALL]}),
        ToolStarted(cause=5, index=0),
    ),
    (
        ToolReturned(cause=5, index=0, content="charged"),
        ModelRequested(cause=7, last_turn=1, prompt_at=4, request="r-2"),
    ),
    (
        ModelAnswered(cause=8, message={"role": "assistant", "content": "done"}),
        AgentSpoke(cause=9),
        TurnCompleted(cause=3, reason="text_response"),
    ),
)
SENT = Sent("m-1", CHAT, "chaos", "say", 0.0, acknowledged=True)
CHARGED = Start(key="c-1@5.0", ticket="m-1/0.0", tool="charge", effect="once", seen={}, pid=1)
ASKED = (Asked(message="m-1", round=0, time=0), Asked(message="m-1", round=1, time=0))


def log_of(*frames: Sequence[KnownEvent]) -> list[Stored]:
    async def stored() -> list[Stored]:
        log, head = MemoryLog(), START
        for events in frames:
            over = isinstance(events[-1], TurnCompleted | CommandRefused)
            frame = Frame(
                first=head.version + 1,
                time=0,
                writer="w",
                agent="chaos",
                turn=1,
                status="idle" if over else "running",
                prev=head.hash,
                events=tuple(events),
            )
            head = (await log.append(CHAT, frame, head)).head
        return [one async for one in log.read(CHAT)]

    return asyncio.run(stored())


def evidence(*frames: Sequence[KnownEvent]) -> Evidence:
    return Evidence({CHAT: log_of(*frames)}, [SENT], [CHARGED], ASKED)


def test_a_sound_run_is_sound() -> None:
    sound = evidence(*TURN)

    assert (lost(sound), doubled(sound), list(asked_again(sound)), judged(sound)) == ([], 0, [], [])


def test_an_acknowledged_command_without_an_outcome_is_lost() -> None:
    never_sent = replace(SENT, id="m-2", acknowledged=False)
    never_taken = replace(SENT, id="m-3")

    assert [one.id for one in lost(replace(evidence(*TURN), sent=[SENT, never_sent, never_taken]))] == ["m-3"]
    assert [one.id for one in lost(evidence(*TURN[:3]))] == ["m-1"]


def test_a_message_that_was_taken_may_not_be_lost_though_its_sender_never_heard_so() -> None:
    unheard = [replace(SENT, acknowledged=False)]

    assert lost(replace(evidence(*TURN), sent=unheard)) == []
    assert lost(replace(evidence(*TURN[:3]), sent=unheard)) == unheard


def test_a_second_outcome_is_doubled() -> None:
    assert doubled(evidence(*TURN, (CommandRefused(command_id="m-1", reason="late"),))) == 1


def test_a_once_tool_that_starts_again_is_doubled() -> None:
    twice = replace(evidence(*TURN), starts=[CHARGED, CHARGED])

    assert doubled(twice) == 1
    assert 3 in {broken.rule for broken in judged(twice)}


def test_a_call_under_two_keys_is_doubled() -> None:
    other = replace(CHARGED, key="c-1@6.0", effect="idempotent")

    assert doubled(replace(evidence(*TURN), starts=[CHARGED, other])) == 1


def test_an_answer_that_is_asked_for_again_is_found() -> None:
    again = replace(evidence(*TURN), asked=[*ASKED, ASKED[0]])

    assert [broken.rule for broken in asked_again(again)] == [3]


def test_a_result_of_a_tool_that_never_ran_is_found() -> None:
    assert [broken.rule for broken in judged(replace(evidence(*TURN), starts=[]))] == [3]


def test_an_invalid_transcript_is_found() -> None:
    invalid = replace(ASKED[1], invalid="a call has no result")

    assert [broken.rule for broken in judged(replace(evidence(*TURN), asked=[ASKED[0], invalid]))] == [6]
