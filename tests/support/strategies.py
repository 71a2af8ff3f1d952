"""Hypothesis strategies for events and commands, made from the vocabulary itself."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st
from msgspec import Raw, structs

from agent_runtime_framework.actors import (
    AskModel,
    CancelTurn,
    EndTurn,
    FailTurn,
    HaltTurn,
    InterruptTurn,
    Open,
    RecordAnswer,
    RecordModelFailure,
    RecordToolFailure,
    RecordToolReturn,
    RefuseCommand,
    RefuseTool,
    ResumeTurn,
    RunTool,
    SayToAgent,
)
from agent_runtime_framework.events import KnownEvent
from agent_runtime_framework.projections import AssistantMessage, ToolMessage, calls_of, text_of

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(0, 12)
json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
json_object = st.dictionaries(text, json_value, max_size=3)
message = json_object | st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.none() | text},
    optional={
        "tool_calls": st.lists(json_value | json_object | st.builds(dict, name=text, arguments=json_value), max_size=3)
    },
)


def of_type(wanted: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a field's type."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return of_type(arguments[0])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        # an optional Raw that holds JSON's null is read back as None
        return st.one_of([of_type(argument) for argument in arguments]).filter(lambda value: value != Raw(b"null"))
    if origin is tuple:
        return st.lists(of_type(arguments[0]), max_size=2).map(tuple)
    if origin is dict and arguments[1] is Any:
        return json_object
    if origin is dict:
        return st.dictionaries(text, of_type(arguments[1]), max_size=3)
    if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
        return of_struct(wanted)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: text,
        int: numbers,
        bool: st.booleans(),
        type(None): st.none(),
        Raw: json_value.map(lambda value: Raw(msgspec.json.encode(value))),
        bytes: json_value.map(msgspec.json.encode),
        float: st.floats(allow_nan=False, allow_infinity=False),
    }
    return simple[wanted]


def of_struct(cls: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Return a strategy for a struct, its messages often being real ones."""
    fields = {field.name: message if field.name == "message" else of_type(field.type) for field in structs.fields(cls)}
    return st.fixed_dictionaries(fields).map(lambda values: cls(**values))


events: st.SearchStrategy[Any] = st.one_of([of_struct(cls) for cls in get_args(KnownEvent)])

commands: st.SearchStrategy[Any] = st.one_of(
    [
        of_struct(cls)
        for cls in (
            SayToAgent,
            CancelTurn,
            RecordAnswer,
            RecordModelFailure,
            RecordToolReturn,
            RecordToolFailure,
            ResumeTurn,
            RefuseCommand,
            FailTurn,
            Open,
            RunTool,
            RefuseTool,
            EndTurn,
            HaltTurn,
        )
    ]
    + [of_struct(SayToAgent).map(InterruptTurn)]
    + [st.builds(AskModel, prompt=text, tools=st.just("") | st.just('[{"function":{"name":"a"}}]'))]
)

answers = st.builds(lambda said, at: AssistantMessage(at, text_of(said), calls_of(said)), message, st.integers(1, 9))
"""Answers of a model, as a transcript has them."""

results = st.builds(ToolMessage, st.integers(1, 9), st.integers(1, 9), st.integers(0, 3), text)
"""Results of tools, which may belong to none of these."""
