"""What people are told of a conversation while it happens."""

import re
import time
from typing import Any

import pytest

from agent_runtime_framework.events import (
    AgentSpoke,
    AnyEvent,
    ModelAnswered,
    ModelFailed,
    StepEntered,
    ToolFailed,
    ToolReturned,
    ToolStarted,
    TurnCompleted,
    TurnFailed,
    TurnResumed,
    TurnStarted,
    UserSpoke,
)
from agent_runtime_framework.projections import Recorded
from agent_runtime_framework.runtime.cli.console.options import Options
from agent_runtime_framework.runtime.cli.talking import terminal as terminal_module
from agent_runtime_framework.runtime.cli.talking.prompt import Prompt
from agent_runtime_framework.runtime.cli.talking.teller import TextTeller
from agent_runtime_framework.runtime.cli.talking.terminal import Terminal
from agent_runtime_framework.runtime.wire import Delta


class Told:
    """Is a teller that is told events by hand, and what came of it."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *, typed: bool = False) -> None:
        self.prompt = Prompt(typed=typed)
        self.teller = TextTeller(self.prompt)
        self._capsys = capsys
        self._version = 0
        self.teller.begin("bot")
        self.text()

    def events(self, *events: AnyEvent, news: bool = True) -> "Told":
        for event in events:
            self._version += 1
            self.teller.heard(Recorded("c", self._version, 0, 1, event), news=news)
        return self

    def pieces(self, *pieces: tuple[int, int, str]) -> "Told":
        """Tell pieces: of which request, the number, the text."""
        for request, number, text in pieces:
            self.teller.piece(Delta(1, request, 1, number, text))
        return self

    def text(self) -> str:
        out, err = self._capsys.readouterr()
        return out + err


def answer(text: str | None, *tools: str, cause: int = 1) -> ModelAnswered:
    calls = [{"id": name, "function": {"name": name, "arguments": {}}} for name in tools]
    message: dict[str, Any] = {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}
    return ModelAnswered(cause=cause, message=message)


def test_words_are_told_as_they_come_and_not_again_as_answer_and_reply(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys)
    assert told.pieces((1, 0, "Hel")).text() == "bot> Hel"
    assert told.pieces((1, 1, "lo \x1b[31m")).text() == "lo \\x1b[31m"
    assert told.events(answer("Hello \x1b[31mAda"), AgentSpoke(cause=1), TurnCompleted(reason="r")).text() == "Ada\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [(1, 0, "One "), (1, 2, "three")],  # one was lost
        [(1, 0, "One "), (1, 0, "One ")],  # one came twice
        [(1, 0, "One "), (1, 2, "three"), (1, 1, "two ")],  # they came in another order
    ],
)
def test_after_a_gap_the_rest_is_told_once_the_answer_is_there(
    capsys: pytest.CaptureFixture[str], pieces: list[tuple[int, int, str]]
) -> None:
    told = Told(capsys).pieces(*pieces).events(answer("One two three"), AgentSpoke(cause=1))
    assert told.text() in {"bot> One two three\n"}


def test_who_comes_in_the_middle_of_an_answer_is_told_it_as_a_whole(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys)
    assert told.pieces((1, 3, "three")).text() == ""
    assert told.events(answer("One two three")).text() == "bot> One two three\n"


def test_an_answer_that_is_not_what_was_told_is_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys).pieces((1, 0, "something else")).events(answer("This"))
    assert told.text() == "bot> something else\nbot> This\n"


def test_pieces_of_what_is_over_are_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys).events(answer("Done", cause=4))
    assert told.text() == "bot> Done\n"
    assert told.pieces((4, 0, "Done"), (2, 0, "old")).text() == ""
    assert told.pieces((9, 0, "new")).text() == "bot> new"


def test_a_failed_attempt_and_a_lost_worker_end_what_was_being_said(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys).pieces((1, 0, "One")).events(ModelFailed(cause=1, kind="timeout", error="late", retry_at=1))
    assert re.fullmatch(r"bot> One\n  model failed: timeout: late \(again at .*\)\n", told.text())
    told.pieces((2, 0, "One two")).events(TurnResumed(number=1, attempt=2)).pieces((5, 0, "One"))
    assert told.text() == "bot> One two\n  turn 1, attempt 2\nbot> One"
    told.events(TurnFailed(reason="model_error"))
    assert told.text() == "\n"


def test_tools_and_steps_are_one_line_each_and_a_result_can_be_the_reply(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys).events(
        UserSpoke(message_id="m", text="two\nlines"),
        TurnStarted(number=1),
        answer("One moment", "save", "ask"),
        ToolStarted(cause=3, index=0, effect="once"),
        ToolReturned(cause=3, index=0, content="Saved\nfor you"),
        StepEntered(previous="name", step="done"),
        ToolFailed(cause=3, index=1, kind="denied", content="Not\nyou"),
        AgentSpoke(cause=5),
        TurnCompleted(reason="terminal_tool:save"),
    )
    assert told.text() == (
        "you> two\nlines\nbot> One moment\n  3.0 save() [once]\n  step: name -> done\n"
        "  3.1 ask failed (denied): Not you\nbot> Saved\nfor you\n"
    )


def test_a_turn_without_a_reply_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys).events(TurnStarted(number=1), TurnCompleted(reason="closing"))
    assert told.text() == "  no reply (closing)\n"
    told.events(TurnStarted(number=2), answer("Bye"), AgentSpoke(cause=4), TurnCompleted(reason="text_response"))
    assert told.text() == "bot> Bye\n"


def test_what_is_not_news_is_known_and_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys).events(TurnStarted(number=1), answer("Wait", "save"), news=False)
    assert told.text() == ""
    assert told.events(ToolStarted(cause=2, index=0, effect="read")).text() == "  2.0 save() [read]\n"


def test_the_prompt_steps_aside_for_a_turn_of_others_and_comes_back_after_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = Told(capsys, typed=True)
    told.prompt.ask()
    assert told.text() == "you> "
    told.events(UserSpoke(message_id="m", text="hello"), TurnStarted(number=1))
    assert told.text() == "you> hello\n\n"  # the newline that leaves the prompt goes to stderr
    told.pieces((1, 0, "Hi"))
    assert told.text() == "bot> Hi"
    told.events(answer("Hi"), AgentSpoke(cause=3))
    assert told.text() == "\n"
    told.events(TurnCompleted(reason="text_response"))
    assert told.text() == "you> "
    told.teller.notice("by the way")
    assert told.text() == "\nby the way\nyou> "


def test_words_that_come_under_the_prompt_begin_a_line_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(capsys, typed=True)
    told.prompt.ask()
    assert told.text() == "you> "
    told.pieces((1, 0, "Hi"))
    assert capsys.readouterr() == ("bot> Hi", "\n")


def test_a_warning_that_several_notice_is_said_once_and_what_code_prints_each_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal_module, "log_through", lambda _tell: None)
    terminal, now = Terminal(Options()), time.monotonic()
    for line in ("WARNING lost", "WARNING other", "WARNING lost", "printed", "printed"):
        terminal.hear(line)
    assert capsys.readouterr().err.splitlines() == ["WARNING lost", "WARNING other", "printed", "printed"]
    monkeypatch.setattr(time, "monotonic", lambda: now + 60)
    terminal.hear("WARNING lost")
    assert capsys.readouterr().err == "WARNING lost\n"
