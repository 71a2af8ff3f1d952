"""What a log file is read as: whole conversations, or an error that names the line."""

import io
import json
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec.structs import replace

from agent_runtime_framework import CorruptLog, FrameworkError, InvalidInput, NotFound, Recording, read_logs, write_logs
from agent_runtime_framework.events import (
    FRAME_LIMIT,
    START,
    ConversationId,
    ConversationStarted,
    Frame,
    Head,
    Lineage,
    MemoryLog,
    Stored,
    TooLarge,
    UnknownEvent,
    decode_frame,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.runtime.logfiles import LINE_LIMIT, _Heading, lines_of, recordings
from support.chains import CHAT, OTHER, frame_after, write

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Lines = list[bytes]
NEWER = b'{"type":"star.fell","cause":1, "at" : [1.50,1e2,"\\u00e9\xff"]}'


async def recorded(count: int, conversation: ConversationId = CHAT) -> Recording:
    return Recording(conversation, tuple(await write(MemoryLog(), conversation, count)))


def chain(conversation: ConversationId, frames: Sequence[bytes]) -> Recording:
    """Return these bytes as a recording, as they are."""
    stored, head = [], START
    for data in frames:
        frame = decode_frame(data)
        head = Head(frame.last, head.position + 1, frame_hash(data))
        stored.append(Stored(conversation, frame, head, data))
    return Recording(conversation, tuple(stored))


def names_in(directory: Path) -> list[str]:
    return [one.name for one in directory.iterdir()]


def read(data: bytes) -> list[Recording]:
    return list(recordings(io.BytesIO(data), "a.jsonl"))


def wrong(lines: Lines, kind: type[FrameworkError] = CorruptLog) -> str:
    """Return what is said of lines that are no log file: one line, and of that kind."""
    with pytest.raises(FrameworkError) as raised:
        read(b"".join(lines))
    assert type(raised.value) is kind
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
async def lines() -> Lines:
    """A conversation of four frames, as it stands in a file."""
    return list(lines_of(await recorded(4)))


async def test_what_was_written_is_read() -> None:
    written = [await recorded(3), await recorded(1, OTHER)]

    assert read(b"".join(line for one in written for line in lines_of(one))) == written


async def test_each_line_is_json_and_holds_the_very_bytes(lines: Lines) -> None:
    head, *frames = [json.loads(line) for line in lines]
    recording = await recorded(4)

    assert {name: head[name] for name in ("conversation", "agent", "frames", "version", "hash")} == {
        "conversation": "c-1",
        "agent": "agent",
        "frames": 4,
        "version": 4,
        "hash": recording.head.hash,
    }
    assert [one["hash"] for one in frames] == [stored.head.hash for stored in recording.frames]
    assert all(stored.data in line for stored, line in zip(recording.frames, lines[1:], strict=True))


def test_events_of_a_newer_release_come_back_byte_for_byte() -> None:
    first = encode_frame(frame_after(START)).replace(b'"events":[', b'"mood":  "glad","events": [' + NEWER + b" ,")
    recording = chain(CHAT, [first, encode_frame(frame_after(Head(2, 1, frame_hash(first))))])
    (again,) = read(b"".join(lines_of(recording)))

    assert again == recording
    assert again.frames[0].frame.events[0] == UnknownEvent(tag="star.fell", raw=NEWER, cause=1)


def test_a_fork_is_read_though_it_starts_in_the_middle_of_its_chain() -> None:
    first = encode_frame(frame_after(START))
    cut = Head(1, 1, frame_hash(first))
    lineage = Lineage(parent="c-1", version=1, frame=cut.hash)
    started = ConversationStarted(agent="agent", journey_hash="", state={}, lineage=lineage)
    own = Frame(first=2, time=0, writer="w", agent="agent", prev=cut.hash, events=(started,))
    recording = chain(OTHER, [first, encode_frame(own)])

    assert read(b"".join(lines_of(recording))) == [recording]


async def test_two_files_one_after_the_other_are_a_file(lines: Lines) -> None:
    both = read(b"".join([*lines, *lines_of(await recorded(2, OTHER))]))

    assert [one.conversation for one in both] == [CHAT, OTHER]


@pytest.mark.parametrize(
    "changed",
    [
        lambda lines: [line.replace(b"\n", b"\r\n") for line in lines],
        lambda lines: [b"\n", *lines, b"\r\n", b"  \n"],
        lambda lines: [b"\xef\xbb\xbf", *lines],
        lambda lines: [*lines[:-1], lines[-1].rstrip()],
    ],
    ids=["windows", "blank lines", "byte order mark", "no last line end"],
)
async def test_what_editors_do_to_a_file_is_no_harm(lines: Lines, changed: Callable[[Lines], Lines]) -> None:
    assert read(b"".join(changed(lines))) == [await recorded(4)]


def test_a_changed_byte_is_found_wherever_it_is(lines: Lines) -> None:
    for number, line in enumerate(lines):
        for at in range(len(line) - 1):
            other = line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]
            with pytest.raises((CorruptLog, InvalidInput), match=f"a.jsonl, line {number + 1}: "):
                read(b"".join([*lines[:number], other, *lines[number + 1 :]]))


