"""Where what projections make is kept."""

from .memory import MemorySink
from .protocol import Mark, Row, Sink
from .sqlite import SQLiteSink

__all__ = ["Mark", "MemorySink", "Row", "SQLiteSink", "Sink"]
