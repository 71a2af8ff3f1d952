"""Looking again for what a server that answers reads may not know yet."""

import asyncio
from collections.abc import Sequence

from ..events import LookAgain


def after_each(waits: Sequence[float]) -> LookAgain:
    """Return what lets a log look again after each of these seconds."""

    async def again(looks: int) -> bool:
        if looks > len(waits):
            return False
        await asyncio.sleep(waits[looks - 1])
        return True

    return again
