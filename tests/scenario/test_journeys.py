"""A front agent routes to other journeys in one conversation, and comes back; each keeps its own state."""

import asyncio
from typing import Any

import pytest

from agent_runtime_framework import (
    AgentContext,
    BaseJourneyTools,
    ExecutorHooks,
    IntentRouter,
    InvalidInput,
    JourneyAgent,
    JourneyConfig,
    NoReply,
    RouteDefinition,
    ToolSchema,
    create_reroute_tool,
)
from agent_runtime_framework.events import ConversationId, JourneyEntered, MemoryLog, ToolFailed
from agent_runtime_framework.projections import state_of, timeline
from agent_runtime_framework.runtime.agents import run_turn
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.desk import Claim, ClaimAgent, DeskAgent, Journey, Quote, QuoteAgent, desk
from support.journeys import frames, recorded, types, working

TO_QUOTE = calls(("start_quote", {}))
TO_CLAIM = calls(("file_claim", {}))
CTX = AgentContext("r-1", "c-1", [{"role": "user", "content": "hi"}])
BACK = calls(("reroute_conversation", {"reason": "a claim"}))


def offered(llm: ScriptedLLM) -> list[list[str]]:
    return [[made["function"]["name"] for made in request.tools or []] for request in llm.requests]


def prompts(llm: ScriptedLLM) -> list[str]:
    return [request.messages[0]["content"] for request in llm.requests]


async def entered(runtime: Any) -> list[JourneyEntered]:
    return [one.event for one in await recorded(runtime, "c-1") if isinstance(one.event, JourneyEntered)]


async def test_a_route_leads_to_another_journey_with_its_own_prompt_tools_and_state(substrate: Substrate) -> None:
    with ScriptedLLM(TO_QUOTE, "What is it worth?", calls(("price", {"value": 500})), "10 euros.") as llm:
        async with working(desk(llm), substrate=substrate) as rt:
            asked = await rt.send("desk", "c-1", "a quote, please")
            priced = await rt.send("desk", "c-1", "500")
            now = await rt.conversation("c-1")

    assert prompts(llm) == ["What do you want?", "Quote: ask", "Quote: ask", "Quote: done"]
    assert offered(llm)[:2] == [["note", "start_quote", "file_claim"], ["price", "reroute_conversation"]]
    assert offered(llm)[3] == ["reroute_conversation"]
    assert (asked.text, asked.state) == ("What is it worth?", {"step": "ask", "value": 0})
    assert (priced.text, priced.state) == ("10 euros.", {"step": "done", "value": 500})
    assert (now.agent, now.journey, now.step) == ("desk", "quote", "done")


async def test_the_change_of_journey_is_an_event_that_follows_from_the_call(substrate: Substrate) -> None:
    with ScriptedLLM(TO_QUOTE, "What is it worth?") as llm:
        async with working(desk(llm), substrate=substrate) as rt:
            await rt.send("desk", "c-1", "a quote, please")
            events = await recorded(rt, "c-1")
            stored = await frames(substrate, "c-1")

    assert [one.type for one in events[4:9]] == [
        "model.answered",
        "tool.started",
        "tool.returned",
        "journey.entered",
        "model.requested",
    ]
    change = events[7].event
    assert isinstance(change, JourneyEntered)
    assert (change.previous, change.journey, change.step, change.resumed) == ("desk", "quote", "ask", False)
    assert (change.cause, len(change.journey_hash)) == (events[6].version, 64)
    assert len(stored) == 4


async def test_it_comes_back_and_each_journey_is_as_it_was_left(substrate: Substrate) -> None:
    script = (
        calls(("note", {"text": "in a hurry"})),
        TO_QUOTE,
        "What is it worth?",
        BACK,
        TO_CLAIM,
        "What happened?",
        BACK,
        TO_QUOTE,
        calls(("price", {"value": 500})),
        "10 euros.",
    )
    with ScriptedLLM(*script) as llm:
        async with working(desk(llm), substrate=substrate) as rt:
            await rt.send("desk", "c-1", "a quote, quick")
            claim = await rt.send("desk", "c-1", "no, a claim first")
            quote = await rt.send("desk", "c-1", "no, the quote, 500")
            now = await rt.conversation("c-1")
            changes = await entered(rt)

    assert claim.state == {"step": "ask", "damage": ""}
    assert quote.state == {"step": "done", "value": 500}
    assert {name: left.state["step"] for name, left in now.left.items()} == {"desk": b'"hello"', "claim": b'"ask"'}
    assert now.left["desk"].state["notes"] == b'["in a hurry"]'
    assert [(one.journey, one.resumed) for one in changes] == [
        ("quote", False),
        ("desk", True),
        ("claim", False),
        ("desk", True),
        ("quote", True),
    ]
    assert prompts(llm)[4] == "What do you want? They said: in a hurry"


