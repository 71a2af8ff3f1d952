"""Settling: from one command to all that follows from it without any effect, as one frame.

A frame must often hold what author code says of a state that was only just decided: a tool returned, the step moved,
the next request carries the new step's prompt.  So the command is decided, its events are folded tentatively, and as
long as the conversation then needs to know something of its journey, the journey is asked and its answer is decided.

Nothing here performs, waits or stores.  Author code that raises ends the turn as failed; its exception is handed on.
"""

from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from ..events import KnownEvent
from ..projections import Answer, Call, Conversation, Turn, evolve
from .commands import (
    AskModel,
    Command,
    EndTurn,
    FailTurn,
    Outcome,
    RefuseCommand,
    RefuseTool,
    ResumeTurn,
    ReviseJourney,
    RunTool,
    SayToAgent,
)
from .decide import decide
from .revision import Pinned
from .sizes import described

NOT_AVAILABLE = "Error: Tool '{name}' is not available now"

Verdict: TypeAlias = RunTool | RefuseTool


Mailbox: TypeAlias = Literal["queue", "interrupt", "reject"]
"""What happens to a message that comes in while a turn is in progress: it waits, ends that turn, or is refused."""


class Policy(Struct, frozen=True, kw_only=True):
    """Says when a turn is over.

    Attributes:
        max_rounds: answers of the model in one turn, in one journey; the turn ends with the last tool's text after so
            many.
        terminal_tools: tools whose success, as the last call of an answer, ends the turn with their text.
        stop_on_text: an answer without calls is the reply.
        offered_only: a call of a tool that was not offered in that request is refused.

    """

    max_rounds: int = 10
    terminal_tools: frozenset[str] = frozenset()
    stop_on_text: bool = True
    offered_only: bool = True


class Journey(Protocol):
    """Is what the loop asks of a journey; every answer is a plain value, given at once."""

    @property
    def mailbox(self) -> Mailbox:
        """What happens to a message that comes in while a turn is in progress."""

    def revise(self, conversation: Conversation) -> ReviseJourney | Pinned | None:
        """Say what becomes of a conversation that another version of this journey decided on; None if none did.

        It is asked before anything else is, in every turn, and says None once its answer was decided.
        """

    def policy(self, conversation: Conversation) -> Policy:
        """Say when a turn is over."""

    def ask_model(self, conversation: Conversation) -> AskModel | EndTurn:
        """Say what the model is asked in this state, or that this turn needs no answer."""

    def judge(self, conversation: Conversation, call: Call) -> Verdict:
        """Say whether this call, which was offered and has arguments, may run, and its effect class."""


class Settled(Struct, frozen=True):
    """Is what a command came to: the events of one frame, the conversation after them, what author code raised.

    Where the conversation is pinned to another version of its journey, it came to nothing.
    """

    conversation: Conversation
    events: tuple[KnownEvent, ...]
    raised: Exception | None = None
    pinned: Pinned | None = None


def settle(conversation: Conversation, journey: Journey | None, *commands: Command) -> Settled:
    """Return what these commands, one after another, and all that follows from them come to.

    Without a journey nothing is asked, and only the commands themselves are decided.
    """
    before, events = conversation, list[KnownEvent]()
    raised: Exception | None = None
    for command in commands:
        following: Command | Pinned | None = command
        while following is not None:
            try:
                if journey is not None and isinstance(following, ResumeTurn):
                    following = _resuming(conversation, journey)
                if isinstance(following, Pinned):
                    if not isinstance(command, Outcome):
                        return Settled(before, (), pinned=following)
                    following = FailTurn(reason="pinned", error=following.reason)
                decided = decide(conversation, following)
                for event in decided:
                    conversation = evolve(conversation, event)
                events.extend(decided)
                following = needed(conversation, journey) if decided and journey is not None else None
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  author code may raise anything, and nothing here waits
                raised = error if isinstance(error, Exception) else RuntimeError(described(error))
                following = _instead(conversation, commands[-1], described(error))
        if raised is not None:
            break
    return Settled(conversation, tuple(events), raised)


def _resuming(conversation: Conversation, journey: Journey) -> ResumeTurn | Pinned:
    """Return how this life goes on with a turn: first its version sees to the state."""
    revision = None if conversation.turn is None else journey.revise(conversation)
    return revision if isinstance(revision, Pinned) else ResumeTurn(revision)


def _instead(conversation: Conversation, command: Command, error: str) -> FailTurn | RefuseCommand | None:
    """Return what is decided where a command cannot be: the turn fails, or the command is refused."""
    if conversation.turn is not None:
        return FailTurn(reason="author_error", error=error)
    return RefuseCommand(id=command.id, reason=error) if isinstance(command, SayToAgent) else None


def needed(conversation: Conversation, journey: Journey) -> Command | Pinned | None:
    """Return what the journey says of the conversation as it is now, None if nothing needs to be known."""
    turn = conversation.turn
    if turn is None or turn.waiting or (turn.answer is not None and turn.answer.running is not None):
        return None
    revision = journey.revise(conversation)
    if revision is not None:
        return revision
    answer = turn.answer
    if answer is None:
        return journey.ask_model(conversation)
    call = answer.next_call
    if call is not None:
        return verdict_of(conversation, turn, call, journey)
    return _end_of(turn, answer, journey.policy(conversation)) or journey.ask_model(conversation)


def verdict_of(conversation: Conversation, turn: Turn, call: Call, journey: Journey) -> Verdict:
    """Return whether a call of the answer may run: one that was offered, has arguments, and fits the journey."""
    if journey.policy(conversation).offered_only and call.name and call.name not in turn.offered:
        return RefuseTool(kind="not_offered", content=NOT_AVAILABLE.format(name=call.name))
    if call.problem is not None:
        return RefuseTool(kind="invalid", content=call.problem)
    return journey.judge(conversation, call)


def _end_of(turn: Turn, answer: Answer, policy: Policy) -> EndTurn | None:
    spoken = answer.results[-1].version if answer.calls else answer.version
    if not answer.calls and policy.stop_on_text:
        return EndTurn(reason="text_response", spoken=spoken)
    if answer.calls and answer.calls[-1].name in policy.terminal_tools and answer.results[-1].succeeded:
        return EndTurn(reason=f"terminal_tool:{answer.calls[-1].name}", spoken=spoken)
    if turn.left and turn.rounds == turn.rounds_before:
        return None  # this answer led to another journey, which has not been asked yet
    if turn.rounds - turn.rounds_before >= policy.max_rounds:
        return EndTurn(reason="max_iterations", spoken=spoken)
    return None
