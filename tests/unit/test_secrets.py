"""Marks are found wherever a type has them, and what is marked is sealed and opened there and nowhere else."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NewType, TypedDict
from urllib.parse import quote

import msgspec
import pytest

from agent_runtime_framework import (
    BaseJourneyTools,
    BaseState,
    InvalidInput,
    ToolParameter,
    ToolSchemaBuilder,
    secret,
    tool,
)
from agent_runtime_framework.actors.journey import (
    PREFIX,
    Redaction,
    declared_tools,
    marks_of,
    of_arguments,
    opened,
    sealed,
)
from agent_runtime_framework.actors.journey.redaction import RedactedStream
from agent_runtime_framework.actors.journey.secrets import UNDECLARED
from agent_runtime_framework.runtime.secret_keys import KeyedSecrets, KeylessSecrets

Password = NewType("Password", str)


@dataclass
class Card:
    number: Annotated[str, secret]
    brand: str = "visa"
    before: "Card | None" = None


class Rows(msgspec.Struct, array_like=True):
    name: str
    code: Annotated[str, secret]


class Named(msgspec.Struct, rename="camel"):
    pass_word: Annotated[str, msgspec.Meta(max_length=9), secret] = ""


class Typed(TypedDict):
    word: Annotated[str, secret]
    other: str


class Own(BaseState):
    word: Annotated[str, secret]

    def __init__(self, word: str) -> None:
        self.word = word

    def to_dict(self) -> dict[str, Any]:
        return {"word": self.word, "more": "x"}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Own":
        return cls(data["word"])


@dataclass
class Everything:
    text: Annotated[str, secret] = ""
    maybe: Annotated[str, secret] | None = None
    other: Annotated[str | None, secret] = None
    kind: Annotated[Password, secret] = Password("")
    listed: list[Annotated[str, secret]] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    named: Mapping[str, Card] = field(default_factory=dict)
    own: Own | None = None
    rows: list[Rows] = field(default_factory=list)
    camel: Named | Card | None = None
    plain: str = ""


def seal(text: str) -> str:
    return PREFIX + text.encode().hex()


def open_(token: str) -> str:
    return bytes.fromhex(token.removeprefix(PREFIX)).decode()


@pytest.mark.parametrize(
    ("data", "clear"),
    [
        ({"text": "a", "plain": "b"}, ["b"]),
        ({"maybe": "a", "other": "b", "kind": "c"}, []),
        ({"listed": ["a", "b"]}, []),
        (
            {"cards": [{"number": "a", "brand": "b", "before": {"number": "c", "brand": "d", "before": None}}]},
            ["b", "d"],
        ),
        ({"named": {"k": {"number": "a", "brand": "b"}}}, ["b"]),
        ({"own": {"word": "a", "more": "x"}}, ["x"]),
        ({"camel": {"passWord": "a"}}, []),
        ({"cards": "a text in place of a list"}, []),
        ({"text": {"an": "object"}}, []),
        ({"text": 5, "maybe": None, "other": ""}, []),
        ({"text": "\0 a text that begins so"}, []),
    ],
)
def test_what_is_marked_is_sealed_and_opened_to_what_it_was(data: Any, clear: list[str]) -> None:
    marks = marks_of(Everything, "Everything")
    assert marks is not None
    made = sealed(marks, data, seal)

    assert opened(marks, made, open_) == data
    assert list(clear_texts(made)) == clear


def clear_texts(value: Any) -> Any:
    if isinstance(value, str) and value and not value.startswith(PREFIX):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from clear_texts(item)


def test_an_array_with_a_mark_is_sealed_item_by_item() -> None:
    marks = marks_of(list[Rows], "rows")
    assert marks is not None
    assert opened(marks, sealed(marks, [["a", "b"]], seal), open_) == [["a", "b"]]
    assert "62" in sealed(marks, [["a", "b"]], seal)[0][1]


def test_nothing_is_found_where_nothing_is_marked() -> None:
    assert marks_of(dict[str, list[int | str]], "x") is None
    assert marks_of(type(None), "x") is None


def test_typed_dicts_have_marks_too() -> None:
    marks = marks_of(Typed, "typed")
    assert marks is not None
    assert sealed(marks, {"word": "a", "other": "b"}, seal) == {"word": seal("a"), "other": "b"}


def test_in_arguments_what_nobody_declared_is_sealed_too() -> None:
    marks = of_arguments({"card": marks_of(Card, "card"), "note": None})
    assert marks is not None

    made = sealed(
        marks, {"card": {"number": "a", "brand": "b", "cvc": 3}, "note": "c", "pasword": "d"}, seal, strict=True
    )

    assert list(clear_texts(made)) == ["b", "c"]
    assert opened(marks, made, open_, strict=True)["card"]["cvc"] == 3


def test_what_nobody_declared_opens_also_as_it_was_once_sealed_and_as_a_model_repeats_it() -> None:
    marks = of_arguments({"card": marks_of(Card, "card"), "note": None})
    assert marks is not None
    made = sealed(marks, {"note": "c", "pasword": "d", "pin": 1}, seal, strict=True)

    assert made.keys() == {"note", UNDECLARED}
    assert sealed(marks, made, lambda text: text, strict=True) == made
    assert opened(marks, {"note": "c", "pasword": seal("d")}, open_, strict=True) == {"note": "c", "pasword": "d"}
    assert opened(marks, made, open_, strict=True) == {"note": "c", "pasword": "d", "pin": 1}


@dataclass
class Box:
    number: Annotated[int, secret]


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (Annotated[int, secret], "x is marked as secret and is a int: only texts can be"),
        (Annotated[list[str], secret], "x is marked as secret and is a list[str]"),
        (Annotated[str | int, secret], "x is marked as secret and is a int"),
        (dict[Annotated[str, secret], int], "x has keys that are marked as secret: only values can be"),
        (list[Box], "Box.number is marked as secret and is a int"),
    ],
)
def test_what_cannot_be_secret_is_said_when_it_is_declared(annotation: Any, why: str) -> None:
    with pytest.raises(TypeError, match=why.replace("[", r"\[")):
        marks_of(annotation, "x")


def test_a_tool_with_a_wrong_mark_cannot_be_declared() -> None:
    class Tools(BaseJourneyTools[object]):
        @tool
        async def pay(self, amount: Annotated[int, secret]) -> str:
            return ""

    with pytest.raises(TypeError, match=r"parameter 'amount' of .*pay is marked as secret and is a int"):
        declared_tools(Tools)


def test_a_schema_by_hand_says_what_is_secret_and_a_model_does_not_see_it() -> None:
    marked = ToolSchemaBuilder("pay").param("pin", "string", "The pin", secret=True).build()
    plain = ToolSchemaBuilder("pay").param("pin", "string", "The pin").build()

    assert marked.parameters[0].secret
    assert marked.to_openai_format() == plain.to_openai_format()
    with pytest.raises(InvalidInput, match="parameter 'n' is secret and of type 'integer': only texts can be"):
        ToolParameter("n", "integer", secret=True)


@pytest.mark.parametrize("value", ['pa"ss\\wo\nrd ü', "hunter2", "4111-1111"])
def test_a_secret_is_taken_out_of_texts_in_each_way_to_write_it(value: str) -> None:
    redaction = Redaction([value])
    pair = base64.b64encode(f"user:{value}".encode()).decode()
    told = [
        value,
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        quote(value),
    ]

    assert [redaction.text(f"<{text}>") for text in told] == ["<(secret)>"] * 5
    assert redaction.text(f"Basic {pair}, then") == "Basic (secret), then"
    assert redaction.plain({value: [value, 1], "n": 41}) == {value: ["(secret)", 1], "n": 41}


def test_what_is_too_short_stays_and_a_longer_secret_goes_first() -> None:
    assert Redaction(["abc"]).text("abc") == "abc"
    assert Redaction(["secret", "secrets!"]).text("secrets! (secret)") == "(secret) ((secret))"


def test_a_token_stays_whatever_it_happens_to_have_in_it() -> None:
    assert Redaction(["AbCd"]).text("secret:v1:xxAbCdyy AbCd") == "secret:v1:xxAbCdyy (secret)"
    assert Redaction(["secret:v1:xx"]).text("secret:v1:xx") == "(secret)"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_secret_is_found_however_a_text_is_cut_into_pieces(size: int) -> None:
    text = "it is hunter2, hunter and hun, or hunter2hunter2 hunt"
    stream = RedactedStream(Redaction(["hunter2"]))

    pieces = [stream.take(text[at : at + size]) for at in range(0, len(text), size)]

    assert "".join([*pieces, stream.rest()]) == "it is (secret), hunter and hun, or (secret)(secret) hunt"


def test_a_token_opens_in_its_conversation_under_its_key_only() -> None:
    one, other = KeyedSecrets(bytes(32)), KeyedSecrets(bytes(32), "another")
    token = one.seal("c-1", "hunter2")

    assert one.seal("c-1", token) == token == one.seal("c-1", "hunter2") != one.seal("c-2", "hunter2")
    assert (one.open("c-1", token), one.open("c-2", token), other.open("c-1", token)) == ("hunter2", token, token)
    assert one.open("c-1", f"{PREFIX}nonsense") == f"{PREFIX}nonsense"
    assert one.open("c-1", one.seal("c-1", f"{PREFIX}nonsense")) == f"{PREFIX}nonsense"


def test_without_a_key_a_token_stands_for_itself_and_nothing_else_is_the_same_twice() -> None:
    keyless = KeylessSecrets()
    token = KeyedSecrets(bytes(32)).seal("c-1", "hunter2")

    assert (keyless.seal("c-1", token), keyless.open("c-1", token)) == (token, token)
    assert keyless.seal("c-1", "hunter2") != keyless.seal("c-1", "hunter2")
