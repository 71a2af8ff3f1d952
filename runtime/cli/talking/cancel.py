"""`arf cancel`: the turn in progress ends."""

import asyncio
from contextlib import aclosing

from ....events import CommandRefused, ConversationId, Refused, TurnCancelled, Unavailable, check_token, not_found
from ....projections import Recorded
from ...client import Client
from ..console import output
from ..console.options import Options
from ..console.place import reading


async def cancel(options: Options, conversation: str, *, reason: str, timeout: float) -> None:
    """End the turn in progress, and write which one it was.

    Raises:
        NotFound: there is no such conversation.
        Refused: no turn is in progress.
        Unavailable: no worker took the command within `timeout` seconds.

    """
    id_ = ConversationId(check_token(conversation, "conversation id"))
    async with reading(options) as client:
        last = await client.substrate.log.last(id_)
        if last is None:
            raise not_found(id_)
        if last.frame.status != "running":  # said now: a command that waits for a worker would end a later turn
            raise _nothing(id_, "no turn is in progress")
        command = await client.cancel(id_, reason)
        try:
            async with asyncio.timeout(timeout):
                ended = await _ended(client, id_, command, last.frame.last)
        except TimeoutError:
            nobody = f"no worker of {last.frame.agent!r} ended a turn of {id_!r} within {timeout:g} s"
            raise Unavailable(f"{nobody}; the command waits for one") from None
    if options.output == "text":
        output.write_text(f"turn {ended.turn} of {id_} is cancelled")
    else:
        output.write_json({"id": command, "turn": ended.turn, "version": ended.version}, options.output)


async def _ended(client: Client, conversation: ConversationId, command: str, after: int) -> Recorded:
    async with aclosing(client.follow(conversation, after)) as heard:
        async for one in heard:
            if not isinstance(one, Recorded):
                continue
            match one.event:
                case TurnCancelled(command_id=id_) if id_ == command:
                    return one
                case CommandRefused(command_id=id_, because=reason) if id_ == command:
                    raise _nothing(conversation, reason)
    raise Unavailable(f"following {conversation!r} ended before the turn did")


def _nothing(conversation: ConversationId, reason: str) -> Refused:
    return Refused(f"nothing to cancel in {conversation!r}: {reason}")
