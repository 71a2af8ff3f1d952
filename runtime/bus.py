"""The bus that carries commands from clients to the worker that owns a conversation, and its twin in memory.

A command is kept until it is acknowledged, and acknowledged only when its conversation owes nothing more for it.  So
whatever a dead worker left undone always has an unacknowledged command, which the next owner gets at once and in order.
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from ..events import AgentKey, ConversationId
from .leases import Lease

PARTITIONS = 16
"""So many parts the conversations of one agent are divided into, each owned by one worker at a time."""


class Delivery(Protocol):
    """Is one command, handed to the owner of its partition."""

    @property
    def agent(self) -> AgentKey:
        """The agent that it was sent to."""

    @property
    def conversation(self) -> ConversationId:
        """The conversation that it is for."""

    @property
    def data(self) -> bytes:
        """The command, encoded by `runtime.wire`."""

    async def ack(self) -> None:
        """Say that the conversation owes nothing more for it; it never comes again."""

    async def retry(self, delay: float) -> None:
        """Give it back, to come again after `delay` seconds."""


Deliver: TypeAlias = Callable[[Delivery], None]


class Consumption(Protocol):
    """Is the flow of commands of one lease."""

    async def stop(self) -> None:
        """Take no more; what was delivered and not acknowledged comes again to the next owner."""


class Bus(Protocol):
    """Carries commands."""

    async def publish(self, agent: AgentKey, conversation: ConversationId, data: bytes, *, id: str) -> bool:  # noqa: A002
        """Store a command; return True if one of this `id` was stored a short time ago, and this one was not.

        Raises:
            Unavailable: it is not known to be stored; publishing it again under the same id is safe.

        """

    async def consume(self, lease: Lease, deliver: Deliver) -> Consumption:
        """Call `deliver` with each command of the lease's partition, in order, unacknowledged ones of old owners first.

        Whoever consumed under an older lease of that partition gets nothing more, and its late acknowledgements are
        ignored.
        """
