"""Declared tools in conversations: what is offered, checked, refused and run."""

import asyncio
import threading
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Annotated, Any, ClassVar, Literal, Optional

import msgspec
import pytest

from agent_runtime_framework import (
    AgentContext,
    BaseJourneyState,
    BaseJourneyTools,
    JourneyAgent,
    MethodToolExecutor,
    ToolResult,
    ToolSchema,
    ToolSchemaBuilder,
)
from agent_runtime_framework.actors.journey import tool
from agent_runtime_framework.events import ToolFailed, ToolReturned, ToolStarted
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import recorded, types, working
from support.paths import Take, both_paths


class Step(StrEnum):
    SHOP = "shop"
    DONE = "done"


class Size(Enum):
    SMALL = "S"
    LARGE = "L"


@dataclass
class Cart(BaseJourneyState[Step]):
    step: Step = Step.SHOP
    lines: list[str] = field(default_factory=list)

    def is_complete(self) -> bool:
        return self.step == Step.DONE


@dataclass
class Line:
    name: str
    size: Size = Size.SMALL


def where_it_runs() -> str:
    """Return what the code that asks is run by."""
    return "thread" if threading.current_thread() is not threading.main_thread() else "loop"


class CartTools(BaseJourneyTools[Cart]):
    ran: ClassVar[list[str]] = []

    @tool(steps=Step.SHOP, effect="idempotent")
    async def add(self, line: Line, amount: int = 1) -> str:
        """Add a line."""
        assert isinstance(line.size, Size)
        self.state.lines.append(f"{amount} {line.name} {line.size.name}")
        return f"Added {line.name}."

    @tool(steps=[Step.SHOP])
    def pay(self) -> ToolResult:
        """Pay, in a thread since it would block."""
        CartTools.ran.append(where_it_runs())
        self.state.step = Step.DONE
        return ToolResult.ok("Paid.")

    @tool(name="where-am-i")
    async def where(self) -> str:
        CartTools.ran.append(where_it_runs())
        return self.state.step

    async def undeclared(self, text: str) -> str:
        return text.upper()


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    CartTools.ran.clear()


class CartAgent(JourneyAgent[Cart, CartTools, Step]):
    key = "cart"
    prompts: ClassVar = {Step.SHOP: "Sell.", Step.DONE: "Say good-bye."}


async def said_to(agent: CartAgent, text: str = "hi") -> tuple[Any, list[Any]]:
    """Return the reply of a runtime and all events."""
    async with working(agent) as rt:
        reply = await rt.send(agent.key, "c-1", text)
        return reply, [one.event for one in await recorded(rt, "c-1")]


def failures(events: list[Any]) -> list[tuple[str, str]]:
    return [(event.kind, event.content) for event in events if isinstance(event, ToolFailed)]


async def test_a_declared_tool_gets_converted_arguments_and_its_own_defaults() -> None:
    with ScriptedLLM(
        calls(("add", {"line": {"name": "tea", "size": "L"}}), ("add", {"line": {"name": "jam"}})), "."
    ) as llm:
        reply, events = await said_to(CartAgent(llm))

    assert reply.state == {"step": "shop", "lines": ["1 tea LARGE", "1 jam SMALL"]}
    assert [event.effect for event in events if isinstance(event, ToolStarted)] == ["idempotent", "idempotent"]


async def test_the_model_is_offered_the_tools_of_the_step() -> None:
    with ScriptedLLM(calls(("pay", {})), "Bye.") as llm:
        await said_to(CartAgent(llm))

    offered = [[made["function"]["name"] for made in request.tools or []] for request in llm.requests]
    assert offered == [["add", "pay", "where-am-i"], ["where-am-i"]]
    assert [request.messages[0]["content"] for request in llm.requests] == ["Sell.", "Say good-bye."]


async def test_wrong_arguments_are_told_to_the_model_and_nothing_runs() -> None:
    with ScriptedLLM(calls(("add", {"line": {"name": "tea"}, "amount": "2"})), "Sorry.") as llm:
        reply, events = await said_to(CartAgent(llm))

    told = "Error: the arguments of 'add' do not fit: `amount`: Expected `int`, got `str`"
    assert failures(events) == [("invalid", told)]
    assert llm.requests[1].messages[-1]["content"] == told
    assert not [event for event in events if isinstance(event, ToolStarted)]
    assert reply.state["lines"] == []


