"""Which model is asked where nobody names one."""

import os

DEFAULT_MODEL = "gpt-4o"


def default_model(model: str | None = None) -> str:
    """Return `model` if it names one, else `AGENT_RUNTIME_DEFAULT_MODEL`, else `gpt-4o`."""
    return model or os.environ.get("AGENT_RUNTIME_DEFAULT_MODEL") or DEFAULT_MODEL
