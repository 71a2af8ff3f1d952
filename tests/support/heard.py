"""What the library logs, as a test waits for it."""

import asyncio
import logging
from types import TracebackType
from typing import Self


class Heard(logging.Handler):
    """Keeps the lines that are logged on this loop while the block runs."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self._more = asyncio.Event()
        self._logger = logging.getLogger("agent_runtime_framework")

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self._more.set()

    def having(self, text: str) -> list[str]:
        """Return the lines with `text` so far."""
        return [line for line in self.lines if text in line]

    async def line(self, text: str) -> str:
        """Return the first line with `text`, once there is one."""
        async with asyncio.timeout(20):
            while not self.having(text):
                self._more.clear()
                await self._more.wait()
        return self.having(text)[0]

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._logger.removeHandler(self)
