"""Answers that a model, or whoever speaks through it, made to be slow to seal: the loop is not held up by them."""

import base64
import json
from typing import Any

import pytest

from agent_runtime_framework import AgentContext, AgentResult
from agent_runtime_framework.actors.journey import RedactedStream, Redaction
from agent_runtime_framework.events import UnknownEvent, encode_event
from agent_runtime_framework.projections import calls_of
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.secret_keys import VARIABLE, KeyedSecrets
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.testing import ScriptedLLM
from support.journeys import frames, working
from support.vault_bot import VaultAgent, found_in

SIZE = 64 * 1024
ESCAPED = '"' + '\\"' * (SIZE // 2) + "\\"


@pytest.fixture(autouse=True)
def _keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, base64.b64encode(bytes(range(32))).decode())


def answer(arguments: str, content: str = "Here.", name: str = "log_in") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"content": content, "tool_calls": [{"id": "c", "type": "function", "function": function}]}


def arguments_of(result: AgentResult) -> Any:
    (call,) = result.messages[0].tool_calls
    return call["function"]["arguments"]


async def ran(message: dict[str, Any]) -> AgentResult:
    with ScriptedLLM(message, "Done.") as llm:
        return await VaultAgent(llm).run(AgentContext("r-1", "c-1", [{"role": "user", "content": "go"}]))


@pytest.mark.parametrize("lone", [ESCAPED, '"' * SIZE + "\\", '{"user": ' + ESCAPED])
async def test_quotes_that_never_end_are_read_once(lone: str) -> None:
    result = await ran(answer(lone))

    assert arguments_of(result) == "{}"


async def test_a_text_that_was_cut_after_a_backslash_is_known_to_be_secret() -> None:
    result = await ran(answer('{"password": "hunter2\\', content="It is hunter2."))

    assert found_in(repr(result).encode(), ["hunter2"]) == []


def test_reading_calls_looks_once_at_quotes_that_never_end() -> None:
    (call,) = calls_of({"tool_calls": [{"name": "any", "arguments": ESCAPED}]})

    assert call.problem is not None


# --- many secrets in one answer

NAMES = json.dumps({f"name-{number}": f"made-up-{number:05}" for number in range(2000)})
ITEMS = json.dumps({"word": [f"made-up-{number:05}" for number in range(2000)]})
NESTED = json.dumps({"card": {"number": "4111", **{f"x{number}": f"made-up-{number:05}" for number in range(2000)}}})
CUT = NAMES[:-1]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("log_in", NAMES), ("no_such", NAMES), ("whisper", ITEMS), ("add_card", NESTED), ("log_in", CUT)],
)
async def test_an_answer_with_too_many_secrets_is_recorded_without_its_arguments_and_words(
    substrate: Substrate, name: str, arguments: str
) -> None:
    said = " ".join(f"made-up-{number:05}" for number in range(2000))
    with ScriptedLLM(answer(arguments, said, name), "Done.") as llm:
        async with working(VaultAgent(llm), substrate=substrate) as rt:
            await rt.send("vault", "c-1", "go")
    events = [event for each in await frames(substrate, "c-1") for event in each.frame.events]
    stored = b"".join(encode_event(event) for event in events if not isinstance(event, UnknownEvent))

    assert b"made-up-" not in stored
    assert b"(secret: these arguments came in an answer with too many secrets)" in stored


async def test_all_that_nobody_declared_is_sealed_as_one_and_refused_as_it_would_be_in_clear() -> None:
    result = await ran(answer('{"user": "ada", "password": "hunter2", "pasword": "hunter3", "x": {"y": "hunter4"}}'))

    given = json.loads(arguments_of(result))
    assert given.keys() == {"user", "password", "(undeclared)"}
    assert given["(undeclared)"].startswith("secret:v1:")
    assert found_in(repr(result).encode(), ["hunter2", "hunter3", "hunter4"]) == []
    assert "pasword" in (result.messages[1].content or "")


# --- many secrets in one conversation


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([f"made-up-{number:05}" for number in range(2000)], "made-up-" * (SIZE // 8)),
        (["a" * size + "b" for size in range(4, 900)], "a" * SIZE),
        (["a" * 30_000 + "b", "b" + "a" * 30_000], "a" * SIZE),
        ([f"{'a' * 64}{number}" for number in range(500)], "secret:v1:" + "a" * SIZE),
    ],
)
def test_how_long_a_text_is_searched_does_not_grow_with_how_alike_secrets_are(values: list[str], text: str) -> None:
    redaction = Redaction(values)

    assert redaction.text(text) == text
    assert redaction.text(f"{text} {values[0]}") == f"{text} (secret)"


def test_a_long_secret_is_found_beside_a_short_one_that_reaches_into_it() -> None:
    long = "".join(map(str, range(100)))
    redaction = Redaction(["<0123", long])

    assert redaction.text(f"<{long}> {long[:90]} {long}{long}") == f"(secret)> {long[:90]} (secret)(secret)"
    assert RedactedStream(redaction).take(f"well, {long[:90]}") == "well, "


def test_of_secrets_that_reach_into_each_other_nothing_is_left() -> None:
    assert Redaction(["first-one", "one-more", "more-yet"]).text("<first-one-more-yet>") == "<(secret)>"


class Counting(KeyedSecrets):
    opened = 0

    def open(self, conversation: str, token: str) -> str:
        self.opened += 1
        return super().open(conversation, token)


async def test_a_token_is_opened_once_however_many_turns_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    substrate = in_memory(SystemClock())
    said = [each for turn in range(40) for each in (answer(f'{{"word": "whisper-{turn}"}}', "", "whisper"), "Done.")]
    monkeypatch.setattr("agent_runtime_framework.runtime.secret_keys.KeyedSecrets", Counting)
    opened = list[int]()
    with ScriptedLLM(*said) as llm:
        async with working(VaultAgent(llm), substrate=substrate) as rt:
            for _turn in range(40):
                await rt.send("vault", "c-1", "go")
                keyed = substrate.secrets._keyed  # type: ignore[union-attr]
                assert isinstance(keyed, Counting)
                opened.append(keyed.opened)

    assert opened[39] - opened[38] == opened[9] - opened[8]
