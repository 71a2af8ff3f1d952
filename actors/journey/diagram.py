"""A journey as a drawing, and what can be seen in it that cannot work.

Both ask the agent what it shows in each step, with its initial state moved there, and call no tool.  Where a tool leads
is known only if it was declared, `@tool(to=...)`; of any other it is taken that it may lead anywhere.  An agent with a
router is drawn and checked with all journeys that it leads to.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeGuard

from ...events import InvalidInput, check_token
from .declared import DeclaredTool, step_text, wrong_name
from .routing import REROUTE, IntentRouter, clashes
from .schemas import ToolSchema
from .state import at_step, step_of


class Shown(Protocol):
    """Is what a journey agent shows of itself."""

    @property
    def key(self) -> str:
        """The agent's name."""

    @property
    def router(self) -> IntentRouter[Any] | None:
        """What leads to other journeys."""

    @property
    def journeys(self) -> Mapping[Any, "Shown"]:
        """The agents of the journeys that it leads to."""

    @property
    def declared_tools(self) -> Mapping[str, DeclaredTool]:
        """The tools that are declared with `@tool`, by name."""

    def get_initial_state(self) -> Any:
        """Return the state of a conversation that begins."""

    def get_system_prompt(self, state: Any, /) -> str:
        """Return the system prompt for a state."""

    def get_tool_schemas(self, state: Any, /) -> list[ToolSchema]:
        """Return the tools that are offered in a state."""

    def is_terminal_state(self, state: Any, /) -> bool:
        """Say whether the journey is over in a state."""


@dataclass(frozen=True)
class _Step:
    name: str
    prompt: str
    tools: list[str]
    end: bool
    raised: dict[str, str]


def diagram(agent: Shown) -> str:
    """Return the journey as a Mermaid state diagram: its steps, their tools, and where tools are declared to lead.

    With a router each journey is a state that holds its steps, and the routes lead from one to the other.

    >>> from dataclasses import dataclass
    >>> from enum import StrEnum
    >>> from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent, diagram, tool
    >>> Step = StrEnum("Step", ["NAME", "DONE"])
    >>> @dataclass
    ... class State(BaseJourneyState[Step]):
    ...     step: Step = Step.NAME
    ...     def is_complete(self):
    ...         return self.step == Step.DONE
    >>> class Tools(BaseJourneyTools[State]):
    ...     @tool(steps=Step.NAME, to=Step.DONE)
    ...     async def save_name(self, name: str) -> str:
    ...         return "Saved."
    >>> class Greeter(JourneyAgent[State, Tools, Step]):
    ...     key, prompts = "greeter", {Step.NAME: "Ask for the name.", Step.DONE: "Say good-bye."}
    >>> print(diagram(Greeter()), end="")
    stateDiagram-v2
        state "name" as s0
        state "done" as s1
        [*] --> s0
        s0 --> s1 : save_name
        s1 --> [*]
    """
    routes = _routes(agent)
    if not routes:
        return _text(["stateDiagram-v2", *_drawn(agent, "s")])
    shown = list({id(to): to for to in (agent, *routes.values()) if to is not None}.values())
    ids = {id(each): f"j{at}" for at, each in enumerate(shown)}
    lines = ["stateDiagram-v2"]
    for each in shown:
        lines += [f'    state "{_plain(each.key)}" as {ids[id(each)]} {{']
        between = routes if each is agent else [REROUTE]
        lines += [f"    {line}" for line in _drawn(each, f"{ids[id(each)]}s", left_out=between)]
        lines += ["    }"]
    lines.append("    [*] --> j0")
    lines += [f"    j0 --> {ids[id(to)]} : {_plain(name)}" for name, to in routes.items() if to is not None]
    lines += [f"    {ids[id(each)]} --> j0 : {REROUTE}" for each in shown[1:]]
    return _text(lines)


def _routes(agent: Shown) -> dict[str, Shown | None]:
    """Return the agent that each routing tool leads to, None where there is none."""
    router = agent.router
    if router is None:
        return {}
    found = {name: agent.journeys.get(router.resolve_tool_call(name)) for name in router.route_names}
    return {name: to if is_agent(to) else None for name, to in found.items()}


def is_agent(to: object) -> TypeGuard[Shown]:
    """Say whether this is an agent, and not a class of one or nothing."""
    return not isinstance(to, type) and hasattr(to, "get_initial_state")


def _drawn(agent: Shown, prefix: str, left_out: Container[str] = ()) -> list[str]:
    """Return the lines that draw one journey; `prefix` begins the ids of its steps."""
    declared, steps = agent.declared_tools, _steps(agent)
    ids = {step.name: f"{prefix}{at}" for at, step in enumerate(steps)}
    lines = [f'    state "{_plain(name)}" as {id_}' for name, id_ in ids.items()]
    first = ids.get(step_of(agent.get_initial_state()))
    lines += [] if first is None else [f"    [*] --> {first}"]
    for step in steps:
        for tool in step.tools:
            to = [ids[name] for name in _leads_to(tool, declared) or () if name in ids]
            lines += [f"    {ids[step.name]} --> {id_} : {_plain(tool)}" for id_ in to]
            if not to and tool not in left_out:
                lines.append(f"    {ids[step.name]} : {_plain(tool)}")
        if step.end:
            lines.append(f"    {ids[step.name]} --> [*]")
    return lines


