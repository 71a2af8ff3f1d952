"""Loading and saving: what an agent's own `load_state` and `save_state` are told, in a run and in a worker."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from agent_runtime_framework import AgentContext, configure
from agent_runtime_framework.events import ModelError, NoReply
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.configuration import fresh_configuration
from support.journeys import Order, OrderAgent, OrderTools, Step, order_agent, working
from support.paths import Take, both_paths

NAMED = calls(("save_name", {"name": "Ada"}))
CTX = AgentContext("r-1", "c-1", [{"role": "user", "content": "I am Ada"}])


class Telling(OrderTools):
    """Announces each change."""

    async def save_name(self, name: str) -> str:
        told = await super().save_name(name)
        await self._notify_state_change()
        return told

    async def fail(self) -> str:
        self.state.name = "nobody"
        await self._notify_state_change()
        raise ValueError("after saving")


class Saving(OrderAgent):
    """Notes in order what it saves and what its callback hears."""

    def __init__(self, llm: Any) -> None:
        super().__init__(llm)
        self.tools_type = Telling
        self.notes: list[tuple[str, str]] = []
        self.stored: Order | None = None
        self.callback = False

    async def load_state(self, ctx: AgentContext) -> Order | None:
        return self.stored

    def save_state(self, ctx: AgentContext, state: Order) -> None:
        self.notes.append(("saved", state.name))
        self.stored = state.copy()

    def create_tools(self, state: Order, ctx: AgentContext) -> OrderTools:
        told = (lambda changed: self.notes.append(("told", changed.name))) if self.callback else None
        return Telling(state=state, on_state_change=told)


async def test_a_run_saves_at_each_announced_change_and_at_its_end() -> None:
    with ScriptedLLM(NAMED, "Hello.") as llm:
        agent = Saving(llm)
        await agent.run(CTX)

    assert agent.notes == [("saved", "Ada"), ("saved", "Ada")]


async def test_an_authors_own_callback_is_called_first() -> None:
    with ScriptedLLM(NAMED, "Hello.") as llm:
        agent = Saving(llm)
        agent.callback = True
        await agent.run(CTX)

    assert agent.notes == [("told", "Ada"), ("saved", "Ada"), ("saved", "Ada")]


async def test_a_tool_that_fails_after_saving_is_saved_back() -> None:
    with ScriptedLLM(NAMED, calls(("fail", {})), "Sorry.") as llm:
        agent = Saving(llm)
        result = await agent.run(CTX)

    assert agent.notes == [("saved", "Ada"), ("saved", "nobody"), ("saved", "Ada"), ("saved", "Ada")]
    assert result.state is not None
    assert result.state["name"] == "Ada"


async def test_a_run_saves_even_if_it_ends_without_a_reply() -> None:
    agent = Saving(ScriptedLLM(NAMED, ModelError("down", kind="refused", transient=False)))
    try:
        await agent.run(CTX)
    except NoReply:
        agent.notes.append(("raised", ""))

    assert agent.notes == [("saved", "Ada"), ("saved", "Ada"), ("raised", "")]


async def test_the_next_run_goes_on_from_what_was_saved() -> None:
    with ScriptedLLM(NAMED, "Hello.", calls(("add", {"line": "tea"})), "Tea.") as llm:
        agent = Saving(llm)
        await agent.run(CTX)
        history = [
            {"role": "user", "content": "I am Ada"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "tea"},
        ]
        result = await agent.run(AgentContext("r-2", "c-1", history))

    assert result.state is not None
    assert (result.state["name"], result.state["lines"], result.state["step"]) == ("Ada", ["tea"], "order")
    assert [message["role"] for message in llm.requests[2].messages] == ["system", "user", "assistant", "user"]


async def test_what_a_run_gives_has_no_system_message_and_no_input() -> None:
    with ScriptedLLM(NAMED, "Hello.") as llm:
        result = await order_agent(llm).run(CTX)

    assert [message.role for message in result.messages] == ["assistant", "tool", "assistant"]
    assert result.usage is not None
    assert result.usage["total_tokens"] > 0


async def test_one_instance_serves_many_runs_at_once() -> None:
    class Echo:
        async def generate(self, messages: Any, tools: Any = None, **parameters: Any) -> Any:
            await asyncio.sleep(0)
            if messages[-1]["role"] == "tool":
                return _reply({"content": messages[-1]["content"]})
            return _reply({"tool_calls": [{"name": "save_name", "arguments": {"name": messages[-1]["content"]}}]})

    agent = order_agent(Echo())
    contexts = [AgentContext(f"r-{n}", f"c-{n}", [{"role": "user", "content": f"P{n}"}]) for n in range(20)]
    results = await asyncio.gather(*(agent.run(ctx) for ctx in contexts))

    assert [result.response for result in results] == [f"Nice to meet you, P{n}." for n in range(20)]


def _reply(message: dict[str, Any]) -> Any:
    return SimpleNamespace(message={"role": "assistant", **message}, usage={"total_tokens": 1, "odd": "ignored"})


async def test_in_a_worker_the_log_is_the_state_and_saving_is_told_after_each_turn() -> None:
    with ScriptedLLM(NAMED, "Hello.", "Yes?") as llm:
        agent = Saving(llm)
        agent.stored = Order(step=Step.NAME, lines=["before"])
        async with working(agent) as rt:
            first = await rt.send("order", "c-1", "I am Ada", timeout=10)
            agent.stored = Order(name="of no interest any more")
            second = await rt.send("order", "c-1", "hi", timeout=10)

    assert first.state["lines"] == second.state["lines"] == ["before"]
    assert second.state["name"] == "Ada"
    assert agent.notes == [("saved", "Ada"), ("saved", "Ada")]


async def test_a_tool_that_runs_out_of_time_after_saving_is_saved_back() -> None:
    class Slow(OrderTools):
        async def save_name(self, name: str) -> str:
            self.state.name = name
            await self._notify_state_change()
            await asyncio.Event().wait()
            return "never"

    class Keeping(Saving):
        def create_tools(self, state: Order, ctx: AgentContext) -> OrderTools:
            return Slow(state)

    with ScriptedLLM(NAMED, "Sorry.") as llm:
        agent = Keeping(llm)
        agent.config.tool_timeout = 0.3
        await agent.run(CTX)

    assert agent.notes == [("saved", "Ada"), ("saved", ""), ("saved", "")]


class Announcing(OrderTools):
    """Announces the name, and then may raise."""

    async def save_name(self, name: str) -> str:
        told = await super().save_name(name)
        await self._notify_state_change()
        if name == "nobody":
            raise ValueError("nobody is no name")
        return told


async def test_tools_that_an_author_keeps_save_for_the_run_that_they_are_in() -> None:
    saved: list[tuple[str, str]] = []
    kept = Announcing(Order())

    class Keeping(OrderAgent):
        def create_tools(self, state: Order, ctx: AgentContext) -> OrderTools:
            kept.state = state
            return kept

        def save_state(self, ctx: AgentContext, state: Order) -> None:
            saved.append((ctx.run_id, state.name))

    with ScriptedLLM(NAMED, "Hello.", calls(("save_name", {"name": "Bo"})), "Hello.") as llm:
        agent = Keeping(llm)
        for run in ("r-1", "r-2"):
            await agent.run(AgentContext(run, run, [{"role": "user", "content": "hi"}]))

    assert saved == [("r-1", "Ada"), ("r-1", "Ada"), ("r-2", "Bo"), ("r-2", "Bo")]
    assert kept.on_state_change is None


async def test_what_a_tool_raised_is_told_though_saving_back_fails(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(OrderAgent):
        tools_type = Announcing
        saved = 0

        def save_state(self, ctx: AgentContext, state: Order) -> None:
            self.saved += 1
            if self.saved == 2:
                raise OSError("the disk is full")

    with ScriptedLLM(calls(("save_name", {"name": "nobody"})), "Sorry.") as llm:
        result = await Failing(llm).run(CTX)

    assert result.messages[1].content == "Error executing save_name: nobody is no name"
    assert "the disk is full" in caplog.text


async def test_what_is_saved_last_is_what_the_last_turn_left_however_long_saving_takes() -> None:
    kept: list[list[str]] = []
    going = asyncio.Event()

    class Slow(OrderAgent):
        async def save_state(self, ctx: AgentContext, state: Order) -> None:
            if len(state.lines) == 1:
                await going.wait()
            kept.append(state.lines)

    add = [calls(("add", {"line": line})) for line in ("tea", "jam")]
    with ScriptedLLM(calls(("save_name", {"name": "Ada"})), add[0], "Tea.", add[1], "Jam.") as llm:
        async with working(Slow(llm)) as rt:
            await rt.send("order", "c-1", "tea")
            await rt.send("order", "c-1", "jam")
            assert kept == []
            going.set()

    assert kept == [["tea"], ["tea", "jam"]]


async def test_a_save_that_never_ends_does_not_keep_a_worker_from_leaving() -> None:
    begun = asyncio.Event()

    class Hung(OrderAgent):
        async def save_state(self, ctx: AgentContext, state: Order) -> None:
            begun.set()
            await asyncio.Event().wait()

    with ScriptedLLM("Hello.") as llm:
        async with working(Hung(llm), grace=0.05) as rt:
            await rt.send("order", "c-1", "hi")
            await begun.wait()

    assert begun.is_set()


class Hearing(Saving):
    """Is told of a change by a callback of its author's that is async."""

    async def hear(self, changed: Order) -> None:
        await asyncio.sleep(0)
        self.notes.append(("told", changed.name))

    def create_tools(self, state: Order, ctx: AgentContext) -> OrderTools:
        return Announcing(state, on_state_change=self.hear)


