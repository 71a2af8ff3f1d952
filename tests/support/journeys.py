"""Small journeys for tests, and the ways to run them."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from agent_runtime_framework import (
    AgentContext,
    BaseJourneyState,
    BaseJourneyTools,
    JourneyAgent,
    JourneyConfig,
    Runtime,
    ToolResult,
    ToolSchema,
    ToolSchemaBuilder,
)
from agent_runtime_framework.events import START, ConversationId, Frame, KnownEvent, Stored, Usage
from agent_runtime_framework.projections import Conversation, Recorded, fold, initial
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.retry import RetryPolicy
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.runtime.testing.working import at_work


class Step(StrEnum):
    """Where the test journey can be."""

    NAME = "name"
    ORDER = "order"
    DONE = "done"


@dataclass
class Order(BaseJourneyState[Step]):
    """A state with every kind of field that is hard to compare."""

    step: Step = Step.NAME
    name: str = ""
    lines: list[str] = field(default_factory=list)
    prices: dict[str, Any] = field(default_factory=dict)
    total: Decimal = Decimal(0)
    tags: set[str] = field(default_factory=set)

    def is_complete(self) -> bool:
        """Say whether the journey is over."""
        return self.step == Step.DONE


class OrderTools(BaseJourneyTools[Order]):
    """Tools that change the state in every way, and some that misbehave."""

    async def save_name(self, name: str) -> str:
        self.state.name = name
        self.state.step = Step.ORDER
        return f"Nice to meet you, {name}."

    async def add(self, line: str) -> str:
        self.state.lines.append(line)
        return f"Added {line}."

    async def price(self, line: str, amount: str) -> str:
        self.state.prices.setdefault("lines", {})[line] = {"amount": amount}
        self.state.total += Decimal(amount)
        return f"{line} costs {amount}."

    async def tag(self, tag: str) -> str:
        self.state.tags.add(tag)
        return f"Tagged {tag}."

    async def look(self) -> str:
        return f"{len(self.state.lines)} lines, {self.state.total}"

    async def finish(self) -> str:
        self.state.step = Step.DONE
        return "Your order is placed."

    async def fail(self) -> str:
        self.state.lines.append("never")
        raise ValueError("the shop is closed")

    async def decline(self) -> ToolResult:
        self.state.lines.append("never")
        return ToolResult.fail("we do not sell that")

    async def spoil(self) -> str:
        self.state.prices["bad"] = object()
        return "spoilt"


SHOP = ("add", "price", "tag", "look", "finish", "fail", "decline", "spoil")


class OrderAgent(JourneyAgent[Order, OrderTools, Step]):
    """Takes an order: a name, then lines, then done."""

    tools_type: type[OrderTools] = OrderTools

    @property
    def key(self) -> str:
        return "order"

    def get_initial_state(self) -> Order:
        return Order()

    def get_system_prompt(self, state: Order) -> str:
        return {Step.NAME: "Ask for the name.", Step.ORDER: "Take the order.", Step.DONE: "Say good-bye."}[state.step]

    def get_tool_schemas(self, state: Order) -> list[ToolSchema]:
        if state.step == Step.NAME:
            name = ToolSchemaBuilder("save_name").param("name", "string", "The name", required=True)
            return [name.effect("once").build()]
        if state.step == Step.ORDER:
            return [ToolSchemaBuilder(name).effect("read" if name == "look" else "once").build() for name in SHOP]
        return []

    def create_tools(self, state: Order, ctx: AgentContext) -> OrderTools:
        return self.tools_type(state=state)

    async def execute_tool(self, tools: OrderTools, name: str, arguments: dict[str, Any]) -> str:
        result: str = await getattr(tools, name)(**arguments)
        return result


class Beginning(OrderAgent):
    """Begins in the step that a test wants."""

    def __init__(self, llm: Any, step: Step, **config: Any) -> None:
        super().__init__(llm, JourneyConfig(**config))
        self.step = step

    async def load_state(self, ctx: AgentContext) -> Order:
        return Order(step=self.step)


def order_agent(llm: Any, *, tools: type[OrderTools] = OrderTools, **config: Any) -> OrderAgent:
    """Return the agent over a model, with these tools and this configuration."""
    agent = OrderAgent(llm, JourneyConfig(**config))
    agent.tools_type = tools
    return agent


NO_WAITING = RetryPolicy(attempts=3, first=0.0, longest=0.0)


def working(
    *agents: JourneyAgent[Any, Any, Any], substrate: Substrate | None = None, **options: Any
) -> AbstractAsyncContextManager[Runtime]:
    """Give a runtime whose worker owns everything, in memory unless told."""
    given = substrate if substrate is not None else in_memory(SystemClock())
    return at_work(Runtime(agents, substrate=given, retry=NO_WAITING, **options))


def tokens(prompt: int, completion: int, total: int) -> Usage:
    """Return counts of tokens, by OpenAI's names."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


async def recorded(runtime: Runtime, conversation: str) -> list[Recorded]:
    """Return all events of a conversation."""
    return [event async for event in runtime.events(conversation)]


async def types(runtime: Runtime, conversation: str) -> list[str]:
    """Return the types of all events of a conversation."""
    return [event.type for event in await recorded(runtime, conversation)]


async def frames(substrate: Substrate, conversation: str) -> list[Stored]:
    """Return all frames of a conversation."""
    return [stored async for stored in substrate.log.read(ConversationId(conversation), START)]


def given(*events: KnownEvent, conversation: str = "c-1") -> Conversation:
    """Return the conversation after these events."""
    frame = Frame(first=1, time=0, writer="w", agent="order", events=events)
    return fold(initial(ConversationId(conversation)), [frame])
