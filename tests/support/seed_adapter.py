"""The adapter's example of the framework's first document, as it is printed; what it leaves open stands around it."""
# mypy: ignore-errors

import enum
from dataclasses import dataclass
from typing import Any

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, ToolSchema, ToolSchemaBuilder


class MyStep(str, enum.Enum):
    ASK = "ask"
    DONE = "done"


@dataclass
class MyState(BaseJourneyState[MyStep]):
    step: MyStep = MyStep.ASK
    order: str = ""

    def is_complete(self) -> bool:
        return self.step == MyStep.DONE


class MyTools(BaseJourneyTools[MyState]):
    async def look_up(self, order: str) -> str:
        self.state.order = order
        self.state.step = MyStep.DONE
        await self._notify_state_change()
        return f"{self._require_backend()} has {order}"


PROMPTS = {MyStep.ASK: "Ask for the order.", MyStep.DONE: "Say good-bye."}
TOOLS: dict[Any, list[ToolSchema]] = {
    MyStep.ASK: [ToolSchemaBuilder("look_up").param("order", "string", "Its number", required=True).build()],
    MyStep.DONE: [],
}

from agent_runtime_framework.adapters import DjangoRuntimeAdapter


class MyDjangoAgent(DjangoRuntimeAdapter[MyState, MyTools, MyStep]):
    @property
    def key(self) -> str:
        return "my-agent"

    def get_initial_state(self) -> MyState:
        return MyState()

    def get_system_prompt(self, state: MyState) -> str:
        return PROMPTS[state.step]

    def get_tool_schemas(self, state: MyState) -> list[ToolSchema]:
        return TOOLS[state.step]

    def create_tools(self, state: MyState, ctx, backend_client) -> MyTools:
        return MyTools(state=state, backend_client=backend_client)

    async def execute_tool(self, tools: MyTools, name: str, args: dict) -> str:
        method = getattr(tools, name)
        return await method(**args)


# Register with Django
from django_agent_runtime.runtime.registry import register_runtime

register_runtime(MyDjangoAgent())
