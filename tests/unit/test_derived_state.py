"""A state whose `to_dict` and `from_dict` follow from its annotations."""

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec
import pytest

from agent_runtime_framework.actors.journey import BaseJourneyState, state_fields, state_from_dict, state_from_fields
from agent_runtime_framework.events import InvalidInput
from support.states import FULL, Derived, Item, OnboardingState, OnboardingStep, Shopping, Step

StepT = TypeVar("StepT")
ItemT = TypeVar("ItemT")


def test_a_derived_dict_is_plain_json() -> None:
    assert FULL.to_dict() == {
        "step": "done",
        "cart": [{"name": "tea", "price": "1.50"}],
        "tags": ["blue", "new"],
        "total": "1.50",
        "discount": 0.5,
        "since": "2025-01-02T00:00:00+00:00",
        "customer": "00000000-0000-0000-0000-000000000005",
        "stock": {"shelf": {"3": {"name": "milk", "price": "0"}}},
        "notes": {"any": ["thing", None]},
        "nickname": "Ada",
        "visits": 0,
    }


@pytest.mark.parametrize("state", [FULL, Shopping()], ids=["full", "defaults"])
def test_a_derived_pair_brings_every_field_through(state: Shopping) -> None:
    assert Shopping.from_dict(state.to_dict()) == state
    assert state_from_fields(Shopping, state_fields(state)) == state


def test_a_derived_pair_brings_through_what_the_constructor_does_not_take() -> None:
    state = Shopping()
    state.visits = 3
    assert Shopping.from_dict(state.to_dict()).visits == 3


def test_a_derived_from_dict_ignores_unknown_keys_and_takes_defaults() -> None:
    assert Shopping.from_dict({"step": "done", "colour": "red"}) == Shopping(step=Step.DONE)


def test_a_derived_from_dict_names_a_field_that_is_missing_and_has_no_default() -> None:
    @dataclass
    class Strict(Derived):
        step: Step
        name: str

    with pytest.raises(InvalidInput, match=r"^state field 'name' is missing, and Strict has no default"):
        Strict.from_dict({"step": "done"})


def test_defaults_are_never_shared_between_states() -> None:
    class Label:
        def __init__(self, text: str) -> None:
            self.text = text

        def to_dict(self) -> dict[str, str]:
            return {"text": self.text}

        @classmethod
        def from_dict(cls, data: dict[str, str]) -> "Label":
            return cls(data["text"])

    @dataclass
    class Labelled(Derived):
        step: Step = Step.SHOPPING
        label: Label = Label("none")  # noqa: RUF009  hashable, so dataclasses allow it

    first, second = Labelled.from_dict({}), Labelled.from_dict({})
    first.label.text = "changed"
    assert second.label.text == Labelled().label.text == "none"


def test_a_hand_written_to_dict_wins_where_from_dict_is_derived() -> None:
    @dataclass
    class Written(Derived):
        step: Step = Step.SHOPPING
        names: set[str] = field(default_factory=set)
        scratch: int = 0

        def to_dict(self) -> dict[str, Any]:
            return {"step": self.step, "names": self.names}

    state = Written(Step.DONE, {"b", "a"}, scratch=3)
    assert state_fields(state) == {"step": b'"done"', "names": b'["a","b"]'}
    assert state_from_fields(Written, state_fields(state)) == Written(Step.DONE, {"b", "a"}, scratch=0)


def test_a_hand_written_from_dict_wins_where_to_dict_is_derived() -> None:
    @dataclass
    class Read(Derived):
        step: Step = Step.SHOPPING
        total: Decimal = Decimal(0)

        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> "Read":
            return cls(Step(data["step"]), Decimal(data["total"]) + 1)

    state = Read(total=Decimal("1.5"))
    assert state.to_dict() == {"step": "shopping", "total": "1.5"}
    assert state_from_fields(Read, state_fields(state)).total == Decimal("2.5")


def test_a_nested_object_s_own_pair_wins_over_its_fields() -> None:
    @dataclass
    class Renamed(OnboardingState):
        def to_dict(self) -> dict[str, Any]:
            return {"s": self.step.value, "n": self.name}

        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> "Renamed":
            return cls(OnboardingStep(data["s"]), data["n"])

    @dataclass
    class Outer(Derived):
        step: Step = Step.SHOPPING
        inner: Renamed = field(default_factory=Renamed)
        others: list[OnboardingState] = field(default_factory=list)

    state = Outer(inner=Renamed(name="Ada"), others=[OnboardingState(name="Bob")])
    assert state.to_dict()["inner"] == {"s": "welcome", "n": "Ada"}
    assert state_from_fields(Outer, state_fields(state)) == state


