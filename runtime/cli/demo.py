"""`arf demo`: a conversation with the onboarding agent, from the first word to the log of all that happened.

The server is a child of this process, the worker a process of its own, and this process is a client like any other.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from msgspec import Struct
from rich.text import Text

from ...actors.journey import state_from_dict
from ...events import ConversationStarted, InvalidInput, JourneyEntered, NoReply, StepEntered
from ...projections import Recorded, Spent, spend
from ..agents import BoundJourney
from ..client import Client
from ..clock import new_id
from ..demo import OfflineModel, make_agent
from ..opening import Place
from . import output
from .child import worker_process
from .lines import Lines
from .log import as_data, print_table
from .options import Options
from .place import place_of
from .signals import ENDED_BY, on_signals
from .text import command, visible

SPEC = f"{make_agent.__module__.rpartition('.')[0]}:{make_agent.__name__}"
"""What a worker is started with that answers for the demo's agent."""


class Said(Struct, frozen=True):
    """Is one line of the talk: who said it, and what."""

    role: str
    content: str


class Talk:
    """Is one conversation with the agent, line by line."""

    def __init__(self, options: Options) -> None:
        self.agent = make_agent()
        self.conversation = new_id("demo")[: len("demo-") + 8]
        self.said: list[Said] = []
        self.failed = False
        self._lines = Lines()
        self._shown = options.output == "text"
        self._journey = BoundJourney(self.agent)

    @property
    def model(self) -> str:
        """Which model the agent talks to, in words."""
        client = self._journey.client
        if isinstance(client, OfflineModel):
            return f"{client.model}, the offline model: a few rules, no network"
        return f"{getattr(client, 'model', 'a model')} ({type(client).__name__})"

    @property
    def typed(self) -> bool:
        """Whether a person types at a terminal."""
        return self._lines.typed

    async def hold(self, client: Client) -> None:
        """Say each line of stdin and hear the reply; at a terminal, until the journey is complete."""
        if self._shown:
            output.stdout().print(Text(f"model: {self.model}\nconversation: {self.conversation}\n"))
        if self.typed:
            output.say("say something; Ctrl-D ends the talk")
        complete = False
        while not (complete and self.typed):
            line = await self._next()
            if line is None:
                return
            if line.strip():
                complete = await self._say(client, line)

    async def _next(self) -> str | None:
        if not self.typed:
            return await self._lines.next()
        sys.stderr.write("you> ")
        sys.stderr.flush()
        line = await self._lines.next()
        if line is None:
            output.say("")
        return line

    async def _say(self, client: Client, line: str) -> bool:
        """Say one line, and return whether the journey is complete after the reply."""
        self._hear("you", line, echoed=self.typed and sys.stdout.isatty())
        try:
            reply = await client.send(self.agent.key, self.conversation, line)
        except (NoReply, InvalidInput) as error:
            output.say(f"error: {error}")
            self.failed = True
            if isinstance(error, InvalidInput):
                self.said.pop()  # it was not taken
            return False
        self._hear(self.agent.key, reply.text)
        return self.agent.is_terminal_state(state_from_dict(self._journey.state_type, reply.state))

    def _hear(self, who: str, text: str, *, echoed: bool = False) -> None:
        self.said.append(Said(who, text))
        if self._shown and not echoed:
            output.stdout().print(Text.assemble((f"{who}> ", "bold"), visible(text)))


async def play(options: Options) -> int:
    """Hold the talk and report on it; whatever ends it, worker and server are ended, too.  Return the exit code."""
    signals, talk = _Signals(), Talk(options)
    place = place_of(options, create=True)
    async with Client.connect(place.nats, place.home, place.namespace) as client:
        async with worker_process(SPEC, place) as worker:
            await _unless(signals, worker.ready())
            if not signals.number:
                await _unless(signals, talk.hold(client), worker.died())
        if talk.said:
            events = [recorded async for recorded in client.events(talk.conversation)]
            _report(options, place, talk, events)
        elif not (signals.number or talk.typed):
            raise InvalidInput("nothing was said: give each message as a line of stdin, or type it at a terminal")
    return ENDED_BY + signals.number if signals.number else int(talk.failed)


