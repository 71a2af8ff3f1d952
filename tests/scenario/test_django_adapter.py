"""A journey inside another runtime: what the run's context is told, and what comes back."""

import asyncio
from typing import Any

import pytest

from agent_runtime_framework import InvalidInput, NoReply, StateStore, configure
from agent_runtime_framework.adapters import DjangoRuntimeAdapter, create_django_runtime
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.configuration import fresh_configuration
from support.django_runs import DONE, BareRun, Booking, BookingAgent, Run

NAMED = calls(("save_name", {"name": "Ada"}))
BOOKED = calls(("save_day", {"day": "2030-01-02"}))


async def test_a_run_gives_response_state_messages_and_usage_as_plain_json() -> None:
    with ScriptedLLM(NAMED, BOOKED, "See you.") as llm:
        result = await BookingAgent(llm, "the hotel").run(Run("I am Ada, on 2030-01-02"))

    assert result.final_output == {"response": "See you.", "state": DONE}
    assert [said["role"] for said in result.final_messages] == ["assistant", "tool", "assistant", "tool", "assistant"]
    assert all(value is not None for said in result.final_messages for value in said.values())
    assert result.usage["total_tokens"] == result.usage["prompt_tokens"] + result.usage["completion_tokens"]
    assert result.usage["completion_tokens"] == 4
    assert result.artifacts == {}


async def test_each_call_and_its_result_are_events_under_the_id_that_the_messages_have() -> None:
    run = Run("I am Ada")
    with ScriptedLLM(NAMED, "Which day?") as llm:
        result = await BookingAgent(llm).run(run)

    id_ = result.final_messages[0]["tool_calls"][0]["id"]
    assert run.events == [
        ("tool.call", {"id": id_, "name": "save_name", "arguments": {"name": "Ada"}, "tool_call_id": id_}),
        ("tool.result", {"id": id_, "name": "save_name", "result": "Hello Ada.", "tool_call_id": id_}),
    ]
    assert result.final_messages[1]["tool_call_id"] == id_
    assert [type(name) for name, _ in run.events] == [str, str]


async def test_a_call_that_was_refused_has_its_two_events_too() -> None:
    run = Run("hi")
    with ScriptedLLM(BOOKED, "Your name first.") as llm:
        await BookingAgent(llm).run(run)

    assert [(name, said["name"]) for name, said in run.events] == [
        ("tool.call", "save_day"),
        ("tool.result", "save_day"),
    ]
    assert run.events[1][1]["result"] == "Error: Tool 'save_day' is not available now"


async def test_ids_that_the_history_has_already_are_not_used_again() -> None:
    agent, first = BookingAgent(ScriptedLLM(NAMED, "Which day?")), Run("I am Ada")
    result = await agent.run(first)
    again = first.following(result, "no, Bob")
    agent.llm_client = ScriptedLLM(NAMED, "Which day?")
    told = await agent.run(again)

    ids = [call["id"] for said in [*again.input_messages, *told.final_messages] for call in said.get("tool_calls", [])]
    assert len(ids) == len(set(ids)) == 2
    assert again.events[0][1]["id"] == ids[1]


async def test_a_run_without_a_conversation_is_its_own() -> None:
    contexts: list[Any] = []

    class Seeing(BookingAgent):
        def create_tools(self, state: Booking, ctx: Any, backend_client: Any) -> Any:
            contexts.append(ctx)
            return super().create_tools(state, ctx, backend_client)

    states = StateStore()
    run = Run("I am Ada", conversation=None, params={"tenant": "t-1"}, metadata={"lang": "en"})
    with ScriptedLLM(NAMED, "Which day?") as llm:
        await Seeing(llm, state_store=states).run(run)

    (ctx,) = contexts
    assert (ctx.run_id, ctx.conversation_id, ctx.metadata) == (run.run_id, run.run_id, {"lang": "en"})
    assert (ctx.get_user_message(), ctx.params, ctx.checkpoints is run.checkpoints) == (
        "I am Ada",
        {"tenant": "t-1"},
        True,
    )
    assert await states.load_state(str(run.run_id), "booking") is None


