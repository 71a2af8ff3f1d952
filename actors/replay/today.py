"""The code of today, as a replay asks it: what is not the code's own to say is taken from the log.

Code may also say something else each time that it is asked the same: an id that is made up, the time.  Nothing can be
told from that, so it counts as it was then; what the model was given so is named, and not compared.
"""

from collections.abc import Mapping
from typing import Protocol

from immutables import Map
from msgspec.structs import replace

from ...events import (
    ConversationId,
    Frame,
    JourneyEntered,
    JourneyRevised,
    StateChanged,
    StepEntered,
    ToolFailed,
    TurnFailed,
)
from ...projections import Call, Conversation, Request, state_after
from ..commands import AskModel, EndTurn, EnterJourney, RefuseTool, ReviseJourney
from ..settle import Journey, Mailbox, Policy, Verdict
from ..sizes import described
from .divergence import Aspect


class Today(Journey, Protocol):
    """Is an agent's code of today."""

    def first(self, conversation: ConversationId) -> tuple[dict[str, bytes], str] | None:
        """Return the state and the step that a conversation begins with; None where the code alone does not say."""

    def as_read(self, conversation: Conversation, state: Mapping[str, bytes]) -> tuple[dict[str, bytes], str]:
        """Return a state of the journey that is on as the code reads and writes it, and its step."""


class AsRecorded:
    """Asks the code of today, and takes from the log what is not its own to say: which model was configured.

    Attributes:
        unsteady: what the model is given that differs each time the code is asked, each with its step.

    """

    def __init__(self, today: Journey) -> None:
        self._today = today
        self._model = ""
        self._frame = Frame(first=1, time=0, writer="", agent="")
        self._then: Request | None = None
        self.unsteady: dict[tuple[Aspect, str], None] = {}

    @property
    def mailbox(self) -> Mailbox:
        """What happens to a message that comes in while a turn is in progress."""
        return self._today.mailbox

    def knows(self, frame: Frame, after: Conversation) -> None:
        """Take the frame that is decided again, and the conversation as it was after it."""
        turn = after.turn
        self._frame, self._then = frame, None if turn is None or not turn.waiting else turn.request
        if self._then is not None:
            self._model = self._then.model

    def revise(self, conversation: Conversation) -> ReviseJourney | None:
        """Say what became of the state then, where another version of the journey went on; today's is no fact yet."""
        for version, event in self._frame.numbered():
            if isinstance(event, JourneyRevised) and event.previous == conversation.journey_hash:
                return _revision(conversation, self._frame, event, version)
        last = self._frame.events[-1] if self._frame.events else None
        if isinstance(last, TurnFailed) and last.reason == "author_error":
            self._today.revise(conversation)  # a migration that raised is recorded as no more than that
        return None

    def entering(self, enters: EnterJourney) -> EnterJourney:
        """Return how a journey is entered, in the version in which it was entered then."""
        for event in self._frame.events:
            if isinstance(event, JourneyEntered) and event.journey == enters.journey:
                return replace(enters, journey_hash=event.journey_hash)
        return enters

    def policy(self, conversation: Conversation) -> Policy:
        """Say when a turn is over."""
        return self._today.policy(conversation)

    def ask_model(self, conversation: Conversation) -> AskModel | EndTurn:
        """Say what the model is asked; the model is the one of then."""
        asked, then = self._today.ask_model(conversation), self._then
        if not isinstance(asked, AskModel):
            return asked
        asked = replace(asked, model=self._model)
        if then is None or _given(asked) == _given(then):
            return asked
        other = self._today.ask_model(conversation)
        return self._steady(asked, other, then, conversation) if isinstance(other, AskModel) else asked

    def judge(self, conversation: Conversation, call: Call) -> Verdict:
        """Say whether a call may run; that a journey which was left is pinned counts only where it did then."""
        verdict = self._today.judge(conversation, call)
        if not conversation.left or not isinstance(verdict, RefuseTool) or self._was_refused(call, verdict):
            return verdict
        left = Map({name: replace(one, journey_hash="") for name, one in conversation.left.items()})
        return self._today.judge(replace(conversation, left=left), call)

    def _was_refused(self, call: Call, verdict: RefuseTool) -> bool:
        """Say whether the frame that is decided again has this very refusal."""
        said = (call.index, verdict.kind, verdict.content)
        return any(
            isinstance(event, ToolFailed) and (event.index, event.kind, event.content) == said
            for event in self._frame.events
        )

    def _steady(self, asked: AskModel, other: AskModel, then: Request, conversation: Conversation) -> AskModel:
        """Return a request with what differs between two askings as it was then."""
        where = conversation.step or conversation.journey
        if asked.prompt != other.prompt:
            self.unsteady["prompt", where] = None
            asked = replace(asked, prompt=then.prompt)
        if (asked.tools, asked.effects) != (other.tools, other.effects):
            self.unsteady["tools", where] = None
            asked = replace(asked, tools=then.tools, effects=then.effects)
        if asked.parameters != other.parameters:
            self.unsteady["parameters", where] = None
            asked = replace(asked, parameters=then.parameters)
        return asked


def migrates(frame: Frame) -> bool:
    """Say whether another version of the journey changed the state in a frame."""
    revisions = {version for version, event in frame.numbered() if isinstance(event, JourneyRevised)}
    return any(isinstance(event, StateChanged | StepEntered) and event.cause in revisions for event in frame.events)


def _revision(conversation: Conversation, frame: Frame, revised: JourneyRevised, version: int) -> ReviseJourney:
    """Return a recorded revision, with what it changed in the state done to this one."""
    state, step = dict(conversation.state), conversation.step
    for event in frame.events:
        if isinstance(event, StateChanged) and event.cause == version:
            state = state_after(state, event)
        elif isinstance(event, StepEntered) and event.cause == version:
            step = event.step
    return ReviseJourney(previous=revised.previous, journey_hash=revised.journey_hash, state=state, step=step)


def _given(asked: AskModel | Request) -> tuple[object, ...]:
    return asked.prompt, asked.tools, asked.effects, asked.parameters


def first_state(
    today: Today, conversation: ConversationId, then: Mapping[str, bytes]
) -> tuple[dict[str, bytes], str] | str | None:
    """Return how a conversation begins today, None where the code does not say, or what it raised, in words."""
    try:
        first, other = today.first(conversation), today.first(conversation)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  author code may raise anything, and nothing here waits
        return described(error)
    if first is None or other is None:
        return None
    return {
        name: value if other[0].get(name) == value else then.get(name, value) for name, value in first[0].items()
    }, first[1]


def as_read(today: Today, conversation: Conversation, state: Mapping[str, bytes]) -> tuple[dict[str, bytes], str] | str:
    """Return a state with the fields that today's code reads in it and its step, or what it raised, in words.

    What is in a field stays as it was recorded: code that does not read again what it wrote is no other code.  A field
    that is not written again after it was read counts as one that today's code does not have.
    """
    try:
        read, step = today.as_read(conversation, state)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  as above; what is asked of the code next raises it again
        return described(error)
    return {name: state.get(name, value) for name, value in read.items()}, step