@both_paths
async def test_an_authors_own_callback_may_be_async_and_has_ended_before_the_state_is_saved(take: Take) -> None:
    with ScriptedLLM(NAMED, "Hello.") as llm:
        agent = Hearing(llm)
        await take(agent, "I am Ada")

    assert agent.notes[0] == ("told", "Ada")
    assert set(agent.notes[1:]) == {("saved", "Ada")}


async def test_a_run_saves_at_its_end_also_where_a_tools_exception_reaches_its_caller() -> None:
    with fresh_configuration():
        configure(debug=True)
        agent = Hearing(ScriptedLLM(NAMED, calls(("look", {})), calls(("fail", {}))))
        with pytest.raises(ValueError, match="the shop is closed"):
            await agent.run(CTX)

    assert agent.notes == [("told", "Ada"), ("saved", "Ada"), ("saved", "Ada")]


def waiting(asked: asyncio.Event) -> Callable[..., Awaitable[str]]:
    """Return an answer of a model that never comes, and that says when it was asked for."""

    async def for_ever(messages: Any, tools: Any) -> str:
        asked.set()
        await asyncio.Event().wait()
        return "never"

    return for_ever


async def test_in_a_worker_saving_is_told_also_after_a_turn_that_has_no_reply() -> None:
    asked = asyncio.Event()
    agent = Hearing(ScriptedLLM(NAMED, ModelError("down", kind="refused", transient=False), waiting(asked)))
    async with working(agent) as rt:
        with pytest.raises(NoReply, match="down"):
            await rt.send("order", "c-1", "I am Ada", timeout=10)
        sending = asyncio.ensure_future(rt.send("order", "c-1", "hm", timeout=10))
        await asked.wait()
        await rt.cancel("c-1")
        with pytest.raises(NoReply, match="cancelled"):
            await sending

    assert agent.notes == [("told", "Ada"), ("saved", "Ada"), ("saved", "Ada")]


