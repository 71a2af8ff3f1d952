"""Log files: conversations as they were recorded, to be kept, or replayed elsewhere.  JSON, one value a line.

A conversation is a line that heads it, and a line for each of its frames, in order:

    {"format":1,"conversation":"c-1","agent":"desk","release":"0.4.0","frames":4,"version":12,"hash":"9d1f...",
     "check":"e07a..."}
    {"hash":"5c07...","frame":{"first":1,"time":1795663922024,...}}

`frame` is the very bytes that the log holds, whatever release wrote the events in it, so that hashing them again gives
`hash`; a tool that writes such a line anew in its own way changes them, and is found out.  A fork's frames are its
parent's up to the cut, then its own, so it is read without the parent.

Reading believes nothing: each hash, the chain of versions and hashes, and what the head says are checked before a
conversation is given to anybody; `check` is the hash of what the head says.  What was recorded once and does not fit
any more is a `CorruptLog`; what never was a log file, or cannot be taken, is an `InvalidInput`.  Both name file and
line.

Each conversation is whole by itself, so two files one after the other are a file; for the same reason a file that was
cut exactly between two conversations cannot be told from one that never had more.
"""

import codecs
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO, Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from ..events import (
    FRAME_LIMIT,
    START,
    ConversationId,
    CorruptLog,
    FrameworkError,
    Head,
    InvalidId,
    InvalidInput,
    NotFound,
    Stored,
    TooLarge,
    begins_erased,
    check_token,
    continues,
    decode_frame,
    frame_hash,
)
from ..events.codec import MALFORMED
from ..events.course import Course
from .clock import new_id

FORMAT: Final = 1

LINE_LIMIT: Final = FRAME_LIMIT + 1_024
"""A line above so many bytes is not read to its end; no log takes a frame that large."""


class Recording(Struct, frozen=True):
    """Is a conversation as it was recorded: its frames from the first on, each with its very bytes.

    >>> from agent_runtime_framework import Recording
    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, simulate
    >>> run = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=(), model=lambda messages, tools, random: "Hello!")
    >>> recordings = [Recording(chat, tuple(log)) for chat, log in run.logs.items()]
    >>> [(one.conversation, len(one.frames), one.head.version) for one in recordings]
    [('c-1', 2, 7)]
    """

    conversation: ConversationId
    frames: tuple[Stored, ...]

    @property
    def head(self) -> Head:
        """Where it ends."""
        return self.frames[-1].head if self.frames else START


def read_logs(path: str | Path) -> list[Recording]:
    """Return the conversations in a log file, such as `arf export` writes; all of it is checked.

    Raises:
        NotFound: there is no such file.
        CorruptLog: something in it was changed, moved or cut off.
        InvalidInput: it is no log file, or cannot be read.

    >>> from agent_runtime_framework import InvalidInput, read_logs
    >>> try:
    ...     read_logs("/dev/null")
    ... except InvalidInput as error:
    ...     print(error)
    no conversation is in /dev/null: it is empty

    """
    with opened(Path(path)) as source:
        return list(recordings(source, str(path)))


def write_logs(path: str | Path, recordings: Iterable[Recording]) -> None:
    """Write conversations to a log file, which only then takes the place of one that is there.

    Raises:
        InvalidInput: it cannot be written there, or two are the same conversation.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from agent_runtime_framework import Recording, read_logs, write_logs
    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, simulate
    >>> run = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=(), model=lambda messages, tools, random: "Hello!")
    >>> recordings = [Recording(chat, tuple(log)) for chat, log in run.logs.items()]
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     write_logs(Path(directory, "c-1.jsonl"), recordings)
    ...     [one.frames[0].data == recordings[0].frames[0].data for one in read_logs(Path(directory, "c-1.jsonl"))]
    [True]

    """
    names: set[str] = set()
    with written(Path(path)) as target:
        for recording in recordings:
            if recording.conversation in names:
                raise InvalidInput(f"conversation {recording.conversation!r} is to be written to {path} twice")
            names.add(recording.conversation)
            target.writelines(lines_of(recording))