def test_a_changed_frame_is_named(lines: Lines) -> None:
    lines[2] = lines[2].replace(b"text 1", b"text X")

    assert wrong(lines).startswith("a.jsonl, line 3: frame 2 of 4 of 'c-1' hashes to ")


def test_a_swapped_pair_is_named(lines: Lines) -> None:
    lines[2], lines[3] = lines[3], lines[2]

    assert "line 3: frame 2 of 4 of 'c-1' has versions 3 to 3 " in wrong(lines)


def test_a_missing_line_is_named(lines: Lines) -> None:
    assert "line 3: frame 2 of 4 of 'c-1' has versions 3 to 3 " in wrong([*lines[:2], *lines[3:]])
    assert "line 1: a frame stands where a conversation should begin" in wrong(lines[1:])


async def test_a_file_that_was_cut_is_found_wherever_it_was(lines: Lines) -> None:
    for count in range(1, 5):
        assert f"frame {count} of 4 of 'c-1' is missing: it was cut off" in wrong(lines[:count])
    assert "line 5: frame 4 of 4 of 'c-1' should stand here: " in wrong([*lines[:4], lines[4][:-20]])
    next_one = list(lines_of(await recorded(1, OTHER)))
    assert "line 5: frame 4 of 4 of 'c-1' should stand here: " in wrong([*lines[:4], *next_one])


def test_a_doubled_frame_is_named(lines: Lines) -> None:
    assert "line 6: a frame stands where a conversation should begin" in wrong([*lines, lines[-1]])


def test_a_conversation_that_is_there_twice_is_named(lines: Lines) -> None:
    assert "line 6: conversation 'c-1' is in the file twice" in wrong([*lines, *lines], InvalidInput)


@pytest.mark.parametrize(
    ("name", "value"), [("version", 5), ("hash", "0" * 64), ("agent", "another"), ("frames", 3), ("frames", 5)]
)
def test_a_head_that_says_something_else_is_found(lines: Lines, name: str, value: object) -> None:
    said = replace(msgspec.json.decode(lines[0], type=_Heading), **{name: value})
    assert "line 1: the head of conversation 'c-1' was changed" in wrong([msgspec.json.encode(said), b"\n", *lines[1:]])

    believable = replace(said, check=said.reckoned())
    assert wrong([msgspec.json.encode(believable), b"\n", *lines[1:]]).startswith("a.jsonl, line ")


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("conversation", "a.b", "line 1: conversation id 'a.b' is not valid"),
        ("conversation", "../c", "line 1: conversation id '../c' is not valid"),
        ("conversation", "", "line 1: conversation id '' is not valid"),
        ("agent", "*", "line 1: agent key '*' is not valid"),
    ],
)
def test_an_id_that_is_no_token_is_refused(lines: Lines, name: str, value: str, what: str) -> None:
    said = json.loads(lines[0]) | {name: value}
    with pytest.raises(InvalidInput, match=what.replace("*", r"\*")):
        read(b"".join([json.dumps(said).encode() + b"\n", *lines[1:]]))


@pytest.mark.parametrize("frames", [0, -1, 1.5, "4", None])
def test_a_count_that_is_none_is_refused(lines: Lines, frames: object) -> None:
    said = json.loads(lines[0]) | {"frames": frames}

    assert "line 1: no conversation begins here" in wrong([json.dumps(said).encode(), b"\n", *lines[1:]], InvalidInput)


def test_a_later_format_is_named(lines: Lines) -> None:
    said = json.dumps({"format": 2, "chat": "c-1"}).encode()

    assert "line 1: format 2 is not known to this release" in wrong([said], InvalidInput)


