"""The account of a turn: what was said, what the model was given and chose, what came of it, how it ended, its cost.

An account is built from a log alone, so it says the same whenever and by whomever it is read.  Whatever does not fit
where it stands is an `Aside`, so that nothing is left out.  Times are Unix milliseconds, values JSON as it was stored.
"""

from typing import Any

from msgspec import Struct

from ..events import Effect, Usage, UserSpoke, add_usage
from .calls import Call
from .timeline import Recorded


class Change(Struct, frozen=True):
    """Is what became of one top-level field of the state; None stands for a field that was not there."""

    field: str
    before: bytes | None
    after: bytes | None


class Move(Struct, frozen=True, kw_only=True):
    """Is what an event did to where the journey is, and to its state.

    Attributes:
        version: where it stands.
        changes: the fields that were changed, those of a journey that is entered anew among them.
        step: from which step to which, or None.
        journey: from which journey to which, or None.
        resumed: whether that journey goes on as it was left.

    """

    version: int
    changes: tuple[Change, ...] = ()
    step: tuple[str, str] | None = None
    journey: tuple[str, str] | None = None
    resumed: bool = False


class Aside(Struct, frozen=True):
    """Is an event that is no part of the course of a turn: the beginning, a refusal, one that nobody knows.

    `move` is what it did to the journey and its state, or None.

    >>> import asyncio
    >>> from agent_runtime_framework import Aside
    >>> from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM
    >>> async def main():
    ...     async with AgentsAtWork(lambda: nats_url)(OnboardingAgent(ScriptedLLM("Hello!"))) as rt:
    ...         await rt.send("onboarding", "c-1", "hi")
    ...         return [part.recorded.type async for part in rt.accounts("c-1") if isinstance(part, Aside)]
    >>> asyncio.run(main())
    ['conversation.started']

    """

    recorded: Recorded
    move: Move | None = None


class Attempt(Struct, frozen=True, kw_only=True):
    """Is one time that the model was to be asked, with why that came to nothing.

    Attributes:
        version, time: of the request.
        number: 1, and one more for each retry; who takes a turn over asks under the number that was owed.
        not_before: before when it is not sent, or None.
        hash: SHA-256 of what is sent; empty if none is recorded.
        failed: the version of the failure, or None.
        kind, error, failed_at, retry_at, latency_ms: of the failure.

    """

    version: int
    time: int
    number: int = 1
    not_before: int | None = None
    hash: str = ""
    failed: int | None = None
    failed_at: int | None = None
    kind: str = ""
    error: str = ""
    retry_at: int | None = None
    latency_ms: int = 0


class Start(Struct, frozen=True):
    """Is one time that a tool was started, by the worker life `writer`; another attempt than 1 is of a later life."""

    version: int
    time: int
    attempt: int
    effect: Effect
    step: str
    writer: str = ""