async def test_a_tool_is_refused_once_the_state_has_left_its_steps() -> None:
    with ScriptedLLM(calls(("pay", {}), ("add", {"line": {"name": "tea"}}), ("where-am-i", {})), "Bye.") as llm:
        reply, events = await said_to(CartAgent(llm))

    assert failures(events) == [("not_offered", "Error: Tool 'add' is not available now")]
    assert [event.content for event in events if isinstance(event, ToolReturned)] == ["Paid.", "done"]
    assert reply.state == {"step": "done", "lines": []}


async def test_a_plain_method_runs_in_a_thread_and_an_async_one_on_the_loop() -> None:
    with ScriptedLLM(calls(("pay", {}), ("where-am-i", {})), "Bye.") as llm:
        await said_to(CartAgent(llm))

    assert CartTools.ran == ["thread", "loop"]


@both_paths
async def test_a_plain_method_that_is_not_declared_runs_in_a_thread_too(take: Take) -> None:
    class Blocking(CartTools):
        def shout(self, text: str) -> str:
            CartTools.ran.append(where_it_runs())
            self.state.lines.append(text.upper())
            return "Shouted."

    class Unwritten(CartAgent):
        tools_class = Blocking

        def get_tool_schemas(self, state: Cart) -> list[ToolSchema]:
            return [ToolSchemaBuilder("shout").build()]

    with ScriptedLLM(calls(("shout", {"text": "tea"})), ".") as llm:
        taken = await take(Unwritten(llm), "hi")

    assert (taken.state["lines"], taken.failures, CartTools.ran) == (["TEA"], [], ["thread"])


async def test_a_run_without_a_server_refuses_as_a_worker_does() -> None:
    with ScriptedLLM(calls(("pay", {}), ("add", {"line": {}})), calls(("where-am-i", {"x": 1})), "Bye.") as llm:
        result = await CartAgent(llm).run(AgentContext("r-1", "c-1", [{"role": "user", "content": "hi"}]))

    told = [message.content for message in result.messages if message.role == "tool"]
    assert told == [
        "Paid.",
        "Error: Tool 'add' is not available now",
        "Error: the arguments of 'where-am-i' do not fit: there is no `x`; it takes nothing",
    ]


class ByHand(CartAgent):
    """Writes the schemas and the execution of its tools itself."""

    key = "by_hand"
    got: ClassVar[list[Any]] = []

    def get_tool_schemas(self, state: Cart) -> list[ToolSchema]:
        names = ("undeclared", "_require_backend", "on_state_change", "missing", "pay")
        return [*super().get_tool_schemas(state), *(ToolSchemaBuilder(name).build() for name in names)][-6:]

    async def execute_tool(self, tools: CartTools, name: str, arguments: dict[str, Any]) -> str:
        ByHand.got.append(arguments)
        await asyncio.sleep(0)
        made = super().execute_tool(tools, name, arguments)
        assert not isinstance(made, str)
        return await made


async def test_without_schemas_of_their_own_methods_are_called_by_name_and_nothing_else_is() -> None:
    listed = calls(("undeclared", {"text": "a"}), ("_require_backend", {}), ("on_state_change", {}), ("missing", {}))
    with ScriptedLLM(listed, "Bye.") as llm:
        _, events = await said_to(ByHand(llm))

    assert [event.content for event in events if isinstance(event, ToolReturned)] == ["A"]
    assert failures(events) == [
        ("unknown", f"Error: Unknown tool '{name}'") for name in ("_require_backend", "on_state_change", "missing")
    ]


async def test_a_hand_written_execute_tool_gets_what_the_model_sent_once_that_is_right() -> None:
    ByHand.got.clear()
    with ScriptedLLM(calls(("where-am-i", {"x": 1}), ("where-am-i", {}), ("undeclared", {"text": "b"})), "Bye.") as llm:
        _, events = await said_to(ByHand(llm))

    assert ByHand.got == [{}, {"text": "b"}]
    assert [kind for kind, _ in failures(events)] == ["invalid"]


