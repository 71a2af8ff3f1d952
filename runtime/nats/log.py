"""The event log on JetStream."""

from ...events import FrameLog, Vault
from ..looking import after_each
from .client import Connection
from .names import Names
from .records import JetStreamRecords

BEHIND = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds for which a server that answers reads may be behind with one log and not with another; in all 1.55."""


class JetStreamLog(FrameLog):
    """Keeps conversations in the event streams of a namespace.

    `appends` and `reads` are two connections to one server, so that a long read never delays an append.  The names come
    from `topology.ensure` or `topology.find`.
    """

    def __init__(self, names: Names, *, appends: Connection, reads: Connection, vault: Vault | None = None) -> None:
        records = JetStreamRecords(names, appends=appends, reads=reads)
        super().__init__(records, again=after_each(BEHIND), vault=vault)