async def test_a_state_is_stored_once_however_often_its_journey_is_entered_again() -> None:
    with ScriptedLLM(TO_QUOTE, BACK, TO_QUOTE, BACK, "Yes?") as llm:
        async with working(desk(llm)) as rt:
            await rt.send("desk", "c-1", "hi")
            changes = await entered(rt)

    assert [bool(one.state) for one in changes] == [True, False, False, False]


async def test_a_journey_that_was_over_begins_anew(substrate: Substrate) -> None:
    script = (TO_QUOTE, calls(("price", {"value": 500})), "10 euros.", BACK, TO_QUOTE, "What is it worth?")
    with ScriptedLLM(*script) as llm:
        async with working(desk(llm), substrate=substrate) as rt:
            done = await rt.send("desk", "c-1", "a quote for 500")
            again = await rt.send("desk", "c-1", "another quote")
            changes = await entered(rt)

    assert (done.state["step"], again.state) == ("done", {"step": "ask", "value": 0})
    assert [one.resumed for one in changes] == [False, True, False]


async def test_what_is_known_can_be_handed_over() -> None:
    class Telling(DeskAgent):
        async def enter_journey(self, journey: Journey, state: Any, ctx: AgentContext) -> Any:
            return Quote(value=len(state.notes)) if journey == Journey.QUOTE else None

    with ScriptedLLM(calls(("note", {"text": "x"})), TO_QUOTE, BACK, TO_CLAIM, "Hm?") as llm:
        async with working(desk(llm, Telling)) as rt:
            await rt.send("desk", "c-1", "hi")
            changes = await entered(rt)

    assert [(one.journey, bytes(one.state.get("value", b""))) for one in changes] == [
        ("quote", b"1"),
        ("desk", b""),
        ("claim", b""),
    ]


async def test_a_journey_begins_with_what_its_agent_loads_and_its_author_is_told_of_it_when_it_is_left() -> None:
    loads: list[str] = []
    saved: list[tuple[str, Any]] = []

    class Loading(QuoteAgent):
        def load_state(self, ctx: AgentContext) -> Quote:
            loads.append(str(ctx.get_user_message()))
            return Quote(value=7)

        async def save_state(self, ctx: AgentContext, state: Quote) -> None:
            saved.append(("quote", state.value))

    class Desk(DeskAgent):
        def save_state(self, ctx: AgentContext, state: Any) -> None:
            saved.append(("desk", state.notes))

    script = (calls(("note", {"text": "x"})), TO_QUOTE, "Worth?", BACK, "Yes?", TO_QUOTE, "Worth?")
    with ScriptedLLM(*script) as llm:
        async with working(desk(llm, Desk, quote=Loading())) as rt:
            await rt.send("desk", "c-1", "one")
            await rt.send("desk", "c-1", "two")
            reply = await rt.send("desk", "c-1", "three")

    assert (loads, reply.state["value"]) == (["one"], 7)
    assert saved == [("desk", ["x"]), ("quote", 7), ("quote", 7), ("desk", ["x"]), ("desk", ["x"]), ("quote", 7)]


async def test_further_calls_of_the_answer_that_left_a_journey_are_not_run() -> None:
    both = calls(("start_quote", {}), ("note", {"text": "late"}), ("price", {"value": 1}))
    with ScriptedLLM(both, "What is it worth?") as llm:
        async with working(desk(llm)) as rt:
            await rt.send("desk", "c-1", "hi")
            failed = [one.event for one in await recorded(rt, "c-1") if isinstance(one.event, ToolFailed)]
            now = await rt.conversation("c-1")

    assert [event.kind for event in failed] == ["not_offered", "not_offered"]
    assert (state_of(now), now.left["desk"].state["notes"]) == ({"step": "ask", "value": 0}, b"[]")


async def test_routing_tools_belong_to_the_journey_that_offers_them() -> None:
    with ScriptedLLM(TO_QUOTE, TO_CLAIM, calls(("note", {"text": "x"})), "What is it worth?") as llm:
        async with working(desk(llm)) as rt:
            await rt.send("desk", "c-1", "hi")
            now = await rt.conversation("c-1")
            failed = [one.event.content for one in await recorded(rt, "c-1") if isinstance(one.event, ToolFailed)]

    assert now.journey == "quote"
    assert failed == [f"Error: Tool '{name}' is not available now" for name in ("file_claim", "note")]


