"""Comparing what was recorded with what today's code makes of it, as both go on."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ...events import (
    AnyEvent,
    ConversationStarted,
    Frame,
    JourneyEntered,
    ModelAnswered,
    StateChanged,
    StepEntered,
    ToolFailed,
    ToolReturned,
    ToolStarted,
)
from ...projections import (
    Call,
    Conversation,
    Ended,
    OwedToolCall,
    Request,
    called,
    calls_of,
    field_changes,
    outstanding,
)
from .divergence import Aspect, Divergence

TAKEN_UP = "; the next turn is taken up as it was recorded"
"""Says what comes after a turn with which a replay cannot go on."""

UNSET = "not set"
"""Stands for a field that a state does not have."""


class _About(Struct, frozen=True):
    """Names what is said of a call: which call of which answer of which turn."""

    aspect: Aspect
    turn: int
    rounds: int
    index: int


class _Said(Struct, frozen=True):
    """Says what became of a call, and how it was called; what it is called is no difference."""

    what: str
    call: str


class Differences:
    """Collects the differences between two folds of one conversation."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str, str], Divergence] = {}
        self._differing: dict[tuple[Aspect, str], tuple[str, str]] = {}
        self._then: dict[_About, tuple[int, _Said]] = {}
        self._now: dict[_About, _Said] = {}
        self._over = 0

    @property
    def found(self) -> tuple[Divergence, ...]:
        """The differences, in the order in which they show; what was found again counts once."""
        return tuple(self._found.values())

    def again(self) -> None:
        """Begin anew, with two folds that are the same."""
        self._differing.clear()
        self._then.clear()
        self._now.clear()

    # --- calls

    def recorded(self, before: Conversation, frame: Frame) -> None:
        """Take what the events of a frame say of calls: run, or refused, and what they came to."""
        for about, (version, said) in _calls(before, frame.events).items():
            self._then[about] = version, said

    def decided(self, before: Conversation, events: Sequence[AnyEvent]) -> None:
        """Take what was decided today of calls."""
        self._now |= {about: said for about, (_, said) in _calls(before, events).items()}

    def calls(self, turn: int) -> None:
        """Compare what both say of the same calls."""
        for about in [about for about in self._now if about in self._then]:
            version, then = self._then.pop(about)
            now = self._now.pop(about)
            if then.what != now.what:
                self._add(about.aspect, version, turn, then.what, now.what, then.call)

    # --- what the model is given

    def requests(self, then: Conversation, now: Conversation) -> None:
        """Compare the requests that the model has not answered yet, if it is the same answer that both wait for."""
        one, other = _waiting(then), _waiting(now)
        if one is None or other is None or _rounds(then) != _rounds(now) or _place(then) != _place(now):
            return
        step = now.step or now.journey
        pairs: list[tuple[Aspect, str, str]] = [
            ("window", _window(one), _window(other)),
            ("parameters", _text(one.parameters), _text(other.parameters)),
            ("tools", tools_given(one), tools_given(other)),
            ("prompt", one.prompt, other.prompt),
        ]
        for aspect, before, after in pairs:
            if before != after:
                self._add(aspect, one.version, then.turns, before, after, step, follows=bool(self._differing))

    # --- where the conversation is

    def states(self, then: Conversation, now: Conversation, frame: Frame) -> None:
        """Compare journey, step and state; a field is told once, where it begins to differ."""
        if then.state == now.state and _place(then) == _place(now):
            self._differing.clear()
            return
        differing = _differing(then, now)
        for (aspect, subject), (one, other) in differing.items():
            known = self._differing.get((aspect, subject))
            if known is None or (aspect != "state" and known != (one, other)):
                self._add(aspect, _where(frame, aspect), then.turns, one, other, subject)
        self._differing = differing

    def read(self, then: Conversation, now: Conversation, read: tuple[Mapping[str, bytes], str] | str) -> None:
        """Compare the last state and step with how today's code reads them; a text says why it cannot."""
        if isinstance(read, str):
            self._add("state", then.version, then.turns, "as recorded", f"today's code cannot read it: {read}")
            return
        fields, step = read
        if step != now.step and ("step", "") not in self._differing:
            self._differing["step", ""] = now.step, step
            self._add("step", then.version, then.turns, now.step, step)
        for field, (one, other) in fields_differing(now.state, fields).items():
            if ("state", field) not in self._differing:
                self._differing["state", field] = one, other
                self._add("state", then.version, then.turns, one, other, field)

    def remaining(self, then: Conversation, now: Conversation) -> tuple[Divergence, ...]:
        """Return what still differs at the end: where the conversation is, what is known, what was said last."""
        pairs = dict(self._differing)
        one, other = then.ended, now.ended
        if one is not None and other is not None and one.turn == other.turn and one.text != other.text:
            pairs["reply", ""] = one.text, other.text
        return tuple(
            Divergence(aspect=aspect, version=then.version, turn=then.turns, subject=subject, then=old, now=new)
            for (aspect, subject), (old, new) in pairs.items()
        )

    # --- how turns end

    def over(self, then: Conversation, now: Conversation, version: int) -> None:
        """Compare whether a turn goes on, as soon as today's code ends one that went on then."""
        ended = now.ended
        if then.turn is None or now.turn is not None or ended is None or ended.turn != then.turn.number:
            return
        if self._over != ended.turn:
            self._over = ended.turn
            self._add("outcome", version, ended.turn, owing(then), outcome_of(ended))

    def ends(self, before: Conversation, then: Conversation, now: Conversation) -> None:
        """Compare how a turn ended, where one just did."""
        ended = then.ended
        if ended is None or before.ended is ended:
            return
        same = now.ended if now.ended is not None and now.ended.turn == ended.turn else None
        one, other = outcome_of(ended), f"{owing(now)}{TAKEN_UP}" if same is None else outcome_of(same)
        if self._over != ended.turn and one.partition(": ")[0] != other.partition(": ")[0]:
            self._add("outcome", ended.version, ended.turn, one, other)
        if same is not None and same.text != ended.text:
            self._add("reply", ended.version, ended.turn, ended.text, same.text)

    def cannot_begin(self, version: int, why: str) -> None:
        """Take that today's code could not begin the conversation."""
        self._add("outcome", version, 0, "the conversation began", f"it could not begin: {why}")

    def lost(self, then: Conversation, why: str) -> None:
        """Take that the log has nothing to go on with."""
        self._add("outcome", then.version, then.turns, "as recorded", f"unknown: {why}{TAKEN_UP}")

    def _add(
        self, aspect: Aspect, version: int, turn: int, then: str, now: str, subject: str = "", *, follows: bool = False
    ) -> None:
        found = Divergence(
            aspect=aspect, version=version, turn=turn, subject=subject, then=then, now=now, follows=follows
        )
        known = self._found.get(found.same)
        self._found[found.same] = found if known is None else replace(known, times=known.times + 1)


