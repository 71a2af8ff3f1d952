"""The adapters: journeys that run inside another runtime."""

from .runtime.adapters import DjangoRuntimeAdapter, DjangoStateStore, RunError, RunResult, create_django_runtime

__all__ = ["DjangoRuntimeAdapter", "DjangoStateStore", "RunError", "RunResult", "create_django_runtime"]
