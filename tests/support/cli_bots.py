"""Agents that do what they are told, for tests of the command line, which copy this file to where they run."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from agent_runtime_framework import (
    AgentContext,
    BaseJourneyState,
    BaseJourneyTools,
    JourneyAgent,
    ToolSchema,
    ToolSchemaBuilder,
)
from agent_runtime_framework.runtime.models import ModelReply
from agent_runtime_framework.testing import ScriptedLLM, calls


class Step(StrEnum):
    """Where the journey is."""

    NAME = "name"
    DONE = "done"


@dataclass
class Greeting(BaseJourneyState[Step]):
    """Knows a name."""

    step: Step = Step.NAME
    name: str = ""

    def is_complete(self) -> bool:
        return self.step == Step.DONE


class Tools(BaseJourneyTools[Greeting]):
    """Saves, waits, or raises."""

    async def save_name(self, name: str) -> str:
        self.state.name, self.state.step = name, Step.DONE
        return f"Saved {name}"

    async def hold(self) -> str:
        """Return once the file `let-go` is there; `held` says that it waits."""
        await asyncio.to_thread(Path("held").touch)
        while not await asyncio.to_thread(Path("let-go").exists):  # noqa: ASYNC110  another process lets go
            await asyncio.sleep(0.01)
        return "Let go"

    async def burst(self) -> str:
        raise ValueError("it burst")


class Model:
    """Calls the tool that the user names, with what follows as its argument; else says it again."""

    async def generate(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None, **_: Any
    ) -> ModelReply:
        said = messages[-1]["content"]
        if said == "fail":
            raise ValueError("no\nidea")
        tool, _space, rest = said.partition(" ")
        if messages[-1]["role"] == "user" and tool in ("save_name", "hold", "burst"):
            return await ScriptedLLM(calls((tool, {"name": rest} if rest else {}))).generate(messages)
        return await ScriptedLLM(f"You said: {said}").generate(messages)


class Bot(JourneyAgent[Greeting, Tools, Step]):
    """Does what it is told."""

    key = "bot"

    def __init__(self) -> None:
        super().__init__(llm_client=Model())

    def get_initial_state(self) -> Greeting:
        return Greeting()

    def get_system_prompt(self, state: Greeting) -> str:
        return f"Step {state.step.value}"

    def get_tool_schemas(self, state: Greeting) -> list[ToolSchema]:
        save = ToolSchemaBuilder("save_name").description("Save").param("name", "string", required=True)
        tools = (save, ToolSchemaBuilder("hold"), ToolSchemaBuilder("burst"))
        return [tool.effect("once").build() for tool in tools]

    def create_tools(self, state: Greeting, ctx: AgentContext) -> Tools:
        return Tools(state=state)

    async def execute_tool(self, tools: Tools, name: str, arguments: dict[str, Any]) -> str:
        result: str = await getattr(tools, name)(**arguments)
        return result


class Other(Bot):
    """Has another key."""

    key = "other"


class Modelless(Bot):
    """Has no model of its own."""

    key = "modelless"

    def __init__(self) -> None:
        JourneyAgent.__init__(self)
