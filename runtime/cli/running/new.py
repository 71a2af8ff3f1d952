"""`arf new`: a directory with the shortest agent, a test of it, and a README."""

import errno
import os
import shutil
from pathlib import Path
from string import Template

from ....events import Conflict, FrameworkError, check_token
from ..console import output
from ..console.options import Options

AGENT = Template('''\
from dataclasses import dataclass
from enum import StrEnum

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent, PromptTemplate, tool


class Step(StrEnum):
    NAME = "name"
    DONE = "done"


@dataclass
class State(BaseJourneyState[Step]):
    step: Step = Step.NAME
    name: str = ""

    def is_complete(self) -> bool:
        return self.step == Step.DONE


class Tools(BaseJourneyTools[State]):
    @tool(steps=Step.NAME, to=Step.DONE, effect="idempotent")
    async def save_name(self, name: str) -> str:
        """Save the user's name."""
        self.state.name = name
        self.state.step = Step.DONE
        return f"Nice to meet you, {name}."


class Agent(JourneyAgent[State, Tools, Step]):
    key = "$name"
    prompts = {
        Step.NAME: "Ask for the user's name. When you know it, call `save_name`.",
        Step.DONE: PromptTemplate("The user's name is $$name. Wish the user a good day."),
    }


agent = Agent()
''')

TEST = """\
import asyncio

from agent import Agent
from agent_runtime_framework import AgentContext
from agent_runtime_framework.testing import ScriptedLLM, calls


def test_the_name_is_saved():
    with ScriptedLLM(calls(("save_name", {"name": "Ada"})), "Have a good day, Ada!") as llm:
        said = [{"role": "user", "content": "I am Ada"}]
        result = asyncio.run(Agent(llm).run(AgentContext("run-1", "c-1", said)))

    assert result.response == "Have a good day, Ada!"
    assert result.state == {"step": "done", "name": "Ada"}
"""

README = Template("""\
# $name
- Talk with it: `arf chat agent.py:agent`; without `OPENAI_API_KEY` or `OPENAI_BASE_URL` a small offline model answers.
- Change `agent.py` while you talk with it: `arf dev agent.py:agent`
- See what happened: `arf list`, then `arf log CONVERSATION`
- Test it: `python -m pip install pytest`, then `python -m pytest`
""")


def make_new(options: Options, name: str) -> None:
    """Make the directory, all of it or nothing, and write its path to stdout.

    Raises:
        InvalidId: the name cannot be an agent's key.
        Conflict: something is there already.
        FrameworkError: the directory cannot be written.

    """
    check_token(name, "name")
    target = Path.cwd() / name
    draft = target.with_name(f".{name[:64]}.{os.getpid()}.new")
    try:
        draft.mkdir()
        try:
            for file, text in _files(name).items():
                (draft / file).write_text(text, encoding="utf-8")
            draft.rename(target)  # takes the place of an empty directory, and of nothing else
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise Conflict(f"{target} is there already, and not empty: choose another name, or move it away") from error
        raise FrameworkError(f"{target} cannot be made: {error.strerror}") from error
    if options.output == "text":
        output.write_text(f"{name}/ has {', '.join(_files(name))}; next: cd {name} && arf dev agent.py:agent")
    else:
        output.write_json({"directory": str(target), "files": list(_files(name))}, options.output)


def _files(name: str) -> dict[str, str]:
    return {
        "agent.py": AGENT.substitute(name=name),
        "test_agent.py": TEST,
        "README.md": README.substitute(name=name),
    }
