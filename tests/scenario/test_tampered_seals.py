"""Whatever is changed in the seals, in the file that an operator keeps or in the log, is found and named."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from agent_runtime_framework.events import SealedHead, decode_seal, root_of
from agent_runtime_framework.runtime.crypto.signing import SealKey, fingerprint
from agent_runtime_framework.runtime.sealing import SealFile, evidence_in
from agent_runtime_framework.runtime.sealing.lines import decode_line, encode_line
from support.tampering import ONE, TWO, Attacked, attacked


@pytest.fixture
async def place(nats_url: str, tmp_path: Path) -> AsyncIterator[Attacked]:
    """A place that was sealed three times, the last time when nothing had changed."""
    async with attacked(nats_url, tmp_path) as place:
        await place.seal()
        yield place


def lines(place: Attacked) -> list[bytes]:
    return place.file.read_bytes().splitlines(keepends=True)


async def found_in(place: Attacked, kept: list[bytes]) -> list[str]:
    place.file.write_bytes(b"".join(kept))
    return await place.found_by_seals()


async def test_a_file_says_every_head_that_was_sealed_and_grows_by_what_changed(place: Attacked) -> None:
    first, second, third = map(decode_line, lines(place))

    assert {name: head.version for name, head in first.heads.items()} == {"c-1": 13, "c-2": 7}
    assert {name: head.version for name, head in second.heads.items()} == {"c-1": 25, "c-3": 20, "c-4": 13}
    assert (third.heads, third.gone, third.seal.conversations) == ({}, [], 4)
    assert [line.seal.number for line in (first, second, third)] == [1, 2, 3]
    assert await place.seals() == [line.seal.stored for line in (first, second, third)]
    assert await place.found_by_seals() == []


async def test_a_head_that_was_edited_in_the_file_is_found(place: Attacked) -> None:
    first, *rest = lines(place)
    forged = msgspec.json.decode(first)
    forged["heads"]["c-2"][1] = "0" * 64

    (found, *others) = await found_in(place, [msgspec.json.encode(forged) + b"\n", *rest])
    assert f"{place.file}, line 1, seal 1: expected 2 heads with the root " in found
    assert ": a head was changed, added or removed" in found
    assert others == []


async def test_a_head_that_was_edited_with_its_root_is_found(place: Attacked) -> None:
    first, *rest = lines(place)
    line = decode_line(first)
    heads = {**line.heads, "c-2": SealedHead(3, "0" * 64)}
    forged = replace(line, heads=heads, seal=replace(line.seal, root=root_of(heads)))

    (found,) = await found_in(place, [encode_line(forged), *rest])
    assert ", line 1, seal 1: expected a signature by the key" in found


@pytest.mark.parametrize(
    ("order", "what"),
    [
        ((1, 2), "line 1, seal 2: expected a line that follows no seal"),
        ((0, 2), "line 2, seal 3: expected a line that follows seal 1"),
        ((1, 0, 2), "line 1, seal 2: expected a line that follows no seal"),
        ((0, 2, 1), "line 2, seal 3: expected a line that follows seal 1"),
        ((0, 0, 1, 2), "line 2, seal 1: expected a line that follows seal 1"),
        ((), "seals.jsonl: expected seals, found none"),
    ],
)
async def test_lines_that_were_removed_swapped_or_doubled_are_found(
    place: Attacked, order: tuple[int, ...], what: str
) -> None:
    kept = lines(place)
    (found,) = await found_in(place, [kept[index] for index in order])
    assert what in found


async def test_a_file_that_ends_before_the_seals_of_the_log_is_told(place: Attacked) -> None:
    assert await found_in(place, lines(place)[:1]) == []
    (note,) = (await place.evidence()).notes
    assert note.startswith("2 seals (2 to 3) of the log are not in this file: ")


async def test_a_file_that_another_key_signed_anew_is_found(place: Attacked) -> None:
    other = SealKey(Ed25519PrivateKey.generate())
    forged = []
    for data in lines(place):
        line = decode_line(data)
        unsigned = replace(line.seal, key=other.public)
        seal = replace(unsigned, signature=other.sign(unsigned.statement))
        resealed = replace(line, seal=seal)
        forged.append(encode_line(replace(resealed, link=other.sign(resealed.linked))))

    (found,) = await found_in(place, forged)
    theirs, ours = fingerprint(other.public), fingerprint(place.key.public)
    assert found.endswith(f"line 1, seal 1: expected the key {ours}, found the key {theirs}")


async def test_a_new_key_is_believed_only_by_who_names_it(place: Attacked) -> None:
    other = SealKey(Ed25519PrivateKey.generate())
    await place.sealer(SealFile(place.file), other).seal()

    found, in_the_log = await place.found_by_seals()
    assert in_the_log.startswith("seal 4 in the log: expected the key ")
    assert found.endswith(
        f", line 4, seal 4: expected the key {fingerprint(place.key.public)}, found the key {fingerprint(other.public)}"
    )
    *_, evidence = evidence_in(place.file, [place.key.public, other.public])
    assert (evidence.faults, len(evidence.seals)) == ([], 4)


async def test_a_line_that_became_something_else_is_found(place: Attacked) -> None:
    first, _, third = lines(place)
    (found,) = await found_in(place, [first, b"nothing\n", third])
    assert ", line 3, seal 3: expected a line that follows seal 1" in found
    (found,) = await found_in(place, [first, b"nothing\n"])
    assert ", line 2: no line of a file of seals: " in found


# --- a crash while it was written


@pytest.mark.parametrize("cut", [1, 200, -1])
async def test_a_line_that_a_crash_cut_off_is_followed_by_one_that_says_all(place: Attacked, cut: int) -> None:
    *kept, last = lines(place)
    assert await found_in(place, [*kept, last[:cut]]) == []
    if cut != -1:
        assert "it was cut off, as by a crash" in (await place.evidence()).notes[0]

    await place.sealer(SealFile(place.file)).seal()
    repaired = decode_line(lines(place)[-1])
    assert (repaired.full, set(repaired.heads), repaired.seal.number) == (True, {"c-1", "c-2", "c-3", "c-4"}, 4)
    assert await place.found_by_seals() == []
    assert len((await place.evidence()).seals) == (4 if cut == -1 else 3)


async def test_two_writers_of_one_file_go_on_from_each_other(place: Attacked) -> None:
    one, two = (place.sealer(SealFile(place.file)) for _ in range(2))
    for sealer in (one, two, one, two):
        await sealer.seal()

    assert [decode_line(line).seal.number for line in lines(place)] == list(range(1, 8))
    assert [decode_line(line).full for line in lines(place)] == [True] + [False] * 6
    assert await place.found_by_seals() == []


async def test_the_files_of_two_machines_verify_each_by_itself(place: Attacked, tmp_path: Path) -> None:
    ours, theirs = place.file, tmp_path / "theirs.jsonl"
    for file in (theirs, ours, theirs):
        await place.sealer(SealFile(file)).seal()

    for file, numbers in ((ours, [1, 2, 3, 5]), (theirs, [4, 6])):
        place.file = file
        assert [seal.number for seal in (await place.evidence()).seals] == numbers
        assert await place.found_by_seals() == []


async def test_a_file_that_was_taken_away_begins_anew(place: Attacked, tmp_path: Path) -> None:
    file = SealFile(place.file)
    await place.sealer(file).seal()
    place.file.rename(tmp_path / "kept-elsewhere")
    await place.sealer(file).seal()

    assert [decode_line(line).full for line in lines(place)] == [True]
    assert await place.found_by_seals() == []


# --- in the log


async def test_seals_that_are_gone_from_the_log_are_found(place: Attacked) -> None:
    await place.drop(place.names.seal_stream)

    (found,) = await place.found_by_seals()
    assert found.startswith("seal 1 of the file: expected the same in the log (")
    assert found.endswith("found none")


async def test_a_seal_that_is_missing_in_the_log_is_found(place: Attacked) -> None:
    first, second, _ = await place.seals()
    await place.put_seals([first, second])

    (found,) = await place.found_by_seals()
    assert found.startswith("seal 3 of the file: expected the same in the log (")

    await place.put_seals([second])
    assert any(
        line.startswith("seal 1 in the log: expected seal 1 after none") for line in await place.found_by_seals()
    )


async def test_another_seal_in_the_log_is_found(place: Attacked) -> None:
    first, second, third = await place.seals()
    seal = replace(decode_seal(third), time=1, signature="")
    forged = replace(seal, signature=place.key.sign(seal.statement)).stored
    await place.put_seals([first, second, forged])
    (found,) = await place.found_by_seals()
    assert found.startswith("seal 3 of the file: expected the same in the log (")

    await place.put_seals([first, second, b"{}"])
    (found,) = await place.found_by_seals()
    assert found.startswith("seal 3 in the log: expected a seal, found these bytes are no seal")

    await place.put_seals([first, second, third.replace(b'"number":3', b'"number": 3')])
    (found,) = await place.found_by_seals()
    assert found.startswith("seal 3 in the log: expected a seal, found seal 3 is not written as seals are")


async def test_seals_that_began_anew_in_the_log_are_found(place: Attacked, caplog: pytest.LogCaptureFixture) -> None:
    await place.drop(place.names.seal_stream)
    await place.seal()

    assert "seal 1: seals began anew in the log, which had seal 3; see `arf audit verify --seal" in caplog.text
    assert [decode_line(line).seal.number for line in lines(place)] == [1, 2, 3, 1]
    found = await place.found_by_seals()
    assert ", line 4, seal 1: expected a number after 3, found 1: seals began anew in the log" in found[0]


async def test_what_was_sealed_by_a_lost_log_is_missed_by_the_next_seal(
    place: Attacked, caplog: pytest.LogCaptureFixture
) -> None:
    await place.purge(TWO)
    frames = await place.kept(ONE)
    await place.forget_ids()
    await place.put(ONE, frames[:2])
    await place.seal()

    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said.startswith("seal 4: what was sealed before is not there any more in 2 conversations: c-1, c-2;")
    assert sorted(line.partition(":")[0] for line in await place.found_by_seals()) == ["c-1", "c-2", "c-3"]
