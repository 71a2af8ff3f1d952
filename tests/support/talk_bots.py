"""More agents that do what they are told, for talks with them; copied beside `bot.py` as `talks.py`."""

import asyncio
import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_runtime_framework import AgentContext, ToolSchema, ToolSchemaBuilder
from agent_runtime_framework.runtime.models import ModelReply
from agent_runtime_framework.testing import ScriptedLLM, calls

if TYPE_CHECKING:
    from support.cli_bots import Bot, Greeting, Model, Tools
else:
    from bot import Bot, Greeting, Model, Tools

WORDS = ("One ", "two ", "\x1b[31mthree.")


class Streaming(Model):
    """Says one word after another, each once the file `word-<number>` is there."""

    streams = True

    async def stream(self, messages: list[dict[str, Any]], *, on_delta: Any, **_: Any) -> ModelReply:
        for number, word in enumerate(WORDS):
            while not await asyncio.to_thread(Path(f"word-{number}").exists):  # noqa: ASYNC110  the test lets it go on
                await asyncio.sleep(0.01)
            on_delta(word)
        return ModelReply({"role": "assistant", "content": "".join(WORDS)}, {}, "stop")


class Slow(Bot):
    """Speaks slowly."""

    key = "slow"

    def __init__(self) -> None:
        super().__init__()
        self.llm_client = Streaming()


class ToolCaller(Model):
    """Calls the tool that the user names; then says what it returned."""

    async def generate(self, messages: list[dict[str, Any]], *_: Any, **__: Any) -> ModelReply:
        said = messages[-1]["content"]
        script = calls((said, {})) if messages[-1]["role"] == "user" and said != "hello" else f"It said: {said}"
        return await ScriptedLLM(script).generate(messages)


class Rough(Bot):
    """Has tools that are rough on its worker."""

    key = "rough"

    def __init__(self) -> None:
        super().__init__()
        self.llm_client = ToolCaller()

    def get_tool_schemas(self, state: Greeting) -> list[ToolSchema]:
        return [
            ToolSchemaBuilder(name).effect("idempotent").build() for name in ("block", "exit", "chat", "meta", "read")
        ]

    def create_tools(self, state: Greeting, ctx: AgentContext) -> Tools:
        self.ctx = ctx
        return super().create_tools(state, ctx)

    async def execute_tool(self, tools: Tools, name: str, arguments: dict[str, Any]) -> str:
        match name:
            case "block":  # nothing else runs in the worker meanwhile
                Path("held").touch()  # noqa: ASYNC240  blocking is the point
                time.sleep(60)  # noqa: ASYNC251  likewise
            case "exit":
                print("good-bye")  # noqa: T201  a tool may print
                os._exit(7)
            case "chat":
                print("printed by a tool")  # noqa: T201  likewise
            case "read":
                said = subprocess.run(["cat"], capture_output=True, text=True, timeout=5, check=True)  # noqa: ASYNC221
                return said.stdout or "nothing"
            case "meta":
                return json.dumps(self.ctx.metadata)
            case _:
                pass
        return name
