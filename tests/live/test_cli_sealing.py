"""`arf audit`: what is stored is verified and sealed at the command line."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_runtime_framework.events import ConversationId
from agent_runtime_framework.runtime.client import Client
from agent_runtime_framework.runtime.nats.records import JetStreamRecords
from support.command_line import bots, data, error, in_use, run, worker
from support.processes import wait_for


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a key, and conversations that a worker with it sealed as it began: none yet."""
    directory = bots(tmp_path_factory.mktemp("place"))
    for words in ("genpkey -algorithm ed25519 -out seal.pem", "pkey -in seal.pem -pubout -out seal.pub.pem"):
        subprocess.run(["openssl", *words.split()], cwd=directory, check=True, capture_output=True)
    sealing = {"ARF_SEAL_KEY": "seal.pem", "ARF_SEAL_FILE": "seals.jsonl"}
    with worker("bot.py:Bot", directory, sealing):
        wait_for(directory / "seals.jsonl")
        for command in ("send bot c-1 hello", "send bot c-2 hello", "fork c-1 --as c-3"):
            assert run(command, directory).returncode == 0
        yield directory
    assert in_use(directory / ".arf") == []


def sealed(place: Path, words: str = "--key seal.pem -o seals.jsonl") -> str:
    done = run(f"audit seal {words}", place)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_all_that_is_stored_is_verified(place: Path) -> None:
    done = run("audit verify --all", place)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "3 conversations, 5 frames, 15 events: all fit\n"


def test_those_that_are_named_are_verified_each(place: Path) -> None:
    done = run("audit verify c-1 c-3 c-1", place)
    assert done.stdout.splitlines()[:2] == [
        f"c-1: versions 1 to 7 fit, head {head(done.stdout, 0)}",
        f"c-3: versions 8 to 8 fit, head {head(done.stdout, 1)}",
    ]
    assert done.stdout.splitlines()[2] == "2 conversations, 3 frames, 8 events: all fit"


def head(text: str, line: int) -> str:
    return text.splitlines()[line].rpartition(" ")[2]


