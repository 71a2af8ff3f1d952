"""Which model client an agent gets that was given none."""

import importlib
import logging
from typing import Any

from ...events import InvalidInput
from .default import default_model
from .protocol import LLMClient

logger = logging.getLogger("agent_runtime_framework.models")

OTHERS = "agent_runtime_core"
"""The package whose clients come first where it is installed."""


def get_llm_client(model: str | None = None, **options: Any) -> LLMClient:
    """Return a client for `model`; `options` go to whoever makes it.

    An installed `agent_runtime_core` is asked first, with its own retries off.  If there is none, or it raises, an
    `OpenAIClient` is made from `OPENAI_API_KEY`, or from `OPENAI_BASE_URL`, which needs no key.  The first call imports
    the openai package, about a second: from a running loop use `asyncio.to_thread`.

    Raises:
        InvalidInput: there is neither; the cause is why `agent_runtime_core` gave no client.

    >>> from agent_runtime_framework import get_llm_client
    >>> get_llm_client("gpt-4o", base_url="http://127.0.0.1:8000/v1").model
    'gpt-4o'

    """
    name = default_model(model)
    try:
        client: LLMClient = _core_client(name, options)
    except Exception as error:  # noqa: BLE001  # whatever it raises, there is a second way
        cause = error
    else:
        return client
    if not _is_missing(cause):
        logger.warning("%s gave no model client (%s: %s)", OTHERS, type(cause).__name__, cause)
    return _openai_client(name, options, cause)


def _core_client(model: str, options: dict[str, Any]) -> Any:
    given = {"max_retries": 0, **options, "model": model}
    client = importlib.import_module(f"{OTHERS}.llm").get_llm_client(**given)
    if client is None:
        raise LookupError("it gave None")
    return client


def _openai_client(model: str, options: dict[str, Any], cause: Exception) -> LLMClient:
    from .openai_client import OpenAIClient  # noqa: PLC0415  # openai is loaded only where it is used

    try:
        return OpenAIClient(model, **{key: value for key, value in options.items() if key != "max_retries"})
    except InvalidInput as error:
        others = "" if _is_missing(cause) else f"{OTHERS} gave no model client ({cause}), and "
        raise InvalidInput(f"{others}{error}") from cause


def _is_missing(cause: Exception) -> bool:
    """Say whether the other package is just not installed, as it mostly is."""
    return isinstance(cause, ModuleNotFoundError) and cause.name == OTHERS
