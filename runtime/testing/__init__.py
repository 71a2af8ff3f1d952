"""The kit for testing agents: a model that answers from a script."""

from .scripted import Request, Scripted, ScriptedLLM, UnexpectedRequest, calls

__all__ = ["Request", "Scripted", "ScriptedLLM", "UnexpectedRequest", "calls"]
