"""Secrets where a state comes from elsewhere: another journey, another version, a run, a checkpoint, a simulation."""

import base64
import subprocess
import sys
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

import msgspec
import pytest

from agent_runtime_framework import (
    AgentContext,
    BaseJourneyTools,
    DjangoRuntimeAdapter,
    IntentRouter,
    InvalidInput,
    JourneyAgent,
    JourneyConfig,
    RouteDefinition,
    StateStore,
    secret,
    tool,
)
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.secret_keys import VARIABLE, KeyedSecrets, of_namespace
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.testing import Say, ScriptedLLM, calls, simulate
from support.django_runs import Run
from support.journeys import frames, working
from support.vault_bot import PASSWORD, found_in

MASTER = base64.b64encode(bytes(range(32))).decode()
SAVED = calls(("save", {"word": PASSWORD}))
LOOK = calls(("look", {}))
SAW: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    SAW.clear()
    monkeypatch.setenv(VARIABLE, MASTER)


@dataclass
class One:
    step: str = "on"
    word: Annotated[str, secret] = ""
    note: str = ""


class OneTools(BaseJourneyTools[One]):
    idempotency_key: str = ""

    @tool(effect="read")
    async def save(self, word: Annotated[str, secret]) -> str:
        self.state.word = word
        SAW.append(self.idempotency_key)
        return "Saved."

    @tool(effect="read")
    async def look(self) -> str:
        SAW.append(self.state.word)
        return self.state.word


class OneAgent(JourneyAgent[One, OneTools, str]):
    key = "one"
    prompts: ClassVar = {"on": "Ask."}


@dataclass
class Two:
    step: str = "on"
    phrase: Annotated[str, secret] = ""
    clear: str = ""


class TwoTools(BaseJourneyTools[Two]):
    @tool(effect="read")
    async def look(self) -> str:
        SAW.append(self.state.phrase)
        return f"{self.state.phrase} and {self.state.clear}"


class TwoAgent(JourneyAgent[Two, TwoTools, str]):
    key = "two"
    prompts: ClassVar = {"on": "Look."}


async def stored(substrate: Substrate, conversation: str = "c-1") -> bytes:
    return b"\n".join(msgspec.json.encode(each.frame.events) for each in await frames(substrate, conversation))


# --- other journeys


class Desk(OneAgent):
    router = IntentRouter[str]().add_routes([RouteDefinition("two", "to_two", "Go to two.")])
    journeys = MappingProxyType({"two": TwoAgent(None)})
    clear = False

    def enter_journey(self, journey: Any, state: One, ctx: AgentContext) -> Two:
        return Two(clear=state.word) if self.clear else Two(phrase=state.word)


class CarelessDesk(Desk):
    clear = True


TO_TWO, BACK = calls(("to_two", {})), calls(("reroute_conversation", {"reason": "done"}))


async def test_a_journey_that_is_entered_gets_secrets_and_finds_its_own_again(substrate: Substrate) -> None:
    with ScriptedLLM(SAVED, TO_TWO, LOOK, BACK, LOOK, TO_TWO, LOOK, "Done.") as llm:
        async with working(Desk(llm), substrate=substrate) as rt:
            await rt.send("one", "c-1", "go", timeout=20)
            left = (await rt.conversation("c-1")).left

    assert SAW[1:] == [PASSWORD] * 3
    assert [*left] == ["one"]
    assert found_in(await stored(substrate)) == []


async def test_a_secret_does_not_come_to_another_journey_in_clear(substrate: Substrate) -> None:
    with ScriptedLLM(SAVED, TO_TWO, "No.") as llm:
        async with working(CarelessDesk(llm), substrate=substrate) as rt:
            await rt.send("one", "c-1", "go", timeout=20)

    assert found_in(await stored(substrate)) == []
    assert b"state field 'clear' holds a text that is marked as secret elsewhere" in await stored(substrate)


# --- other versions


def renamed(state: dict[str, Any], _version: str) -> dict[str, Any]:
    return {"step": "on", "phrase": state["word"], "clear": state["note"]}


