"""Runtime and Client by each sentence of their contract."""

import asyncio
import re
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest

from agent_runtime_framework import AgentContext, Client, InvalidInput, NoReply, NotFound, Recorded, Reply, Runtime
from agent_runtime_framework.events import CommandRefused, TurnCancelled
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import Order, OrderAgent, OrderTools, order_agent, recorded, types, working

NAMED = calls(("save_name", {"name": "Ada"}))
LOOK = calls(("look", {}))


class Seeing(OrderAgent):
    """Notes the context that its tools, its loading and its saving are given."""

    def __init__(self, llm: Any) -> None:
        super().__init__(llm)
        self.contexts: list[AgentContext] = []
        self.loaded: list[AgentContext] = []
        self.saved: list[tuple[AgentContext, str]] = []

    def create_tools(self, state: Order, ctx: AgentContext) -> OrderTools:
        self.contexts.append(ctx)
        return OrderTools(state)

    async def load_state(self, ctx: AgentContext) -> Order | None:
        self.loaded.append(ctx)
        return None

    async def save_state(self, ctx: AgentContext, state: Order) -> None:
        self.saved.append((ctx, state.name))


# --- on a server ----------------------------------------------------------------------------------------------


async def test_a_runtime_on_a_server_answers_a_client_that_has_no_agents(nats_url: str) -> None:
    namespace = f"t-{uuid4().hex[:12]}"
    with ScriptedLLM(NAMED, "Hello Ada.") as llm:
        async with Runtime([order_agent(llm)], nats_url, None, namespace) as rt:
            working = asyncio.ensure_future(rt.run_worker())
            async with Client.connect(nats=nats_url, namespace=namespace) as client:
                reply = await client.send("order", "c-1", "I am Ada", timeout=20)
                state = await client.state("c-1")
                events = await recorded(client, "c-1")  # type: ignore[arg-type]
                followed = [await anext(client.follow("c-1", from_version=len(events) - 1))]
                with pytest.raises(NotFound, match="no conversation 'c-2'"):
                    await client.cancel("c-2")
            seen_there = [summary.conversation async for summary in rt.conversations()]
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    assert (reply.text, reply.turn, reply.version, reply.state) == ("Hello Ada.", 1, len(events), state)
    assert followed == events[-1:]
    assert seen_there == ["c-1"]


# --- saying and hearing -------------------------------------------------------------------------------------------


def test_a_reply_has_its_fields_in_the_order_of_the_contract() -> None:
    assert Reply("Hi.", 1, 9, {"step": "name"}) == Reply(text="Hi.", turn=1, version=9, state={"step": "name"})


async def test_a_conversation_is_named_by_a_uuid_or_by_its_text(substrate: Substrate) -> None:
    id_ = UUID(int=7)
    with ScriptedLLM("One.", "Two.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", id_, "1", timeout=20)
            reply = await rt.send("order", str(id_), "2", timeout=20)
            by_uuid, by_text = await types(rt, id_), await types(rt, str(id_))  # type: ignore[arg-type]

    assert (reply.text, reply.turn) == ("Two.", 2)
    assert by_uuid == by_text


@pytest.mark.parametrize("id_", [None, 5, b"c-1"])
async def test_what_is_neither_a_uuid_nor_a_text_names_no_conversation(id_: Any) -> None:
    async with working(order_agent(ScriptedLLM())) as rt:
        for using in (rt.send("order", id_, "hi"), rt.state(id_), anext(rt.events(id_)), rt.cancel(id_)):
            with pytest.raises(InvalidInput, match=f"conversation id must be a text, not {type(id_).__name__}"):
                await using


@pytest.mark.parametrize("metadata", [[1], "text", [("a", 1)], 7])
async def test_metadata_that_is_no_dict_is_said_to_be_none_at_the_door(metadata: Any) -> None:
    async with working(order_agent(ScriptedLLM())) as rt:
        with pytest.raises(InvalidInput, match="the metadata must be a dict, not"):
            await rt.send("order", "c-1", "hi", metadata, timeout=10)


async def test_a_turn_gives_its_own_id_the_transcript_and_the_metadata_of_its_message() -> None:
    with ScriptedLLM(NAMED, "Hello.", calls(("look", {}), ("look", {})), "Nothing yet.") as llm:
        agent = Seeing(llm)
        async with working(agent) as rt:
            await rt.send("order", "c-1", "I am Ada", {"lang": "de"}, timeout=10)
            await rt.send("order", "c-1", "and now?", {"lang": "fr", "who": [1]}, timeout=10)
            spoken = [one.event for one in await recorded(rt, "c-1") if one.type == "user.spoke"]

    first, second, again = agent.contexts
    assert first.run_id != second.run_id == again.run_id
    assert {ctx.conversation_id for ctx in agent.contexts} == {"c-1"}
    assert (first.metadata, second.metadata) == ({"lang": "de"}, {"lang": "fr", "who": [1]})
    assert [event.metadata for event in spoken] == [first.metadata, second.metadata]  # type: ignore[union-attr]
    assert first.input_messages == [{"role": "user", "content": "I am Ada"}]
    assert second.input_messages == llm.requests[2].messages[1:]
    assert second.get_user_message() == "and now?"