async def test_a_run_that_is_cancelled_saves_what_its_tools_have_changed() -> None:
    class Silent(Saving):
        def create_tools(self, state: Order, ctx: AgentContext) -> OrderTools:
            return OrderTools(state)

    asked = asyncio.Event()
    agent = Silent(ScriptedLLM(NAMED, waiting(asked)))
    run = asyncio.ensure_future(agent.run(CTX))
    await asked.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert agent.notes == [("saved", "Ada")]


async def test_an_author_who_never_comes_to_an_end_of_saving_does_not_keep_a_worker() -> None:
    class Hanging(OrderAgent):
        async def save_state(self, ctx: AgentContext, state: Order) -> None:
            await asyncio.Event().wait()

    with ScriptedLLM("Hello.") as llm:
        async with asyncio.timeout(10), working(Hanging(llm), grace=0.01) as rt:
            assert (await rt.send("order", "c-1", "hi")).text == "Hello."


async def test_nothing_of_a_worker_that_left_runs_any_more() -> None:
    begun, tool_begun = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def for_ever(what: str, event: asyncio.Event, cleaning: int) -> None:
        event.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(cleaning):  # steps of the loop, more than leaving takes by itself
                await asyncio.sleep(0)
            ended.append(what)

    class Hung(OrderTools):
        async def save_name(self, name: str) -> str:
            await for_ever("the tool", tool_begun, cleaning=2_000)
            return "never"

    class Hanging(OrderAgent):
        tools_type = Hung

        async def save_state(self, ctx: AgentContext, state: Order) -> None:
            await for_ever(f"saving {ctx.conversation_id}", begun, cleaning=1)

    with ScriptedLLM("Hello.", "And?", NAMED) as llm:
        async with asyncio.timeout(10), working(Hanging(llm), grace=0.05) as rt:
            await rt.send("order", "c-1", "hi")
            await rt.send("order", "c-1", "well?")
            await begun.wait()
            sending = asyncio.ensure_future(rt.send("order", "c-2", "I am Ada"))
            await tool_begun.wait()
        sending.cancel()  # nobody is there who could answer
        await asyncio.wait([sending])

    assert sorted(ended) == ["saving c-1", "the tool"]
