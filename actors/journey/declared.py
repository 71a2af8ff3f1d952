"""Tools that are declared by their methods: `@tool`, and what a class of tools declares.

The decorator only marks a method.  Its schema is made when an agent first asks for it, from the hints and the docstring
that the method then has.  A subclass that overrides a declared method without `@tool` keeps its declaration, one that
writes it again replaces it, and `name = None` takes the tool away.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar, get_args, get_origin, overload

from ...events import Effect
from .arguments import Argument, arguments_of, convert
from .docstring import read_docstring
from .schemas import ToolParameter, ToolSchema, check_effect

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
T = TypeVar("T")

Steps: TypeAlias = Enum | str | Iterable[Enum | str]
"""One step, or several."""

_AS_THEY_ARE = (str, bool)
"""Values of these very types cannot be changed, so a copy may share them."""
_MARK = "__declared_tool__"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def wrong_name(tool: str) -> str:
    """Return why models do not take this name of a tool; empty if they do."""
    return "" if _NAME.fullmatch(tool) else f"{tool!r} cannot be a tool's name: use 1 to 64 of A-Z, a-z, 0-9, _ and -"


@dataclass(frozen=True)
class _Declaration:
    effect: Effect | None
    steps: tuple[str, ...] | None
    to: tuple[str, ...] | None
    name: str
    description: str | None


@dataclass(frozen=True)
class DeclaredTool:
    """Is one declared tool.

    Attributes:
        method: the name of the method that does it.
        steps: the steps that it is offered in; None for all.
        to: the steps that it may lead to, where that was declared; it is only for drawing and checking.
        arguments: its arguments by their names.

    """

    method: str
    steps: tuple[str, ...] | None
    to: tuple[str, ...] | None
    arguments: Mapping[str, Argument]
    _schema: ToolSchema

    @property
    def schema(self) -> ToolSchema:
        """What the model is told; a copy, so that changing it changes no other agent."""
        made = _alike(self._schema)
        made.parameters = [_copied(parameter) for parameter in made.parameters]
        return made

    def offered_in(self, step: str) -> bool:
        """Say whether the tool is there in a step."""
        return self.steps is None or step in self.steps

    def convert(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call as the method takes them.

        Raises:
            InvalidInput: they do not fit; the message is what the model is told.

        """
        return convert(self._schema.name, self.arguments, given)


@overload
def tool(function: FunctionT, /) -> FunctionT: ...
@overload
def tool(
    *,
    effect: Effect | None = None,
    steps: Steps | None = None,
    to: Steps | None = None,
    name: str | None = None,
    description: str | None = None,
) -> Callable[[FunctionT], FunctionT]: ...
def tool(
    function: Any = None,
    /,
    *,
    effect: Effect | None = None,
    steps: Steps | None = None,
    to: Steps | None = None,
    name: str | None = None,
    description: str | None = None,
) -> Any:
    """Declare a method of a `BaseJourneyTools` as a tool; its schema is made from its hints and its docstring.

    Arguments are checked and converted before the method is called; where they do not fit, the model is told why.

    Args:
        function: the method, where the decorator is used bare.
        effect: what repeating a call does, as in `ToolSchema`; undeclared counts as `once`.
        steps: the only steps in which it is offered and may run; without, in every step.
        to: the steps that it may lead to, which `arf diagram` draws.
        name: what the model calls it; the method's name unless given.
        description: what the model is told; what the docstring says before its sections unless given.

    Raises:
        TypeError: it is put on something that is not written with `def` or `async def`.
        ValueError: the effect, the name or the steps cannot be.

    >>> from dataclasses import dataclass
    >>> from typing import Literal
    >>> from agent_runtime_framework import BaseJourneyTools, tool
    >>> class Tools(BaseJourneyTools[object]):
    ...     @tool(effect="idempotent")
    ...     async def choose(self, plan: Literal["free", "pro"]) -> str:
    ...         '''Choose the plan.
    ...
    ...         Args:
    ...             plan: The plan that the user wants.
    ...         '''
    ...         return f"The {plan} plan it is."
    >>> declared_tools(Tools)["choose"].schema.parameters[0].to_schema()
    {'type': 'string', 'enum': ['free', 'pro'], 'description': 'The plan that the user wants.'}

    """

    def declare(marked: FunctionT) -> FunctionT:
        if not inspect.isfunction(marked):
            raise TypeError(
                f"@tool is for methods written with def or async def, not for {marked!r}; put it below others"
            )
        named = marked.__name__ if name is None else name
        if wrong_name(named):
            raise ValueError(wrong_name(named))
        checked = None if effect is None else check_effect(effect)
        setattr(marked, _MARK, _Declaration(checked, _steps(steps), _steps(to), named, description))
        return marked

    return declare if function is None else declare(function)


