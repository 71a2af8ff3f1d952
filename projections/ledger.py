"""A ledger: enters the frames of one conversation, and gives the rows of the tables as soon as they are final.

It goes beside the accounts, which say what a turn was.  A row that may still change is open: it is not given before it
is final, or at the end, by `open_rows`.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from ..events import AnyEvent, ConversationErased, ConversationStarted, JourneyEntered, StepEntered, Stored
from .account import TurnAccount
from .accounting import Account, Accounting, account, unfinished
from .conversation import Conversation
from .rows import turn_rows
from .tables import ConversationRow, ModelCallRow, Row, StepRow, Time, ToolCallRow, TurnRow


class Sums(Struct, frozen=True):
    """Counts the rows of one conversation, and its tokens."""

    turns: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0

    def with_row(self, row: Row) -> "Sums":
        """Return the sums with one row more."""
        match row:
            case TurnRow():
                return replace(self, turns=self.turns + 1, tokens=self.tokens + (row.tokens or 0))
            case ModelCallRow():
                return replace(self, model_calls=self.model_calls + 1)
            case ToolCallRow():
                return replace(self, tool_calls=self.tool_calls + 1)
            case _:
                return self


class Ledger:
    """Keeps the tables of one conversation.

    With a conversation that has a version already, what is before that is not known: it was taken away.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._now = Accounting(conversation)
        self._whole = conversation.version == 0
        self._journey = self._step = ""
        self._stay: StepRow | None = None
        self._sums = Sums()
        self._first: Stored | None = None
        self._last: Stored | None = None
        self._erased_at: int | None = None

    @property
    def erased(self) -> bool:
        """Whether the content of the conversation is gone."""
        return self._now.conversation.erased

    @property
    def whole(self) -> bool:
        """Whether it began with the first event of its conversation."""
        return self._whole

    def enter(self, stored: Stored) -> list[Row]:
        """Enter one more frame, and return the rows that are final with it.

        What a fork has from its parent makes none, nor does it count.
        """
        self._now, over = account(self._now, stored.frame)
        if stored.inherited:
            for _, event in stored.frame.numbered():
                self._moved(event)
            return []
        rows: list[Row] = [*_turns(over)]
        for row in rows:
            self._sums = self._sums.with_row(row)
        for version, event in stored.frame.numbered():
            if self._moved(event):
                rows += self._left(stored, version)
                self._stay = self._entered(stored, version)
            elif isinstance(event, ConversationErased):
                rows += self._left(stored, version)
                self._stay, self._erased_at = None, stored.frame.time
        self._first, self._last = self._first or stored, stored
        return rows

    def open_rows(self) -> list[Row]:
        """Return the rows that are not final where the log ends; none, if nothing was entered."""
        if self._last is None:
            return []
        turns = [*_turns(unfinished(self._now))]
        stay = [] if self._stay is None else [self._stay]
        return [*turns, *stay, self._conversation(self._last, turns)]

    def _moved(self, event: AnyEvent) -> bool:
        """Note where the journey is after an event, and say whether it led there."""
        match event:
            case ConversationStarted():
                if not self._journey:  # a fork begins where its parent was
                    self._journey, self._step = event.agent, event.step
            case JourneyEntered():
                self._journey, self._step = event.journey, event.step
            case StepEntered():
                self._step = event.step
            case _:
                return False
        return True

    def _entered(self, stored: Stored, version: int) -> StepRow:
        return StepRow(
            conversation=stored.conversation,
            agent=stored.frame.agent,
            turn=stored.frame.turn,
            journey=self._journey,
            step=self._step,
            entered=version,
            entered_at=Time(stored.frame.time),
        )

    def _left(self, stored: Stored, version: int) -> Iterator[StepRow]:
        stay, time = self._stay, stored.frame.time
        if stay is not None:
            yield replace(stay, left=version, left_at=Time(time), stayed_ms=time - stay.entered_at)

    def _conversation(self, last: Stored, turns: list[Row]) -> ConversationRow:
        now, frame, first, sums = self._now.conversation, last.frame, self._first or last, self._sums
        for row in turns:
            sums = sums.with_row(row)
        whole = self._whole
        return ConversationRow(
            conversation=last.conversation,
            agent=frame.agent,
            journey=now.journey or None,
            journey_hash=now.journey_hash or None,
            step=now.step if whole else frame.step,
            status=now.status,
            parent=frame.parent or None,
            started_at=Time(first.frame.time) if whole else None,
            last_at=Time(frame.time),
            first=first.frame.first if whole else None,
            version=last.head.version,
            turns=sums.turns if whole else None,
            model_calls=sums.model_calls if whole else None,
            tool_calls=sums.tool_calls if whole else None,
            tokens=sums.tokens if whole else None,
            position=last.head.position,
            erased=now.erased,
            erased_at=None if self._erased_at is None else Time(self._erased_at),
        )


def _turns(over: tuple[Account, ...]) -> Iterator[Row]:
    for each in over:
        if isinstance(each, TurnAccount):
            yield from turn_rows(each)