class Later(TwoAgent):
    key = "one"


async def test_a_new_version_is_given_what_was_secret_and_may_mark_it_elsewhere(substrate: Substrate) -> None:
    with ScriptedLLM(SAVED, "Saved.") as llm:
        async with working(OneAgent(llm), substrate=substrate) as rt:
            await rt.send("one", "c-1", "go")
    with ScriptedLLM(LOOK, "Yes.") as llm:
        async with working(Later(llm, JourneyConfig(on_new_version=renamed)), substrate=substrate) as rt:
            reply = await rt.send("one", "c-1", "go")

    assert SAW[1:] == [PASSWORD]
    assert reply.state["phrase"].startswith("secret:v1:")
    assert found_in(await stored(substrate)) == []


async def test_a_new_version_that_puts_a_secret_in_clear_fails_the_turn(substrate: Substrate) -> None:
    def careless(state: dict[str, Any], _version: str) -> dict[str, Any]:
        return {"step": "on", "clear": state["word"]}

    with ScriptedLLM(SAVED, "Saved.") as llm:
        async with working(OneAgent(llm), substrate=substrate) as rt:
            await rt.send("one", "c-1", "go")
    async with working(Later(None, JourneyConfig(on_new_version=careless)), substrate=substrate) as rt:
        with pytest.raises(Exception, match="state field 'clear' holds a text that is marked as secret"):
            await rt.send("one", "c-1", "go")

    assert found_in(await stored(substrate)) == []


@dataclass
class Unmarked:
    step: str = "on"
    word: str = ""
    note: str = ""


class UnmarkedTools(BaseJourneyTools[Unmarked]):
    @tool(effect="read")
    async def save(self, word: str) -> str:
        self.state.word = word
        return "Saved."


class Before(JourneyAgent[Unmarked, UnmarkedTools, str]):
    key = "one"
    prompts: ClassVar = {"on": "Ask."}


async def test_what_was_recorded_before_it_was_marked_is_told_no_more(substrate: Substrate) -> None:
    with ScriptedLLM(SAVED, "Saved.") as llm:
        async with working(Before(llm), substrate=substrate) as rt:
            await rt.send("one", "c-1", "go")
    before = len(await frames(substrate, "c-1"))
    with ScriptedLLM(LOOK, f"It is {PASSWORD}") as llm:
        async with working(OneAgent(llm), substrate=substrate) as rt:
            reply = await rt.send("one", "c-1", "go")
    after = [each.frame.events for each in (await frames(substrate, "c-1"))[before:]]

    assert SAW == [PASSWORD]
    assert reply.text == "It is (secret)"
    assert reply.state["word"].startswith("secret:v1:")
    assert found_in(msgspec.json.encode(after)) == []


# --- runs without a server


async def test_a_run_needs_no_key_and_gives_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    kept: list[One] = []

    class Keeping(OneAgent):
        def save_state(self, ctx: AgentContext, state: One) -> None:
            kept.append(state)

    with ScriptedLLM(SAVED, LOOK, f"It is {PASSWORD}") as llm:
        result = await Keeping(llm).run(AgentContext("r-1", "c-1", [{"role": "user", "content": "go"}]))

    assert SAW[1:] == [PASSWORD]
    assert kept[-1].word == PASSWORD
    assert result.response == "It is (secret)"
    assert found_in(repr(result).encode()) == []


async def test_a_run_refuses_a_state_that_a_process_sealed_which_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    token = KeyedSecrets(bytes(32)).seal("c-1", PASSWORD)

    class Loading(OneAgent):
        def load_state(self, ctx: AgentContext) -> One:
            return One(word=token)

    with pytest.raises(InvalidInput, match="a state for 'c-1' has secrets that were sealed for another"):
        await Loading(ScriptedLLM()).run(AgentContext("r-1", "c-1", [{"role": "user", "content": "go"}]))


