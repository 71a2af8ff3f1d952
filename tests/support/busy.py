"""An answer of a model that is given only when it may be."""

import asyncio
from typing import Any


class Busy:
    """Is an answer of a model that is given once it may be; it says when it was asked for."""

    def __init__(self, text: str = "First.") -> None:
        self.text = text
        self.asked = asyncio.Event()
        self.may = asyncio.Event()

    async def __call__(self, messages: Any, tools: Any) -> str:
        self.asked.set()
        await self.may.wait()
        return self.text
