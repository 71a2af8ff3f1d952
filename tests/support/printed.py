"""Code as it stands in the seed document, block by block, run as printed.

Each block is a file in `seed/`.  It may await at its top level, as in a notebook, and names what it does not define
itself, such as `my_llm`: those are given to it.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

BLOCKS = Path(__file__).parent / "seed"


def printed(block: str) -> str:
    """Return a block as it is printed."""
    return (BLOCKS / f"{block}.txt").read_text()


async def run_printed(block: str, /, **given: Any) -> dict[str, Any]:
    """Run a block, with these names defined before it, and return all names that are defined after it."""
    code = compile(printed(block), f"{block}.txt", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with _module(f"seed_{block}", given) as module:
        awaited = eval(code, vars(module))
        if inspect.isawaitable(awaited):
            await awaited
    return {name: value for name, value in vars(module).items() if not name.startswith("__")}


@contextmanager
def _module(name: str, given: Mapping[str, Any]) -> Iterator[ModuleType]:
    """Give a module to run in, which its own classes find as long as they are made."""
    module = ModuleType(name)
    vars(module).update(given)
    sys.modules[name] = module
    try:
        yield module
    finally:
        del sys.modules[name]
