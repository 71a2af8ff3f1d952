"""Who may call what: an agent's policy is asked before a tool starts, what it says is recorded, and it fails closed."""

from collections.abc import Sequence
from typing import Any

import pytest

from agent_runtime_framework import AgentContext, Allow, Deny, InvalidInput, NoReply, Replayed, ToolCall
from agent_runtime_framework.actors import RecordAnswer, ResumeTurn, SayToAgent, settle
from agent_runtime_framework.events import (
    AnyEvent,
    ConversationId,
    ToolFailed,
    ToolReturned,
    ToolStarted,
    TurnFailed,
    encode_event,
)
from agent_runtime_framework.projections import initial
from agent_runtime_framework.runtime.agents.journeys import MOST_ENTERED, Journeys
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import in_memory
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.desk import QuoteAgent, desk
from support.django_runs import BookingAgent, Run
from support.journeys import frames, working
from support.signup import SignUpAgent, Step, again, recorded, recorded_at_work, today

NAMED = calls(("save_name", {"name": "Ada"}))
DENIED = "Error: Tool 'save_name' was denied: nobody is called Ada"


def policy(says: Any) -> Any:
    """Return an `authorize_tool` that says this of every call."""
    return lambda self, call, state, ctx: says


def no_ada(self: Any, call: ToolCall, state: Any, ctx: AgentContext) -> Allow | Deny:
    return Deny("nobody is called Ada") if call.arguments.get("name") == "Ada" else Allow("a good name")


def led(agent: Any, *answers: Any, text: str = "I am Ada") -> list[AnyEvent]:
    """Return the events of one turn of an agent whose model answers so."""
    return [event for stored in recorded(agent, ((text, answers),)) for event in stored.frame.events]


def of(events: Sequence[AnyEvent], *kinds: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kinds)]


def test_a_denied_call_never_runs_and_the_model_is_told_why() -> None:
    events = led(today(authorize_tool=no_ada), NAMED, "Then who are you?")

    (failed,) = of(events, ToolFailed)
    assert (failed.kind, failed.content, failed.policy, failed.reason) == (
        "denied",
        DENIED,
        "denied",
        "nobody is called Ada",
    )
    assert of(events, ToolStarted, ToolReturned) == []
    assert type(events[-1]).__name__ == "TurnCompleted"


def test_an_allowed_call_is_recorded_with_the_reason_that_was_given() -> None:
    (started,) = of(led(today(authorize_tool=no_ada), calls(("save_name", {"name": "Bo"})), "Hello, Bo."), ToolStarted)

    assert (started.policy, started.reason) == ("allowed", "a good name")


def test_an_agent_without_a_policy_records_nothing_of_one() -> None:
    (started,) = of(led(SignUpAgent(), NAMED, "Hello."), ToolStarted)

    assert encode_event(started) == b'{"type":"tool.started","cause":5,"effect":"idempotent","step":"name"}'


def test_a_policy_is_shown_the_call_the_state_and_the_context_once_all_else_was_checked() -> None:
    seen: list[tuple[ToolCall, Any, AgentContext]] = []

    def allow(self: Any, call: ToolCall, state: Any, ctx: AgentContext) -> Allow:
        seen.append((call, state, ctx))
        return Allow()

    answer = calls(("choose_plan", {}), ("nonsense", {}), ("save_name", {"name": 7}), ("save_name", {"name": "Ada"}))
    led(today(authorize_tool=allow), answer, "Hello.")

    ((call, state, ctx),) = seen
    assert call == ToolCall(id="5.3", name="save_name", arguments={"name": "Ada"}, effect="idempotent")
    assert (state.step, state.name) == (Step.NAME, "")
    assert (ctx.conversation_id, ctx.run_id, ctx.get_user_message()) == ("c-1", "c-1-1", "I am Ada")


def test_what_a_policy_does_to_what_it_is_shown_reaches_nothing() -> None:
    def spoils(self: Any, call: ToolCall, state: Any, ctx: AgentContext) -> Allow:
        call.arguments["name"] = "Eve"
        state.name = "Mallory"
        return Allow()

    (returned,) = of(led(today(authorize_tool=spoils), NAMED, "Hello."), ToolReturned)

    assert returned.content == "Nice to meet you, Ada."


async def never(self: Any, call: ToolCall, state: Any, ctx: AgentContext) -> Allow:
    return Allow()


def raises(self: Any, call: ToolCall, state: Any, ctx: AgentContext) -> Allow:
    raise LookupError("no such role")


