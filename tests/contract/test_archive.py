"""What holds for every archive and for every log of seals: in memory, and on a real nats-server."""

from collections.abc import AsyncIterator

import pytest

from agent_runtime_framework.events import (
    ConversationId,
    FrameLog,
    MemoryLog,
    PositionMoved,
    RawFrame,
    frame_hash,
)
from agent_runtime_framework.runtime.archive import Archive, MemoryArchive
from agent_runtime_framework.runtime.clock import new_id
from agent_runtime_framework.runtime.nats.archive import BATCH, JetStreamArchive
from agent_runtime_framework.runtime.nats.client import Connection
from agent_runtime_framework.runtime.nats.connection import api, connect, publish
from agent_runtime_framework.runtime.nats.log import JetStreamLog
from agent_runtime_framework.runtime.nats.names import Names
from agent_runtime_framework.runtime.nats.records import message_id
from agent_runtime_framework.runtime.nats.seals import NatsSeals
from agent_runtime_framework.runtime.nats.topology import ensure, find
from agent_runtime_framework.runtime.seals import MemorySeals, SealLog
from support.chains import CHAT, OTHER, write


async def everything(archive: Archive) -> list[RawFrame]:
    return [raw async for frames in archive.everything() for raw in frames]


class ArchiveContract:
    """Every archive passes these; a subclass gives it, and the log that it is of."""

    async def test_a_conversation_is_given_as_it_is_stored(self, log: FrameLog, archive: Archive) -> None:
        written = await write(log, CHAT, 5)
        await write(log, OTHER, 2)
        frames = [raw async for frames in archive.frames(CHAT) for raw in frames]

        assert [(raw.conversation, raw.position, raw.data, raw.id, raw.astray) for raw in frames] == [
            (CHAT, one.head.position, one.data, frame_hash(one.data), "") for one in written
        ]
        assert [raw async for frames in archive.frames(ConversationId("none")) for raw in frames] == []

    async def test_everything_is_given_once_and_in_order(self, log: FrameLog, archive: Archive) -> None:
        names = [ConversationId(f"c-{number}") for number in range(9)]
        for name in names:
            await write(log, name, 3)
        found = await everything(archive)

        assert len(found) == 27
        for name in names:
            alone = [raw async for frames in archive.frames(name) for raw in frames]
            assert [raw for raw in found if raw.conversation == name] == alone

    async def test_what_has_everything_lacks_nothing(self, log: FrameLog, archive: Archive) -> None:
        assert await everything(archive) == []
        await write(log, CHAT, 2)
        assert {stream.removed for stream in await archive.streams()} == {0}


class TestMemoryArchive(ArchiveContract):
    @pytest.fixture
    def log(self) -> MemoryLog:
        return MemoryLog()

    @pytest.fixture
    def archive(self, log: MemoryLog) -> MemoryArchive:
        return MemoryArchive(log.records)


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Connection]:
    client = await connect(nats_url)
    yield client
    await client.close()


@pytest.fixture
async def names(client: Connection) -> Names:
    return await ensure(client, new_id("archive"), shards=3)


class TestJetStreamArchive(ArchiveContract):
    @pytest.fixture
    def log(self, client: Connection, names: Names) -> JetStreamLog:
        return JetStreamLog(names, appends=client, reads=client)

    @pytest.fixture
    def archive(self, client: Connection, names: Names) -> JetStreamArchive:
        return JetStreamArchive(names, client)

    async def test_more_than_a_batch_comes_whole(self, log: FrameLog, archive: Archive) -> None:
        await write(log, CHAT, BATCH + 1)

        assert [raw.position for raw in await everything(archive)] == list(range(1, BATCH + 2))

    async def test_a_frame_has_its_id_in_either_form_and_in_no_other_conversation(
        self, client: Connection, names: Names, log: FrameLog, archive: Archive
    ) -> None:
        (stored,) = await write(log, CHAT, 1)
        data, hash_ = stored.data, frame_hash(stored.data)
        subject = names.event_subject(OTHER)
        for id_ in (f"{OTHER}.{hash_}", message_id(OTHER, hash_), f"{CHAT}.{hash_}", f"{OTHER}.{'0' * 64}"):
            assert not (await publish(client, subject, data, {"Nats-Msg-Id": id_})).duplicate

        found = [raw.id for frames in [raws async for raws in archive.frames(OTHER)] for raw in frames]
        assert found == [hash_, hash_, f"{CHAT}.{hash_}", "0" * 64]

    async def test_no_consumer_stays(self, client: Connection, names: Names, log: FrameLog, archive: Archive) -> None:
        await write(log, CHAT, 1)
        await everything(archive)
        for shard in range(names.shards):
            assert b'"total":0' in await api(client, f"CONSUMER.NAMES.{names.event_stream(shard)}")

    async def test_what_was_removed_is_counted_and_a_stream_that_is_missing_is_said(
        self, client: Connection, names: Names, log: FrameLog, archive: Archive
    ) -> None:
        written = await write(log, CHAT, 3)
        mine = names.shard(CHAT)
        await api(client, f"STREAM.MSG.DELETE.{names.event_stream(mine)}", {"seq": written[1].head.position})
        await api(client, f"STREAM.DELETE.{names.event_stream((mine + 1) % 3)}")

        removed = {stream.name: stream.removed for stream in await archive.streams()}
        assert removed[names.event_stream(mine)] == 1
        assert removed[names.event_stream((mine + 1) % 3)] is None
        assert len(await everything(archive)) == 2


class SealsContract:
    """Every log of seals passes these."""

    async def test_there_is_none_before_the_first(self, seals: SealLog) -> None:
        assert await seals.last() == (0, b"")
        assert [data async for data in seals.all()] == []

    async def test_seals_are_kept_in_order(self, seals: SealLog) -> None:
        for number in range(5):
            position, _ = await seals.last()
            await seals.append(b"%d" % number, position)

        assert (await seals.last())[1] == b"4"
        assert [data async for data in seals.all()] == [b"0", b"1", b"2", b"3", b"4"]

    async def test_of_two_that_follow_the_same_one_is_stored(self, seals: SealLog) -> None:
        await seals.append(b"first", 0)
        position, _ = await seals.last()
        await seals.append(b"second", position)
        for late in (0, position):
            with pytest.raises(PositionMoved):
                await seals.append(b"late", late)

        assert [data async for data in seals.all()] == [b"first", b"second"]


class TestMemorySeals(SealsContract):
    @pytest.fixture
    def seals(self) -> MemorySeals:
        return MemorySeals()


class TestNatsSeals(SealsContract):
    @pytest.fixture
    def seals(self, client: Connection, names: Names) -> NatsSeals:
        return NatsSeals(client, names)

    async def test_looking_creates_nothing(self, client: Connection, names: Names, seals: SealLog) -> None:
        await seals.last()
        assert names.seal_stream.encode() not in await api(client, "STREAM.NAMES")
        await seals.append(b"first", 0)
        assert names.seal_stream.encode() in await api(client, "STREAM.NAMES")

    async def test_a_stream_that_was_dropped_is_made_anew(self, client: Connection, names: Names) -> None:
        seals = NatsSeals(client, names)
        await seals.append(b"first", 0)
        await api(client, f"STREAM.DELETE.{names.seal_stream}")
        await seals.append(b"again", 0)

        assert [data async for data in seals.all()] == [b"again"]
        assert await find(client, names.namespace) == names