# --- lines


class _Heading(Struct, frozen=True, kw_only=True):
    """Says what the lines after it are."""

    format: int
    conversation: str
    agent: str
    release: str
    frames: Annotated[int, Meta(ge=1)]
    version: int
    hash: str
    check: str = ""

    def reckoned(self) -> str:
        """Return what `check` must be."""
        said = (self.conversation, self.agent, self.release, self.frames, self.version, self.hash)
        return frame_hash("\n".join(map(str, said)).encode())


class _Kept(Struct, frozen=True):
    """Is one frame's line."""

    hash: str
    frame: Raw


class _Any(Struct, frozen=True):
    """Is what tells a line from another, and one format from another."""

    format: int | None = None
    frame: Raw = Raw()


_encoder = msgspec.json.Encoder()
_any = msgspec.json.Decoder(_Any)
_heading = msgspec.json.Decoder(_Heading)
_kept = msgspec.json.Decoder(_Kept)


def lines_of(recording: Recording) -> Iterator[bytes]:
    """Yield the lines of a conversation, each with its end.

    Raises:
        InvalidInput: there are no frames, or the bytes of one do not fit on a line as they are.

    """
    if not recording.frames:
        raise InvalidInput(f"nothing is recorded of conversation {recording.conversation!r}")
    heading = _Heading(
        format=FORMAT,
        conversation=recording.conversation,
        agent=recording.frames[-1].frame.agent,
        release=version("agent-runtime-framework"),
        frames=len(recording.frames),
        version=recording.head.version,
        hash=recording.head.hash,
    )
    yield _encoder.encode(replace(heading, check=heading.reckoned())) + b"\n"
    for stored in recording.frames:
        if b"\n" in stored.data or stored.data.strip() != stored.data:
            raise InvalidInput(f"frame {stored.frame.first} of {recording.conversation!r} does not fit on one line")
        yield _encoder.encode(_Kept(stored.head.hash, Raw(stored.data))) + b"\n"


class _Lines:
    """Yields the lines of a file that are not blank, and knows where it is."""

    def __init__(self, source: IO[bytes], name: str) -> None:
        self._source = source
        self._name = name
        self._number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> bytes:
        while line := self._source.readline(LINE_LIMIT + 1):
            self._number += 1
            if len(line) > LINE_LIMIT:
                raise self.wrong(TooLarge, f"the line is over {LINE_LIMIT} bytes, and no frame is that large")
            if line := line.removeprefix(codecs.BOM_UTF8).strip():
                return line
        raise StopIteration

    def wrong(self, kind: type[FrameworkError], what: str) -> FrameworkError:
        """Return the error for the line that was given last."""
        return kind(f"{self._name}, line {self._number}: {what}")


def recordings(source: IO[bytes], name: str) -> Iterator[Recording]:
    """Yield the conversations of a log file, each when all of it was read and checked; `name` is what errors call it.

    Raises:
        CorruptLog: something in it was changed, moved or cut off.
        InvalidInput: it is no log file, or something in it cannot be taken.

    """
    lines = _Lines(source, name)
    names: set[str] = set()
    for line in lines:
        heading = _heading_in(line, lines)
        if heading.conversation in names:
            raise lines.wrong(InvalidInput, f"conversation {heading.conversation!r} is in the file twice")
        names.add(heading.conversation)
        yield _recording(heading, lines)
    if not names:
        raise InvalidInput(f"no conversation is in {name}: it is empty")


