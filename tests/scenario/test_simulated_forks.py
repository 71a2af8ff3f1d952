"""Conversations are forked while workers crash and the network fails, and the eight rules hold."""

from typing import Any

import pytest
from immutables import Map
from msgspec import structs

from agent_runtime_framework import InvalidInput
from agent_runtime_framework.events import ConversationStarted
from agent_runtime_framework.projections import Conversation, evolution
from agent_runtime_framework.runtime.testing.simulation import Simulator, random_journeys
from agent_runtime_framework.testing import (
    Crash,
    Fork,
    OnboardingAgent,
    RuleBroken,
    Say,
    Simulation,
    random_script,
    simulate,
)

TALK = (
    Say("c-1", "hi", id="m-1"),
    Say("c-1", "I am Ada", at=2, id="m-2"),
    Fork("c-1", "c-2", at=4),
    Say("c-2", "I am Ada", at=6, id="m-2"),
    Say("c-1", "so", at=6),
    Fork("c-2", "c-3", at=10),
    Say("c-3", "hi", at=12),
)


def inherited(run: Simulation) -> dict[str, int]:
    """Return how many frames each conversation has from others, where it has any."""
    counted = {str(chat): sum(one.inherited for one in log) for chat, log in run.logs.items()}
    return {chat: count for chat, count in counted.items() if count}


def test_parent_and_forks_each_have_their_own_turns() -> None:
    run = simulate(OnboardingAgent(), TALK, faults=(), model=lambda messages, tools, random: "Well.")

    assert {chat: len(replies) for chat, replies in run.replies.items()} == {"c-1": 3, "c-2": 1, "c-3": 1}
    assert run.turns == 5
    assert [log[-1].frame.turn for log in run.logs.values()] == [3, 3, 4]
    assert inherited(run).keys() == {"c-2", "c-3"}


@pytest.mark.parametrize("after", range(1, 40, 3))
def test_a_worker_may_die_anywhere_in_a_fork(after: int) -> None:
    run = simulate(OnboardingAgent(), TALK, 100 + after, faults=[Crash(worker=0, after=after)])

    assert {"c-1", "c-2", "c-3"} == run.logs.keys()


def test_what_was_forked_at_random_is_sound() -> None:
    forked = 0
    for seed in range(60):
        agents = random_journeys(seed)
        run = simulate(agents, random_script(seed, [agent.key for agent in agents]), seed)
        forked += len(inherited(run))
    assert forked > 5


def test_the_same_seed_forks_alike() -> None:
    once, again = (simulate(OnboardingAgent(), TALK, 11) for _ in range(2))

    assert once.logs == again.logs


def test_a_fork_that_takes_its_parents_messages_for_its_own_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    started = evolution.RULES[ConversationStarted]

    def remembering(now: Conversation, event: ConversationStarted, version: int) -> Conversation:
        return structs.replace(started(now, event, version), handled=now.handled)

    monkeypatch.setattr(evolution, "RULES", evolution.RULES | {ConversationStarted: remembering})
    with pytest.raises(RuleBroken, match=r"rule 4 .* 'c-2'"):
        simulate(OnboardingAgent(), TALK, faults=())


def test_a_fork_that_begins_anew_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    started = evolution.RULES[ConversationStarted]

    def anew(now: Conversation, event: ConversationStarted, version: int) -> Conversation:
        return structs.replace(started(now, event, version), state={}, left=Map())

    monkeypatch.setattr(evolution, "RULES", evolution.RULES | {ConversationStarted: anew})
    with pytest.raises(RuleBroken):
        simulate(OnboardingAgent(), TALK, faults=())


@pytest.mark.parametrize("line", [Fork("c 1", "c-2"), Fork("c-1", "c 2"), Fork("c-1", "")])
def test_a_fork_needs_names_that_are_ids(line: Any) -> None:
    with pytest.raises(InvalidInput, match="conversation id"):
        Simulator(OnboardingAgent(), [line], 1)
