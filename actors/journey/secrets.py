"""Secrets: which texts of a state or of a tool's arguments are marked, and where these stand in plain data.

What is marked is replaced by a token wherever it would be recorded, and the token by the value again wherever an
author's code is given it.  Both go by the same marks, so a token that stands anywhere else is never opened.

Nothing is guessed in favour of recording: where data has another shape than its annotations say, such as a text in
place of a record with a marked field, all of it is sealed there.  The empty text and null are no secrets.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Protocol, TypeAlias, Union, get_args, get_origin

import msgspec

from ...events import InvalidInput
from .fields import annotations, is_record, record_fields
from .serializer import COLLECTIONS, MAPPINGS, ByAnnotation

PREFIX = "secret:v1:"
"""A token begins so."""

TOKEN = re.compile(re.escape(PREFIX) + "[A-Za-z0-9_-]+")

UNDECLARED = "(undeclared)"
"""Under this name stands all that was given under names that nobody declared, sealed as one."""

_AS_JSON = "\0"
"""What is sealed and is no text is sealed as JSON after this."""

_TOKEN_IN_JSON = re.compile(f'"({TOKEN.pattern})"'.encode())
_encoder = msgspec.json.Encoder(order="sorted")


class Secret:
    """Marks a text that is never to be recorded in clear, in a state's annotations and in the hints of a tool.

    In its place the log has a token, which only the runtime can open: the tools are given the value itself.

    >>> import asyncio
    >>> from dataclasses import dataclass
    >>> from typing import Annotated
    >>> from agent_runtime_framework import AgentContext, BaseJourneyTools, JourneyAgent, secret, tool
    >>> from agent_runtime_framework.testing import ScriptedLLM, calls
    >>> @dataclass
    ... class State:
    ...     step: str = "login"
    ...     password: Annotated[str, secret] = ""
    >>> class Tools(BaseJourneyTools[State]):
    ...     @tool
    ...     async def log_in(self, password: Annotated[str, secret]) -> str:
    ...         self.state.password = password
    ...         return f"{password} has {len(password)} characters."
    >>> class Agent(JourneyAgent[State, Tools, str]):
    ...     key, prompts = "login", {"login": "Log the user in."}
    >>> with ScriptedLLM(calls(("log_in", {"password": "hunter2"})), "You are in.") as llm:
    ...     said = [{"role": "user", "content": "Log me in."}]
    ...     result = asyncio.run(Agent(llm).run(AgentContext("run-1", "c-1", said)))
    >>> result.messages[1].content
    '(secret) has 7 characters.'
    >>> result.state["password"].startswith("secret:v1:")
    True

    """

    __name__ = "secret"

    def __repr__(self) -> str:
        return "secret"


secret = Secret()


class Secrets(Protocol):
    """Seals texts, each for one conversation: the same text there gives the same token."""

    def seal(self, conversation: str, text: str) -> str:
        """Return the token of a text; one that is a token of this conversation already stays as it is."""

    def open(self, conversation: str, token: str) -> str:
        """Return the text of a token; one that is none of this conversation, or has no key here, stays as it is."""


class Marks:
    """Says what is marked at one place in plain data, and at those in it."""

    def __init__(self) -> None:
        self.text = False
        self.records: list[_Record] = []
        self.items: list[Marks] = []
        self.values: list[Marks] = []

    def inner(self) -> Iterator["Marks"]:
        """Yield the marks of the places in this one."""
        yield from (*self.items, *self.values)
        for record in self.records:
            yield from record.fields.values()


class _Record:
    """Is the marks of an object's fields; a `closed` one has no field that is not named."""

    def __init__(self, *, closed: bool) -> None:
        self.names: set[str] = set()
        self.fields: dict[str, Marks] = {}
        self.closed = closed


Turn: TypeAlias = Callable[[Any], Any]
"""Makes something else of what stands at a marked place."""


def marks_of(annotation: Any, where: str) -> Marks | None:
    """Return what is marked in the values of a type, None for nothing; `where` says in errors what has that type.

    Raises:
        TypeError: what is marked is no text, or the key of a dict.

    """
    marks = _Finder().find(annotation, where)
    return marks if _prune(marks) else None


def marks_in(cls: type) -> Marks | None:
    """Return what is marked in the objects of a class, None for nothing; raises as `marks_of`."""
    return _marks_in(cls)


@cache
def _marks_in(cls: type) -> Marks | None:
    return marks_of(cls, cls.__name__)


