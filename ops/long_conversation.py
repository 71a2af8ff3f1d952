"""How long the commands take that read a long conversation: `make long TURNS=1000`.

A conversation of so many turns, each with one tool call, is recorded by a worker on a server of its own.  Then each
command is run as a process, as it is typed, and its time is told: the best of some rounds, start of Python included.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, Client, JourneyAgent, Runtime, tool
from agent_runtime_framework.projections import Recorded
from agent_runtime_framework.testing import ScriptedLLM, calls

CONVERSATION = "long-1"
ROUNDS = 3


@dataclass
class Notes(BaseJourneyState[str]):
    """Counts notes."""

    step: str = "noting"
    count: int = 0
    last: str = ""

    def is_complete(self) -> bool:
        """It never is."""
        return False


class NoteTools(BaseJourneyTools[Notes]):
    """Takes notes."""

    @tool(effect="idempotent")
    async def note(self, text: str) -> str:
        """Note what was said."""
        self.state.count += 1
        self.state.last = text
        return f"Note {self.state.count}: {text}"


class Noter(JourneyAgent[Notes, NoteTools, str]):
    """Notes what is said."""

    key = "noter"
    prompts: ClassVar = {"noting": "Note what the person says, then say that it is noted."}


def agent() -> Noter:
    """Return the agent, for the command line."""
    return Noter(ScriptedLLM())


async def record(home: Path, turns: int) -> None:
    """Record a conversation of so many turns."""
    script: list[Any] = []
    for number in range(turns):
        script += [calls(("note", {"text": f"{number} {'words ' * 20}"})), f"Noted {number}. {'More words. ' * 20}"]
    model = ScriptedLLM(*script, streams=False)
    async with Runtime([Noter(model)], home=home) as runtime:
        working = asyncio.create_task(runtime.run_worker())
        await runtime.publish("noter", CONVERSATION, "0 " + "hello " * 20)
        said = 1
        async for heard in runtime.follow(CONVERSATION):
            if isinstance(heard, Recorded) and heard.type == "turn.completed":
                if said == turns:
                    break
                await runtime.publish("noter", CONVERSATION, f"{said} " + "hello " * 20)
                said += 1
        working.cancel()
        await asyncio.wait([working])


def timed(home: Path, *words: str) -> float:
    """Run a command of arf, and return the seconds that it took."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "agent_runtime_framework.runtime.cli", *words, "--home", str(home)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parent,
    )
    return time.perf_counter() - began


def commands(turns: int) -> dict[str, list[str]]:
    """Return what is measured, by its name."""
    middle, spec = str(turns * 11 // 2), f"{Path(__file__).name}:agent"
    return {
        "arf list": ["list"],
        "arf state": ["state", CONVERSATION],
        "arf state --at": ["state", CONVERSATION, "--at", middle],
        "arf log": ["log", CONVERSATION],
        "arf show --turn": ["show", CONVERSATION, "--turn", str(turns // 2)],
        "arf show --at": ["show", CONVERSATION, "--at", middle],
        "arf show": ["show", CONVERSATION],
        "arf diff": ["diff", CONVERSATION, "2", middle],
        "arf replay": ["replay", CONVERSATION, "--agent", spec],
        "arf replay --tools run": ["replay", CONVERSATION, "--agent", spec, "--tools", "run"],
        "arf check": ["check", spec],
        "arf export": ["export", CONVERSATION],
        "arf fork": ["fork", CONVERSATION],
    }


def main() -> int:
    """Record, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("turns", type=int, nargs="?", default=1_000)
    turns = parser.parse_args().turns
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory) / ".arf"
        began = time.perf_counter()
        asyncio.run(record(home, turns))
        print(f"{turns} turns recorded in {time.perf_counter() - began:.1f} s")
        asyncio.run(measure(home, turns))
    return 0


async def measure(home: Path, turns: int) -> None:
    """Run each command, while the server is up, and print its time."""
    async with Client.connect(home=home):
        for name, words in commands(turns).items():
            rounds = [await asyncio.to_thread(timed, home, *words) for _ in range(ROUNDS)]
            print(f"{name:24} {min(rounds):6.2f} s")


if __name__ == "__main__":
    sys.exit(main())
