"""Asking the model again at each point of recorded conversations: the honest way to try a new model or prompt.

Each point is asked with the conversation as it was recorded, so nothing of a new answer is gone on with, no tool is run
and nothing is written.  What is asked is what today's agent asks there, of today's model, by the very code that asks in
a worker; each attempt counts against a budget, and what is left out because of it is left out from the end.
"""

import asyncio
import itertools
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

from msgspec.structs import replace

from ...actors import RecordAnswer, RecordModelFailure, settle
from ...actors.journey import Secrets
from ...actors.replay import (
    Asked,
    Choice,
    Differs,
    NotAsked,
    Point,
    Points,
    Reasked,
    asked_today,
    chosen_now,
    chosen_then,
    compared,
)
from ...events import ConversationId, InvalidInput, NotFound, Stored
from ...projections import Conversation, Request
from ..agents import JourneyAgent, Journeys
from ..agents.asking import ModelCaller
from ..clock import SystemClock
from ..models import LLMClient
from ..retry import RetryPolicy
from .logs import check_is_of, each

CONCURRENCY: Final = 4
"""Points that are asked at once, unless told."""

BUDGET: Final = 100
"""Calls of the model at most, unless told."""

Outcome: TypeAlias = RecordAnswer | RecordModelFailure


async def reask(
    log: AsyncIterable[Stored] | Iterable[Stored],
    agent: JourneyAgent[Any, Any, Any],
    *,
    client: LLMClient | None = None,
    concurrency: int = CONCURRENCY,
    budget: int = BUDGET,
    retry: RetryPolicy | None = None,
) -> Reasked:
    """Return where the model of today's `agent`, or `client`, chooses otherwise than was recorded.

    It is asked at every point, `concurrency` at once, and at most `budget` times, retries included.

    Raises:
        NotFound: nothing is recorded.
        InvalidInput: it is another agent's conversation, there is no model to ask, or a number is below 1.
        CorruptLog: what is stored does not fit.

    >>> import asyncio
    >>> from agent_runtime_framework import reask
    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, ScriptedLLM, calls, simulate
    >>> log = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=(), model=lambda *_: "Hello!").logs["c-1"]
    >>> again = asyncio.run(reask(log, OnboardingAgent(ScriptedLLM(calls(("begin", {}))))))
    >>> print(again)
    c-1: 1 point: 0 the same, 1 other tool
    <BLANKLINE>
      version 4, turn 1, step welcome: tool
        said  "hi"
        then  "Hello!"
        now   begin()

    """
    reasking = Reasking(client=client, concurrency=concurrency, budget=budget, retry=retry)
    await reasking.read(log, agent)
    await reasking.ask()
    return reasking.found[0]


class _Asking:
    """Is one conversation that is asked again, as far as that has come."""

    def __init__(self, journeys: Journeys, points: Points) -> None:
        self.journeys = journeys
        self.points = tuple(points.found)
        self.asked: dict[int, Asked] = {}
        self._end = points.now

    def reasked(self) -> Reasked:
        end = self._end
        return Reasked(
            conversation=end.id,
            agent=end.agent,
            version=end.version,
            turns=end.turns,
            total=len(self.points),
            points=tuple(self.asked[index] for index in sorted(self.asked)),
        )