def of_arguments(given: Mapping[str, Marks | None]) -> Marks | None:
    """Return what is marked in the arguments of a call, None for nothing."""
    if not any(given.values()):
        return None
    record = _Record(closed=True)
    record.names.update(given)
    record.fields.update({name: marks for name, marks in given.items() if marks is not None})
    marks = Marks()
    marks.records.append(record)
    return marks


def of_text() -> Marks:
    """Return the marks of a text that is marked."""
    marks = Marks()
    marks.text = True
    return marks


def sealed(marks: Marks, value: Any, seal: Callable[[str], str], *, strict: bool = False) -> Any:
    """Return plain data with tokens at the marked places; a strict one seals what is not declared, too."""
    rest = (lambda given: sealed_rest(given, seal)) if strict else None
    return _at([marks], value, lambda found: sealed_whole(found, seal), rest)


def opened(marks: Marks, value: Any, open_: Callable[[str], str], *, strict: bool = False) -> Any:
    """Return plain data with what was sealed at the marked places."""
    rest = (lambda given: _opened_rest(given, open_)) if strict else None
    return _at([marks], value, lambda found: _opened(found, open_), rest)


def sealed_rest(given: Mapping[str, Any], seal: Callable[[str], str]) -> dict[str, Any]:
    """Return what was given under names that nobody declared as one token; it has a name of its own."""
    if all(map(_is_no_secret, given.values())):
        return dict(given)
    token = given.get(UNDECLARED) if len(given) == 1 else None  # a call that a model has seen sealed, and repeats
    if isinstance(token, str) and TOKEN.fullmatch(token):
        return {UNDECLARED: seal(token)}
    return {UNDECLARED: sealed_whole(dict(given), seal)}


def sealed_whole(value: Any, seal: Callable[[str], str]) -> Any:
    """Return a token for all of a value; what is no text is made one of."""
    if _is_no_secret(value):
        return value
    if isinstance(value, str) and not value.startswith(_AS_JSON):
        return seal(value)
    return seal(_AS_JSON + _encoder.encode(value).decode())


def texts_of(opened_token: str) -> Iterator[str]:
    """Yield the texts that a token stands for, once it is open: itself, or those in what was sealed as JSON."""
    if opened_token.startswith(_AS_JSON):
        yield from _texts_in(msgspec.json.decode(opened_token[1:]))
    else:
        yield opened_token


