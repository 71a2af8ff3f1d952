"""Reading whole streams in tests."""

from collections.abc import Sequence
from contextlib import aclosing

from agent_runtime_framework.events import ConversationId, Records
from agent_runtime_framework.runtime.feed import Entry, Feed
from support.chains import put_raw

NAMES = [ConversationId(f"c-{number}") for number in range(12)]


async def fill(records: Records, rounds: int, names: Sequence[ConversationId] = tuple(NAMES)) -> list[Entry]:
    """Store so many records in each conversation, in turn, and return them."""
    heads = dict.fromkeys(names, 0)
    for number in range(rounds):
        for name in names:
            heads[name] = await put_raw(records, f"{name} {number}".encode(), heads[name], name)
    return [Entry(name, position, data) for name in names async for position, data in records.get(name, 0)]


async def read_all(feed: Feed, after: int = 0) -> list[list[Entry]]:
    """Return what each shard has after a position."""
    return [[entry async for batch in feed.read(shard, after) for entry in batch] for shard in range(feed.shards)]


async def take(feed: Feed, shard: int, count: int, after: int = 0) -> list[Entry]:
    """Follow a shard until so many entries came."""
    found: list[Entry] = []
    async with aclosing(feed.follow(shard, after)) as batches:
        async for batch in batches:
            found += batch
            if len(found) >= count:
                break
    return found
