"""Secrets that a journey marks only once it was at work, in a schema that it writes by hand."""

import base64
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest

from agent_runtime_framework import (
    BaseJourneyTools,
    IntentRouter,
    JourneyAgent,
    RouteDefinition,
    ToolSchema,
    ToolSchemaBuilder,
    secret,
    tool,
)
from agent_runtime_framework.runtime.secret_keys import VARIABLE
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import frames, working

CODE = "premium-code-77"


@dataclass
class Desk:
    step: str = "on"
    unlocked: bool = False


class DeskTools(BaseJourneyTools[Desk]):
    @tool(effect="read")
    async def unlock(self) -> str:
        self.state.unlocked = True
        return "Unlocked."

    async def login(self, password: str) -> str:
        return f"{len(password)} characters"


@dataclass
class Plans:
    step: str = "on"


class PlansTools(BaseJourneyTools[Plans]):
    @tool(effect="read", description=f"Pick a plan, such as {CODE}.")
    async def pick(self, plan: Literal["premium-code-77", "basic"]) -> str:
        return plan


class PlansAgent(JourneyAgent[Plans, PlansTools, str]):
    key = "plans"
    prompts: ClassVar = {"on": "Sell."}


class DeskAgent(JourneyAgent[Desk, DeskTools, str]):
    key = "desk"
    prompts: ClassVar = {"on": "Ask."}
    router = IntentRouter[str]().add_routes([RouteDefinition("plans", "to_plans", "Go to the plans.")])
    journeys = MappingProxyType({"plans": PlansAgent(None)})

    def get_tool_schemas(self, state: Desk) -> list[ToolSchema]:
        login = ToolSchemaBuilder("login").param("password", "string", "The password", secret=True).build()
        offered = super().get_tool_schemas(state)
        return [*offered, login] if state.unlocked else offered


@dataclass
class Vault:
    step: str = "on"
    word: Annotated[str, secret] = ""


class VaultAgent(JourneyAgent[Vault, BaseJourneyTools[Vault], str]):
    """Is there so that the worker has keys from the beginning."""

    key = "vault"
    prompts: ClassVar = {"on": "Keep."}
    tools_class = BaseJourneyTools

    def get_tool_schemas(self, state: Vault) -> list[ToolSchema]:
        return []


TO_PLANS, BACK = calls(("to_plans", {})), calls(("reroute_conversation", {"reason": "done"}))


async def test_what_was_offered_before_tells_no_secret_of_later(
    substrate: Substrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, base64.b64encode(bytes(range(32))).decode())
    unlocked = (calls(("unlock", {})), calls(("login", {"password": CODE})), TO_PLANS, "Which?")
    with ScriptedLLM(TO_PLANS, BACK, "Back.", *unlocked) as llm:
        async with working(DeskAgent(llm), VaultAgent(llm), substrate=substrate) as rt:
            await rt.send("desk", "c-1", "what is there?", timeout=20)
            await rt.send("desk", "c-1", "let me in", timeout=20)

    before, after = (_pick(request.tools) for request in (llm.requests[1], llm.requests[-1]))
    assert (before["description"], _plans(before)) == (f"Pick a plan, such as {CODE}.", {CODE, "basic"})
    assert (after["description"], _plans(after)) == ("Pick a plan, such as (secret).", {"(secret)", "basic"})
    answers = [each.frame.events for each in await frames(substrate, "c-1") if each.frame.turn == 2]
    assert CODE.encode() not in msgspec.json.encode(answers)


def _pick(tools: list[dict[str, Any]] | None) -> dict[str, Any]:
    return next(one["function"] for one in tools or () if one["function"]["name"] == "pick")


def _plans(function: dict[str, Any]) -> set[str]:
    return {*function["parameters"]["properties"]["plan"]["enum"]}
