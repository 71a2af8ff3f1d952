"""JourneyAgent by each sentence of its contract, without a server and in a worker."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from agent_runtime_framework import AgentContext, AgentMessage, AgentResult, BaseAgent, JourneyConfig, ToolSchema
from agent_runtime_framework.events import NoReply, Refused, StepEntered, ToolStarted
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import Beginning, Order, OrderAgent, OrderTools, Step, order_agent
from support.paths import Take, both_paths

NAMED = calls(("save_name", {"name": "Ada"}))
HELLO = AgentContext("r-1", "c-1", [{"role": "user", "content": "Hello"}])


# --- what an agent is ---------------------------------------------------------------------------------------------


def test_an_agent_keeps_what_it_is_given_under_the_names_of_its_parameters() -> None:
    llm, config, hooks = object(), JourneyConfig(), object()
    agent = OrderAgent(llm, config, hooks)  # type: ignore[arg-type]

    assert (agent.llm_client, agent.config, agent.hooks) == (llm, config, hooks)
    assert (OrderAgent().llm_client, OrderAgent().config, OrderAgent().hooks) == (None, JourneyConfig(), None)
    assert isinstance(agent, BaseAgent)


def test_a_configuration_has_its_fields_in_the_order_of_the_contract_and_shares_none() -> None:
    phrases = ["thank you", "thanks", "bye", "goodbye"]

    assert JourneyConfig(3, {"finish"}, ["ciao"]) == JourneyConfig(
        max_tool_iterations=3, terminal_tools={"finish"}, closing_phrases=["ciao"]
    )
    config = JourneyConfig()
    assert (config.max_tool_iterations, config.terminal_tools, config.closing_phrases) == (10, set(), phrases)
    config.terminal_tools.add("finish")
    config.closing_phrases.clear()
    assert (JourneyConfig().terminal_tools, JourneyConfig().closing_phrases) == (set(), phrases)


async def test_an_agent_of_another_kind_has_a_key_and_runs() -> None:
    class Echo(BaseAgent):
        @property
        def key(self) -> str:
            return "echo"

        async def run(self, ctx: AgentContext) -> AgentResult:
            return AgentResult(ctx.get_user_message() or "")

    assert (await Echo().run(HELLO)).response == "Hello"
    with pytest.raises(TypeError, match="abstract"):
        BaseAgent()  # type: ignore[abstract]


# --- the tools of a step ------------------------------------------------------------------------------------------


@both_paths
async def test_a_tool_of_another_step_is_refused_recorded_and_told(take: Take) -> None:
    with ScriptedLLM(calls(("finish", {})), "Later.") as llm:
        taken = await take(order_agent(llm), "finish")

    told = "Error: Tool 'finish' is not available now"
    assert taken.failures == [("not_offered", told)]
    assert llm.requests[1].messages[-1]["content"] == told
    assert not [event for event in taken.events if isinstance(event, ToolStarted | StepEntered)]


@both_paths
async def test_what_counts_is_what_was_offered_in_that_request(take: Take) -> None:
    # the first call moves the journey: what its answer calls next was not yet offered, save_name still was
    with ScriptedLLM(calls(("save_name", {"name": "Ada"}), ("look", {}), ("save_name", {"name": "Bo"})), "Hi.") as llm:
        taken = await take(order_agent(llm), "Ada")

    assert taken.failures == [("not_offered", "Error: Tool 'look' is not available now")]
    assert taken.state["name"] == "Bo"


@both_paths
async def test_after_each_tool_call_prompt_and_tools_are_those_of_the_new_step(take: Take) -> None:
    with ScriptedLLM(NAMED, calls(("finish", {})), "Bye.") as llm:
        await take(order_agent(llm), "Ada")

    assert [request.messages[0]["content"] for request in llm.requests] == [
        "Ask for the name.",
        "Take the order.",
        "Say good-bye.",
    ]
    assert [len(request.tools or ()) for request in llm.requests] == [1, 8, 0]


@both_paths
async def test_an_agent_may_execute_its_tools_through_a_method_executor(take: Take) -> None:
    from agent_runtime_framework import MethodToolExecutor

    class Delegating(Beginning):
        async def execute_tool(self, tools: OrderTools, name: str, arguments: dict[str, Any]) -> str:
            return await MethodToolExecutor(tools).execute(name, arguments)

    with ScriptedLLM(calls(("fail", {}), ("add", {"line": "tea"})), "Tea.") as llm:
        taken = await take(Delegating(llm, Step.ORDER), "tea")

    assert taken.failures == [("error", "Error executing fail: the shop is closed")]
    assert taken.state["lines"] == ["tea"]


class Renaming(OrderAgent):
    """Names its parameters as an author may."""

    def get_system_prompt(self, s: Order) -> str:
        return super().get_system_prompt(s)

    def get_tool_schemas(self, s: Order) -> list[ToolSchema]:
        return super().get_tool_schemas(s)

    def create_tools(self, s: Order, context: AgentContext) -> OrderTools:
        return OrderTools(s, on_state_change=lambda changed: None)

    async def execute_tool(self, t: OrderTools, tool_name: str, args: dict[str, Any]) -> str:
        result: str = await getattr(t, tool_name)(**args)
        return result

    async def load_state(self, context: AgentContext) -> Order | None:
        return None

    async def save_state(self, context: AgentContext, s: Order) -> None:
        self.saved = s.name

    def is_terminal_state(self, s: Order) -> bool:
        return s.is_complete()

    def is_closing_message(self, said: str) -> bool:
        return False


@both_paths
async def test_what_an_author_writes_may_name_its_parameters_as_it_likes(take: Take) -> None:
    with ScriptedLLM(NAMED, calls(("finish", {})), "Bye.") as llm:
        agent = Renaming(llm)
        taken = await take(agent, "I am Ada")

    assert (taken.text, taken.state["step"], taken.failures, agent.saved) == ("Bye.", "done", [], "Ada")


# --- what a run is given and gives --------------------------------------------------------------------------------


async def test_a_run_without_a_state_of_its_own_begins_with_the_initial_one_each_time() -> None:
    with ScriptedLLM(NAMED, "Hello.", "Who?") as llm:
        agent = order_agent(llm)
        first, second = await agent.run(HELLO), await agent.run(HELLO)

    assert [(result.state or {})["name"] for result in (first, second)] == ["Ada", ""]


async def test_messages_before_the_last_user_message_are_history_as_dicts_or_as_messages() -> None:
    given: list[Any] = [
        {"role": "user", "content": "I am Ada"},
        AgentMessage("assistant", tool_calls=[{"id": "x", "name": "save_name", "arguments": {"name": "Ada"}}]),
        {"role": "tool", "tool_call_id": "x", "content": "Saved."},
        AgentMessage("assistant", "Hello Ada.", metadata={"internal": True}),
        AgentMessage("user", "tea"),
    ]
    with ScriptedLLM("Tea.") as llm:
        result = await order_agent(llm).run(AgentContext("r-1", "c-1", given))

    call = {"id": "x", "type": "function", "function": {"name": "save_name", "arguments": '{"name":"Ada"}'}}
    assert llm.requests[0].messages == [
        {"role": "system", "content": "Ask for the name."},
        {"role": "user", "content": "I am Ada"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "x", "content": "Saved."},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": "tea"},
    ]
    assert result.messages == [AgentMessage("assistant", "Tea.")]


async def test_orphan_calls_and_results_in_the_history_are_repaired() -> None:
    given: list[Any] = [
        {"role": "tool", "tool_call_id": "lost", "content": "nobody asked"},
        {"role": "user", "content": "I am Ada"},
        AgentMessage("assistant", tool_calls=[{"id": "x", "name": "look", "arguments": {}}]),
        {"role": "user", "content": "tea"},
    ]
    with ScriptedLLM("Tea.") as llm:
        await order_agent(llm).run(AgentContext("r-1", "c-1", given))

    assert [(message["role"], message.get("content")) for message in llm.requests[0].messages[1:]] == [
        ("user", "I am Ada"),
        ("assistant", None),
        ("tool", "Error: this tool was not run"),
        ("user", "tea"),
    ]


@pytest.mark.parametrize("given", [[], [{"role": "assistant", "content": "Ask me."}]])
async def test_a_run_without_a_user_message_is_answered_from_what_there_is(given: list[Any]) -> None:
    with ScriptedLLM("Welcome.") as llm:
        result = await order_agent(llm).run(AgentContext("r-1", "c-1", given))

    assert result.response == "Welcome."
    assert llm.requests[0].messages == [{"role": "system", "content": "Ask for the name."}, *given]


async def test_the_tools_of_a_run_are_given_its_context() -> None:
    seen: list[AgentContext] = []

    class Seeing(OrderAgent):
        def create_tools(self, state: Order, ctx: AgentContext) -> OrderTools:
            seen.append(ctx)
            return OrderTools(state)

    ctx = AgentContext(uuid4(), None, [AgentMessage("user", "Ada")], {"user": 7})
    with ScriptedLLM(NAMED, "Hello.") as llm:
        await Seeing(llm).run(ctx)

    assert seen == [ctx]


async def test_the_result_has_the_final_state_and_the_sum_of_all_model_calls() -> None:
    def reply(message: dict[str, Any], **usage: Any) -> Any:
        from agent_runtime_framework import ModelReply

        return ModelReply({"role": "assistant", **message}, usage)

    first = reply(
        {"tool_calls": [{"name": "save_name", "arguments": {"name": "Ada"}}]}, prompt_tokens=5, total_tokens=7
    )
    second = reply({"content": "Hello."}, prompt_tokens=11, completion_tokens=2, total_tokens=13)
    with ScriptedLLM(lambda messages, tools: first, lambda messages, tools: second) as llm:
        result = await order_agent(llm).run(HELLO)

    assert result.usage == {"prompt_tokens": 16, "completion_tokens": 2, "total_tokens": 20}
    assert result.state == Order(step=Step.ORDER, name="Ada").to_dict()


async def test_a_run_that_is_cancelled_ends_its_model_call_and_passes_the_cancellation_on() -> None:
    asked: asyncio.Event = asyncio.Event()
    ended: asyncio.Event = asyncio.Event()

    async def for_ever(messages: Any, tools: Any) -> str:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "never"

    run = asyncio.ensure_future(order_agent(ScriptedLLM(for_ever)).run(HELLO))
    await asked.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    async with asyncio.timeout(5):
        await ended.wait()


async def test_an_agent_without_a_client_looks_for_one_at_its_first_model_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    agent = Beginning(None, Step.DONE)

    closed = await agent.run(AgentContext("r-1", "c-1", [{"role": "user", "content": "bye"}]))

    assert closed.response == ""
    with pytest.raises(NoReply, match="OPENAI_API_KEY"):
        await agent.run(HELLO)


@pytest.mark.parametrize(
    ("turns", "sent"),
    [
        (None, ["q0", "a0", "q1", "a1", "q2", "a2", "now"]),
        (9, ["q0", "a0", "q1", "a1", "q2", "a2", "now"]),
        (1, ["q2", "a2", "now"]),
        (0, ["now"]),
        (-1, ["now"]),
    ],
)
async def test_a_run_gives_the_model_as_many_turns_of_its_history_as_the_author_says(
    turns: int | None, sent: list[str]
) -> None:
    asked = [AgentMessage(role, f"{word}{n}") for n in range(3) for role, word in (("user", "q"), ("assistant", "a"))]
    with ScriptedLLM("Hello.") as llm:
        ctx = AgentContext("r-1", "c-1", [*asked, AgentMessage("user", "now")])
        await order_agent(llm, history_turns=turns).run(ctx)

    assert [message["content"] for message in llm.requests[0].messages[1:]] == sent


async def test_a_run_cuts_its_history_between_turns_and_never_the_turn_in_progress() -> None:
    call = {"id": "x", "name": "save_name", "arguments": {"name": "Ada"}}
    history: list[Any] = [
        AgentMessage("user", "hi"),
        AgentMessage("assistant", "Your name?"),
        AgentMessage("user", "I am Ada"),
        AgentMessage("assistant", tool_calls=[call]),
        AgentMessage("tool", "Saved.", tool_call_id="x"),
        AgentMessage("assistant", "Hello Ada."),
        AgentMessage("user", "now"),
    ]
    sent: dict[int, list[list[str]]] = {}
    for turns in (0, 1):
        with ScriptedLLM(NAMED, calls(("look", {})), "Done.") as llm:
            await order_agent(llm, history_turns=turns).run(AgentContext("r-1", "c-1", history))
        sent[turns] = [[message["role"] for message in request.messages[1:]] for request in llm.requests]

    now = [["user"], ["user", "assistant", "tool"], ["user", "assistant", "tool", "assistant", "tool"]]
    assert sent[0] == now
    assert sent[1] == [["user", "assistant", "tool", "assistant", *roles] for roles in now]


@pytest.mark.parametrize("turns", [None, 0, 1])
@pytest.mark.parametrize(
    "said",
    [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {}}]},
        {"role": "user", "content": "What is it?", "name": "ada"},
    ],
)
async def test_all_of_the_last_user_message_reaches_the_model(said: dict[str, Any], turns: int | None) -> None:
    history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}]
    with ScriptedLLM("A cat.") as llm:
        result = await order_agent(llm, history_turns=turns).run(AgentContext("r-1", "c-1", [*history, said]))

    kept = [] if turns == 0 else history
    assert llm.requests[0].messages[1:] == [*kept, said]
    assert [message.to_dict() for message in result.messages] == [{"role": "assistant", "content": "A cat."}]


async def test_a_named_user_may_say_good_bye_too() -> None:
    class Over(OrderAgent):
        def is_terminal_state(self, state: Order) -> bool:
            return True

    said = {"role": "user", "content": "thanks", "name": "ada"}
    result = await Over(ScriptedLLM()).run(AgentContext("r-1", "c-1", [said]))

    assert (result.response, result.metadata["reason"]) == ("", "closing")


async def test_a_run_whose_message_is_refused_says_why() -> None:
    ctx = AgentContext("r-1", "c-1", [{"role": "user", "content": "x" * 300_000}])
    with pytest.raises(Refused, match="'c-1': the text has more than 262144 bytes"):
        await order_agent(ScriptedLLM()).run(ctx)


@pytest.mark.parametrize("metadata", [{"user": object()}, {"big": "x" * 100_000}])
async def test_the_metadata_of_a_run_may_be_anything_since_nothing_is_kept(metadata: dict[str, Any]) -> None:
    seen: list[Any] = []

    class Seeing(OrderAgent):
        def create_tools(self, state: Order, ctx: AgentContext) -> OrderTools:
            seen.append(ctx.metadata)
            return OrderTools(state)

    with ScriptedLLM(NAMED, "Hello.") as llm:
        await Seeing(llm).run(AgentContext("r-1", "c-1", [AgentMessage("user", "Ada")], metadata))

    assert seen == [metadata]
