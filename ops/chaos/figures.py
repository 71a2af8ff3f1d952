"""The line of figures that a run ends with, and the record of it."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, structs

from agent_runtime_framework.events import CommandRefused, ConversationId, ToolFailed, TurnResumed

from .book import Book
from .counts import Evidence, doubled, lost
from .history import Log, outcomes, takeovers

ENDS = ("kill", "pause", "leave")
FAULTS = ("stall", "cut", "half_close", "delay")


class Spread(Struct, frozen=True):
    """Says how a time is spread, in seconds; all 0 where there is none."""

    count: int = 0
    p50: float = 0.0
    p95: float = 0.0
    max: float = 0.0

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Spread":
        """Return the spread of some times."""
        sorted_ = sorted(seconds)
        if not sorted_:
            return cls()
        last = len(sorted_) - 1
        return cls(len(sorted_), *(round(sorted_[round(last * share)], 3) for share in (0.5, 0.95, 1)))

    def __str__(self) -> str:
        return f"{self.p50:.2f}/{self.p95:.2f}/{self.max:.2f} s of {self.count}"


class Figures(Struct, frozen=True, kw_only=True):
    """Holds the figures of one run; times are in seconds."""

    seconds: float
    seed: str
    servers: int
    workers: int
    conversations: int
    commands: int
    turns: int
    replied: int
    failed: int
    cancelled: int
    refused: int
    in_doubt: int
    resumed: int
    worker_kills: int
    worker_pauses: int
    worker_leaves: int
    worker_joins: int
    server_kills: int
    server_freezes: int
    proxy_faults: int
    model_faults: int
    lost: int
    doubled: int
    broken: int
    reply: Spread
    takeover: Spread

    def line(self) -> str:
        """Return all of it on one line."""
        named = structs.asdict(self)
        times = {name: named.pop(name) for name in ("reply", "takeover")}
        texts = [f"{name.replace('_', ' ')} {value}" for name, value in named.items()]
        return "; ".join([*texts, *(f"{name} p50/p95/max {spread}" for name, spread in times.items())])


def figures(
    evidence: Evidence, book: Book, *, seconds: float, seed: str, servers: int, workers: int, broken: int
) -> Figures:
    """Return the figures of a run."""
    became = became_of(evidence.logs)
    ends = [(deed.pid, deed.time) for deed in book.deeds if deed.what in ENDS]
    events = [event for log in evidence.logs.values() for stored in log for event in stored.frame.events]
    return Figures(
        seconds=round(seconds, 1),
        seed=seed,
        servers=servers,
        workers=workers,
        conversations=len(evidence.logs),
        commands=sum(sent.acknowledged for sent in evidence.sent),
        turns=sum(log[-1].frame.turn for log in evidence.logs.values() if log),
        replied=became.count("replied"),
        failed=became.count("failed"),
        cancelled=became.count("cancelled"),
        refused=sum(isinstance(event, CommandRefused) for event in events),
        in_doubt=sum(isinstance(event, ToolFailed) and event.kind == "in_doubt" for event in events),
        resumed=sum(isinstance(event, TurnResumed) for event in events),
        worker_kills=book.count("kill"),
        worker_pauses=book.count("pause"),
        worker_leaves=book.count("leave"),
        worker_joins=book.count("join"),
        server_kills=book.count("server"),
        server_freezes=book.count("freeze"),
        proxy_faults=book.count(*FAULTS),
        model_faults=sum(bool(ask.fault) for ask in evidence.asked),
        lost=len(lost(evidence)),
        doubled=doubled(evidence),
        broken=broken,
        reply=Spread.of(sent.replied - sent.began for sent in evidence.sent if sent.replied is not None),
        takeover=Spread.of(takeovers(evidence.logs, evidence.starts, ends)),
    )


def became_of(logs: Mapping[ConversationId, Log]) -> Sequence[str]:
    """Return what became of every command of every log."""
    return [how for log in logs.values() for had in outcomes(log).values() for how in had]
