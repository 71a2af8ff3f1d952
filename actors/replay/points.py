"""The points of a recorded conversation at which the model chose: each request that it answered, and what followed."""

from msgspec import Struct
from msgspec.structs import replace

from ...events import (
    AnyEvent,
    ConversationErased,
    ConversationId,
    Frame,
    JourneyEntered,
    ModelAnswered,
    ModelRequested,
    StepEntered,
    ToolReturned,
    Usage,
)
from ...projections import Call, Conversation, UserMessage, calls_of, evolve, initial, text_of


class Move(Struct, frozen=True):
    """Is where a call led: the index of the call, and the step, or the journey by its name, that was entered."""

    index: int
    to: str


class Point(Struct, frozen=True, kw_only=True):
    """Is one recorded request, and the choice that the model made.

    Attributes:
        before: the conversation just before the request, as it was recorded.
        request: SHA-256 of what the model was given; empty if none is recorded.
        answer: the version of the answer.
        text, calls: what it said, and which tools it called.
        model, usage: who answered, and what that cost.
        returned: the indexes of the calls that were run to their end.
        moves: where these led, in order; empty if the journey stayed where it was.

    """

    before: Conversation
    request: str
    answer: int
    text: str
    calls: tuple[Call, ...]
    model: str
    usage: Usage
    returned: tuple[int, ...] = ()
    moves: tuple[Move, ...] = ()

    @property
    def version(self) -> int:
        """The version of the request."""
        return self.before.version + 1

    @property
    def said(self) -> str:
        """What the person had said in this turn."""
        entries = self.before.transcript.window(self.before.turns, self.before.turns)
        return next((entry.text for entry in entries if isinstance(entry, UserMessage)), "")


class Points:
    """Finds the points of one conversation; a request that is made again, after a failure or in another life, is one.

    Attributes:
        now: the conversation so far.
        found: the points so far.

    """

    def __init__(self, conversation: ConversationId) -> None:
        self.now: Conversation = initial(conversation)
        self.found: list[Point] = []
        self._asked: tuple[Conversation, str] | None = None
        self._returned: dict[int, int] = {}

    def advance(self, frame: Frame) -> None:
        """Take the next frame."""
        for event in frame.events:
            before, self.now = self.now, evolve(self.now, event)
            self._take(before, event)

    def _take(self, before: Conversation, event: AnyEvent) -> None:
        match event:
            case ModelRequested(attempt=1) if before.turn is not None and not before.turn.waiting:
                self._asked = before, event.request
            case ModelAnswered() if self._asked is not None and before.turn is not None:
                self._answered(*self._asked, event)
            case ToolReturned() if self.found and self.found[-1].answer == event.cause:
                self._returned[self.now.version] = event.index
                self._amend(returned=(*self.found[-1].returned, event.index))
            case StepEntered() if event.cause in self._returned:
                self._moved(self._returned[event.cause], event.step)
            case JourneyEntered() if event.cause in self._returned:
                self._moved(self._returned[event.cause], journey_named(event.journey))
            case ConversationErased():
                self.found.clear()  # what it would be asked with is gone
                self._asked = None
            case _:
                pass

    def _answered(self, before: Conversation, request: str, event: ModelAnswered) -> None:
        self._asked = None
        if before.turns != self.now.turns:
            return  # it comes after the end of its turn, and belongs to none
        point = Point(
            before=before,
            request=request,
            answer=self.now.version,
            text=text_of(event.message),
            calls=calls_of(event.message),
            model=event.model,
            usage=event.usage,
        )
        self.found.append(point)
        self._returned.clear()

    def _moved(self, index: int, to: str) -> None:
        self._amend(moves=(*self.found[-1].moves, Move(index, to)))

    def _amend(self, **changes: tuple[int, ...] | tuple[Move, ...]) -> None:
        self.found[-1] = replace(self.found[-1], **changes)


def journey_named(name: str) -> str:
    """Return how another journey is named among steps."""
    return f"journey {name}"