def _heading_in(line: bytes, lines: _Lines) -> _Heading:
    try:
        outline = _any.decode(line)
        if bytes(outline.frame):
            raise lines.wrong(CorruptLog, "a frame stands where a conversation should begin: it was moved or doubled")
        if outline.format not in (None, FORMAT):
            raise lines.wrong(
                InvalidInput, f"format {outline.format} is not known to this release, which reads format {FORMAT}"
            )
        heading = _heading.decode(line)
        check_token(heading.conversation, "conversation id")
        if heading.agent:
            check_token(heading.agent, "agent key")
    except MALFORMED as error:
        raise lines.wrong(InvalidInput, f"no conversation begins here as `arf export` writes it: {error}") from error
    except InvalidId as error:
        raise lines.wrong(InvalidId, str(error)) from error
    if heading.check != heading.reckoned():
        raise lines.wrong(CorruptLog, f"the head of conversation {heading.conversation!r} was changed")
    return heading


def _recording(heading: _Heading, lines: _Lines) -> Recording:
    """Return the conversation whose head was just read."""
    frames: list[Stored] = []
    head, course = START, Course(START)
    for number in range(1, heading.frames + 1):
        line = next(lines, None)
        what = f"frame {number} of {heading.frames} of {heading.conversation!r}"
        if line is None:
            raise lines.wrong(CorruptLog, f"the file ends here, and {what} is missing: it was cut off")
        frames.append(_stored(ConversationId(heading.conversation), line, course, what, lines))
        head = frames[-1].head
    ends = (heading.version, heading.hash, heading.agent)
    if (head.version, head.hash, frames[-1].frame.agent) != ends:
        raise lines.wrong(
            CorruptLog,
            f"{heading.conversation!r} ends at version {head.version} ({head.hash[:12]}), not as its head says at "
            f"{heading.version} ({heading.hash[:12]}) of agent {heading.agent!r}",
        )
    return Recording(ConversationId(heading.conversation), tuple(frames))


def _stored(conversation: ConversationId, line: bytes, course: Course, what: str, lines: _Lines) -> Stored:
    """Return the frame in a line, which stands next in `course`; its position is its number in the conversation."""
    head = course.head
    try:
        kept = _kept.decode(line)
    except MALFORMED as error:
        raise lines.wrong(CorruptLog, f"{what} should stand here: {error}") from error
    data = bytes(kept.frame)
    if frame_hash(data) != kept.hash:
        raise lines.wrong(
            CorruptLog, f"{what} hashes to {frame_hash(data)[:12]}, not to {kept.hash[:12]}: it was changed"
        )
    if len(data) > FRAME_LIMIT:
        raise lines.wrong(TooLarge, f"{what} has {len(data)} bytes, at most {FRAME_LIMIT} are taken")
    try:
        frame = decode_frame(data)
    except CorruptLog as error:
        raise lines.wrong(CorruptLog, f"{what}: {error}") from error
    if not (continues(frame, head) or begins_erased(frame, head)):
        raise lines.wrong(
            CorruptLog,
            f"{what} has versions {frame.first} to {frame.last} and continues {frame.prev[:12] or 'nothing'}, but "
            f"stands after version {head.version} ({head.hash[:12] or 'nothing'}): frames are missing or were moved",
        )
    stored = Stored(conversation, frame, Head(frame.last, head.position + 1, kept.hash), data)
    if (wrong := course.misfit(stored)) is not None:
        raise lines.wrong(CorruptLog, f"{what}: expected {wrong.expected}, found {wrong.found}")
    course.take(stored)
    return stored


# --- files


def opened(path: Path) -> IO[bytes]:
    """Open a file to be read.

    Raises:
        NotFound: it is not there.
        InvalidInput: it cannot be read.

    """
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Give a file that takes the place of the one at `path` when the block ends well; otherwise nothing is changed.

    What is no regular file, such as a pipe, is written as it is.

    Raises:
        InvalidInput: nothing can be written there.

    """
    place = path.resolve()  # a link stays one
    there = place.exists()
    part = place if there and not place.is_file() else place.with_name(f".{new_id('part')}")
    try:
        target = part.open("wb")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error
    if part == place:
        with target:
            yield target
        return
    try:
        with target:
            if there:
                shutil.copymode(place, part)
            yield target
            target.flush()
            os.fsync(target.fileno())
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
