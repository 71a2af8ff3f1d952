"""Calling what an author wrote, which may be `async def` or `def`."""

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any


async def call_author(author: Callable[..., Any], *args: Any, threads: Executor | None = None) -> Any:
    """Return what author code gives: `async def` runs on the loop, `def` in a thread, so that it blocks nobody."""
    if inspect.iscoroutinefunction(author):
        return await author(*args)
    context = contextvars.copy_context()
    work = functools.partial(context.run, author, *args)
    result = await asyncio.get_running_loop().run_in_executor(threads, work)
    return await result if isinstance(result, Awaitable) else result
