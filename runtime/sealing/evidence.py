"""What a file of seals proves: every line checked by itself, against the one before, and against the log's seals."""

from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path

from msgspec import Struct

from ...events import CorruptLog, Fault, Seal, Sealed, SealedAt, SealedHead, decode_seal, root_of
from ..crypto.signing import fingerprint, signed_by
from ..logfiles import opened
from .lines import Folded, SealLine, decode_line


class Evidence(Struct):
    """Holds what was sealed, as far as it can be believed.

    Attributes:
        keys: who may have signed it, public keys in hex.
        seals: those of the file.
        heads: by conversation, what was sealed of it, the oldest first.
        latest: by conversation, what the last line has.
        faults: what does not fit in the seals themselves.
        notes: what is no fault and should be known.

    """

    keys: tuple[str, ...]
    seals: list[Seal] = []
    heads: dict[str, list[SealedAt]] = {}
    latest: dict[str, SealedHead] = {}
    faults: list[Fault] = []
    notes: list[str] = []

    def sealed(self, conversation: str) -> Sealed:
        """Return what compares a conversation with what was sealed of it."""
        return Sealed(conversation, self.heads.get(conversation, ()))


def evidence_in(path: Path, keys: Collection[str]) -> Iterator[Evidence]:
    """Read a file of seals, and yield what it proves so far after each line.

    Nothing after a line that does not fit is believed.  Without keys the one in the first line is.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it cannot be read.

    """
    evidence = Evidence(tuple(keys))
    folded, broken = Folded(), ""
    with opened(path) as source:
        for number, data in enumerate(source, 1):
            where = f"{path}, line {number}"
            try:
                line = decode_line(data)
            except CorruptLog as error:
                broken = broken or f"{where}: {error}"
                folded.broken = True
                if not data.endswith(b"\n"):
                    evidence.notes.append(f"{where}: it was cut off, as by a crash; the next seal begins anew")
                    broken = ""
                continue
            evidence.keys = evidence.keys or (line.seal.key,)
            fault = _fault(line, folded, evidence.keys, where, broken)
            if fault is not None:
                evidence.faults.append(fault)
                break
            if broken:
                evidence.notes.append(f"{where}: it begins anew, because what is before it was cut off, as by a crash")
                broken = ""
            _take(line, folded, evidence)
            yield evidence
    if broken and not evidence.faults:
        evidence.faults.append(_wrong(broken, "a seal", "something else"))
    if not evidence.seals and not evidence.faults:
        evidence.faults.append(_wrong(str(path), "seals", "none"))
    yield evidence


def _take(line: SealLine, folded: Folded, evidence: Evidence) -> None:
    folded.take(line)
    evidence.latest = folded.heads
    evidence.seals.append(line.seal)
    for conversation, head in line.heads.items():
        known = evidence.heads.setdefault(conversation, [])
        if not known or known[-1].head != head:
            known.append(SealedAt(head, line.seal.number))


def _fault(line: SealLine, before: Folded, keys: Collection[str], where: str, broken: str) -> Fault | None:
    """Return what is wrong with a line."""
    seal = line.seal
    where = f"{where}, seal {seal.number}"
    unsigned = _unsigned(seal, keys, where)
    if unsigned is not None:
        return unsigned
    if not signed_by(seal.key, line.link, line.linked):
        return _wrong(where, "a signature of what the line follows", "another: the line was changed")
    if line.after != before.after:
        named = "no seal" if before.last is None else f"seal {before.last.number}"
        found = f"the one that hashes to {line.after[:12] or 'nothing'}: lines were removed, moved or doubled"
        return _wrong(where, f"a line that follows {named} ({before.after[:12] or 'nothing'})", found)
    if before.broken and not line.full:
        return _wrong(broken or where, "a seal", "something else, and the line after it does not begin anew")
    if before.last is not None:
        if seal.number <= before.last.number:
            return _wrong(where, f"a number after {before.last.number}", f"{seal.number}: seals began anew in the log")
        if seal.number == before.last.number + 1 and seal.before != before.last.hash:
            return _wrong(where, f"a seal that follows {before.last.hash[:12]}", seal.before[:12] or "none")
    elif not line.full:
        return _wrong(where, "all heads in the first line", "some: lines before it were removed")
    return _unlike_its_root(line, before, where)


def _unsigned(seal: Seal, keys: Collection[str], where: str) -> Fault | None:
    if seal.key not in keys:
        return _wrong(where, f"the key {', '.join(map(fingerprint, keys))}", f"the key {fingerprint(seal.key)}")
    if not signed_by(seal.key, seal.signature, seal.statement):
        return _wrong(where, f"a signature by the key {fingerprint(seal.key)}", "another: the seal was changed")
    return None


def _unlike_its_root(line: SealLine, before: Folded, where: str) -> Fault | None:
    after = Folded()
    after.heads = dict(before.heads)
    after.take(line)
    found = root_of(after.heads)
    if (found, len(after.heads)) == (line.seal.root, line.seal.conversations):
        return None
    expected = f"{line.seal.conversations} heads with the root {line.seal.root[:12]}"
    return _wrong(where, expected, f"{len(after.heads)} with {found[:12]}: a head was changed, added or removed")


async def compare(evidence: Evidence, kept: AsyncIterator[bytes]) -> None:
    """Check the seals that the log has, and that those of the file are among them.

    Where neither a key was given nor a seal was found in the file, nobody knows who seals, and nothing is compared.
    """
    if not evidence.keys:
        return
    hashes, before = {}, None
    async for data in kept:
        number = 1 if before is None else before.number + 1
        where = f"seal {number} in the log"
        try:
            seal = decode_seal(data)
        except CorruptLog as error:
            evidence.faults.append(_wrong(where, "a seal", str(error)))
            return
        follows = (number, "" if before is None else before.hash)
        fault = _unsigned(seal, evidence.keys, where)
        if fault is None and (seal.number, seal.before) != follows:
            found = f"seal {seal.number} after {seal.before[:12] or 'none'}"
            fault = _wrong(where, f"seal {number} after {follows[1][:12] or 'none'}", found)
        if fault is not None:
            evidence.faults.append(fault)
            return
        hashes[seal.number] = seal.hash
        before = seal
    for seal in evidence.seals:
        there = hashes.get(seal.number)
        if there != seal.hash:
            where = f"seal {seal.number} of the file"
            evidence.faults.append(_wrong(where, f"the same in the log ({seal.hash[:12]})", (there or "none")[:12]))
            return
    _note_others(evidence, hashes)


def _note_others(evidence: Evidence, hashes: dict[int, str]) -> None:
    others = sorted(hashes.keys() - {seal.number for seal in evidence.seals})
    if others:
        which = f"seal {others[0]}" if len(others) == 1 else f"{len(others)} seals ({others[0]} to {others[-1]})"
        has = "is" if len(others) == 1 else "are"
        evidence.notes.append(
            f"{which} of the log {has} not in this file: another worker's file has what was sealed then, or the end of "
            "this one was cut off"
        )


def _wrong(where: str, expected: str, found: str) -> Fault:
    return Fault(kind="seal", what=where, expected=expected, found=found)
