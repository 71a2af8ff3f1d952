"""Creating the streams and the bucket of a namespace, and finding them again.

The first event stream is created first, and its metadata says how many there are: whoever comes second, with whatever
number, reads it there.  The bucket of leases is created last, so where both exist everything does.  All in between can
be created any number of times, by any number of processes at once.
"""

import asyncio
from typing import Any

import msgspec
from msgspec import Struct
from nats.aio.client import Client

from ...events import FrameworkError
from ..bus import PARTITIONS
from .connection import ApiError, api
from .names import Names

SHARDS = 8
_SHARDS_KEY = "arf.shards"
_NOT_FOUND = 10059
_EXISTS_OTHERWISE = 10058

_SECOND = 1_000_000_000  # JetStream counts nanoseconds
DUPLICATE_WINDOW = 120 * _SECOND
_MARKER_TTL = 60 * _SECOND


async def ensure(client: Client, namespace: str, *, shards: int = SHARDS, replicas: int = 1) -> Names:
    """Return the names of a namespace, creating what is missing.

    `shards` and `replicas` hold for what is created now; a namespace that exists keeps what it has.

    Raises:
        ApiError: the server refused to create something.
        Unavailable: no JetStream server answers.

    """
    wanted = Names(namespace, shards)
    names = await find(client, namespace)
    if names is not None:
        return names
    await _create(client, event_stream(wanted, 0, replicas))
    names = Names(namespace, await _shards(client, namespace) or shards)
    rest = [event_stream(names, shard, replicas) for shard in range(1, names.shards)]
    await asyncio.gather(*(_create(client, stream) for stream in (*rest, command_stream(names, replicas))))
    await _create(client, lease_bucket(names, replicas))
    return names


async def find(client: Client, namespace: str) -> Names | None:
    """Return the names of a namespace that exists, or None; this never creates anything.

    Raises:
        ApiError: the server does not let us use JetStream.
        Unavailable: no JetStream server answers.

    """
    first = Names(namespace, 1)
    shards, leases = await asyncio.gather(_shards(client, namespace), _info(client, first.lease_stream))
    return None if shards is None or leases is None else Names(namespace, shards)


async def ensure_memory(client: Client, bucket: str, *, replicas: int = 1, erasable: bool = False) -> None:
    """Create a bucket of values under keys, if it is missing; one that exists keeps what it has.

    In one that is `erasable` a message can be deleted, which overwrites its bytes.

    Raises:
        ApiError: the server refused to create it.
        Unavailable: no JetStream server answers.

    """
    await _create(client, {**memory_bucket(bucket, replicas), "deny_delete": not erasable})


async def ensure_keys(client: Client, names: Names, *, replicas: int = 1) -> None:
    """Create the bucket of keys, if it is missing; errors as `ensure_memory`."""
    await _create(client, key_bucket(names, replicas))


async def exists(client: Client, stream: str) -> bool:
    """Say whether there is a stream of that name; errors as `find`."""
    return await _info(client, stream) is not None


async def ensure_seals(client: Client, names: Names, *, replicas: int = 1) -> None:
    """Create the stream of seals, if it is missing; raises as `ensure_memory`."""
    await _create(client, seal_stream(names, replicas))


async def ensure_snapshots(client: Client, names: Names, *, replicas: int = 1) -> None:
    """Create the stream of snapshots, if it is missing; raises as `ensure_memory`."""
    await _create(client, snapshot_stream(names, replicas))


async def replicas_of(client: Client, names: Names) -> int:
    """Return how many servers hold each event of a namespace that exists.

    Raises:
        ApiError: it does not exist.
        Unavailable: no JetStream server answers.

    """
    answer = await api(client, f"STREAM.INFO.{names.event_stream(0)}")
    return _decoder.decode(answer).config.num_replicas


def event_stream(names: Names, shard: int, replicas: int = 1) -> dict[str, Any]:
    """Return the configuration of one event stream: nothing in it is ever discarded."""
    return {
        "name": names.event_stream(shard),
        "subjects": [names.event_subjects(shard)],
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "allow_direct": True,
        "duplicate_window": DUPLICATE_WINDOW,
        "num_replicas": replicas,
        "metadata": {_SHARDS_KEY: str(names.shards)},
    }