async def test_the_key_of_a_call_is_the_same_for_each_try_under_one_master_key() -> None:
    for _try in range(2):
        with ScriptedLLM(SAVED, "Saved.") as llm:
            await OneAgent(llm).run(AgentContext("r-1", "c-1", [{"role": "user", "content": "go"}]))

    first, second = SAW
    assert first == second


class Adapted(DjangoRuntimeAdapter[One, OneTools, str]):
    key = "one"
    prompts: ClassVar = {"on": "Ask."}

    def create_tools(self, state: One, ctx: AgentContext, backend_client: Any) -> OneTools:
        return OneTools(state=state)


async def test_a_run_elsewhere_keeps_tokens_and_the_next_run_opens_them() -> None:
    states = StateStore()
    with ScriptedLLM(SAVED, "Saved.", LOOK, f"It is {PASSWORD}") as llm:
        first = Run("go")
        result = await Adapted(llm, state_store=states).run(first)
        second = first.following(result, "look")
        last = await Adapted(llm, state_store=states).run(second)

    kept = [*first.checkpoints, *second.checkpoints, await states.load_state("c-1", "one")]
    assert SAW[1:] == [PASSWORD]
    assert all(state and state["word"].startswith("secret:v1:") for state in kept)
    assert found_in(repr([kept, first.events, second.events, result, last]).encode()) == []


async def test_a_run_elsewhere_refuses_to_begin_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(InvalidInput, match="agent 'one' has texts marked as secret, and there is no key"):
        await Adapted(ScriptedLLM()).run(Run("go"))


async def test_a_state_that_was_kept_under_another_key_is_refused_and_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("go")
    with ScriptedLLM(SAVED, "Saved.") as llm:
        await Adapted(llm).run(run)
    monkeypatch.setenv(VARIABLE, base64.b64encode(bytes(32)).decode())

    with pytest.raises(InvalidInput, match="set the ARF_MASTER_KEY that it was kept with"):
        await Adapted(ScriptedLLM()).run(run)


# --- other places


def test_an_agent_whose_state_marks_what_is_no_text_cannot_be_made() -> None:
    @dataclass
    class Numbered:
        step: str = "on"
        pin: Annotated[int, secret] = 0

    class Tools(BaseJourneyTools[Numbered]):
        @tool
        async def look(self) -> str:
            return ""

    class Numbering(JourneyAgent[Numbered, Tools, str]):
        key = "numbering"
        prompts: ClassVar = {"on": "Ask."}

    with pytest.raises(TypeError, match=r"Numbered\.pin is marked as secret and is a int: only texts can be"):
        Numbering()


class Backwards:
    """Is a key service."""

    def wrap(self, key: bytes) -> bytes:
        return key[::-1]

    def unwrap(self, wrapped: bytes) -> bytes:
        return wrapped[::-1]


async def test_where_a_hook_wraps_keys_the_one_for_secrets_is_kept_wrapped() -> None:
    substrate = in_memory(SystemClock(), Backwards())
    assert substrate.vault is not None
    await substrate.vault.encrypt()
    one, other = (of_namespace("arf", substrate.vault) for _ in range(2))
    await one.ready("one")
    await other.ready("one")

    assert other.open("c-1", one.seal("c-1", "hunter2")) == "hunter2"


def test_agents_with_secrets_can_be_simulated() -> None:
    run = simulate(OneAgent(), [Say("c-1", "hi"), Say("c-1", "and on")], seed=7)

    assert (list(run.broken), [*run.replies]) == ([], ["c-1"])


def test_an_agent_without_secrets_loads_no_library_for_them() -> None:
    program = (
        "import asyncio, sys\n"
        "from agent_runtime_framework import AgentContext\n"
        "from agent_runtime_framework.testing import OnboardingAgent, ScriptedLLM\n"
        "ctx = AgentContext('r-1', 'c-1', [{'role': 'user', 'content': 'hi'}])\n"
        "asyncio.run(OnboardingAgent(ScriptedLLM('Hello!')).run(ctx))\n"
        "print('cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout == "False\n"
