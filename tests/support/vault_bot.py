"""An agent that does all it can to tell its secrets, and whoever looks for them in what was told."""

import base64
import hashlib
import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from agent_runtime_framework import (
    AgentContext,
    Allow,
    BaseJourneyState,
    BaseJourneyTools,
    Deny,
    ExecutorHooks,
    JourneyAgent,
    MethodToolExecutor,
    ToolCall,
    ToolSchema,
    ToolSchemaBuilder,
    secret,
    tool,
)

logger = logging.getLogger("vault")

PASSWORD = 'hun"ter/2 ünd\\mehr'
CARD = "4111-1111-1111-1111"
API_KEY = "sk-live-0123456789"
PIN = "93215577"
VALUES = (PASSWORD, CARD, API_KEY, PIN)


class Step(StrEnum):
    LOGIN = "login"
    PAY = "pay"
    DONE = "done"


@dataclass
class Card:
    number: Annotated[str, secret]
    brand: str = "visa"


@dataclass
class Vault(BaseJourneyState[Step]):
    step: Step = Step.LOGIN
    user: str = ""
    password: Annotated[str, secret] = ""
    api_key: Annotated[str | None, secret] = None
    cards: list[Card] = field(default_factory=list)
    by_name: dict[str, Card] = field(default_factory=dict)
    note: str = ""

    def is_complete(self) -> bool:
        return self.step == Step.DONE


def seen(what: str, value: str | None) -> None:
    """Say in the file that `VAULT_SEEN` names, if any, what a tool saw; not in clear."""
    if name := os.environ.get("VAULT_SEEN"):
        with Path(name).open("a") as file:
            file.write(f"{what} {digest(value or '')}\n")


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def told(value: str) -> str:
    """Return a text that tells a value in every way."""
    return (
        f"{value} {json.dumps(value)} {json.dumps(value, ensure_ascii=False)} {value!r} {quote(value)} {encoded(value)}"
    )


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


class VaultTools(BaseJourneyTools[Vault]):
    idempotency_key: str = ""

    @tool(steps=Step.LOGIN, effect="idempotent")
    async def log_in(self, user: str, password: Annotated[str, secret, "Their password"]) -> str:
        """Log the user in."""
        seen("log_in", password)
        self.state.user, self.state.password, self.state.step = user, password, Step.PAY
        return f"Logged in with {told(password)}"

    @tool(effect="idempotent")
    async def add_card(self, card: Card, pin: Annotated[str | None, secret] = None) -> str:
        """Add a card."""
        seen("add_card", card.number)
        self.state.cards.append(card)
        self.state.by_name[card.brand] = card
        return f"Added {told(card.number)} {pin}"

    @tool(effect="read")
    async def look(self) -> str:
        """Look at everything."""
        seen("look", self.state.password)
        return f"{self.state} {told(self.state.password)} {self.state.api_key}"

    @tool(effect="once")
    async def make_key(self) -> str:
        """Make a key."""
        self.state.api_key = API_KEY
        return f"Your key is {API_KEY}"

    @tool(effect="read")
    async def fail(self, password: Annotated[str, secret]) -> str:
        """Fail."""
        try:
            return {"no": "password"}[password]
        except KeyError as error:
            raise ValueError(told(password)) from error

    @tool(effect="read")
    async def fail_late(self) -> str:
        """Fail with what is not known yet."""
        self.state.api_key = API_KEY
        raise RuntimeError(f"cannot take {API_KEY}")

    @tool(effect="read")
    async def copy(self) -> str:
        """Copy the password to where it is not marked."""
        self.state.note = f"it is {self.state.password}"
        return "Copied."

    @tool(effect="read")
    async def charge(self, amount: int, pin: Annotated[str, secret]) -> str:
        """Charge."""
        seen("charge", pin)
        return f"Charged {amount} with {pin}"


class Telling(ExecutorHooks):
    """Keeps all that hooks are told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def on_llm_call(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> None:
        self.heard.append(("on_llm_call", messages, tools))

    async def on_tool_calls(self, tool_calls: list[dict[str, Any]]) -> None:
        self.heard.append(("on_tool_calls", tool_calls))

    async def on_tool_start(self, name: str, arguments: dict[str, Any]) -> None:
        self.heard.append(("on_tool_start", name, arguments))

    async def on_tool_end(self, name: str, result: str) -> None:
        self.heard.append(("on_tool_end", name, result))

    async def on_complete(self, response: str, stopped_reason: str) -> None:
        self.heard.append(("on_complete", response))


class VaultAgent(JourneyAgent[Vault, VaultTools, Step]):
    key = "vault"

    def get_system_prompt(self, state: Vault) -> str:
        return f"Serve {state.user}, whose password is {told(state.password)}, cards {state.cards}, {state.api_key}."

    def get_tool_schemas(self, state: Vault) -> list[ToolSchema]:
        by_hand = (
            ToolSchemaBuilder("whisper")
            .description(f"Whisper {state.password}")
            .param("word", "string", f"such as {state.password}", required=True, secret=True)
            .param("loud", "boolean")
            .effect("idempotent")
            .build()
        )
        return [*super().get_tool_schemas(state), by_hand]

    def authorize_tool(self, call: ToolCall, state: Vault, ctx: AgentContext) -> Allow | Deny:
        if call.arguments.get("amount") == 666:
            return Deny(f"not with {call.arguments['pin']} and {state.password}")
        return Allow(f"fine with {call.arguments.get('pin', state.password)}")

    async def execute_tool(self, tools: VaultTools, name: str, arguments: dict[str, Any]) -> Any:
        if name == "whisper":
            seen("whisper", arguments["word"])
            return f"psst: {told(arguments['word'])}"
        if name in ("look", "fail_late"):
            return await MethodToolExecutor(tools).execute(name, arguments)
        result: Any = super().execute_tool(tools, name, arguments)
        return await result


def forms(value: str) -> Iterable[bytes]:
    """Yield a value as it may be written."""
    yield value.encode()
    yield json.dumps(value)[1:-1].encode()
    yield json.dumps(json.dumps(value))[2:-2].encode()
    yield json.dumps(value, ensure_ascii=False)[1:-1].encode()
    yield repr(value)[1:-1].encode()
    yield quote(value).encode()
    for shift in range(3):  # wherever in a longer text it stands
        whole = base64.b64encode(bytes(shift) + value.encode() + b"\0\0").rstrip(b"=")
        yield whole[4:-4]
    yield encoded(value).rstrip("=").encode()


def found_in(data: bytes, values: Iterable[str] = VALUES) -> list[str]:
    """Return the values that are told in some bytes."""
    return [value for value in values if any(form in data for form in forms(value))]