async def test_metadata_that_no_log_could_hold_reaches_the_tools_all_the_same() -> None:
    with ScriptedLLM("Hi.") as llm:
        result = await BookingAgent(llm).run(Run("hi", metadata={"user": object(), "large": "x" * 100_000}))

    assert result.final_output["response"] == "Hi."


async def test_what_was_cut_from_the_history_is_repaired_and_other_keys_are_not_sent() -> None:
    run = Run("hi")
    call = {"id": "a", "type": "function", "function": {"name": "save_name", "arguments": "{}"}}
    run.input_messages = [
        {"role": "tool", "content": "an orphan", "tool_call_id": "gone"},
        {"role": "assistant", "content": None, "tool_calls": [call], "id": 7, "created_at": "today"},
        {"role": "user", "content": "hi", "name": "ada", "metadata": {"x": 1}},
    ]
    with ScriptedLLM("Your name?") as llm:
        await BookingAgent(llm).run(run)

    system, asked, told, said = llm.requests[0].messages
    assert (system["role"], asked["tool_calls"][0]["id"], told["tool_call_id"]) == ("system", "a", "a")
    assert set(asked) == {"role", "content", "tool_calls"}
    assert said == {"role": "user", "content": "hi", "name": "ada"}


async def test_the_reply_is_told_to_the_user_by_the_means_that_the_context_has() -> None:
    run, bare = Run("hi"), BareRun("hi")
    with ScriptedLLM("Your name?", "Your name?") as llm:
        agent = BookingAgent(llm)
        await agent.run(run)
        await agent.run(bare)

    assert (run.spoken, run.events) == (["Your name?"], [])
    assert bare.events == [("assistant.message", {"content": "Your name?"})]


@pytest.mark.parametrize("kind", [Run, BareRun])
async def test_an_empty_reply_is_told_to_nobody(kind: type[BareRun]) -> None:
    run = kind("thanks")
    run.checkpoints.append(DONE)
    result = await BookingAgent(ScriptedLLM()).run(run)

    assert (result.final_output["response"], run.spoken, run.events, result.final_messages) == ("", [], [], [])
    assert run.checkpoints == [DONE, DONE]


@pytest.mark.parametrize("said_last", ["thank you!", "ok, bye"])
async def test_an_adapter_knows_the_closing_phrases_that_an_agent_knows(said_last: str) -> None:
    run = Run(said_last)
    run.checkpoints.append({"step": "done", "name": "Ada"})

    assert (await BookingAgent(ScriptedLLM()).run(run)).final_output["response"] == ""


async def test_terminal_tools_and_the_limit_of_iterations_are_those_given() -> None:
    with ScriptedLLM(NAMED, NAMED) as llm:
        ended = await BookingAgent(llm, None, 10, {"save_name"}).run(Run("I am Ada"))
        limited = await BookingAgent(llm, max_tool_iterations=1).run(Run("I am Ada"))

    assert ended.final_output["response"] == limited.final_output["response"] == "Hello Ada."


async def test_clients_are_asked_for_with_the_runs_own_context_and_may_be_awaited() -> None:
    asked: list[tuple[str, Any]] = []

    class PerTenant(BookingAgent):
        async def get_llm_client(self, ctx: Any) -> Any:
            asked.append(("llm", ctx))
            return llm

        async def get_backend_client(self, ctx: Any) -> Any:
            asked.append(("backend", ctx))
            return f"the hotel of {ctx.params['tenant']}"

    run = Run("on 2030-01-02", params={"tenant": "t-1"})
    run.checkpoints.append({"step": "date", "name": "Ada"})
    with ScriptedLLM(BOOKED, "See you.") as llm:
        result = await PerTenant().run(run)

    assert result.final_messages[1]["content"] == "Booked with the hotel of t-1."
    assert asked == [("backend", run), ("llm", run)]


