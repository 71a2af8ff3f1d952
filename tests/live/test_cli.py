"""The command line `arf`, as processes over an embedded server."""

import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from support.command_line import WorkerOfTest, data, error, in_use, run, worker
from support.processes import ARF, environment

BOT = '''
import asyncio
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent, ToolSchemaBuilder
from agent_runtime_framework.testing import ScriptedLLM, calls


class Step(str, Enum):
    NAME = "name"
    DONE = "done"


@dataclass
class Greeting(BaseJourneyState[Step]):
    step: Step = Step.NAME
    name: str = ""

    def is_complete(self) -> bool:
        return self.step == Step.DONE


class Tools(BaseJourneyTools[Greeting]):
    async def save_name(self, name):
        self.state.name, self.state.step = name, Step.DONE
        return f"Saved {name}"

    async def hold(self):
        Path("held").touch()
        while not Path("let-go").exists():
            await asyncio.sleep(0.01)
        return "Let go"

    async def burst(self):
        raise ValueError("it burst")


class Model:
    """Calls the tool that the user names, with what else is said; else says it again."""

    async def generate(self, messages, tools=None, **_):
        said = messages[-1]["content"]
        if messages[-1]["role"] == "user":
            if said == "fail":
                raise ValueError("no idea")
            tool, _, rest = said.partition(" ")
            if tool in ("save_name", "hold", "burst"):
                return ScriptedLLM(calls((tool, {"name": rest} if rest else {})))._reply_now()
        return ScriptedLLM(f"You said: {said}")._reply_now()


def _reply_now(self):
    return self._reply(self._answers[0], [], 1)


ScriptedLLM._reply_now = _reply_now


class Bot(JourneyAgent[Greeting, Tools, Step]):
    key = "bot"

    def __init__(self):
        super().__init__(llm_client=Model())

    def get_initial_state(self):
        return Greeting()

    def get_system_prompt(self, state):
        return f"Step {state.step.value}"

    def get_tool_schemas(self, state):
        save = ToolSchemaBuilder("save_name").description("Save").param("name", "string", required=True)
        return [tool.build() for tool in (save, ToolSchemaBuilder("hold"), ToolSchemaBuilder("burst"))]

    def create_tools(self, state, ctx):
        return Tools(state=state)

    async def execute_tool(self, tools, name, arguments):
        return await getattr(tools, name)(**arguments)


class Other(Bot):
    key = "other"


class Modelless(Bot):
    key = "modelless"

    def __init__(self):
        JourneyAgent.__init__(self)
'''
