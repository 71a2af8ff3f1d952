"""What a journey agent does where its author wrote no method for it: by its state class, its tools and its prompts."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from ...actors.journey import (
    BaseJourneyTools,
    StepPromptMapping,
    declared_tools,
    state_to_dict,
    step_of,
    step_text,
)
from ...events import InvalidInput

P = ParamSpec("P")
T = TypeVar("T")


def plain_or_async(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T] | T]:
    """Return an async method as one that an author may override with `async def` or `def`."""
    return method


def missing_pieces(
    written: Callable[[str], bool],
    state_class: type[Any] | None,
    tools_class: type[Any] | None,
    prompts: object,
    *,
    base: str,
    routes: bool,
) -> list[str]:
    """Return what an author has still to write, as commands; `written` says whether a method is the author's own.

    `base` is the class that an author subclasses; an agent that `routes` needs no tools of its own.

    Raises:
        TypeError: a declared tool has no schema.

    """
    missing = []
    if not written("get_initial_state"):
        missing += _unmade(state_class, base)
    if not written("get_system_prompt") and prompts is None:
        missing.append("set `prompts` to a dict from step to prompt, or write get_system_prompt")
    if not written("get_tool_schemas") or not written("create_tools"):
        missing += _toolless(tools_class, base, schemas=not written("get_tool_schemas") and not routes)
    if tools_class is not None:
        declared_tools(tools_class)  # what cannot be declared is said now
    return missing


def _unmade(state_class: type[Any] | None, base: str) -> list[str]:
    if state_class is None:
        return [f"name the state's class, {base}[State, Tools, Step], or write get_initial_state"]
    try:
        state_class()
    except TypeError as error:
        return [f"give each field of {state_class.__name__} a default, or write get_initial_state ({error})"]
    return []


def _toolless(tools_class: type[Any] | None, base: str, *, schemas: bool) -> list[str]:
    if tools_class is None or (schemas and tools_class is BaseJourneyTools):
        methods = "get_tool_schemas and create_tools" if schemas else "create_tools"
        return [f"name the tools' class, {base}[State, Tools, Step] or `tools_class`, or write {methods}"]
    if schemas and not declared_tools(tools_class):
        return [f"put @tool on the methods of {tools_class.__name__} that are tools, or write get_tool_schemas"]
    return []


def prompt_of(prompts: Mapping[Any, Any] | StepPromptMapping[Any], state: Any) -> str:
    """Return the prompt of the state's step; a template gets the state's fields as variables.

    Raises:
        InvalidInput: a dict has no prompt for the step.

    """
    mapping = prompts if isinstance(prompts, StepPromptMapping) else StepPromptMapping(dict(prompts))
    step = step_of(state)
    named = [key for key in mapping.prompts if step_text(key) == step]
    if not named and mapping is not prompts:
        raise InvalidInput(f"there is no prompt for step {step!r}: add it to `prompts`, or write get_system_prompt")
    key = named[-1] if named else step
    if type(mapping) is StepPromptMapping and isinstance(mapping.prompts.get(key, mapping.default), str):
        return mapping.get(key)  # only a template has variables
    return mapping.get(key, **state_to_dict(state))
