"""Deciding an old conversation again, frame by frame, with the code of today.

Two folds go side by side: `then` is what was recorded; `now` is what today's code makes of the same inputs.  What
people said, what the model answered, what a tool came to and which fields it changed is taken from the log; what is
decided of it, which prompt and tools the model is given, whether a call may run, when a turn is over, is asked of
today's code, by the very `settle` of a worker.  As long as nothing differs both are the same, event for event.

Where they part, `now` goes on by itself as far as the log has something to go on with, and shows what comes of it.  An
answer belongs to the same question, a tool's outcome to the same call of the same answer; one that `now` has no use for
is passed over.  Where `now` needs what no log has (the outcome of a call that was refused then, another answer) it is
lost for the rest of that turn, and takes up the recorded conversation with the next.
"""

from collections.abc import Mapping
from typing import assert_never

from msgspec.structs import replace

from ...events import ConversationId, Frame, ModelRequested
from ...projections import Conversation, OwedToolCall, called, evolve, fold, initial, outstanding
from ..commands import (
    CancelTurn,
    FailTurn,
    HaltTurn,
    InterruptTurn,
    Open,
    RecordAnswer,
    RecordModelFailure,
    RecordToolFailure,
    RecordToolReturn,
    RefuseCommand,
    ResumeTurn,
    SayToAgent,
)
from ..journey.difference import difference
from ..settle import settle
from .comparison import Comparison
from .divergence import Divergence
from .recorded import Answered, Recorded, recorded
from .today import AsRecorded, Today, as_read, first_state


