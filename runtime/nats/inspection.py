"""What a NATS server says of itself, of a namespace on it, and of who works there; asked for, and never changed."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from ...events import AgentKey, FrameworkError, WriterId
from ..bus import PARTITIONS
from ..clock import Clock
from ..deadletters import DeadLetters
from ..findings import Finding, filled, size
from ..owners import free, owners, ranges
from ..vault import KeyWrapper
from .client import Connection
from .connection import ApiError, api
from .in_flight import Forbidden
from .leases import NatsLeases
from .members import NatsMembers
from .names import Names
from .safeguards import encryption, seals
from .store import JetStreamStore
from .topology import command_stream, event_stream, find, lease_bucket

OLDEST = (2, 11)
"""The first release of nats-server with what the framework uses: messages that expire, Direct Get of many at once."""

PAYLOAD = 1_000_000
"""Bytes of one message that a server should take: a frame and its headers."""

APART = 1.0
"""Seconds that the clocks may differ."""

_NOT_FOUND = 10059
_UNLIMITED = ("max_age", "max_msgs", "max_msgs_per_subject", "max_msg_size")
"""Limits that our streams never have.  With one on bytes, a full stream refuses what comes, as a full disk does."""


class _Limits(Struct, frozen=True):
    max_storage: int = -1


class _Tier(Struct, frozen=True):
    storage: int = 0
    limits: _Limits = _Limits()


class _Account(_Tier, frozen=True):
    tiers: dict[str, _Tier] = {}


class _State(Struct, frozen=True):
    messages: int = 0
    bytes: int = 0
    subjects: dict[str, int] = {}


class _Replica(Struct, frozen=True):
    name: str = ""
    current: bool = False
    offline: bool = False


class _Group(Struct, frozen=True):
    leader: str = ""
    replicas: list[_Replica] = []


class _Stream(Struct, frozen=True):
    config: dict[str, Any]
    state: _State
    cluster: _Group | None = None
    ts: datetime | None = None


_account = msgspec.json.Decoder(_Account)
_stream = msgspec.json.Decoder(_Stream)


class Inspection:
    """Looks at one server through one connection; `wrapper` gives what wraps the keys of conversations here.

    Attributes:
        replicas: how many servers hold each event, once `namespace` found that out; None before.

    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        url: str,
        clock: Clock,
        *,
        embedded: bool,
        wrapper: Callable[[], KeyWrapper | None],
    ) -> None:
        self.replicas: int | None = None
        self._embedded = embedded
        self._connection = connection
        self._namespace = namespace
        self._url = url
        self._clock = clock
        self._wrapper = wrapper
        self._workers = 0
        self._jetstream = True

    async def server(self) -> list[Finding]:
        """Return what the server says of itself, and what there is of storage."""
        said = self._connection.server
        cluster = said.get("cluster", "")
        found = [
            _server(said.get("server_name", ""), said.get("version", ""), self._url),
            Finding("cluster", cluster or "none: one server"),
            _payload(said),
        ]
        return found + await self._guarded("jetstream", self._account())

    async def namespace(self) -> list[Finding]:
        """Return what is there of the namespace, and who works on it; nothing without JetStream."""
        return await self._guarded("namespace", self._kept()) if self._jetstream else []

    async def _guarded(self, name: str, looking: Awaitable[list[Finding]]) -> list[Finding]:
        """Return what was found, or why it was not."""
        try:
            return await looking
        except Forbidden as error:
            return [Finding(name, f"unknown: {error}", "unknown")]
        except FrameworkError as error:
            return [Finding(name, str(error), "wrong")]

    async def _account(self) -> list[Finding]:
        try:
            account = _account.decode(await api(self._connection, "INFO"))
        except Forbidden:
            raise
        except FrameworkError as error:
            self._jetstream = False
            advice = "turn JetStream on in the server's configuration, for this account too"
            return [Finding("jetstream", str(error), "wrong", advice)]
        return [Finding("jetstream", "enabled"), _storage(account, self._embedded)]

    async def _kept(self) -> list[Finding]:
        names = await find(self._connection, self._namespace)
        if names is None:
            return [await self._absent(), _clock_unknown()]
        streams = await self._streams(names)
        return [
            Finding("namespace", self._namespace),
            _compared(names, streams),
            *_limited(streams),
            self._replicated(streams),
            *await self._guarded("workers", self._work(names, streams.get(names.command_stream))),
            *await self._guarded("dead letters", self._dead(names)),
            *await self._guarded("seals", self._seals(names)),
            *await self._guarded("encryption", self._encryption(names)),
            *await self._guarded("clock", self._time(names)),
        ]

    async def _absent(self) -> Finding:
        first = Names(self._namespace, 1)
        wanted = (first.event_stream(0), first.command_stream, first.lease_stream)
        there = [name for name in wanted if await self._info(name) is not None]
        if not there:
            advice = "the first worker or message creates it; or name another with --namespace"
            return Finding("namespace", f"{self._namespace}: nothing is there", "warning", advice)
        missing = ", ".join(name for name in wanted if name not in there)
        if first.event_stream(0) in there:
            advice = "start a worker: it completes what was begun"
        else:
            advice = "restore it from a backup: it holds events, and says how many such streams there are"
        return Finding("namespace", f"{self._namespace}: incomplete, without {missing}", "wrong", advice)

    async def _info(self, stream: str, body: Any = None) -> _Stream | None:
        try:
            return _stream.decode(await api(self._connection, f"STREAM.INFO.{stream}", body))
        except ApiError as error:
            if error.code == _NOT_FOUND:
                return None
            raise

    async def _streams(self, names: Names) -> dict[str, _Stream]:
        wanted = [
            *(names.event_stream(shard) for shard in range(names.shards)),
            names.command_stream,
            names.lease_stream,
        ]
        found = {name: await self._info(name) for name in wanted}
        return {name: stream for name, stream in found.items() if stream is not None}

    def _replicated(self, streams: Mapping[str, _Stream]) -> Finding:
        self.replicas = min((stream.config.get("num_replicas", 1) for stream in streams.values()), default=1)
        behind = Counter(
            replica.name
            for stream in streams.values()
            for replica in (stream.cluster or _Group()).replicas
            if replica.offline or not replica.current
        )
        if behind:
            late = [f"{name} is away or behind in {count} of {len(streams)} streams" for name, count in behind.items()]
            advice = "start the server that is away, and look again"
            return Finding("replicas", f"{self.replicas}; {_some(sorted(late))}", "warning", advice)
        if self.replicas == 1 and self._connection.server.get("cluster"):
            advice = "keep each stream on three servers: nats stream edit STREAM --replicas 3"
            return Finding("replicas", "1: what one server of the cluster loses is lost", "warning", advice)
        return Finding("replicas", str(self.replicas))

    async def _work(self, names: Names, commands: _Stream | None) -> list[Finding]:
        holders = await NatsLeases(self._connection, names, WriterId("doctor")).holders()
        waiting: Counter[tuple[AgentKey, int]] = Counter()
        if commands is not None and commands.state.messages:
            listed = await self._info(names.command_stream, {"subjects_filter": f"{names.namespace}.cmdp.>"})
            for subject, count in ({} if listed is None else listed.state.subjects).items():
                tokens = subject.split(".")
                # the stream also takes what somebody publishes by hand
                if len(tokens) == 5 and tokens[3].isdecimal():
                    waiting[AgentKey(tokens[2]), int(tokens[3])] += count
        unanswered = sum(count for key, count in waiting.items() if key not in holders)
        alive = self._workers = len(owners(await NatsMembers(self._connection, names).members(), holders))
        start = "start one: arf worker MODULE:ATTR"
        found = [_commands(0 if commands is None else commands.state.messages, unanswered)]
        found.append(Finding("workers", str(alive)) if alive else Finding("workers", "none", "warning", start))
        agents = sorted({agent for agent, _ in (*holders, *waiting)})
        return [*found, *(_agent(agent, holders, waiting) for agent in agents)]

    async def _dead(self, names: Names) -> list[Finding]:
        letters = DeadLetters(lambda store: JetStreamStore(self._connection, names.memory_bucket(store)))
        count = 0
        async for _ in letters.all():
            count += 1
        if count:
            advice = "see `arf deadletters`, then retry or drop them: nobody answers these messages"
            return [Finding("dead letters", str(count), "warning", advice)]
        return [Finding("dead letters", "none")]

    async def _seals(self, names: Names) -> list[Finding]:
        return [await seals(self._connection, names, self._clock.now(), workers=self._workers)]

    async def _encryption(self, names: Names) -> list[Finding]:
        return [await encryption(self._connection, names, self._wrapper)]

    async def _time(self, names: Names) -> list[Finding]:
        before, since = self._clock.now(), self._clock.monotonic()
        info = await self._info(names.event_stream(0))
        took = self._clock.monotonic() - since
        if info is None or info.ts is None:
            return [_clock_unknown()]
        ahead = before / 1000 + took / 2 - info.ts.timestamp()
        value = f"{abs(ahead):.3f} s {'ahead of' if ahead > 0 else 'behind'} the server, give or take {took / 2:.3f} s"
        if abs(ahead) <= APART:
            return [Finding("clock", value)]
        advice = "set both clocks by NTP: the times in the log are those of the workers"
        return [Finding("clock", value, "warning", advice)]