def test_the_seals_prove_what_was_sealed_and_tell_what_is_not_yet(place: Path) -> None:
    said = sealed(place)
    assert said.startswith("seal ")
    assert said.endswith("conversations: 3, in the log and in seals.jsonl\n")
    assert run("send bot c-2 hello", place).returncode == 0

    done = run("audit verify --seal seals.jsonl --key seal.pub.pem", place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "3 conversations, 7 frames, 21 events: all fit"
    assert done.stdout.splitlines()[1].endswith("; not sealed yet: 6 events in 1 conversation")
    trusting = run("audit verify --seal seals.jsonl", place)
    assert trusting.stdout == done.stdout
    assert trusting.stderr.startswith("the key in seals.jsonl is trusted: ")


def test_what_was_found_is_data_too(place: Path) -> None:
    sealed(place)
    whole = data("audit verify --seal seals.jsonl --key seal.pub.pem", place)
    lines = [json.loads(line) for line in run("audit verify c-1 c-2 -o jsonl", place).stdout.splitlines()]

    assert (whole["fits"], whole["conversations"], whole["faults"], whole["unsealed"]["events"]) == (True, 3, [], 0)
    assert [(line["type"], line.get("conversation")) for line in lines] == [
        ("conversation", "c-1"),
        ("conversation", "c-2"),
        ("summary", None),
    ]
    assert lines[0]["fault"] is None


def test_a_seal_is_data_and_may_be_in_the_log_alone(place: Path) -> None:
    before = (place / "seals.jsonl").read_bytes()
    done = run("audit seal --key seal.pem", place)

    seal = json.loads(done.stdout)
    assert (seal["namespace"], seal["conversations"]) == ("arf", 3)
    assert done.stderr.endswith(", in the log alone; with -o FILE its heads are kept elsewhere, too\n")
    assert (place / "seals.jsonl").read_bytes() == before
    said = run("audit verify --seal seals.jsonl --key seal.pub.pem", place).stderr
    assert said.startswith(f"note: seal {seal['number']} of the log is not in this file: ")


async def test_what_does_not_fit_is_named_and_exits_with_1(place: Path) -> None:
    async with Client.connect(home=place / ".arf", namespace="other") as client:
        records = client.substrate.log._records  # type: ignore[attr-defined]
        assert isinstance(records, JetStreamRecords)
        await records.put(ConversationId("c-9"), b"[]", id="00", expected=0)

    done = run("audit verify --all --namespace other", place)
    assert done.returncode == 1
    line, summary = done.stdout.splitlines()
    assert line.startswith("c-9: position 1, version 1: expected a frame, found stored bytes are not a frame: ")
    assert summary == "1 conversation, 0 frames, 0 events: 1 does not fit"
    fault = json.loads(run("audit verify c-9 --namespace other -o json", place).stdout)["faults"][0]
    assert fault["line"] == line
    assert (fault["kind"], fault["conversation"], fault["position"], fault["version"]) == ("bytes", "c-9", 1, 1)


def test_a_namespace_that_is_gone_is_no_less_than_all_that_was_sealed(place: Path) -> None:
    sealed(place)
    done = run("audit verify --seal seals.jsonl --key seal.pub.pem --namespace none", place)

    assert (done.returncode, done.stdout.splitlines()[0].partition(": expected ")[2]) == (
        1,
        "the 3 conversations that were sealed last, found nothing",
    )


def test_log_files_are_verified(place: Path, tmp_path: Path) -> None:
    assert run(f"export c-1 c-3 -o {tmp_path}/logs.jsonl", place).returncode == 0
    assert run("audit verify --file logs.jsonl", tmp_path).stdout == "2 conversations, 5 frames, 15 events: all fit\n"

    lines = (tmp_path / "logs.jsonl").read_text().splitlines()
    lines[1] = lines[1].replace("hello", "hallo")
    (tmp_path / "logs.jsonl").write_text("\n".join(lines))
    code, said = error("audit verify --file logs.jsonl", tmp_path)
    assert (code, said.partition(": ")[0]) == (1, "logs.jsonl, line 2")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("audit verify", 2, "name conversations, or give --all or --seal FILE, which is about all"),
        ("audit verify c-1 --all", 2, "name conversations, or give --all or --seal FILE"),
        ("audit verify c-1 --key seal.pub.pem", 2, "--key is for --seal FILE"),
        ("audit verify --file a.jsonl --all", 2, "--file is for log files alone"),
        ("audit verify a.b", 2, "conversation id 'a.b' is not valid"),
        ("audit verify c-8", 3, "no conversation 'c-8'"),
        ("audit verify --seal none.jsonl", 3, "there is no file none.jsonl"),
        ("audit verify --seal seals.jsonl --key seal.pem", 2, "holds a private key: whoever verifies needs the public"),
        ("audit verify --all --namespace none", 3, "there is no namespace 'none'"),
        ("audit seal", 2, "Missing option '--key'"),
        ("audit seal --key none.pem", 2, "there is no key file none.pem: make one with `openssl genpkey"),
        ("audit seal --key seal.pub.pem", 2, "holds a public key: sealing needs the private one"),
        ("audit seal --key seal.pem -o no/seals", 2, "seal file no/seals cannot be written: No such file or directory"),
        ("audit seal --key seal.pem --namespace none", 3, "there is no namespace 'none'"),
        ("worker bot.py:Bot --seal-key seal.pem", 2, "a key is given for seals and no file: give --seal-file or"),
        ("worker bot.py:Bot --seal-file s", 2, "a file is given for seals and no key: give --seal-key or"),
        ("worker bot.py:Bot --seal-key none.pem --seal-file s", 2, "there is no key file none.pem"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(place: Path, words: str, code: int, said: str) -> None:
    found, message = error(words, place)
    assert (found, said in message) == (code, True), message


def test_audit_alone_prints_its_help(tmp_path: Path) -> None:
    done = run("audit", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "verify" in done.stderr
    assert "seal" in done.stderr
