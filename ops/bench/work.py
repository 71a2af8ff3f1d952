"""The work that is measured: a turn with one tool call, of fixed size, said in words that nobody has said before.

What is said in a turn is the user's text, the arguments of the call, the tool's result and the reply.  Words are drawn
from a small vocabulary by a seeded generator, so what is stored can be compressed as text can, and not better.
"""

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct

from agent_runtime_framework import AgentContext, BaseJourneyState, BaseJourneyTools, JourneyAgent, ModelReply, tool

AGENT = "clerk"
SEED = 8
AHEAD = 64
"""So many texts are drawn at a time: a model whose answers are there at once has them ready."""

VOCABULARY = Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split()


class Sizes(Struct, frozen=True):
    """Says how many bytes are said in a turn: in the user's text, the call's arguments, the result and the reply."""

    user: int = 500
    arguments: int = 100
    result: int = 200
    reply: int = 500

    @property
    def said(self) -> int:
        """All bytes that are said in a turn."""
        return self.user + self.arguments + self.result + self.reply


USUAL = Sizes()


class Words:
    """Draws texts, the same ones for the same seed.

    >>> len(Words(1).text(40)), Words(1).text(40) == Words(1).text(40)
    (40, True)
    """

    def __init__(self, seed: int = SEED) -> None:
        self._random = random.Random(seed)
        self._drawn: defaultdict[tuple[str, int], list[str]] = defaultdict(list)

    def text(self, size: int) -> str:
        """Return a text of so many bytes."""
        return self._next("text", self._text, size)

    def arguments(self, size: int) -> str:
        """Return the arguments of a call, as JSON of so many bytes."""
        return self._next("arguments", self._arguments, size)

    def _next(self, kind: str, draw: Callable[[int], str], size: int) -> str:
        drawn = self._drawn[kind, size]
        if not drawn:
            drawn += [draw(size) for _ in range(AHEAD)]
        return drawn.pop()

    def _text(self, size: int) -> str:
        text = ""
        while len(text) < size:
            text += " ".join(self._random.choices(VOCABULARY, k=size // 5 + 1)).capitalize() + ". "
        return text[: size - 1] + "."

    def _arguments(self, size: int) -> str:
        given = {"topic": self._random.choice(VOCABULARY), "text": ""}
        given["text"] = self._text(max(size - len(json.dumps(given)), 1))
        return json.dumps(given)


@dataclass
class File(BaseJourneyState[str]):
    """Is what the clerk knows: how many notes there are, the last topic, and whether the file is closed."""

    step: str = "noting"
    notes: int = 0
    topic: str = ""
    closed: bool = False

    def is_complete(self) -> bool:
        """Say whether the file is closed; it never is."""
        return self.closed


class Office:
    """Is what the tool talks to: it answers a note with so many bytes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._words = Words(SEED + 1)

    def confirm(self) -> str:
        """Return what is known of a note."""
        return self._words.text(self._size)


class ClerkTools(BaseJourneyTools[File]):
    """Keeps the file."""

    @tool(effect="idempotent")
    async def note(self, topic: str, text: str) -> str:  # noqa: ARG002  a note is only counted
        """Put a note into the person's file, under a topic of one word, and return what is known of it."""
        self.state.notes += 1
        self.state.topic = topic
        confirmed: str = self.backend_client.confirm()
        return confirmed


class Model:
    """Answers at once, in this process: a call of the tool, then the reply.

    Attributes:
        asked: is set when it is asked, and `asked_at` is when it first was since that was cleared.
        spoke_at: when it last began to give a text, piece by piece.

    """

    model = "bench"

    def __init__(self, sizes: Sizes = USUAL, *, streams: bool = False, pause: float = 0.0) -> None:
        self.sizes = sizes
        self.streams = streams
        self.asked = asyncio.Event()
        self.asked_at = self.spoke_at = 0.0
        self._pause = pause
        self._words = Words(SEED + 2)
        self._calls = 0

    async def generate(self, messages: list[dict[str, Any]], tools: object = None, **kwargs: Any) -> ModelReply:  # noqa: ARG002
        """Return a call for what a user said, and a reply for what a tool returned."""
        if not self.asked.is_set():
            self.asked_at = time.perf_counter()
            self.asked.set()
        usage = {"prompt_tokens": 400, "completion_tokens": 100}
        if messages[-1]["role"] != "user":
            reply = {"role": "assistant", "content": self._words.text(self.sizes.reply)}
            return ModelReply(reply, usage, finish_reason="stop", model=self.model)
        self._calls += 1
        function = {"name": "note", "arguments": self._words.arguments(self.sizes.arguments)}
        call = {"id": f"call_{self._calls}", "type": "function", "function": function}
        return ModelReply(
            {"role": "assistant", "content": None, "tool_calls": [call]},
            usage,
            finish_reason="tool_calls",
            model=self.model,
        )

    async def stream(
        self, messages: list[dict[str, Any]], tools: object = None, *, on_delta: Callable[[str], None], **kwargs: Any
    ) -> ModelReply:
        """Return what `generate` does, and give the text in two pieces, with a pause after the first one."""
        answer = await self.generate(messages, tools, **kwargs)
        text = answer.message["content"]
        if text:
            self.spoke_at = time.perf_counter()
            on_delta(text[:5])
            await asyncio.sleep(self._pause)
            on_delta(text[5:])
        return answer


class Clerk(JourneyAgent[File, ClerkTools, str]):
    """Notes what is said."""

    key = AGENT
    prompts: ClassVar = {
        "noting": (
            "You are a clerk at the front desk of a small company, and keep a file for each person who writes to you. "
            "Read carefully what the person says. Put what is new in it into the file with the tool `note`, once a "
            "message, under a topic of one word. Then answer in a few plain sentences: say what you have noted, what "
            "will happen next and until when, and ask for whatever is still missing. Never promise a refund yourself."
        )
    }

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._office = Office(model.sizes.result)

    def create_tools(self, state: File, ctx: AgentContext) -> ClerkTools:  # noqa: ARG002  all callers are equal
        """Return the tools over a state."""
        return ClerkTools(state, self._office)