def _server(name: str, version: str, url: str) -> Finding:
    value = f"nats-server {version}, {name}, at {url}"
    numbers = tuple(int(part) for part in version.partition("-")[0].split(".") if part.isdecimal())
    if numbers < OLDEST:
        oldest = ".".join(str(part) for part in OLDEST)
        return Finding("server", value, "wrong", f"use nats-server {oldest} or later: in earlier ones leases never end")
    return Finding("server", value)


def _payload(said: Mapping[str, Any]) -> Finding:
    limit = int(said.get("max_payload", 0))
    if limit < PAYLOAD:
        advice = "raise max_payload to 1MB in the server's configuration: larger events are refused"
        return Finding("max_payload", size(limit), "warning", advice)
    return Finding("max_payload", size(limit))


def _storage(account: _Account, embedded: bool) -> Finding:
    every = (account, *account.tiers.values())
    tiers = [tier for tier in every if tier.limits.max_storage >= 0]
    if not tiers:
        used = sum(tier.storage for tier in every)
        if embedded:
            return Finding("storage", f"{size(used)} used")
        return Finding(
            "storage", f"{size(used)} used; the account has no limit, and the server's own is unknown", "unknown"
        )
    fullest = max(tiers, key=lambda tier: tier.storage / max(tier.limits.max_storage, 1))
    return filled("storage", fullest.storage, fullest.limits.max_storage, "raise the account's JetStream limit")


