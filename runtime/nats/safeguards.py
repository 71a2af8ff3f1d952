"""What an inspection finds of what keeps a namespace from being changed or read unseen: seals, and encryption."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from nats.aio.client import Client

from ...events import FrameworkError, decode_seal
from ..findings import Finding
from ..vault import KeyVault, KeyWrapper
from .keys import JetStreamKeys
from .names import Names
from .seals import NatsSeals

STALE: Final = 30 * 60_000
"""Milliseconds after which workers that seal should have done so again: three times over."""


async def seals(client: Client, names: Names, now: int, *, workers: int) -> Finding:
    """Return when the heads of all conversations were sealed last; that is late where so many workers are there.

    Raises:
        CorruptLog: what is kept there is no seal.
        Unavailable: the server did not answer.

    """
    position, data = await NatsSeals(client, names).last()
    if not position:
        return Finding("seals", "never")
    seal = decode_seal(data)
    made = datetime.fromtimestamp(seal.time / 1000, UTC)
    value = f"sealed last at {made:%Y-%m-%d %H:%M:%S} UTC, seal {seal.number}, conversations: {seal.conversations}"
    if workers and now - seal.time > STALE:
        advice = "no worker seals, or none can: start one with --seal-key and --seal-file, and see what it says"
        return Finding("seals", value, "warning", advice)
    return Finding("seals", value)


async def encryption(client: Client, names: Names, wrapper: Callable[[], KeyWrapper | None]) -> Finding:
    """Return whether what is said is sealed, and whether the master key that `wrapper` has is the right one.

    Raises:
        Unavailable: the server did not answer.

    """
    keys = JetStreamKeys(client, names)
    if not await keys.there():
        return Finding("encryption", "none: what is said is stored in clear")
    try:
        master = wrapper()
        await KeyVault(keys, master, namespace=names.namespace).check()
    except FrameworkError as error:
        return Finding("encryption", f"on; {error}", "wrong")
    if master is None:
        advice = "set ARF_MASTER_KEY where workers run, and where what was said is to be read"
        return Finding("encryption", "on; no master key is set here", "unknown", advice)
    return Finding("encryption", "on; the master key that is set here is the right one")