async def test_only_the_first_journey_routes_and_what_another_one_names_like_a_route_is_its_own_tool() -> None:
    class Knowing(QuoteAgent):
        def get_tool_schemas(self, state: Quote) -> list[ToolSchema]:
            return [ToolSchema("file_claim", "File a claim", effect="read"), create_reroute_tool()]

        async def execute_tool(self, tools: Any, name: str, args: dict[str, Any]) -> str:
            return f"{name} of the quote"

    with ScriptedLLM(TO_QUOTE, TO_CLAIM, "What happened?") as llm:
        async with working(desk(llm, quote=Knowing())) as rt:
            reply = await rt.send("desk", "c-1", "hi")

    assert offered(llm)[1:] == [["file_claim", "reroute_conversation"]] * 2
    assert llm.requests[2].messages[-1]["content"] == "file_claim of the quote"
    assert reply.state == {"step": "ask", "value": 0}


async def test_a_hand_written_tool_list_says_itself_when_routes_are_offered() -> None:
    class Reserved(DeskAgent):
        def get_tool_schemas(self, state: Any) -> list[ToolSchema]:
            return self.router.get_tool_schemas() if state.notes else [self.declared_tools["note"].schema]

        router = DeskAgent.router

    with ScriptedLLM(TO_QUOTE, calls(("note", {"text": "x"})), TO_QUOTE, "What is it worth?") as llm:
        async with working(desk(llm, Reserved)) as rt:
            await rt.send("desk", "c-1", "hi")

    assert offered(llm)[:3] == [["note"], ["note"], ["start_quote", "file_claim"]]


async def test_each_journey_has_its_own_configuration_and_the_fronts_model_and_hooks_unless_it_has_some() -> None:
    class Seeing(ExecutorHooks):
        def __init__(self) -> None:
            self.seen: list[str] = []

        async def on_tool_start(self, name: str, arguments: dict[str, Any]) -> None:
            self.seen.append(name)

    front, own = Seeing(), Seeing()
    with (
        ScriptedLLM(TO_QUOTE, calls(("price", {"value": 500})), BACK, TO_CLAIM) as llm,
        ScriptedLLM(calls(("file", {"damage": "dent"})), "Filed.", model="other") as other,
    ):
        quote = QuoteAgent(config=JourneyConfig(terminal_tools={"price"}, model_parameters={"temperature": 0}))
        agent = desk(llm, quote=quote, claim=ClaimAgent(other, hooks=own))
        agent.hooks = front
        async with working(agent) as rt:
            priced = await rt.send("desk", "c-1", "a quote for 500")
            filed = await rt.send("desk", "c-1", "a dent")

    assert (priced.text, filed.text) == ("It costs 10.", "Filed.")
    assert [request.kwargs for request in llm.requests] == [{}, {"temperature": 0}, {"temperature": 0}, {}]
    assert (front.seen, own.seen) == (["start_quote", "price", "reroute_conversation", "file_claim"], ["file"])


async def test_which_tools_end_a_turn_is_said_by_the_journey_that_they_were_called_in() -> None:
    quote = QuoteAgent(config=JourneyConfig(terminal_tools={"start_quote", "reroute_conversation"}))
    with ScriptedLLM(TO_QUOTE, "What is it worth?", BACK, TO_CLAIM) as llm:
        agent = desk(llm, quote=quote)
        agent.config.terminal_tools = {"file_claim"}
        async with working(agent) as rt:
            replies = [(await rt.send("desk", "c-1", text)).text for text in ("a quote", "no", "a claim")]

    assert replies == ["What is it worth?", "Now in 'desk'.", "Now in 'claim'."]


async def test_reading_the_log_fires_no_hook_and_routes_nothing() -> None:
    with ScriptedLLM(TO_QUOTE, "What is it worth?") as llm:
        agent = desk(llm)
        async with working(agent) as rt:
            await rt.send("desk", "c-1", "hi")
            agent.hooks = None
            assert (await rt.conversation("c-1", at=7)).journey == "desk"
            assert (await rt.state("c-1", at=8)) == {"step": "ask", "value": 0}


async def test_a_run_without_a_server_routes_by_the_same_events() -> None:
    script = (TO_QUOTE, calls(("price", {"value": 500})), "10 euros.")
    with ScriptedLLM(*script) as llm:
        log, ctx = MemoryLog(), AgentContext("r-1", "c-1", [{"role": "user", "content": "a quote for 500"}])
        result = await run_turn(desk(llm), ctx, log)
        local = [one.type async for frame in log.read(ConversationId("c-1")) for one in timeline(frame)]
    with ScriptedLLM(*script) as llm:
        async with working(desk(llm)) as rt:
            await rt.send("desk", "c-1", "a quote for 500")
            durable = await types(rt, "c-1")

    assert (result.response, result.state) == ("10 euros.", {"step": "done", "value": 500})
    assert result.metadata == {"reason": "text_response", "journey": "quote"}
    assert local == durable


