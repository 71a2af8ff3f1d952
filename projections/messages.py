"""Messages that are the caller's own, copied where they are looked at.

A model is given all that was said, and may change what it is given, so nothing of it is shared with anybody.  To copy
thousands of messages for each request costs milliseconds, of which most clients have no use: they look at a few, or
have the list encoded.  So a list holds messages that are kept for the next request, too, and cannot be changed, until
somebody takes one out of it: that one is copied then, and stands in its place.

Code in C that looks into a list without asking it, such as an encoder, finds what cannot be changed, of the same JSON.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, Self, SupportsIndex

Message = dict[str, Any]


class Kept(Message):
    """Is a dict that cannot be changed; its copies can."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this message is shared: change a copy, dict(message)")

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce_ex__(self, _protocol: SupportsIndex) -> Any:
        return dict, (dict(self),)


class KeptCalling(Kept):
    """Is the same for an answer with calls, which are a tuple of such dicts."""

    __slots__ = ()


def kept(message: Message) -> Kept | None:
    """Return a message as it can be kept; None where it has more than words and calls."""
    calls = message.get("tool_calls")
    if calls is not None:
        each = tuple(Kept({**call, "function": Kept(call["function"])}) for call in calls)
        return KeptCalling({**message, "tool_calls": each})
    return None if isinstance(message.get("content"), list | tuple) else Kept(message)


def _called(message: Message) -> Message:
    made = message.copy()
    made["tool_calls"] = calls = [call.copy() for call in made["tool_calls"]]
    for call in calls:
        call["function"] = call["function"].copy()
    return made


def _owned(messages: Iterable[Message]) -> list[Message]:
    return [
        message.copy() if (kind := type(message)) is Kept else _called(message) if kind is KeptCalling else message
        for message in messages
    ]


class Messages(list[Message]):
    """Is a list of messages that are the caller's own once it has them.

    >>> given = Messages([Kept({"role": "user", "content": "hi"})])
    >>> given[0]["content"] = "hello"
    >>> given
    [{'role': 'user', 'content': 'hello'}]
    """

    __slots__ = ("_own",)

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        super().__init__(messages)
        self._own = False

    def own(self) -> None:
        """Copy what is kept, in place."""
        if not self._own:
            super().__setitem__(slice(None), _owned(super().__iter__()))
            self._own = True

    def __getitem__(self, at: Any) -> Any:
        if not self._own:
            if isinstance(at, slice):
                self.own()
            else:
                found = super().__getitem__(at)
                if type(found) is dict:
                    return found
                super().__setitem__(at, *_owned([found]))
        return super().__getitem__(at)

    def __iter__(self) -> Iterator[Message]:
        self.own()
        return super().__iter__()

    def __reversed__(self) -> Iterator[Message]:
        self.own()
        return super().__reversed__()

    def __add__(self, other: Any) -> Any:
        return [*self, *other] if isinstance(other, list) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return [*other, *self] if isinstance(other, list) else NotImplemented

    def __mul__(self, times: SupportsIndex) -> list[Message]:
        return [*self] * times

    def __rmul__(self, times: SupportsIndex) -> list[Message]:
        return [*self] * times

    def __imul__(self, times: SupportsIndex) -> Self:
        self.own()
        return super().__imul__(times)

    def __contains__(self, message: object) -> bool:
        self.own()
        return super().__contains__(message)

    def __eq__(self, other: object) -> bool:
        return [*self] == ([*other] if isinstance(other, Messages) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __repr__(self) -> str:
        return repr([*self])

    def __reduce_ex__(self, _protocol: SupportsIndex) -> Any:
        return list, ([*self],)

    def copy(self) -> list[Message]:
        """Return a list of the same messages."""
        return [*self]

    def pop(self, at: SupportsIndex = -1) -> Message:
        """Take one out."""
        (found,) = _owned([super().pop(at)])
        return found

    def index(self, *message: Any) -> int:
        """Return where a message stands."""
        return [*self].index(*message)

    def count(self, message: Message) -> int:
        """Return how often a message is there."""
        return [*self].count(message)

    def remove(self, message: Message) -> None:
        """Take a message out."""
        self.own()
        super().remove(message)

    def sort(self, **by: Any) -> None:
        """Sort in place."""
        self.own()
        super().sort(**by)
