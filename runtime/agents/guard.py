"""What stands between a model and whoever hears its answer, where secrets are marked in a journey.

Of a model's words as they come nobody can tell yet what in them is secret: the call that says so comes last.  So where
an answer may call a tool with a secret argument, its words are told when it is whole; else as they come, but for what
may be the beginning of a known secret.
"""

from collections.abc import Callable

from msgspec.structs import replace

from ...actors.journey import RedactedStream
from ...events import ModelError
from ...projections import Conversation, ModelInput, text_of
from ..models import ModelReply
from .journey_secrets import JourneySecrets
from .sealed_answers import SealedAnswer
from .telling import cleaned

SHOWN_AS_IS = ("role", "type", "name", "required", "format", "id", "tool_call_id")


class Guard:
    """Guards one request of a conversation, and its answer."""

    def __init__(self, conversation: Conversation, secrets: JourneySecrets) -> None:
        self._conversation = conversation
        self._secrets = secrets
        self._known = secrets.shared.known(conversation)
        self._tell: Callable[[str], None] | None = None
        self._stream: RedactedStream | None = None

    def shown(self, given: ModelInput) -> ModelInput:
        """Return what the model is given as whoever watches is shown it."""
        messages = self._known.plain(given.messages, but=SHOWN_AS_IS)
        return replace(given, messages=messages, tools=self._known.plain(given.tools, but=SHOWN_AS_IS))

    def telling(self, tell: Callable[[str], None]) -> Callable[[str], None]:
        """Return who hears the model's words as they come; `tell` is told of them what is no secret."""
        self._tell = tell = _what_there_is(tell)
        self._stream = stream = None if self._secrets.tools_marked else RedactedStream(self._known)
        return (lambda _piece: None) if stream is None else lambda piece: tell(stream.take(piece))

    def sealed(self, reply: ModelReply) -> ModelReply:
        """Return an answer as it is recorded; what was not told of it yet is told now."""
        message = SealedAnswer(reply.message, self._conversation, self._secrets, self._known).message
        if self._tell is not None:
            self._tell(text_of(message) if self._stream is None else self._stream.rest())
        return replace(reply, message=message)

    def telling_none(self, error: Exception) -> Exception:
        """Return what a client raised, without what is secret."""
        told = cleaned(error, self._known)
        return told if isinstance(told, Exception) else error

    def failing(self, error: ModelError) -> ModelError:
        """Return why there is no answer, without what is secret; what is to be done about it stays."""
        told = cleaned(error, self._known)
        return told if isinstance(told, ModelError) else error


def _what_there_is(tell: Callable[[str], None]) -> Callable[[str], None]:
    return lambda text: tell(text) if text else None
