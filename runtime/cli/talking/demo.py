"""`arf demo`: a conversation with the onboarding agent, from the first word to the log of all that happened."""

from typing import Any

from msgspec import Struct
from rich.text import Text

from ....events import AgentSpoke, ConversationStarted, InvalidInput, JourneyEntered, StepEntered, UserSpoke
from ....projections import Conversation, Recorded, Spent, spend, state_of
from ...demo import make_agent
from ...demo.agent import OnboardingState
from ..console import output
from ..console.options import Options
from ..console.place import place_of
from ..console.signals import Signals
from ..reading.log import as_data, print_table
from ..reading.summary import Summaries
from ..running.child import worker_process
from .chat import new_conversation
from .session import hold, talking
from .talk import Talk
from .terminal import Terminal
from .typed import typed

SPEC = f"{make_agent.__module__.rpartition('.')[0]}:{make_agent.__name__}"
"""What a worker is started with that answers for the demo's agent."""


class Said(Struct, frozen=True):
    """Is one line of the talk: who said it, and what."""

    role: str
    content: str


async def play(options: Options) -> int:
    """Hold the talk and report on it; whatever ends it, worker and server are ended, too.  Return the exit code."""
    place = place_of(options, create=True)
    terminal, signals = Terminal(options), Signals()
    failed = False
    async with (
        worker_process(SPEC, place, _nothing) as worker,
        talking(worker, place, new_conversation("demo"), terminal, signals) as talk,
    ):
        if talk is None:
            return signals.exit_code
        if terminal.typed:
            terminal.teller.notice("say something; Ctrl-D ends the talk")
        await hold(talk, worker, terminal, signals, _complete if terminal.typed else None)
        failed = talk.failed
        if talk.now.version:
            await _report(options, talk)
        elif not (signals.number or terminal.typed or failed):
            raise InvalidInput("nothing was said: give each message as a line of stdin, or type it at a terminal")
    return signals.exit_code or int(failed)


def _nothing(_line: str) -> None:
    """Say nothing of what the worker logs: here it repeats what the talk says."""


def _complete(now: Conversation) -> bool:
    return OnboardingState.from_dict(state_of(now)).is_complete()


# --- what is told of the talk afterwards


async def _report(options: Options, talk: Talk) -> None:
    if options.output == "jsonl":
        return  # each event was written as it came
    events = [recorded async for recorded in talk.client.events(talk.now.id)]
    spent = Spent()
    for recorded in events:
        spent = spend(spent, recorded.event)
    path, commands = _path(events), _next_commands(options, talk, events)
    if options.output == "json":
        document: dict[str, Any] = {
            "conversation": talk.now.id,
            "agent": talk.agent,
            "model": talk.model,
            "talk": _said(talk.agent, events),
            "path": path,
            "spent": spent,
            "events": [as_data(recorded) for recorded in events],
            "next": commands,
        }
        output.write_json(document, "json")
        return
    _print(path, spent, events)
    send = typed(options, "send", talk.agent, talk.now.id, "hello again")
    output.write_text("\nNext, from this directory:")
    for words in commands:
        output.write_text(f"  {words}")
    output.write_text(f"While the worker runs, the talk goes on in another terminal:\n  {send}")


def _said(agent: str, events: list[Recorded]) -> list[Said]:
    summaries, said = Summaries(), []
    for recorded in events:
        summaries.of(recorded)
        match recorded.event:
            case UserSpoke(text=text):
                said.append(Said("you", text))
            case AgentSpoke(cause=cause):
                said.append(Said(agent, summaries.words(cause)))
            case _:
                pass
    return said


def _print(path: list[str], spent: Spent, events: list[Recorded]) -> None:
    console = output.stdout()
    console.print(Text(f"\npath: {' -> '.join(path)}"))
    console.print(
        Text(
            f"spent: turns {spent.turns}, model answers {spent.answers}, tool calls {spent.tool_starts}, "
            f"tokens {spent.usage.get('total_tokens', 0)}\n"
        )
    )
    print_table(console, events)


def _path(events: list[Recorded]) -> list[str]:
    return [
        recorded.event.step
        for recorded in events
        if isinstance(recorded.event, ConversationStarted | StepEntered | JourneyEntered) and recorded.event.step
    ]


def _next_commands(options: Options, talk: Talk, events: list[Recorded]) -> list[str]:
    moved = next((recorded.version for recorded in events if isinstance(recorded.event, StepEntered)), 1)
    return [
        typed(options, "log", talk.now.id),
        typed(options, "state", talk.now.id, "--at", str(moved)),
        typed(options, "worker", SPEC),
    ]
