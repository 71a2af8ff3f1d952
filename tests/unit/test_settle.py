"""Settling: one frame holds all that follows without an effect."""

from collections.abc import Callable
from typing import Any

from hypothesis import given as for_all
from hypothesis import strategies as st

from agent_runtime_framework.actors import (
    AskModel,
    EndTurn,
    Journey,
    Mailbox,
    Open,
    Pinned,
    Policy,
    RecordAnswer,
    RecordToolFailure,
    RecordToolReturn,
    RefuseTool,
    ReviseJourney,
    RunTool,
    SayToAgent,
    Verdict,
    settle,
)
from agent_runtime_framework.events import (
    ConversationId,
    FrameworkError,
    KnownEvent,
    ToolFailed,
    TurnCompleted,
    TurnFailed,
)
from agent_runtime_framework.projections import Call, Conversation, initial, outstanding
from support.journeys import given
from support.strategies import commands, json_object

OPEN = Open(agent="order", journey_hash="h", state={"step": b'"order"'}, step="order")
SAY = SayToAgent(id="m-1", agent="order", text="tea")


class Script:
    """A journey that asks with its step's name and lets every call run."""

    mailbox: Mailbox = "queue"

    def __init__(self, **policy: Any) -> None:
        self._policy = Policy(**policy)
        self.closing = False
        self.revisions: Callable[[Conversation], ReviseJourney | Pinned | None] = lambda _: None

    def revise(self, conversation: Conversation) -> ReviseJourney | Pinned | None:
        return self.revisions(conversation)

    def policy(self, conversation: Conversation) -> Policy:
        return self._policy

    def ask_model(self, conversation: Conversation) -> AskModel | EndTurn:
        if self.closing:
            return EndTurn(reason="closing")
        tools = '[{"function":{"name":"add"}},{"function":{"name":"finish"}}]'
        return AskModel(prompt=f"at {conversation.step}", tools=tools, effects={"add": "read"})

    def judge(self, conversation: Conversation, call: Call) -> Verdict:
        return RefuseTool(kind="denied", content="no") if call.arguments.get("deny") else RunTool(effect="once")


def begun(journey: Journey) -> Conversation:
    return settle(initial(ConversationId("c-1")), journey, OPEN, SAY).conversation


def answered(journey: Journey, *calls: tuple[str, Any], content: str | None = None) -> tuple[Conversation, list[str]]:
    before = begun(journey)
    message = {"role": "assistant", "content": content, "tool_calls": [{"name": n, "arguments": a} for n, a in calls]}
    settled = settle(before, journey, RecordAnswer(request=before.version, message=message))
    return settled.conversation, kinds(settled.events)


