"""What is marked as secret is told nowhere, however hard an agent tries, and its tools are given it all the same."""

import asyncio
import base64
import json
import logging
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import pytest

from agent_runtime_framework import (
    BaseJourneyTools,
    Delta,
    JourneyAgent,
    NoReply,
    Recorded,
    Runtime,
    configure,
    replay,
    secret,
    tool,
)
from agent_runtime_framework.actors.journey import TOKEN
from agent_runtime_framework.events import (
    ConversationId,
    KnownEvent,
    ModelAnswered,
    StateChanged,
    ToolFailed,
    encode_event,
)
from agent_runtime_framework.projections import fold, initial
from agent_runtime_framework.runtime.agents.binding import BoundJourney
from agent_runtime_framework.runtime.secret_keys import VARIABLE
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.configuration import fresh_configuration
from support.journeys import frames, working
from support.vault_bot import API_KEY, CARD, PASSWORD, PIN, Telling, VaultAgent, digest, found_in

CHAT = ConversationId("c-1")
MASTER = base64.b64encode(bytes(range(32))).decode()
LOGGED_IN, LOOK = calls(("log_in", {"user": "ada", "password": PASSWORD})), calls(("look", {}))


@pytest.fixture(autouse=True)
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the master key, and return the file in which the tools say what they saw."""
    monkeypatch.setenv(VARIABLE, MASTER)
    monkeypatch.setenv("VAULT_SEEN", str(tmp_path / "seen"))
    return tmp_path / "seen"


def lines_of(seen: Path) -> str:
    return seen.read_text()


def forget(seen: Path) -> None:
    seen.unlink()


async def said(substrate: Substrate, *answers: Any, hooks: Telling | None = None, text: str = "go") -> list[KnownEvent]:
    """Return the events of a conversation in which the model answers so, a turn for each text that it says."""
    with ScriptedLLM(*answers) as llm:
        async with working(VaultAgent(llm, hooks=hooks), substrate=substrate) as rt:
            for _ in [answer for answer in answers if isinstance(answer, str)]:
                await rt.send("vault", "c-1", text, timeout=20)
    return await events_of(substrate)


async def events_of(substrate: Substrate) -> list[KnownEvent]:
    return [event for stored in await frames(substrate, "c-1") for event in stored.frame.events]  # type: ignore[misc]


def of(events: list[KnownEvent], *kinds: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kinds)]


def test_the_search_finds_what_is_told() -> None:
    for value in (PASSWORD, CARD):
        for told in (value, json.dumps(value), json.dumps({"a": json.dumps(value)}), f"x{value!r}"):
            assert found_in(told.encode()) == [value]


def telling(hooks: Telling, caplog: pytest.LogCaptureFixture) -> bytes:
    """Return all that hooks and logging were told."""
    formatter = logging.Formatter("%(message)s")
    lines = [formatter.format(record) + str(record.args) + str(record.exc_info) for record in caplog.records]
    return "\n".join([repr(hooks.heard), json.dumps(hooks.heard, default=str), *lines]).encode()


WORST = (
    LOGGED_IN,
    f"Welcome, your password is {PASSWORD}.",
    calls(("add_card", {"card": {"number": CARD, "brand": "visa"}, "pin": PIN}), ("look", {})),
    calls(("make_key", {}), ("fail", {"password": PASSWORD}), ("fail_late", {}), ("copy", {})),
    calls(("charge", {"amount": 666, "pin": PIN}), ("charge", {"amount": 7, "pin": PIN})),
    calls(("whisper", {"word": PASSWORD}), ("look", {"at": CARD})),
    {
        "content": f"I will save {PASSWORD} and {PIN}",
        "tool_calls": [
            {"id": "a", "function": {"name": "charge", "arguments": '{"pin": "' + PIN + '", "amount": '}},
            {"id": "b", "function": {"name": "charge", "arguments": json.dumps({"pin": int(PIN), "amount": 1})}},
            {"id": "c", "function": {"name": "log_inn", "arguments": json.dumps({"passwd": PASSWORD})}},
            {"id": "d", "name": "charge", "arguments": {"amount": 1, "pin": PIN, "memo": {"card": CARD}}},
            {
                "id": "e",
                "function": {"name": "add_card", "arguments": json.dumps({"card": json.dumps({"number": CARD})})},
            },
            {"id": "f", "function": {"name": "charge", "arguments": json.dumps(json.dumps({"pin": PIN}))}},
        ],
        "reasoning": f"the card is {CARD}",
    },
    f"All done: {CARD}, {PIN}, {API_KEY}, {PASSWORD}.",
)


async def test_nothing_that_is_kept_or_told_has_a_secret(
    substrate: Substrate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hooks = Telling()

    events = await said(substrate, *WORST, hooks=hooks)

    stored = json.dumps([msgspec.json.decode(encode_event(event)) for event in events]).encode()
    assert found_in(stored) == []
    assert found_in(telling(hooks, caplog)) == []
    assert stored.count(b"secret:v1:") > 10
    assert stored.count(b"(secret)") > 10


async def test_tools_are_given_what_is_secret(substrate: Substrate, seen: Path) -> None:
    await said(substrate, *WORST)

    assert [tuple(line.split()) for line in lines_of(seen).splitlines()] == [
        ("log_in", digest(PASSWORD)),
        ("add_card", digest(CARD)),
        ("look", digest(PASSWORD)),
        ("charge", digest(PIN)),
        ("whisper", digest(PASSWORD)),
    ]


async def test_what_fits_no_parameter_is_refused_as_it_would_be_in_clear(substrate: Substrate) -> None:
    events = await said(substrate, *WORST)

    failed = [(event.index, event.kind) for event in of(events, ToolFailed)][-6:]
    assert failed == [
        (0, "invalid"),
        (1, "invalid"),
        (2, "not_offered"),
        (3, "invalid"),
        (4, "invalid"),
        (5, "invalid"),
    ]


async def test_a_secret_that_is_copied_to_where_it_is_not_marked_fails_the_call(substrate: Substrate) -> None:
    events = await said(substrate, LOGGED_IN, calls(("copy", {})), "No.")

    (failed,) = of(events, ToolFailed)
    assert "state field 'note' holds a text that is marked as secret elsewhere: mark it" in failed.content


async def test_a_tool_that_touches_no_secret_changes_nothing(substrate: Substrate) -> None:
    events = await said(substrate, LOGGED_IN, calls(("look", {})), "Fine.")

    assert [sorted(change.set) for change in of(events, StateChanged)] == [["password", "step", "user"]]


async def test_the_same_secret_has_one_token_in_a_conversation_and_another_in_the_next(substrate: Substrate) -> None:
    with ScriptedLLM(LOGGED_IN, "In.", LOGGED_IN, "In.") as llm:
        async with working(VaultAgent(llm), substrate=substrate) as rt:
            first, second = await rt.send("vault", "c-1", "go"), await rt.send("vault", "c-2", "go")
    events = await events_of(substrate)

    assert first.state["password"] in str(of(events, ModelAnswered)[0].message)
    assert first.state["password"] != second.state["password"]


async def test_a_model_can_hand_on_a_token_but_only_to_where_a_secret_is_meant(
    substrate: Substrate, seen: Path
) -> None:
    def handing_on(messages: list[dict[str, Any]], _tools: Any) -> Any:
        (token,) = set(TOKEN.findall(json.dumps(messages)))
        return calls(("charge", {"amount": 1, "pin": token}), ("add_card", {"card": {"number": "x", "brand": token}}))

    await said(substrate, calls(("charge", {"amount": 1, "pin": PIN})), handing_on, "Done.")
    state = fold(initial(CHAT), [each.frame for each in await frames(substrate, "c-1")]).state

    assert lines_of(seen).split().count(digest(PIN)) == 2
    assert TOKEN.fullmatch(msgspec.json.decode(state["cards"])[0]["brand"])
    assert found_in(state["cards"]) == []


async def test_a_token_of_another_conversation_opens_nothing(substrate: Substrate, seen: Path) -> None:
    with ScriptedLLM(LOGGED_IN, "In.") as llm:
        async with working(VaultAgent(llm), substrate=substrate) as rt:
            token = (await rt.send("vault", "c-2", "go")).state["password"]

    await said(substrate, calls(("charge", {"amount": 1, "pin": token})), "Done.")

    assert lines_of(seen).splitlines()[-1] == f"charge {digest(token)}"


async def test_a_replay_finds_no_difference_with_the_key_and_without(substrate: Substrate) -> None:
    # without the key a number that stands where a secret is meant is a text like any other
    await said(substrate, *WORST[:-2], WORST[-1])
    log = await frames(substrate, "c-1")

    without = await replay(log, VaultAgent(None))
    opened = await replay(log, VaultAgent(None), secrets=substrate.secrets)

    assert (without.first, opened.first) == (None, None)


async def test_a_replay_that_runs_tools_gives_them_the_secrets_if_it_has_the_key(
    substrate: Substrate, seen: Path
) -> None:
    await said(substrate, LOGGED_IN, "In.")
    log = await frames(substrate, "c-1")
    forget(seen)

    again = await replay(log, VaultAgent(None), tools="run", secrets=substrate.secrets)

    assert again.first is None
    assert lines_of(seen) == f"log_in {digest(PASSWORD)}\n"


async def test_a_fork_opens_what_its_ancestors_sealed_and_seals_it_alike(substrate: Substrate, seen: Path) -> None:
    with ScriptedLLM(LOGGED_IN, "In.", LOOK, "Yes.", LOGGED_IN, LOOK, "Yes.") as llm:
        async with working(VaultAgent(llm), substrate=substrate) as rt:
            parent = await rt.send("vault", "c-1", "go")
            await rt.fork("c-1", as_id="c-2")
            child = await rt.send("vault", "c-2", "look")
            await rt.fork("c-2", as_id="c-3")
            grandchild = await rt.send("vault", "c-3", "again")
            events = [event async for event in rt.events("c-3")]

    assert parent.state["password"] == child.state["password"] == grandchild.state["password"]
    assert lines_of(seen).split()[1::2] == [digest(PASSWORD)] * 3
    assert sum(event.type == "state.changed" for event in events) == 1


async def test_a_replay_of_a_fork_finds_no_difference(substrate: Substrate) -> None:
    with ScriptedLLM(LOGGED_IN, "In.", LOOK, "Yes.") as llm:
        async with working(VaultAgent(llm), substrate=substrate) as rt:
            await rt.send("vault", "c-1", "go")
            await rt.fork("c-1", as_id="c-2")
            await rt.send("vault", "c-2", "look")
    log = await frames(substrate, "c-2")

    for secrets in (None, substrate.secrets):
        assert (await replay(log, VaultAgent(None), secrets=secrets)).first is None


async def test_words_that_come_before_the_call_that_says_what_is_secret_are_told_after_it(
    substrate: Substrate,
) -> None:
    answer = calls(("log_in", {"user": "ada", "password": PASSWORD}), text=f"I save {PASSWORD} now")
    with ScriptedLLM(answer, f"Saved {PASSWORD}!") as llm:
        async with working(VaultAgent(llm), substrate=substrate) as rt:
            following = asyncio.ensure_future(told_live(rt))
            reply = await rt.send("vault", "c-1", "go")
            heard = await following

    assert heard == ["I save (secret) now", "Saved (secret)!"]
    assert reply.text == "Saved (secret)!"


async def told_live(rt: Runtime) -> list[str]:
    """Return what is told of a conversation's words as they come, until its first turn is over."""
    heard: dict[int, str] = {}
    async for each in rt.follow("c-1"):
        if isinstance(each, Delta):
            heard[each.request] = heard.get(each.request, "") + each.text
        elif isinstance(each, Recorded) and each.type == "turn.completed":
            break
    return list(heard.values())


