"""A state's values as JSON, and back by their annotations.

Rules of this file:
  - Each value that is taken has one JSON form, from which its annotation makes it again.  Anything else is refused with
    the path to it (`cart[2].price`), never written as something that looks like it.
  - The same value has the same form in every process: a set becomes a list sorted by its elements' JSON.
  - Nothing that comes out is shared with what went in: lists and dicts are always new.
  - A class with its own `to_dict` and `from_dict` speaks for itself, wherever it stands.
  - Dataclasses and msgspec Structs are made through their constructors, field by field: unknown keys are ignored and
    missing ones take their defaults.
"""

import math
import re
from collections.abc import Collection, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from collections.abc import Set as AbstractSet
from copy import deepcopy
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, NoReturn, Self, TypeVar, Union, get_args, get_origin

import msgspec

from ...events import InvalidInput
from .fields import ABSENT, annotations, field_names, is_record, record_fields

T = TypeVar("T")
EnumT = TypeVar("EnumT", bound=Enum)

DEPTH_LIMIT = 100
"""Values nested deeper are refused; decoding them would exhaust the stack."""

WHOLE_NUMBER_BITS = 2048
"""Whole numbers are taken up to here; Python may refuse to read longer ones back from text."""

PATH_LIMIT = 400
"""A longer path is told by its two ends."""

COLLECTIONS: dict[Any, Any] = {
    **dict.fromkeys((list, Sequence, MutableSequence, Collection), list),
    **dict.fromkeys((set, AbstractSet, MutableSet), set),
    frozenset: frozenset,
    tuple: tuple,
}
_AS_THEY_ARE = (str, int, bool)
"""Values of these very types are what they were serialized to."""
_UNDER_A_SECOND = re.compile(r"([+-])00:00:00\.(\d{6})$", re.ASCII)
MAPPINGS = (dict, Mapping, MutableMapping)


class StateSerializer:
    """Turns values of a state into JSON-like ones: None, bool, int, float, str, list, dict.

    >>> from decimal import Decimal
    >>> from agent_runtime_framework import StateSerializer
    >>> StateSerializer.serialize({"price": Decimal("9.90"), "tags": {"new", "blue"}})
    {'price': '9.90', 'tags': ['blue', 'new']}
    """

    @staticmethod
    def serialize(value: Any, path: str = "") -> Any:
        """Return a new JSON-like value; `path` says in errors where `value` stands.

        An Enum member gives its value; UUID, Decimal, date, time and datetime text (ISO for the last three), a
        timedelta its ISO duration, bytes base64; tuples and sets a list; a mapping a dict with text keys; an object
        with `to_dict` what that returns, else a dataclass or msgspec Struct a dict of its fields.  A datetime keeps its
        offset, not the name of its zone.

        Raises:
            InvalidInput: a value has no JSON form, or contains itself; the message names the path to it.

        """
        return _serialize(value, path, ())

    @staticmethod
    def deserialize_enum(value: Any, cls: type[EnumT]) -> EnumT:
        """Return the member of `cls` that `value` is, or that `value` is the serialized form of.

        Raises:
            ValueError: there is no such member.

        """
        try:
            return cls(value)
        except ValueError:
            for member in cls:
                if _has_form(member, value):
                    return member
            raise


