"""`arf fork`: a conversation that goes on from what another was, and perhaps what is said in it."""

from typing import Any

import msgspec
from msgspec import Struct

from ....events import FrameworkError
from ...checking import as_id, checked
from ...client import Client
from ...forking import Forked, edits_of
from ..console import output
from ..console.options import Options
from ..console.place import reading
from ..console.stdin import text_of
from ..reading.progress import progress
from .send import Message, reply_to, tell_nobody


class Wanted(Struct, frozen=True, kw_only=True):
    """Is a fork that is wanted, and what is to be said in it, if anything."""

    conversation: str
    at: int | None = None
    as_id: str | None = None
    model: str | None = None
    prompt: str | None = None
    say: str | None = None


async def fork(options: Options, wanted: Wanted, *, timeout: float) -> None:
    """Fork a conversation and write the id of the fork to stdout; where something is said in it, the reply, too."""
    prompt = None if wanted.prompt is None else text_of(wanted.prompt)
    text = None if wanted.say is None else text_of(wanted.say)
    # before anything is forked for what cannot be taken
    edits_of(wanted.model, prompt)
    for id_ in (wanted.conversation, *(() if wanted.as_id is None else (wanted.as_id,))):
        as_id(id_)
    if text is not None:
        checked("agent", text, {}, None)
    async with reading(options) as client:
        async with progress("reading the conversation"):
            forked = await client.fork(wanted.conversation, wanted.at, wanted.as_id, model=wanted.model, prompt=prompt)
        if text is None:
            output.write_either(forked.conversation, msgspec.to_builtins(forked), options.output)
        else:
            await _say(client, options, forked, text, timeout)


async def _say(client: Client, options: Options, forked: Forked, text: str, timeout: float) -> None:
    """Say something in the fork, and write both; the fork is written also where there is no reply."""
    data: dict[str, Any] = msgspec.to_builtins(forked)
    if options.output == "text":
        output.write_text(forked.conversation)
        output.flush()
    try:
        await tell_nobody(client, forked.agent, f"waiting for one for {timeout:g} s")
        id_ = checked(forked.agent, text, {}, None).id
        reply = await reply_to(client, options, Message(forked.agent, forked.conversation, text, id_), timeout)
    except FrameworkError:
        if options.output != "text":
            output.write_json({**data, "reply": None}, options.output)
        raise
    if options.output == "text":
        output.write_text(reply.text)
    else:
        output.write_json({**data, "reply": msgspec.to_builtins(reply)}, options.output)
