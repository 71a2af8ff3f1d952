"""Finding agents by MODULE:ATTR: a dotted module or a file, and in it an agent, a class, a list, or a function.

The current directory is importable, and so is what stands beside a file, as for a script that Python runs.
"""

import importlib
import importlib.util
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from ..events import InvalidInput
from .agents import JourneyAgent

Agent: TypeAlias = JourneyAgent[Any, Any, Any]

OTHERS = ("<", str(Path(__file__).parents[1]), *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")))
"""What the file of code begins with that is not an author's: our own, Python's, and what is installed."""


def load_agents(specs: Sequence[str]) -> list[Agent]:
    """Return the agents that these MODULE:ATTR name; the current directory is importable from now on.

    Raises:
        InvalidInput: a module or an attribute is not there, cannot be loaded, or is no agent.

    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return [agent for spec in specs for agent in _load(spec)]


def _load(spec: str) -> list[Agent]:
    module, colon, attribute = spec.rpartition(":")
    if not (module and colon and attribute):
        raise InvalidInput(f"{spec!r} names no agent: use MODULE:ATTR, such as bot:agent or agents/bot.py:agent")
    try:
        loaded = _import_file(Path(module)) if module.endswith(".py") else importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise InvalidInput(f"cannot load {module!r} of {spec!r}: {_described(error)}") from error
    try:
        found: Any = reduce(getattr, attribute.split("."), loaded)
    except AttributeError as error:
        raise InvalidInput(f"{module!r} has no attribute {attribute!r}{_agents_in(loaded)}") from error
    try:
        return _agents(found() if inspect.isroutine(found) else found, spec)
    except InvalidInput:
        raise
    except Exception as error:
        raise InvalidInput(f"{spec!r} cannot be made an agent: {_described(error)}") from error


def _agents(found: Any, spec: str) -> list[Agent]:
    match found:
        case list() | tuple():
            return [agent for each in found for agent in _agents(each, spec)]
        case JourneyAgent():
            return [found]
        case type() if issubclass(found, JourneyAgent):
            return [found()]
        case _:
            raise InvalidInput(
                f"{spec!r} is {type(found).__name__} {found!r:.80}: it must be a JourneyAgent, a class of one, a list "
                "of these, or a function without arguments that returns one"
            )


def _import_file(path: Path) -> ModuleType:
    path = path.resolve()
    name = path.stem
    known = sys.modules.get(name)
    if known is not None:
        if getattr(known, "__file__", None) == str(path):
            return known
        name = str(path)  # another module has the short name
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _agents_in(module: ModuleType) -> str:
    agents = [
        name
        for name, value in vars(module).items()
        if isinstance(value, JourneyAgent)
        or (isinstance(value, type) and issubclass(value, JourneyAgent) and value.__module__ == module.__name__)
    ]
    return f"; it has {', '.join(agents)}" if agents else ""


def _described(error: BaseException) -> str:
    """Return what was raised, and where in the author's code; a SyntaxError says itself where it is."""
    frames = [] if isinstance(error, SyntaxError) else traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(OTHERS)]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{where}"
