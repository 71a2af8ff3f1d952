"""The conversation: the value that everything is decided on, as `projections.evolution` folds it from the log."""

from collections.abc import Mapping
from sys import intern
from typing import Any

import msgspec
from immutables import Map
from msgspec import Struct

from ..events import ConversationId, Edits, Lineage, Status, UserSpoke
from .transcript import Transcript
from .turn import Ended, Turn


class Standing(Struct, frozen=True, gc=False):
    """Knows each text that stands in the log: where, and what stands at a version."""

    at: Map[int, str] = Map()
    where: Map[str, int] = Map()

    def add(self, version: int, text: str) -> "Standing":
        """Return this with `text`, which stands at `version`."""
        text = intern(text)  # the same prompt and tools stand in very many conversations
        return Standing(self.at.set(version, text), self.where.set(text, version))


class Left(Struct, frozen=True, gc=False):
    """Is a journey that was left: its state and step, as they will be when it is entered again.

    `journey_hash` is the version of the journey that they were recorded under.
    """

    state: Mapping[str, bytes]
    step: str
    journey_hash: str = ""


class Conversation(Struct, frozen=True, gc=False):
    """Is a conversation as it is after `version` events.

    Attributes:
        agent: the front agent, for ever; empty while nothing is recorded.
        journey: the journey that is on; at first the front agent's.
        journey_hash: the version of that journey which the state was recorded under, or which went on with it last.
        lineage: where it was cut from its parent, or None if it is no fork.
        root: the first ancestor of a fork, or the conversation itself; its secrets are bound to that.
        edits: what it and the forks that it descends from do otherwise than their parents; the last says the most.
        state: the journey's state, each top-level field as JSON bytes.
        left: the journeys that were left, by name.
        transcript: what was said, turn by turn.
        turn: the turn in progress, or None.
        turns: how many turns have begun.
        spoken: the last thing the user said that no turn has taken up, or None.
        reply: version and words of the last `agent.spoke` of the turn in progress.
        handled: command ids that had their effect, each with the turn that it began, 0 for one that began none; in a
            fork those of its own, since ids count in their conversation.
        ended: how the last turn ended, or None.
        poisoned: message ids of turns that came to too many lives, each with how many.
        prompts, tools: the texts that stand in the log.
        unknown: tags of events that this release does not know.
        withheld: whether some content could not be opened, so that this is only the structure; nobody decides on it.
        lost: whether some of that was erased, so that nobody ever opens it.

    """

    id: ConversationId
    version: int = 0
    agent: str = ""
    journey: str = ""
    journey_hash: str = ""
    lineage: Lineage | None = None
    root: str = ""
    edits: tuple[Edits, ...] = ()
    state: Mapping[str, bytes] = {}
    step: str = ""
    left: Map[str, Left] = Map()
    transcript: Transcript = Transcript()
    turn: Turn | None = None
    turns: int = 0
    spoken: tuple[int, UserSpoke] | None = None
    reply: tuple[int, str] = (0, "")
    handled: Map[str, int] = Map()
    ended: Ended | None = None
    poisoned: Map[str, int] = Map()
    prompts: Standing = Standing()
    tools: Standing = Standing()
    unknown: tuple[str, ...] = ()
    erased: bool = False
    withheld: bool = False
    lost: bool = False

    @property
    def status(self) -> Status:
        """`erased`, `running` while a turn is in progress, else `idle`."""
        if self.erased:
            return "erased"
        return "idle" if self.turn is None else "running"


def initial(id: ConversationId) -> Conversation:  # noqa: A002
    """Return the conversation of which nothing is recorded yet."""
    return Conversation(id=id, root=id)


def state_of(conversation: Conversation) -> dict[str, Any]:
    """Return the journey's state as plain data."""
    return as_plain(conversation.state)


def as_plain(state: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the fields of a state as plain data."""
    return {name: msgspec.json.decode(value) for name, value in state.items()}