@both_paths
async def test_a_hand_written_execute_tool_may_hand_declared_tools_to_a_method_executor(take: Take) -> None:
    class Delegating(CartAgent):
        async def execute_tool(self, tools: CartTools, name: str, arguments: dict[str, Any]) -> str:
            return await MethodToolExecutor(tools).execute(name, arguments)

    script = (calls(("add", {"line": {"name": "tea", "size": "L"}}), ("where-am-i", {})), calls(("pay", {})), "Bye.")
    with ScriptedLLM(*script) as llm:
        taken = await take(Delegating(llm), "tea")

    assert taken.state == {"step": "done", "lines": ["1 tea LARGE"]}
    assert [event.content for event in taken.events if isinstance(event, ToolReturned)] == [
        "Added tea.",
        "shop",
        "Paid.",
    ]


async def test_tools_of_a_class_that_only_create_tools_knows_are_checked_too() -> None:
    class Loose(JourneyAgent[Any, Any, Any]):
        key = "loose"
        prompts: ClassVar = {"shop": "Sell.", "done": "Bye."}

        def get_initial_state(self) -> Cart:
            return Cart()

        def get_tool_schemas(self, state: Cart) -> list[ToolSchema]:
            return [ToolSchemaBuilder("add").build()]

        def create_tools(self, state: Cart, ctx: AgentContext) -> CartTools:
            return CartTools(state)

    with ScriptedLLM(calls(("add", {"line": 1}), ("add", {"line": {"name": "tea"}})), ".") as llm:
        async with working(Loose(llm)) as rt:
            reply = await rt.send("loose", "c-1", "hi")
            events = [one.event for one in await recorded(rt, "c-1")]
            every = await types(rt, "c-1")

    assert failures(events) == [
        ("invalid", "Error: the arguments of 'add' do not fit: `line`: Expected `object`, got `int`")
    ]
    assert every.count("tool.started") == 2
    assert reply.state["lines"] == ["1 tea SMALL"]


async def test_a_tool_that_raises_is_told_as_any_other() -> None:
    class Broken(CartTools):
        async def where(self) -> str:
            raise ValueError("lost")

    class BrokenAgent(CartAgent):
        tools_class = Broken

    with ScriptedLLM(calls(("where-am-i", {})), "Sorry.") as llm:
        _, events = await said_to(BrokenAgent(llm))

    assert failures(events) == [("error", "Error executing where-am-i: lost")]


async def test_the_model_is_told_parameters_in_the_order_that_their_author_gave_them() -> None:
    class Ordered(CartTools):
        @tool
        async def send(self, to: str, subject: str, body: str, after: int = 0) -> str:
            return "Sent."

    class Sender(CartAgent):
        tools_class = Ordered

    with ScriptedLLM("Hello.") as llm:
        await said_to(Sender(llm))

    (sent,) = [made["function"] for made in llm.requests[0].tools or [] if made["function"]["name"] == "send"]
    assert list(sent["parameters"]["properties"]) == ["to", "subject", "body", "after"]
    assert list(sent) == ["name", "description", "parameters"]


@dataclass
class Article:
    product: str
    amount: Annotated[int, msgspec.Meta(ge=1)] = 1


class Place(msgspec.Struct):
    street: str
    floor: int = 0


class EveryKind(BaseJourneyTools[Cart]):
    """Has a tool with parameters of every kind of hint."""

    got: ClassVar[list[Any]] = []

    @tool
    async def order(
        self,
        articles: list[Article],
        to: Place,
        how: Literal["card", "cash"],
        day: Annotated[int, msgspec.Meta(ge=1, le=31)] = 1,
        note: Optional[str] = None,  # noqa: UP045  as many write it
    ) -> str:
        """Order."""
        EveryKind.got.append((articles, to, how, day, note))
        return "Ordered."


@both_paths
async def test_each_kind_of_hint_is_checked_before_the_call_and_converted_for_it(take: Take) -> None:
    class Ordering(CartAgent):
        tools_class = EveryKind

    right = {"articles": [{"product": "tea"}], "to": {"street": "Mill 1"}, "how": "card"}
    wrong = {"articles": [{"product": "tea", "amount": 0}], "to": {}, "how": "coins", "day": 32, "note": 5}
    EveryKind.got.clear()
    with ScriptedLLM(calls(("order", wrong)), calls(("order", right), ("order", {**right, "note": None})), ".") as llm:
        taken = await take(Ordering(llm), "tea")

    assert EveryKind.got == [([Article("tea", 1)], Place("Mill 1"), "card", 1, None)] * 2
    assert [kind for kind, _ in taken.failures] == ["invalid"]
    told = llm.requests[1].messages[-1]["content"]
    assert all(f"`{path}`" in told for path in ("articles[0].amount", "to", "how", "day", "note")), told
