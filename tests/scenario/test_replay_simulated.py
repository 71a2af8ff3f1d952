"""A thousand random conversations decided again by the same code: both folds stay the same, frame by frame."""

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from agent_runtime_framework import JourneyAgent
from agent_runtime_framework import replay as replayed
from agent_runtime_framework.actors.replay import Replay
from agent_runtime_framework.events import ConversationStarted, Stored
from agent_runtime_framework.runtime.agents.journeys import Journeys
from agent_runtime_framework.runtime.replay import Tools, Untouchable
from agent_runtime_framework.runtime.testing.simulation import random_journeys
from agent_runtime_framework.testing import random_script, simulate

CONVERSATIONS, GROUPS = 1_000, 20
EACH = CONVERSATIONS // GROUPS
HAPPENS = {"tool.started", "tool.returned", "tool.failed", "state.changed"}
"""What a group that showed something has in it."""


def conversations(first: int) -> Iterator[tuple[JourneyAgent[Any, Any, Any], list[Stored]]]:
    """Yield conversation after conversation, each with the agent that led it, made anew."""
    for seed in itertools.count(first):
        agents = random_journeys(seed)
        run = simulate(agents, random_script(seed, [agent.key for agent in agents]), seed, workers=2 + seed % 2)
        again = {agent.key: agent for agent in random_journeys(seed)}
        for log in run.logs.values():
            events = (event for stored in log for event in stored.frame.events)
            begun = (event.agent for event in events if isinstance(event, ConversationStarted))
            yield again[next(begun, agents[0].key)], list(log)


@pytest.mark.parametrize("group", range(GROUPS))
def test_today_s_code_leads_conversations_as_it_led_them(group: int) -> None:
    happened: Counter[str] = Counter()
    conversations_replayed = 0
    for agent, log in itertools.islice(conversations(group * 1_000), EACH):
        replay = Replay(log[0].conversation, Journeys(agent, client=Untouchable()))
        for stored in log:
            replay.advance(stored.frame)
            assert replay.now == replay.then
            happened.update(str(event.__struct_config__.tag) for event in stored.frame.events)
        replay.finish()
        assert replay.divergences == ()
        conversations_replayed += 1

    assert conversations_replayed * GROUPS >= 1_000
    # it would be easy to find nothing where nothing happens
    assert happened.keys() >= HAPPENS
    assert happened["turn.started"] > EACH


@pytest.mark.parametrize("tools", ["log", "run"])
async def test_whatever_code_there_is_today_a_replay_tells_and_does_not_raise(
    tools: Tools, some: list[list[Stored]]
) -> None:
    told: Counter[bool] = Counter()
    for number, log in enumerate(some):
        agent: Any = random_journeys(number)[0]
        agent.key = next((stored.frame.agent for stored in log if stored.frame.agent), agent.key)
        found = await replayed(log, agent, tools=tools)
        told[found.first is None] += 1
        assert str(found).splitlines()[0].endswith(": the same") == (found.first is None)

    assert told[False] > len(some) / 2


@pytest.fixture(scope="module")
def some() -> list[list[Stored]]:
    return [log for _, log in itertools.islice(conversations(500), 60)]
