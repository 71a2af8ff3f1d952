"""How an agent's turns run."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from ...actors import Mailbox
from .new_version import OnNewVersion


@dataclass
class JourneyConfig:
    """Configures how an agent's turns run.

    Attributes:
        max_tool_iterations: answers of the model in one turn, counted anew where another journey is entered; after so
            many the last tool's text is the reply.
        terminal_tools: tools whose success, as the last call of an answer, ends the turn with their text.
        closing_phrases: what a person says to end the talk, at word boundaries and in any case.
        tool_timeout: seconds that a tool may run; the model is then told that it timed out.
        model_timeout: seconds that one call of the model may take.
        model_parameters: further keywords for each call of the model, such as `temperature`.
        mailbox: what a worker does with a message that comes in while a turn is in progress: it waits for the end
            (`queue`), ends that turn, of which all stays that was recorded (`interrupt`), or is refused (`reject`).
            With a router that of the first agent holds.
        history_turns: how many turns before the current one the model is given; None gives all.
        on_new_version: what a worker does with a conversation that another version of the journey decided on, which
            other steps, prompts or tools make.  It goes on, and the new version is recorded (`continue`).  Or it is
            left to a worker of its own version, and where there is none its messages are refused (`pin`).  Or a
            function `migrate(state, from_hash)` makes a state of today, or its dict, of the recorded one, a plain dict;
            what that changes is recorded.  It is a plain function without effects, because it may be called again.
            With a router that of each agent holds for its own state.

    >>> import asyncio
    >>> from agent_runtime_framework import AgentContext, JourneyConfig
    >>> from agent_runtime_framework.testing import OnboardingAgent, ScriptedLLM, calls
    >>> agent = OnboardingAgent(ScriptedLLM(calls(("begin", {}))), JourneyConfig(terminal_tools={"begin"}))
    >>> asyncio.run(agent.run(AgentContext("run-1", "c-1", [{"role": "user", "content": "hi"}]))).response
    'Welcome! Signing up takes a name, an email address and a plan.'

    """

    max_tool_iterations: int = 10
    terminal_tools: set[str] = field(default_factory=set)
    closing_phrases: list[str] = field(default_factory=lambda: ["thank you", "thanks", "bye", "goodbye"])
    _: KW_ONLY
    tool_timeout: float = 300.0
    model_timeout: float = 300.0
    model_parameters: dict[str, Any] = field(default_factory=dict)
    mailbox: Mailbox = "queue"
    history_turns: int | None = None
    on_new_version: OnNewVersion = "continue"
