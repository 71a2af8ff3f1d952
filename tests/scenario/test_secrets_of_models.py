"""Secrets between a model and whoever hears it: words as they come, and a model that is asked again."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pytest

from agent_runtime_framework import AgentContext, BaseJourneyTools, Delta, JourneyAgent, Recorded, secret, tool
from agent_runtime_framework.runtime.models import ModelReply
from agent_runtime_framework.runtime.replay import Reasking
from agent_runtime_framework.runtime.secret_keys import VARIABLE
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import frames, working
from support.vault_bot import PASSWORD, VaultAgent, found_in

LOGGED_IN = calls(("log_in", {"user": "ada", "password": PASSWORD}))


@pytest.fixture(autouse=True)
def _keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, base64.b64encode(bytes(range(32))).decode())


@dataclass
class Known:
    step: str = "on"
    phrase: Annotated[str, secret] = ""


class KnownTools(BaseJourneyTools[Known]):
    @tool(effect="read")
    async def look(self) -> str:
        return self.state.phrase


class KnownAgent(JourneyAgent[Known, KnownTools, str]):
    key = "known"
    prompts: ClassVar = {"on": "Look."}

    def load_state(self, ctx: AgentContext) -> Known:
        return Known(phrase=PASSWORD)


class InPieces:
    """Says its words in pieces of so many characters."""

    model, streams = "pieces", True

    def __init__(self, text: str, size: int) -> None:
        self.text = text
        self.size = size

    async def generate(self, messages: list[dict[str, Any]], tools: Any = None, **kwargs: Any) -> ModelReply:
        return ModelReply({"content": self.text}, {})

    async def stream(
        self, messages: list[dict[str, Any]], tools: Any = None, *, on_delta: Callable[[str], None], **kwargs: Any
    ) -> ModelReply:
        for at in range(0, len(self.text), self.size):
            on_delta(self.text[at : at + self.size])
        return await self.generate(messages)


@pytest.mark.parametrize("size", [1, 5, 1000])
async def test_a_known_secret_is_taken_out_of_words_as_they_come(substrate: Substrate, size: int) -> None:
    pieces: list[str] = []
    async with working(KnownAgent(InPieces(f"It is {PASSWORD}, yes; hun", size)), substrate=substrate) as rt:

        async def hear() -> None:
            async for each in rt.follow("c-1"):
                if isinstance(each, Delta):
                    pieces.append(each.text)
                elif isinstance(each, Recorded) and each.type == "turn.completed":
                    return

        hearing = asyncio.ensure_future(hear())
        reply = await rt.send("known", "c-1", "go")
        await hearing

    assert reply.text == "It is (secret), yes; hun"
    assert "It is (secret), yes; hun".endswith("".join(pieces))  # who begins to listen late hears the end
    assert found_in("".join(pieces).encode()) == []


async def test_a_model_that_is_asked_again_is_compared_by_tokens_and_told_no_secret(substrate: Substrate) -> None:
    with ScriptedLLM(LOGGED_IN, "In.") as llm:
        async with working(VaultAgent(llm), substrate=substrate) as rt:
            await rt.send("vault", "c-1", "go")
    log = await frames(substrate, "c-1")

    for secrets, expected in ((substrate.secrets, "same"), (None, "differs")):
        with ScriptedLLM(LOGGED_IN, "In.") as llm:
            reasking = Reasking(client=llm, concurrency=1, secrets=secrets)
            await reasking.read(log, VaultAgent(None))
            await reasking.ask()
        (found,) = reasking.found
        assert found.points[0].result == expected
        assert found_in(repr(found).encode()) == []
