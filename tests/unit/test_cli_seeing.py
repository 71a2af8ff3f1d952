"""What `arf show`, `arf diff` and `arf prompt` print of what seldom happens, and of logs that are damaged."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.json import decode, encode
from msgspec.structs import replace

from agent_runtime_framework.events import (
    START,
    AgentSpoke,
    AnyEvent,
    CommandRefused,
    ConversationId,
    ConversationStarted,
    CorruptLog,
    EventLog,
    Frame,
    Head,
    JourneyEntered,
    ModelAnswered,
    ModelFailed,
    ModelRequested,
    StateChanged,
    StepEntered,
    Stored,
    ToolFailed,
    ToolReturned,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnResumed,
    TurnStarted,
    UnknownEvent,
    UserSpoke,
    decode_frame,
)
from agent_runtime_framework.projections import (
    RENDERER,
    Account,
    Accounting,
    Change,
    TurnAccount,
    account,
    initial,
    unfinished,
)
from agent_runtime_framework.runtime.cli.console.options import Options
from agent_runtime_framework.runtime.cli.reading import diff, prompt, show
from agent_runtime_framework.runtime.cli.reading.accounts import as_data
from agent_runtime_framework.runtime.cli.reading.changes import MOST, told_change
from agent_runtime_framework.runtime.cli.reading.narration import Narrator
from agent_runtime_framework.runtime.cli.reading.times import lasting
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.reader import Reader
from agent_runtime_framework.runtime.substrate import in_memory
from support.golden import GOLDEN
from support.journeys import tokens
from support.strategies import events

TOOLS = tuple({"type": "function", "function": {"name": name}} for name in ("add", "pay"))
CALLS = {"content": "So.", "tool_calls": [{"name": "add", "arguments": {"k": 1}}, {"name": "pay", "arguments": "{"}]}
BEGUN = (
    ConversationStarted(agent="order", journey_hash="h", state={"n": Raw(b"1"), "step": Raw(b'"name"')}, step="name"),
    UserSpoke(message_id="m-1", text="two\nteas"),
    TurnStarted(number=1, cause=2),
    ModelRequested(cause=3, model="m", prompt="Be kind.\nAlways.", tools=TOOLS, last_turn=1, parameters={"seed": 7}),
)
ANSWERED = ModelAnswered(cause=4, message=CALLS, usage=tokens(1, 2, 3), latency_ms=1234, model="m-1")
RAN = (ToolStarted(cause=5, effect="read", step="name"), ToolReturned(cause=5, content="Added.", latency_ms=61_000))


class Place:
    """Is a place with one conversation, `c-1`, as the commands see it."""

    def __init__(self, log: EventLog, capture: pytest.CaptureFixture[str]) -> None:
        self._reader = Reader(replace(in_memory(SystemClock()), log=log))
        self._capture = capture

    @asynccontextmanager
    async def reading(self, options: Options) -> AsyncIterator[Reader]:
        yield self._reader

    async def show(self, **wanted: Any) -> list[str]:
        """Return the lines of `arf show`."""
        await show.show(Options(), "c-1", show.Wanted(**wanted))
        return self.lines()

    async def diff(self, a: int, b: int) -> list[str]:
        """Return the lines of `arf diff`."""
        await diff.show_diff(Options(), "c-1", a, b)
        return self.lines()

    def lines(self) -> list[str]:
        """Return the lines that were written, without what stands before the words."""
        return [line.strip() for line in self._capture.readouterr().out.splitlines()]


class Damaged:
    """Is a log that is damaged behind what it holds."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.append, self.restore, self.last, self.lasts = log.append, log.restore, log.last, log.lasts

    async def read(self, conversation: ConversationId, after: Head = START) -> AsyncIterator[Stored]:
        async for stored in self._log.read(conversation, after):
            yield stored
        raise CorruptLog("the log was changed")


async def place_with(
    *events: AnyEvent, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch, damaged: bool = False
) -> Place:
    """Return a place where these events are recorded, a millisecond and a frame each."""
    log, head = in_memory(SystemClock()).log, START
    for number, event in enumerate(events, 1):
        frame = Frame(first=number, time=number, writer=f"w-{number}", agent="order", events=(event,), prev=head.hash)
        head = (await log.append(ConversationId("c-1"), frame, head)).head
    place = Place(Damaged(log) if damaged else log, capture)
    for module in (diff, prompt, show):
        patch.setattr(module, "reading", place.reading)
    return place


async def test_calls_say_what_they_came_to_and_what_they_did(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await place_with(
        *BEGUN,
        ANSWERED,
        *RAN,
        StateChanged(cause=7, set={"n": Raw(b'{"a":[1,2]}'), "step": Raw(b'"pay"')}),
        StepEntered(cause=7, previous="name", step="pay"),
        ToolFailed(cause=5, index=1, kind="invalid", content="Error: no JSON"),
        ModelRequested(cause=10, model="m", prompt_at=4, tools_at=4, last_turn=1),
        ModelAnswered(cause=11, message={"content": "Done."}, finish_reason="length"),
        AgentSpoke(cause=12),
        TurnCompleted(cause=3, reason="text_response"),
        capture=capsys,
        patch=monkeypatch,
    )
    lines = await place.show(turn=1)

    assert lines[1:] == [
        "user two",
        "teas",
        "asked @4 m, step name, seed=7",
        "prompt Be kind.",
        "Always.",
        "tools add, pay",
        "answered @5 2 calls, 1.2 s, 3 tokens (1 + 2), by m-1",
        "So.",
        "call 5.0 add(k=1) [read], 1 min 1 s",
        "-> Added.",
        'state n: 1 -> {"a":[1,2]}',
        "step name -> pay",
        "call 5.1 pay(?)",
        "not run (invalid): Error: no JSON",
        "asked @11 m, step pay, with prompt and tools as before",
        "answered @12 0 ms, ended by length",
        "reply Done.",
        "ended @14 completed, text_response; 11 ms in all, model 1.2 s, tools 1 min 1 s, 3 tokens (1 + 2)",
    ]


async def test_what_a_policy_said_is_told_and_is_data(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await place_with(
        *BEGUN,
        ANSWERED,
        ToolStarted(cause=5, effect="read", policy="allowed", reason="regulars"),
        ToolReturned(cause=5, content="Added."),
        ToolFailed(cause=5, index=1, kind="denied", content="Error: no", policy="denied", reason="over the limit"),
        capture=capsys,
        patch=monkeypatch,
    )
    lines = await place.show(turn=1)
    await show.show(Options(output="json"), "c-1", show.Wanted(turn=1))
    turn = decode("\n".join(place.lines()))

    assert "call 5.0 add(k=1) [read, allowed by policy: regulars], 0 ms" in lines
    assert lines[lines.index("call 5.1 pay(?)") + 1] == "denied by policy: over the limit"
    assert [call["policy"] for call in turn["rounds"][0]["calls"]] == [
        {"verdict": "allowed", "reason": "regulars"},
        {"verdict": "denied", "reason": "over the limit"},
    ]
    assert (turn["agent"], turn["rounds"][0]["journey_hash"]) == ("order", "h")
    assert turn["rounds"][0]["calls"][0]["starts"][0]["writer"] == "w-6"


async def test_retries_lives_refusals_and_a_cancel_stand_where_they_happened(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await place_with(
        *BEGUN,
        ModelFailed(cause=4, kind="unreachable", error="away\nnow", latency_ms=10),
        ModelRequested(cause=5, attempt=2, model="m", prompt_at=4, tools_at=4, last_turn=1, first_turn=1),
        CommandRefused(command_id="m-2", reason="a turn is in progress"),
        TurnResumed(number=1, attempt=2),
        UnknownEvent(tag="moon.rose", raw=b'{"type":"moon.rose"}'),
        TurnCancelled(command_id="k-1", reason="enough"),
        CommandRefused(command_id="k-2", reason="no turn is in progress"),
        capture=capsys,
        patch=monkeypatch,
    )
    lines = await place.show()

    assert lines[4:8] == ["teas", "asked @4 m, step name, seed=7", "prompt Be kind. …", "tools add, pay"]
    assert lines[8] == "failed @5 unreachable after 10 ms: away now"
    assert lines[9] == "asked @6 m, step name, seed=7, attempt 2, the same again"
    assert lines[10] == "@7 command.refused m-2: a turn is in progress"
    assert lines[11].startswith("resumed @8 ")
    assert lines[11].endswith(" by w-8, life 2")
    assert lines[12] == '@9 moon.rose not known to this release: {"type":"moon.rose"}'
    assert lines[13] == ("ended @10 cancelled by k-1, enough; 7 ms in all, model 10 ms, tools 0 ms, 1 failed attempt")
    assert lines[14:] == [
        "",
        "@11 command.refused k-2: no turn is in progress",
        "",
        "1 turn (1 cancelled): model 10 ms, tools 0 ms",
    ]


async def test_a_change_of_journey_is_told_and_differs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await place_with(
        *BEGUN,
        ANSWERED,
        *RAN,
        JourneyEntered(cause=7, previous="order", journey="pay", state={"sum": Raw(b"3")}, step="ask"),
        capture=capsys,
        patch=monkeypatch,
    )

    assert (await place.show())[-7:-3] == ["-> Added.", "journey order -> pay", "state sum: + 3", "step name -> ask"]
    there = await place.diff(7, 8)
    assert [line.split(None, 1) for line in there] == [
        ["version", "7 -> 8"],
        ["journey", "order -> pay"],
        ["step", "name -> ask"],
        ["state", "of pay  sum: + 3"],
    ]


async def test_of_a_damaged_log_is_shown_what_stands_before_the_damage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await place_with(*BEGUN, ANSWERED, ToolStarted(cause=5), capture=capsys, patch=monkeypatch, damaged=True)
    with pytest.raises(CorruptLog):
        await place.show()

    lines = place.lines()
    assert "it has no outcome here" in lines
    assert lines[-1].startswith("open it has not ended here: ")


@pytest.mark.timeout(30)
async def test_a_thousand_turns_are_shown_in_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[AnyEvent] = [BEGUN[0]]
    for number in range(1, 1001):
        asked = len(turns) + 3
        turns += [
            UserSpoke(message_id=f"m-{number}", text="tea"),
            TurnStarted(number=number, cause=asked - 2),
            ModelRequested(cause=asked - 1, model="m", last_turn=number, prompt="Be kind." if number == 1 else None),
            ModelAnswered(cause=asked, message=CALLS),
            ToolStarted(cause=asked + 1),
            ToolReturned(cause=asked + 1, content="Added."),
            StateChanged(cause=asked + 3, set={"n": Raw(str(number).encode())}),
            TurnCompleted(cause=asked - 1, reason="max_iterations"),
        ]
    place = await place_with(*turns, capture=capsys, patch=monkeypatch)

    lines = await place.show()
    assert lines[-1].startswith("1000 turns (1000 completed)")
    assert "state n: 999 -> 1000" in lines
    assert (await place.show(turn=1000))[0].startswith("turn 1000, ")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"request": "0" * 64}, "the request at 4 in 'c-1' is not what the model got: its hash is "),
        ({"renderer": RENDERER + 1}, f"it was rendered by revision {RENDERER + 1}, and this release has only"),
        ({}, "no hash is recorded of it"),
    ],
)
async def test_a_request_that_is_not_what_was_sent_is_printed_with_exit_code_1(
    changed: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ModelRequested(cause=3, model="m", prompt="Be kind.", last_turn=1, **changed)
    await place_with(*BEGUN[:3], asked, capture=capsys, patch=monkeypatch)

    assert await prompt.show_prompt(Options(), "c-1", 4) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith('{"messages":[{"content":"Be kind.","role":"system"}')
    assert said in printed.err
    assert printed.err.count("\n") == 1


async def test_a_request_outside_a_turn_cannot_be_rebuilt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await place_with(BEGUN[0], ModelRequested(cause=1), capture=capsys, patch=monkeypatch)

    assert await prompt.show_prompt(Options(), "c-1", 2) == 1
    assert capsys.readouterr() == (
        "",
        "the request of version 2 in 'c-1' cannot be rebuilt: it stands in no turn\n",
    )


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (b"1", b"2", ["f: 1 -> 2"]),
        (None, b"null", ["f: + null"]),
        (b'"x"', None, ['f: - "x"']),
        (b"1", b"true", ["f: 1 -> true"]),
        (b'{"a":1,"b":{"c":[1,2]}}', b'{"b":{"c":[1,3]},"d":0}', ["f.a: - 1", "f.b.c[1]: 2 -> 3", "f.d: + 0"]),
        (b'{"a b":1,"":"x  y"}', b'{"a b":2,"":"x y"}', ['f["a b"]: 1 -> 2', 'f[""]: "x  y" -> "x y"']),
        (b"[1,2]", b"[1,2,3]", ["f[2]: + 3"]),
        (b"[1,2,3]", b"[3]", ["f[0]: - 1", "f[1]: - 2"]),
        (b'[{"n":1}]', b'[{"n":2}]', ["f[0].n: 1 -> 2"]),
        (b"{}", b"[]", ["f: {} -> []"]),
        (b'"a\\u001b"', b'"b\\n"', ['f: "a\\u001b" -> "b\\n"']),
        (b"\xff", b"1", ['f: "\ufffd" -> 1']),
    ],
)
def test_of_a_value_only_what_differs_is_told(before: bytes | None, after: bytes | None, told: list[str]) -> None:
    assert list(told_change(Change("f", before, after))) == told


