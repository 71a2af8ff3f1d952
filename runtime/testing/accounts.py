"""The account of one conversation: what its log says, beside what was promised, asked and run."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...actors.journey import PREFIX, REDACTED, TOKEN
from ...events import (
    START,
    ConversationId,
    CorruptLog,
    Frame,
    Head,
    Stored,
    begins_erased,
    decode_frame,
    encode_frame,
    frame_hash,
    lineage_of,
)
from ...events.codec import is_sealed
from ...projections import (
    AssistantMessage,
    Conversation,
    EarlierMessage,
    OwedModelCall,
    ToolMessage,
    UserMessage,
    fold,
    initial,
    outstanding,
    state_of,
)
from .chat import Line, lines_of, problem_of, told
from .reference import Reference, Said, call_of

_frame: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])

Problems = list[tuple[int, str]]
"""What does not hold, as (rule, why)."""


class Account:
    """Keeps the account of one conversation, and says of each entry what does not hold after it.

    That of a fork begins with the frames that it has from its parent, which stand at no position of its own.
    """

    def __init__(self, conversation: ConversationId, looked: dict[int, int]) -> None:
        self._id = conversation
        self._looked = looked
        self._head = START
        self.stored: list[Stored] = []
        self._now = initial(conversation)
        self._told = Reference()
        self._commands: set[str] = set()
        self._keys: dict[str, str] = {}
        self._begun: dict[str, int] = {}
        self._named: dict[str, str] = {}
        self._calls: dict[str, str] = {}
        self._done: set[str] = set()
        self._answered: set[int] = set()
        self._requests: dict[str, int] = {}
        self._asked: dict[str, int] = {}
        self._lines: dict[str, list[Line] | None] = {}
        self._last = ""

    @property
    def running(self) -> bool:
        """Whether a turn is in progress."""
        return self._told.turn is not None

    # --- entries

    def frame(self, stored: Stored) -> Problems:
        """Enter a frame; what is sealed in it must have been opened."""
        if not self.stored and begins_erased(stored.frame, START):
            self._begin_erased(stored.frame)
        problems = self._chain(stored)
        self._head = stored.head
        self.stored.append(stored)
        previous = ""
        for event in _frame.decode(_in_clear(stored))["events"]:
            problems += self._event(event, previous)
            self._told.add(event)
            self._outcome(event)
            previous = event["type"]
        self._now = fold(self._now, [stored.frame])
        return problems + self._folds(stored.frame) + self._doubled()

    def command(self, id_: str) -> Problems:
        """Enter a command that was acknowledged to its sender."""
        self._commands.add(id_)
        return []

    def finished(self, id_: str) -> Problems:
        """Enter a command that a worker acknowledged."""
        self._looked[1] += 1
        return [] if self.has_outcome(id_) else [(1, f"command {id_!r} was acknowledged before it had an outcome")]

    def tool(self, name: str, effect: str | None, key: str, call: str, state: dict[str, Any] | None) -> Problems:
        """Enter the start of a tool."""
        self._looked[3] += 1
        where, _, at = key.rpartition("@")
        starts = self._told.starts.get(at, []) if where == self._id else []
        problems: Problems = []
        if not starts:
            problems.append((3, f"tool {name!r} ran under key {key!r}, which is no call that is recorded as started"))
        begun = self._begun[key] = self._begun.get(key, 0) + 1
        recorded = starts[-1][0] if starts else effect
        if begun > 1 and "once" in (effect, recorded):
            problems.append((3, f"tool {name!r}, which is `once`, started {begun} times under key {key!r}"))
        elif starts and begun > len(starts):
            problems.append((3, f"tool {name!r} ran {begun} times, and {len(starts)} starts are recorded: {key!r}"))
        if call and effect != "read" and self._keys.setdefault(call, key) != key:
            problems.append((3, f"one call of {name!r} has two keys: {self._keys[call]!r} and {key!r}"))
        if call and self._named.setdefault(key, call) != call:
            problems.append((3, f"two calls of {name!r} have one key: {key!r}"))
        if state is not None and starts:
            self._looked[5] += 1
            before = starts[-1][1]
            # one that is run again may see what a new version of the journey made of the state meanwhile
            if all(state != hidden(seen) for _, seen in starts):
                problems.append((5, f"tool {name!r} saw {_differences(state, before)} at {key!r}"))
        return problems

    def model(self, request: str, messages: Sequence[Mapping[str, Any]] | None) -> Problems:
        """Enter a request that the model got."""
        problems: Problems = []
        if messages is not None:
            self._looked[6] += 1
            problem = problem_of(messages)
            if problem is not None:
                problems.append((6, f"the model was sent an invalid transcript: {problem}"))
        if not request:
            return problems
        self._looked[3] += 1
        asked = self._asked[request] = self._asked.get(request, 0) + 1
        recorded = self._requests.get(request, 0)
        if recorded == 0:
            owed = self._told.owed
            if owed is None or owed[0] != "model":
                problems.append((3, f"the model was asked before that is recorded: {request[:12]}"))
            else:
                problems.append((6, f"the model was sent something else than the log requests: {request[:12]}"))
        elif asked > recorded:
            problems.append(
                (3, f"the model was asked {asked} times what is {recorded} times requested: {request[:12]}")
            )
        lines = self._lines.get(request)
        if messages is not None and lines is not None and lines_of(messages) != lines:
            problems.append((6, f"the model was sent {lines_of(messages)!r:.300}, not {lines!r:.300}"))
        return problems

    def read(self, state: Mapping[str, Any], version: int) -> Problems:
        """Enter a state that somebody read, after `version`."""
        if version != self._told.version or dict(state) == self._told.state:
            return []
        return [(4, f"a reader saw {_differences(state, self._told.state)} at version {version}")]

    def settled(self) -> Problems:
        """Close the account."""
        problems: Problems = []
        for id_ in sorted(self._commands):
            self._looked[1] += 1
            if not self.has_outcome(id_):
                problems.append((1, f"command {id_!r} was acknowledged and has no outcome: it is lost"))
        self._looked[8] += 1
        if self._told.turn is not None:
            problems.append((8, f"turn {self._told.turns} is in progress for ever: it is stuck"))
        frames = [one.frame for one in self.stored]
        for at in {0, len(frames) // 3, len(frames) // 2}:
            self._looked[4] += 1
            parts = fold(fold(initial(self._id), frames[:at]), frames[at:])
            if parts != self._now:
                problems.append((4, f"the log folds to something else in parts, cut after {at} frames"))
        return problems + self._transcript(range(self._told.turns + 1))

    def outcomes(self, id_: str) -> int:
        """Return how many outcomes a command has."""
        told = self._told
        return len(told.spoken.get(id_, ())) + told.refused.get(id_, 0) + told.cancelled.get(id_, 0)

    def has_outcome(self, id_: str) -> bool:
        """Say whether a command has an outcome, which for one that began a turn is the end of that turn."""
        turns = self._told.spoken.get(id_, ())
        return self.outcomes(id_) > 0 and all(self._told.ends.get(turn, 0) for turn in turns)

    # --- checks

    def _doubled(self) -> Problems:
        told = self._told
        doubled = [id_ for id_ in {*told.spoken, *told.refused, *told.cancelled} if self.outcomes(id_) > 1]
        ended = [turn for turn, count in told.ends.items() if count > 1]
        return [(1, f"command {id_!r} has {self.outcomes(id_)} outcomes") for id_ in sorted(doubled)] + [
            (1, f"turn {turn} ended {told.ends[turn]} times") for turn in ended
        ]

    def _chain(self, stored: Stored) -> Problems:
        self._looked[2] += 1
        frame, head = stored.frame, self._head
        problems: Problems = []
        if frame.first != head.version + 1 or frame.prev != head.hash:
            problems.append((2, f"version {frame.first} does not continue {head.version}: a gap, or a fork"))
        if (
            head.version
            and not head.position
            and not stored.inherited
            and (self.stored or not frame.erases)
            and _cut(stored.data) != (head.version, head.hash)
        ):
            problems.append((2, f"version {frame.first} is the first of a fork, and says another cut"))
        if stored.head.hash != frame_hash(stored.data) or stored.head.version != frame.last:
            problems.append((2, f"the head after version {frame.first} is not that of its bytes"))
        if head.position if stored.inherited else stored.head.position <= head.position:
            problems.append((2, f"version {frame.first} stands at {stored.head.position}, before {head.position}"))
        try:
            if decode_frame(_in_clear(stored)) != frame or frame.sealed:
                problems.append((2, f"the bytes of version {frame.first} hold something else"))
        except CorruptLog as error:
            problems.append((2, str(error)))
        return problems

    def _begin_erased(self, frame: Frame) -> None:
        """Begin with an erasure: what was before it is gone, and it says what is known of that."""
        self._head = frame.before
        self._told.begin_erased(frame.first - 1, frame.agent, frame.turn, frame.step)

    def _event(self, event: Said, previous: str) -> Problems:
        """Check an event against what is before it."""
        turn, version, tag = self._told.turn, self._told.version + 1, event["type"]
        self._looked[3] += 1
        if tag == "model.requested":
            if turn is not None and turn["waiting"] and previous != "turn.resumed":
                return [(3, f"the model is asked again at version {version} while it owes an answer")]
            if event["request"] in self._done:
                return [(3, f"what is asked at version {version} was answered in this turn: {event['request'][:12]}")]
        if tag in ("model.answered", "model.failed") and event.get("cause") in self._answered:
            return [(3, f"the request at version {event.get('cause')} has two outcomes")]
        if tag == "tool.started":
            call, starts = call_of(event), self._told.starts.get(call_of(event), ())
            if call in self._calls:
                return [(3, f"call {call} is started at version {version}, and {self._calls[call]} is recorded of it")]
            if starts and "once" in (event.get("effect", "once"), starts[-1][0]):
                return [(3, f"call {call} of a `once` tool is started again at version {version}")]
        if tag in ("tool.returned", "tool.failed") and call_of(event) in self._calls:
            return [(3, f"call {call_of(event)} has two outcomes, the second at version {version}")]
        return []

    def _outcome(self, event: Said) -> None:
        """Remember what an event, which was just told, settles."""
        tag = event["type"]
        if event.get("lineage") is not None:
            self._requests.clear()  # what the parent requested, it asked
        if tag == "model.requested":
            request = event["request"]
            self._requests[request] = self._requests.get(request, 0) + 1
            if request not in self._lines:
                self._lines[request] = told(*self._told.request(event))
            self._last = request
        elif tag in ("model.answered", "model.failed"):
            self._answered.add(event.get("cause") or 0)
            if tag == "model.answered":
                self._done.add(self._last)
        elif tag in ("tool.returned", "tool.failed"):
            self._calls[call_of(event)] = tag
        elif tag == "turn.started":
            self._done.clear()

    def _folds(self, frame: Frame) -> Problems:
        self._looked[4] += 1
        now, told = self._now, self._told
        pairs: tuple[tuple[str, object, object], ...] = (
            ("version", now.version, told.version),
            ("agent", now.agent, told.agent),
            ("journey", now.journey, told.journey),
            ("state", state_of(now), told.state),
            ("step", now.step, told.step),
            ("journey hash", now.journey_hash, told.hash),
            ("journeys left", {name: (one.step, one.journey_hash) for name, one in now.left.items()}, _left(told)),
            ("status", now.status, told.status),
            ("parent", "" if now.lineage is None else now.lineage.parent, told.parent),
            ("root", now.root, told.root or now.id),
            ("edits", msgspec.to_builtins(now.edits), tuple(told.edits)),
            ("commands", {*now.handled}, {*told.spoken, *told.refused, *told.cancelled}),
            ("turns", now.turns, told.turns),
            ("what is owed", _owed(now), told.owed),
            ("usage", {} if now.turn is None else now.turn.usage, {} if told.turn is None else told.turn["usage"]),
            ("frame", (frame.agent, frame.turn, frame.step, frame.status, frame.parent), _summary(told)),
        )
        problems: Problems = [
            (4, f"{what} folds to {one!r:.200} and not to {other!r:.200} at version {now.version}")
            for what, one, other in pairs
            if one != other
        ]
        return problems + self._transcript(range(now.turns, now.turns + 1))

    def _transcript(self, turns: range) -> Problems:
        if self._told.erased:
            return []
        return [
            (4, f"the transcript of turn {turn} folds to something else at version {self._now.version}")
            for turn in turns
            if _entries(self._now, turn) != [_plain(entry) for entry in self._told.talk.get(turn, [])]
        ]


def _owed(now: Conversation) -> tuple[Any, ...] | None:
    owed = outstanding(now)
    if owed is None:
        return None
    if isinstance(owed, OwedModelCall):
        return ("model", owed.request.version)
    return ("tool", owed.answer, owed.call.index, owed.running.attempt)


def _left(told_: Reference) -> dict[str, tuple[str, str]]:
    return {name: (step, version) for name, (_, step, version) in told_.left.items()}


def _summary(told_: Reference) -> tuple[Any, ...]:
    return (told_.agent, told_.turns, told_.step, told_.status, told_.parent)


def _cut(first: bytes) -> tuple[int, str]:
    """Return after which version and hash a fork was cut, as the stored JSON of its first frame says."""
    lineage = _frame.decode(first)["events"][0].get("lineage") or {}
    return lineage.get("version", 0), lineage.get("frame", "")


def inherited_by(first: Stored, logs: Mapping[ConversationId, Sequence[Stored]]) -> list[Stored]:
    """Return the frames that a fork has from its parent, of which `logs` has all; `first` is the first of its own."""
    lineage = lineage_of(first.frame)
    if lineage is None:
        return []
    parents = logs.get(ConversationId(lineage.parent), ())
    return [
        Stored(first.conversation, one.frame, Head(one.head.version, 0, one.head.hash), one.data)
        for one in parents
        if one.head.version <= lineage.version
    ]


def _entries(now: Conversation, turn: int) -> list[tuple[Any, ...]]:
    """Return a turn's transcript in the words of the reference, calls counted only."""
    entries: list[tuple[Any, ...]] = []
    for entry in now.transcript.window(turn, turn):
        match entry:
            case UserMessage():
                entries.append(("user", entry.version, entry.text))
            case AssistantMessage():
                entries.append(("assistant", entry.version, entry.text, len(entry.calls)))
            case ToolMessage():
                entries.append(("tool", entry.version, entry.answer, entry.index, entry.text, entry.failed))
            case EarlierMessage():
                entries.append(("earlier", entry.message))
    return entries


def _plain(entry: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*entry[:3], len(entry[3])) if entry[0] == "assistant" else entry


def _differences(saw: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    names = [name for name in sorted({*saw, *before}) if saw.get(name, ...) != before.get(name, ...)]
    shown = ", ".join(f"{name}={saw.get(name, '(not there)')!r:.80}" for name in names)
    logged = ", ".join(f"{name}={before.get(name, '(not there)')!r:.80}" for name in names)
    return f"{shown}, where the log folds to {logged}"


def hidden(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state with its secrets hidden, as whoever watches tools tells of them."""
    text = msgspec.json.encode(state).decode()
    if PREFIX not in text:
        return state
    made: dict[str, Any] = msgspec.json.decode(TOKEN.sub(REDACTED, text))
    return made


def _in_clear(stored: Stored) -> bytes:
    """Return the bytes of a frame as they would be if nothing were sealed in it."""
    return encode_frame(stored.frame, limit=None) if is_sealed(stored.data) else stored.data
