"""All rows, in the order in which they are shown; each measurement by the name of its rows."""

from collections.abc import Awaitable, Callable

from .folding import folded
from .living import live, memory
from .opening import cold
from .place import Place
from .results import Row
from .storing import history, stored
from .talking import late, many, one
from .waiting import begun, token

MEASUREMENTS: dict[str, Callable[[Place], Awaitable[list[Row]]]] = {
    "one": one,
    "many": many,
    "late": late,
    "bytes": stored,
    "cold": cold,
    "fold": folded,
    "memory": memory,
    "live": live,
    "history": history,
    "begun": begun,
    "token": token,
}
