"""The one place that reads a clock or makes an id; everything else is told."""

import asyncio
import secrets
import time
from base64 import b32encode
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits."""

    def now(self) -> int:
        """Return Unix milliseconds."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards, for durations only."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """Is the machine's clock."""

    def now(self) -> int:
        """Return Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def new_id(prefix: str) -> str:
    """Return a fresh token that starts with `prefix`: 80 random bits in 16 characters, so two never meet."""
    return f"{prefix}-{b32encode(secrets.token_bytes(10)).decode().lower()}"
