"""The door: what cannot be simulated is refused before anything runs, in the author's words."""

import asyncio
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, get_args

from ....events import InvalidInput, check_token
from ...agents import JourneyAgent
from ...checking import checked
from ...worker import bound
from .faults import KINDS, Block, Crash, Join, Leave, Pause, Planned
from .script import Cancel, Fork, Line, Publish, Say

PLANNED = tuple(one.__name__ for one in get_args(Planned))
LINES = tuple(one.__name__ for one in get_args(Line))


def checked_agents(agents: Any) -> list[JourneyAgent[Any, Any, Any]]:
    """Return the agents, at least one of them.

    Raises:
        TypeError: it is neither an agent nor several.
        InvalidInput: there is none, one is no agent, or two have one key.

    """
    if isinstance(agents, JourneyAgent):
        return [agents]
    if isinstance(agents, str | type) or not isinstance(agents, Iterable):
        raise TypeError(f"simulate takes a journey agent or a list of them, such as MyAgent(), not {agents!r}")
    listed = list(agents)
    if not listed:
        raise InvalidInput("there is no agent to simulate: give one, such as MyAgent()")
    bound(listed)
    return listed


def check_no_loop_runs() -> None:
    """Refuse a call from a coroutine: a simulation runs a loop of its own, to its end.

    Raises:
        InvalidInput: a loop runs in this thread.

    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise InvalidInput("simulate runs a loop of its own: call it from a plain function, not from `async def`")


def check_workers(workers: Any) -> None:
    """Refuse a run without workers."""
    if not _whole(workers) or workers < 1:
        raise ValueError(f"workers must be a whole number from 1, not {workers!r}")


def check_model(model: Any) -> None:
    """Refuse what cannot be called as the model is.

    Raises:
        TypeError: it is no function, or takes something else.

    """
    takes = "model must be a function of (messages, tools, random)"
    if not callable(model):
        raise TypeError(f"{takes}, not {model!r}")
    try:
        signature = inspect.signature(model)
    except ValueError:  # some that are written in C do not tell
        return
    try:
        signature.bind([], None, Random(0))
    except TypeError as error:
        raise TypeError(f"{takes}; {model!r} takes {signature}: {error}") from None


def checked_script(script: Any, agents: Sequence[JourneyAgent[Any, Any, Any]]) -> tuple[Line, ...]:
    """Return the lines, each of which somebody can act out.

    Raises:
        TypeError: it holds something that is no line.
        InvalidInput: an id, a key or a text cannot be taken.
        ValueError: a number makes no sense.

    """
    wanted = f"a script is a list of lines ({', '.join(LINES)})"
    if isinstance(script, str | bytes) or not isinstance(script, Iterable):
        raise TypeError(f"{wanted}, not {script!r}")
    lines = tuple(script)
    keys = [agent.key for agent in agents]
    for line in lines:
        if not isinstance(line, Line):
            raise TypeError(f"{wanted}; {line!r} is none")
        _at_the_line(line, lambda one: _check_line(one, keys))
    return lines


def _check_line(line: Line, keys: Sequence[str]) -> None:
    _time("at", line.at)
    if isinstance(line, Publish):  # which is there to try what is bad
        _bytes("data", line.data)
    else:
        check_token(line.conversation, "conversation id")
    if isinstance(line, Say | Cancel | Publish) and line.agent not in ("", *keys):
        raise InvalidInput(f"no agent has the key {line.agent!r}; there are {', '.join(map(repr, keys))}")
    if isinstance(line, Fork):
        check_token(line.to, "conversation id")
    if isinstance(line, Say):
        checked(line.agent or keys[0], line.text, {}, line.id or None)
        _from(1, "times", line.times)


def checked_faults(faults: Any, workers: int) -> tuple[tuple[str, ...], tuple[Planned, ...]]:
    """Return the kinds that may happen, and the faults that are to happen.

    Raises:
        TypeError: it is no list of them.
        ValueError: there is no such kind or worker, or a number makes no sense.

    """
    wanted = f"faults must be a list of kinds, such as 'crash', and of {', '.join(PLANNED)}"
    if isinstance(faults, str) or not isinstance(faults, Iterable):
        raise TypeError(f"{wanted}, not {faults!r}: write [{faults!r}]")
    given = tuple(faults)
    for one in given:
        if not isinstance(one, str | Planned):
            raise TypeError(f"{wanted}; {one!r} is neither")
    unknown = sorted({one for one in given if isinstance(one, str)} - set(KINDS))
    if unknown:
        raise ValueError(f"no such fault: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    planned = tuple(one for one in given if not isinstance(one, str))
    last = workers - 1 + sum(isinstance(one, Join) for one in planned)
    for one in planned:
        _at_the_line(one, lambda fault: _check_fault(fault, last))
    return tuple(one for one in given if isinstance(one, str)), planned


def _check_fault(one: Planned, last: int) -> None:
    if isinstance(one, Join):
        _time("at", one.at)
        return
    if not _whole(one.worker) or not 0 <= one.worker <= last:
        raise ValueError(f"there is no worker {one.worker!r}: they are numbered 0 to {last}")
    moments = {"step": one.step, "at": one.at, "after": one.after}
    if sum(moment is not None for moment in moments.values()) > 1:
        raise ValueError("it happens once: give one of step, at and after")
    for name in ("step", "after"):
        if moments[name] is not None:
            _from(1, name, moments[name])
    if one.at is not None:
        _time("at", one.at)
    match one:
        case Pause() | Block():
            _time("seconds", one.seconds)
        case Crash() | Leave():
            if one.down is not None:
                _time("down", one.down)


def _at_the_line(one: Any, check: Callable[[Any], None]) -> None:
    """Check, and let what is raised say where."""
    try:
        check(one)
    except (InvalidInput, TypeError, ValueError) as error:
        raise type(error)(f"{one!r:.200}: {error}") from None


def _time(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of virtual seconds, not {value!r}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a number of virtual seconds from 0, not {value!r}")


def _bytes(name: str, value: Any) -> None:
    if not isinstance(value, bytes):
        raise TypeError(f"{name} must be bytes, not {value!r}")


def _from(first: int, name: str, value: Any) -> None:
    if not _whole(value) or value < first:
        raise ValueError(f"{name} must be a whole number from {first}, not {value!r}")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
