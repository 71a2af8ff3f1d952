"""The arguments of a declared tool: their JSON Schema from its signature, and their check before each call.

Nothing is guessed: "5" is no number.  Every argument is checked on its own, so one refusal tells all that is wrong.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from ...events import InvalidInput
from ..sizes import REASON_LIMIT, cut, shown
from .schemas import ToolParameter
from .secrets import Marks, marks_of
from .serializer import StateSerializer

_JSON_TYPES: dict[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


@dataclass(frozen=True)
class Argument:
    """Is one argument: what a model is told about it, what its value becomes, and what in it is secret."""

    parameter: ToolParameter
    annotation: Any
    marks: Marks | None = None


def arguments_of(function: Callable[..., Any], described: Mapping[str, str]) -> dict[str, Argument]:
    """Return the arguments of a method after `self`; `described` says what its docstring tells of each.

    Raises:
        TypeError: a parameter has no annotation, cannot be given by name, or is of a type that JSON Schema cannot say.

    """
    where = function.__qualname__
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"the annotations of {where} cannot be read ({error}): define what they name at the top of its module"
        ) from error
    _, *parameters = inspect.signature(function).parameters.values()
    return {one.name: _argument(one, hints, described, f"{one.name!r} of {where}") for one in parameters}


def convert(tool: str, expected: Mapping[str, Argument], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call as its method takes them; those left out keep the method's own defaults.

    Raises:
        InvalidInput: they do not fit; the message is what the model is told.

    """
    problems = [f"there is no `{name}`; it takes {_listed(expected)}" for name in given if name not in expected]
    converted: dict[str, Any] = {}
    for name, argument in expected.items():
        if name in given:
            try:
                converted[name] = msgspec.convert(given[name], argument.annotation, str_keys=True)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  the constructor of an author's class may raise anything
                problems.append(_problem(name, argument.parameter, error))
        elif argument.parameter.required:
            problems.append(f"`{name}` is missing")
    if problems:
        # a model is not made to read again all that it wrote
        raise InvalidInput(cut(f"Error: the arguments of '{tool}' do not fit: {'; '.join(problems)}", REASON_LIMIT))
    return converted


def _argument(
    parameter: inspect.Parameter, hints: Mapping[str, Any], described: Mapping[str, str], where: str
) -> Argument:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise TypeError(f"parameter {where} cannot be given by name; a tool's parameters are given by name only")
    if parameter.name not in hints:
        raise TypeError(f"parameter {where} has no annotation, so a model cannot be told its type; write one")
    annotation, required = hints[parameter.name], parameter.default is parameter.empty
    default = None if required else parameter.default
    optional = not required and default is None
    try:
        schema = _schema(annotation)
        default = StateSerializer.serialize(default)
    except (TypeError, InvalidInput) as error:
        raise TypeError(f"parameter {where} cannot be told to a model: {error}") from error
    marks = marks_of(annotation, f"parameter {where}")
    made = ToolParameter(
        parameter.name,
        str(schema.get("type", "")),
        next(_texts(annotation), "") or described.get(parameter.name, ""),
        required,
        default=default,
        schema=_without_null(schema) if optional else schema,
        secret=marks is not None and marks.text,
    )
    # `name: str = None` says that None is meant as well
    return Argument(made, Union[annotation, None] if optional else annotation, marks)  # noqa: UP007


def _texts(annotation: Any) -> Iterator[str]:
    """Yield the descriptions in `Annotated[T, "text"]`, `Annotated[T, Meta(description=...)]` or an arm of a union."""
    if get_origin(annotation) is Annotated:
        for note in annotation.__metadata__:
            text = note.description if isinstance(note, msgspec.Meta) else note
            if isinstance(text, str):
                yield text
        yield from _texts(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for arm in get_args(annotation):
            yield from _texts(arm)


def _schema(annotation: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type with nothing referred to, since many providers do not follow references."""
    schema = msgspec.json.schema(annotation)
    definitions = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inlined(schema, definitions, ())
    return inlined


def _inlined(schema: Any, definitions: Mapping[str, Any], around: tuple[str, ...]) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, definitions, around) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix("#/$defs/")
        if name in around:
            raise TypeError(f"a {name} contains itself")
        own = {key: value for key, value in definitions[name].items() if key != "title"}
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _inlined({**own, **beside}, definitions, (*around, name))
    made = {key: _inlined(value, definitions, around) for key, value in schema.items()}
    values = made.get("enum")
    if isinstance(values, list) and "type" not in made and len({type(value) for value in values}) == 1:
        return {"type": _JSON_TYPES[type(values[0])], **made}
    return made


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without null: what is left out is None anyhow, and null only invites a model to send it."""
    arms = [arm for arm in schema.get("anyOf", ()) if arm != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if arms:
        return {**arms[0], **rest} if len(arms) == 1 else {"anyOf": arms, **rest}
    if None in schema.get("enum", ()):
        return _inlined({**schema, "enum": [value for value in schema["enum"] if value is not None]}, {}, ())  # type: ignore[no-any-return]
    return schema


def _problem(name: str, parameter: ToolParameter, error: BaseException) -> str:
    said = shown(error)
    what, inside, path = said.rpartition(" - at `$")
    if inside:
        return f"`{name}{path.removesuffix('`')}`: {what}"
    choices = (parameter.schema or {}).get("enum")
    return f"`{name}`: {said}" + (f"; use one of {_listed(choices)}" if choices else "")


def _listed(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values) or "nothing"
