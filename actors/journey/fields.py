"""Which fields a class declares: a dataclass, a msgspec Struct, or a plain class with annotated attributes."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import structs

from ...events import InvalidInput

ABSENT: Any = object()
"""Stands for a default that is not there, since None is one."""


@dataclasses.dataclass(frozen=True)
class Field:
    """Is one field: `key` is its name in JSON; `init` says whether the constructor takes it."""

    name: str
    key: str
    annotation: Any
    default: Any
    required: bool
    init: bool = True


def is_record(cls: type) -> bool:
    """Say whether a class declares its fields itself: a dataclass or a msgspec Struct."""
    return hasattr(cls, "__dataclass_fields__") or issubclass(cls, msgspec.Struct)


def field_names(cls: type) -> Mapping[str, str]:
    """Return the names of the fields in JSON, by their names."""
    return _field_names(cls, is_record(cls))


@cache
def _field_names(cls: type, record: bool) -> Mapping[str, str]:
    if issubclass(cls, msgspec.Struct):
        return dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
    names = [field.name for field in dataclasses.fields(cls)] if record else annotations(cls)  # type: ignore[arg-type]
    return {name: name for name in names}


@cache
def record_fields(cls: type) -> tuple[Field, ...]:
    """Return the fields of a dataclass or Struct, with their annotations resolved.

    Raises:
        InvalidInput: an annotation names what is not defined.

    """
    return tuple(_struct_fields(cls) if issubclass(cls, msgspec.Struct) else _dataclass_fields(cls))


def _struct_fields(cls: type[msgspec.Struct]) -> Iterator[Field]:
    try:
        fields = structs.fields(cls)
    except NameError as error:
        raise _unreadable(cls, error) from error
    for field in fields:
        default = ABSENT if field.default is msgspec.NODEFAULT else field.default
        yield Field(field.name, field.encode_name, field.type, default, field.required)


def _dataclass_fields(cls: Any) -> Iterator[Field]:
    hints = annotations(cls)
    for field in dataclasses.fields(cls):
        default = ABSENT if field.default is dataclasses.MISSING else field.default
        required = field.init and default is ABSENT and field.default_factory is dataclasses.MISSING
        yield Field(field.name, field.name, hints[field.name], default, required, field.init)


@cache
def annotations(cls: type) -> dict[str, Any]:
    """Return the annotations of a class and its bases, with the type variables of generic bases filled in.

    Raises:
        InvalidInput: an annotation names what is not defined.

    """
    bound = _type_arguments(cls)
    hints: dict[str, Any] = {}
    for owner in reversed(cls.__mro__):
        own = inspect.get_annotations(owner)
        known = _resolved(owner) if own else {}
        hints |= {name: _filled(known[name], bound.get(owner, {})) for name in own}
    return {name: hint for name, hint in hints.items() if hint is not ClassVar and get_origin(hint) is not ClassVar}


def _type_arguments(cls: type) -> dict[Any, dict[Any, Any]]:
    """Return, for each generic base of a class, what its type variables stand for."""
    bound: dict[Any, dict[Any, Any]] = {}
    for owner in cls.__mro__:
        for base in owner.__dict__.get("__orig_bases__", ()):
            origin = get_origin(base)
            if origin not in (None, Generic):
                arguments = [_filled(argument, bound.get(owner, {})) for argument in get_args(base)]
                bound.setdefault(origin, dict(zip(origin.__parameters__, arguments, strict=False)))
    return bound


def _resolved(cls: type) -> dict[str, Any]:
    try:
        return get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise _unreadable(cls, error) from error


def _unreadable(cls: type, error: NameError) -> InvalidInput:
    return InvalidInput(
        f"the annotations of {cls.__name__} cannot be read ({error}): define what they name at the top of its module, "
        "or write to_dict and from_dict"
    )


def _filled(annotation: Any, bound: Mapping[Any, Any]) -> Any:
    if isinstance(annotation, TypeVar):
        return bound.get(annotation, Any)
    if not isinstance(annotation, type) and (parameters := getattr(annotation, "__parameters__", ())):
        return annotation[tuple(bound.get(parameter, Any) for parameter in parameters)]
    return annotation
