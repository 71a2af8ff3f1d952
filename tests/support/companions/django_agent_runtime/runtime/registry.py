"""Stands for the registry of django_agent_runtime."""

from typing import Any

from agent_runtime_core.interfaces import AgentRuntime  # type: ignore[import-not-found]  # on the path where it is used

registered: dict[str, Any] = {}


def register_runtime(runtime: Any) -> None:
    """Register a runtime under its key."""
    if not isinstance(runtime, AgentRuntime):
        raise TypeError(f"{runtime!r} is no AgentRuntime")
    registered[runtime.key] = runtime
