"""The context of a turn: its messages are made when they are looked at, and are the author's own."""

import copy
import dataclasses
import json
import pickle
import threading
from typing import Any

import pytest

from agent_runtime_framework.actors.journey import AgentContext, context_telling
from agent_runtime_framework.events import ConversationId, TurnStarted, UserSpoke
from agent_runtime_framework.projections import UserMessage, evolve, initial
from agent_runtime_framework.runtime.agents.context import context_of

SAID = [{"role": "user", "content": "I am Ada"}]


class Telling:
    """Tells what was said, and counts how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> list[dict[str, Any]]:
        self.times += 1
        return copy.deepcopy(SAID)


def telling() -> tuple[Telling, AgentContext]:
    said = Telling()
    return said, context_telling("c-1-1", "c-1", said, {"lang": "de"})


def test_nobody_is_asked_what_was_said_until_somebody_looks() -> None:
    said, ctx = telling()
    assert (ctx.run_id, ctx.conversation_id, ctx.metadata) == ("c-1-1", "c-1", {"lang": "de"})
    assert said.times == 0
    assert ctx.get_user_message() == "I am Ada"
    assert ctx.input_messages == SAID
    assert said.times == 1


def test_the_messages_are_one_list_that_its_author_may_change() -> None:
    _, ctx = telling()
    ctx.input_messages.append({"role": "user", "content": "more"})  # type: ignore[attr-defined]  # it is a list
    assert isinstance(ctx.input_messages, list)
    assert json.loads(json.dumps(ctx.input_messages)) == [*SAID, {"role": "user", "content": "more"}]
    ctx.input_messages = []
    assert ctx.input_messages == []


@pytest.mark.parametrize(
    "seen",
    [
        copy.copy,
        copy.deepcopy,
        lambda ctx: pickle.loads(pickle.dumps(ctx)),
        dataclasses.replace,
        lambda ctx: AgentContext(**dataclasses.asdict(ctx)),
        lambda ctx: AgentContext("c-1-1", "c-1", copy.deepcopy(SAID), {"lang": "de"}),
    ],
)
def test_it_is_like_one_that_was_given_its_messages(seen: Any) -> None:
    _, ctx = telling()
    made = seen(ctx)
    assert type(made) is AgentContext
    assert made == telling()[1]
    assert repr(made) == repr(telling()[1])
    assert vars(made) == {
        "run_id": "c-1-1",
        "conversation_id": "c-1",
        "input_messages": SAID,
        "metadata": {"lang": "de"},
    }


def test_one_that_lacks_its_messages_says_so_as_any_object_does() -> None:
    assert not hasattr(AgentContext, "input_messages")
    ctx = AgentContext("run-1", "c-1", [])
    del ctx.input_messages
    with pytest.raises(AttributeError, match="input_messages"):
        _ = ctx.input_messages
    with pytest.raises(TypeError):
        AgentContext("run-1", "c-1")  # type: ignore[call-arg]


def test_threads_that_look_at_once_see_one_list() -> None:
    barrier = threading.Barrier(4)

    def said() -> list[dict[str, Any]]:
        barrier.wait(10)
        return copy.deepcopy(SAID)

    ctx, seen = context_telling("c-1-1", "c-1", said, {}), list[Any]()
    threads = [threading.Thread(target=lambda: seen.append(ctx.input_messages)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in seen}) == 1
    assert seen[0] == SAID


def test_a_turn_s_context_is_as_it_was_then_whatever_is_said_later() -> None:
    conversation = initial(ConversationId("c-1"))
    for event in (UserSpoke(message_id="m-1", text="I am Ada", metadata={"n": [1]}), TurnStarted(number=1, cause=1)):
        conversation = evolve(conversation, event)
    ctx = context_of(conversation)
    ctx.metadata["n"].append(2)
    evolve(conversation, TurnStarted(number=2, cause=1))

    assert conversation.transcript.turns[1] == (UserMessage(1, "I am Ada"),)
    assert ctx.input_messages == SAID
    ctx.input_messages[0]["content"] = "changed"
    assert context_of(conversation).input_messages == SAID
    assert context_of(conversation).metadata == {"n": [1]}
