"""Where what a projection makes is kept: rows of state, and how far each shard was read.

A sink that writes both together folds each event exactly once.  One that cannot writes the rows first: a row holds the
version of the last event in it, so what comes again after a crash is passed over.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol


class Row(NamedTuple):
    """Is what is kept of one conversation: `state` is JSON, after the event at `version`."""

    conversation: str
    version: int
    state: bytes


class Mark(NamedTuple):
    """Says how far a shard was read.

    Attributes:
        stream: which stream that is; one of another namespace, or made anew, has another name.
        position: of the last entry that was folded.
        run: which filling this belongs to; a rebuild begins another.

    """

    stream: str
    position: int
    run: str


class Sink(Protocol):
    """Keeps what projections make, each under its name; write one of your own for another database.

    >>> import asyncio
    >>> from agent_runtime_framework import MemorySink, Sink
    >>> from agent_runtime_framework.runtime.sinks import Mark, Row
    >>> async def main(sink: Sink):
    ...     mark = Mark("arf-ev-0", position=7, run="run-1")
    ...     await sink.write("words", 0, None, mark, [Row("c-1", 3, b'{"said": 1}')])
    ...     return await sink.begin("words"), await sink.load("words", ["c-1", "c-2"])
    >>> marks, rows = asyncio.run(main(MemorySink()))
    >>> marks[0].position, rows["c-1"].version
    (7, 3)
    """

    async def begin(self, name: str, *, anew: bool = False) -> Mapping[int, Mark]:
        """Return how far each shard was read; `anew` first throws away all that is kept under the name."""

    async def load(self, name: str, conversations: Collection[str]) -> Mapping[str, Row]:
        """Return the rows of these conversations that are there."""

    async def write(self, name: str, shard: int, before: Mark | None, after: Mark, rows: Sequence[Row]) -> None:
        """Put these rows in the place of those of the same conversations, and `after` in the place of `before`.

        Raises:
            Conflict: the shard's mark is not `before`; nothing was written.

        """

    async def replace(self, name: str, by: str) -> None:
        """Put all that is kept under `by`, rows and marks, in the place of what is kept under `name`, at once."""

    async def close(self) -> None:
        """Let go of what is open; it is opened again when it is used again."""


def moved(name: str, shard: int, before: Mark | None, found: Mark | None) -> str:
    """Return what to say of a mark that is not the expected one."""
    was = "at its beginning" if before is None else f"at position {before.position}"
    now = "not begun" if found is None else f"at position {found.position}"
    rebuilt = " of another run" if before is not None and found is not None and before.run != found.run else ""
    return (
        f"{name!r} is {now}{rebuilt} in shard {shard}, not {was}: another subscription writes it, or it was rebuilt; "
        "let one write it and start this one again"
    )
