"""The event log on JetStream."""

from nats.aio.client import Client

from ...events import FrameLog
from .names import Names
from .records import JetStreamRecords


class JetStreamLog(FrameLog):
    """Keeps conversations in the event streams of a namespace.

    `appends` and `reads` are two connections to one server, so that a long read never delays an append.  The names come
    from `topology.ensure` or `topology.find`.
    """

    def __init__(self, names: Names, *, appends: Client, reads: Client) -> None:
        super().__init__(JetStreamRecords(names, appends=appends, reads=reads))
