"""Random conversations asked again by the agent that led them: the requests are the recorded ones, to the byte."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from agent_runtime_framework import JourneyAgent
from agent_runtime_framework.actors import RecordAnswer
from agent_runtime_framework.actors.replay import NotAsked, Point, Points, asked_today, chosen_now, compared
from agent_runtime_framework.events import ConversationStarted, ModelAnswered, ModelRequested, Stored
from agent_runtime_framework.runtime.agents.journeys import Journeys
from agent_runtime_framework.runtime.replay import Untouchable
from agent_runtime_framework.runtime.testing.simulation import random_journeys
from agent_runtime_framework.testing import random_script, simulate


class Named(Untouchable):
    """Has the name of the model that was asked then, and is never asked."""

    def __init__(self, model: str) -> None:
        self.model = model


def conversations(seeds: range) -> Iterator[tuple[JourneyAgent[Any, Any, Any], Sequence[Stored]]]:
    """Yield the log of each conversation of these simulations, with the agent that led it, made anew."""
    for seed in seeds:
        agents = random_journeys(seed)
        run = simulate(agents, random_script(seed, [agent.key for agent in agents]), seed)
        again = {agent.key: agent for agent in random_journeys(seed)}
        for log in run.logs.values():
            begun = [event.agent for event in log[0].frame.events if isinstance(event, ConversationStarted)]
            if begun:
                yield again[begun[0]], log


def asked_again(point: Point, journeys: Journeys, message: dict[str, Any]) -> None:
    """Check that today's request is the recorded one, and that the recorded answer to it is the recorded choice."""
    asked = asked_today(point, journeys)
    assert not isinstance(asked, NotAsked), asked
    assert asked.turn is not None
    assert asked.turn.request is not None
    assert asked.turn.request.hash == point.request
    now = chosen_now(asked, RecordAnswer(request=asked.turn.request.version, message=message), journeys)
    assert [(call.name, call.arguments) for call in now.calls] == [(call.name, call.arguments) for call in point.calls]
    assert now.text == point.text
    assert compared(point, now, journeys) == ()


@pytest.mark.parametrize("group", range(3))
def test_what_is_asked_at_each_point_is_what_was_asked(group: int) -> None:
    seen: Counter[str] = Counter()
    for agent, log in conversations(range(group * 1_000, group * 1_000 + 40)):
        numbered = [each for stored in log for each in stored.frame.numbered()]
        answers = {int(version): event.message for version, event in numbered if isinstance(event, ModelAnswered)}
        model = next((event.model for _, event in numbered if isinstance(event, ModelRequested)), "")
        journeys, points = Journeys(agent, client=Named(model)), Points(log[0].conversation)
        for stored in log:
            points.advance(stored.frame)
        for point in points.found:
            asked_again(point, journeys, answers[point.answer])
            seen.update(points=1, moves=len(point.moves), calls=len(point.calls))
        assert [point.answer for point in points.found] == list(answers)

    # it would be easy to find nothing where nothing happens
    assert seen["points"] > 100
    assert seen["calls"] > 50
    assert seen["moves"] > 5
