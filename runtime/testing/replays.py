"""Old conversations as tests: what they were led to, the code of today leads them to, too.

At the top of a test module `assert_replays` makes a test of each conversation in the log files that a pattern names;
called in a function, such as a test, it replays all of them at once.  A pattern that names no file, and a file that
cannot be read, fails: what is not replayed is not shown to be the same.
"""

import asyncio
import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct

from ...actors.replay import Aspect, Replayed
from ...events import FrameworkError, InvalidInput
from ..agents import JourneyAgent
from ..loading import load_agents
from ..logfiles import Recording, read_logs
from ..replay import Tools, replay

Agent: TypeAlias = JourneyAgent[Any, Any, Any]


class Kept(Struct, frozen=True):
    """Is a conversation in a log file; one that could not be read says why."""

    file: Path
    name: str
    recording: Recording | None = None
    problem: str = ""


def assert_replays(
    logs: str | Path,
    agent: Agent | Sequence[Agent] | str,
    *,
    ignore: Collection[Aspect] = (),
    tools: Tools = "log",
) -> Callable[..., None]:
    """Make a test of each conversation in the files that `logs` names, such as `"logs/*.jsonl"`.

    The pattern is looked for beside the file that calls this.  `agent` is the agent of today, several of them, or
    MODULE:ATTR as for `arf worker`, where a file is looked for in the caller's directory and those above it.  `ignore`
    names what may differ, such as `{"prompt", "tools"}`; with `tools="run"` tools are really run.

    Called at the top of a module, or in the body of a class, it returns the tests, which are given a name that pytest
    collects: `test_conversations = assert_replays("logs/*.jsonl", agent)`.
    Called in a function it replays all at once.

    Raises:
        AssertionError: in a function: a conversation is led otherwise than it was, or there is none.

    >>> import os, tempfile
    >>> from pathlib import Path
    >>> from agent_runtime_framework import Recording, write_logs
    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, assert_replays, simulate
    >>> run = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=())
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     write_logs(Path(directory, "c-1.jsonl"), [Recording(chat, tuple(log)) for chat, log in run.logs.items()])
    ...     test_conversations = assert_replays(f"{directory}/*.jsonl", OnboardingAgent())
    >>> test_conversations.pytestmark[0].args[1][0].id
    'c-1'

    """
    import pytest  # noqa: PLC0415  the rest of the test kit is used without it, too

    frame = sys._getframe(1)  # noqa: SLF001  whose test it is
    code = frame.f_code
    caller = Path(code.co_filename).resolve().parent
    found = kept(caller, logs)

    def report_of(one: Kept) -> str:
        return _report(one, _agents(agent, caller), ignore=ignore, tools=tools)

    @pytest.mark.parametrize("one", [pytest.param(one, id=one.name) for one in found])
    def test(one: Kept) -> None:
        __tracebackhide__ = True
        if report := report_of(one):
            pytest.fail(report, pytrace=False)

    if code.co_flags & inspect.CO_OPTIMIZED and (reports := [report for one in found if (report := report_of(one))]):
        raise AssertionError("\n\n".join(reports))  # in a function nobody would collect what it gets
    # in the body of a class it would be given an instance
    return test if frame.f_locals is frame.f_globals else staticmethod(test)


def kept(beside: Path, pattern: str | Path) -> list[Kept]:
    """Return the conversations in the files that a pattern names, looked for beside a directory."""
    pattern = Path(pattern)
    root = Path(pattern.anchor) if pattern.is_absolute() else beside
    files = sorted(root.glob(str(pattern.relative_to(pattern.anchor))))
    if not files:
        return [Kept(beside, str(pattern), problem=f"no log file is named by {pattern!s} in {beside}")]
    return [one for file in files for one in _in(file)]


def _in(file: Path) -> Iterator[Kept]:
    try:
        found = read_logs(file)
    except FrameworkError as error:
        yield Kept(file, file.stem, problem=str(error))
        return
    for recording in found:
        name = (
            recording.conversation if recording.conversation == file.stem else f"{file.stem}:{recording.conversation}"
        )
        yield Kept(file, name, recording)


def _agents(agent: Agent | Sequence[Agent] | str, caller: Path) -> dict[str, Agent]:
    if isinstance(agent, str):
        agents: Sequence[Agent] = load_agents([_found(agent, caller)])
    else:
        agents = [agent] if isinstance(agent, JourneyAgent) else agent
    return {one.key: one for one in agents}


def _found(spec: str, caller: Path) -> str:
    """Return MODULE:ATTR with the file of a module as it is found from the caller's directory upward."""
    module, colon, attribute = spec.rpartition(":")
    if not module.endswith(".py"):
        return spec
    for directory in (caller, *caller.parents):
        if (directory / module).is_file():
            return f"{directory / module}{colon}{attribute}"
    return spec


def _report(one: Kept, agents: dict[str, Agent], *, ignore: Collection[Aspect], tools: Tools) -> str:
    """Return what is wrong with a conversation, empty text if nothing is."""
    if one.recording is None:
        return one.problem
    key = one.recording.frames[-1].frame.agent
    if key not in agents:
        raise InvalidInput(f"conversation {one.name!r} is of agent {key!r}, and given is {', '.join(sorted(agents))}")
    replayed = _replayed(one.recording, agents[key], ignore=ignore, tools=tools)
    return "" if replayed.first is None else f"{one.file.name}: {replayed}"


def _replayed(recording: Recording, agent: Agent, *, ignore: Collection[Aspect], tools: Tools) -> Replayed:
    """Replay on a loop of its own, in a thread of its own: a test may have a loop that runs."""

    def work() -> Replayed:
        return asyncio.run(replay(recording.frames, agent, ignore=ignore, tools=tools))

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(work).result()
