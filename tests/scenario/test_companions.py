"""The adapter beside the companion packages: registered, given their model client, and without them."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, ToolSchema, ToolSchemaBuilder
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.django_runs import COMPANIONS, BookingAgent, Run
from support.printed import run_printed

LOOKED_UP = calls(("look_up", {"order": "o-1"}))


@pytest.fixture
def companions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the companions for one test."""
    names = ("agent_runtime_core", "django_agent_runtime")
    monkeypatch.syspath_prepend(str(COMPANIONS))
    yield
    for name in [known for known in sys.modules if known.startswith(names)]:
        del sys.modules[name]


class MyStep(StrEnum):
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
        self.state.order, self.state.step = order, MyStep.DONE
        await self._notify_state_change()
        return f"{self._require_backend()} has {order}"


LOOK_UP = ToolSchemaBuilder("look_up").param("order", "string", "Its number", required=True).build()
AROUND: dict[str, Any] = {
    "MyStep": MyStep,
    "MyState": MyState,
    "MyTools": MyTools,
    "ToolSchema": ToolSchema,
    "PROMPTS": {MyStep.ASK: "Ask for the order.", MyStep.DONE: "Say good-bye."},
    "TOOLS": {MyStep.ASK: [LOOK_UP], MyStep.DONE: []},
}


@pytest.mark.usefixtures("companions")
async def test_the_adapter_of_the_seed_document_registers_and_runs_as_printed() -> None:
    names = await run_printed("adapter", **AROUND)
    agent = importlib.import_module("django_agent_runtime.runtime.registry").registered["my-agent"]
    agent.backend_client = "the shop"
    run = Run("o-1, please")
    with ScriptedLLM(LOOKED_UP, "Bye.") as agent.llm_client:
        result = await agent.run(run)

    assert type(agent) is names["MyDjangoAgent"]
    assert result.final_messages[1]["content"] == "the shop has o-1"
    assert run.checkpoints == [{"step": "done", "order": "o-1"}] * 2


@pytest.mark.usefixtures("companions")
async def test_a_subclass_counts_as_the_companions_runtime_only_by_being_an_adapter() -> None:
    interfaces = importlib.import_module("agent_runtime_core.interfaces")

    assert isinstance(BookingAgent(), interfaces.AgentRuntime)
    assert interfaces.AgentRuntime not in BookingAgent.__mro__
    assert not isinstance(ScriptedLLM(), interfaces.AgentRuntime)


@pytest.mark.usefixtures("companions")
async def test_an_adapter_without_a_model_client_is_given_the_companions() -> None:
    result = await BookingAgent().run(Run("hello"))

    assert result.final_output["response"] == "gpt-4o heard hello"
    assert result.usage == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_a_companion_that_lacks_something_is_said_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "agent_runtime_core"
    package.mkdir()
    (package / "interfaces.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        with pytest.raises(ModuleNotFoundError, match="no_such_library"):
            BookingAgent()
    finally:
        sys.modules.pop("agent_runtime_core", None)


def test_the_adapter_needs_neither_companions_nor_django() -> None:
    program = (
        "import sys; from support.django_runs import BookingAgent; BookingAgent();"
        "print(*{name.partition('.')[0] for name in sys.modules} & {'django', 'agent_runtime_core', 'openai', 'nats'})"
    )
    path = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({path!r}); {program}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == []
