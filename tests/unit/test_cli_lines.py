"""Lines of stdin."""

import asyncio
import os
import pty
from collections.abc import Iterator

import pytest

from agent_runtime_framework.runtime.cli.console import lines as lines_module
from agent_runtime_framework.runtime.cli.console.lines import Lines


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of a pipe that is stdin."""
    ours, theirs = os.pipe()
    monkeypatch.setattr(lines_module, "STDIN", ours)
    yield theirs
    os.close(ours)


async def test_lines_come_one_by_one_and_the_last_needs_no_end(stdin: int) -> None:
    lines = Lines()
    os.write(stdin, b"one\ntwo\r\n\n")
    assert [await lines.next() for _ in range(3)] == ["one", "two", ""]
    os.write(stdin, "halb \xe4".encode()[:-1])
    os.write(stdin, "ä".encode()[1:] + b"\xff\nrest")
    os.close(stdin)
    assert [await lines.next() for _ in range(4)] == ["halb ä\ufffd", "rest", None, None]


async def test_a_long_line_is_one_line(stdin: int) -> None:
    lines = Lines()
    expected = "x" * 1_000_000
    waiting = asyncio.create_task(lines.next())
    await asyncio.to_thread(_write_all, stdin, expected.encode() + b"\n")
    assert await waiting == expected


def _write_all(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


async def test_a_stdin_that_is_closed_has_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "STDIN", 10_000)
    assert await Lines().next() is None
    assert not Lines().typed


async def test_a_terminal_is_typed_at_and_ctrl_d_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setattr(lines_module, "STDIN", theirs)
    lines = Lines()
    assert lines.typed
    os.write(ours, b"typed\n\x04")
    assert [await lines.next(), await lines.next()] == ["typed", None]
    os.close(ours)
    os.close(theirs)
