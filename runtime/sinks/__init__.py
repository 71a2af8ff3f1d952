"""Where what projections make is kept; SQLite is loaded only by whoever uses `sqlite`."""

from .memory import MemorySink
from .protocol import Mark, Row, Sink

__all__ = ["Mark", "MemorySink", "Row", "Sink"]