class ByAnnotation:
    """Derives `to_dict` and `from_dict` from a class's annotations; a class that writes one of them has its own."""

    def to_dict(self) -> dict[str, Any]:
        """Return the declared fields as a JSON-like dict.

        Raises:
            InvalidInput: a value has no JSON form; the message names the path to it.

        """
        return write_fields(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Make one from what `to_dict` returned; unknown keys are ignored, missing ones take their defaults.

        Raises:
            InvalidInput: a value does not fit its annotation, or one without default is missing.

        """
        return read_fields(cls, data)


def write_fields(value: Any) -> dict[str, Any]:
    """Return the declared fields of an object as a JSON-like dict, whether or not it has a `to_dict`."""
    fields = _fields(value, "", (id(value),))
    if not isinstance(fields, dict):
        raise InvalidInput(f"a {type(value).__name__} is array_like; a state needs the names of its fields")
    return fields


def read_fields(cls: type[T], data: Any, path: str = "") -> T:
    """Make an object of `cls` from its serialized fields, whether or not it has a `from_dict`.

    Raises:
        InvalidInput: a value does not fit its annotation, or one without default is missing; the message names it.

    """
    try:
        return _read_fields(cls, data, path)
    except RecursionError as error:
        raise InvalidInput(f"{_where(path)} is nested too deep, or contains itself") from error


def _read_fields(cls: type[T], data: Any, path: str) -> T:
    if not isinstance(data, Mapping):
        _refuse(path, f"is a {type(data).__name__}; a {cls.__name__} is read from a dict")
    if not is_record(cls):
        return _read_attributes(cls, data, path)
    given: dict[str, Any] = {}
    later: dict[str, Any] = {}
    for field in record_fields(cls):  # type: ignore[arg-type]  # it has a hash
        place = join(path, field.key)
        if field.key in data:
            value = data[field.key]
            # `name: str = None` says that None is meant as well
            value = None if value is None and field.default is None else deserialize(field.annotation, value, place)
            (given if field.init else later)[field.name] = value
        elif field.required:
            _refuse(place, f"is missing, and {cls.__name__} has no default for it")
        elif field.init and field.default is not ABSENT:
            given[field.name] = deepcopy(field.default)
    made = cls(**given)
    for name, value in later.items():
        object.__setattr__(made, name, value)
    return made


def deserialize(annotation: Any, value: Any, path: str = "") -> Any:
    """Make what `annotation` says from its serialized form; `path` says in errors where `value` stands.

    Raises:
        InvalidInput: the value does not fit; the message names the path to it.

    """
    if type(value) is annotation and annotation in _AS_THEY_ARE:
        return value
    kind, inner = get_origin(annotation) or annotation, get_args(annotation)
    if kind is Annotated:
        if isinstance(inner[0], type) and not _is_object(inner[0]) and not issubclass(inner[0], Enum):
            _convert(annotation, value, path)  # for the limits that msgspec.Meta sets
        return deserialize(inner[0], value, path)
    if kind in (Union, UnionType):
        return _read_union(annotation, value, path)
    if kind in COLLECTIONS and inner and _is_list(value):
        return _read_collection(annotation, value, path)
    if kind in MAPPINGS and inner and isinstance(value, Mapping):
        keys = _convert(dict[inner[0], None], dict.fromkeys(value), path)  # type: ignore[valid-type]
        items = [deserialize(inner[1], item, join(path, str(key))) for key, item in value.items()]
        return dict(zip(keys, items, strict=True))
    return _read_class(annotation, value, path) if isinstance(annotation, type) else _convert(annotation, value, path)


def join(path: str, name: str) -> str:
    """Return the path of the field `name` of what stands at `path`."""
    return f"{path}.{name}" if path else name


def _has_form(member: Enum, form: Any) -> bool:
    try:
        return bool(_serialize(member, "", ()) == form)
    except InvalidInput:
        return False  # what has no form is nobody's


def _serialize(value: Any, path: str, around: tuple[int, ...]) -> Any:
    """Serialize; `around` are the ids of the values that this one stands in."""
    if type(value) is str and value.isascii():
        return value
    match value:
        case None | bool():
            return value
        case Enum():
            return _serialize(value.value, path, around)
        case str():
            return _text(value, path)
        case int():
            if value.bit_length() > WHOLE_NUMBER_BITS:
                _refuse(path, f"is a whole number of more than {WHOLE_NUMBER_BITS} bits")
            return int(value)
        case float():
            if not math.isfinite(value):
                _refuse(path, f"is {float(value)!r}, which JSON cannot hold; use None or a text")
            return float(value)
        case date() | time():
            return value.isoformat()
        case _:
            return _compound(value, path, around)


def _compound(value: Any, path: str, around: tuple[int, ...]) -> Any:
    if id(value) in around:
        _refuse(path, f"is a {type(value).__name__} that contains itself")
    if len(around) == DEPTH_LIMIT:
        _refuse(path, f"is nested deeper than {DEPTH_LIMIT} levels")
    around = (*around, id(value))
    own = getattr(type(value), "to_dict", None)
    if own is ByAnnotation.to_dict or (own is None and is_record(type(value))):
        return _fields(value, path, around)
    if own is not None:
        return _serialize(_own_form(value, path), path, around)
    match value:
        case Mapping():
            return _mapping(value, path, around)
        case list() | tuple():
            return [_serialize(item, f"{path}[{index}]", around) for index, item in enumerate(value)]
        case AbstractSet():
            return sorted((_serialize(item, f"{path}[*]", around) for item in value), key=msgspec.json.encode)
        case _:
            return _scalar(value, path)


def _own_form(value: Any, path: str) -> Any:
    try:
        return value.to_dict()
    except InvalidInput as error:
        raise InvalidInput(f"{_where(path)} holds a {type(value).__name__}: {error}") from error


def _fields(value: Any, path: str, around: tuple[int, ...]) -> dict[str, Any] | list[Any]:
    cls = type(value)
    names = field_names(cls)
    if not is_record(cls):
        for name in getattr(value, "__dict__", ()):
            if name not in names and not name.startswith("_") and not hasattr(cls, name):
                _refuse(join(path, name), f"is not annotated in {cls.__name__}, so it would be lost: annotate it")
    items = ((key, getattr(value, name, msgspec.UNSET)) for name, key in names.items())
    fields = {key: _serialize(item, join(path, key), around) for key, item in items if item is not msgspec.UNSET}
    config = getattr(value, "__struct_config__", None)
    if config is not None and config.tag is not None:
        fields = {config.tag_field: config.tag, **fields}
    return list(fields.values()) if config is not None and config.array_like else fields


def _mapping(value: Mapping[Any, Any], path: str, around: tuple[int, ...]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in value.items():
        name = _key(key, path)
        if name in result:
            _refuse(path, f"has two keys that are both {name!r} in JSON")
        result[name] = _serialize(item, join(path, name), around)
    return result


def _key(key: Any, path: str) -> str:
    try:
        name = _serialize(key, "", ())
    except InvalidInput as error:
        raise InvalidInput(f"{_where(path)} has a key that JSON cannot hold: {error}") from error
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        kind = type(key).__name__
        _refuse(path, f"has a key of type {kind}; keys are texts, whole numbers, Enum members, UUIDs or dates")
    return str(name)


def _scalar(value: Any, path: str) -> str:
    try:
        text = msgspec.to_builtins(value)
    except TypeError:
        text = None
    if not isinstance(text, str):
        kind = f"the class {value.__name__}" if isinstance(value, type) else f"an object of type {type(value).__name__}"
        _refuse(path, f"holds {kind}, which has no JSON form: give it to_dict and from_dict, or leave it out")
    return text


def _text(value: str, path: str) -> str:
    try:
        str.encode(value)
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{_where(path)} is text that is not valid Unicode: {error}") from error
    return str.__str__(value)


def _where(path: str) -> str:
    if len(path) > PATH_LIMIT:
        path = f"{path[: PATH_LIMIT // 2]} ... {path[-PATH_LIMIT // 2 :]}"
    return f"state field {path!r}" if path else "the value"


def _refuse(path: str, what: str) -> NoReturn:
    raise InvalidInput(f"{_where(path)} {what}")


def _is_object(kind: Any) -> bool:
    return isinstance(kind, type) and (is_record(kind) or hasattr(kind, "from_dict"))


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset))


def _read_attributes(cls: type[T], data: Mapping[str, Any], path: str) -> T:
    made = cls()
    for name, annotation in annotations(cls).items():  # type: ignore[arg-type]  # it has a hash
        if name in data:
            setattr(made, name, deserialize(annotation, data[name], join(path, name)))
        elif hasattr(made, name):
            setattr(made, name, deepcopy(getattr(made, name)))
    return made


def _read_class(cls: type, value: Any, path: str) -> Any:
    try:
        if issubclass(cls, Enum):
            return StateSerializer.deserialize_enum(value, cls)
        if cls in {date, datetime, time} and isinstance(value, str):
            return _read_moment(cls, value)
    except ValueError as error:
        raise InvalidInput(f"{_where(path)} does not fit its annotation: {error}") from error
    own = getattr(cls, "from_dict", None)
    if own is not None and getattr(own, "__func__", None) is not ByAnnotation.from_dict.__func__:  # type: ignore[attr-defined]
        try:
            return own(value)
        except InvalidInput as error:
            raise InvalidInput(f"{_where(path)} is not a {cls.__name__}: {error}") from error
    if own is not None or (is_record(cls) and isinstance(value, Mapping)):
        return read_fields(cls, value, path)
    if cls is float and type(value) is int:
        return value  # `price: float = 0` stays the 0 that it was, so that reading alone never changes a state
    return _convert(cls, value, path)


def _read_moment(cls: Any, text: str) -> Any:
    made = cls.fromisoformat(text)  # msgspec takes no offset with seconds
    offset = _UNDER_A_SECOND.search(text)  # fromisoformat reads these as UTC (python/cpython#152079)
    return made if offset is None else made.replace(tzinfo=timezone(timedelta(microseconds=int(offset[1] + offset[2]))))


def _read_union(annotation: Any, value: Any, path: str) -> Any:
    """Make the arm of a union that has the JSON type of `value`; among several, the one that msgspec finds."""
    if value is None and NoneType in get_args(annotation):
        return None
    arms = [arm for arm in get_args(annotation) if arm is not NoneType]
    if float in arms and type(value) is int:
        return value
    shape = dict if isinstance(value, Mapping) else list if _is_list(value) else None
    arms = [arm for arm in arms if _shape(get_origin(arm) or arm) is shape] or arms
    return deserialize(arms[0], value, path) if len(arms) == 1 else _convert(Union[tuple(arms)], value, path)  # noqa: UP007


def _shape(kind: Any) -> type | None:
    return dict if kind in MAPPINGS or _is_object(kind) else list if kind in COLLECTIONS else None


def _read_collection(annotation: Any, value: Collection[Any], path: str) -> Any:
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind is not tuple or inner[-1] is Ellipsis:
        inner = (inner[0],) * len(value)
    elif len(inner) != len(value):
        return _convert(annotation, value, path)
    pairs = enumerate(zip(inner, value, strict=True))
    return COLLECTIONS[kind](deserialize(each, item, f"{path}[{index}]") for index, (each, item) in pairs)


def _convert(annotation: Any, value: Any, path: str) -> Any:
    try:
        return msgspec.convert(value, annotation, str_keys=True)
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidInput(f"{_where(path)} does not fit its annotation: {error}") from error
