"""Telling a conversation while it happens: to people in words as they come, to programs as events."""

from typing import Final, Protocol

from rich.text import Text

from ....events import (
    AgentSpoke,
    AnyEvent,
    JourneyEntered,
    ModelAnswered,
    ModelFailed,
    StepEntered,
    ToolFailed,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnResumed,
    TurnStarted,
    UserSpoke,
)
from ....projections import Recorded, text_of
from ...wire import Delta
from ..console import output
from ..console.options import Form
from ..console.text import visible
from ..reading.log import as_data
from ..reading.summary import Summaries
from .prompt import Prompt

_ASIDE: Final = {
    ModelFailed: "model failed: ",
    StepEntered: "step: ",
    JourneyEntered: "journey: ",
    ToolStarted: "",
    ToolFailed: "",
    TurnResumed: "",
}
"""What is told on one line of its own, and what that begins with."""

_Over = TurnCompleted | TurnFailed | TurnCancelled


class Teller(Protocol):
    """Tells what is recorded of a conversation, one event after another from the first, and pieces of answers."""

    def begin(self, agent: str, *lines: str) -> None:
        """Say what the talk is, and with whom."""

    def heard(self, recorded: Recorded, *, news: bool) -> None:
        """Take the next event, and tell it if it is news."""

    def piece(self, delta: Delta) -> None:
        """Take a piece of an answer, before the answer is recorded."""

    def notice(self, text: str) -> None:
        """Say something that is not in the log."""


class EventTeller:
    """Tells events as JSON: each on a line as it comes, or keeps them for one document at the end."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._kept: list[Recorded] = []

    def begin(self, agent: str, *lines: str) -> None:
        """Say nothing: what the talk is stands in the events."""

    def heard(self, recorded: Recorded, *, news: bool) -> None:
        """Write the event, or keep it."""
        if news and self._form == "jsonl":
            output.write_json(as_data(recorded), "jsonl")
            output.flush()
        elif news:
            self._kept.append(recorded)

    def piece(self, delta: Delta) -> None:
        """Write nothing: it is no event."""

    def notice(self, text: str) -> None:
        """Say it on stderr."""
        output.say(text)

    def end(self) -> None:
        """Write what was kept."""
        if self._form == "json":
            output.write_json([as_data(recorded) for recorded in self._kept], "json")


class _Speech:
    """Is what was told so far of the answer that is being given.

    Pieces may be lost or come twice; then nothing more is told of that answer until it is there as a whole.
    """

    def __init__(self) -> None:
        self.told = ""
        self._request = 0
        self._next = 0

    def takes(self, delta: Delta) -> bool:
        """Take a piece, and say whether it goes on where the one before ended."""
        if delta.request > self._request and delta.number == 0:
            self._request, self._next, self.told = delta.request, 0, ""
        if (delta.request, delta.number) != (self._request, self._next):
            return False
        self._next += 1
        self.told += delta.text
        return True

    def end(self, request: int) -> None:
        """Take nothing more that answers this request, or an earlier one."""
        if request >= self._request:
            self._request, self._next, self.told = request, -1, ""


class TextTeller:
    """Tells people: who says what, and each tool call and each step on one line."""

    def __init__(self, prompt: Prompt) -> None:
        self._agent = ""
        self._prompt = prompt
        self._console = output.stdout()
        self._summaries = Summaries()
        self._speech = _Speech()
        self._speaking = False
        self._told: set[int] = set()
        self._answering = False
        self._silent = True

    def begin(self, agent: str, *lines: str) -> None:
        """Say what the talk is, above it, and call the agent by its key."""
        self._agent = agent
        for line in lines:
            self._console.print(Text(visible(line)), soft_wrap=True)
        self._console.print()

    def heard(self, recorded: Recorded, *, news: bool) -> None:
        """Take the next event, and tell what people want to know of it."""
        said, event = self._summaries.of(recorded), recorded.event
        self._answering = (self._answering or isinstance(event, UserSpoke)) and not isinstance(event, _Over)
        if not news:
            return
        self._settle(recorded.version, event)
        before = _ASIDE.get(type(event))
        if before is not None:
            self._line(Text(f"  {before}{said}", "dim"), cut=True)
        elif isinstance(event, UserSpoke):
            self._says("you", event.text)
        elif isinstance(event, AgentSpoke) and event.cause not in self._told:
            self._speaks(self._summaries.words(event.cause))
        elif isinstance(event, TurnCompleted) and self._silent:
            self._line(Text(f"  no reply ({event.reason})", "dim"), cut=True)
        if not self._answering:
            self._prompt.come_back()

    def piece(self, delta: Delta) -> None:
        """Tell the words that a model says now."""
        begins = not self._speaking and bool(delta.text)
        if not self._speech.takes(delta) or not delta.text:
            return
        if begins:
            self._prompt.step_aside()
            self._console.print(Text(f"{self._agent}> ", "bold"), end="", soft_wrap=True)
            self._speaking, self._silent = True, False
        output.write_piece(delta.text)

    def notice(self, text: str) -> None:
        """Say it on stderr, on a line of its own."""
        self._break()
        self._prompt.step_aside()
        output.say(text)
        if not self._answering:
            self._prompt.come_back()

    def _settle(self, version: int, event: AnyEvent) -> None:
        """End what is being said, when it is known what that is."""
        match event:
            case ModelAnswered():
                words = text_of(event.message)
                if self._speaking and words.startswith(self._speech.told):
                    output.write_piece(words[len(self._speech.told) :])
                    self._break()
                elif words:
                    self._speaks(words)
                self._told.add(version)
            case TurnStarted():
                self._told.clear()
                self._silent = True
            case ModelFailed() | TurnCompleted() | TurnFailed() | TurnCancelled():
                self._break()
            case _:
                return
        if isinstance(event, ModelAnswered | ModelFailed):
            self._speech.end(event.cause or 0)

    def _speaks(self, words: str) -> None:
        self._silent = False
        self._says(self._agent, words)

    def _says(self, who: str, words: str) -> None:
        self._line(Text.assemble((f"{who}> ", "bold"), visible(words)))

    def _line(self, text: Text, *, cut: bool = False) -> None:
        self._break()
        self._prompt.step_aside()
        if cut:
            self._console.print(text, no_wrap=True, overflow="ellipsis")
        else:
            self._console.print(text, soft_wrap=True)

    def _break(self) -> None:
        if self._speaking:
            output.write_piece("\n")
            self._speaking = False
