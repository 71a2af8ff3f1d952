"""The timeline: each event of a conversation on a line of its own, under its identity."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from ..events import AnyEvent, Stored, UnknownEvent, encode_event


class Recorded(Struct, frozen=True):
    """Is one event where it stands.

    Attributes:
        conversation, version: its identity.
        time: when it was decided, in Unix milliseconds.
        turn: the turn that its frame belongs to, 0 before the first.
        event: what happened.

    >>> import asyncio
    >>> from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM
    >>> async def main():
    ...     async with AgentsAtWork(lambda: nats_url)(OnboardingAgent(ScriptedLLM("Hello!"))) as rt:
    ...         await rt.send("onboarding", "c-1", "hi")
    ...         return [event async for event in rt.events("c-1")]
    >>> second = asyncio.run(main())[1]
    >>> second.id, second.type, second.data["text"]
    ('c-1@2', 'user.spoke', 'hi')

    """

    conversation: str
    version: int
    time: int
    turn: int
    event: AnyEvent

    @property
    def id(self) -> str:
        """`<conversation>@<version>`."""
        return f"{self.conversation}@{self.version}"

    @property
    def type(self) -> str:
        """The event's tag, such as `user.spoke`."""
        event = self.event
        return event.tag if isinstance(event, UnknownEvent) else str(type(event).__struct_config__.tag)

    @property
    def data(self) -> dict[str, Any]:
        """The event's own fields, as plain data."""
        fields: dict[str, Any] = msgspec.json.decode(encode_event(self.event))
        return {name: value for name, value in fields.items() if name not in ("type", "cause")}


def timeline(stored: Stored) -> Iterator[Recorded]:
    """Yield the events of one frame."""
    frame = stored.frame
    for version, event in frame.numbered():
        yield Recorded(stored.conversation, version, frame.time, frame.turn, event)
