"""Comparing what was recorded with what today's code makes of it, as both go on."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...events import AnyEvent, Frame, ModelAnswered, ToolFailed, ToolReturned, ToolStarted
from ...projections import Conversation, Ended, OwedToolCall, Request, called, outstanding
from .divergence import Aspect, Divergence

UNSET = "not set"
"""Stands for a field that a state does not have."""


class _About(Struct, frozen=True):
    """Names what is said of a call: which call of which answer of which turn."""

    aspect: Aspect
    turn: int
    rounds: int
    index: int


class _Said(Struct, frozen=True):
    what: str
    call: str = ""


class Comparison:
    """Collects the differences between two folds of one conversation."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str, str], Divergence] = {}
        self._differing: dict[tuple[Aspect, str], tuple[str, str]] = {}
        self._then: dict[_About, tuple[int, _Said]] = {}
        self._now: dict[_About, _Said] = {}

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

    def recorded(self, before: Conversation, after: Conversation, frame: Frame) -> None:
        """Take what the events of a frame say of calls: run, or refused, and what they came to."""
        for about, said in _calls(before, after, frame.events).items():
            self._then[about] = frame.first, said

    def decided(self, before: Conversation, after: Conversation, events: Sequence[AnyEvent]) -> None:
        """Take what was decided today of calls."""
        self._now |= _calls(before, after, events)

    def calls(self, turn: int) -> None:
        """Compare what both say of the same calls."""
        for about in [about for about in self._now if about in self._then]:
            version, then = self._then.pop(about)
            now = self._now.pop(about)
            if then != now:
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

    def states(self, then: Conversation, now: Conversation, version: int) -> None:
        """Compare journey, step and state; a difference is told once, where it begins or changes."""
        if then.state == now.state and _place(then) == _place(now):
            self._differing.clear()
            return
        differing: dict[tuple[Aspect, str], tuple[str, str]] = {}
        if then.journey != now.journey:
            differing["journey", ""] = then.journey, now.journey
        if then.step != now.step:
            differing["step", ""] = then.step, now.step
        for field, pair in fields_differing(then.state, now.state).items():
            if field != "step" or then.step == now.step:  # which is told already
                differing["state", field] = pair
        for (aspect, subject), (one, other) in differing.items():
            if self._differing.get((aspect, subject)) != (one, other):
                self._add(aspect, version, then.turns, one, other, subject)
        self._differing = differing

    def read(self, then: Conversation, read: tuple[Mapping[str, bytes], str] | None) -> None:
        """Compare the last state and step with how today's code reads them; None stands for code that cannot."""
        if read is None:
            why = "today's code cannot read the state"
            self._add("state", then.version, then.turns, "readable", why)
            return
        fields, step = read
        if step != then.step and ("step", "") not in self._differing:
            self._add("step", then.version, then.turns, then.step, step)
        for field, (one, other) in fields_differing(then.state, fields).items():
            if ("state", field) not in self._differing:
                self._add("state", then.version, then.turns, one, other, field)

    # --- how turns end

    def ends(self, before: Conversation, then: Conversation, now: Conversation) -> None:
        """Compare how a turn ended, where one just did."""
        ended = then.ended
        if ended is None or before.ended is ended:
            return
        same = now.ended if now.ended is not None and now.ended.turn == ended.turn else None
        one, other = outcome_of(ended), f"not over: {owing(now)}" if same is None else outcome_of(same)
        if one.partition(": ")[0] != other.partition(": ")[0]:
            self._add("outcome", ended.version, ended.turn, one, other)
        if same is not None and same.text != ended.text:
            self._add("reply", ended.version, ended.turn, ended.text, same.text)

    def cannot_begin(self, why: str) -> None:
        """Take that today's code could not begin the conversation."""
        self._add("outcome", 1, 0, "the conversation began", why)

    def lost(self, then: Conversation, why: str) -> None:
        """Take that the log has nothing to go on with."""
        self._add("outcome", then.version, then.turns, "as recorded", f"unknown: {why}")

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
    names = sorted(then.keys() | now.keys())
    return {name: (_field(then, name), _field(now, name)) for name in names if then.get(name) != now.get(name)}


def owing(conversation: Conversation) -> str:
    """Return what a conversation waits for."""
    match outstanding(conversation):
        case None:
            return "nothing"
        case OwedToolCall(call=call):
            return f"{called(call)} would run"
        case _:
            return "the model would be asked again"


def outcome_of(ended: Ended) -> str:
    """Return how a turn ended, in words."""
    why = f" ({ended.reason})" if ended.reason else ""
    return f"{ended.outcome}{why}{f': {ended.error}' if ended.error else ''}"


def tools_given(request: Request) -> str:
    """Return the tools of a request with their effect classes, as JSON."""
    tools = msgspec.json.decode(request.tools) if request.tools else []
    return _text({"tools": tools, "effects": dict(sorted(request.effects.items()))})


def _calls(before: Conversation, after: Conversation, events: Sequence[AnyEvent]) -> dict[_About, _Said]:
    """Return what events say of calls: whether one was run or refused, and what one came to that was run."""
    said: dict[_About, _Said] = {}
    running = None if before.turn is None or before.turn.answer is None else before.turn.answer.running
    rounds = _rounds(before) + sum(isinstance(event, ModelAnswered) for event in events)
    for event in events:
        aspect: Aspect = "call"
        match event:
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
        said[_About(aspect, before.turns, rounds, event.index)] = _Said(what, _call_at(after, before, event))
    return said


def _call_at(after: Conversation, before: Conversation, event: ToolStarted | ToolReturned | ToolFailed) -> str:
    for conversation in (after, before):
        answer = None if conversation.turn is None else conversation.turn.answer
        if answer is not None and answer.version == event.cause and event.index < len(answer.calls):
            return called(answer.calls[event.index])
    return str(event.call)


def _rounds(conversation: Conversation) -> int:
    return 0 if conversation.turn is None else conversation.turn.rounds


def _place(conversation: Conversation) -> tuple[str, str]:
    return conversation.journey, conversation.step


def _waiting(conversation: Conversation) -> Request | None:
    turn = conversation.turn
    return None if turn is None or not turn.waiting else turn.request


def _window(request: Request) -> str:
    return f"turns {request.first_turn} to {request.last_turn}"


def _field(state: Mapping[str, bytes], name: str) -> str:
    return state[name].decode(errors="replace") if name in state else UNSET


def _text(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
