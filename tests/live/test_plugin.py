"""The pytest plugin in a project of somebody else: found by itself, cheap, and nothing of it is left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import environment

AGENT = """
from dataclasses import dataclass
from enum import StrEnum

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent


class Step(StrEnum):
    HELLO = "hello"


@dataclass
class State(BaseJourneyState[Step]):
    step: Step = Step.HELLO

    def is_complete(self) -> bool:
        return False


class Greeter(JourneyAgent[State, BaseJourneyTools[State], Step]):
    key = "greeter"

    def get_initial_state(self):
        return State()

    def get_system_prompt(self, state):
        return "Greet."

    def get_tool_schemas(self, state):
        return []

    def create_tools(self, state, ctx):
        return BaseJourneyTools(state=state)

    async def execute_tool(self, tools, name, arguments):
        raise NotImplementedError


class Broken(Greeter):
    def get_system_prompt(self, state):
        raise ZeroDivisionError("no prompt today")
"""
HEAD = """
import asyncio
from pathlib import Path

import pytest

from agent import Broken, Greeter
from agent_runtime_framework.testing import ScriptedLLM


@pytest.fixture(autouse=True)
def _noted(nats_server):
    Path("pid").write_text(str(nats_server.pid))

"""
AWAITED = (
    HEAD
    + """
async def test_it_greets(agent_runtime):
    with ScriptedLLM("Hello!") as llm:
        async with agent_runtime(Greeter(llm)) as rt:
            assert (await rt.send("greeter", "c-1", "hi")).text == "Hello!"
"""
)
PLAIN = (
    HEAD
    + """
@pytest.mark.parametrize("memory", [False, True])
def test_it_greets(agent_runtime, memory):
    async def greeted():
        with ScriptedLLM("Hello!") as llm:
            async with agent_runtime(Greeter(llm), memory=memory) as rt:
                return await rt.send("greeter", "c-1", "hi")

    assert asyncio.run(greeted()).text == "Hello!"


def test_a_server_is_there(nats_server):
    assert nats_server.url.startswith("nats://127.0.0.1:")
"""
)
FAILING = (
    HEAD
    + """
def talk(agent_runtime, agent):
    async def talked():
        async with agent_runtime(agent) as rt:
            await rt.send("greeter", "c-1", "hi")

    asyncio.run(talked())


def test_its_prompt_fails(agent_runtime):
    talk(agent_runtime, Broken(ScriptedLLM()))


def test_no_model_is_configured(agent_runtime):
    talk(agent_runtime, Greeter())
"""
)


def outcome(directory: Path, test: str, *options: str) -> tuple[int, str]:
    """Run pytest on a test in a directory of its own, and return its exit code and what it printed."""
    (directory / "agent.py").write_text(AGENT)
    (directory / "test_greeter.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_greeter.py"]
    done = subprocess.run(command, cwd=directory, env=environment(), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def assert_the_server_is_gone(directory: Path) -> None:
    """Check that no process has the id that a test of the directory saw."""
    with pytest.raises(ProcessLookupError):
        os.kill(int((directory / "pid").read_text()), 0)


def test_with_pytest_asyncio_a_test_awaits_the_reply(tmp_path: Path) -> None:
    code, printed = outcome(tmp_path, AWAITED, "-o", "asyncio_mode=auto")

    assert (code, "1 passed" in printed) == (0, True), printed
    assert_the_server_is_gone(tmp_path)


def test_without_it_a_test_runs_a_loop_of_its_own(tmp_path: Path) -> None:
    code, printed = outcome(tmp_path, PLAIN, "-p", "no:asyncio", "-W", "error")

    assert (code, "3 passed" in printed) == (0, True), printed
    assert_the_server_is_gone(tmp_path)


def test_why_an_agent_fails_is_seen(tmp_path: Path) -> None:
    code, printed = outcome(tmp_path, FAILING, "-p", "no:asyncio")

    assert (code, "2 failed" in printed) == (1, True), printed
    assert "ZeroDivisionError: no prompt today" in printed
    assert "InvalidInput: there is no API key" in printed
    assert_the_server_is_gone(tmp_path)


def test_a_session_that_asks_for_nothing_loads_nothing_but_the_plugin() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import agent_runtime_framework.runtime.testing.plugin; "
        "print(*sorted(set(sys.modules) - before - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    name = "agent_runtime_framework"

    assert done.stdout.split() == [
        name,
        f"{name}.runtime",
        f"{name}.runtime.testing",
        f"{name}.runtime.testing.plugin",
    ]
