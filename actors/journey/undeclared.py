"""Which tools of an agent have no effect class that anybody declared, as far as its steps show them."""

from collections.abc import Iterator

from .diagram import Shown, is_agent, moved, steps_of


def undeclared_tools(agent: Shown) -> list[str]:
    """Return the names of the tools that run as `once` only because nobody says what repeating them does.

    All steps of the agent and of the journeys that it leads to are looked at, and no tool is called.  Of a step for
    which the author's code raises, the tools count that are declared for it.

    >>> import msgspec
    >>> from agent_runtime_framework import BaseJourneyTools, JourneyAgent, tool
    >>> class State(msgspec.Struct):
    ...     step: str = "open"
    >>> class Tools(BaseJourneyTools[State]):
    ...     @tool(effect="read")
    ...     async def look(self) -> str:
    ...         return "It is there."
    ...     @tool
    ...     async def charge(self) -> str:
    ...         return "Charged."
    >>> class Shop(JourneyAgent[State, Tools, str]):
    ...     key, prompts = "shop", {"open": "Sell."}
    >>> undeclared_tools(Shop())
    ['charge']
    """
    others = {id(to): to for to in agent.journeys.values() if is_agent(to)}
    return list(dict.fromkeys(name for each in (agent, *others.values()) for name in _undeclared(each)))


def _undeclared(agent: Shown) -> Iterator[str]:
    try:
        steps = steps_of(agent)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  author code may raise anything
        steps = [None]
    for step in steps:
        try:
            offered = agent.get_tool_schemas(moved(agent, step))
            yield from [schema.name for schema in offered if schema.effect is None]
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001  likewise, in a step that it never meets like this
            yield from [name for name, tool in agent.declared_tools.items() if tool.schema.effect is None]
