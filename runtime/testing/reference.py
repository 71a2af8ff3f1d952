"""The reference: a conversation told from its stored JSON in the most naive way, to hold the real folds against.

Nothing here is shared with `projections`, on purpose: plain dicts and lists, one loop, everything kept, nothing clever.
It is written from what `events/vocabulary.py` says that each event means.
"""

from collections.abc import Mapping
from typing import Any

Said = dict[str, Any]
"""One event as JSON says it, with its `type`."""


class Reference:
    """Is one conversation, told event by event.

    Attributes:
        talk: for each turn what was said in it, as tuples that begin with who said it.
        turn: the turn in progress, or None: its number, request, answer, started calls and results.
        usage: tokens of all answers.
        spoken, refused, cancelled: by command id, the turns that it began, and how often the other two happened.
        ends: how often each turn ended.
        starts: each call's starts, as (effect class, state before it).
        parent, root: the conversation that this one was forked from, and the first of those before it; empty for none.
        edits: the edits of all forks so far, the earliest first.

    """

    def __init__(self) -> None:
        self.version = 0
        self.agent = self.journey = self.step = ""
        self.state: dict[str, Any] = {}
        self.hash = ""
        self.left: dict[str, tuple[dict[str, Any], str, str]] = {}
        self.turn: dict[str, Any] | None = None
        self.turns = 0
        self.talk: dict[int, list[tuple[Any, ...]]] = {}
        self.usage: dict[str, int] = {}
        self.erased = False
        self.parent = self.root = ""
        self.edits: list[Said] = []
        self.spoken: dict[str, list[int]] = {}
        self.refused: dict[str, int] = {}
        self.cancelled: dict[str, int] = {}
        self.ends: dict[int, int] = {}
        self.starts: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self._waits: tuple[int, Said] = (0, {})
        self._prompts: dict[int, str] = {}

    def begin_erased(self, version: int, agent: str, turns: int, step: str) -> None:
        """Begin where all that was told is gone: a log that begins with its erasure."""
        self.version, self.agent, self.journey, self.turns, self.step = version, agent, agent, turns, step

    def add(self, event: Said) -> None:
        """Tell one more event."""
        self.version += 1
        tell = _TELL.get(event["type"])
        if tell is not None:
            getattr(self, tell)(event)

    @property
    def status(self) -> str:
        """`erased`, `running` or `idle`."""
        return "erased" if self.erased else "running" if self.turn is not None else "idle"

    @property
    def owed(self) -> tuple[Any, ...] | None:
        """What the world has still to do: ("model", request) or ("tool", answer, index, attempt), or None."""
        turn = self.turn
        if turn is None:
            return None
        if turn["waiting"]:
            return ("model", turn["request"])
        started = turn["started"]
        if started is not None and started[0] < len(turn["calls"]):
            return ("tool", turn["answer"], *started)
        return None

    def request(self, event: Said) -> tuple[str, list[tuple[Any, ...]]]:
        """Return prompt and entries of the request that was told last."""
        prompt = event.get("prompt")
        if prompt is None:
            prompt = self._prompts.get(event.get("prompt_at") or 0, "")
        window = range(event.get("first_turn", 0), event.get("last_turn", 0) + 1)
        return prompt, [entry for turn in window for entry in self.talk.get(turn, [])]

    # --- one method an event

    def _started(self, event: Said) -> None:
        lineage = event.get("lineage")
        if lineage is not None and self.agent != "":
            self._forked(lineage, event.get("edits"))
            return
        self.agent = self.journey = event["agent"]
        self.state, self.step = dict(event["state"]), event.get("step", "")
        self.hash = event["journey_hash"]
        for message in event.get("history", ()):
            self.talk.setdefault(0, []).append(("earlier", message))

    def _forked(self, lineage: Said, edits: Said | None) -> None:
        """Go on as a conversation of its own, which has heard of no command yet."""
        self.parent = lineage["parent"]
        self.root = self.root or lineage["parent"]
        if edits is not None:
            self.edits.append(edits)
        self.spoken, self.refused, self.cancelled = {}, {}, {}

    def _spoke(self, event: Said) -> None:
        self._waits = (self.version, event)
        self.spoken.setdefault(event["message_id"], []).append(self.turns + 1)

    def _turn_started(self, event: Said) -> None:
        at, said = self._waits
        self.turns = event["number"]
        self.turn = {
            "number": event["number"],
            "message_id": said.get("message_id", ""),
            "attempt": 1,
            "request": 0,
            "waiting": False,
            "answer": 0,
            "calls": [],
            "started": None,
            "results": 0,
            "usage": {},
        }
        self._waits = (0, {})
        self.talk.setdefault(self.turns, []).append(("user", at, said.get("text", "")))

    def _turn_resumed(self, event: Said) -> None:
        if self.turn is not None:
            self.turn["attempt"] = event["attempt"]

    def _ended(self, event: Said) -> None:
        if self.turn is not None:
            number = self.turn["number"]
            self.ends[number] = self.ends.get(number, 0) + 1
            self.turn = None
        if event["type"] == "turn.cancelled" and event["command_id"]:
            self.cancelled[event["command_id"]] = self.cancelled.get(event["command_id"], 0) + 1

    def _refused(self, event: Said) -> None:
        self.refused[event["command_id"]] = self.refused.get(event["command_id"], 0) + 1

    def _requested(self, event: Said) -> None:
        if event.get("prompt") is not None:
            self._prompts[self.version] = event["prompt"]
        if self.turn is not None:
            self.turn.update(request=self.version, waiting=True, answer=0, calls=[], started=None, results=0)

    def _answered(self, event: Said) -> None:
        usage = event.get("usage", {})
        turn = self.turn
        if turn is None:
            return
        for total in (self.usage, turn["usage"]):
            for name, count in usage.items():
                total[name] = total.get(name, 0) + count
        listed = event["message"].get("tool_calls")
        calls = listed if isinstance(listed, list) else []
        turn.update(waiting=False, answer=self.version, calls=calls, started=None, results=0)
        content = event["message"].get("content")
        text = content if isinstance(content, str) else ""
        self.talk.setdefault(turn["number"], []).append(("assistant", self.version, text, calls))

    def _model_failed(self, _event: Said) -> None:
        if self.turn is not None:
            self.turn["waiting"] = False

    def _tool_started(self, event: Said) -> None:
        call = call_of(event)
        self.starts.setdefault(call, []).append((event.get("effect", "once"), dict(self.state)))
        if self.turn is not None and event.get("cause") == self.turn["answer"] != 0:
            self.turn["started"] = (event.get("index", 0), event.get("attempt", 1))

    def _tool_ended(self, event: Said) -> None:
        turn = self.turn
        if turn is None or turn["answer"] == 0 or event.get("cause") != turn["answer"]:
            return
        turn["started"] = None
        turn["results"] += 1
        failed = event["type"] == "tool.failed"
        entry = ("tool", self.version, turn["answer"], event.get("index", 0), event["content"], failed)
        self.talk.setdefault(turn["number"], []).append(entry)

    def _state_changed(self, event: Said) -> None:
        self.state = {name: value for name, value in self.state.items() if name not in event.get("unset", ())}
        self.state.update(event.get("set", {}))

    def _step_entered(self, event: Said) -> None:
        self.step = event["step"]

    def _journey_entered(self, event: Said) -> None:
        self.left[self.journey] = (self.state, self.step, self.hash)
        again = self.left.pop(event["journey"], None)
        self.journey, self.step = event["journey"], event.get("step", "")
        resumed = event.get("resumed", False) and again is not None
        self.state = again[0] if resumed and again is not None else dict(event.get("state", {}))
        self.hash = again[2] if resumed and again is not None else event.get("journey_hash", "")

    def _journey_revised(self, event: Said) -> None:
        self.hash = event["journey_hash"]

    def _erased(self, _event: Said) -> None:
        self.erased = True
        self.turn = None
        self._waits = (0, {})
        self.state, self.left, self.talk = {}, {}, {}
        self.edits, self._prompts = [], {}


def call_of(event: Mapping[str, Any]) -> str:
    """Return which call a tool event concerns."""
    return f"{event.get('cause') or 0}.{event.get('index', 0)}"


_TELL = {
    "conversation.started": "_started",
    "user.spoke": "_spoke",
    "turn.started": "_turn_started",
    "turn.resumed": "_turn_resumed",
    "turn.completed": "_ended",
    "turn.failed": "_ended",
    "turn.cancelled": "_ended",
    "command.refused": "_refused",
    "model.requested": "_requested",
    "model.answered": "_answered",
    "model.failed": "_model_failed",
    "tool.started": "_tool_started",
    "tool.returned": "_tool_ended",
    "tool.failed": "_tool_ended",
    "state.changed": "_state_changed",
    "step.entered": "_step_entered",
    "journey.entered": "_journey_entered",
    "journey.revised": "_journey_revised",
    "conversation.erased": "_erased",
}
