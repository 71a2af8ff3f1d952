"""Deciding an old conversation again, frame by frame, with the code of today.

Two folds go side by side: `then` is what was recorded; `now` is what today's code makes of the same inputs.  What
people said, what the model answered, what a tool came to and which fields it changed is taken from the log; what is
decided of it, which prompt and tools the model is given, whether a call may run, when a turn is over, is asked of
today's code, by the very `settle` of a worker.  As long as nothing differs both are the same, event for event.

Where they part, `now` goes on by itself as far as the log has something to go on with, and shows what comes of it.  An
answer belongs to the same question, a tool's outcome to the same call of the same answer; one that `now` has no use for
is passed over.  Where `now` needs what no log has (the outcome of a call that was refused then, another answer) it is
lost for the rest of that turn, and takes up the recorded conversation with the next.

Where a migration changed the state, what is before was led by code for another state, to which today's cannot be held:
the replay begins anew there.  When people spoke, cancelled and interrupted is as it was: what a mailbox does with
messages is not decided again.
"""

from typing import assert_never

from msgspec.structs import replace

from ...events import STATE_LIMIT, ConversationId, Frame, KnownEvent, ModelRequested
from ...projections import (
    AssistantMessage,
    Conversation,
    OwedToolCall,
    called,
    fold,
    initial,
    outstanding,
)
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
from ..sizes import size_of
from .differences import Differences
from .divergence import Aspect, Divergence
from .recorded import Answered, Recorded, recorded
from .today import AsRecorded, Today, as_read, first_state, migrates


