"""Workers seal by themselves, one of them each time, and whatever goes wrong with it disturbs no conversation."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace

from agent_runtime_framework import FrameworkError, InvalidInput, NotFound, Runtime, SealConfig
from agent_runtime_framework.events import Unavailable, decode_seal
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.sealing import Evidence, compare, evidence_in, load_key
from agent_runtime_framework.runtime.sealing.lines import decode_line
from agent_runtime_framework.runtime.seals import MemorySeals
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.testing import OnboardingAgent, ScriptedLLM

SOON = 0.05
"""Seconds between two seals of a test."""


class HeardSeals(MemorySeals):
    """Tells of each seal that is stored; fails as often as it is told to, or never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: asyncio.Queue[int] = asyncio.Queue()
        self.fail: list[Exception] = []
        self.stuck = False
        self.asked = asyncio.Event()

    async def append(self, data: bytes, expected: int) -> None:
        self.asked.set()
        if self.stuck:
            await asyncio.Event().wait()
        if self.fail:
            raise self.fail.pop(0)
        await super().append(data, expected)
        self.stored.put_nowait(decode_seal(data).number)

    async def wait_for(self, count: int) -> list[int]:
        return [await self.stored.get() for _ in range(count)]


@pytest.fixture
def seals() -> HeardSeals:
    return HeardSeals()


@pytest.fixture
def place(seals: HeardSeals) -> Substrate:
    return replace(in_memory(SystemClock()), seals=seals)


@pytest.fixture
def config(tmp_path: Path) -> SealConfig:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return SealConfig(key=key.decode(), file=tmp_path / "seals.jsonl", every=SOON)


