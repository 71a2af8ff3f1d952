"""The vault agent as a worker of its own process runs it: its model says the same again after a crash."""

import os
import signal
from pathlib import Path
from typing import Annotated, Any

from agent_runtime_framework import JourneyConfig, ModelReply, secret, tool
from support.vault_bot import API_KEY, CARD, PASSWORD, PIN, Card, Telling, VaultAgent, VaultTools, seen

ANSWERS: tuple[Any, ...] = (
    ("log_in", {"user": "ada", "password": PASSWORD}),
    ("add_card", {"card": {"number": CARD}, "pin": PIN}),
    ("make_key", {}),
    ("fail", {"password": PASSWORD}),
    ("fail_late", {}),
    ("copy", {}),
    ("whisper", {"word": PASSWORD}),
    ("charge", {"amount": 666, "pin": PIN}),
    f"All done: {PASSWORD}, {CARD}, {PIN}, {API_KEY}",
    ("look", {}),
    f"It is {PASSWORD}",
    ("look", {}),
    f"It still is {PASSWORD}",
)


class Steady:
    """Answers by how often it has answered in the conversation."""

    model = "steady"

    async def generate(self, messages: list[dict[str, Any]], tools: Any = None, **kwargs: Any) -> ModelReply:
        answer = ANSWERS[sum(message["role"] == "assistant" for message in messages)]
        if isinstance(answer, str):
            return ModelReply({"content": answer}, {})
        name, arguments = answer
        call = {"name": name, "arguments": arguments}
        return ModelReply({"content": f"calling with {arguments}", "tool_calls": [call]}, {})


class Mortal(VaultTools):
    @tool(effect="idempotent")
    async def add_card(self, card: Card, pin: Annotated[str | None, secret] = None) -> str:
        """Add a card; it ends the process at the first time."""
        died = Path(os.environ["VAULT_SEEN"]).with_name("died")
        if not died.exists():
            seen("add_card", card.number)
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().add_card(card, pin)


class Live(VaultAgent):
    tools_class = Mortal


agent = Live(Steady(), JourneyConfig(), Telling())
