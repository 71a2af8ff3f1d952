"""A state as the loop keeps it: the JSON of each top-level field, what changed in them, and what is refused."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime_framework.actors.journey import difference, state_fields, state_from_fields
from agent_runtime_framework.events import InvalidInput
from support.states import FULL, Frozen, Item, Live, OnboardingState, Shopping, Step

# --- fields as bytes


def test_fields_are_the_json_of_each_top_level_field() -> None:
    fields = state_fields(Shopping(cart=[Item("tea")], total=Decimal("9.90")))
    assert fields["step"] == b'"shopping"'
    assert fields["cart"] == b'[{"name":"tea","price":"0"}]'
    assert fields["total"] == b'"9.90"'
    assert fields["since"] == b"null"


def test_reading_a_state_alone_changes_nothing() -> None:
    for state in (FULL, Shopping(), OnboardingState(), Frozen(), Live(items=[[1]])):
        fields = state_fields(state)
        assert difference(fields, state_fields(state_from_fields(type(state), fields))) == ({}, ())


def test_each_reading_is_a_new_object_that_shares_nothing() -> None:
    fields = state_fields(FULL)
    first, second = state_from_fields(Shopping, fields), state_from_fields(Shopping, fields)
    first.cart[0].name = "changed"
    first.tags.add("changed")
    first.stock["shelf"][3].name = "changed"
    first.notes["any"].append("changed")
    assert second == FULL


@settings(deadline=None)
@given(
    cart=st.lists(st.builds(Item, st.text(), st.decimals(allow_nan=False))),
    tags=st.sets(st.text()),
    discount=st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    customer=st.uuids() | st.none(),
    stock=st.dictionaries(
        st.text(), st.dictionaries(st.integers(), st.builds(Item, st.text()), max_size=2), max_size=2
    ),
)
def test_any_state_comes_back_equal_and_to_the_same_bytes(**values: Any) -> None:
    state = Shopping(**values)
    fields = state_fields(state)
    back = state_from_fields(Shopping, fields)
    assert back == state
    assert state_fields(back) == fields


# --- what changed


def test_a_to_dict_that_gives_the_live_list_cannot_hide_a_change() -> None:
    state = Live([1])
    as_dict, before = state.to_dict(), state_fields(state)
    state.items.append({"a": 2})
    assert as_dict == state.to_dict()
    assert difference(before, state_fields(state)) == ({"items": b'[1,{"a":2}]'}, ())


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (lambda state: state.cart.append(Item("milk")), "cart"),
        (lambda state: setattr(state.cart[0], "price", Decimal("2.00")), "cart"),
        (lambda state: state.stock["shelf"].pop(3), "stock"),
        (lambda state: setattr(state.stock["shelf"][3], "name", "oats"), "stock"),
        (lambda state: state.notes["any"].reverse(), "notes"),
        (lambda state: state.tags.discard("new"), "tags"),
        (lambda state: setattr(state, "total", Decimal("1.500")), "total"),
        (lambda state: setattr(state, "since", None), "since"),
        (lambda state: setattr(state, "visits", 1), "visits"),
        (lambda state: state.set_step(Step.SHOPPING), "step"),
    ],
)
def test_a_change_deep_inside_shows_in_its_field_alone(change: Any, changed: str) -> None:
    state = state_from_fields(Shopping, state_fields(FULL))
    before = state_fields(state)
    change(state)
    found, unset = difference(before, state_fields(state))
    assert (list(found), unset) == ([changed], ())


def test_a_set_filled_in_another_order_is_no_change() -> None:
    forward, backward = Shopping(), Shopping()
    for number in range(50):
        forward.tags.add(str(number))
        backward.tags.add(str(49 - number))
    assert list(forward.tags) != list(backward.tags)
    assert difference(state_fields(forward), state_fields(backward)) == ({}, ())


def test_a_key_that_is_gone_from_a_hand_written_dict_is_unset() -> None:
    class Loose(Live):
        def to_dict(self) -> dict[str, Any]:
            return {f"item{index}": item for index, item in enumerate(self.items)}

        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> "Loose":
            return cls(list(data.values()))

    assert difference(state_fields(Loose([1, 2])), state_fields(Loose([1]))) == ({}, ("item1",))


# --- what is refused


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (Shopping(notes=[object()]), r"^state field 'notes\[0\]' holds an object of type object"),
        (Shopping(discount=float("nan")), "^state field 'discount' is nan"),
        (Live(items=[{"a": {1, len}}]), r"^state field 'items\[0\].a\[\*\]' holds an object of type builtin"),
        (Live(items={(1, 2): 3}), "^state field 'items' has a key of type tuple"),  # type: ignore[arg-type]
        (Frozen(tags=[3]), r"^state field 'tags\[0\]' does not fit its annotation: Expected `str`, got `int`"),  # type: ignore[arg-type]
        (Shopping(cart="tea"), "^state field 'cart' does not fit its annotation: Expected `array`"),  # type: ignore[arg-type]
        (Shopping(customer="me"), "^state field 'customer' does not fit its annotation: Invalid UUID"),  # type: ignore[arg-type]
        (Shopping(step="gone"), "^state field 'step' does not fit its annotation: 'gone' is not a valid Step"),  # type: ignore[arg-type]
    ],
)
def test_a_state_that_could_not_be_stored_and_read_again_is_refused_by_field(state: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        state_fields(state)


def test_what_the_author_s_pair_raises_is_the_cause_of_a_refusal() -> None:
    class NoDict(Live):
        def to_dict(self) -> dict[str, Any]:
            raise KeyError("gone")

    class NoReading(Live):
        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> "NoReading":
            raise ZeroDivisionError("half")

    with pytest.raises(InvalidInput, match="a NoDict cannot be stored: KeyError: 'gone'") as raised:
        state_fields(NoDict([]))
    assert isinstance(raised.value.__cause__, KeyError)
    with pytest.raises(InvalidInput, match="a NoReading cannot be stored: ZeroDivisionError: half"):
        state_fields(NoReading([]))


def test_a_to_dict_that_gives_no_dict_is_refused() -> None:
    class Listed(Live):
        def to_dict(self) -> Any:
            return self.items

    with pytest.raises(InvalidInput, match="to_dict of Listed returned a list, not a dict"):
        state_fields(Listed([1]))


@pytest.mark.parametrize("data", [b"Ada", b"", b"\xff", b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000])
def test_a_field_that_is_not_json_is_named(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^state field 'name' is not JSON"):
        state_from_fields(OnboardingState, {"step": b'"welcome"', "name": data})


def test_what_an_instance_s_own_to_dict_gives_is_serialized_too() -> None:
    state = OnboardingState()
    state.to_dict = lambda: {"tags": {"b", "a", "c"}, "at": Decimal("1.50")}  # type: ignore[method-assign]

    assert state_fields(state) == {"tags": b'["a","b","c"]', "at": b'"1.50"'}