def kinds(events: tuple[KnownEvent, ...]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_first_message_opens_and_asks_in_one_frame() -> None:
    settled = settle(initial(ConversationId("c-1")), Script(), OPEN, SAY)

    assert kinds(settled.events) == ["ConversationStarted", "UserSpoke", "TurnStarted", "ModelRequested"]


def test_an_answer_in_words_is_the_reply() -> None:
    after, events = answered(Script(), content="Here you are.")

    assert events == ["ModelAnswered", "AgentSpoke", "TurnCompleted"]
    assert after.ended is not None
    assert (after.ended.text, after.ended.reason) == ("Here you are.", "text_response")


def test_words_are_no_reply_where_the_policy_says_so_until_the_rounds_are_used_up() -> None:
    assert answered(Script(stop_on_text=False), content="Well...")[1] == ["ModelAnswered", "ModelRequested"]

    after, _ = answered(Script(stop_on_text=False, max_rounds=1), content="Well...")
    assert after.ended is not None
    assert (after.ended.text, after.ended.reason) == ("Well...", "max_iterations")


def test_an_answer_with_a_call_starts_the_tool_in_the_same_frame() -> None:
    assert answered(Script(), ("add", {}))[1] == ["ModelAnswered", "ToolStarted"]


def test_a_return_a_step_and_the_next_request_are_one_frame() -> None:
    journey = Script()
    running, _ = answered(journey, ("add", {}))
    outcome = RecordToolReturn(answer=5, index=0, attempt=1, content="ok", state={"step": b'"done"'}, step="done")

    settled = settle(running, journey, outcome)

    assert kinds(settled.events) == ["ToolReturned", "StateChanged", "StepEntered", "ModelRequested"]
    assert settled.conversation.turn is not None
    assert settled.conversation.turn.request is not None
    assert settled.conversation.turn.request.prompt == "at done"


def test_calls_of_one_answer_run_one_after_another() -> None:
    journey = Script()
    running, _ = answered(journey, ("add", {}), ("finish", {}))

    first = settle(
        running, journey, RecordToolReturn(answer=5, index=0, attempt=1, content="a", state={}, step="order")
    )
    second = settle(
        first.conversation, journey, RecordToolFailure(answer=5, index=1, attempt=1, kind="error", content="b")
    )

    assert kinds(first.events)[-1] == "ToolStarted"
    assert kinds(second.events) == ["ToolFailed", "ModelRequested"]


def test_a_tool_that_was_not_offered_is_refused_and_the_model_told() -> None:
    after, events = answered(Script(), ("drop_tables", {}))

    assert events == ["ModelAnswered", "ToolFailed", "ModelRequested"]
    assert after.turn is not None
    assert after.turn.last is not None
    assert after.turn.last.text == "Error: Tool 'drop_tables' is not available now"


def test_without_that_rule_any_tool_may_be_called() -> None:
    assert answered(Script(offered_only=False), ("drop_tables", {}))[1] == ["ModelAnswered", "ToolStarted"]


def test_arguments_that_make_no_sense_are_told_to_the_model() -> None:
    settled = settle(
        begun(Script()),
        Script(),
        RecordAnswer(request=4, message={"tool_calls": [{"name": "add", "arguments": "{not json"}, {"name": ""}]}),
    )
    failed = [event for event in settled.events if isinstance(event, ToolFailed)]

    assert [event.kind for event in failed] == ["invalid", "invalid"]
    assert "not valid JSON" in failed[0].content
    assert "must name a tool" in failed[1].content


def test_the_journey_may_deny_a_call() -> None:
    assert answered(Script(), ("add", {"deny": True}))[1] == ["ModelAnswered", "ToolFailed", "ModelRequested"]


def test_a_terminal_tool_ends_the_turn_with_its_text() -> None:
    journey = Script(terminal_tools=frozenset({"finish"}))
    running, _ = answered(journey, ("finish", {}))

    done = settle(running, journey, RecordToolReturn(answer=5, index=0, attempt=1, content="Done.", state={}, step=""))
    failed = settle(running, journey, RecordToolFailure(answer=5, index=0, attempt=1, kind="error", content="No."))

    assert done.conversation.ended is not None
    assert (done.conversation.ended.text, done.conversation.ended.reason) == ("Done.", "terminal_tool:finish")
    assert kinds(failed.events)[-1] == "ModelRequested"


def test_the_last_round_ends_the_turn_with_the_tools_text() -> None:
    journey = Script(max_rounds=1)
    running, _ = answered(journey, ("add", {}))

    last = settle(running, journey, RecordToolReturn(answer=5, index=0, attempt=1, content="Added.", state={}, step=""))

    assert last.conversation.ended is not None
    assert (last.conversation.ended.text, last.conversation.ended.reason) == ("Added.", "max_iterations")


def test_a_turn_may_end_without_asking_the_model() -> None:
    journey = Script()
    journey.closing = True

    settled = settle(given(), journey, OPEN, SAY)

    assert isinstance(settled.events[-1], TurnCompleted)
    assert (settled.events[-1].reason, settled.conversation.reply) == ("closing", (0, ""))


def test_author_code_that_raises_fails_the_turn_and_its_exception_is_handed_on() -> None:
    class Broken(Script):
        def ask_model(self, conversation: Conversation) -> AskModel | EndTurn:
            raise KeyError("step")

    settled = settle(initial(ConversationId("c-1")), Broken(), OPEN, SAY)

    assert isinstance(settled.events[-1], TurnFailed)
    assert (settled.events[-1].reason, settled.events[-1].error) == ("author_error", "KeyError: 'step'")
    assert isinstance(settled.raised, KeyError)
    assert settled.conversation.status == "idle"


@for_all(st.lists(commands, max_size=15), st.lists(json_object, max_size=3))
def test_after_settling_nothing_is_left_that_only_the_journey_knows(listed: list[Any], messages: list[Any]) -> None:
    journey = Script()
    now = settle(initial(ConversationId("c-1")), journey, OPEN, SAY).conversation
    for command in [*listed, *(RecordAnswer(request=now.version, message=message) for message in messages)]:
        try:
            now = settle(now, journey, command).conversation
        except FrameworkError:
            continue

        assert (now.turn is None) == (outstanding(now) is None)
