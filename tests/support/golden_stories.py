"""What is said in the golden logs, and what happens to those who answer."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from agent_runtime_framework import ModelError
from agent_runtime_framework.events import TEXT_LIMIT
from agent_runtime_framework.testing import calls
from support.golden import Talk, Telling
from support.golden_agents import Version

BUSY = ModelError("too many requests", kind="rate_limited", transient=True, retry_after=2)
AWAY = ModelError("no answer", kind="unreachable", transient=True)
WRONG = ModelError("no such model", kind="refused", transient=False)
BACK = calls(("reroute_conversation", {"reason": "something else"}))


class Silent:
    """Is an answer of the model that never comes."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def __call__(self, _messages: list[dict[str, Any]], _tools: Any) -> Any:
        self.asked.set()
        await asyncio.sleep(3600)


async def retried(talk: Talk, versions: tuple[Version, ...]) -> None:
    """The model fails, and is asked again, or not any more."""
    (shop,) = versions
    async with talk.life(shop, BUSY, AWAY, "Hello.", AWAY, AWAY, AWAY, WRONG, "Back again.") as life:
        for number, text in enumerate(("hi", "tea?", "still there?", "and now?"), 1):
            await life.say(f"m-{number}", text)


async def outcomes(talk: Talk, versions: tuple[Version, ...]) -> None:
    """Tools come to everything that a tool comes to in one life, and turns end in every way."""
    (shop,) = versions
    answers = (
        calls(("add", {"item": "tea", "price": 3}), ("look", {}), text="A moment."),
        calls(("add", {"item": "milk"}), ("fail", {}), ("decline", {}), ("spoil", {})),
        calls(("wait", {}), ("ghost", {}), ("nonsense", {}), ("add", "{"), ("add", {"price": "much"})),
        "That was hard.",
        calls(("look", {})),
        calls(("look", {})),
        calls(("look", {})),
        calls(("look", {})),
        calls(*[("add", {"item": f"cup {number}"}) for number in range(3)]),
        calls(("checkout", {})),
        calls(("pay", {})),
    )
    async with talk.life(shop, *answers) as life:
        await life.say("m-1", "Tee, bitte! 🍵")
        await life.say("m-2", "what have I got?")
        await life.say("m-3", "three cups, and I pay")
        await life.say("m-4", "bye")


async def taken_over(talk: Talk, versions: tuple[Version, ...]) -> None:
    """Lives end in the middle of turns: while a model is asked, and while tools of every class run."""
    patient, shop = versions
    silent = Silent()
    async with talk.life(patient, silent) as life:
        life.say("m-1", "hi")
        await silent.asked.wait()
    async with talk.life(patient, calls(("wait", {}), ("look", {}))) as life:
        life.say("m-1", "hi")
        await life.until("tool.started")
    async with talk.life(shop, "Hello.") as life:
        await life.say("m-1", "hi")
    async with talk.life(patient, calls(("deliver", {}), ("look", {}))) as life:
        life.say("m-2", "deliver it")
        await life.until("tool.started")
    async with talk.life(shop, "I do not know whether it was delivered.") as life:
        await life.say("m-2", "deliver it")
    async with talk.life(patient, calls(("count", {}), ("look", {}))) as life:
        life.say("m-3", "count")
        await life.until("tool.started")
    async with talk.life(patient) as life:
        counting = life.say("m-3", "count")
        await life.until("tool.started")
        await life.cancel("x-1", "it takes too long")
        await counting


async def stopped(talk: Talk, versions: tuple[Version, ...]) -> None:
    """Turns are cancelled, interrupted and given up, and messages are refused."""
    (shop,) = versions
    async with talk.life(shop, calls(("deliver", {}), ("look", {})), calls(("wait", {})), "Yes?") as life:
        await life.cancel("x-1")
        first = life.say("m-1", "deliver it")
        await life.until("tool.started")
        await life.cancel("x-2", "a mistake")
        await first
        second = life.say("m-2", "wait")
        await life.until("tool.started")
        await life.say("m-3", "no, stop")
        await second
        await life.say("m-4", "t" * TEXT_LIMIT)
        await life.say("m-5", "hello?", agent="another")
    for _ in range(4):
        silent = Silent()
        async with talk.life(shop, silent) as life:
            life.say("m-6", "are you there?")
            await silent.asked.wait()
    full = calls(*[("add", {"item": f"cup {number}"}) for number in range(7)])
    async with talk.life(shop, full) as life:
        await life.say("m-6", "are you there?")
        await life.say("m-7", "seven cups")


async def revised(talk: Talk, versions: tuple[Version, ...]) -> None:
    """A second version goes on with a migrated state, and a third with it as it is, in the middle of a turn."""
    old, new, reworded = versions
    async with talk.life(old, calls(("name", {"who": "Ada"})), calls(("seats", {"count": 2})), "Two seats.") as life:
        await life.say("m-1", "two for Ada")
    silent = Silent()
    async with talk.life(new, calls(("place", {"row": "A"})), "Row A.", silent) as life:
        await life.say("m-2", "the first row")
        life.say("m-3", "and the last")
        await silent.asked.wait()
    async with talk.life(reworded, calls(("place", {"row": "Z"})), "Row Z.", "Bye.") as life:
        await life.say("m-3", "and the last")
        await life.say("m-4", "that is all")


async def reception(talk: Talk, versions: tuple[Version, ...]) -> None:
    """A router leads to journeys and back: new ones, left ones, ones that were over, ones of another version."""
    first, pinning, reworded = versions
    rental, repair = calls(("start_rental", {})), calls(("start_repair", {}))
    answers = (
        calls(("note", {"text": "in a hurry"}), ("start_rental", {}), ("note", {"text": "late"})),
        "For how long?",
        calls(("rent", {"days": 3})),
        "Three days.",
        BACK,
        repair,
        "What is broken?",
        calls(("fix", {"broken": "the bell"})),
        BACK,
        repair,
        "What else?",
        BACK,
        *[answer for _ in range(4) for answer in (rental, BACK)],
        rental,
        BACK,
        "Too much back and forth.",
    )
    async with talk.life(first, *answers) as life:
        for number, text in enumerate(("a bike, quick", "3 days", "a repair", "the bell", "round and round"), 1):
            await life.say(f"m-{number}", text)
    async with talk.life(pinning) as life:
        await life.say("m-6", "the bike")
    async with talk.life(reworded, BACK, "What else?") as life:
        await life.say("m-7", "no bike")
    async with talk.life(pinning, rental, "Not now.") as life:
        await life.say("m-8", "the bike again")
    async with talk.life(first, rental, "Here it is.") as life:
        await life.say("m-9", "and now?")


STORIES: Mapping[str, Telling] = MappingProxyType(
    {
        "retried": retried,
        "outcomes": outcomes,
        "taken-over": taken_over,
        "stopped": stopped,
        "revised": revised,
        "reception": reception,
    }
)
"""How each golden log came about, by its name."""
