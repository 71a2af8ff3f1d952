"""The NATS server that the runtime brings along: started for a directory, shared by its users, stopped by the last."""

from .home import find_home
from .server import EmbeddedServer

__all__ = ["EmbeddedServer", "find_home"]
