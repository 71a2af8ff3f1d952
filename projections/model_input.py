"""What a model is given: one request as it is sent, and as it can be rebuilt from the log at any later time.

Whoever decides on a request, sends it or rebuilds it makes it here, so the hash that is recorded is that of what the
model gets.
"""

import hashlib
from typing import Any

import msgspec
from msgspec import Struct

from .conversation import Conversation
from .rendering import RENDERER, canonical, render
from .transcript import Transcript
from .turn import Request


class ModelInput(Struct, frozen=True):
    """Is all that a model is given in one request.

    Attributes:
        messages, tools: in OpenAI form; no tools are None.
        model, parameters: as the author configured them.

    >>> given = ModelInput([{"role": "user", "content": "hi"}], None, "gpt-4o", {"temperature": 0})
    >>> given.canonical.decode()
    '{"messages":[{"content":"hi","role":"user"}],"model":"gpt-4o","temperature":0,"tools":null}'

    """

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    model: str
    parameters: dict[str, Any]

    @property
    def canonical(self) -> bytes:
        """It as canonical JSON: sorted keys, UTF-8, no white space."""
        return canonical(self.messages, self.tools, {"model": self.model, **self.parameters})

    @property
    def hash(self) -> str:
        """SHA-256, in hex, of its canonical JSON; `model.requested` records it as `request`."""
        return hashlib.sha256(self.canonical).hexdigest()


class Rebuilt(Struct, frozen=True):
    """Is a request that was rebuilt from the log.

    Attributes:
        version: where it is recorded.
        input: what the model is given for it, as this release renders it.
        recorded: SHA-256 of what it was given; empty if none is recorded.
        renderer: the revision that rendered it.

    """

    version: int
    input: ModelInput
    recorded: str
    renderer: int

    @property
    def problem(self) -> str:
        """Why these are not the bytes that the model was given; empty if they are."""
        if self.renderer != RENDERER:
            return f"it was rendered by revision {self.renderer}, and this release has only {RENDERER}"
        if not self.recorded:
            return "no hash is recorded of it"
        hash_ = self.input.hash
        return "" if hash_ == self.recorded else f"its hash is {hash_}, and {self.recorded} is recorded"


def model_input(transcript: Transcript, request: Request) -> ModelInput:
    """Return what the model is given for a request; `transcript` is that of the conversation at the request."""
    messages = render(request.prompt, transcript.window(request.first_turn, request.last_turn))
    tools = msgspec.json.decode(request.tools) if request.tools else None
    return ModelInput(messages, tools, request.model, request.parameters)


def rebuilt(conversation: Conversation, renderer: int) -> Rebuilt | None:
    """Return the request that is the last event of a conversation; None if that is none, or one outside a turn."""
    request = None if conversation.turn is None else conversation.turn.request
    if request is None or request.version != conversation.version:
        return None
    return Rebuilt(request.version, model_input(conversation.transcript, request), request.hash, renderer)
