"""Deciding a recorded conversation again with today's agent: free, exact, and without a model.

Tools are not run: what they came to is taken from the log, too.  Where they are to be run, each gets a state made of
the replay's own fold, the same idempotency key as then, and changes nothing that is recorded.  What it does beyond that
it does for real: it writes where it writes, and asks a model if it does so by itself.

What today's code says is compared with the log, so code that is not determined by its state may differ without having
been changed.  What it says otherwise each time that it is asked, such as an id that is made up, counts as it was then;
what is the same for the length of a replay, such as today's date, is a difference like any other.
"""

from collections.abc import AsyncIterable, Collection, Iterable
from typing import Any, Literal, TypeAlias

from ...actors.journey import Secrets
from ...actors.replay import ASPECTS, Aspect, Replay, Replayed
from ...events import ConversationId, Frame, InvalidInput, NotFound, Stored, ToolStarted
from ..agents import JourneyAgent, Journeys
from ..agents.calling import ToolCaller
from ..agents.journey_tools import JourneyToolRun
from ..clock import SystemClock
from .logs import check_is_of, each
from .untouchable import Untouchable

Tools: TypeAlias = Literal["log", "run"]
"""Where a tool's outcome comes from: what was recorded, or today's tool, really run."""


async def replay(
    log: AsyncIterable[Stored] | Iterable[Stored],
    agent: JourneyAgent[Any, Any, Any],
    *,
    ignore: Collection[Aspect] = (),
    tools: Tools = "log",
    secrets: Secrets | None = None,
) -> Replayed:
    """Return where today's `agent` would do something else than was recorded; `ignore` names what does not count.

    What is marked as secret stays sealed, and counts as the text that its token is; `secrets` opens it, in memory only.

    Where the state was migrated, only what follows the last migration is decided again.
    No model is asked, nothing is written, and no tool is run unless `tools` is `run`; that really does what they do.

    Raises:
        NotFound: nothing is recorded.
        InvalidInput: it is another agent's conversation, or `ignore` or `tools` is none of those.
        CorruptLog: what is stored does not fit.

    >>> import asyncio
    >>> from agent_runtime_framework import replay
    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, simulate
    >>> log = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=()).logs["c-1"]
    >>> print(asyncio.run(replay(log, OnboardingAgent())).first)
    None

    """
    _check(ignore, tools)
    journeys = Journeys(agent, client=Untouchable(), secrets=secrets)
    callers = _callers(journeys) if tools == "run" else None
    made: Replay | None = None
    outcomes = 0
    async for stored in each(log):
        made = Replay(ConversationId(stored.conversation), journeys, stored.holder or "") if made is None else made
        if not made.then.agent:
            check_is_of(journeys, stored)
        if callers is not None:
            await _run_tools(made, stored.frame, journeys, callers)
        else:
            outcomes += sum(isinstance(event, ToolStarted) for event in stored.frame.events)
        made.advance(stored.frame)
    if made is None:
        raise NotFound("nothing is recorded of this conversation")
    made.finish()
    return _found(made, outcomes, ignore)


def _found(made: Replay, outcomes: int, ignore: Collection[Aspect]) -> Replayed:
    return Replayed(
        conversation=made.then.id,
        agent=made.then.agent,
        since=made.since,
        outcomes=outcomes,
        version=made.then.version,
        turns=made.then.turns,
        divergences=made.divergences,
        remaining=made.remaining,
        unsteady=made.unsteady,
        ignored=frozenset(ignore),
    )


async def _run_tools(made: Replay, frame: Frame, journeys: Journeys, callers: dict[str, ToolCaller]) -> None:
    """Run what today's code runs before a frame can be taken."""
    while (owed := made.runs_before(frame)) is not None:
        # in a journey that is not there any more, asking for its tool says so
        caller = callers.get(made.now.journey, callers[journeys.front.name])
        made.ran(await caller.call(made.now, owed))


def _check(ignore: Collection[str], tools: str) -> None:
    for aspect in ignore:
        if aspect not in ASPECTS:
            raise InvalidInput(f"{aspect!r} cannot be ignored: use {', '.join(ASPECTS)}")
    if tools not in ("log", "run"):
        raise InvalidInput(f"tools must come from the `log` or be `run`, not {tools!r}")


def _callers(journeys: Journeys) -> dict[str, ToolCaller]:
    """Return who runs the tools of each journey, without hooks: nobody is to hear of what only seems to happen."""
    run, clock = JourneyToolRun(journeys), SystemClock()
    return {
        journey.name: ToolCaller(
            run, clock=clock, timeout=journey.agent.config.tool_timeout, raised=lambda *_: None, hooks=None
        )
        for journey in journeys
    }
