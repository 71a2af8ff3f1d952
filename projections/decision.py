"""A tool decision: all that an auditor asks of one call, from what was offered to what came of it, in one record.

It is made from a log alone (`deciding.py`), so it says the same whenever and by whomever it is read.  Times are Unix
milliseconds, values of the state JSON as it was stored.
"""

from typing import Any, Final, Literal, TypeAlias, get_args

from msgspec import Struct

from ..events import Effect, Usage
from .account import Change, Move, Start

Verdict: TypeAlias = Literal["run", "in_doubt", "not_offered", "invalid", "denied", "unknown", "not_run", "undecided"]
"""What was decided of a call, one of eight:

  - run: the tool was started; what it came to is the outcome, which is none yet while it runs.
  - in_doubt: the tool was started, and nobody knows whether it took effect.
  - not_offered, invalid, denied, unknown: it was refused and not started: that tool was not offered in that request or
    is not for the step any more; its arguments do not fit; the agent's policy, or the runtime, denied it; there is no
    such tool.
  - not_run: it was not started, because its turn ended first.
  - undecided: nothing is recorded of it yet; one before it in the same answer is being run.
"""

VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)

REFUSALS: Final[tuple[Verdict, ...]] = ("not_offered", "invalid", "denied", "unknown")
"""Verdicts by which a call was refused, each named as the kind of failure that is recorded."""


class ToolDecision(Struct, frozen=True, kw_only=True):
    """Is one tool call, from what the model was offered to what it changed.

    Attributes:
        conversation: whose log has it; for what a fork has from before its cut, the one that it was forked from.
        agent, turn, call: the front agent, the turn's number, and the call's id, `<version of the answer>.<index>`.
        provider_id: the call's id as the model's provider gave it; may be empty.
        message_id, message: what the user said to begin the turn.
        spoke, spoke_at: its version and time; None where nothing is recorded of it.
        journey, journey_hash, step: where the conversation was when the model was asked.
        model, answered_by: the model as it was configured, and as the provider named it.
        parameters: of the request.
        response_id: the provider's.
        request, request_hash: the version and SHA-256 of the request that was answered; None where a log is damaged.
        asked: how often the model was asked until it answered.
        prompt, prompt_at: the system prompt, and the version where it stands in the log.
        offered, tools_at: the names of the tools that were offered, and the version where their list stands.
        words: what the model said beside its calls.
        tool, arguments: what it chose; `problem` says what is wrong with it, or None.
        verdict: what was decided, one of `VERDICTS`.
        policy, policy_reason: `allowed` or `denied` by the agent's policy, and why; empty where none was asked.
        effect: the tool's class; of one that was not started, as it was offered.
        key: the idempotency key, the same for all attempts.
        attempts: each start of the tool.
        outcome: `returned`, or the kind of failure; empty while there is none.
        content, error: what the model was told, and what is recorded beside it for the operator.
        outcome_at: the version where the outcome stands, or None.
        requested, chosen, started, ended: times; None for what did not happen.
        latency_ms: how long the tool took.
        moves: what it did to the state and to where the journey is.
        usage, model_ms: tokens and time of the model call that chose it, which may have chosen others too.
        turn_outcome, turn_reason, turn_error, reply: what came of the turn; the first is empty while it goes on.

    >>> import asyncio
    >>> from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM, calls
    >>> llm = ScriptedLLM(calls(("begin", {})), "What is your name?")
    >>> async def main():
    ...     async with AgentsAtWork(lambda: nats_url)(OnboardingAgent(llm)) as rt:
    ...         await rt.send("onboarding", "c-1", "hi")
    ...         return [decision async for decision in rt.decisions("c-1")]
    >>> decision, = asyncio.run(main())
    >>> decision.tool, decision.offered, decision.verdict, decision.outcome, decision.key
    ('begin', ('begin',), 'run', 'returned', 'c-1@5.0')

    """

    conversation: str
    agent: str
    turn: int
    call: str
    provider_id: str = ""
    message_id: str = ""
    message: str = ""
    spoke: int | None = None
    spoke_at: int | None = None
    journey: str
    journey_hash: str
    step: str
    model: str
    answered_by: str
    parameters: dict[str, Any]
    response_id: str | None
    request: int | None
    request_hash: str
    asked: int
    prompt: str
    prompt_at: int | None
    offered: tuple[str, ...]
    tools_at: int | None
    words: str
    tool: str
    arguments: dict[str, Any]
    problem: str | None
    verdict: Verdict
    policy: str
    policy_reason: str
    effect: Effect
    key: str
    attempts: tuple[Start, ...]
    outcome: str
    outcome_at: int | None
    content: str
    error: str | None
    requested: int | None
    chosen: int
    ended: int | None
    latency_ms: int
    moves: tuple[Move, ...]
    usage: Usage
    model_ms: int
    turn_outcome: str
    turn_reason: str
    turn_error: str
    reply: str

    @property
    def started(self) -> int | None:
        """When the tool was started first, None if it was not."""
        return self.attempts[0].time if self.attempts else None

    @property
    def refused(self) -> bool:
        """Whether it was refused, and the model told why."""
        return self.verdict in REFUSALS

    @property
    def changes(self) -> tuple[Change, ...]:
        """The fields of the state that it changed."""
        return tuple(change for move in self.moves for change in move.changes)