def _compared(names: Names, streams: Mapping[str, _Stream]) -> Finding:
    events = [event_stream(names, shard) for shard in range(names.shards)]
    wanted = {config["name"]: config for config in (*events, command_stream(names), lease_bucket(names))}
    missing = [name for name in wanted if name not in streams]
    if missing:
        advice = (
            f"restore it from a backup; or delete stream {names.lease_stream} and start a worker, which then creates "
            "what is missing, empty"
        )
        return Finding("streams", f"missing: {_some(missing)}", "wrong", advice)
    differences = [
        f"{name} has {difference}"
        for name, config in wanted.items()
        for difference in _differences(config, streams[name].config, limited=name == names.lease_stream)
    ]
    value = f"{names.shards} shard{'' if names.shards == 1 else 's'}, commands and leases"
    if differences:
        advice = "set that back with `nats stream edit`: events or commands may be refused or lost"
        return Finding("streams", f"{value}; {_some(differences)}", "wrong", advice)
    return Finding("streams", value)


def _differences(wanted: Mapping[str, Any], found: Mapping[str, Any], *, limited: bool) -> list[str]:
    """Return in which settings a stream differs from what it should be; how often it is replicated is free."""
    different = []
    for key, value in wanted.items():
        actual = found.get(key)
        if key == "metadata":
            actual = {name: (actual or {}).get(name) for name in value}
        if key != "num_replicas" and actual != value:
            different.append(f"{key} {_shown(actual)}, not {_shown(value)}")
    if not limited:
        different += [f"{key} {found[key]}" for key in _UNLIMITED if found.get(key, 0) > 0]
    return different


def _limited(streams: Mapping[str, _Stream]) -> list[Finding]:
    """Return how full each stream is that has a limit of its own."""
    advice = "raise its max_bytes with `nats stream edit`: once it is full, what comes is refused until there is room"
    return [
        filled(f"stream {name}", stream.state.bytes, limit, advice)
        for name, stream in streams.items()
        if (limit := stream.config.get("max_bytes", -1)) > 0
    ]


def _commands(count: int, unanswered: int) -> Finding:
    if unanswered:
        value = f"{count} unacknowledged, {unanswered} of them for partitions that no worker owns"
        return Finding("commands", value, "warning", "start a worker for these agents")
    return Finding("commands", f"{count} unacknowledged")


def _agent(
    agent: AgentKey, holders: Mapping[tuple[AgentKey, int], WriterId], waiting: Mapping[tuple[AgentKey, int], int]
) -> Finding:
    owned = {partition: worker for (key, partition), worker in holders.items() if key == agent}
    left = free(holders, [agent]).get(agent, [])
    count = sum(messages for (key, _), messages in waiting.items() if key == agent)
    value = f"{len(owned)} of {PARTITIONS} partitions owned, workers: {len(set(owned.values()))}, commands: {count}"
    if not owned:
        return Finding(f"agent {agent}", value, "warning", "start a worker for it: nobody answers")
    if left:
        advice = "look again in some seconds; if that stays, start the worker anew"
        return Finding(f"agent {agent}", f"{value}; nobody owns {ranges(left)}", "warning", advice)
    return Finding(f"agent {agent}", value)


def _clock_unknown() -> Finding:
    return Finding("clock", "unknown: without a stream the server tells no time", "unknown")


def _some(texts: list[str]) -> str:
    return "; ".join(texts[:3]) + (f"; and {len(texts) - 3} more" if len(texts) > 3 else "")


def _shown(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