def reasonless(self: Any, call: ToolCall, state: Any, ctx: AgentContext) -> Deny:
    return Deny(" ")


@pytest.mark.parametrize(
    ("author", "error"),
    [
        (raises, "LookupError: no such role"),
        (
            never,
            "authorize_tool of 'signup' must return Allow or Deny, not a coroutine: write it with def, not async def",
        ),
        (policy(None), "authorize_tool of 'signup' must return Allow or Deny, not None"),
        (policy(True), "authorize_tool of 'signup' must return Allow or Deny, not True"),
        (policy(Allow), "authorize_tool of 'signup' must return Allow or Deny, not the class Allow"),
        (reasonless, "Deny needs a reason"),
        (lambda self: Allow(), "TypeError"),
    ],
)
async def test_a_policy_that_goes_wrong_ends_the_turn_and_no_tool_runs(author: Any, error: str) -> None:
    log = await recorded_at_work(today(authorize_tool=author), (("I am Ada", (NAMED,)),))
    events: list[Any] = [event for stored in log for event in stored.frame.events]

    assert of(events, ToolStarted) == []
    assert [failed.kind for failed in of(events, ToolFailed)] == ["cancelled"]
    (ended,) = of(events, TurnFailed)
    assert ended.reason == "author_error"
    assert error in ended.error


@pytest.mark.parametrize("reason", ["", "  \n", None, 7])
def test_a_denial_needs_a_reason(reason: Any) -> None:
    with pytest.raises(InvalidInput, match="Deny needs a reason"):
        Deny(reason)


def test_a_reason_to_allow_is_a_text() -> None:
    with pytest.raises(InvalidInput, match="the reason of Allow must be a text"):
        Allow(7)  # type: ignore[arg-type]


def test_another_attempt_of_a_call_is_the_same_call_and_the_policy_is_not_asked_again() -> None:
    asked: list[str] = []

    def allow(self: Any, call: ToolCall, state: Any, ctx: AgentContext) -> Allow:
        asked.append(call.id)
        return Allow("once")

    journeys = Journeys(today(authorize_tool=allow))
    say = SayToAgent(id="m-1", agent="signup", text="I am Ada")
    now = settle(initial(ConversationId("c-1")), journeys, journeys.open(ConversationId("c-1")), say).conversation
    answer = {"role": "assistant", "tool_calls": [{"name": "save_name", "arguments": {"name": "Ada"}}]}
    now = settle(now, journeys, RecordAnswer(request=now.version, message=answer)).conversation
    (again_,) = of(settle(now, journeys, ResumeTurn()).events, ToolStarted)

    assert asked == ["5.0"]
    assert (again_.attempt, again_.policy) == (2, None)


def test_a_reason_that_is_endless_is_cut_and_the_call_is_denied_all_the_same() -> None:
    (failed,) = of(led(today(authorize_tool=policy(Deny("no " * 100_000))), NAMED, "Well."), ToolFailed)

    assert failed.kind == "denied"
    assert len(failed.reason) < 4_200
    assert "[cut: the whole text has" in failed.reason


def test_what_the_model_sees_is_not_changed_by_a_policy_nor_is_the_version_of_the_journey() -> None:
    with_policy, without = Journeys(today(authorize_tool=no_ada)), Journeys(today())

    assert with_policy.front.hash == without.front.hash


# --- routes


async def events_of(agent: Any, *answers: Any) -> list[Any]:
    substrate = in_memory(SystemClock())
    with ScriptedLLM(*answers) as llm:
        agent.llm_client = llm
        async with working(agent, substrate=substrate) as rt:
            await rt.send(agent.key, "c-1", "a quote, please")
    return [event for stored in await frames(substrate, "c-1") for event in stored.frame.events]


async def test_a_policy_says_which_journeys_may_be_entered() -> None:
    agent = desk(None)
    agent.authorize_tool = lambda call, state, ctx: Deny(f"{call.name} is closed")  # type: ignore[method-assign]
    events = await events_of(agent, calls(("start_quote", {})), "We are closed.")

    (failed,) = of(events, ToolFailed)
    assert (failed.kind, failed.reason) == ("denied", "start_quote is closed")
    assert not [event for event in events if type(event).__name__ == "JourneyEntered"]


