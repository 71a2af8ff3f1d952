"""Asking again: what today's agent asks at a recorded point, and what a new answer comes to there.

The conversation is taken as it was recorded, up to the very request: what the model would have chosen otherwise before
is not gone on with, so each point is asked by itself, and all of them can be asked at once.
"""

from collections.abc import Collection
from typing import Literal, Protocol

from msgspec import Struct

from ...projections import Call, Conversation, evolve
from ..commands import AskModel, EndTurn, RecordAnswer, RefuseTool, ReviseJourney
from ..decide import decide
from ..revision import Pinned
from ..settle import Journey, needed, settle, verdict_of
from ..sizes import described
from .choice import Choice, Chosen, Differs, chosen_then, differences
from .points import Point

MOST_QUESTIONS = 8
"""So many things at most are decided at a point before the model is asked."""


class Leading(Journey, Protocol):
    """Is a journey that also says where its tools lead."""

    def leads(self, conversation: Conversation, tool: str) -> Collection[str] | None:
        """Return the steps or journeys that a call of this tool may lead to; None where nothing is declared of it."""


class _Unpinned:
    """Is a journey that is asked in conversations of other versions, too: nothing is recorded of what it says."""

    def __init__(self, today: Journey) -> None:
        self.mailbox, self.policy = today.mailbox, today.policy
        self.ask_model, self.judge = today.ask_model, today.judge
        self._today = today

    def revise(self, conversation: Conversation) -> ReviseJourney | None:
        """Say what becomes of the state in today's version."""
        revision = self._today.revise(conversation)
        return None if isinstance(revision, Pinned) else revision


class NotAsked(Struct, frozen=True):
    """Is what today's code does instead of asking the model: it raises, or ends the turn."""

    how: Literal["raises", "ends the turn"]
    why: str

    def __str__(self) -> str:
        return f"{self.how}: {self.why}"


def asked_today(point: Point, today: Journey) -> Conversation | NotAsked:
    """Return the conversation with the request that today's code makes at a point, or what it does instead."""
    conversation, asked = point.before, _Unpinned(today)
    try:
        for _ in range(MOST_QUESTIONS):
            command = needed(conversation, asked)
            if isinstance(command, Pinned):  # it is not, here
                break
            if isinstance(command, EndTurn):
                return NotAsked("ends the turn", command.reason)
            if command is None:
                break
            for event in decide(conversation, command):
                conversation = evolve(conversation, event)
            if isinstance(command, AskModel):
                return conversation
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  author code may raise anything, and nothing here waits
        return NotAsked("raises", described(error))
    return NotAsked("ends the turn", "the model would not be asked")


def chosen_now(asked: Conversation, answer: RecordAnswer, today: Journey) -> Choice:
    """Return the choice of a new answer, each call with why today's code would refuse it."""
    answered = settle(asked, None, answer).conversation
    turn = answered.turn
    if turn is None or turn.answer is None:
        return Choice()
    calls = tuple(
        Chosen(call.name, call.arguments, call.problem or "", _refusal(answered, call, today))
        for call in turn.answer.calls
    )
    return Choice(turn.answer.text, calls)


def _refusal(answered: Conversation, call: Call, today: Journey) -> str:
    if answered.turn is None:
        return ""
    try:
        verdict = verdict_of(answered, answered.turn, call, today)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  as above
        return f"raises {described(error)}"
    if not isinstance(verdict, RefuseTool):
        return ""
    return "not offered" if verdict.kind == "not_offered" else verdict.content.removeprefix("Error: ")


def compared(point: Point, now: Choice, today: Leading) -> tuple[Differs, ...]:
    """Return where a new choice differs from the recorded one."""
    found = differences(chosen_then(point), now)
    step = _step(point, now, today) if found else None
    return found if step is None else (*found, step)


def _step(point: Point, now: Choice, today: Leading) -> Differs | None:
    """Return how a choice leads elsewhere than the recorded one did; None if it does not, or nobody can know."""
    here = point.before.step
    then = point.moves[-1].to if point.moves else ""
    may: set[str] = set()
    for call in now.calls:
        to = () if call.refused else _leads(point, call.name, today)
        if to is None:
            return None
        may |= set(to)
    may.discard(here)
    if then in may or (not then and not may):
        return None
    elsewhere = f"may lead to {', '.join(sorted(may))}"
    return Differs("step", "", then or _staying(here), elsewhere if may else _staying(here))


def _leads(point: Point, tool: str, today: Leading) -> Collection[str] | None:
    """Return where a call may lead: where it led then, with whatever arguments, else as it is declared."""
    same = {call.index for call in point.calls if call.name == tool}
    moved = [move.to for move in point.moves if move.index in same]
    if moved:
        return moved
    if same.intersection(point.returned):
        return ()
    try:
        return today.leads(point.before, tool)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  as above
        return None


def _staying(step: str) -> str:
    return f"stays in {step}" if step else "stays"
