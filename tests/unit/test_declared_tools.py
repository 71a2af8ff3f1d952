"""Declared tools: the schema that a method makes, its arguments, and what cannot be declared."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional

import msgspec
import pytest

from agent_runtime_framework import BaseJourneyTools
from agent_runtime_framework.actors.journey import (
    declared_tools,
    schemas_to_openai_format,
    tool,
)
from agent_runtime_framework.events import InvalidInput


class Size(enum.Enum):
    """How large."""

    SMALL = "S"
    LARGE = "L"


class Floor(enum.IntEnum):
    GROUND = 0
    FIRST = 1


@dataclass
class Line:
    name: str
    sizes: list[Size] = field(default_factory=list)


class Address(msgspec.Struct):
    """Where to deliver."""

    street: Annotated[str, msgspec.Meta(description="Street and number", min_length=3)]
    floor: Floor = Floor.GROUND


class Chain(msgspec.Struct):
    next: "Chain | None" = None


class Step(enum.StrEnum):
    SHOP = "shop"
    PAY = "pay"


class Shop(BaseJourneyTools[Any]):
    @tool
    async def add(self, name: str, amount: int = 1) -> str:
        """Add a line to the order.

        It may be there already.

        Args:
            name: What to add, in the
                user's own words.
            amount (int): How many.

        Returns:
            name: what the model is told.

        """
        return f"{amount} {name}"

    @tool(effect="read", steps=[Step.SHOP, Step.PAY], to=Step.PAY)
    def look(self) -> str:
        """Look at the order."""
        return "empty"

    @tool(steps=Step.PAY, name="pay-now", description="Pay")
    async def pay(self, how: Literal["card", "cash"]) -> str:
        """Do something else.

        :param how: How to pay,
            now.
        :returns: nothing much
        """
        return how

    async def not_a_tool(self, text: str) -> str:
        return text


def properties(method: Callable[..., Any]) -> dict[str, Any]:
    """Return what a model is told of the parameters of one method."""
    cls = type("Tools", (), {method.__name__: tool(method)})
    (made,) = schemas_to_openai_format([declared_tools(cls)[method.__name__].schema])
    told: dict[str, Any] = made["function"]["parameters"]
    return told


def test_a_schema_is_made_of_hints_and_a_google_docstring() -> None:
    assert declared_tools(Shop)["add"].schema.to_openai_format()["function"] == {
        "name": "add",
        "description": "Add a line to the order.\n\nIt may be there already.",
        "parameters": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "What to add, in the user's own words."},
                "amount": {"type": "integer", "description": "How many.", "default": 1},
            },
            "required": ["name"],
        },
    }


def test_only_marked_methods_are_tools_in_the_order_of_their_definition() -> None:
    assert list(declared_tools(Shop)) == ["add", "look", "pay-now"]


def test_a_name_a_description_and_an_effect_that_are_given_stand() -> None:
    pay, look = declared_tools(Shop)["pay-now"], declared_tools(Shop)["look"]

    assert (pay.method, pay.schema.name, pay.schema.description, pay.schema.effect) == ("pay", "pay-now", "Pay", None)
    assert pay.schema.parameters[0].to_schema() == {
        "type": "string",
        "enum": ["card", "cash"],
        "description": "How to pay, now.",
    }
    assert (look.schema.effect, look.steps, look.to) == ("read", ("shop", "pay"), ("pay",))
    assert [look.offered_in("shop"), pay.offered_in("shop"), pay.offered_in("pay")] == [True, False, True]


def test_changing_a_schema_that_was_handed_out_changes_no_other() -> None:
    declared_tools(Shop)["add"].schema.parameters.clear()

    assert len(declared_tools(Shop)["add"].schema.parameters) == 2


def test_descriptions_stand_in_annotations_too_and_win_over_the_docstring() -> None:
    def order(
        self: Any,
        text: Annotated[str, "A text"],
        meta: Annotated[int, msgspec.Meta(description="A number", ge=1)],
        arm: Annotated[str, "An arm"] | None,
        plain: str,
    ) -> None:
        """Order.

        Args:
            text: Not this.
            plain: This.
        """

    told = properties(order)

    assert told["properties"] == {
        "text": {"type": "string", "description": "A text"},
        "meta": {"type": "integer", "description": "A number", "minimum": 1},
        "arm": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "An arm"},
        "plain": {"type": "string", "description": "This."},
    }
    assert told["required"] == ["text", "meta", "arm", "plain"]


def test_enums_literals_and_optionals_are_said_as_json_schema_says_them() -> None:
    def order(
        self: Any,
        size: Size,
        floor: Floor = Floor.FIRST,
        mixed: Literal["a", 1] = "a",
        maybe: Optional[Size] = None,  # noqa: UP045  as many write it
        word: Literal["x", "y"] | None = None,
        late: str = None,  # type: ignore[assignment]  # noqa: RUF013  as some write it
        two: int | str | None = None,
    ) -> None: ...

    told = properties(order)

    assert told["properties"] == {
        "size": {"type": "string", "description": "How large.", "enum": ["L", "S"]},
        "floor": {"type": "integer", "enum": [0, 1], "default": 1},
        "mixed": {"enum": [1, "a"], "default": "a"},
        "maybe": {"type": "string", "description": "How large.", "enum": ["L", "S"]},
        "word": {"type": "string", "enum": ["x", "y"]},
        "late": {"type": "string"},
        "two": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    }
    assert told["required"] == ["size"]


def test_nested_structs_and_dataclasses_are_written_out() -> None:
    def order(self: Any, lines: list[Line], to: Address, when: date, prices: dict[str, Decimal]) -> None: ...

    told = properties(order)["properties"]

    sizes = {"type": "string", "description": "How large.", "enum": ["L", "S"]}
    assert told["lines"]["items"]["properties"] == {
        "name": {"type": "string"},
        "sizes": {"type": "array", "items": sizes},
    }
    assert told["to"]["description"] == "Where to deliver."
    assert told["to"]["required"] == ["street"]
    assert told["to"]["properties"]["floor"] == {"type": "integer", "enum": [0, 1], "default": 0}
    assert told["when"] == {"type": "string", "format": "date"}
    assert told["prices"]["additionalProperties"] == {"type": "string", "format": "decimal"}
    assert "$ref" not in str(told)


def test_arguments_become_what_the_hints_say() -> None:
    def order(
        self: Any, line: Line, to: Address, when: date, total: Decimal, count: int, floor: Floor | None = None
    ) -> None: ...

    made = declared_tools(type("Tools", (), {"order": tool(order)}))["order"]
    given = {"line": {"name": "tea", "sizes": ["S"]}, "to": {"street": "Mill 1"}, "when": "2026-01-02"}

    assert made.convert({**given, "total": "9.90", "count": 5, "floor": None}) == {
        "line": Line("tea", [Size.SMALL]),
        "to": Address("Mill 1"),
        "when": date(2026, 1, 2),
        "total": Decimal("9.90"),
        "count": 5,
        "floor": None,
    }


def test_all_that_is_wrong_with_arguments_is_told_at_once() -> None:
    def order(self: Any, name: str, count: int, size: Size, to: Address, how: Literal["card"] = "card") -> None: ...

    made = declared_tools(type("Tools", (), {"order": tool(order)}))["order"]
    with pytest.raises(InvalidInput) as caught:
        made.convert({"count": "5", "size": "M", "to": {"street": "x"}, "how": "cash", "hue": 1})

    assert str(caught.value) == (
        "Error: the arguments of 'order' do not fit: there is no `hue`; it takes `name`, `count`, `size`, `to`, `how`; "
        "`name` is missing; `count`: Expected `int`, got `str`; `size`: Invalid enum value 'M'; use one of `L`, `S`; "
        "`to.street`: Expected `str` of length >= 3; `how`: Invalid enum value 'cash'; use one of `card`"
    )


@pytest.mark.parametrize("given", [{"size": "x" * 100_000}, {f"key {number}": 1 for number in range(1_000)}])
def test_what_is_wrong_with_very_much_is_told_in_few_words(given: dict[str, Any]) -> None:
    def order(self: Any, size: Size) -> None: ...

    made = declared_tools(type("Tools", (), {"order": tool(order)}))["order"]
    with pytest.raises(InvalidInput, match=r"(?s)do not fit: .* bytes, at most 4096 are kept\]") as caught:
        made.convert(given)
    assert len(str(caught.value)) < 5_000


@pytest.mark.parametrize("kind", [LookupError, SystemExit])
def test_a_class_of_the_author_s_that_refuses_a_value_refuses_the_argument(kind: type[BaseException]) -> None:
    @dataclass
    class Even:
        number: int

        def __post_init__(self) -> None:
            if self.number % 2:
                raise kind("no even number")

    def order(self: Any, one: Any) -> None: ...

    order.__annotations__["one"] = Even
    made = declared_tools(type("Tools", (), {"order": tool(order)}))["order"]

    assert made.convert({"one": {"number": 2}}) == {"one": Even(2)}
    with pytest.raises(InvalidInput, match="no even number"):
        made.convert({"one": {"number": 3}})


def test_a_subclass_keeps_replaces_and_takes_away_declared_tools() -> None:
    class Corner(Shop):
        look = None  # type: ignore[assignment]

        async def add(self, name: str, amount: int = 1) -> str:
            return "kept"

        @tool(name="pay-now")
        async def pay(self, how: str) -> str:
            return "replaced"

    declared = declared_tools(Corner)

    assert list(declared) == ["add", "pay-now"]
    assert declared["add"].schema.description.startswith("Add a line")
    assert declared["pay-now"].schema.parameters[0].to_schema() == {"type": "string"}


def _no_annotation(self: Any, name) -> None: ...  # type: ignore[no-untyped-def]
def _many(self: Any, *names: str) -> None: ...
def _unnamed(self: Any, name: str, /) -> None: ...
def _object(self: Any, name: object) -> None: ...
def _unknown(self: Any, name: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def _endless(self: Any, chain: Chain) -> None: ...
def _default(self: Any, name: Any = object()) -> None: ...  # noqa: B008


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (_no_annotation, "'name' of _no_annotation has no annotation"),
        (_many, "'names' of _many cannot be given by name"),
        (_unnamed, "'name' of _unnamed cannot be given by name"),
        (_object, "'name' of _object cannot be told to a model"),
        (_unknown, "annotations of _unknown cannot be read .*'Nowhere'"),
        (_endless, "'chain' of _endless cannot be told to a model: a Chain contains itself"),
        (_default, "'name' of _default cannot be told to a model: .*no JSON form"),
    ],
)
def test_a_method_that_cannot_be_told_to_a_model_is_refused(method: Callable[..., Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        properties(method)


def test_two_tools_of_one_name_are_refused() -> None:
    class Twice(Shop):
        @tool(name="add")
        async def append(self) -> str:
            return ""

    with pytest.raises(TypeError, match="Twice has two tools named 'add': add and append"):
        declared_tools(Twice)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"effect": "twice"}, "no effect"), ({"name": "pay now"}, "cannot be a tool's name"), ({"steps": []}, "empty")],
)
def test_a_declaration_that_cannot_be_is_refused_where_it_stands(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        tool(**options)(_many)


def test_only_a_method_can_be_declared() -> None:
    with pytest.raises(TypeError, match="methods written with def"):
        tool(property(lambda self: 1))  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"Tools\.add is a staticmethod"):
        declared_tools(type("Tools", (), {"add": staticmethod(tool(_many))}))
