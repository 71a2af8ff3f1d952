"""A journey's state: what an author declares, and how the loop reads it, whatever the author chose.

A state is an object of a class with `to_dict` and `from_dict`, or a dataclass, or a msgspec Struct.  The loop never
keeps one: it keeps the state's top-level fields as JSON bytes (`state_fields`), and makes a new object from them for
each piece of author code that wants one (`state_from_fields`).  So an object that somebody still holds changes nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from enum import Enum
from typing import Any, Generic, Self, TypeVar

import msgspec

from ...events import InvalidInput
from .fields import is_record
from .serializer import ByAnnotation, StateSerializer, read_fields, write_fields

T = TypeVar("T")
StateT = TypeVar("StateT")
StepT = TypeVar("StepT")


class BaseState(ABC):
    """Is anything that can be written to a dict and made from it again.

    >>> from agent_runtime_framework import BaseState
    >>> class Counter(BaseState):
    ...     def __init__(self, count=0):
    ...         self.count = count
    ...     def to_dict(self):
    ...         return {"count": self.count}
    ...     @classmethod
    ...     def from_dict(cls, data):
    ...         return cls(data["count"])
    >>> Counter(3).copy().count
    3
    """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the state as a dict; its values are those that `StateSerializer` takes."""

    @classmethod
    @abstractmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Make a state from what `to_dict` returned, after it went through JSON."""

    def copy(self) -> Self:
        """Return a state made from this one's dict; the two share nothing."""
        return type(self).from_dict(deepcopy(self.to_dict()))


class BaseJourneyState(ByAnnotation, BaseState, Generic[StepT]):
    """Is a state that knows its step; `to_dict` and `from_dict` follow from the annotations unless written by hand.

    >>> from dataclasses import dataclass, field
    >>> from enum import Enum
    >>> from agent_runtime_framework import BaseJourneyState
    >>> class Step(str, Enum):
    ...     SHOPPING = "shopping"
    ...     DONE = "done"
    >>> @dataclass
    ... class Shopping(BaseJourneyState[Step]):
    ...     step: Step = Step.SHOPPING
    ...     cart: list[str] = field(default_factory=list)
    ...     def is_complete(self):
    ...         return self.step == Step.DONE
    >>> Shopping(cart=["tea"]).to_dict()
    {'step': 'shopping', 'cart': ['tea']}
    >>> Shopping.from_dict({"step": "done"}).is_complete()
    True
    """

    step: StepT

    @abstractmethod
    def is_complete(self) -> bool:
        """Say whether the journey has reached its end."""

    def is_terminal(self) -> bool:
        """Say whether the state takes no more input; as long as nobody says otherwise, when it is complete."""
        return self.is_complete()

    def get_step(self) -> StepT:
        """Return the current step."""
        return self.step

    def set_step(self, step: StepT) -> None:
        """Go to a step."""
        self.step = step


def state_to_dict(state: object) -> dict[str, Any]:
    """Return the dict of any state object: by its `to_dict`, else from its annotations.

    Raises:
        InvalidInput: the object is no state, or its `to_dict` gives no dict.

    """
    own = getattr(state, "to_dict", None)
    if own is None and not is_record(type(state)):
        raise InvalidInput(
            f"an object of type {type(state).__name__} is no state: give its class to_dict and from_dict, or make it a "
            "dataclass"
        )
    data = write_fields(state) if own is None else own()
    if not isinstance(data, Mapping):
        raise InvalidInput(f"to_dict of {type(state).__name__} returned a {type(data).__name__}, not a dict")
    return dict(data)


def state_from_dict(cls: type[T], data: dict[str, Any]) -> T:
    """Make a state of any state class from its dict: by its `from_dict`, else from its annotations.

    Raises:
        InvalidInput: the class is no state's, or the data do not fit its annotations.

    """
    own = getattr(cls, "from_dict", None)
    if own is None and not is_record(cls):
        raise InvalidInput(f"{cls.__name__} is no state class: give it to_dict and from_dict, or make it a dataclass")
    made: T = read_fields(cls, data) if own is None else own(data)
    return made


def state_fields(state: object) -> dict[str, bytes]:
    """Return the top-level fields of any state object, each as JSON; what is returned can be read back.

    Raises:
        InvalidInput: a value has no JSON form, or does not fit its annotation, and the message names the path to it; or
            the author's own `to_dict` or `from_dict` raised, which is the cause.

    """
    try:
        data = state_to_dict(state)
        own = getattr(state, "to_dict", None)
        if own is not None and getattr(own, "__func__", None) is not ByAnnotation.to_dict:
            data = StateSerializer.serialize(data)  # what an author wrote may give anything
        fields = {field: msgspec.json.encode(value) for field, value in data.items()}
        # a value of a wrong type would be stored well and then never be read again; it fails now, where it was made
        state_from_fields(type(state), fields)
    except InvalidInput:
        raise
    except Exception as error:  # author code may raise anything
        raise InvalidInput(f"a {type(state).__name__} cannot be stored: {type(error).__name__}: {error}") from error
    return fields


def state_from_fields(cls: type[T], fields: Mapping[str, bytes]) -> T:
    """Make a state from what `state_fields` returned: a new object each time, which shares nothing with any other.

    Raises:
        InvalidInput: a field is not JSON, or does not fit its annotation; the message names it.

    """
    data: dict[str, Any] = {}
    for name, value in fields.items():
        try:
            data[name] = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(f"state field {name!r} is not JSON: {error}") from error
    return state_from_dict(cls, data)


def step_of(state: object) -> str:
    """Return the step of any state object as text: an Enum member's value; "" if it has none."""
    step = state.get_step() if isinstance(state, BaseJourneyState) else getattr(state, "step", None)
    if isinstance(step, Enum):
        step = step.value
    return "" if step is None else str(step)


def at_step(state: T, step: Any) -> T:
    """Return the state at another step: itself, moved, or a new one where it is frozen."""
    if getattr(state, "step", None) == step:
        return state
    try:
        state.step = step  # type: ignore[attr-defined]  # any state class may have one
    except (AttributeError, TypeError):
        return state_from_dict(type(state), {**state_to_dict(state), "step": getattr(step, "value", step)})
    return state


def is_complete(state: object) -> bool:
    """Say whether a state's journey has reached its end; False for a state that does not say."""
    own = getattr(state, "is_complete", None)
    return bool(own()) if callable(own) else False


def is_terminal(state: object) -> bool:
    """Say whether a state takes no more input: by its `is_terminal`, else when it is complete."""
    own = getattr(state, "is_terminal", None)
    return bool(own()) if callable(own) else is_complete(state)
