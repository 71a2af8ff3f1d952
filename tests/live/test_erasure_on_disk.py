"""After an erasure nothing of what was said is found: on the server's disk, in a backup of the log, in exports."""

import asyncio
import json
import shutil
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework import Client, Runtime
from agent_runtime_framework.runtime.testing.working import at_work
from support.cli_bots import Bot
from support.command_line import in_use, run

MASTER = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="
KEYED = {"ARF_MASTER_KEY": MASTER}
WORDS = ("Zanzibaria", "kaleidoscopic marmalade", 'the "quoted" flamingo', "näive ümläuts")


def forms_of(word: bytes) -> set[bytes]:
    """Return the ways in which these bytes may stand in a file: as they are, escaped, in hex, and in base64."""
    found = {word, word.hex().encode(), repr(word.decode(errors="replace"))[1:-1].encode()}
    found.add(json.dumps(word.decode(errors="replace"))[1:-1].encode())
    for offset in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            text = encode(b"\0" * offset + word)
            # what depends on the bytes before and after is left out
            found.add(text[-(-offset * 8 // 6) :].rstrip(b"=")[:-1])
    return {form for form in found if len(form) >= 8}


def found_in(directory: Path, *words: bytes) -> list[tuple[str, bytes]]:
    """Return which words stand in which files, in whatever form."""
    return [
        (str(path.relative_to(directory)), word)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
        for data in [path.read_bytes()]
        for word in words
        if any(form in data for form in forms_of(word))
    ]


SAID = tuple(word.encode() for word in WORDS)


def stopped(place: Path) -> Path:
    """Return the server's data, once the server has ended: in good order, because nobody uses it any more."""
    home, last = place / ".arf", time.monotonic() + 20
    while in_use(home):
        assert time.monotonic() < last
        time.sleep(0.01)
    return home / "jetstream"


async def talk(place: Path, *, encrypt: bool) -> None:
    """Say the words in `c-1`, and something else in `c-2`; one of them waits when its worker has left."""
    async with at_work(Runtime([Bot()], home=place / ".arf", encrypt=encrypt)) as rt:
        for text in ("save_name Zanzibaria", *WORDS[1:]):
            await rt.send("bot", "c-1", text)
        await rt.send("bot", "c-2", "hello")
    async with Client.connect(home=place / ".arf") as client:
        await client.publish("bot", "c-1", WORDS[1])


async def refuse(place: Path) -> None:
    """Let a worker refuse what was waiting in the erased conversation."""
    async with at_work(Runtime([Bot()], home=place / ".arf", encrypt=True)) as rt:
        async for event in rt.follow("c-1"):
            if getattr(event, "type", "") == "command.refused":
                return


async def keys_of(place: Path) -> tuple[bytes, bytes]:
    """Return the key of `c-1`, raw, and as it is wrapped."""
    async with Client.connect(home=place / ".arf", create=False) as client:
        vault = client.substrate.vault
        assert vault is not None
        wrapped = await vault._keys.get("c.c-1")
        assert wrapped
        return await vault._unwrapped(wrapped), wrapped


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("ARF_MASTER_KEY", MASTER)
    asyncio.run(talk(place, encrypt=True))
    yield place
    assert in_use(place / ".arf") == []


def test_the_search_finds_what_is_in_clear(tmp_path: Path) -> None:
    asyncio.run(talk(tmp_path, encrypt=False))
    assert run("export c-1 -o all.jsonl", tmp_path).returncode == 0

    assert {word for _, word in found_in(stopped(tmp_path), *SAID)} == set(SAID)
    (tmp_path / "exports").mkdir()
    (tmp_path / "all.jsonl").rename(tmp_path / "exports" / "all.jsonl")
    assert {word for _, word in found_in(tmp_path / "exports", *SAID)} == set(SAID)


def test_after_the_erasure_of_a_sealed_conversation_its_words_are_nowhere(sealed: Path, tmp_path: Path) -> None:
    assert run("export c-1 -o before.jsonl", sealed, env=KEYED).returncode == 0
    key, wrapped = asyncio.run(keys_of(sealed))
    backup = tmp_path / "backup"
    shutil.copytree(stopped(sealed), backup)

    done = run("erase c-1 --reason 'asked by the customer' --yes -o json", sealed, env=KEYED)
    assert (done.returncode, done.stderr) == (0, "")
    receipt = json.loads(done.stdout)
    assert run("export c-1 -o after.jsonl", sealed, env=KEYED).returncode == 0
    asyncio.run(refuse(sealed))
    refused = json.loads(run("log c-1 -o json", sealed, env=KEYED).stdout)[-1]
    letters = run("deadletters -o json", sealed, env=KEYED).stdout
    stopped(sealed)

    assert (receipt["sealed"], receipt["key"], receipt["frames_removed"]) == (True, "overwritten", 0)
    assert refused["type"] == "command.refused"
    assert json.loads(letters) == []
    assert found_in(sealed, *SAID, key, wrapped) == []
    # a backup of the log alone never had them; with the keys it has the wrapped one, which the master key opens
    keys = next(backup.rglob("KV_arf-keys"))
    assert found_in(keys, wrapped) != []
    assert found_in(backup, *SAID, key) == []
    shutil.rmtree(keys)
    assert found_in(backup, *SAID, key, wrapped) == []


def test_a_backup_of_the_log_without_its_keys_is_read_by_nobody(sealed: Path, tmp_path: Path) -> None:
    stopped(sealed)
    backup = tmp_path / "restored"
    shutil.copytree(sealed, backup)
    shutil.rmtree(next(backup.rglob("KV_arf-keys")))

    done = run("log c-1", backup, env=KEYED)

    assert done.returncode == 0
    assert done.stderr == "the content of 'c-1' is sealed, and its key is not in this namespace\n"
    assert not any(word in done.stdout for word in WORDS)
    assert "[sealed]" in done.stdout
    stopped(backup)


def test_after_the_erasure_of_a_conversation_in_clear_its_log_and_letters_are_overwritten(tmp_path: Path) -> None:
    asyncio.run(talk(tmp_path, encrypt=False))

    done = run("erase c-1 --reason 'asked by the customer' --yes", tmp_path)

    assert done.returncode == 0
    assert "10 frames overwritten, 2 frames kept" in done.stdout
    assert "may remain    the work queue" in done.stdout
    logs = [path for path in stopped(tmp_path).rglob("arf-ev-*") if path.is_dir()]
    assert logs
    assert [found for log in logs for found in found_in(log, *SAID)] == []