class CallAccount(Struct, frozen=True, kw_only=True):
    """Is what became of one tool call.

    Attributes:
        id: ours, `<version of the answer>.<index>`.
        call: what the model wrote.
        starts: when the tool was started; none for a call that was refused.
        outcome: `returned`, or the kind of its failure such as `denied`; empty while it has none.
        version, time: of the outcome, or None.
        content: what the model was told; `error` what is recorded beside it for the operator.
        latency_ms: how long the tool took.
        policy: `allowed` or `denied`, as the agent's policy said of it; empty where none was asked.
        policy_reason: why, if it said so.
        moves: what it did to the state and to where the journey is.

    """

    id: str
    call: Call
    starts: tuple[Start, ...] = ()
    outcome: str = ""
    version: int | None = None
    time: int | None = None
    content: str = ""
    error: str | None = None
    latency_ms: int = 0
    policy: str = ""
    policy_reason: str = ""
    moves: tuple[Move, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the tool was not even started, and why not stands in `content`."""
        return bool(self.outcome) and not self.starts

    @property
    def changes(self) -> tuple[Change, ...]:
        """The fields that it changed."""
        return tuple(change for move in self.moves for change in move.changes)


class Round(Struct, frozen=True, kw_only=True):
    """Is one question to the model: asked until it was answered, and what came of its calls.

    Attributes:
        attempts: when it was asked; none only where a log is damaged.
        journey, journey_hash, step: where the conversation was, and under which version of the journey.
        model, parameters: as the author configured them.
        prompt: the system prompt; it stands in the log at `prompt_at`, None for no prompt.
        tools: names of the tools that were offered; their list stands at `tools_at`, None for no tools.
        effects: the effect classes that were declared for them.
        first_turn, last_turn: the part of the history that was given.
        answered: the version of the answer, or None.
        answered_at: when.
        text, finish_reason, usage, latency_ms, response_id, answered_by: what it said and cost; the last is the
            model as the provider names it.
        calls: its calls, in order.

    """

    attempts: tuple[Attempt, ...] = ()
    journey: str = ""
    journey_hash: str = ""
    step: str = ""
    model: str = ""
    parameters: dict[str, Any] = {}
    prompt: str = ""
    prompt_at: int | None = None
    tools: tuple[str, ...] = ()
    tools_at: int | None = None
    effects: dict[str, Effect] = {}
    first_turn: int = 0
    last_turn: int = 0
    answered: int | None = None
    answered_at: int | None = None
    text: str = ""
    finish_reason: str | None = None
    usage: Usage = {}
    latency_ms: int = 0
    response_id: str | None = None
    answered_by: str = ""
    calls: tuple[CallAccount, ...] = ()

    @property
    def failures(self) -> int:
        """How often the model failed."""
        return sum(attempt.failed is not None for attempt in self.attempts)

    @property
    def model_ms(self) -> int:
        """How long the model was waited for, failures included."""
        return self.latency_ms + sum(attempt.latency_ms for attempt in self.attempts)

    @property
    def tool_ms(self) -> int:
        """How long its tools took."""
        return sum(call.latency_ms for call in self.calls)


class Taken(Struct, frozen=True):
    """Is when the life of a worker began with a turn (attempt 1) or took it over."""

    version: int
    time: int
    attempt: int
    writer: str


class TurnAccount(Struct, frozen=True, kw_only=True):
    """Is all that is recorded of one turn.

    Attributes:
        conversation, number: which one.
        agent: the front agent.
        said: what the user said to begin it, or None where nothing is recorded of that.
        began, began_at: version and time of its beginning.
        journey, step: where the conversation was then.
        lives: the worker lives that had it.
        rounds: the questions to the model.
        asides: what came in between.
        reply: the words that the user was told; `replied` is the version that says so, None if there was no reply.
        outcome: `completed`, `failed` or `cancelled`; empty for a turn that has not ended.
        reason, error, cancelled_by: why; the last is the id of the command.
        ended, ended_at: version and time of the end, or None.

    >>> import asyncio
    >>> from agent_runtime_framework import TurnAccount
    >>> from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM
    >>> async def main():
    ...     async with AgentsAtWork(lambda: nats_url)(OnboardingAgent(ScriptedLLM("Hello!"))) as rt:
    ...         await rt.send("onboarding", "c-1", "hi")
    ...         return [part async for part in rt.accounts("c-1") if isinstance(part, TurnAccount)]
    >>> turn, = asyncio.run(main())
    >>> turn.number, turn.step, turn.reply, turn.outcome, turn.rounds[0].tools
    (1, 'welcome', 'Hello!', 'completed', ('begin',))

    """

    conversation: str
    number: int
    agent: str = ""
    said: Recorded | None = None
    began: int
    began_at: int
    journey: str = ""
    step: str = ""
    lives: tuple[Taken, ...] = ()
    rounds: tuple[Round, ...] = ()
    asides: tuple[Aside, ...] = ()
    reply: str = ""
    replied: int | None = None
    outcome: str = ""
    reason: str = ""
    error: str = ""
    cancelled_by: str = ""
    ended: int | None = None
    ended_at: int | None = None

    @property
    def text(self) -> str:
        """What the user said."""
        event = None if self.said is None else self.said.event
        return event.text if isinstance(event, UserSpoke) else ""

    @property
    def calls(self) -> tuple[CallAccount, ...]:
        """The tool calls of all its rounds, in order."""
        return tuple(call for round_ in self.rounds for call in round_.calls)

    @property
    def usage(self) -> Usage:
        """The tokens of all its answers, as the provider counted them."""
        total: Usage = {}
        for round_ in self.rounds:
            total = add_usage(total, round_.usage)
        return total

    @property
    def model_ms(self) -> int:
        """How long the model was waited for."""
        return sum(round_.model_ms for round_ in self.rounds)

    @property
    def tool_ms(self) -> int:
        """How long its tools took."""
        return sum(round_.tool_ms for round_ in self.rounds)

    @property
    def whole_ms(self) -> int | None:
        """How long it took from its beginning to its end; None for a turn that has not ended."""
        return None if self.ended_at is None else self.ended_at - self.began_at
