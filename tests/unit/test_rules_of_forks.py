"""The rules hold over forks: a chain may begin at the cut of another log, and ids count in their conversation."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Raw, structs

from agent_runtime_framework.events import (
    START,
    AgentSpoke,
    ConversationId,
    ConversationStarted,
    Edits,
    Frame,
    Head,
    KnownEvent,
    Lineage,
    ModelAnswered,
    ModelRequested,
    Stored,
    TurnCompleted,
    TurnStarted,
    UserSpoke,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.projections import Conversation, fold, initial
from agent_runtime_framework.runtime.testing.accounts import inherited_by
from agent_runtime_framework.runtime.testing.rules import Command, Effect, History, check

PARENT, FORK = ConversationId("c-1"), ConversationId("c-2")
BEGUN = ConversationStarted(agent="a", journey_hash="h", state={"n": Raw(b"1")})


def turn(version: int, number: int, request: str) -> tuple[KnownEvent, ...]:
    """Return a turn whose first event stands at this version; each has the same message id."""
    return (
        UserSpoke(message_id="m-1", text="hi"),
        TurnStarted(number=number, cause=version),
        ModelRequested(cause=version + 1, prompt="Help.", request=request, last_turn=number),
        ModelAnswered(cause=version + 2, message={"role": "assistant", "content": "Done."}),
        AgentSpoke(cause=version + 3),
        TurnCompleted(cause=version + 1, reason="text_response"),
    )


def frame_of(now: Conversation, head: Head, events: Sequence[KnownEvent], position: int) -> tuple[Conversation, Stored]:
    """Return the next frame of a conversation, and the conversation after it."""
    frame = Frame(first=head.version + 1, time=0, writer="w", agent="a", prev=head.hash, events=tuple(events))
    now = fold(now, [frame])
    parent = "" if now.lineage is None else now.lineage.parent
    frame = structs.replace(frame, turn=now.turns, step=now.step, status=now.status, parent=parent)
    data = encode_frame(frame)
    return now, Stored(now.id, frame, Head(frame.last, position, frame_hash(data)), data)


def talk(**wrong: Any) -> tuple[list[Stored], list[Stored]]:
    """Return the log of a parent with one turn, and the own part of a fork of it with another."""
    now, first = frame_of(initial(PARENT), START, [BEGUN, *turn(2, 1, "r-1")], 1)
    lineage = structs.replace(Lineage(parent=PARENT, version=7, frame=first.head.hash), **wrong)
    began = ConversationStarted(
        agent="a", journey_hash="h", state={}, lineage=lineage, edits=Edits(prompt="Help.", journey="a")
    )
    now, cut = frame_of(structs.replace(now, id=FORK), first.head, [began], 2)
    _, own = frame_of(now, cut.head, turn(9, 2, "r-2"), 3)
    return [first], [cut, own]


def broken(parent: list[Stored], own: list[Stored], *effects: Effect) -> list[tuple[int, str]]:
    """Return which rules a history breaks, and where."""
    commands = [Command("a", PARENT, "m-1"), Command("a", FORK, "m-1")]
    logs = {FORK: own, PARENT: parent} if parent else {FORK: own}
    commands = commands if parent else commands[1:]
    return [
        (one.rule, one.conversation)
        for one in check(History(logs=logs, commands=commands, effects=effects), settled=True)
    ]


def test_a_fork_is_sound_by_its_own_frames_and_by_all_that_it_has() -> None:
    parent, own = talk()
    whole = [*inherited_by(own[0], {PARENT: parent}), *own]

    assert len(whole) == 3
    assert broken(parent, own) == []
    assert broken(parent, whole) == []


@pytest.mark.parametrize("wrong", [{"version": 6}, {"frame": "0" * 64}])
def test_a_fork_that_says_another_cut_breaks_the_chain(wrong: dict[str, Any]) -> None:
    assert (2, FORK) in broken(*talk(**wrong))


def test_a_fork_without_its_parent_breaks_the_chain() -> None:
    assert (2, FORK) in broken([], talk()[1])


def test_what_is_inherited_after_a_frame_of_its_own_breaks_the_chain() -> None:
    parent, own = talk()
    whole = [*inherited_by(own[0], {PARENT: parent}), *own]

    assert (2, FORK) in broken(parent, [*whole[:2], structs.replace(whole[2], head=Head(14, 0, whole[2].head.hash))])


def test_what_the_parent_asked_is_not_recorded_in_the_fork() -> None:
    def asked(where: ConversationId, request: str) -> Effect:
        return Effect(conversation=where, kind="model", request=request)

    assert broken(*talk(), asked(PARENT, "r-1"), asked(FORK, "r-2")) == []
    assert broken(*talk(), asked(FORK, "r-1")) == [(3, FORK)]


def test_a_frame_of_a_fork_that_does_not_name_its_parent_breaks_the_fold() -> None:
    parent, (cut, own) = talk()
    frame = structs.replace(own.frame, parent="")
    data = encode_frame(frame)
    unnamed = Stored(FORK, frame, Head(frame.last, 3, frame_hash(data)), data)

    assert broken(parent, [cut, unnamed]) == [(4, FORK)]