@for_all(st.lists(events, max_size=25), st.booleans())
def test_whatever_is_recorded_can_be_told_and_is_data(recorded: list[AnyEvent], whole: bool) -> None:
    now, told = Accounting(initial(ConversationId("c-1"))), list[Account]()
    for number, event in enumerate(recorded, 1):
        now, over = account(now, Frame(first=number, time=number, writer="w\x07", agent="a", events=(event,)))
        told += over
    narrator = Narrator(whole=whole, prompts=whole)
    for each in (*told, *unfinished(now)):
        rows = narrator.rows(each) if isinstance(each, TurnAccount) else narrator.aside(each)
        assert not any(re.search(r"[\x00-\x08\x0b-\x1f\x7f]", row.label + row.text) for row in rows)
        assert decode(encode(as_data(each)))["kind"] in ("turn", "aside")


def test_a_long_change_is_cut_and_says_where_it_is_whole() -> None:
    told = list(told_change(Change("f", b"[]", b"[" + b",".join([b"1"] * 100) + b"]")))

    assert len(told) == MOST + 1
    assert told[-1] == "f: … and more; -o json has it whole"


def test_how_long_something_took() -> None:
    assert [lasting(ms) for ms in (0, 999, 1000, 59_999, 60_000, 3_725_000)] == [
        "0 ms",
        "999 ms",
        "1.0 s",
        "60.0 s",
        "1 min 0 s",
        "62 min 5 s",
    ]


def test_a_tool_that_was_started_again_is_told_after_the_life_that_did_it() -> None:
    now, told = Accounting(initial(ConversationId("taken-over"))), list[str]()
    for line in (GOLDEN / "0.4.0" / "taken-over.jsonl").read_bytes().splitlines():
        now, over = account(now, decode_frame(line))
        for turn in over:
            told += (
                [f"{row.label} {row.text}" for row in Narrator().rows(turn)] if isinstance(turn, TurnAccount) else []
            )

    again = [at for at, row in enumerate(told) if "started again @" in row]
    assert again
    assert all(told[at - 1].startswith("resumed @") for at in again)
