"""What a model is given in a request, and its hash, made of what is new since the request before it.

Both are short cuts to `model_input(transcript, request)`, which is the definition: the same messages, and the hash of
the canonical JSON of the whole request, in any case.
"""

from functools import lru_cache
from typing import Any

import msgspec

from .before import TurnsBefore
from .messages import Messages
from .model_input import ModelInput, model_input
from .rendering import render
from .transcript import Transcript, UserMessage
from .turn import Request

_encoder = msgspec.json.Encoder(order="sorted")


def request_hash(transcript: Transcript, request: Request) -> str:
    """Return what `model_input(transcript, request).hash` is."""
    first, last, prompt = request.first_turn, request.last_turn, request.prompt
    parameters = request.parameters
    plain = parameters.keys().isdisjoint(("messages", "tools")) and all(map(str.isascii, parameters))
    if not plain or not _are_there(transcript, first, last):
        return model_input(transcript, request).hash
    if parameters:
        opening, closing = _around({"model": request.model, **parameters}, request.tools)
    else:
        opening, closing = _around_usual(request.model, request.tools)
    system = _encoder.encode({"role": "system", "content": prompt}) + b"," if prompt else b""
    with TurnsBefore(transcript, first, last, prompted=bool(prompt)) as before:
        tail = before.then(transcript.window(last, last))
        if tail:
            hash_ = before.hash_after(b"{" + opening + b'"messages":[' + system)
            hash_.update(_encoder.encode(tail)[1:] + closing + b"}")
            return hash_.hexdigest()
    return model_input(transcript, request).hash  # nothing follows the comma


def request_input(transcript: Transcript, request: Request) -> ModelInput:
    """Return what `model_input(transcript, request)` is; all of it is the caller's own."""
    first, last = request.first_turn, request.last_turn
    if not _are_there(transcript, first, last):
        return model_input(transcript, request)
    prompted = bool(request.prompt)
    messages: list[dict[str, Any]] = [{"role": "system", "content": request.prompt}] if prompted else []
    with TurnsBefore(transcript, first, last, prompted=prompted) as before:
        messages += before.messages()
        messages += before.then(transcript.window(last, last))
    tools = msgspec.json.decode(request.tools) if request.tools else None
    return ModelInput(Messages(messages), tools, request.model, request.parameters)


def said_until(transcript: Transcript, turn: int) -> list[dict[str, Any]]:
    """Return the messages up to the last that the user said in a turn, or to its end; all of it is the caller's own.

    It is what `render` gives for them without a prompt.
    """
    entries = transcript.window(turn, turn)
    spoken = max((at for at, entry in enumerate(entries) if isinstance(entry, UserMessage)), default=None)
    if spoken is None or not _are_there(transcript, 0, turn):
        entries = transcript.window(0, turn)
        spoken = max((at for at, entry in enumerate(entries) if isinstance(entry, UserMessage)), default=len(entries))
        return render("", entries[: spoken + 1])
    with TurnsBefore(transcript, 0, turn, prompted=False) as before:
        return Messages(before.messages() + before.then(entries[: spoken + 1]))


def _around(parameters: dict[str, Any], tools: str) -> tuple[bytes, bytes]:
    """Return what stands before the messages of a request and after them, as canonical JSON."""
    fields = {name: _encoder.encode(value) for name, value in parameters.items()}
    fields["tools"] = canonical_tools(tools)
    opening = (b"%s:%s," % (_encoder.encode(name), fields[name]) for name in sorted(fields) if name < "messages")
    closing = (b",%s:%s" % (_encoder.encode(name), fields[name]) for name in sorted(fields) if name > "messages")
    return b"".join(opening), b"".join(closing)


@lru_cache(maxsize=256, typed=True)
def _around_usual(model: str, tools: str) -> tuple[bytes, bytes]:
    """Return the same for a request without parameters, which most are; the same tools come often."""
    return _around({"model": model}, tools)


@lru_cache(maxsize=256)
def canonical_tools(tools: str) -> bytes:
    """Return a JSON list of tools as canonical JSON, `null` for none."""
    return _encoder.encode(msgspec.json.decode(tools)) if tools else b"null"


def _are_there(transcript: Transcript, first: int, last: int) -> bool:
    """Say whether a window has no more turns than there may be; those that are not there could be any number."""
    return 0 <= last - first <= len(transcript.turns)
