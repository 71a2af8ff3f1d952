"""An author's agent as the simulator runs it: itself, but for who is told of its tools, and what goes wrong."""

import asyncio
import contextlib
import copy
import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from ....actors.journey import REDACTED, AgentContext, marks_in, sealed, state_fields
from ....events import ConversationId
from ....events import Effect as EffectClass
from ...agents import JourneyAgent
from ...agents.author import call_author
from ...models import LLMClient
from ..rules import Effect
from .world import CONVERSATION, World

AgentT = TypeVar("AgentT", bound=Any)


LONGEST = 20.0
"""Seconds that whatever hangs hangs at most."""


class ToolBroke(RuntimeError):
    """Raised by a tool that failed after it had its effect."""


def watched(agent: JourneyAgent[Any, Any, Any], world: World, model: LLMClient) -> JourneyAgent[Any, Any, Any]:
    """Return an agent like this one, and all that its router leads to, which asks that model and tells of its tools."""
    return _watched(agent, world, model)


def _watched(agent: AgentT, world: World, model: LLMClient) -> AgentT:
    mine = copy.copy(agent)
    mine.llm_client = model
    mine.journeys = {journey: _watched(other, world, model) for journey, other in agent.journeys.items()}
    for name in ("load_state", "save_state"):
        setattr(mine, name, _keeping(getattr(agent, name), name, world))
    mine.create_tools = functools.partial(_create_tools, agent)
    mine.execute_tool = _executing(agent, world)
    return mine


def _create_tools(agent: Any, state: Any, ctx: AgentContext) -> Any:
    CONVERSATION.set(ConversationId(str(ctx.conversation_id)))
    tools = agent.create_tools(state, ctx)
    if not hasattr(tools, "idempotency_key"):
        with contextlib.suppress(AttributeError):  # so that the runtime says which call it is
            tools.idempotency_key = None
    return tools


def _keeping(method: Callable[..., Any], name: str, world: World) -> Callable[..., Any]:
    """Return what loads or saves a state, and is known to be waited for meanwhile; one that is plain never waits."""
    if not inspect.iscoroutinefunction(method):
        return method

    async def keep(ctx: AgentContext, *rest: Any) -> Any:
        with world.awaiting(name, ConversationId(str(ctx.conversation_id))):
            return await method(ctx, *rest)

    return keep


def _executing(agent: Any, world: World) -> Callable[[Any, str, dict[str, Any]], Awaitable[Any]]:
    """Return what runs an agent's tools, and tells the world of each when it starts."""

    async def execute_tool(tools: Any, name: str, arguments: dict[str, Any]) -> Any:
        if world.closed:
            raise ToolBroke("the simulation is over")
        world.effect(_effect(agent, tools, name, arguments))
        await asyncio.sleep(world.random.random() ** 4 * world.pace)
        if world.faults.strikes("tool_slow", name):
            await asyncio.sleep(world.random.uniform(0.1, 3))
        if world.faults.strikes("tool_hung", name):
            await asyncio.sleep(min(agent.config.tool_timeout * 1.5, LONGEST))
        with world.awaiting(f"tool {name!r}", CONVERSATION.get()):
            result = await call_author(agent.execute_tool, tools, name, arguments)
        if world.faults.strikes("tool_failed", name):
            raise ToolBroke(f"{name} had its effect, and broke after it")
        return result

    return execute_tool


def _effect(agent: Any, tools: Any, name: str, arguments: dict[str, Any]) -> Effect:
    state = getattr(tools, "state", None)
    declared = agent.declared_tools.get(name)
    schemas = [declared.schema] if declared is not None else [] if state is None else agent.get_tool_schemas(state)
    # it may have been offered in a step that the state has left since
    effect: EffectClass | None = next((one.effect or "once" for one in schemas if one.name == name), None)
    return Effect(
        conversation=CONVERSATION.get(),
        kind="tool",
        name=name,
        effect=effect,
        key=str(getattr(tools, "idempotency_key", None) or ""),
        call=str(arguments.get("ticket") or ""),
        state=None if state is None else _plain(state),
    )


def _plain(state: Any) -> dict[str, Any]:
    """Return a state with its secrets hidden: who watches is not given the key."""
    plain = {name: msgspec.json.decode(value) for name, value in state_fields(state).items()}
    marks = marks_in(type(state))
    hidden: dict[str, Any] = plain if marks is None else sealed(marks, plain, lambda _text: REDACTED)
    return hidden