def check_journey(agent: Shown) -> list[str]:
    """Return what in the journey cannot work, a sentence each; an empty list where nothing is to be seen.

    >>> import msgspec
    >>> from agent_runtime_framework import BaseJourneyTools, JourneyAgent, check_journey, tool
    >>> class State(msgspec.Struct):
    ...     step: str = "name"
    >>> class Tools(BaseJourneyTools[State]):
    ...     @tool(steps="name", to="done")
    ...     async def save_name(self, name: str) -> str:
    ...         return "Saved."
    >>> class Greeter(JourneyAgent[State, Tools, str]):
    ...     key, prompts = "greeter", {"name": "Ask for the name.", "done": ""}
    >>> check_journey(Greeter())
    ["step 'done' has no prompt", "step 'done' has no way out: it is not the end, and no tool is offered there"]
    """
    routes = _routes(agent)
    found = _checked(agent)
    offered = {tool for step in _steps(agent) for tool in step.tools}
    for name, to in routes.items():
        if to is None:
            found.append(f"route {name!r} leads to no agent: `journeys` needs one for it, such as MyAgent()")
        if name not in offered:
            found.append(f"route {name!r} is offered in no step")
    if REROUTE in routes:
        found.append(f"a route is named {REROUTE!r}, the tool that leads back: rename it")
    both = clashes([*routes, REROUTE], agent.declared_tools) if routes else []
    found += [f"a tool and a route are named {name!r}: give one another name" for name in both]
    led_to = [] if agent.router is None else agent.router.journeys
    found += [f"no route leads to journey {journey!r}" for journey in agent.journeys if journey not in led_to]
    others = list({id(to): to for to in agent.journeys.values() if is_agent(to)}.values())
    for key, times in Counter([agent.key, *(to.key for to in others)]).items():
        if times > 1:
            found.append(f"{times} journeys have the key {key!r}; give each its own")
    for to in others:
        if routes and REROUTE in to.declared_tools:
            found.append(f"journey {to.key!r} has a tool named {REROUTE!r}, which leads back: give it another name")
        if to.router is not None:
            found.append(f"journey {to.key!r} has a router itself, but only {agent.key!r}, the first, can route")
        found += [f"journey {to.key!r}: {problem}" for problem in _checked(to, leads_back=bool(routes))]
    return found


def _checked(agent: Shown, *, leads_back: bool = False) -> list[str]:
    declared, steps = agent.declared_tools, _steps(agent)
    found = [problem for step in steps for problem in _problems(step, declared, leads_back=leads_back)]
    try:
        check_token(agent.key, "agent key")
    except InvalidInput as error:
        found.append(str(error))
    if isinstance(getattr(agent.get_initial_state(), "step", None), Enum):
        known = [step.name for step in steps]
        for name, tool in declared.items():
            for verb, named in (("is for", tool.steps), ("leads to", tool.to)):
                found += [
                    f"tool {name!r} {verb} step {step!r}, which does not exist; there are {', '.join(known)}"
                    for step in named or ()
                    if step not in known
                ]
    return found


def _problems(step: _Step, declared: Mapping[str, DeclaredTool], *, leads_back: bool) -> Iterator[str]:
    where = f"step {step.name!r}"
    for asked, error in step.raised.items():
        yield f"{where}: {asked} raised {error}"
    if not step.prompt and "get_system_prompt" not in step.raised:
        yield f"{where} has no prompt"
    for tool, times in Counter(step.tools).items():
        if times > 1:
            yield f"{where} has {times} tools named {tool!r}"
        if wrong_name(tool):
            yield f"{where}: {wrong_name(tool)}"
    if step.end or leads_back or "get_tool_schemas" in step.raised or "is_terminal_state" in step.raised:
        return
    if not step.tools:
        yield f"{where} has no way out: it is not the end, and no tool is offered there"
    elif all(_leads_to(tool, declared) == (step.name,) for tool in step.tools):
        yield f"{where} has no way out: it is not the end, and each of its tools leads back to it"


def _leads_to(tool: str, declared: Mapping[str, DeclaredTool]) -> tuple[str, ...] | None:
    known = declared.get(tool)
    return None if known is None else known.to


def _steps(agent: Shown) -> list[_Step]:
    return [_look(agent, step) for step in steps_of(agent)]


def steps_of(agent: Shown) -> list[Any]:
    """Return the journey's steps: all of an Enum; else the first one, and those that tools are declared with."""
    first = getattr(agent.get_initial_state(), "step", None)
    if isinstance(first, Enum):
        return list(type(first))
    named = [step_text("" if first is None else first)]
    for tool in agent.declared_tools.values():
        named += [*(tool.steps or ()), *(tool.to or ())]
    return list(dict.fromkeys(named))


def _look(agent: Shown, step: Any) -> _Step:
    raised: dict[str, str] = {}

    def ask(asked: Callable[[Any], Any], otherwise: Any) -> Any:
        try:
            return asked(moved(agent, step))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  author code may raise anything, in a step that it never meets like this
            raised[asked.__name__] = f"{type(error).__name__}: {error}"
            return otherwise

    prompt = ask(agent.get_system_prompt, "")
    tools = [schema.name for schema in ask(agent.get_tool_schemas, [])]
    end = bool(ask(agent.is_terminal_state, False))  # noqa: FBT003
    return _Step(step_text(step), prompt, tools, end, raised)


def moved(agent: Shown, step: Any) -> Any:
    """Return the initial state, moved to a step; a new one each time, since author code may change or share it."""
    return at_step(deepcopy(agent.get_initial_state()), step)


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Return a text that Mermaid takes as it stands."""
    return " ".join(text.replace('"', "'").replace(":", " ").split()) or "(none)"