def command_stream(names: Names, replicas: int = 1) -> dict[str, Any]:
    """Return the configuration of the work queue, which puts the conversation's partition into the subject."""
    namespace = names.namespace
    return {
        "name": names.command_stream,
        "subjects": [f"{namespace}.cmd.*.*", f"{namespace}.cmdp.>"],
        "subject_transform": {
            "src": f"{namespace}.cmd.*.*",
            "dest": f"{namespace}.cmdp.{{{{wildcard(1)}}}}.{{{{partition({PARTITIONS},2)}}}}.{{{{wildcard(2)}}}}",
        },
        "storage": "file",
        "retention": "workqueue",
        "discard": "new",
        "allow_direct": True,
        "duplicate_window": DUPLICATE_WINDOW,
        "num_replicas": replicas,
    }


def seal_stream(names: Names, replicas: int = 1) -> dict[str, Any]:
    """Return the configuration of the stream of seals, from which none can be taken out."""
    return {
        "name": names.seal_stream,
        "subjects": [names.seal_subject],
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "allow_direct": True,
        "deny_delete": True,
        "deny_purge": True,
        "duplicate_window": DUPLICATE_WINDOW,
        "num_replicas": replicas,
    }


def snapshot_stream(names: Names, replicas: int = 1) -> dict[str, Any]:
    """Return the configuration of the stream of snapshots, in which a message can be deleted: that overwrites it."""
    return {
        "name": names.snapshot_stream,
        "subjects": [f"{names.namespace}.snap.*"],
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "allow_direct": True,
        "num_replicas": replicas,
    }


def lease_bucket(names: Names, replicas: int = 1) -> dict[str, Any]:
    """Return the configuration of the bucket of leases, whose keys end by themselves and leave a marker."""
    ending = {"allow_msg_ttl": True, "subject_delete_marker_ttl": _MARKER_TTL}
    return {**memory_bucket(names.lease_bucket, replicas), **ending}


def key_bucket(names: Names, replicas: int = 1) -> dict[str, Any]:
    """Return the configuration of the bucket of keys: a message in it can be deleted, which overwrites its bytes."""
    return {**memory_bucket(names.key_bucket, replicas), "deny_delete": False}


def memory_bucket(bucket: str, replicas: int = 1) -> dict[str, Any]:
    """Return the configuration of a bucket that keeps the last value of each key, as any key-value client makes it."""
    return {
        "name": bucket_stream(bucket),
        "subjects": [f"$KV.{bucket}.>"],
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "max_msgs_per_subject": 1,
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "duplicate_window": DUPLICATE_WINDOW,
        "num_replicas": replicas,
    }


def bucket_stream(bucket: str) -> str:
    """Return the name of the stream that holds a key-value bucket."""
    return f"KV_{bucket}"


class _Config(Struct):
    num_replicas: int = 1
    metadata: dict[str, str] = {}


class _Info(Struct):
    config: _Config


_decoder = msgspec.json.Decoder(_Info)


async def _create(client: Client, config: dict[str, Any]) -> None:
    try:
        await api(client, f"STREAM.CREATE.{config['name']}", config)
    except ApiError as error:
        # created before, perhaps by another release with other settings, or a moment ago with another shard count
        if error.code != _EXISTS_OTHERWISE:
            raise


async def _info(client: Client, stream: str) -> _Info | None:
    try:
        return _decoder.decode(await api(client, f"STREAM.INFO.{stream}"))
    except ApiError as error:
        if error.code == _NOT_FOUND:
            return None
        raise


async def _shards(client: Client, namespace: str) -> int | None:
    stream = Names(namespace, 1).event_stream(0)
    info = await _info(client, stream)
    if info is None:
        return None
    count = info.config.metadata.get(_SHARDS_KEY, "")
    if not count.isdecimal():
        raise FrameworkError(
            f"stream {stream!r} exists, but its metadata has no {_SHARDS_KEY!r}: it was not created by this framework; "
            "use another --namespace"
        )
    return int(count)
