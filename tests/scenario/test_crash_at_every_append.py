"""A life that ends around any append: another goes on from the log, and comes to what an undisturbed one comes to."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from agent_runtime_framework import BaseJourneyTools, tool
from agent_runtime_framework.actors import ConversationActor, Delivered, Directory, Life, SayToAgent
from agent_runtime_framework.events import ConversationId, Frame, Head, MemoryLog, Stored, ToolStarted, WriterId
from agent_runtime_framework.projections import Conversation, fold, initial, render, state_of
from agent_runtime_framework.runtime.agents import Journeys, agent_effects
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.retry import RetryPolicy
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.desk import Claim, ClaimAgent, Desk, DeskAgent, Quote, QuoteAgent, Step, desk

CHAT = ConversationId("c-1")
TO_QUOTE = calls(("start_quote", {}))
BACK = calls(("reroute_conversation", {}))
TURNS = {
    "a quote, quick": (calls(("note", {"text": "quick"}), ("start_quote", {})), "What is it worth?"),
    "500": (calls(("price", {"value": 500}), ("price", {"value": 1}), ("nonsense", {})), "10 euros."),
    "no, a claim": (BACK, calls(("file_claim", {}), ("note", {"text": "late"})), "What happened?"),
    "a dent": (calls(("file", {"damage": "dent"})), "Filed."),
    "one more thing": (BACK, calls(("note", {"text": "late"})), TO_QUOTE, "Another quote?"),
    "a thing for 50": (calls(("price", {"value": 50})), "1 euro."),
    "thanks": (),
}
APPENDS = 32
"""So many an undisturbed talk makes."""


def answer(messages: list[dict[str, Any]], _tools: Any) -> Any:
    """Answer the same to the same: what stands in `TURNS` after what the user said, and after so many answers to it."""
    said = max(at for at, message in enumerate(messages) if message["role"] == "user")
    answered = sum(message["role"] == "assistant" for message in messages[said:])
    return TURNS[messages[said]["content"]][answered]


class DeskTools(BaseJourneyTools[Desk]):
    @tool(effect="idempotent")
    async def note(self, text: str) -> str:
        """Keep a note."""
        self.state.notes.append(text)
        return "Noted."


class QuoteTools(BaseJourneyTools[Quote]):
    @tool(effect="read", steps=Step.ASK)
    async def price(self, value: int) -> str:
        """Work out the price."""
        self.state.value, self.state.step = value, Step.DONE
        return f"It costs {value // 50}."


class ClaimTools(BaseJourneyTools[Claim]):
    @tool(effect="idempotent", steps=Step.ASK)
    async def file(self, damage: str) -> str:
        """File the claim."""
        self.state.damage, self.state.step = damage, Step.DONE
        return "Filed."


class RepeatableDesk(DeskAgent):
    tools_class = DeskTools


class RepeatableQuote(QuoteAgent):
    tools_class = QuoteTools


class RepeatableClaim(ClaimAgent):
    tools_class = ClaimTools


def repeatable(llm: ScriptedLLM) -> DeskAgent:
    """Return a desk whose every tool may be run again."""
    return desk(llm, RepeatableDesk, quote=RepeatableQuote(), claim=RepeatableClaim())


class Mortal(MemoryLog):
    """Is a log around whose appends lives end: what is being appended is stored, or it is not; nobody hears which."""

    def __init__(self, deaths: Collection[int] = (), *, stored: bool = True) -> None:
        super().__init__()
        self.appends = 0
        self.died = asyncio.Event()
        self._deaths = deaths
        self._stored = stored

    async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
        self.appends += 1
        if self.appends not in self._deaths:
            return await super().append(conversation, frame, expected)
        if self._stored:
            await super().append(conversation, frame, expected)
        self.died.set()
        await asyncio.Event().wait()  # for ever
        raise AssertionError


async def talk(log: Mortal, agent: DeskAgent) -> Conversation:
    """Say all that is said, each message until a life acknowledges it, and return what the log folds to."""
    for number, text in enumerate(TURNS):
        while not await acknowledged(log, agent, SayToAgent(id=f"m-{number}", agent="desk", text=text)):
            pass
    frames = [stored.frame async for stored in log.read(CHAT)]
    after = fold(initial(CHAT), frames)
    half = len(frames) // 2
    assert fold(fold(initial(CHAT), frames[:half]), frames[half:]) == after
    return after


async def acknowledged(log: Mortal, agent: DeskAgent, say: SayToAgent) -> bool:
    """Take a message in one life; say whether that life saw the end of it."""
    clock, journeys = SystemClock(), Journeys(agent)
    effects = agent_effects(journeys, clock=clock, retry=RetryPolicy())

    def create(key: str, id_: ConversationId, life: Life) -> ConversationActor:
        return ConversationActor(key, id_, journey=journeys, log=log, effects=effects, life=life)

    writer = WriterId(f"life-{log.appends}")
    directory = Directory(writer, now=clock.now, sleep=clock.sleep, create=create)
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    directory.deliver("desk", CHAT, Delivered(say, lambda: done.set_result(True), done.set_exception))
    log.died.clear()
    died = asyncio.ensure_future(log.died.wait())
    either: set[asyncio.Future[Any]] = {done, died}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    await directory.end(10)
    await effects.told(10)
    died.cancel()
    return done.done() and done.result()


def seen(conversation: Conversation) -> Any:
    """Return all of a conversation that does not depend on how many lives it took."""
    said = render("", conversation.transcript.window(0, conversation.turns))
    left = {name: (dict(one.state), one.step) for name, one in conversation.left.items()}
    return (
        (conversation.journey, conversation.step, state_of(conversation), left, conversation.status),
        [(message["role"], message["content"]) for message in said],
        [conversation.handled.get(f"m-{number}") for number in range(len(TURNS))],
    )


@pytest.mark.parametrize(
    ("stored", "deaths"), [(True, 1), (False, 1), (True, 3)], ids=["stored", "lost", "three in a row"]
)
async def test_wherever_lives_end_the_conversation_comes_to_the_same(stored: bool, deaths: int) -> None:
    log = Mortal()
    undisturbed = seen(await talk(log, repeatable(ScriptedLLM(*[answer] * 40))))
    assert log.appends == APPENDS
    for first in range(1, APPENDS + 1, deaths):
        log = Mortal(range(first, first + deaths), stored=stored)
        assert seen(await talk(log, repeatable(ScriptedLLM(*[answer] * 40)))) == undisturbed, f"at append {first}"


async def test_wherever_a_life_ends_what_must_not_be_repeated_starts_once_a_call() -> None:
    for at in range(1, APPENDS + 1):
        log = Mortal([at])
        after = await talk(log, desk(ScriptedLLM(*[answer] * 40)))
        started = [
            (event.cause, event.index)
            async for one in log.read(CHAT)
            for event in one.frame.events
            if isinstance(event, ToolStarted) and event.effect == "once"
        ]
        assert len(started) == len(set(started)) >= 5
        assert (after.status, after.turns) == ("idle", len(TURNS))