def fields_differing(then: Mapping[str, bytes], now: Mapping[str, bytes]) -> dict[str, tuple[str, str]]:
    """Return the fields of two states that differ, by name, each as JSON."""
    changes = sorted(field_changes(then, now), key=lambda change: change.field)
    return {change.field: (_json(change.before), _json(change.after)) for change in changes}


def owing(conversation: Conversation) -> str:
    """Return that a turn goes on, and with what."""
    again = " again" if _rounds(conversation) else ""
    match outstanding(conversation):
        case None:
            return "goes on"
        case OwedToolCall(call=call):
            return f"goes on: {called(call)} is run"
        case _:
            return f"goes on: the model is asked{again}"


def outcome_of(ended: Ended) -> str:
    """Return how a turn ended, in words."""
    why = f" ({ended.reason})" if ended.reason else ""
    return f"{ended.outcome}{why}{f': {ended.error}' if ended.error else ''}"


def tools_given(request: Request) -> str:
    """Return the tools of a request with their effect classes, as JSON, in the order in which a model reads them."""
    effects = dict(sorted(request.effects.items()))
    return msgspec.json.encode({"effects": effects, "tools": Raw(request.tools.encode() or b"[]")}).decode()


def _calls(before: Conversation, events: Sequence[AnyEvent]) -> dict[_About, tuple[int, _Said]]:
    """Return what events say of calls, and where: whether one was run or refused, and what it came to that was run."""
    said: dict[_About, tuple[int, _Said]] = {}
    answer = None if before.turn is None else before.turn.answer
    running = None if answer is None else answer.running
    calls = {} if answer is None else {answer.version: answer.calls}
    rounds = _rounds(before)
    for version, event in enumerate(events, before.version + 1):
        aspect: Aspect = "call"
        match event:
            case ModelAnswered():
                rounds += 1
                calls[version] = calls_of(event.message)
                continue
            case ToolStarted(attempt=1):
                what = f"run as {event.effect}"
            case ToolReturned():
                aspect, what = "result", event.content
            case ToolFailed(kind="cancelled" | "in_doubt"):
                continue
            case ToolFailed() if running is not None and running.index == event.index:
                aspect, what = "result", f"failed ({event.kind}): {event.content}"
            case ToolFailed():
                what = f"refused ({event.kind}): {event.content}"
            case _:
                continue
        named = _named(calls.get(event.cause or 0, ()), event)
        said[_About(aspect, before.turns, rounds, event.index)] = version, _Said(what, named)
    return said


def _named(calls: Sequence[Call], event: ToolStarted | ToolReturned | ToolFailed) -> str:
    return called(calls[event.index]) if 0 <= event.index < len(calls) else str(event.call)


def _differing(then: Conversation, now: Conversation) -> dict[tuple[Aspect, str], tuple[str, str]]:
    """Return where two conversations are in different places, and what they know otherwise."""
    differing: dict[tuple[Aspect, str], tuple[str, str]] = {}
    if then.journey != now.journey:
        differing["journey", ""] = then.journey, now.journey
    if then.step != now.step:
        differing["step", ""] = then.step, now.step
    for field, pair in fields_differing(then.state, now.state).items():
        if field != "step" or then.step == now.step:  # which is told already
            differing["state", field] = pair
    return differing


def _where(frame: Frame, aspect: Aspect) -> int:
    """Return the event of a frame at which a difference shows: what moved or changed it, else the last."""
    moved: type[StateChanged | StepEntered] = StateChanged if aspect == "state" else StepEntered
    for kinds in (
        (moved, JourneyEntered, ConversationStarted),
        (StateChanged, StepEntered),
        (ToolReturned, ToolFailed),
    ):
        for version, event in reversed([*frame.numbered()]):
            if isinstance(event, kinds):
                return version
    return frame.last


def _rounds(conversation: Conversation) -> int:
    return 0 if conversation.turn is None else conversation.turn.rounds


def _place(conversation: Conversation) -> tuple[str, str]:
    return conversation.journey, conversation.step


def _waiting(conversation: Conversation) -> Request | None:
    turn = conversation.turn
    return None if turn is None or not turn.waiting else turn.request


def _window(request: Request) -> str:
    """Return which turns the model is given, reckoned from the last, so that the same is said in every turn."""
    length = request.last_turn - request.first_turn + 1
    return f"the last {length} turns" if request.first_turn else "all turns"


def _json(value: bytes | None) -> str:
    return UNSET if value is None else value.decode(errors="replace")


def _text(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
