"""Asking a model: what a client is, the client for OpenAI and whatever speaks its API, and how one is found."""

from typing import TYPE_CHECKING, Any

from .default import default_model
from .finding import get_llm_client
from .protocol import Answer, LLMClient, ModelReply, StreamingClient, reply_of, streaming

if TYPE_CHECKING:
    from .openai_client import OpenAIClient

__all__ = [
    "Answer",
    "LLMClient",
    "ModelReply",
    "OpenAIClient",
    "StreamingClient",
    "default_model",
    "get_llm_client",
    "reply_of",
    "streaming",
]


def __getattr__(name: str) -> Any:
    """Load openai only when its client is asked for."""
    if name == "OpenAIClient":
        from .openai_client import OpenAIClient  # noqa: PLC0415

        return OpenAIClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
