"""The loop of model and tools on its own: messages in, a response out, no journey and no state."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...actors import AskModel, EndTurn, Mailbox, Open, Policy, RunTool, SayToAgent, Verdict
from ...actors.journey import AgentMessage, ToolSchema
from ...events import ConversationId, MemoryLog
from ...projections import Call, Conversation, OwedToolCall, text_of, tools_text
from ..clock import SystemClock, new_id
from ..models import LLMClient
from ..retry import RetryPolicy
from .asking import ModelCaller, Raised
from .calling import Ran, ToolCaller, ran
from .effects import Performers, Performing, TurnEffects, completed
from .hooks import ExecutorHooks
from .input_messages import is_words, plain
from .run import converse, ended_well, said_in
from .tool_executors import FailedText, ToolExecutor

KEY = "executor"


@dataclass
class LLMExecutorConfig:
    """Configures the loop.

    Attributes:
        max_iterations: answers of the model; after so many the last text is the response.
        terminal_tools: tools whose success, as the last call of an answer, ends the run with their text.
        require_tool_call: the model must call a tool, where there are any.
        stop_on_text: an answer without calls is the response; else it joins the history and the loop goes on.

    >>> import asyncio
    >>> from agent_runtime_framework import CallableToolExecutor, LLMExecutor, LLMExecutorConfig
    >>> from agent_runtime_framework.testing import ScriptedLLM, calls
    >>> tools, config = CallableToolExecutor({"pay": lambda: "Paid."}), LLMExecutorConfig(terminal_tools={"pay"})
    >>> executor = LLMExecutor(ScriptedLLM(calls(("pay", {}))), tools, config)
    >>> asyncio.run(executor.run([{"role": "user", "content": "Pay, please"}])).response
    'Paid.'

    """

    max_iterations: int = 10
    terminal_tools: set[str] = field(default_factory=set)
    require_tool_call: bool = False
    stop_on_text: bool = True


@dataclass
class ExecutionResult:
    """Is what a run came to.

    Attributes:
        response: the text.
        messages: those given and those made, without the system prompt.
        tool_calls_made: how many calls the model made.
        stopped_reason: `text_response`, `terminal_tool:{name}` or `max_iterations`.
        usage: the sum over the model's answers.

    >>> import asyncio
    >>> from agent_runtime_framework import CallableToolExecutor, LLMExecutor
    >>> from agent_runtime_framework.testing import ScriptedLLM
    >>> executor = LLMExecutor(ScriptedLLM("Hello, Ada!"), CallableToolExecutor({}))
    >>> result = asyncio.run(executor.run([{"role": "user", "content": "I am Ada"}]))
    >>> result.stopped_reason, result.usage["total_tokens"], result.messages[-1]
    ('text_response', 5, {'role': 'assistant', 'content': 'Hello, Ada!'})

    """

    response: str
    messages: list[dict[str, Any]] = field(default_factory=list)
    tool_calls_made: int = 0
    stopped_reason: str = "text_response"
    usage: dict[str, int] = field(default_factory=dict)


class LLMExecutor:
    """Asks a model, runs the tools that it calls, and asks again, until it answers in words.

    >>> import asyncio
    >>> from agent_runtime_framework import CallableToolExecutor, LLMExecutor
    >>> from agent_runtime_framework.testing import ScriptedLLM, calls
    >>> llm = ScriptedLLM(calls(("add", {"a": 1, "b": 2})), "It is 3.")
    >>> executor = LLMExecutor(llm, CallableToolExecutor({"add": lambda a, b: a + b}))
    >>> result = asyncio.run(executor.run([{"role": "user", "content": "1 + 2?"}]))
    >>> result.response, result.tool_calls_made, result.stopped_reason
    ('It is 3.', 1, 'text_response')
    """

    def __init__(
        self,
        llm_client: LLMClient,
        tool_executor: ToolExecutor | None = None,
        config: LLMExecutorConfig | None = None,
        hooks: ExecutorHooks | None = None,
    ) -> None:
        self.llm_client = llm_client
        self.tool_executor = tool_executor
        self.config = config if config is not None else LLMExecutorConfig()
        self.hooks = hooks

    async def run(
        self,
        messages: Sequence[AgentMessage | Mapping[str, Any]],
        tools: Sequence[ToolSchema | Mapping[str, Any]] | None = None,
        system_prompt: str | None = None,
    ) -> ExecutionResult:
        """Run the loop over these messages, which are not changed.

        Raises:
            NoReply: the model gave no usable answer; the cause is what it raised.
            Exception: in debug, what a tool raised, as it was raised.

        """
        given = [plain(message) for message in messages]
        history, text = (given[:-1], text_of(given[-1])) if given and is_words(given[-1]) else (given, "")
        journey = _Fixed(self, _in_openai_form(tools), system_prompt)
        effects = self._effects(Open(agent=KEY, journey_hash="", state={}, history=tuple(history)))
        id_ = new_id("run")
        say = SayToAgent(id=id_, agent=KEY, text=text)
        log = MemoryLog(limit=None)
        after, frame = await converse(ConversationId(id_), say, journey, effects, clock=SystemClock(), log=log)
        ended = ended_well(after, frame)
        await completed(self.hooks, ended)
        made = said_in(after, ended.turn)
        return ExecutionResult(
            response=ended.text,
            messages=[*(dict(message) for message in given), *made],
            tool_calls_made=sum(len(message.get("tool_calls", ())) for message in made),
            stopped_reason=ended.reason,
            usage=dict(ended.usage),
        )

    def _effects(self, first: Open) -> TurnEffects:
        async def opening(_conversation: ConversationId, _command: SayToAgent) -> Open:
            return first

        def performing(raised: Raised) -> Performing:
            clock, hooks = SystemClock(), self.hooks
            model = ModelCaller(
                lambda: self.llm_client, clock=clock, timeout=None, retry=RetryPolicy(), raised=raised, hooks=hooks
            )
            tools = ToolCaller(self._execute, clock=clock, timeout=None, raised=raised, hooks=hooks)
            return lambda _conversation: Performers(model, tools)

        return TurnEffects(opening, performing)

    async def _execute(self, conversation: Conversation, owed: OwedToolCall) -> Ran:  # noqa: ARG002  it needs none
        name = owed.call.name
        if self.tool_executor is None:
            return ran(FailedText(f"Error: No tool executor configured for '{name}'", "unknown"), {}, "")
        return ran(await self.tool_executor.execute(name, copy.deepcopy(owed.call.arguments)), {}, "")


class _Fixed:
    """Is a journey of one step, whose prompt and tools never change."""

    mailbox: Mailbox = "queue"

    def __init__(self, executor: LLMExecutor, tools: list[Mapping[str, Any]], prompt: str | None) -> None:
        config = executor.config
        self._policy = Policy(
            max_rounds=config.max_iterations,
            terminal_tools=frozenset(config.terminal_tools),
            stop_on_text=config.stop_on_text,
            offered_only=False,
        )
        self._asked = AskModel(
            prompt=prompt or "",
            tools=tools_text(tools),
            model=str(getattr(executor.llm_client, "model", None) or ""),
            parameters={"tool_choice": "required"} if config.require_tool_call and tools else {},
        )

    def revise(self, conversation: Conversation) -> None:
        """Say nothing: it has no versions."""

    def policy(self, conversation: Conversation) -> Policy:  # noqa: ARG002  the same for each
        return self._policy

    def ask_model(self, conversation: Conversation) -> AskModel | EndTurn:  # noqa: ARG002  the same for each
        return self._asked

    def judge(self, conversation: Conversation, call: Call) -> Verdict:  # noqa: ARG002  every call may run
        return RunTool(effect="once")


def _in_openai_form(tools: Sequence[ToolSchema | Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    return [tool.to_openai_format() if isinstance(tool, ToolSchema) else tool for tool in tools or ()]


Executor = LLMExecutor
"""The name that `LLMExecutor` had before."""

ExecutorConfig = LLMExecutorConfig
"""The name that `LLMExecutorConfig` had before."""