async def test_a_conversation_in_a_journey_that_is_gone_says_so_and_goes_on_once_it_is_back() -> None:
    class Smaller(DeskAgent):
        router = IntentRouter[Journey]().add_route(RouteDefinition(Journey.CLAIM, "file_claim", "File a claim"))

    substrate = in_memory(SystemClock())
    with ScriptedLLM(TO_QUOTE, "What is it worth?") as llm:
        async with working(desk(llm), substrate=substrate) as rt:
            await rt.send("desk", "c-1", "hi")
    async with working(desk(ScriptedLLM(), Smaller), substrate=substrate) as rt:
        with pytest.raises(
            NoReply, match="'quote', which 'desk' does not lead to any more; add it to `journeys` again"
        ):
            await rt.send("desk", "c-1", "500")
    with ScriptedLLM("Hello again.") as llm:
        async with working(desk(llm), substrate=substrate) as rt:
            assert (await rt.send("desk", "c-1", "500")).text == "Hello again."


async def test_what_an_author_raises_while_a_journey_is_entered_fails_the_call_and_leaves_all_as_it_was() -> None:
    class Broken(ClaimAgent):
        def load_state(self, ctx: AgentContext) -> Claim:
            raise ValueError("no archive")

    with ScriptedLLM(TO_CLAIM, "Sorry.") as llm:
        async with working(desk(llm, claim=Broken())) as rt:
            reply = await rt.send("desk", "c-1", "hi")
            now = await rt.conversation("c-1")

    assert (reply.text, now.journey, dict(now.left)) == ("Sorry.", "desk", {})
    assert llm.requests[1].messages[-1]["content"] == "Error executing file_claim: no archive"


def declared(**attributes: Any) -> JourneyAgent[Any, Any, Any]:
    made: JourneyAgent[Any, Any, Any] = type("Made", (DeskAgent,), attributes)(ScriptedLLM())
    return made


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        (declared(journeys={}), "a route of 'desk' leads to <Journey.QUOTE: 'quote'>: give `journeys` an agent for it"),
        (declared(journeys={**DeskAgent.journeys, Journey.CLAIM: ClaimAgent}), r"such as MyAgent\(\), not <class"),
        (declared(router=None), "'desk' has `journeys`, but no `router`"),
        (declared(journeys={**DeskAgent.journeys, Journey.CLAIM: QuoteAgent()}), "share a key: desk, quote, quote"),
        (declared(journeys={**DeskAgent.journeys, Journey.CLAIM: DeskAgent()}), "'desk' has a router itself"),
        (declared(key="quote"), "share a key: claim, quote, quote"),
        (
            declared(router=IntentRouter[Journey]().add_route(RouteDefinition(Journey.CLAIM, "note", ""))),
            "'desk' has a tool and a route named 'note'",
        ),
    ],
)
async def test_a_router_that_cannot_work_is_refused_before_anything_runs(agent: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        await agent.run(CTX)
    with pytest.raises(InvalidInput, match=says):
        async with working(agent):
            raise AssertionError("it works")


async def test_a_front_agent_needs_no_tools_of_its_own() -> None:
    class Bare(JourneyAgent[Quote, BaseJourneyTools[Quote], Any]):
        key = "bare"
        prompts = QuoteAgent.prompts
        router = DeskAgent.router
        journeys = DeskAgent.journeys

    with ScriptedLLM(TO_QUOTE, "What is it worth?") as llm:
        result = await Bare(llm).run(CTX)

    assert (result.response, offered(llm)[0]) == ("What is it worth?", ["start_quote", "file_claim"])


async def test_a_run_that_is_cancelled_saves_each_journey_that_was_on_in_it() -> None:
    asked, saved = asyncio.Event(), dict[str, Any]()

    class Saving(DeskAgent):
        def save_state(self, ctx: AgentContext, state: Any) -> None:
            saved["desk"] = state.notes

    class SavingToo(QuoteAgent):
        def save_state(self, ctx: AgentContext, state: Quote) -> None:
            saved["quote"] = state.value

    async def never(messages: Any, tools: Any) -> str:
        asked.set()
        await asyncio.Event().wait()
        return "never"

    llm = ScriptedLLM(calls(("note", {"text": "in a hurry"})), TO_QUOTE, calls(("price", {"value": 500})), never)
    run = asyncio.ensure_future(desk(llm, Saving, quote=SavingToo()).run(CTX))
    await asked.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert saved == {"desk": ["in a hurry"], "quote": 500}
