"""`arf send`: a message to an agent, and its reply."""

from ...events import check_token
from ..client import Client, checked
from . import output
from .options import Options
from .place import place_of


async def send(
    options: Options, agent: str, conversation: str, text: str, *, id_: str | None, wait: bool, timeout: float
) -> None:
    """Send a message and write the reply to stdout; without `wait`, write the command's id once it is stored."""
    check_token(conversation, "conversation id")
    say = checked(agent, text, {}, id_)  # before anything is created for a message that cannot be taken
    place = place_of(options, create=True)
    async with Client.connect(place.nats, place.home, place.namespace) as client:
        if not wait:
            await client.publish(agent, conversation, text, message_id=say.id)
            _write(options, say.id, {"id": say.id})
            return
        reply = await client.send(agent, conversation, text, message_id=say.id, timeout=timeout)
    data = {"id": say.id, "text": reply.text, "turn": reply.turn, "version": reply.version, "state": reply.state}
    _write(options, reply.text, data)


def _write(options: Options, text: str, data: dict[str, object]) -> None:
    if options.output == "text":
        output.write_text(text)
    else:
        output.write_json(data, options.output)
