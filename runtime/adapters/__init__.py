"""Adapters: journeys that run inside another runtime, which has its own contexts, events and checkpoints."""

from .django import DjangoRuntimeAdapter, create_django_runtime
from .run_result import RunError, RunResult
from .state_store import DjangoStateStore

__all__ = ["DjangoRuntimeAdapter", "DjangoStateStore", "RunError", "RunResult", "create_django_runtime"]