class Replay:
    """Is one conversation that is decided again.

    Attributes:
        then: as it was recorded, so far.
        now: as today's code has it.
        since: the version from which it is decided again.

    """

    def __init__(self, conversation: ConversationId, today: Today, root: str = "") -> None:
        # what a fork has from its first ancestor was decided there
        self.then: Conversation = replace(initial(conversation), root=root or conversation)
        self.now: Conversation = self.then
        self.since = 1
        self._today = today
        self._journey = AsRecorded(today)
        self._comparison = Differences()
        self._lost = False

    @property
    def divergences(self) -> tuple[Divergence, ...]:
        """What was found so far, in the order in which it shows."""
        return self._comparison.found

    @property
    def unsteady(self) -> tuple[tuple[Aspect, str], ...]:
        """What the model is given that differs each time today's code is asked, each with its step."""
        return tuple(self._journey.unsteady)

    @property
    def remaining(self) -> tuple[Divergence, ...]:
        """What still differs in state, step and last reply."""
        return () if self._lost or self.then.erased else self._comparison.remaining(self.then, self.now)

    def runs_before(self, frame: Frame) -> OwedToolCall | None:
        """Return the tool that today's code runs before this frame can be taken, for whoever really runs tools.

        It is named as it was then, so that whoever makes a key of that makes the same one.
        """
        owed = outstanding(self.now)
        known = recorded(self.then, frame)
        if self._lost or not isinstance(owed, OwedToolCall) or known is None or migrates(frame):
            return None
        match known.commands[-1]:
            case RecordToolReturn() | RecordToolFailure() as outcome:
                due = self._running(self.then, outcome) is not None
            case RecordAnswer() | RecordModelFailure() | SayToAgent():
                due = True
            case _:
                due = False
        if due:
            self._journey.knows(frame, fold(self.then, [frame]))
        return self._as_then(owed) if due else None

    def _as_then(self, owed: OwedToolCall) -> OwedToolCall | None:
        """Return a call under the version that its answer had then, None where then had no such answer."""
        turn = self.now.turn
        if turn is None:
            return None
        entries = self.then.transcript.window(turn.number, turn.number)
        answers = [entry.version for entry in entries if isinstance(entry, AssistantMessage)]
        return replace(owed, answer=answers[turn.rounds - 1]) if 0 < turn.rounds <= len(answers) else None

    def ran(self, outcome: RecordToolReturn | RecordToolFailure) -> None:
        """Take what a tool came to that was really run."""
        turn = self.now.turn
        if isinstance(outcome, RecordToolReturn) and outcome.enters is not None:
            outcome = replace(outcome, enters=self._journey.entering(outcome.enters))
        if turn is not None and turn.answer is not None:
            now = self.now
            self._comparison.decided(now, self._settle(Recorded((replace(outcome, answer=turn.answer.version),))))

    def advance(self, frame: Frame) -> None:
        """Decide the next frame again, and compare."""
        if migrates(frame):
            self.since, self.now, self._lost = frame.first, self.then, False
            self._comparison = Differences()
        known, before = recorded(self.then, frame), self.then
        self.then = fold(before, [frame])
        if self._takes_up(known):
            self._lost, self.now = False, before
            self._comparison.again()
        if self._lost:
            return
        self._journey.knows(frame, self.then)
        if known is None:
            self.now = fold(self.now, [frame])
        else:
            self._decide(before, known, frame)
        self._compare_end(before)

    def _compare_end(self, before: Conversation) -> None:
        if self._lost or self.now is self.then:
            return
        self._comparison.ends(before, self.then, self.now)
        if self.now == self.then:
            self.now = self.then

    def finish(self) -> None:
        """Compare the last state with how today's code reads it."""
        if not self.now.agent or self._lost or self.then.status == "erased":
            return
        self._comparison.read(self.then, self.now, as_read(self._today, self.now, self.now.state))

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
        commands = []
        for command in known.commands:
            fitting = self._fitting(before, command)
            if self._lost:
                return
            if fitting is not None:
                commands.append(fitting)
        one, now = self.now is before, self.now
        events = self._settle(Recorded(tuple(commands), known.asks)) if commands else ()
        if one and events == frame.events:
            self.now = self.then  # as long as nothing differs they are one, and comparing them costs nothing
            return
        self._comparison.recorded(before, frame)
        self._comparison.decided(now, events)
        self._comparison.calls(self.then.turns)
        self._comparison.over(self.then, self.now, frame.last)
        self._comparison.states(self.then, self.now, frame)
        if any(isinstance(event, ModelRequested) and event.attempt == 1 for event in frame.events):
            self._comparison.requests(self.then, self.now)

    def _settle(self, known: Recorded) -> tuple[KnownEvent, ...]:
        settled = settle(self.now, self._journey if known.asks else None, *known.commands)
        self.now = settled.conversation
        return settled.events

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
        first = first_state(self._today, ConversationId(self.now.root), command.state)
        if isinstance(first, tuple) and size_of(first[0]) > STATE_LIMIT:
            first = f"the first state has more than {STATE_LIMIT} bytes"
        if isinstance(first, str):
            self._comparison.cannot_begin(self.now.version + 1, first)
            return command
        return command if first is None else replace(command, state=first[0], step=first[1])

    def _answer(self, command: RecordAnswer | RecordModelFailure) -> RecordAnswer | RecordModelFailure | None:
        turn, owed = self.now.turn, outstanding(self.now)
        if turn is None:
            return None
        if isinstance(owed, OwedToolCall):
            self._lose(f"{called(owed.call)} would run, of which the log has no outcome")
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
        state, step = self._changed(before, command)
        return replace(command, answer=running[0], attempt=running[1], state=state, step=step)

    def _changed(self, before: Conversation, command: RecordToolReturn) -> tuple[dict[str, bytes], str]:
        """Return the state of `now` after a tool changed what it did then, and its step."""
        changed, unset = difference(before.state, command.state)
        after = {name: value for name, value in self.now.state.items() if name not in unset} | changed
        read = as_read(self._today, self.now, after)
        # what is asked of today's code next says why it cannot read it
        return (after, command.step) if isinstance(read, str) else read

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

    def _lose(self, why: str) -> None:
        self._lost = True
        self._comparison.lost(self.then, why)