async def test_loading_is_asked_once_and_saving_is_told_after_each_turn(substrate: Substrate) -> None:
    with ScriptedLLM(NAMED, "Hello.", "Yes?", "Still here.") as llm:
        agent = Seeing(llm)
        async with working(agent, substrate=substrate) as rt:
            await rt.send("order", "c-1", "I am Ada", timeout=20)
            await rt.send("order", "c-1", "hm", timeout=20)
        async with working(agent, substrate=substrate) as rt:  # another life folds the same log
            await rt.send("order", "c-1", "and now?", timeout=20)

    assert len(agent.loaded) == 1
    assert agent.loaded[0].get_user_message() == "I am Ada"
    assert [name for _, name in agent.saved] == ["Ada", "Ada", "Ada"]
    assert len({ctx.run_id for ctx, _ in agent.saved}) == 3


async def test_a_turn_has_one_id_for_all_of_an_authors_code_and_no_other_turn_has_it() -> None:
    with ScriptedLLM(NAMED, "Hello.", NAMED, "Hello.", "Hm?") as llm:
        agent = Seeing(llm)
        async with working(agent) as rt:
            await rt.send("order", "c-1", "Ada", timeout=10)
            await rt.send("order", "c-2", "Ada", timeout=10)
            await rt.send("order", "c-1", "and?", timeout=10)

    told = [*agent.loaded, *agent.contexts, *(ctx for ctx, _ in agent.saved)]
    first, other = ([ctx.run_id for ctx in told if ctx.conversation_id == id_] for id_ in ("c-1", "c-2"))
    assert first[0] == first[1] == first[2] != first[3]  # loading, a tool, saving; saving after the second turn
    assert len(first) == 4
    assert len(other) == 3
    assert len({*other}) == 1
    assert len({*first, *other}) == 3


async def test_each_tool_of_a_turn_sees_the_metadata_as_it_was_sent() -> None:
    seen: list[dict[str, Any]] = []

    class Marking(Seeing):
        def create_tools(self, state: Order, ctx: AgentContext) -> OrderTools:
            seen.append(dict(ctx.metadata))
            ctx.metadata["seen"] = True
            return super().create_tools(state, ctx)

    with ScriptedLLM(NAMED, calls(("look", {}), ("look", {})), "Hello.") as llm:
        async with working(Marking(llm)) as rt:
            await rt.send("order", "c-1", "Ada", {"lang": "de"}, timeout=10)

    assert seen == [{"lang": "de"}] * 3


async def test_a_worker_gives_the_model_every_turn_unless_the_author_says_how_many() -> None:
    with ScriptedLLM(*"abcde") as llm:
        async with working(order_agent(llm)) as rt:
            for number in range(5):
                await rt.send("order", "c-1", str(number), timeout=10)

    assert [message["content"] for message in llm.requests[-1].messages[1:]] == list("0a1b2c3d4")


# --- reading ------------------------------------------------------------------------------------------------------


