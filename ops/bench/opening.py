"""Opening: a conversation that no worker has in memory takes its next turn."""

import asyncio
import time

from .floors import JetStreamFloor
from .place import Long, Place
from .results import Reach, Row, row
from .work import AGENT, USUAL, Model

PATIENCE = 120.0
WITH, WITHOUT = Reach(50.0), Reach(400.0)
COMMITS = "two commits"


async def cold(place: Place) -> list[Row]:
    """Measure the time until the model is asked, with a snapshot and without, each in workers that begin."""
    long = await place.long()
    jetstream = await JetStreamFloor.on(place)
    floor: list[float] = []
    snapshot: list[float] = []
    none: list[float] = []
    for number in range(place.settings.cold):
        place.say(f"cold: round {number + 1} of {place.settings.cold}")
        floor.append(1000 * await jetstream.two_commits())
        if await place.snapshots(long.namespace):
            snapshot.append(await _opened(place, long))
        await place.forget_snapshots(long.namespace)
        none.append(await _opened(place, long))
    what = f"a cold conversation of {long.turns:,} turns: time until the model is asked"
    floors = [(COMMITS, floor)]
    return [
        row("cold", f"{what}, with a snapshot", "ms", snapshot, WITH, floors=floors)
        if snapshot
        else Row(
            name="cold",
            what=f"{what}, with a snapshot",
            unit="ms",
            measured=None,
            reach=WITH,
            notes="no snapshot was there",
        ),
        row("cold", f"{what}, without", "ms", none, WITHOUT, floors=floors),
    ]


async def _opened(place: Place, long: Long) -> float:
    """Say something to a worker that has just begun; return the milliseconds until it asked the model."""
    model = Model()
    async with place.working(long.namespace, model) as runtime:
        began = time.perf_counter()
        await runtime.publish(AGENT, long.conversation, place.words.text(USUAL.user))
        async with asyncio.timeout(PATIENCE):
            await model.asked.wait()
        return 1000 * (model.asked_at - began)
