"""The examples as a newcomer runs them: loaded from their files, on the runtime, with a scripted model."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from agent_runtime_framework import Reply
from agent_runtime_framework.events import ToolFailed
from agent_runtime_framework.runtime.loading import load_agents
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import recorded, working

EXAMPLES = Path(__file__).parents[2] / "examples"

Talk: TypeAlias = Callable[..., AbstractAsyncContextManager["Talking"]]


class Talking:
    """Is a conversation with an example, on a runtime of its own."""

    def __init__(self, runtime: Any, key: str, llm: ScriptedLLM) -> None:
        self.runtime = runtime
        self.llm = llm
        self._key = key

    async def say(self, text: str) -> Reply:
        """Say something and return the reply."""
        reply: Reply = await self.runtime.send(self._key, "c-1", text)
        return reply

    async def failures(self) -> list[tuple[str, str]]:
        """Return the kind and the text of every call that failed."""
        events = [one.event for one in await recorded(self.runtime, "c-1")]
        return [(event.kind, event.content) for event in events if isinstance(event, ToolFailed)]

    def offered(self) -> list[list[str]]:
        """Return the tools that each request offered."""
        return [[made["function"]["name"] for made in request.tools or []] for request in self.llm.requests]

    def told(self) -> str:
        """Return the last message that the model was given."""
        content: str = self.llm.requests[-1].messages[-1]["content"]
        return content


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Talk:
    """Begins a conversation with the agent of an example's file."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    @asynccontextmanager
    async def begin(file: str, *script: Any) -> AsyncIterator[Talking]:
        (agent,) = load_agents([f"{EXAMPLES / file}:agent"])
        assert agent.llm_client is None
        with ScriptedLLM(*script) as llm:
            async with working(type(agent)(llm)) as runtime:
                yield Talking(runtime, agent.key, llm)

    return begin


async def test_onboarding_goes_from_the_first_step_to_the_last(talk: Talk) -> None:
    script = (
        "What is your name?",
        calls(("save_name", {"name": "Ada"})),
        "And your email address?",
        calls(("save_email", {"email": "ada@example.org"})),
        "Thank you, Ada!",
    )
    async with talk("onboarding.py", *script) as talking:
        await talking.say("hi")
        await talking.say("I am Ada")
        reply = await talking.say("ada@example.org")

    assert reply.text == "Thank you, Ada!"
    assert reply.state == {"step": "complete", "name": "Ada", "email": "ada@example.org"}
    assert talking.offered() == [["save_name"], ["save_name"], ["save_email"], ["save_email"], []]
    assert talking.llm.requests[2].messages[0]["content"].startswith("Ask Ada for an email address.")


@pytest.mark.parametrize(
    ("kind", "details", "price"),
    [
        ("car", ("quote_car", {"value": 10_000, "accidents": 1}), 300),
        ("car", ("quote_car", {"value": 10_000}), 200),
        ("home", ("quote_home", {"area": 80}), 160),
    ],
)
async def test_a_quote_branches_and_meets_again(talk: Talk, kind: str, details: Any, price: int) -> None:
    script = (
        calls(("choose", {"kind": kind})),
        calls(details),
        "Do you take it?",
        calls(("decide", {"accept": True})),
        "You are insured.",
    )
    async with talk("quote.py", *script) as talking:
        quoted = await talking.say(f"my {kind}")
        closed = await talking.say("yes")

    assert talking.offered()[:3] == [["choose"], [details[0]], ["decide"]]
    assert quoted.state == {"step": "quoted", "price": price, "accepted": False}
    assert closed.state == {"step": "closed", "price": price, "accepted": True}


async def test_a_branch_that_does_not_exist_is_told_to_the_model(talk: Talk) -> None:
    async with talk("quote.py", calls(("choose", {"kind": "boat"})), "A car or a home?") as talking:
        reply = await talking.say("my boat")
        failures = await talking.failures()

    assert reply.state["step"] == "kind"
    assert [kind for kind, _ in failures] == ["invalid"]
    assert "use one of `car`, `home`" in talking.told()


