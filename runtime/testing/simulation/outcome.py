"""What came of a simulation: what happened, what an author asserts on, what is raised of a run that is not sound."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from ....events import AgentSpoke, AnyEvent, ConversationId, Stored, ToolFailed, TurnFailed
from ....projections import Conversation, evolve, fold, initial, state_of
from ..rules import Broken, Effect
from .faults import Injected, Planned
from .watched import ToolBroke


class FailedTurn(Struct, frozen=True):
    """Is a turn that ended without a reply because something failed.

    `reason` is the log's word for it, such as `author_error` for a prompt that raised, `poison` for a turn in which too
    many lives ended, `model_error` for a model that failed.
    """

    conversation: str
    turn: int
    reason: str
    error: str


class RaisedTool(Struct, frozen=True):
    """Is a call of a tool that raised by itself, or left a state that cannot be kept; its turn went on."""

    conversation: str
    turn: int
    tool: str
    error: str


class Simulation(Struct, frozen=True, kw_only=True):
    """Is what came of a simulation.

    Attributes:
        seed: which gives all of this again.
        logs: the frames of each conversation; of a fork, first those that it has from its parent.
        faults: what went wrong, in order.
        effects: the tools that started and the models that were asked, as they themselves counted.
        commands, turns, steps, seconds: how many were acknowledged, began, were taken by workers, and passed.
        worker_steps: the steps of each worker, over its lives.
        looked: how often each rule was looked at.
        broken: what did not hold; empty for a run that is sound.
        never_happened: the faults that were asked for, and that the run was over before.
        waiting: what was still waited for when the run was given up.

    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, simulate
    >>> run = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=(), model=lambda messages, tools, random: "Hello!")
    >>> list(run.logs), run.turns, run.faults, run.failed
    (['c-1'], 1, (), ())
    >>> run.replies, run.states["c-1"]["step"]
    ({'c-1': ('Hello!',)}, 'welcome')

    """

    seed: int
    logs: Mapping[ConversationId, Sequence[Stored]]
    faults: Sequence[Injected]
    effects: Sequence[Effect]
    commands: int
    turns: int
    steps: int
    seconds: float
    worker_steps: Mapping[int, int]
    looked: Mapping[int, int]
    broken: Sequence[Broken]
    never_happened: Sequence[Planned] = ()
    waiting: Sequence[str] = ()

    @property
    def counted(self) -> dict[str, int]:
        """How often each kind of fault happened."""
        counted: dict[str, int] = {}
        for one in self.faults:
            counted[one.kind] = counted.get(one.kind, 0) + 1
        return counted

    @property
    def failed(self) -> tuple[FailedTurn, ...]:
        """The turns that failed, whoever was to blame: the agent, or a fault."""
        return tuple(
            FailedTurn(before.id, before.turns, event.reason, event.error)
            for before, event, _ in self._told()
            if isinstance(event, TurnFailed)
        )

    @property
    def raised(self) -> tuple[RaisedTool, ...]:
        """The calls of tools that failed by the tool itself; not those that a fault broke, and no refusals."""
        return tuple(
            RaisedTool(before.id, before.turns, name, event.content)
            for before, event, _ in self._told()
            if isinstance(event, ToolFailed) and event.kind == "error" and event.error != ToolBroke.__name__
            if event.content.startswith(f"Error executing {(name := _name(before, event))}:")
        )

    @property
    def replies(self) -> dict[str, tuple[str, ...]]:
        """What the agent said in each conversation, in order."""
        replies: dict[str, tuple[str, ...]] = {str(chat): () for chat in self.logs}
        for before, event, after in self._told():
            if isinstance(event, AgentSpoke):
                replies[before.id] += (after.reply[1],)
        return replies

    @property
    def states(self) -> dict[str, dict[str, Any]]:
        """The last state of the journey that each conversation is in, as plain data."""
        return {str(chat): state_of(fold(initial(chat), [one.frame for one in log])) for chat, log in self.logs.items()}

    def _told(self) -> Iterator[tuple[Conversation, AnyEvent, Conversation]]:
        """Yield each event where it happened, with the conversation before and after it."""
        for chat, log in self.logs.items():
            now = initial(chat)
            for own, event in ((not stored.inherited, event) for stored in log for event in stored.frame.events):
                before, now = now, evolve(now, event)
                if own:
                    yield before, event, now


def turns_of(log: Sequence[Stored]) -> int:
    """Return how many turns began in a conversation itself."""
    before = [one.frame.turn for one in log if one.inherited]
    return log[-1].frame.turn - (before[-1] if before else 0)


def _name(before: Conversation, event: ToolFailed) -> str:
    """Return which tool it was."""
    answer = None if before.turn is None else before.turn.answer
    calls = () if answer is None else answer.calls
    return calls[event.index].name if 0 <= event.index < len(calls) else ""


class RuleBroken(AssertionError):
    """Raised when a rule does not hold in a simulation; says which, what happened, and how to see it again.

    >>> from agent_runtime_framework.testing import OnboardingAgent, RuleBroken, Say, simulate
    >>> try:
    ...     run = simulate(OnboardingAgent(), [Say("c-1", "hi")], seed=3)
    ... except RuleBroken as error:
    ...     print(error)
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        broken = "; ".join(str(one) for one in simulation.broken[:3])
        super().__init__(
            f"{broken} ({_circumstances(simulation)}); see it again: simulate(..., seed={simulation.seed})"
        )


class Inconclusive(AssertionError):
    """Raised when a simulation shows nothing: a fault that was asked for never happened, or something waits for ever.

    >>> from agent_runtime_framework.testing import Crash, Inconclusive, OnboardingAgent, Say, simulate
    >>> try:
    ...     run = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=[Crash(worker=1, step=1_000_000)])
    ... except Inconclusive as error:
    ...     print(str(error).partition(":")[0], error.simulation.counted)
    Crash(worker=1, step=1000000, at=None, after=None, down=1.0) never happened {}
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        said = [f"{one}; a simulation cannot await what is outside it, such as sockets" for one in simulation.waiting]
        steps = ", ".join(f"worker {number} took {steps} steps" for number, steps in simulation.worker_steps.items())
        said += [
            f"{one!r} never happened: all was over before it, or that worker was not there then ({steps})"
            for one in simulation.never_happened
        ]
        again = f"see it again: simulate(..., seed={simulation.seed})"
        super().__init__(f"{'; '.join(said[:3])} ({_circumstances(simulation)}); {again}")


def _circumstances(simulation: Simulation) -> str:
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(simulation.counted.items())) or "no faults"
    return f"after {simulation.steps} steps and {simulation.seconds:.3f} virtual seconds, with {faults}"