def test_a_nested_derived_state_is_named_with_its_whole_path() -> None:
    @dataclass
    class Outer(Derived):
        step: Step = Step.SHOPPING
        shops: list[Shopping] = field(default_factory=list)

    with pytest.raises(InvalidInput, match=r"^state field 'shops\[0\].cart\[0\].price' is nan"):
        state_fields(Outer(shops=[Shopping(cart=[Item("tea", float("nan"))])]))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"^state field 'shops\[0\].cart\[0\].price' does not fit"):
        Outer.from_dict({"shops": [{"cart": [{"name": "tea", "price": "cheap"}]}]})
    with pytest.raises(InvalidInput, match=r"^state field 'shops\[0\]' is a str; a Shopping is read from a dict"):
        Outer.from_dict({"shops": ["none"]})


def test_a_derived_state_that_contains_itself_is_refused() -> None:
    @dataclass
    class Loop(Derived):
        step: Step = Step.SHOPPING
        next: Any = None

    state = Loop()
    state.next = [state]
    with pytest.raises(InvalidInput, match=r"^state field 'next\[0\]' is a Loop that contains itself"):
        state_fields(state)


@dataclass
class Pile(BaseJourneyState[StepT], Generic[StepT, ItemT]):
    step: StepT
    items: list[ItemT] = field(default_factory=list)

    def is_complete(self) -> bool:
        return False


@dataclass
class Piles(Pile[StepT, list[ItemT]]):
    spare: ItemT | None = None


class TeaPiles(Piles[Step, Item]):
    pass


def test_type_variables_of_generic_states_are_filled_in() -> None:
    state = TeaPiles(Step.DONE, [[Item("tea")]], Item("milk"))
    assert state_from_fields(TeaPiles, state_fields(state)) == state


def test_a_plain_class_with_annotations_has_a_derived_pair_too() -> None:
    class Plain(Derived):
        step = Step.SHOPPING
        cart: list[Item] = []  # noqa: RUF012  shared by all, as authors write it

        def __init__(self) -> None:
            self.cart = []

        @cached_property
        def size(self) -> int:
            return len(self.cart)

    class Shared(Plain):
        labels: list[str] = []  # noqa: RUF012

    state = Shared()
    state.cart.append(Item("tea"))
    assert state.size == 1
    assert state.to_dict() == {"step": "shopping", "cart": [{"name": "tea", "price": "0"}], "labels": []}
    back = state_from_fields(Shared, state_fields(state))
    assert (back.step, back.cart) == (Step.SHOPPING, [Item("tea")])
    Shared.from_dict({}).labels.append("changed")
    assert Shared.labels == []


def test_a_plain_class_with_an_attribute_that_would_be_lost_is_refused() -> None:
    class Plain(Derived):
        step = Step.SHOPPING

        def __init__(self, name: str = "") -> None:
            self.name = name

    with pytest.raises(InvalidInput, match=r"^state field 'name' is not annotated in Plain"):
        Plain().to_dict()


def test_annotations_that_cannot_be_read_are_a_clear_error() -> None:
    @dataclass
    class Lost(Derived):
        step: Step = Step.SHOPPING
        item: "NotDefinedHere" = None  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(InvalidInput, match=r"annotations of Lost cannot be read .*NotDefinedHere.*top of its module"):
        Lost.from_dict({})

    class LostStruct(msgspec.Struct):
        item: "NotDefinedHere"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(InvalidInput, match=r"annotations of LostStruct cannot be read .*NotDefinedHere"):
        state_from_dict(LostStruct, {})


def test_frozen_and_slotted_dataclasses_are_states() -> None:
    @dataclass(frozen=True, slots=True)
    class Still(Derived):
        step: Step = Step.SHOPPING
        tags: frozenset[str] = frozenset()

    state = Still(Step.DONE, frozenset({"a"}))
    assert state_from_fields(Still, state_fields(state)) == state


@dataclass
class Tree(Derived):
    step: Step = Step.SHOPPING
    branches: list["Tree"] = field(default_factory=list)


def test_a_tree_of_states_comes_back_as_deep_as_it_can_be_stored() -> None:
    tree = Tree(branches=[Tree(), Tree(Step.DONE, [Tree()])])
    for _ in range(47):
        tree = Tree(branches=[tree])
    assert state_from_fields(Tree, state_fields(tree)) == tree
    with pytest.raises(InvalidInput, match="is nested deeper than 100 levels"):
        state_fields(Tree(branches=[Tree(branches=[tree])]))


def test_data_without_end_or_nested_too_deep_are_refused() -> None:
    endless: dict[str, Any] = {}
    endless["branches"] = [endless]
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"branches": [deep]}
    for data in (endless, deep):
        with pytest.raises(InvalidInput, match="is nested too deep, or contains itself"):
            Tree.from_dict(data)