async def test_in_debug_what_is_raised_to_the_sender_tells_no_secret(substrate: Substrate) -> None:
    with fresh_configuration():
        configure(debug=True)
        llm = ScriptedLLM(calls(("fail", {"password": PASSWORD})))
        async with working(VaultAgent(llm), substrate=substrate) as rt:
            with pytest.raises(Exception, match=r"\(secret\)") as raised:
                await rt.send("vault", "c-1", "go")

    told = "".join(traceback.format_exception(raised.value))
    assert type(raised.value).__name__ == "ValueError"
    assert found_in(told.encode()) == []
    assert "raise ValueError(told(password))" in told


async def test_a_prompt_that_raises_with_a_secret_fails_the_turn_without_it(
    substrate: Substrate, caplog: pytest.LogCaptureFixture
) -> None:
    class Raising(VaultAgent):
        def get_system_prompt(self, state: Any) -> str:
            if state.password:
                raise LookupError(f"no prompt for {state.password}")
            return super().get_system_prompt(state)

    with ScriptedLLM(LOGGED_IN) as llm:
        async with working(Raising(llm), substrate=substrate) as rt:
            with pytest.raises(NoReply, match=r"LookupError: no prompt for \(secret\)"):
                await rt.send("vault", "c-1", "go")

    assert found_in(caplog.text.encode()) == []


def test_the_marks_change_no_hash_and_no_schema() -> None:
    def agent(kind: Any) -> JourneyAgent[Any, Any, Any]:
        @dataclass
        class State:
            step: str = "a"
            password: kind = ""

        class Tools(BaseJourneyTools[State]):
            @tool
            async def save(self, password: kind) -> str:
                return "Saved."

        class Agent(JourneyAgent[State, Tools, str]):
            key = "one"
            prompts: ClassVar = {"a": "Ask."}

        return Agent()

    marked, plain = (BoundJourney(agent(kind)) for kind in (Annotated[str, secret], str))
    assert marked.hash == plain.hash