async def test_one_instance_serves_runs_side_by_side() -> None:
    def named(messages: list[dict[str, Any]], _tools: Any) -> Any:
        last = messages[-1]
        return calls(("save_name", {"name": last["content"]})) if last["role"] == "user" else last["content"]

    agent = BookingAgent(ScriptedLLM(*[named] * 40), state_store=StateStore())
    runs = [Run(f"N{number}", run=f"r-{number}", conversation=f"c-{number}") for number in range(20)]
    results = await asyncio.gather(*(agent.run(run) for run in runs))

    assert [result.final_output["response"] for result in results] == [f"Hello N{number}." for number in range(20)]
    assert [run.checkpoints[-1]["name"] for run in runs] == [f"N{number}" for number in range(20)]


async def test_in_debug_a_tools_own_exception_reaches_the_runner() -> None:
    with fresh_configuration():
        configure(debug=True)
        await check_that_no_room_is_raised()


async def check_that_no_room_is_raised() -> None:
    with pytest.raises(ValueError, match="no room"):
        await BookingAgent(ScriptedLLM(calls(("fail", {})))).run(Run("hi"))


async def test_a_model_that_fails_is_an_error_of_the_run() -> None:
    with pytest.raises(NoReply, match="model_error") as raised:
        await BookingAgent(ScriptedLLM(ValueError("no model"))).run(Run("hi"))

    assert isinstance(raised.value.__cause__, ValueError)


async def test_a_checkpoint_that_is_no_dict_is_said_to_be_none() -> None:
    with pytest.raises(InvalidInput, match=r"the checkpoint of run .* is a list, not a dict"):
        await BookingAgent(ScriptedLLM()).run(Run("hi", checkpoints=[[1]]))


@pytest.mark.parametrize("message", ["hi", None, 5, ("role", "user")])
async def test_a_message_that_is_no_dict_is_said_to_be_none(message: Any) -> None:
    with pytest.raises(InvalidInput, match="a message must be a dict with role and content, not"):
        await BookingAgent(ScriptedLLM()).run(Run("hi", input_messages=[message]))


async def test_a_context_may_be_written_without_async() -> None:
    class Plain(BareRun):
        def emit(self, type: str, payload: dict[str, Any]) -> None:  # type: ignore[override]  # noqa: A002
            self.events.append((type, payload))

        def checkpoint(self, state: dict[str, Any]) -> None:  # type: ignore[override]
            self.checkpoints.append(state)

        def get_state(self) -> None:  # type: ignore[override]
            return None

        async def cancelled(self) -> bool:  # type: ignore[override]
            return False

        def check_cancelled(self) -> bool:
            return False

    run = Plain("I am Ada, on 2030-01-02")
    with ScriptedLLM(NAMED, BOOKED, "See you.") as llm:
        result = await BookingAgent(llm, "the hotel").run(run)

    assert (result.final_output, run.checkpoints[-1]) == ({"response": "See you.", "state": DONE}, DONE)
    assert [name for name, _ in run.events] == ["tool.call", "tool.result"] * 2 + ["assistant.message"]


async def test_numbers_that_no_state_takes_are_told_as_the_model_wrote_them() -> None:
    run = Run("hi")
    with ScriptedLLM(calls(("save_name", '{"name": ' + "9" * 1_000 + "}")), "Sorry.") as llm:
        await BookingAgent(llm).run(run)

    assert run.events[0][1]["arguments"] == {"name": 10**1_000 - 1}
    assert "more than 2048 bits" in run.events[1][1]["result"]


def test_a_runtime_is_made_of_a_class_and_what_its_constructor_takes() -> None:
    made = create_django_runtime(BookingAgent, backend_client="the hotel", max_tool_iterations=3)

    assert (type(made), made.backend_client, made.config.max_tool_iterations) == (BookingAgent, "the hotel", 3)
    with pytest.raises(TypeError, match="is no DjangoRuntimeAdapter: subclass that"):
        create_django_runtime(Booking)  # type: ignore[type-var]


def test_an_adapter_that_lacks_something_cannot_be_made() -> None:
    class Half(DjangoRuntimeAdapter[Any, Any, Any]):
        key = "half"

    with pytest.raises(TypeError, match=r"Half is still abstract: name the state's class, DjangoRuntimeAdapter\[State"):
        Half()
