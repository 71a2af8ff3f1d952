"""Authors, models and senders do their worst: each turn has an outcome, and the neighbours do not notice."""

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from agent_runtime_framework import AgentContext, Runtime, ToolResult
from agent_runtime_framework.actors import SayToAgent
from agent_runtime_framework.events import (
    AgentKey,
    ConversationId,
    InvalidInput,
    ModelError,
    NoReply,
    Refused,
    ToolFailed,
    ToolStarted,
)
from agent_runtime_framework.projections import fold, initial
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import in_memory
from agent_runtime_framework.runtime.wire import encode
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import Order, OrderAgent, OrderTools, frames, order_agent, recorded, types, working

NAMED = calls(("save_name", {"name": "Ada"}))
LOOK = calls(("look", {}))


class Unshowable(Exception):
    """Raises when it is shown."""

    def __str__(self) -> str:
        raise ValueError("no words")


class Stubborn:
    """Is a result that cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("no words")


async def cancelled_from_inside() -> str:
    """Await something that somebody else cancels."""
    other = asyncio.ensure_future(asyncio.Event().wait())
    asyncio.get_running_loop().call_soon(other.cancel)
    await other
    return "never"


async def cancelling_itself() -> str:
    """Cancel the task that it runs in."""
    own = asyncio.current_task()
    assert own is not None
    own.cancel()
    await asyncio.Event().wait()
    return "never"


def hurting(how: Any) -> type[OrderTools]:
    """Return tools whose `look` does this."""

    class Hurting(OrderTools):
        async def look(self) -> Any:
            if isinstance(how, BaseException):
                raise how
            return await how() if asyncio.iscoroutinefunction(how) else how

    return Hurting


@pytest.mark.parametrize(
    "how",
    [
        cancelled_from_inside,
        cancelling_itself,
        SystemExit(3),
        StopAsyncIteration("done"),
        Unshowable(),
        ValueError("half a surrogate \ud800"),
        Stubborn(),
        ToolResult(content="no", success=False, error=ValueError("odd")),  # type: ignore[arg-type]
    ],
    ids=lambda how: type(how).__name__,
)
async def test_a_tool_may_end_in_any_way_and_the_turn_goes_on(how: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # what is logged of half a surrogate cannot be sent from one test process to another
    monkeypatch.setattr(logging.getLogger("agent_runtime_framework"), "propagate", False)
    with ScriptedLLM(NAMED, LOOK, "Well.") as llm:
        async with working(order_agent(llm, tools=hurting(how))) as rt:
            reply = await rt.send("order", "c-1", "Ada", timeout=10)
            started = [one for one in await recorded(rt, "c-1") if isinstance(one.event, ToolStarted)]

    assert reply.text == "Well."
    assert len(started) == 2
    assert llm.requests[-1].messages[-1]["role"] == "tool"


@pytest.mark.parametrize("error", [StopIteration("none left"), SystemExit(2)], ids=lambda how: type(how).__name__)
async def test_a_plain_tool_may_raise_what_cannot_pass_a_future(error: BaseException) -> None:
    def execute(tools: Any, name: str, arguments: dict[str, Any]) -> str:
        raise error

    with ScriptedLLM(NAMED, "Sorry.") as llm:
        agent = order_agent(llm)
        agent.execute_tool = execute  # type: ignore[method-assign, assignment]
        async with working(agent) as rt:
            assert (await rt.send("order", "c-1", "Ada", timeout=10)).text == "Sorry."


@pytest.mark.parametrize(
    "error",
    [SystemExit(1), Unshowable(), asyncio.CancelledError(), ModelError("odd", kind=None, transient=False)],  # type: ignore[arg-type]
    ids=lambda error: type(error).__name__,
)
async def test_a_model_client_may_raise_anything_and_only_the_turn_fails(error: BaseException) -> None:
    class Odd:
        async def generate(self, messages: Any, tools: Any = None, **parameters: Any) -> Any:
            raise error

    async with working(order_agent(Odd())) as rt:
        with pytest.raises(NoReply):
            await rt.send("order", "c-1", "hi", timeout=10)
        assert (await types(rt, "c-1"))[-1] == "turn.failed"


@pytest.mark.parametrize("wait", [float("inf"), float("nan"), -1, "soon", 86_400.0])
async def test_a_provider_may_ask_for_any_wait_and_is_not_asked_for_ever(wait: Any) -> None:
    busy = ModelError("busy", kind="rate_limited", transient=True, retry_after=wait)
    llm = ScriptedLLM(busy, busy, busy)
    async with working(order_agent(llm)) as rt:
        with pytest.raises(NoReply, match="busy"):
            await rt.send("order", "c-1", "hi", timeout=10)
    assert len(llm.requests) == (1 if wait == 86_400.0 else 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("get_system_prompt", lambda state: 5),
        ("get_system_prompt", lambda state: ["a", "list"]),
        ("get_system_prompt", lambda state: (_ for _ in ()).throw(SystemExit(1))),
        ("get_system_prompt", lambda state: (_ for _ in ()).throw(Unshowable())),
        ("get_system_prompt", lambda state: "half a surrogate \ud800"),
        ("get_tool_schemas", lambda state: 7),
        ("get_tool_schemas", lambda state: [object()]),
        ("is_terminal_state", lambda state: 1 / 0),
    ],
)
async def test_author_code_that_gives_nonsense_fails_the_turn_and_the_log_stays_readable(name: str, value: Any) -> None:
    agent = order_agent(ScriptedLLM())
    setattr(agent, name, value)
    async with working(agent) as rt:
        with pytest.raises((NoReply, Refused)):
            await rt.send("order", "c-1", "hi", timeout=10)
        substrate = rt.substrate
    with ScriptedLLM("Hello.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            assert (await rt.send("order", "c-1", "hi", timeout=10)).text == "Hello."


@pytest.mark.parametrize(
    "load",
    [
        lambda ctx: (_ for _ in ()).throw(StopIteration()),
        lambda ctx: (_ for _ in ()).throw(asyncio.CancelledError()),
        lambda ctx: (_ for _ in ()).throw(SystemExit()),
        lambda ctx: Order(name="x" * 300_000),
        lambda ctx: Order(prices={"bad": object()}),
    ],
)
async def test_a_conversation_that_cannot_begin_is_refused_with_the_reason(load: Any) -> None:
    agent = order_agent(ScriptedLLM("Hello."))
    agent.load_state = load  # type: ignore[method-assign]
    async with working(agent) as rt:
        with pytest.raises(Refused, match=r"could not begin|first state"):
            await rt.send("order", "c-1", "hi", timeout=10)
        agent.load_state = lambda ctx: None  # type: ignore[method-assign]
        assert (await rt.send("order", "c-1", "hi again", timeout=10)).text == "Hello."


async def test_parameters_that_are_no_json_fail_the_turn_with_a_clear_word() -> None:
    async with working(order_agent(ScriptedLLM(), model_parameters={"response_format": object()})) as rt:
        with pytest.raises(NoReply, match="model_parameters must be JSON"):
            await rt.send("order", "c-1", "hi", timeout=10)


async def test_an_outcome_too_large_with_what_follows_is_recorded_alone() -> None:
    with ScriptedLLM(NAMED, "Hello.") as llm:
        agent = order_agent(llm)
        prompt = agent.get_system_prompt
        agent.get_system_prompt = lambda state: prompt(state) + "x" * (950_000 if state.name else 0)  # type: ignore[method-assign]
        async with working(agent) as rt:
            with pytest.raises(NoReply, match="not_storable"):
                await rt.send("order", "c-1", "Ada", timeout=10)
            every = await types(rt, "c-1")
            agent.get_system_prompt = prompt  # type: ignore[method-assign]
            await rt.send("order", "c-1", "and now?", timeout=10)

    assert every[-4:] == ["tool.returned", "state.changed", "step.entered", "turn.failed"]
    assert "Nice to meet you, Ada." in [message.get("content") for message in llm.requests[-1].messages]


async def test_a_tool_that_changes_its_arguments_or_metadata_does_not_change_the_past() -> None:
    class Grabbing(OrderTools):
        async def add(self, line: Any) -> str:
            line.append("more")
            return "ok"

    with ScriptedLLM(NAMED, calls(("add", {"line": ["tea"]})), "Done.") as llm:
        async with working(order_agent(llm, tools=Grabbing)) as rt:
            await rt.send("order", "c-1", "Ada", timeout=10)
            stored = await frames(rt.substrate, "c-1")

    sent = llm.requests[-1].messages[-2]["tool_calls"][0]["function"]["arguments"]
    assert msgspec.json.decode(sent) == {"line": ["tea"]}
    assert fold(initial(ConversationId("c-1")), [one.frame for one in stored]).ended is not None


async def test_one_message_id_may_be_used_in_each_conversation() -> None:
    with ScriptedLLM("One.", "Two.") as llm:
        async with working(order_agent(llm)) as rt:
            assert (await rt.send("order", "c-1", "hi", message_id="1", timeout=10)).text == "One."
            assert (await rt.send("order", "c-2", "hi", message_id="1", timeout=10)).text == "Two."


@pytest.mark.parametrize("data", [b"", b"{}", b"garbage", b'{"type":"say","id":"' + b"x" * 950_000 + b'"}'])
async def test_a_command_that_nobody_can_decode_is_set_aside_and_harms_no_other(data: bytes, caplog: Any) -> None:
    with ScriptedLLM("Hello.") as llm:
        async with working(order_agent(llm)) as rt:
            await rt.substrate.bus.publish(AgentKey("order"), ConversationId("c-1"), data, id="x")
            assert (await rt.send("order", "c-1", "hi", timeout=10)).text == "Hello."

    assert "kept dead letter c-1/x-" in caplog.text


async def test_a_command_with_an_endless_id_is_dropped() -> None:
    endless = SayToAgent(id="x" * 950_000, agent="order", text="hi")
    with ScriptedLLM("Hello.") as llm:
        async with working(order_agent(llm)) as rt:
            await rt.substrate.bus.publish(AgentKey("order"), ConversationId("c-1"), encode(endless), id="x")
            assert (await rt.send("order", "c-1", "hi", timeout=10)).text == "Hello."


async def test_an_answer_with_very_many_calls_is_no_answer() -> None:
    many = {"role": "assistant", "tool_calls": [{}] * 5_000}
    async with working(order_agent(ScriptedLLM(many, many, many))) as rt:
        with pytest.raises(NoReply, match="5000 tool calls, at most"):
            await rt.send("order", "c-1", "hi", timeout=10)


async def test_a_shared_initial_state_is_not_changed() -> None:
    shared = Order()
    with ScriptedLLM("Hello.") as llm:
        agent = order_agent(llm)
        agent.get_initial_state = lambda: shared  # type: ignore[method-assign]
        async with working(agent) as rt:
            reply = await rt.send("order", "c-1", "hi", timeout=10)

    assert reply.state["step"] == "name"


async def test_load_state_is_told_of_the_message_and_its_metadata() -> None:
    asked: list[Any] = []
    with ScriptedLLM("Hello.") as llm:
        agent = order_agent(llm)
        agent.load_state = asked.append  # type: ignore[method-assign, assignment]
        async with working(agent) as rt:
            await rt.send("order", "c-1", "hi", {"user": "u-7"}, timeout=10)

    (ctx,) = asked
    assert (ctx.metadata, ctx.get_user_message(), ctx.conversation_id) == ({"user": "u-7"}, "hi", "c-1")


async def test_a_class_in_the_place_of_an_agent_is_said_to_be_one() -> None:
    async with Runtime([type(order_agent(None))], substrate=in_memory(SystemClock())) as rt:  # type: ignore[list-item]
        with pytest.raises(InvalidInput, match="give an instance"):
            await rt.run_worker()


async def test_failures_told_to_the_model_name_no_more_than_they_must() -> None:
    with ScriptedLLM(NAMED, calls(("look", {"depth": "x" * 10})), "Well.") as llm:
        async with working(order_agent(llm)) as rt:
            await rt.send("order", "c-1", "Ada", timeout=10)
            failed = [one.event for one in await recorded(rt, "c-1") if isinstance(one.event, ToolFailed)]

    assert failed[0].content.startswith("Error executing look: ")
    assert failed[0].error == "TypeError"


@pytest.mark.parametrize("content", [object(), [{"type": "text", "text": {1, 2}, "x": object()}], "\ud800"])
async def test_a_history_that_is_not_json_is_refused_before_anything_runs(content: Any) -> None:
    with pytest.raises(InvalidInput, match="a message of role 'assistant' is not JSON"):
        await order_agent(ScriptedLLM()).run(
            AgentContext("r-1", "c-1", [{"role": "assistant", "content": content}, {"role": "user", "content": "hi"}])
        )


async def test_a_prompt_or_tools_that_are_none_say_what_to_write() -> None:
    class Awaited(OrderAgent):
        async def get_system_prompt(self, state: Order) -> str:  # type: ignore[override]
            return "never"

    class Toolless(OrderAgent):
        def get_tool_schemas(self, state: Order) -> Any:
            return None

    with pytest.raises(NoReply, match="get_system_prompt of 'order' must return a text, not a coroutine: write"):
        await Awaited(ScriptedLLM()).run(AgentContext("r-1", "c-1", [{"role": "user", "content": "hi"}]))
    with pytest.raises(NoReply, match="get_tool_schemas of 'order' must return a list of ToolSchema, not None"):
        await Toolless(ScriptedLLM()).run(AgentContext("r-1", "c-1", [{"role": "user", "content": "hi"}]))
