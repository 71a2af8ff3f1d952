"""How long things took: counted to three digits, so that a million measurements take no more room than thousands."""

from collections import Counter

from .report import Spread


def three_digits(milliseconds: int) -> int:
    """Return a number of milliseconds to three digits, which is exact below a second."""
    step = 1
    while milliseconds // step >= 1000:
        step *= 10
    return (milliseconds + step // 2) // step * step


class Latencies:
    """Counts how long something took."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._longest = 0

    def add(self, milliseconds: int) -> None:
        """Count one more; a clock that ran backwards is taken for no time."""
        took = max(milliseconds, 0)
        self._counts[three_digits(took)] += 1
        self._longest = max(self._longest, took)

    def spread(self) -> Spread:
        """Return how they are spread, each percentile by the nearest rank."""
        count = self._counts.total()
        if not count:
            return Spread()
        ordered = sorted(self._counts.items())
        p50, p95 = (min(_ranked(ordered, -(-count * part // 100)), self._longest) for part in (50, 95))
        return Spread(count, p50, p95, self._longest)


def _ranked(ordered: list[tuple[int, int]], rank: int) -> int:
    for took, count in ordered:
        rank -= count
        if rank <= 0:
            return took
    return 0
