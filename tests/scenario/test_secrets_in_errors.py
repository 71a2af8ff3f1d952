"""What is raised tells no secret, and loses nothing else: a model that may answer later is asked again."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import msgspec
import pytest

from agent_runtime_framework import AgentContext, Allow, Deny, InvalidInput, NoReply, ToolCall
from agent_runtime_framework.actors.journey import Redaction
from agent_runtime_framework.events import ModelError, ModelFailed
from agent_runtime_framework.runtime.agents.telling import cleaned
from agent_runtime_framework.runtime.secret_keys import VARIABLE
from agent_runtime_framework.runtime.substrate import Substrate
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import frames, working
from support.vault_bot import CARD, PIN, Vault, VaultAgent, found_in

LONG = "-".join(map(str, range(100)))


@pytest.fixture(autouse=True)
def _keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, base64.b64encode(bytes(range(32))).decode())


def raised_with(words: str, note: str = "", cause: str = "") -> Exception:
    def fail() -> None:
        raise ValueError(words) from LookupError(cause)

    with pytest.raises(ValueError) as raised:
        fail()
    if note:
        raised.value.add_note(note)
    return raised.value


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ModelError(f"no, not with {CARD}", kind="rate_limited", transient=True, retry_after=0.01), "rate_limited"),
        (ConnectionError(f"cannot reach {CARD}"), "unreachable"),
        (TimeoutError(CARD), "timeout"),
    ],
)
async def test_a_model_that_may_answer_later_is_asked_again_also_if_its_error_tells_a_secret(
    substrate: Substrate, error: Exception, kind: str
) -> None:
    class Known(VaultAgent):
        def load_state(self, ctx: AgentContext) -> Vault:
            return Vault(password=CARD)

    with ScriptedLLM(error, "Here I am.") as llm:
        async with working(Known(llm), substrate=substrate) as rt:
            reply = await rt.send("vault", "c-1", "go", timeout=30)
    events = [event for each in await frames(substrate, "c-1") for event in each.frame.events]
    (failed,) = (event for event in events if isinstance(event, ModelFailed))

    assert reply.text == "Here I am."
    assert (failed.kind, failed.retry_at is not None) == (kind, True)
    assert found_in(failed.error.encode()) == []


def test_a_secret_that_is_an_ordinary_word_replaces_no_error_that_does_not_say_it() -> None:
    redaction = Redaction(["File", "Traceback", "raise", "ValueError", "line"])
    error = raised_with("no such thing", "look elsewhere", "what was looked for")

    assert cleaned(error, redaction) is error


@pytest.mark.parametrize(
    "error",
    [
        raised_with(f"it is {PIN}"),
        raised_with("no", note=f"it is {PIN}"),
        raised_with("no", cause=f"it is {PIN}"),
        ExceptionGroup("no", [raised_with("no", cause=f"it is {PIN}")]),
        SyntaxError("no", ("<string>", 1, 1, f"it is {PIN}")),
    ],
)
def test_whatever_led_to_an_error_and_tells_a_secret_is_left_out(error: Exception) -> None:
    told = cleaned(error, Redaction([PIN]))

    assert type(told).__name__ == type(error).__name__
    assert told is not error
    assert (told.__cause__, told.__context__, getattr(told, "__notes__", [])) == (None, None, [])
    assert found_in(str(told).encode()) == []


# --- what an author's code returned


@pytest.mark.parametrize("make", [Allow, Deny])
def test_a_reason_of_another_type_is_not_told(make: Callable[[Any], object]) -> None:
    with pytest.raises(InvalidInput, match="a list") as raised:
        make([LONG])

    assert LONG[:9] not in str(raised.value)


async def test_what_a_policy_returned_is_not_told() -> None:
    class Wrong(VaultAgent):
        def authorize_tool(self, call: ToolCall, state: Vault, ctx: AgentContext) -> Any:
            return {"password": call.arguments["password"]}

    llm = ScriptedLLM(calls(("log_in", {"user": "ada", "password": LONG})))
    with pytest.raises(NoReply, match="must return Allow or Deny, not a dict") as raised:
        await Wrong(llm).run(AgentContext("r-1", "c-1", [{"role": "user", "content": "go"}]))

    assert LONG[:9] not in str(raised.value)


# --- the key that a tool is given


async def key_of(monkeypatch: pytest.MonkeyPatch, master: bytes) -> str:
    monkeypatch.setenv(VARIABLE, base64.b64encode(master).decode())
    keys: list[str] = []

    class Keyed(VaultAgent):
        async def execute_tool(self, tools: Any, name: str, arguments: dict[str, Any]) -> Any:
            keys.append(tools.idempotency_key)
            return "Done."

    with ScriptedLLM(calls(("charge", {"amount": 1, "pin": "0042"})), "Done.") as llm:
        await Keyed(llm).run(AgentContext("r-1", "c-1", [{"role": "user", "content": "go"}]))
    return keys[0]


def guesses() -> Iterator[str]:
    for digits in product("0123456789", repeat=4):
        what = ["charge", {"amount": 1, "pin": "".join(digits)}]
        yield hashlib.sha256(msgspec.json.encode(what, order="sorted")).hexdigest()[:16]


async def test_no_pin_can_be_guessed_from_the_key_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    key = await key_of(monkeypatch, bytes(32))

    assert not any(guess in key for guess in guesses())
    assert await key_of(monkeypatch, bytes(32)) == key != await key_of(monkeypatch, bytes(range(32)))