class _Signals:
    """Notes what would end this process, so that the talk ends in good order instead."""

    def __init__(self) -> None:
        self.number = 0
        self._came = asyncio.Event()
        on_signals(self._hear)

    def _hear(self, number: int) -> None:
        self.number = number
        self._came.set()

    async def wait(self) -> None:
        """Return once one came."""
        await self._came.wait()


async def _unless(signals: _Signals, *works: Coroutine[Any, Any, None]) -> None:
    """Do these works until one of them is done, or until a signal comes; then the others are ended at once."""
    tasks = [asyncio.ensure_future(work) for work in (signals.wait(), *works)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        await task


# --- what is told of the talk afterwards


def _report(options: Options, place: Place, talk: Talk, events: list[Recorded]) -> None:
    spent = Spent()
    for recorded in events:
        spent = spend(spent, recorded.event)
    path, commands = _path(events), _next_commands(options, place, talk, events)
    if options.output == "jsonl":
        for recorded in events:
            output.write_json(as_data(recorded), "jsonl")
    elif options.output == "json":
        document: dict[str, Any] = {
            "conversation": talk.conversation,
            "agent": talk.agent.key,
            "model": talk.model,
            "talk": talk.said,
            "path": path,
            "spent": spent,
            "events": [as_data(recorded) for recorded in events],
            "next": commands,
        }
        output.write_json(document, "json")
    else:
        _print(path, spent, events)
        send = _typed(options, place, "send", talk.agent.key, talk.conversation, "hello again")
        output.write_text("\nNext, from this directory:")
        for words in commands:
            output.write_text(f"  {words}")
        output.write_text(f"While the worker runs, the talk goes on in another terminal:\n  {send}")


def _print(path: list[str], spent: Spent, events: list[Recorded]) -> None:
    console = output.stdout()
    console.print(Text(f"\npath: {' -> '.join(path)}"))
    console.print(
        Text(
            f"spent: turns {spent.turns}, model answers {spent.answers}, tool calls {spent.tool_starts}, "
            f"tokens {spent.usage.total_tokens}\n"
        )
    )
    print_table(console, events)


def _path(events: list[Recorded]) -> list[str]:
    return [
        recorded.event.step
        for recorded in events
        if isinstance(recorded.event, ConversationStarted | StepEntered | JourneyEntered) and recorded.event.step
    ]


def _next_commands(options: Options, place: Place, talk: Talk, events: list[Recorded]) -> list[str]:
    moved = next((recorded.version for recorded in events if isinstance(recorded.event, StepEntered)), 1)
    return [
        _typed(options, place, "log", talk.conversation),
        _typed(options, place, "state", talk.conversation, "--at", str(moved)),
        _typed(options, place, "worker", SPEC),
    ]


def _typed(options: Options, place: Place, *words: str) -> str:
    """Return a command as it is to be typed here, with what was given to this one and not by a variable."""
    given: list[str] = []
    if options.nats and options.nats != os.environ.get("ARF_NATS_URL"):
        given += ["--nats", options.nats]
    if options.home and options.home != os.environ.get("ARF_HOME"):
        given += ["--home", options.home]
    if place.namespace != (os.environ.get("ARF_NAMESPACE") or Options.namespace):
        given += ["--namespace", place.namespace]
    return command(*_program(), *words, *given)


def _program() -> tuple[str, ...]:
    """Return how this command line is called from here."""
    if shutil.which("arf"):
        return ("arf",)
    called = Path(sys.argv[0])
    return (str(called),) if called.name == "arf" else (sys.executable, "-m", __name__.rpartition(".")[0])