class Reasking:
    """Asks again in any number of conversations, within one budget; first all are read, then all are asked.

    Attributes:
        left: calls of the model that the budget still allows.

    """

    def __init__(
        self,
        *,
        client: LLMClient | None = None,
        concurrency: int = CONCURRENCY,
        budget: int = BUDGET,
        retry: RetryPolicy | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        for name, number in (("concurrency", concurrency), ("budget", budget)):
            if number < 1:
                raise InvalidInput(f"`{name}` must be at least 1, not {number}")
        self.left = budget
        self._budget = budget
        self._concurrency = concurrency
        self._retry = RetryPolicy() if retry is None else retry
        self._client = client
        self._secrets = secrets
        self._journeys: dict[int, Journeys] = {}
        self._callers: dict[tuple[int, str], ModelCaller] = {}
        self._conversations: list[_Asking] = []
        self._turns = asyncio.Lock()
        self._over = False

    @property
    def found(self) -> tuple[Reasked, ...]:
        """What was found so far, in the order in which the conversations were read, and in that of their logs."""
        return tuple(one.reasked() for one in self._conversations)

    @property
    def total(self) -> int:
        """How many points there are."""
        return sum(len(one.points) for one in self._conversations)

    async def read(self, log: AsyncIterable[Stored] | Iterable[Stored], agent: JourneyAgent[Any, Any, Any]) -> None:
        """Find the points of one more conversation; errors as `reask`."""
        journeys = self._journeys.setdefault(id(agent), Journeys(agent, client=self._client, secrets=self._secrets))
        points: Points | None = None
        async for stored in each(log):
            points = Points(ConversationId(stored.conversation)) if points is None else points
            if not points.now.agent:
                check_is_of(journeys, stored)
            points.advance(stored.frame)
        if points is None:
            raise NotFound("nothing is recorded of this conversation")
        self._conversations.append(_Asking(journeys, points))

    async def ask(self, done: Callable[[], object] = lambda: None) -> None:
        """Ask at all points, in order, so many at once; `done` hears of each.  Who cancels finds what was found.

        Raises:
            InvalidInput: a journey has no model to ask; nothing was asked.

        """
        await self._find_clients()
        todo = self._todo()
        workers = [asyncio.create_task(self._work(todo, done)) for _ in range(min(self._concurrency, self.total))]
        if not workers:
            return
        try:
            await asyncio.gather(*workers)
        finally:
            self._over = True  # a client may keep a cancel to itself
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)

    async def _find_clients(self) -> None:
        for one in self._conversations:
            on = {point.before.journey for point in one.points}
            for journey in one.journeys:
                if journey.name in on:
                    await asyncio.to_thread(getattr, journey, "client")  # it may have to import openai

    def _todo(self) -> Iterator[tuple[_Asking, int, Point]]:
        for one in self._conversations:
            for index, point in enumerate(one.points):
                yield one, index, point

    async def _work(self, todo: Iterator[tuple[_Asking, int, Point]], done: Callable[[], object]) -> None:
        while True:
            # one at a time, or as many long conversations would be rendered before others on the loop get their turn
            async with self._turns:
                following = None if self._over or self.left <= 0 else next(todo, None)
                if following is None:
                    return
                one, index, point = following
                request = asked_today(point, one.journeys)
                self.left -= not isinstance(request, NotAsked)
                await asyncio.sleep(0)
            one.asked[index] = await self._asked(one.journeys, point, request)
            done()

    async def _asked(self, journeys: Journeys, point: Point, request: Conversation | NotAsked) -> Asked:
        before = point.before
        then = chosen_then(point)
        asked = Asked(
            version=point.version,
            turn=before.turns,
            journey=before.journey,
            step=before.step,
            said=point.said,
            result="failed",
            then=then,
            usage_then=point.usage,
        )
        if isinstance(request, NotAsked):
            differs = Differs("code", "", str(then), str(request))
            return replace(asked, result="differs", differences=(differs,), error=str(request))
        unchanged = bool(point.request) and _request(request).hash == point.request
        request, outcome, attempts = await self._outcome(journeys, request)
        asked = replace(asked, attempts=attempts, unchanged=unchanged, latency_ms=outcome.latency_ms)
        if isinstance(outcome, RecordModelFailure):
            return replace(asked, error=outcome.error)
        now = chosen_now(request, outcome, journeys)
        return _compared(replace(asked, usage=outcome.usage, model=outcome.model), point, now, journeys)

    async def _outcome(self, journeys: Journeys, asked: Conversation) -> tuple[Conversation, Outcome, int]:
        """Return what the model answers, asked again as a worker would; and the request that it answered."""
        caller = self._caller(journeys, asked)
        for attempts in itertools.count(1):
            outcome = await caller.ask(asked, _request(asked))
            if isinstance(outcome, RecordAnswer) or outcome.retry_at is None:
                return asked, outcome, attempts
            if self.left <= 0 or self._over:
                spent = f"{outcome.error}; not asked again: the budget of {self._budget} calls is spent"
                return asked, replace(outcome, error=spent), attempts
            self.left -= 1
            asked = settle(asked, None, outcome).conversation
        raise AssertionError("it counts for ever")

    def _caller(self, journeys: Journeys, asked: Conversation) -> ModelCaller:
        """Return who asks in the journey that is on, without hooks: nobody is to hear of what happens in no turn."""
        journey = journeys.on(asked)
        key = id(journeys), journey.name
        if key not in self._callers:
            self._callers[key] = ModelCaller(
                lambda: journey.client,
                clock=SystemClock(),
                timeout=journey.agent.config.model_timeout,
                retry=self._retry,
                raised=lambda *_: None,
                guarded=journey.guard,
            )
        return self._callers[key]


def _compared(asked: Asked, point: Point, now: Choice, journeys: Journeys) -> Asked:
    differences = compared(point, now, journeys)
    if differences:
        return replace(asked, result="differs", now=now, differences=differences)
    return replace(asked, result="same" if now.text == point.text else "words", now=now)


def _request(asked: Conversation) -> Request:
    request = None if asked.turn is None else asked.turn.request
    if request is None:
        raise AssertionError("a request that was decided stands in its turn")
    return request
