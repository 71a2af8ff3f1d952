"""Where an author's code is called: what it raises is an exception of its own, and never ends more than the call.

An author's code may raise things that mean something else to whoever runs it: `SystemExit` would end the worker, a
CancelledError of some task of the author's looks like the end of ours, a StopIteration cannot pass a future at all, and
what is no Exception passes by all who record failures.
"""

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from typing import Any, Literal

from ...actors import shown


class AuthorCodeEnded(RuntimeError):
    """Raised instead of what an author's code raised, where that would end more than the call."""


class _AuthorCode:
    """Is a block of an author's code; there are several in each turn."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> Literal[False]:
        if error is None:
            return False
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is None or task.cancelling():
                return False
            raise AuthorCodeEnded("something that it awaited was cancelled") from error
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            raise _ended(error) from error
        if isinstance(error, (Exception, KeyboardInterrupt)):
            return False
        if isinstance(error, GeneratorExit) and not _in_task():  # this coroutine itself is being closed
            return False
        raise _ended(error) from error


_block = _AuthorCode()


def author_code() -> AbstractContextManager[None]:
    """Let pass what an author's code raises as an error; turn what would end more than the call into one.

    Our own cancellation passes: a task that is being cancelled says so.  So does the user's Ctrl-C.
    """
    return _block


_threads: contextvars.ContextVar[Executor | None] = contextvars.ContextVar("threads", default=None)


async def call_author(author: Callable[..., Any], *args: Any, threads: Executor | None = None) -> Any:
    """Return what author code gives: `async def` runs on the loop, `def` in a thread, so that it blocks nobody.

    Author code that calls more of itself this way, as a tool executor does, uses the same threads.
    """
    threads = _threads.get() if threads is None else threads
    _threads.set(threads)
    with author_code():
        if inspect.iscoroutinefunction(author):
            return await author(*args)
        context = contextvars.copy_context()
        result = await asyncio.get_running_loop().run_in_executor(threads, context.run, _in_thread, author, args)
        return await result if isinstance(result, Awaitable) else result


def _in_thread(author: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return author(*args)
    except StopIteration as error:  # it could not even be handed over to the loop
        raise _ended(error) from error
    except (Exception, KeyboardInterrupt, asyncio.CancelledError):
        raise
    except BaseException as error:  # a GeneratorExit that comes out of a future closes who awaits it
        raise _ended(error) from error


def _ended(error: BaseException) -> AuthorCodeEnded:
    return AuthorCodeEnded(f"it raised {type(error).__name__}({shown(error)})")


def _in_task() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:  # no loop runs any more
        return False
