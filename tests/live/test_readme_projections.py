"""README's projection is saved as it stands, run twice, and asked as README asks it."""

import asyncio
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from agent_runtime_framework import Client
from agent_runtime_framework.events import ToolStarted, UserSpoke
from support.chains import CHAT, OTHER, write
from support.processes import environment
from support.projections import append

SECTION = (Path(__file__).parents[2] / "README.md").read_text().partition("## Projections of your own")[2]
PROGRAM = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)[0]
QUERY = re.findall(r"```sql\n(.*?)```", SECTION, re.DOTALL)[0]


async def run(directory: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "talk.py",
        cwd=directory,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert (said, process.returncode) == (b"", 0)


def asked(directory: Path) -> list[tuple[str, int, int]]:
    with closing(sqlite3.connect(directory / "talk.db")) as database:
        return database.execute(QUERY).fetchall()


async def test_the_projection_counts_what_is_recorded_and_goes_on_from_there(tmp_path: Path) -> None:
    (tmp_path / "talk.py").write_text(PROGRAM)
    async with Client.connect(home=tmp_path / ".arf") as client:
        log = client.substrate.log
        chat = await write(log, CHAT, 3)
        await write(log, OTHER, 1)
        await run(tmp_path)
        assert sorted(asked(tmp_path)) == [("c-1", 3, 0), ("c-2", 1, 0)]

        await append(log, CHAT, UserSpoke(message_id="m", text="hi"), ToolStarted(cause=1), head=chat[-1].head)
        await run(tmp_path)
        assert sorted(asked(tmp_path)) == [("c-1", 4, 1), ("c-2", 1, 0)]
