"""`arf send`: a message to an agent, and its reply."""

from msgspec import Struct
from msgspec.structs import replace

from ....events import ConversationId, Unavailable, check_token
from ...checking import checked
from ...client import Client
from ...late import Late
from ...leases import unanswered
from ...saying import Reply
from ...wire import Queued, place_in_line
from ..console import output
from ..console.options import Options
from ..console.place import check_agent, client_at, place_of
from ..console.stdin import text_of
from .typed import typed

TYPED = 200
"""So many characters of a text are repeated in a command that is to be typed."""


class Message(Struct, frozen=True):
    """Is what is to be said, to whom and where; without an id it gets one."""

    agent: str
    conversation: str
    text: str
    id: str | None = None
    metadata: dict[str, str] = {}


async def send(options: Options, message: Message, *, wait: bool, timeout: float) -> None:
    """Send a message and write the reply to stdout; without `wait`, write the command's id once it is stored.

    Where nobody answers for the agent, that is said at once, and once that the message is queued.
    """
    check_token(message.conversation, "conversation id")
    message = replace(message, text=text_of(message.text))
    # before anything is created for a message that cannot be taken
    say = checked(message.agent, message.text, message.metadata, message.id)
    message = replace(message, id=say.id)
    place = place_of(options, create=True)
    async with client_at(place) as client:
        check_agent(await client.substrate.log.last(ConversationId(message.conversation)), say.agent)
        await tell_nobody(
            client, say.agent, f"waiting for one for {timeout:g} s" if wait else "the message waits for one"
        )
        if not wait:
            await client.publish(message.agent, message.conversation, message.text, message.metadata, say.id)
            output.write_either(say.id, {"id": say.id}, options.output)
            return
        reply = await reply_to(client, options, message, timeout)
    data = {"id": say.id, "text": reply.text, "turn": reply.turn, "version": reply.version, "state": reply.state}
    output.write_either(reply.text, data, options.output)


async def tell_nobody(client: Client, agent: str, waits: str) -> None:
    """Say that nobody answers for an agent, where that is so, and what waits for it."""
    nobody = unanswered(agent, await client.workers())
    if nobody:
        output.say(f"{nobody}: start one with `arf worker`; {waits}")


async def reply_to(client: Client, options: Options, message: Message, timeout: float) -> Reply:
    """Send a message that has its id and return the reply; that it is queued is said once.

    Raises:
        Unavailable: there is no reply in time; the message says how to fetch it later.

    """
    told = False

    def tell(queued: Queued) -> None:
        nonlocal told
        if not told:
            output.say(f"message {queued.message_id} is queued: {queued.reason or place_in_line(queued)}")
        told = True

    try:
        return await client.send(
            message.agent, message.conversation, message.text, message.metadata, message.id, timeout, tell
        )
    except Unavailable as error:
        what = error.what if isinstance(error, Late) else str(error)
        raise Unavailable(f"{what}; fetch the reply later with: {_later(options, message)}") from error


def _later(options: Options, message: Message) -> str:
    if len(message.text) > TYPED:
        return typed(options, "log", message.conversation)
    return typed(options, "send", message.agent, message.conversation, message.text, "--id", str(message.id))