def declared_tools(cls: type) -> Mapping[str, DeclaredTool]:
    """Return the declared tools of a class by their names, in the order of their definition, a base's first.

    Raises:
        TypeError: a schema cannot be made of a method, or two tools have one name; the message says which.

    """
    return _declared_tools(cls)


@cache
def _declared_tools(cls: type) -> Mapping[str, DeclaredTool]:
    methods: dict[str, Callable[..., Any] | None] = {}
    for owner in reversed(cls.__mro__):
        for attribute, found in vars(owner).items():
            if hasattr(found, _MARK) or hasattr(getattr(found, "__func__", None), _MARK):
                if not inspect.isfunction(found):
                    raise TypeError(f"{cls.__name__}.{attribute} is a {type(found).__name__}; @tool is for methods")
                methods[attribute] = found
            elif attribute in methods and not inspect.isroutine(found):
                methods[attribute] = None
    tools: dict[str, DeclaredTool] = {}
    for attribute, method in methods.items():
        if method is None:
            continue
        made = _declared(attribute, method)
        name = made.schema.name
        if name in tools:
            raise TypeError(f"{cls.__name__} has two tools named {name!r}: {tools[name].method} and {attribute}")
        tools[name] = made
    return MappingProxyType(tools)


def step_text(step: Any) -> str:
    """Return a step as the log has it: an Enum member by its value."""
    return str(step.value if isinstance(step, Enum) else step)


def type_arguments(cls: type, generic: type) -> tuple[Any, ...]:
    """Return what a class gives for the type variables of a generic base of its; () if it gives nothing."""
    for base in cls.__dict__.get("__orig_bases__", cls.__bases__):
        origin = get_origin(base) or base
        if origin is generic:
            return get_args(base)
        if isinstance(origin, type) and issubclass(origin, generic):
            given = dict(zip(getattr(origin, "__parameters__", ()), get_args(base), strict=False))
            return tuple(given.get(argument, argument) for argument in type_arguments(origin, generic))
    return ()


def _declared(attribute: str, method: Callable[..., Any]) -> DeclaredTool:
    declaration: _Declaration = getattr(method, _MARK)
    text, described = read_docstring(method)
    arguments = arguments_of(method, described)
    schema = ToolSchema(
        declaration.name,
        text if declaration.description is None else declaration.description,
        [argument.parameter for argument in arguments.values()],
        effect=declaration.effect,
    )
    return DeclaredTool(attribute, declaration.steps, declaration.to, MappingProxyType(arguments), schema)


def _copied(parameter: ToolParameter) -> ToolParameter:
    """Return a copy that shares nothing which could be changed."""
    made = _alike(parameter)
    for name, value in vars(made).items():
        if value is not None and type(value) not in _AS_THEY_ARE:
            setattr(made, name, deepcopy(value))
    return made


def _alike(one: T) -> T:
    """Return a copy with the same attributes, without what `copy.copy` looks for first: it is made for each request."""
    made = object.__new__(type(one))
    vars(made).update(vars(one))
    return made


def _steps(steps: Steps | None) -> tuple[str, ...] | None:
    if steps is None:
        return None
    listed = (steps,) if isinstance(steps, (str, Enum)) else tuple(steps)
    if not listed:
        raise ValueError("the steps of a tool are empty; leave them out for a tool of every step")
    return tuple(step_text(step) for step in listed)
