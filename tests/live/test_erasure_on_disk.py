"""After an erasure nothing of what was said is found: on the server's disk, in a backup of the log, in exports."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework import Client, Runtime
from agent_runtime_framework.events import ConversationId
from agent_runtime_framework.projections import can_be_kept, fold, initial, nothing_kept, read_part, with_part
from agent_runtime_framework.runtime.testing.working import at_work
from support.cli_bots import Bot
from support.command_line import in_use, run
from support.snapshots import kept_often, stored_parts
from support.words import KEYED, MASTER, SAID, WORDS, found_in, stopped, talk


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


async def kept(place: Path) -> list[bytes]:
    """Keep a snapshot of `c-1`, in two parts, and return them as they are stored."""
    async with Client.connect(home=place / ".arf") as client:
        often = kept_often(client.substrate)
        assert often.snapshots is not None
        before = await often.snapshots.load(ConversationId("c-1"))
        now = initial(ConversationId("c-1"))
        async for stored in client.substrate.log.read(now.id):
            now = fold(now, [stored.frame])
            if now.ended is not None and now.ended.turn in (1, 4) and can_be_kept(now):
                before = await often.snapshots.keep(before, now, stored.head)
        return await stored_parts(client.substrate)


def words_of(parts: list[bytes]) -> str:
    """Return what a conversation comes to that is kept in clear in these parts."""
    snapshot = nothing_kept(ConversationId("c-1"))
    for part in parts:
        snapshot = with_part(snapshot, read_part(part), None)
    return str(snapshot.conversation)


def pieces(bodies: list[bytes]) -> list[bytes]:
    """Return pieces of what is stored, of which none may be left: words do not stand in it as they are."""
    return [body[at : at + 16] for body in bodies for at in range(0, len(body) - 16, 16)]


@pytest.mark.parametrize("encrypt", [False, True], ids=["clear", "sealed"])
def test_after_an_erasure_nothing_of_a_snapshot_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, encrypt: bool
) -> None:
    if encrypt:
        monkeypatch.setenv("ARF_MASTER_KEY", MASTER)
    asyncio.run(talk(tmp_path, encrypt=encrypt))
    parts = asyncio.run(kept(tmp_path))
    stream = next(path for path in stopped(tmp_path).rglob("arf-snapshots") if path.is_dir())
    bodies = [read_part(part).part.body for part in parts]
    assert len(parts) == 2
    assert encrypt or all(word in words_of(parts) for word in ("Zanzibaria", "näive ümläuts"))
    assert {word for _, word in found_in(stream, *pieces(bodies))} == set(pieces(bodies))

    done = run("erase c-1 --reason 'asked by the customer' --yes -o json", tmp_path, env=KEYED if encrypt else {})

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["snapshots"] == 2
    assert found_in(stopped(tmp_path), *pieces(bodies)) == []
    assert found_in(stream, *(part[:32] for part in parts), *pieces(parts)) == []
    assert found_in(stream, *SAID) == []
