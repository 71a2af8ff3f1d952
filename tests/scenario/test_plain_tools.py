"""Plain `def` tools run in the worker's own threads: as many at once as it runs turns, however they are executed."""

import asyncio
import threading
from typing import Any

from agent_runtime_framework import MethodToolExecutor
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import Beginning, OrderTools, Step, working

MANY = 40
"""More than the threads that asyncio has by itself."""


class Plain(OrderTools):
    """Looks, in a thread, once all others look too."""

    together: threading.Barrier
    names: set[str]

    def look(self) -> str:  # type: ignore[override]
        Plain.together.wait(timeout=20)
        Plain.names.add(threading.current_thread().name)
        return "seen"


class Executing(Beginning):
    """Has its tools executed by what the framework ships."""

    async def execute_tool(self, tools: OrderTools, name: str, arguments: dict[str, Any]) -> str:
        return await MethodToolExecutor(tools).execute(name, arguments)


async def test_as_many_plain_tools_run_at_once_as_turns() -> None:
    Plain.together, Plain.names = threading.Barrier(MANY), set()

    def answer(messages: list[dict[str, Any]], _tools: Any) -> Any:
        return "Looked." if messages[-1]["role"] == "tool" else calls(("look", {}))

    agent = Executing(ScriptedLLM(*[answer] * (2 * MANY)), Step.ORDER)
    agent.tools_type = Plain
    async with working(agent, concurrency=MANY) as rt:
        sending = [rt.send("order", f"c-{number}", "look", timeout=30) for number in range(MANY)]
        replies = [reply.text for reply in await asyncio.gather(*sending)]

    assert replies == ["Looked."] * MANY
    assert all(name.startswith("arf-author") for name in Plain.names)
    assert len(Plain.names) == MANY