class Replay:
    """Is one conversation that is decided again.

    Attributes:
        then: as it was recorded, so far.
        now: as today's code has it.

    """

    def __init__(self, conversation: ConversationId, today: Today) -> None:
        self.then: Conversation = initial(conversation)
        self.now: Conversation = initial(conversation)
        self._today = today
        self._journey = AsRecorded(today)
        self._comparison = Comparison()
        self._lost = False

    @property
    def divergences(self) -> tuple[Divergence, ...]:
        """What was found so far, in the order in which it shows."""
        return self._comparison.found

    def runs_before(self, frame: Frame) -> OwedToolCall | None:
        """Return the tool that today's code runs before this frame can be taken, for whoever really runs tools."""
        owed = outstanding(self.now)
        known = recorded(self.then, frame)
        if self._lost or not isinstance(owed, OwedToolCall) or known is None:
            return None
        match known.commands[-1]:
            case RecordToolReturn() | RecordToolFailure() as outcome:
                return None if self._running(self.then, outcome) is None else owed
            case RecordAnswer() | RecordModelFailure() | SayToAgent():
                return owed
            case _:
                return None

    def ran(self, outcome: RecordToolReturn | RecordToolFailure) -> None:
        """Take what a tool came to that was really run."""
        self._settle(Recorded((outcome,)))

    def advance(self, frame: Frame) -> None:
        """Decide the next frame again, and compare."""
        known, before = recorded(self.then, frame), self.then
        self.then = fold(before, [frame])
        if self._takes_up(known):
            self._lost, self.now = False, before
            self._comparison.again()
        if self._lost:
            return
        for event in frame.events:
            if isinstance(event, ModelRequested):
                self._journey.model = event.model
        if known is None:
            for event in frame.events:
                self.now = evolve(self.now, event)
        else:
            self._decide(before, known, frame)
        if not self._lost:
            self._comparison.ends(before, self.then, self.now)

    def finish(self) -> None:
        """Compare the last state with how today's code reads it."""
        if self.now.agent and not self._lost and self.then.status != "erased":
            self._comparison.read(self.now, self._read(self.now.state))

    def _takes_up(self, known: Recorded | None) -> bool:
        """Say whether a frame begins a turn that `now` cannot go on to by itself."""
        match None if known is None else known.commands[-1]:
            case InterruptTurn():
                return self._lost
            case SayToAgent():
                return self._lost or self.now.turn is not None
            case _:
                return False

    def _decide(self, before: Conversation, known: Recorded, frame: Frame) -> None:
        self._comparison.recorded(before, self.then, frame)
        commands = []
        for command in known.commands:
            fitting = self._fitting(before, command)
            if self._lost:
                return
            if fitting is not None:
                commands.append(fitting)
        if commands:
            self._settle(Recorded(tuple(commands), known.asks))
        self._comparison.calls(self.then.turns)
        self._comparison.states(self.then, self.now, frame.last)
        if any(isinstance(event, ModelRequested) and event.attempt == 1 for event in frame.events):
            self._comparison.requests(self.then, self.now)

    def _settle(self, known: Recorded) -> None:
        before = self.now
        settled = settle(before, self._journey if known.asks else None, *known.commands)
        self.now = settled.conversation
        self._comparison.decided(before, self.now, settled.events)

    # --- the same command in terms of `now`

    def _fitting(self, before: Conversation, command: Answered) -> Answered | None:
        """Return a recorded command as `now` can take it, None if `now` has no use for it."""
        now, turn = self.now, self.now.turn
        match command:
            case Open():
                return self._opening(command)
            case SayToAgent() | InterruptTurn() | RefuseCommand():
                return command
            case CancelTurn() | ResumeTurn() | FailTurn():
                return None if turn is None else command
            case HaltTurn():
                owed = outstanding(now)
                return None if owed is None else replace(command, owed=owed.id)
            case RecordAnswer() | RecordModelFailure():
                return self._answer(command)
            case RecordToolReturn():
                return self._returned(before, command)
            case RecordToolFailure():
                return self._tool_failure(before, command)
            case _:
                assert_never(command)

    def _opening(self, command: Open) -> Open:
        first = first_state(self._today, command.state)
        if isinstance(first, str):
            self._comparison.cannot_begin(first)
            return command
        return command if first is None else replace(command, state=first[0], step=first[1])

    def _answer(self, command: RecordAnswer | RecordModelFailure) -> RecordAnswer | RecordModelFailure | None:
        turn, owed = self.now.turn, outstanding(self.now)
        if turn is None:
            return None
        if isinstance(owed, OwedToolCall):
            self._lose(f"{called(owed.call)} would run, which it did not then: the log has no outcome of it")
            return None
        if not turn.waiting or turn.request is None:
            return None
        return replace(command, request=turn.request.version)

    def _returned(self, before: Conversation, command: RecordToolReturn) -> RecordToolReturn | None:
        running = self._running(before, command)
        if running is None:
            return None
        if command.enters is not None:
            return replace(command, answer=running[0], attempt=running[1], state=dict(self.now.state))
        changed, unset = difference(before.state, command.state)
        state = self._changed(changed, unset)
        fields, step = state if state is not None else (command.state, command.step)
        return replace(command, answer=running[0], attempt=running[1], state=fields, step=step)

    def _changed(self, changed: Mapping[str, bytes], unset: tuple[str, ...]) -> tuple[dict[str, bytes], str] | None:
        """Return the state of `now` after a tool changed it so; None where today's code cannot read it at all."""
        read = self._read(self.now.state)
        if read is None:
            return None
        after = {name: value for name, value in read[0].items() if name not in unset} | dict(changed)
        again = self._read(after)
        if again is None:
            return after, self.now.step  # what is asked next says what is wrong with it
        # a field that today's class does not have is one that today's tool cannot set
        return {name: value for name, value in after.items() if name in again[0]}, again[1]

    def _tool_failure(self, before: Conversation, command: RecordToolFailure) -> RecordToolFailure | None:
        running = self._running(before, command)
        return None if running is None else replace(command, answer=running[0], attempt=running[1])

    def _running(self, before: Conversation, command: RecordToolReturn | RecordToolFailure) -> tuple[int, int] | None:
        """Return answer and attempt of the call that runs now, if it is the one that this was the outcome of."""
        turn = self.now.turn
        running = None if turn is None or turn.answer is None else turn.answer.running
        if turn is None or turn.answer is None or running is None or before.turn is None:
            return None
        same = running.index == command.index and turn.rounds == before.turn.rounds
        return (turn.answer.version, running.attempt) if same else None

    def _read(self, state: Mapping[str, bytes]) -> tuple[dict[str, bytes], str] | None:
        return as_read(self._today, self.now, state)

    def _lose(self, why: str) -> None:
        self._lost = True
        self._comparison.lost(self.then, why)
