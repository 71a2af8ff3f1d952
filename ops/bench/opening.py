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
    what = f"a cold conversation of {long.turns:,} turns: time until the model is asked"
    rows: list[Row] = []
    for snapshot, reach in ((True, WITH), (False, WITHOUT)):
        how = f"{what}, with{'' if snapshot else 'out'} a snapshot"
        place.say(f"cold: {place.settings.cold} rounds with{'' if snapshot else 'out'} a snapshot")
        floor: list[float] = []
        ours: list[float] = []
        for _ in range(place.settings.cold):
            if not snapshot:
                await place.forget_snapshots(long.namespace)
            elif not await place.snapshots(long.namespace):
                break
            floor.append(1000 * await jetstream.two_commits())
            ours.append(await _opened(place, long))
        if ours:
            rows.append(row("cold", how, "ms", ours, reach, floors=[(COMMITS, floor)]))
        else:
            rows.append(Row(name="cold", what=how, unit="ms", measured=None, reach=reach, notes="none was there"))
    return rows


async def _opened(place: Place, long: Long) -> float:
    """Say something to a worker that has just begun; return the milliseconds until it asked the model."""
    model = Model()
    async with place.working(long.namespace, model) as runtime:
        began = time.perf_counter()
        await runtime.publish(AGENT, long.conversation, place.words.text(USUAL.user))
        async with asyncio.timeout(PATIENCE):
            await model.asked.wait()
        return 1000 * (model.asked_at - began)
