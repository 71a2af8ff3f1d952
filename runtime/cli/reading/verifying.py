"""`arf audit verify`: whether what is stored is what was recorded, and what was sealed of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ....events import ConversationId, Fault, check_token
from ...logfiles import opened, recordings
from ...opening import NoNamespace
from ...sealing import Evidence, compare, evidence_in, fingerprint, load_public
from ...verifying import Verdict, Verification
from ..console import output
from ..console.options import Options
from ..console.place import reading
from .progress import Progress, progress
from .times import iso


class Wanted(Struct, frozen=True):
    """Says what is to be verified: these conversations, or all; against which seals, by whose keys."""

    conversations: tuple[str, ...]
    seal: Path | None
    keys: tuple[Path, ...]
    strict: bool


class _Tail(Struct):
    """Is what is not sealed yet."""

    seal: int
    time: str
    key: str
    conversations: int = 0
    events: int = 0


class _Report(Struct):
    """Is all that came of it; `verified` holds the verdicts on those that were named."""

    conversations: int = 0
    frames: int = 0
    events: int = 0
    faults: list[Fault] = []
    erased: list[Verdict] = []
    verified: list[Verdict] = []
    warnings: list[str] = []
    notes: list[str] = []
    unsealed: _Tail | None = None

    def told(self, evidence: Evidence | None, namespace: str) -> None:
        """Take over what the seals tell of themselves."""
        if evidence is None:
            return
        self.faults += evidence.faults
        self.notes += evidence.notes
        if evidence.seals:
            last = evidence.seals[-1]
            if last.namespace != namespace:
                self.notes.append(f"the seals are of namespace {last.namespace!r}, and {namespace!r} is verified")
            self.unsealed = _Tail(last.number, iso(last.time), fingerprint(last.key))

    def add(self, verdict: Verdict, *, named: bool) -> None:
        self.conversations += 1
        self.frames += verdict.frames
        self.events += verdict.events
        if verdict.fault is not None:
            self.faults.append(verdict.fault)
        elif verdict.erased is not None:
            self.erased.append(verdict)
            erased = f"{verdict.conversation}: erased at {verdict.erased}"
            self.notes += [f"{erased}; {note}" for note in verdict.notes]
        if named:
            self.verified.append(verdict)
        if self.unsealed is not None and verdict.unsealed:
            self.unsealed.conversations += 1
            self.unsealed.events += verdict.unsealed


async def verify_place(options: Options, wanted: Wanted) -> int:
    """Verify conversations, write what does not fit to stdout, and return the exit code."""
    for name in wanted.conversations:
        check_token(name, "conversation id")
    keys = [load_public(path) for path in wanted.keys]
    report = _Report()
    evidence = None if wanted.seal is None else await _evidence(wanted.seal, keys)
    try:
        async with reading(options) as client:
            if evidence is not None and client.substrate.seals is not None:
                await compare(evidence, client.substrate.seals.all())
            report.told(evidence, options.namespace)
            await _verify(Verification(client.substrate, evidence), wanted, report)
    except NoNamespace as missing:
        if evidence is None:
            raise
        report.told(evidence, options.namespace)
        expected = f"the {len(evidence.latest)} conversations that were sealed last"
        report.faults.append(Fault(kind="missing", what=str(missing), expected=expected, found="nothing"))
    _write(report, options)
    return 1 if report.faults or (wanted.strict and report.warnings) else 0


async def _verify(verification: Verification, wanted: Wanted, report: _Report) -> None:
    async with progress("verifying frames") as checked:
        if not wanted.conversations:
            await _all(verification, report, checked)
        for name in dict.fromkeys(wanted.conversations):
            report.add(await verification.one(ConversationId(name)), named=True)


async def _all(verification: Verification, report: _Report, checked: Progress) -> None:
    def count(frames: int) -> None:
        checked.count += frames

    async for verdict in verification.all(count):
        report.add(verdict, named=False)
    faults, warnings = verification.streams()
    report.faults[:0] = faults
    report.warnings += warnings


async def _evidence(path: Path, keys: Sequence[str]) -> Evidence:
    """Return what a file of seals proves by itself."""
    async with progress("verifying seals") as checked:

        def read() -> Evidence:
            for proven in evidence_in(path, keys):
                checked.count = len(proven.seals)
            return proven

        evidence = await asyncio.to_thread(read)
    if not keys and evidence.keys:
        output.say(f"the key in {path} is trusted: {fingerprint(evidence.keys[0])}; to name who seals give --key")
    return evidence


def _write(report: _Report, options: Options) -> None:
    for warning in report.warnings:
        output.say(f"warning: {warning}")
    for note in report.notes:
        output.say(f"note: {note}")
    match options.output:
        case "text":
            for line in _lines(report):
                output.write_text(line)
        case "json":
            output.write_json({**_summary(report), **{name: _data(report, name) for name in _LISTS}}, "json")
        case "jsonl":
            for name, kind in _LISTS.items():
                for one in _data(report, name):
                    output.write_json({"type": kind, **one}, "jsonl")
            output.write_json({"type": "summary", **_summary(report)}, "jsonl")


_LISTS = {"verified": "conversation", "erased": "erased", "faults": "fault"}


def _data(report: _Report, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.to_builtins(getattr(report, name))
    if name == "faults":
        found = [{"line": fault.line, **data} for fault, data in zip(report.faults, found, strict=True)]
    return found


def _summary(report: _Report) -> dict[str, Any]:
    return {
        "fits": not report.faults,
        "conversations": report.conversations,
        "frames": report.frames,
        "events": report.events,
        "warnings": report.warnings,
        "notes": report.notes,
        "unsealed": msgspec.to_builtins(report.unsealed),
    }


def _lines(report: _Report) -> list[str]:
    lines = [fault.line for fault in report.faults]
    lines += [
        f"{one.conversation}: versions {one.version - one.events + 1} to {one.version} fit, head {one.hash[:12]}"
        for one in report.verified
        if one.fault is None and one.erased is None
    ]
    lines += ["; ".join((f"{one.conversation}: erased at {one.erased}", *one.notes)) for one in report.erased]
    found = (
        f"{len(report.faults)} {'does' if len(report.faults) == 1 else 'do'} not fit" if report.faults else "all fit"
    )
    counted = (
        _counted(report.conversations, "conversation"),
        _counted(report.frames, "frame"),
        _counted(report.events, "event"),
    )
    lines.append(f"{', '.join(counted)}: {found}")
    if (tail := report.unsealed) is not None:
        what = f"{_counted(tail.events, 'event')} in {_counted(tail.conversations, 'conversation')}"
        lines.append(f"sealed last at {tail.time} (seal {tail.seal}, key {tail.key}); not sealed yet: {what}")
    return lines


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def verify_files(options: Options, files: Sequence[Path]) -> int:
    """Verify log files; the first thing in each that does not fit is a CorruptLog, which names file and line."""
    report = _Report()
    for file in files:
        with opened(file) as source:
            for recording in recordings(source, str(file)):
                report.conversations += 1
                report.frames += len(recording.frames)
                report.events += sum(len(stored.frame.events) for stored in recording.frames)
    _write(report, options)
    return 0