async def test_each_journey_asks_the_policy_of_its_own_agent() -> None:
    class Careful(QuoteAgent):
        def authorize_tool(self, call: ToolCall, state: Any, ctx: AgentContext) -> Allow | Deny:
            return Deny("stay") if call.name == "reroute_conversation" else Allow("a quote")

    turn = calls(("start_quote", {})), calls(("price", {"value": 500}), ("reroute_conversation", {})), "10 euros."
    events = await events_of(desk(None, quote=Careful()), *turn)

    assert [(one.policy, one.reason) for one in of(events, ToolStarted, ToolFailed)] == [
        (None, ""),
        ("allowed", "a quote"),
        ("denied", "stay"),
    ]


async def test_a_denial_of_the_runtimes_own_is_no_policys() -> None:
    asked: list[str] = []

    def allow(call: ToolCall, state: Any, ctx: AgentContext) -> Allow:
        asked.append(call.name)
        return Allow()

    agent = desk(None)
    agent.authorize_tool = allow  # type: ignore[method-assign]
    there_and_back = [calls(("start_quote", {})), calls(("reroute_conversation", {}))] * (MOST_ENTERED // 2)
    events = await events_of(agent, *there_and_back, calls(("start_quote", {})), "Enough.")

    (failed,) = of(events, ToolFailed)
    assert (failed.kind, failed.policy, failed.reason) == ("denied", None, "")
    assert asked == ["start_quote"] * (MOST_ENTERED // 2)


# --- inside another runtime


async def test_an_adapter_asks_its_policy_with_the_context_of_the_run() -> None:
    seen: list[Any] = []

    class Guarded(BookingAgent):
        def authorize_tool(self, call: ToolCall, state: Any, ctx: Any) -> Deny:
            seen.append((call.name, type(state).__name__, ctx.params["site"], ctx.get_user_message()))
            return Deny("not from here")

    run = Run("Ada", params={"site": "north"})
    with ScriptedLLM(NAMED, "I may not.") as llm:
        result = await Guarded(llm).run(run)

    assert seen == [("save_name", "Booking", "north", "Ada")]
    assert [said["result"] for name, said in run.events if name == "tool.result"] == [
        "Error: Tool 'save_name' was denied: not from here"
    ]
    assert result.final_output["response"] == "I may not."


async def test_a_run_without_a_server_asks_too() -> None:
    with ScriptedLLM(NAMED) as llm, pytest.raises(NoReply, match="no such role"):
        agent = today(authorize_tool=raises)
        agent.llm_client = llm
        await agent.run(AgentContext("r-1", "c-1", [{"role": "user", "content": "I am Ada"}]))


async def test_a_run_shows_its_policy_what_it_shows_its_tools_also_what_no_log_would_take() -> None:
    seen: list[Any] = []

    def banned(self: Any, call: ToolCall, state: Any, ctx: AgentContext) -> Allow | Deny:
        seen.append(ctx)
        return Deny("banned") if ctx.metadata.get("banned") else Allow()

    ctx = AgentContext("r-1", "c-1", [{"role": "user", "content": "I am Ada"}], {"banned": True, "user": object()})
    with ScriptedLLM(NAMED, "You are banned.") as llm:
        agent = today(authorize_tool=banned)
        agent.llm_client = llm
        result = await agent.run(ctx)

    assert seen == [ctx]
    assert result.messages[1].content == "Error: Tool 'save_name' was denied: banned"


# --- replays


def told(found: Replayed) -> list[tuple[str, int, str, str, str]]:
    return [(one.aspect, one.version, one.subject, one.then, one.now) for one in found.counted]


TALK = (("I am Ada", (NAMED, "Hello, Ada.")),)


async def test_a_replay_names_a_call_that_ran_and_would_be_denied_now() -> None:
    found = await again(today(authorize_tool=no_ada), await recorded_at_work(SignUpAgent(), TALK), "prompt", "tools")

    refused = f"refused (denied): {DENIED}"
    assert told(found)[0] == ("call", 6, 'save_name(name="Ada")', "run as idempotent", refused)


async def test_a_replay_names_a_call_that_was_denied_and_would_run_now() -> None:
    found = await again(SignUpAgent(), await recorded_at_work(today(authorize_tool=no_ada), TALK), "prompt", "tools")

    refused = f"refused (denied): {DENIED}"
    assert told(found)[0] == ("call", 6, 'save_name(name="Ada")', refused, "run as idempotent")


async def test_a_replay_of_the_same_policy_finds_nothing_also_with_tools_run() -> None:
    log = await recorded_at_work(
        today(authorize_tool=no_ada), (*TALK, ("I am Bo", (calls(("save_name", {"name": "Bo"})), "Hi.")))
    )

    assert (await again(today(authorize_tool=no_ada), log)).divergences == ()
    assert (await again(today(authorize_tool=no_ada), log, tools="run")).divergences == ()