def tokens_in(fields: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the tokens in the fields of a state."""
    for value in fields.values():
        yield from (found.decode() for found in _TOKEN_IN_JSON.findall(value))


def tokens_among(value: Any) -> Iterator[str]:
    """Yield the tokens in plain data."""
    if isinstance(value, str):
        if TOKEN.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tokens_among(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tokens_among(item)


def _opened(value: Any, open_: Callable[[str], str]) -> Any:
    if not isinstance(value, str) or not value.startswith(PREFIX):
        return value
    text = open_(value)
    return msgspec.json.decode(text[1:]) if text.startswith(_AS_JSON) else text


def _opened_rest(given: Mapping[str, Any], open_: Callable[[str], str]) -> dict[str, Any]:
    found = {name: _opened(value, open_) for name, value in given.items()}  # each was sealed by itself once
    rest = found.pop(UNDECLARED, None)
    if isinstance(rest, dict):
        return {**found, **rest}
    return found if rest is None else {**found, UNDECLARED: rest}


def _is_no_secret(value: Any) -> bool:
    return value is None or isinstance(value, bool) or (isinstance(value, str) and not value)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)
    elif not _is_no_secret(value):
        yield value if isinstance(value, str) else _encoder.encode(value).decode()


def _at(places: list[Marks], value: Any, turn: Turn, rest: Turn | None) -> Any:
    """Return a value with what is marked turned into something else; `places` say what may be marked here.

    `rest`, if it is given, does so to what stands under names that nobody declared.
    """
    if _is_no_secret(value):
        return value
    if not any(place.text for place in places):
        records = [record for place in places for record in place.records]
        values = [marks for place in places for marks in place.values]
        items = [marks for place in places for marks in place.items]
        if isinstance(value, Mapping) and (records or values):
            return _in_record(value, records, values, turn, rest)
        if isinstance(value, list | tuple) and items:
            return [_at(items, item, turn, rest) for item in value]
    return turn(value)


def _in_record(
    value: Mapping[str, Any], records: list[_Record], values: list[Marks], turn: Turn, rest: Turn | None
) -> dict[str, Any]:
    made, undeclared = dict[str, Any](), dict[str, Any]()
    for name, item in value.items():
        marked = [record.fields[name] for record in records if name in record.fields]
        if marked or values:
            made[name] = _at([*marked, *values], item, turn, rest)
        elif rest and records and not any(name in record.names or not record.closed for record in records):
            undeclared[name] = item
        else:
            made[name] = item
    return made if rest is None or not undeclared else {**made, **rest(undeclared)}


# --- finding the marks


class _Finder:
    """Finds what is marked; a class is looked at once, since it may contain itself."""

    def __init__(self) -> None:
        self._known: dict[type, _Record] = {}

    def find(self, annotation: Any, where: str) -> Marks:
        marks = Marks()
        self._into(marks, annotation, where, marked=False)
        return marks

    def _into(self, marks: Marks, annotation: Any, where: str, *, marked: bool) -> None:
        kind, inner = get_origin(annotation) or annotation, get_args(annotation)
        meant = getattr(annotation, "__value__", getattr(annotation, "__supertype__", None))
        if kind is Annotated:
            marked = marked or any(isinstance(note, Secret) for note in annotation.__metadata__)
            self._into(marks, inner[0], where, marked=marked)
        elif meant is not None and not isinstance(annotation, type):  # `type Name = ...`, or a NewType
            self._into(marks, meant, where, marked=marked)
        elif kind in (Union, UnionType):
            for arm in inner:
                if arm is not NoneType:
                    self._into(marks, arm, where, marked=marked)
        elif marked:
            if not (isinstance(annotation, type) and issubclass(annotation, str)) or issubclass(annotation, Enum):
                told = annotation.__name__ if isinstance(annotation, type) else str(annotation)
                raise TypeError(
                    f"{where} is marked as secret and is a {told}: only texts can be, such as Annotated[str, secret]"
                )
            marks.text = True
        else:
            self._inside(marks, kind, inner, where)

    def _inside(self, marks: Marks, kind: Any, inner: tuple[Any, ...], where: str) -> None:
        if kind in COLLECTIONS and inner:
            items = Marks()
            for item in inner:
                self._into(items, item, where, marked=False)
            marks.items.append(items)
        elif kind in MAPPINGS and inner:
            if marks_of(inner[0], where):
                raise TypeError(f"{where} has keys that are marked as secret: only values can be")
            marks.values.append(self.find(inner[1], where))
        elif isinstance(kind, type) and kind.__module__ != "builtins" and not issubclass(kind, Enum):
            if any(marks_of(one, where) for one in inner):
                raise TypeError(
                    f"{where} has a mark in {kind.__name__}[...], where it is not found: name a class there"
                )
            record = self._record(kind)
            marks.records.append(record)
            if issubclass(kind, tuple) or (is_record(kind) and _is_array(kind)):
                marks.items.extend(record.fields.values())

    def _record(self, cls: type) -> _Record:
        if cls not in self._known:
            own = getattr(cls, "to_dict", None)
            declared = is_record(cls) and own in (None, ByAnnotation.to_dict)
            record = self._known[cls] = _Record(closed=declared)
            for name, annotation in _hints(cls, declared=declared).items():
                record.names.add(name)
                record.fields[name] = self.find(annotation, f"{cls.__name__}.{name}")
        return self._known[cls]


def _is_array(cls: type) -> bool:
    config = getattr(cls, "__struct_config__", None)
    return config is not None and bool(config.array_like)


def _hints(cls: type, *, declared: bool) -> dict[str, Any]:
    """Return the annotations of a class by the names that its fields have in JSON.

    Raises:
        InvalidInput: they cannot be read, and there seems to be a mark among them.

    """
    try:
        return {field.key: field.annotation for field in record_fields(cls)} if declared else annotations(cls)
    except InvalidInput:
        written = [text for owner in cls.__mro__ for text in inspect.get_annotations(owner).values()]
        if any("secret" in str(text) for text in written):
            raise
        return {}


def _prune(marks: Marks) -> bool:
    """Take out what leads to no mark, and say whether anything is left."""
    every, found = {id(marks): marks}, [marks]
    while found:
        for one in found.pop().inner():
            if id(one) not in every:
                every[id(one)] = one
                found.append(one)
    leading = {key for key, one in every.items() if one.text}
    while True:
        more = {
            key for key, one in every.items() if key not in leading and any(id(to) in leading for to in one.inner())
        }
        if not more:
            break
        leading |= more
    for one in every.values():
        one.items = [to for to in one.items if id(to) in leading]
        one.values = [to for to in one.values if id(to) in leading]
        for record in one.records:
            record.fields = {name: to for name, to in record.fields.items() if id(to) in leading}
        one.records = [record for record in one.records if record.fields]
    return id(marks) in leading
