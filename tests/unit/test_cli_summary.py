"""What each event says, in a few words."""

import pytest
from msgspec import Raw

from agent_runtime_framework.events import (
    AgentSpoke,
    AnyEvent,
    CommandRefused,
    ConversationErased,
    ConversationStarted,
    JourneyEntered,
    JourneyRevised,
    Lineage,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    StateChanged,
    StepEntered,
    ToolFailed,
    ToolReturned,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnResumed,
    TurnStarted,
    UnknownEvent,
    UserSpoke,
)
from agent_runtime_framework.projections import Recorded
from agent_runtime_framework.runtime.cli.reading.summary import Summaries
from support.journeys import tokens

TOOLS = tuple({"type": "function", "function": {"name": name}} for name in ("save", "ask"))
ANSWER = ModelAnswered(
    message={
        "content": "One moment",
        "tool_calls": [{"name": "save", "arguments": '{"name": "Ada", "age": 36}'}, {"name": "ask"}],
    }
)


def summaries(*events: AnyEvent) -> list[str]:
    """Return what these events say, the first of them at version 1."""
    telling = Summaries()
    return [telling.of(Recorded("c", version, 0, 1, event)) for version, event in enumerate(events, 1)]


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (ConversationStarted(agent="a", journey_hash="h", state={}, step="name"), "agent a, step name"),
        (
            ConversationStarted(
                agent="a",
                journey_hash="h",
                state={},
                history=({"role": "user"},),
                lineage=Lineage(parent="p", version=3, frame="f"),
            ),
            "agent a, forked from p at version 3, 1 earlier messages",
        ),
        (UserSpoke(message_id="m", text="two\n  lines \x1b"), r"two lines \x1b"),
        (TurnStarted(number=3), "turn 3"),
        (TurnResumed(number=3, attempt=2), "turn 3, attempt 2"),
        (ModelRequested(model="m", tools=TOOLS), "m, offers save, ask"),
        (ModelRequested(model="m", attempt=2, tools_at=4), "m, attempt 2, tools as at 4"),
        (ModelRequested(), "the model, no tools"),
        (ModelRequested(tools=({"function": "odd"}, {})), "the model, no tools"),
        (ANSWER, 'One moment save(name="Ada", age=36) ask()'),
        (ModelFailed(kind="timeout", error="too slow"), "timeout: too slow"),
        (StateChanged(set={"name": Raw(b'"Ada"'), "n": Raw(b"1")}, unset=("old",)), 'name="Ada", n=1, no old'),
        (StepEntered(previous="name", step="email"), "name -> email"),
        (JourneyEntered(previous="a", journey="b", step="start"), "a -> b, step start"),
        (JourneyRevised(previous="a" * 64, journey_hash="b" * 64), "aaaaaaaaaaaa -> bbbbbbbbbbbb"),
        (JourneyRevised(previous="", journey_hash="b" * 64), "no version -> bbbbbbbbbbbb"),
        (TurnCompleted(reason="text_response", usage=tokens(3, 4, 7)), "text_response, 7 tokens"),
        (TurnFailed(reason="model_timeout", error="too slow"), "model_timeout: too slow"),
        (TurnCancelled(command_id="c", reason="changed my mind"), "changed my mind"),
        (CommandRefused(command_id="m-1", reason="a turn is in progress"), "m-1: a turn is in progress"),
        (ConversationErased(reason="asked to"), "asked to"),
        (UnknownEvent(tag="new.kind", raw=b'{"x":1}'), 'not known to this release: {"x":1}'),
        (AgentSpoke(cause=99), ""),
        (ToolStarted(cause=99, index=1), "99.1 [once]"),
        (ToolStarted(cause=99, policy="allowed"), "99.0 [once, allowed by policy]"),
        (
            ToolStarted(cause=99, effect="read", attempt=2, policy="allowed", reason="a\nregular"),
            "99.0 [read, attempt 2, allowed by policy: a regular]",
        ),
        (
            ToolFailed(cause=99, kind="denied", content="Error: no", policy="denied", reason="over"),
            "99.0 denied by policy: over",
        ),
        (ToolReturned(cause=99, content="ok"), "99.0: ok"),
    ],
)
def test_each_event_says_what_happened(event: AnyEvent, says: str) -> None:
    assert summaries(event) == [says]


def test_tools_and_replies_are_told_in_the_words_of_the_answer_that_they_follow_from() -> None:
    said = summaries(
        ANSWER,
        ToolStarted(cause=1, index=0, effect="read", attempt=2),
        ToolReturned(cause=1, index=0, content="Saved"),
        ToolFailed(cause=1, index=1, kind="denied", content="Not you"),
        AgentSpoke(cause=3),
        AgentSpoke(cause=1),
    )
    assert said[1:] == [
        '1.0 save(name="Ada", age=36) [read, attempt 2]',
        "1.0 save: Saved",
        "1.1 ask failed (denied): Not you",
        "Saved",
        "One moment",
    ]


def test_a_long_text_is_told_by_its_beginning() -> None:
    (said,) = summaries(UserSpoke(message_id="m", text="word " * 100_000))
    assert len(said) < 2_100
    assert said.endswith("…")
