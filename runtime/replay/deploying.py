"""What today's code would do to the conversations that are open: asked before it is deployed, of what is recorded.

A conversation is stranded if its next message could not be answered: the code cannot read its state, does not know its
step or journey any more, or raises when it is asked what the model is given.  It is changed if the code would have led
it otherwise, or reads its state otherwise than it is recorded; where the code migrates the state, if that changes it.
Where it was migrated before, only what came after that is held to the code.
"""

from collections.abc import AsyncIterable, Collection
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ...actors import ResumeTurn, ReviseJourney, SayToAgent, described, settle
from ...actors.journey import Secrets
from ...actors.replay import Aspect, Divergence, Replayed, fields_differing
from ...events import NotFound, Stored
from ...projections import Conversation, fold, initial
from ..agents import JourneyAgent, Journeys
from .logs import each
from .redeciding import replay
from .untouchable import Untouchable

PROBE = "?"
"""What is said to see whether it would be answered; it is recorded nowhere, and closes no talk."""


class Prospect(Struct, frozen=True, kw_only=True):
    """Is what today's code would do to an open conversation.

    Attributes:
        conversation, step: which one, and where it is.
        strands: why its next message could not be answered; empty if it could.
        replayed: where today's code would have led it otherwise, or what its migration does; None for one that is
            stranded.

    """

    conversation: str
    step: str
    strands: str = ""
    replayed: Replayed | None = None

    @property
    def same(self) -> bool:
        """Whether nothing that counts would change."""
        return not self.strands and (self.replayed is None or self.replayed.first is None)


async def prospect(
    log: AsyncIterable[Stored],
    agent: JourneyAgent[Any, Any, Any],
    *,
    ignore: Collection[Aspect] = (),
    secrets: Secrets | None = None,
) -> Prospect | None:
    """Return what today's `agent` would do to a conversation; None for one that is over.

    Raises:
        NotFound: nothing is recorded.
        CorruptLog: what is stored does not fit.

    """
    frames = [stored async for stored in each(log)]
    if not frames:
        raise NotFound("nothing is recorded of this conversation")
    journeys = Journeys(agent, client=Untouchable(), secrets=secrets)
    now = fold(initial(frames[0].conversation), [stored.frame for stored in frames])
    if _is_over(now, journeys):
        return None
    seen = Prospect(conversation=now.id, step=now.step, strands=_strands(now, journeys))
    if seen.strands:
        return seen
    revision = journeys.revise(now)
    if isinstance(revision, ReviseJourney) and revision.state is not None:
        # the log of then, under code for the state of today, would differ from its first state on
        return replace(seen, replayed=_migrated(now, revision, ignore))
    return replace(seen, replayed=await replay(frames, agent, ignore=ignore, secrets=secrets))


def _migrated(now: Conversation, revision: ReviseJourney, ignore: Collection[Aspect]) -> Replayed:
    """Return what a migration changes, as a replay would say it."""
    version, turn = now.version, now.turns
    found = [
        Divergence(aspect="state", version=version, turn=turn, subject=name, then=then, now=made)
        for name, (then, made) in fields_differing(now.state, revision.state or {}).items()
        if name != "step"
    ]
    if revision.step != now.step:
        found.insert(0, Divergence(aspect="step", version=version, turn=turn, then=now.step, now=revision.step))
    return Replayed(
        conversation=now.id,
        agent=now.agent,
        version=version,
        turns=turn,
        divergences=tuple(found),
        ignored=frozenset(ignore),
    )


def _is_over(now: Conversation, journeys: Journeys) -> bool:
    if now.erased or not now.agent:
        return True
    if now.turn is not None:
        return False
    try:
        journey = journeys.on(now)
        # from a journey that a router led to, and that is over, the conversation leads back
        return journey is journeys.front and bool(journey.agent.is_terminal_state(journey.state(now)))
    except Exception:  # noqa: BLE001  what is wrong is said of it as of any that is open
        return False


def _strands(now: Conversation, journeys: Journeys) -> str:
    """Return why the next message could not be answered, or the turn in progress not be gone on with."""
    if now.unknown:
        return f"it holds events of a newer release ({', '.join(sorted(set(now.unknown)))})"
    said = SayToAgent(id=f"probe-{now.version}", agent=now.agent, text=PROBE)
    settled = settle(now, journeys, said if now.turn is None else ResumeTurn())
    if settled.pinned is not None:
        return settled.pinned.reason
    if settled.raised is not None:
        return described(settled.raised)
    try:
        journeys.on(settled.conversation).state(settled.conversation)  # which a tool that runs again would need
    except Exception as error:  # noqa: BLE001  author code may raise anything
        return described(error)
    return ""