async def test_the_state_can_be_seen_at_each_version(substrate: Substrate) -> None:
    with ScriptedLLM(NAMED, "Hello.", calls(("add", {"line": "tea"})), "Tea.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            first = await rt.send("order", "c-1", "I am Ada", timeout=20)
            last = await rt.send("order", "c-1", "tea", timeout=20)
            states = [await rt.state("c-1", at=version) for version in range(1, last.version + 1)]
            now = await rt.state("c-1")

    assert (states[0]["name"], states[first.version - 1], states[-1]) == ("", first.state, last.state)
    assert now == last.state
    changes = [version for version in range(2, last.version + 1) if states[version - 1] != states[version - 2]]
    assert len(changes) == 2  # the name with its step, the line


@pytest.mark.parametrize("at", [-1, 0, 99])
async def test_a_version_that_does_not_exist_is_said_to_be_none(at: int) -> None:
    with ScriptedLLM("Hello.") as llm:
        async with working(order_agent(llm)) as rt:
            reply = await rt.send("order", "c-1", "hi", timeout=10)
            with pytest.raises(NotFound, match=f"'c-1' has versions 1 to {reply.version}, not {at}"):
                await rt.state("c-1", at=at)


async def test_what_was_never_said_is_not_found() -> None:
    async with working(order_agent(ScriptedLLM())) as rt:
        for reading in (rt.state("c-9"), anext(rt.events("c-9")), rt.cancel("c-9")):
            with pytest.raises(NotFound, match="no conversation 'c-9'"):
                await reading


async def test_following_begins_after_a_version_and_goes_on(substrate: Substrate) -> None:
    with ScriptedLLM("One.", "Two.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            first = await rt.send("order", "c-1", "1", timeout=20)
            following = rt.follow("c-1", from_version=first.version - 1)
            heard = [await anext(following)]
            last = await rt.send("order", "c-1", "2", timeout=20)
            async for one in following:
                heard.append(one)
                if isinstance(one, Recorded) and one.version == last.version:
                    break
            await following.aclose()
            every = await recorded(rt, "c-1")

    assert [one for one in heard if isinstance(one, Recorded)] == every[first.version - 1 :]


# --- cancelling ---------------------------------------------------------------------------------------------------


async def test_a_cancelled_turn_has_no_reply_and_its_conversation_stays_usable(substrate: Substrate) -> None:
    asked = asyncio.Event()

    async def for_ever(messages: Any, tools: Any) -> str:
        asked.set()
        await asyncio.Event().wait()
        return "never"

    with ScriptedLLM(for_ever, "Here.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            sending = asyncio.ensure_future(rt.send("order", "c-1", "hi", timeout=20))
            await asked.wait()
            await rt.cancel("c-1", "changed my mind")
            with pytest.raises(NoReply, match=r"cancelled \(changed my mind\)"):
                await sending
            reply = await rt.send("order", "c-1", "still there?", timeout=20)
            cancelled = [one.event for one in await recorded(rt, "c-1") if isinstance(one.event, TurnCancelled)]

    assert (reply.text, len(cancelled)) == ("Here.", 1)


async def test_a_tool_that_runs_is_ended_by_a_cancel_and_the_calls_after_it_do_not_run() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    class Slow(OrderTools):
        async def look(self) -> str:
            self.state.lines.append("half done")
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return "never"

    with ScriptedLLM(NAMED, calls(("look", {}), ("add", {"line": "tea"})), "Where were we?") as llm:
        async with working(order_agent(llm, tools=Slow)) as rt:
            sending = asyncio.ensure_future(rt.send("order", "c-1", "Ada", timeout=10))
            await began.wait()
            await rt.cancel("c-1")
            with pytest.raises(NoReply, match="cancelled"):
                await sending
            await asyncio.wait_for(ended.wait(), 10)
            reply = await rt.send("order", "c-1", "and?", timeout=10)

    assert reply.state["lines"] == []
    assert [message["content"] for message in llm.requests[-1].messages if message["role"] == "tool"][-1:] == [
        "Error: this tool was not run, because the turn had ended"
    ]


@pytest.mark.parametrize(
    ("reason", "recorded_as"),
    [
        ("x" * 2_000_000, r"^x+\n\[cut: the whole text has 2000002 bytes, at most 4096 are kept\]$"),
        ("half \ud800", "^half .$"),
    ],
)
async def test_any_text_may_be_the_reason_of_a_cancel(reason: str, recorded_as: str, substrate: Substrate) -> None:
    asked = asyncio.Event()

    async def for_ever(messages: Any, tools: Any) -> str:
        asked.set()
        await asyncio.Event().wait()
        return "never"

    async with working(order_agent(ScriptedLLM(for_ever)), substrate=substrate) as rt:
        sending = asyncio.ensure_future(rt.send("order", "c-1", "hi", timeout=20))
        await asked.wait()
        with pytest.raises(InvalidInput, match="the reason must be a text, not NoneType"):
            await rt.cancel("c-1", None)  # type: ignore[arg-type]
        await rt.cancel("c-1", reason)
        with pytest.raises(NoReply):
            await sending
        (cancelled,) = (one.event for one in await recorded(rt, "c-1") if isinstance(one.event, TurnCancelled))

    assert re.search(recorded_as, cancelled.reason)


async def test_a_cancel_where_nothing_runs_is_refused_and_recorded() -> None:
    with ScriptedLLM("Hello.") as llm:
        async with working(order_agent(llm)) as rt:
            reply = await rt.send("order", "c-1", "hi", timeout=10)
            command = await rt.cancel("c-1")
            refused = await anext(rt.follow("c-1", from_version=reply.version))

    assert isinstance(refused, Recorded)
    assert refused.event == CommandRefused(command_id=command, reason="no turn is in progress")


async def test_a_worker_looks_for_a_missing_model_at_each_first_call_and_answers_what_needs_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Over(OrderAgent):
        def is_terminal_state(self, state: Order) -> bool:
            return True

    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    async with working(Over()) as rt:
        assert (await rt.send("order", "c-1", "thanks")).text == ""
        with pytest.raises(NoReply, match="OPENAI_API_KEY"):
            await rt.send("order", "c-1", "hi", timeout=10)