@pytest.mark.parametrize(
    "garbage",
    [
        b"# README\n", b"\xff\xfe{\x00}\x00\n", b"[]\n", b"{}\n", b"null\n", b"\x00" * 100, b'{"a":' * 100_000,
        b"[" * 500_000, b'{"format":1,"conversation":"\xff"}\n', b'{"format":1%b}\n' % (b"0" * 10_000),
        b'{"format":1,"conversation":"\\ud800"}\n', encode_frame(frame_after(START)) + b"\n",
    ],
)  # fmt: skip
def test_what_is_no_log_file_is_named(lines: Lines, garbage: bytes) -> None:
    assert "line 1: no conversation begins here" in wrong([garbage], InvalidInput)
    assert "line 6: no conversation begins here" in wrong([*lines, garbage], InvalidInput)
    assert "line 3: frame 2 of 4 of 'c-1' should stand here: " in wrong(
        [*lines[:2], garbage.strip(), b"\n", *lines[2:]]
    )


@pytest.mark.parametrize("data", [b"[]", b"{}", b"1", b'"x"', b'{"first":1}', b"[" * 900 + b"]" * 900])
def test_a_frame_that_is_none_is_named_though_its_hash_is_right(lines: Lines, data: bytes) -> None:
    lines[1] = b'{"hash":"%b","frame":%b}\n' % (frame_hash(data).encode(), data)

    assert "line 2: frame 1 of 4 of 'c-1'" in wrong(lines)


def test_an_empty_file_holds_no_conversation() -> None:
    for nothing in (b"", b"\n", b"\xef\xbb\xbf\r\n"):
        assert wrong([nothing], InvalidInput) == "no conversation is in a.jsonl: it is empty"


def test_a_line_that_no_frame_can_have_is_not_read_to_its_end(lines: Lines) -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: "WriteableBuffer") -> int:
            view = memoryview(buffer)
            view[:] = b"x" * len(view)
            return len(view)

    with pytest.raises(TooLarge, match=f"endless, line 1: the line is over {LINE_LIMIT} bytes"):
        list(recordings(io.BufferedReader(Endless()), "endless"))
    assert "line 3: the line is over" in wrong([*lines[:2], b"x" * 10_000_000], TooLarge)


def test_a_frame_over_the_limit_of_a_log_is_refused() -> None:
    large = chain(CHAT, [encode_frame(frame_after(START, "x" * (FRAME_LIMIT - 100)), limit=None)])

    assert "line 2: frame 1 of 1 of 'c-1' has " in wrong(list(lines_of(large)), TooLarge)


def test_what_does_not_fit_on_a_line_is_not_written() -> None:
    with pytest.raises(InvalidInput, match="frame 1 of 'c-1' does not fit on one line"):
        list(lines_of(chain(CHAT, [encode_frame(frame_after(START)).replace(b",", b",\n", 1)])))
    with pytest.raises(InvalidInput, match="nothing is recorded of conversation 'c-1'"):
        list(lines_of(Recording(CHAT, ())))


async def test_a_file_takes_the_place_of_another_only_when_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("before")
    path.chmod(0o640)
    recording = await recorded(2)
    with pytest.raises(InvalidInput, match=f"'c-1' is to be written to {path} twice"):
        write_logs(path, [recording, recording])
    assert (names_in(tmp_path), path.read_text()) == (["a.jsonl"], "before")

    write_logs(path, [recording])
    assert (read_logs(path), read_logs(str(path))) == ([recording], [recording])
    assert names_in(tmp_path) == ["a.jsonl"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_a_link_stays_a_link_and_a_pipe_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "kept" / "a.jsonl")
    write_logs(link, [await recorded(2)])
    assert link.is_symlink()
    assert read_logs(tmp_path / "kept" / "a.jsonl") == [await recorded(2)]

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_logs(pipe, [await recorded(2)])
    assert read(os.read(end, 65_536)) == [await recorded(2)]
    os.close(end)


async def test_a_place_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"there is no file {tmp_path}/nothing"):
        read_logs(tmp_path / "nothing")
    with pytest.raises(InvalidInput, match=f"{tmp_path} cannot be read: Is a directory"):
        read_logs(tmp_path)
    with pytest.raises(InvalidInput, match=f"{tmp_path} cannot be written: Is a directory"):
        write_logs(tmp_path, [await recorded(1)])
    with pytest.raises(InvalidInput, match=r"nothing/a\.jsonl cannot be written: No such file or directory"):
        write_logs(tmp_path / "nothing" / "a.jsonl", [await recorded(1)])
    assert names_in(tmp_path) == []
