"""Sealing beside a worker: again and again, whoever comes first.

Nothing here may end: a seal that fails is said, as an error, and tried again at the next time.
"""

import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from ...events import FrameworkError, PositionMoved
from ..bus import fnv1a
from ..clock import Clock
from ..crypto.signing import load_key
from ..substrate import Substrate
from .config import SealConfig
from .sealer import Sealer, sealer_for

logger = logging.getLogger("agent_runtime_framework.sealing")

SPREAD: Final = 0.02
"""The part of the time between two seals over which workers spread, so that most find the seal made."""


def beside_workers(
    config: SealConfig, substrate: Substrate, namespace: str, clock: Clock, writer: str
) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return what seals beside a worker while it runs.

    Raises:
        InvalidInput: key or file cannot be used.
        FrameworkError: what reads keys is not installed, or the place keeps no seals.

    """
    sealer = sealer_for(substrate, namespace=namespace, key=load_key(config.key), file=config.file, clock=clock)
    return partial(keep_sealing, sealer, config.every, writer=writer, clock=clock)


async def keep_sealing(sealer: Sealer, every: float, *, writer: str, clock: Clock) -> None:
    """Make a seal whenever the last one is `every` seconds old, for ever."""
    later = every * SPREAD * (fnv1a(writer) % 1_000) / 1_000
    while True:
        wait = every
        try:
            wait = await _until_due(sealer, every, clock)
            if wait <= 0:
                seal = await sealer.seal()
                logger.debug("seal %d over %d conversations", seal.number, seal.conversations)
                wait = every
        except PositionMoved:
            logger.debug("another worker made the seal")
        except FrameworkError as error:
            logger.error("no seal: %s; conversations go on, and it is tried again in %g s", error, every)  # noqa: TRY400
        except Exception:
            logger.exception("no seal; conversations go on, and it is tried again in %g s", every)
        await clock.sleep(wait + later)


async def _until_due(sealer: Sealer, every: float, clock: Clock) -> float:
    """Return the seconds until the next seal is due; a clock that runs ahead delays it once at most."""
    last = await sealer.last()
    if last is None:
        return 0.0
    return min(last.time / 1_000 + every - clock.now() / 1_000, every)
