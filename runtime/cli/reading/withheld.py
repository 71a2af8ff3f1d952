"""What is said of a conversation whose content cannot be shown."""

import contextlib

from ....events import CorruptLog
from ...reader import Reader
from ..console import output


async def say_withheld(client: Reader, conversation: str) -> None:
    """Say why what was said cannot be shown, where that is so; the rest can.

    Raises:
        NotFound: nothing is recorded.

    """
    with contextlib.suppress(CorruptLog):  # what stands before the damage is shown first
        withheld = await client.withheld(conversation)
        if withheld is not None:
            output.say(str(withheld))