@asynccontextmanager
async def working(place: Substrate, configs: Sequence[SealConfig]) -> AsyncIterator[Runtime]:
    """Run a worker for each of these, and give the first."""
    agent = OnboardingAgent(ScriptedLLM(*["Hello!"] * 50))
    runtimes = [Runtime([agent], substrate=place, seal=config) for config in configs]
    for runtime in runtimes:
        await runtime.__aenter__()
    tasks = [asyncio.create_task(runtime.run_worker()) for runtime in runtimes]
    try:
        yield runtimes[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for runtime in runtimes:
            await runtime.__aexit__(None, None, None)


async def proved(place: Substrate, config: SealConfig) -> Evidence:
    assert place.seals is not None
    *_, evidence = await asyncio.to_thread(lambda: list(evidence_in(Path(config.file), [load_key(config.key).public])))
    await compare(evidence, place.seals.all())
    return evidence


def lines_of(config: SealConfig) -> list[bytes]:
    return Path(config.file).read_bytes().splitlines()


async def test_a_worker_seals_again_and_again(place: Substrate, seals: HeardSeals, config: SealConfig) -> None:
    async with working(place, [config]) as runtime:
        await runtime.send("onboarding", "c-1", "hi")
        await seals.wait_for(3)
    evidence = await proved(place, config)

    assert evidence.faults == []
    assert [seal.number for seal in evidence.seals][:3] == [1, 2, 3]
    assert [sealed.head.version for sealed in evidence.heads["c-1"]][-1] == 7


async def test_a_conversation_is_verified_from_python(place: Substrate, config: SealConfig) -> None:
    async with working(place, [config]) as runtime:
        await runtime.send("onboarding", "c-1", "hi")
        await runtime.fork("c-1", as_id="c-2")
        verdicts = [await runtime.verify(name) for name in ("c-1", "c-2")]
        with pytest.raises(NotFound, match="no conversation 'c-3'"):
            await runtime.verify("c-3")

    assert [(one.version, one.frames, one.events, one.fault) for one in verdicts] == [(7, 2, 7, None), (8, 1, 1, None)]


async def test_of_several_workers_exactly_one_makes_each_seal(
    place: Substrate, seals: HeardSeals, config: SealConfig
) -> None:
    path = Path(config.file)
    configs = [replace(config, file=path.with_name(f"seals-{number}.jsonl")) for number in range(3)]
    async with working(place, configs):
        numbers = await seals.wait_for(6)
    files = [lines_of(one) for one in configs]

    assert numbers == [1, 2, 3, 4, 5, 6]
    made = sorted(decode_line(line).seal.number for lines in files for line in lines)
    assert made == sorted(set(made))
    for one, lines in zip(configs, files, strict=True):
        if lines:
            assert (await proved(place, one)).faults == []


async def test_a_seal_that_fails_is_said_and_made_the_next_time(
    place: Substrate, seals: HeardSeals, config: SealConfig, caplog: pytest.LogCaptureFixture
) -> None:
    seals.fail = [Unavailable("the NATS server did not answer"), RuntimeError("what nobody thought of")]
    async with working(place, [config]) as runtime:
        assert (await runtime.send("onboarding", "c-1", "hi")).text == "Hello!"
        await seals.wait_for(1)

    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said == [
        "no seal: the NATS server did not answer; conversations go on, and it is tried again in 0.05 s",
        "no seal; conversations go on, and it is tried again in 0.05 s",
    ]
    assert (await proved(place, config)).faults == []


async def test_a_file_that_cannot_be_written_any_more_is_said(
    place: Substrate, seals: HeardSeals, config: SealConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "seals.jsonl"
    async with working(place, [replace(config, file=file)]) as runtime:
        await seals.wait_for(1)
        (tmp_path / "there").rename(tmp_path / "elsewhere")
        await seals.wait_for(2)
        assert (await runtime.send("onboarding", "c-1", "hi")).text == "Hello!"

    assert f"is in the log, but cannot be appended to {file}: No such file or directory; make room or" in caplog.text


async def test_conversations_go_on_while_a_seal_is_stuck(
    place: Substrate, seals: HeardSeals, config: SealConfig
) -> None:
    seals.stuck = True
    async with working(place, [config]) as runtime:
        await seals.asked.wait()
        assert (await runtime.send("onboarding", "c-1", "hi")).text == "Hello!"


async def test_an_acknowledgement_that_was_lost_loses_no_line_of_the_file(
    place: Substrate, seals: HeardSeals, config: SealConfig
) -> None:
    class Lossy(HeardSeals):
        async def append(self, data: bytes, expected: int) -> None:
            await super().append(data, expected)
            raise Unavailable("the NATS server did not answer")

    lossy = Lossy()
    place = replace(place, seals=lossy)
    async with working(place, [config]):
        await lossy.wait_for(3)
    evidence = await proved(place, config)

    assert (evidence.faults, [seal.number for seal in evidence.seals][:2]) == ([], [1, 2])


def test_a_key_that_is_given_as_text_is_not_shown(config: SealConfig) -> None:
    assert repr(config) == f"SealConfig(key='...', file='{config.file}', every=0.05)"
    assert repr(replace(config, key="seal.pem")).startswith("SealConfig(key='seal.pem', ")


async def test_a_key_or_a_file_that_cannot_be_used_is_said_before_anything_runs(
    place: Substrate, config: SealConfig, tmp_path: Path
) -> None:
    for every in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InvalidInput, match="seals cannot be made every"):
            replace(config, every=every)
    agent = OnboardingAgent(ScriptedLLM())
    for wrong, said in (
        (replace(config, key="none.pem"), "there is no key file none.pem: make one with `openssl genpkey"),
        (replace(config, file=tmp_path / "no" / "seals"), "seals cannot be written: No such file or directory"),
    ):
        async with Runtime([agent], substrate=place, seal=wrong) as runtime:
            with pytest.raises(InvalidInput, match=said):
                runtime.worker()
    async with Runtime([agent], substrate=replace(place, seals=None), seal=config) as runtime:
        with pytest.raises(FrameworkError, match="this place keeps no seals"):
            runtime.worker()
