"""The test kit: what a person tests agents with."""

from .runtime.testing import ScriptedLLM, calls

__all__ = ["ScriptedLLM", "calls"]
