"""A real Django project over ASGI: its page runs an agent and streams its events; all of it is in its database."""

import asyncio
import json
import sqlite3
import sys
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.django_runs import COMPANIONS
from support.openai_server import server_process
from support.processes import SOURCES, Running, environment

SITE = Path(__file__).parents[1] / "support" / "site"
NAMED: dict[str, Any] = {"calls": [["save_name", {"name": "Ada"}]]}
BOOKED: dict[str, Any] = {"calls": [["book", {"day": "Monday"}]]}


@asynccontextmanager
async def serving(database: Path, models: str) -> AsyncIterator[str]:
    """Serve the project, and give its address."""
    paths = ":".join(map(str, (SITE, COMPANIONS, SOURCES)))
    env = environment(
        OPENAI_BASE_URL=models, SITE_DATABASE=str(database), DJANGO_SETTINGS_MODULE="settings", PYTHONPATH=paths
    )
    command = [sys.executable, "-m", "uvicorn", "asgi:application", "--port", "0", "--no-access-log"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=SITE, env=env, stdout=pipe, stderr=pipe)
    try:
        line = await Running(process).line_with("Uvicorn running on ")
        yield line.partition("running on ")[2].split()[0]
    finally:
        process.terminate()
        await process.communicate()


class Page:
    """Reads the events of one answer as they come."""

    def __init__(self, site: str, conversation: str, text: str) -> None:
        data = urllib.parse.urlencode({"text": text}).encode()
        self._answer = urllib.request.urlopen(f"{site}/talk/{conversation}", data, timeout=30)
        self._events = self._read()

    def _read(self) -> Iterator[dict[str, Any]]:
        with self._answer as lines:
            for line in lines:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def next(self) -> dict[str, Any]:
        """Return the next event."""
        return next(self._events)

    def rest(self) -> list[dict[str, Any]]:
        """Return all events that are still to come."""
        return list(self._events)


async def said(site: str, conversation: str, text: str) -> list[dict[str, Any]]:
    """Say something, and return all events."""
    return await asyncio.to_thread(lambda: Page(site, conversation, text).rest())


def in_database(database: Path, query: str) -> list[Any]:
    """Return the rows of a query."""
    connection = sqlite3.connect(database)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def test_a_page_streams_the_events_of_a_run_as_they_come(tmp_path: Path) -> None:
    script = [NAMED, {"text": "Which day?", "hold": "asked"}]
    async with server_process(tmp_path, script) as models, serving(tmp_path / "db", models.url) as site:
        page = await asyncio.to_thread(Page, site, "c-1", "I am Ada")
        early = [(await asyncio.to_thread(page.next))["type"] for _ in range(2)]
        await models.release("asked")
        late = await asyncio.to_thread(page.rest)

    assert early == ["tool.call", "tool.result"]
    assert [event["type"] for event in late] == ["assistant.message", "run.completed"]
    assert late[-1]["output"] == {"response": "Which day?", "state": {"step": "day", "name": "Ada", "day": ""}}
    assert late[-1]["usage"]["total_tokens"] == 24


async def test_a_conversation_goes_on_over_runs_and_over_restarts_of_the_project(tmp_path: Path) -> None:
    script: list[Any] = [NAMED, "Which day?", BOOKED, "Good-bye."]
    async with server_process(tmp_path, script) as models:
        async with serving(tmp_path / "db", models.url) as site:
            first = await said(site, "c-1", "I am Ada")
        async with serving(tmp_path / "db", models.url) as site:
            second = await said(site, "c-1", "on Monday")

    assert first[1]["result"] == "Guest 1 is Ada."
    assert second[1]["result"] == "Ada is booked for Monday, as number 2."
    assert second[-1]["output"]["state"] == {"step": "done", "name": "Ada", "day": "Monday"}
    assert in_database(tmp_path / "db", "select json_extract(checkpoint, '$.step') from journeys_run") == [
        ("day",),
        ("done",),
    ]
    assert in_database(tmp_path / "db", "select key from journeys_kept") == [("state/c-1/booking",)]


async def test_a_run_that_fails_after_its_booking_is_not_to_be_tried_again(tmp_path: Path) -> None:
    refused = {"status": 400, "error": {"message": "no"}}
    script = [NAMED, refused, BOOKED, refused]
    async with server_process(tmp_path, script) as models, serving(tmp_path / "db", models.url) as site:
        first = await said(site, "c-1", "I am Ada")
        second = await said(site, "c-1", "on Monday")

    assert [(run[-1]["type"], run[-1]["retriable"]) for run in (first, second)] == [
        ("run.failed", True),
        ("run.failed", False),
    ]
    assert in_database(tmp_path / "db", "select json_extract(value, '$.day') from journeys_kept") == [("Monday",)]