async def test_a_cart_is_filled_changed_and_returned_to(talk: Talk) -> None:
    script = (
        calls(("check_out", {})),
        "It is empty.",
        calls(("add_items", {"items": [{"product": "tea", "amount": 2}, {"product": "jam"}]})),
        calls(("remove_item", {"product": "bread"}), ("remove_item", {"product": "jam"})),
        "Two teas.",
        calls(("check_out", {}), ("add_items", {"items": [{"product": "bread"}]})),
        "8 euros?",
        calls(("keep_shopping", {})),
        calls(("add_items", {"items": [{"product": "bread"}]})),
        calls(("check_out", {}), ("place_order", {})),
        calls(("place_order", {})),
        "Thank you!",
    )
    async with talk("cart.py", *script) as talking:
        empty = await talking.say("pay")
        filled = await talking.say("two teas, a jam; no bread, no jam")
        await talking.say("pay, and a bread")
        reply = await talking.say("wait, a bread too, then yes")
        failures = await talking.failures()

    assert (empty.state["step"], filled.state["cart"]) == ("shopping", {"tea": 2})
    assert reply.state == {"step": "ordered", "cart": {"tea": 2, "bread": 1}, "total": 10}
    assert failures == [
        ("error", "The cart is empty."),
        ("error", "There is no bread in the cart."),
        ("not_offered", "Error: Tool 'add_items' is not available now"),
        ("not_offered", "Error: Tool 'place_order' is not available now"),
    ]


async def test_a_desk_leads_to_a_quote_and_to_a_claim_and_tells_them_the_name(talk: Talk) -> None:
    script = (
        calls(("save_name", {"name": "Ada"}), ("start_quote", {})),
        "What is it worth?",
        calls(("quote", {"value": 5_000})),
        "100 euros. Anything else?",
        calls(("reroute_conversation", {"reason": "a claim"})),
        calls(("file_claim", {})),
        calls(("file_damage", {"number": 7})),
        "Filed.",
    )
    async with talk("desk.py", *script) as talking:
        await talking.say("I am Ada, and want a quote")
        quoted = await talking.say("5000")
        filed = await talking.say("a claim for policy 7")

    assert (
        talking.llm.requests[1].messages[0]["content"]
        == "You talk with Ada. Ask what the thing is worth, then call quote."
    )
    assert quoted.state == {"step": "done", "name": "Ada", "price": 100}
    assert filed.state == {"step": "done", "name": "Ada", "number": 7}
    assert [("start_quote" in names, "reroute_conversation" in names) for names in talking.offered()] == [
        (True, False),
        *[(False, True)] * 4,
        (True, False),
        *[(False, True)] * 2,
    ]


def charge(card: str) -> Any:
    return calls(("charge", {"card": card}))


async def test_a_payment_recovers_from_a_wrong_card_a_lost_bank_and_a_declined_card(talk: Talk) -> None:
    script = (
        charge("my card"),
        "Digits, please.",
        charge("400000000001"),
        "The bank does not answer.",
        charge("400000000000"),
        "Declined. Another?",
        charge("400000000002"),
        "Thank you!",
    )
    async with talk("recovery.py", *script) as talking:
        wrong = await talking.say("my card")
        lost = await talking.say("400000000001")
        declined = await talking.say("400000000000")
        paid = await talking.say("400000000002")
        failures = await talking.failures()

    assert wrong.state == lost.state == {"step": "pay", "attempts": 0, "euros": 30}
    assert (declined.state["step"], declined.state["attempts"]) == ("declined", 1)
    assert (paid.state["step"], paid.state["attempts"]) == ("paid", 2)
    assert [kind for kind, _ in failures] == ["invalid", "error"]
    assert failures[1][1] == "Error executing charge: the bank does not answer"


async def test_after_three_declined_cards_a_person_takes_over(talk: Talk) -> None:
    declined = charge("400000000000")
    async with talk("recovery.py", declined, declined, declined, "A colleague will call.") as talking:
        reply = await talking.say("400000000000")

    assert reply.state == {"step": "person", "attempts": 3, "euros": 30}
    assert talking.offered()[-1] == []
    assert reply.text == "A colleague will call."


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_read_in_a_minute_and_says_how_to_talk_with_it(path: Path) -> None:
    text = path.read_text()

    assert text.count("\n") <= 120
    assert f"arf chat examples/{path.name}:agent" in text.split('"""')[1]
