"""A fork may be answered by another model, and under another prompt, from the cut on."""

from typing import Any

import pytest
from msgspec.structs import replace

from agent_runtime_framework import InvalidInput, ModelError, TooLarge
from agent_runtime_framework.actors import AskModel
from agent_runtime_framework.actors.edits import edited
from agent_runtime_framework.events import TEXT_LIMIT, ConversationId, ConversationStarted, Edits, ModelRequested
from agent_runtime_framework.projections import Conversation, ModelInput
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import order_agent, recorded, working

NAMED = calls(("save_name", {"name": "Ada"}))


async def test_a_fork_is_answered_by_another_model_and_the_request_names_it(substrate: Substrate) -> None:
    down = ModelError("not now", kind="unreachable", transient=True)
    with ScriptedLLM("One.", down, "Two.", "Three.") as llm:
        async with working(order_agent(llm, model_parameters={"temperature": 0}), substrate=substrate) as rt:
            await rt.send("order", "c-1", "1", timeout=20)
            await rt.fork("c-1", as_id="c-2", model="a-better-one")
            await rt.send("order", "c-2", "2", timeout=20)
            await rt.send("order", "c-1", "2", timeout=20)
            events = await recorded(rt, "c-2")

    asked = [one.event for one in events if isinstance(one.event, ModelRequested)]
    assert [event.model for event in asked] == [llm.model, "a-better-one", "a-better-one"]
    better = {"temperature": 0, "model": "a-better-one"}
    assert [request.kwargs for request in llm.requests] == [
        {"temperature": 0}, better, better, {"temperature": 0}
    ]  # fmt: skip
    sent = llm.requests[1]
    assert {event.request for event in asked[1:]} == {ModelInput(sent.messages, sent.tools, "another", better).hash}


async def test_a_fork_has_another_prompt_in_the_step_of_the_cut_only(substrate: Substrate) -> None:
    with ScriptedLLM("Who?", NAMED, "Hello.", "Tea?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)
            await rt.fork("c-1", as_id="c-2", prompt="Ask in rhyme.")
            await rt.send("order", "c-2", "I am Ada", timeout=20)
            await rt.send("order", "c-2", "and now?", timeout=20)
            began = [one.event for one in await recorded(rt, "c-2") if isinstance(one.event, ConversationStarted)][1]

    prompts = [request.messages[0]["content"] for request in llm.requests]
    assert prompts == ["Ask for the name.", "Ask in rhyme.", "Take the order.", "Take the order."]
    assert began.edits == Edits(prompt="Ask in rhyme.", journey="order", step="name")


async def test_edits_hold_in_forks_of_the_fork_and_the_last_one_counts(substrate: Substrate) -> None:
    with ScriptedLLM("Who?", "One.", "Two.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)
            await rt.fork("c-1", as_id="c-2", prompt="Ask in rhyme.", model="m-2")
            await rt.fork("c-2", as_id="c-3", prompt="Ask in prose.")
            await rt.send("order", "c-2", "?", timeout=20)
            await rt.send("order", "c-3", "?", timeout=20)

    assert [request.messages[0]["content"] for request in llm.requests[1:]] == ["Ask in rhyme.", "Ask in prose."]
    assert [request.kwargs.get("model") for request in llm.requests[1:]] == ["m-2", "m-2"]


@pytest.mark.parametrize("model", ["", " ", "a\nb", 7])
async def test_a_model_that_is_no_name_is_refused_at_the_door(model: Any) -> None:
    async with working(order_agent(ScriptedLLM())) as rt:
        with pytest.raises(InvalidInput, match="the model must be a name"):
            await rt.fork("c-1", model=model)


@pytest.mark.parametrize(
    ("prompt", "error"), [(7, InvalidInput), ("\ud800", InvalidInput), ("x" * TEXT_LIMIT + "x", TooLarge)]
)
async def test_a_prompt_that_cannot_be_kept_is_refused_at_the_door(prompt: Any, error: type[Exception]) -> None:
    async with working(order_agent(ScriptedLLM())) as rt:
        with pytest.raises(error, match="the prompt"):
            await rt.fork("c-1", prompt=prompt)


def test_a_prompt_counts_in_the_step_of_the_journey_that_was_on_at_the_cut() -> None:
    edits = (Edits(model="m-1"), Edits(prompt="Rhyme.", journey="order", step="name"), Edits(model="m-2"))
    here = Conversation(ConversationId("c-1"), journey="order", step="name", edits=edits)
    asked = AskModel(prompt="Ask.", model="m-0", parameters={"temperature": 0})

    assert edited(here, asked) == AskModel(prompt="Rhyme.", model="m-2", parameters={"temperature": 0, "model": "m-2"})
    for elsewhere in (replace(here, step="order"), replace(here, journey="desk")):
        assert edited(elsewhere, asked).prompt == "Ask."
    assert edited(replace(here, edits=()), asked) == asked
    assert edited(replace(here, edits=(Edits(prompt="", journey="order", step="name"),)), asked).prompt == ""
