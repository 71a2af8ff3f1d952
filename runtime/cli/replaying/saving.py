"""`arf save-test`: conversations kept as log files, and the test that replays them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ....events import Conflict, CorruptLog, InvalidInput
from ...loading import load_agents
from ...logfiles import Recording, read_logs, write_logs
from ..console import output
from ..console.options import Options
from ..console.place import reading
from ..reading.progress import progress

_TEST: Final = '''"""Conversations that the agent of today leads as they were led; `arf save-test` adds to them."""

from agent_runtime_framework.testing import assert_replays

test_conversations = assert_replays("{logs}/*.jsonl", {agent})
'''


async def save_test(
    options: Options, conversations: Sequence[str], *, agent: str | None, directory: Path, update: bool
) -> int:
    """Write the log file of each conversation, and the test of their agent where there is none yet."""
    with output.authors_prints_apart():
        known = None if agent is None else {one.key for one in load_agents([agent])}
    done: list[dict[str, str]] = []
    async with progress("reading events") as read, reading(options) as client:
        for conversation in conversations:
            withheld = await client.withheld(conversation)
            if withheld is not None:  # the test could never pass
                raise withheld
            frames = tuple([stored async for stored in read.of(client.frames(conversation))])
            recording = Recording(frames[0].conversation, frames)
            key = frames[-1].frame.agent
            if known is not None and key not in known:
                named = ", ".join(sorted(known))
                raise InvalidInput(f"conversation {conversation!r} is of agent {key!r}, and --agent names {named}")
            test = directory / f"test_replays_{key.replace('-', '_')}.py"
            if agent is None and not test.exists():
                raise InvalidInput(f"there is no {test} yet: name the agent that it replays with --agent MODULE:ATTR")
            for file, what in _kept(directory, test, recording, agent=agent, update=update):
                done.append({"file": str(file), "what": what})
                if options.output == "text":
                    output.write_text(f"{file}: {what}")
    if options.output == "json":
        output.write_json(done, "json")
    elif options.output == "jsonl":
        for each in done:
            output.write_json(each, "jsonl")
    return 0


def _kept(
    directory: Path, test: Path, recording: Recording, *, agent: str | None, update: bool
) -> Iterator[tuple[Path, str]]:
    """Write what is not there yet, and yield each file and what came of it."""
    key = recording.frames[-1].frame.agent
    file = directory / "logs" / key / f"{recording.conversation}.jsonl"
    yield file, keep(file, recording, update=update)
    if agent is None:
        return
    spec = msgspec.json.encode(agent).decode()
    if not test.exists():
        test.write_text(_TEST.format(logs=f"logs/{key}", agent=spec), encoding="utf-8")
        yield test, "written"
    elif spec not in test.read_text(encoding="utf-8"):
        yield test, "is there already, and names the agent otherwise than --agent"


def keep(file: Path, recording: Recording, *, update: bool) -> str:
    """Write a log file, and return what came of it.

    Raises:
        Conflict: there is another one, and it was not to be updated.
        InvalidInput: it cannot be written there.

    """
    if file.exists():
        if _same(file, recording):
            return "is there already"
        if not update:
            raise Conflict(f"{file} holds another log of {recording.conversation!r}: write it anew with --update")
    there = file.exists()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{file.parent} cannot be made: {error.strerror}") from error
    write_logs(file, [recording])
    return "updated" if there else "written"


def _same(file: Path, recording: Recording) -> bool:
    """Say whether a file holds just this; positions are of the place where a log is kept, and are not compared."""
    try:
        there = [(one.conversation, one.head.version, one.head.hash) for one in read_logs(file)]
    except (CorruptLog, InvalidInput):
        return False
    return there == [(recording.conversation, recording.head.version, recording.head.hash)]
