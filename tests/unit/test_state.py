"""A journey's state: what counts as one, and what it says of itself."""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Any

import msgspec
import pytest

from agent_runtime_framework.actors.journey import (
    BaseJourneyState,
    BaseState,
    is_complete,
    is_terminal,
    state_fields,
    state_from_dict,
    state_from_fields,
    state_to_dict,
    step_of,
)
from agent_runtime_framework.events import InvalidInput
from support.states import Derived, Frozen, Item, Live, OnboardingState, OnboardingStep, Shopping, Step

# --- what an author sees


def test_the_state_of_the_seed_works_as_written() -> None:
    state = OnboardingState()
    state.step = OnboardingStep.COMPLETE
    assert state.to_dict() == {"step": "complete", "name": "", "email": ""}
    assert OnboardingState.from_dict({"name": "Ada"}) == OnboardingState(name="Ada")
    assert (state.is_complete(), state.is_terminal()) == (True, True)
    assert state_from_fields(OnboardingState, state_fields(state)) == state


def test_a_base_state_needs_both_halves_of_its_pair() -> None:
    with pytest.raises(TypeError, match="from_dict"):

        class Half(BaseState):
            def to_dict(self) -> dict[str, Any]:
                return {}

        Half()  # type: ignore[abstract]


def test_a_journey_state_must_say_when_it_is_complete() -> None:
    with pytest.raises(TypeError, match="is_complete"):

        @dataclass
        class Endless(BaseJourneyState[Step]):
            step: Step = Step.DONE

        Endless()  # type: ignore[abstract]


def test_the_step_can_be_read_and_set() -> None:
    state = Shopping()
    assert state.get_step() is Step.SHOPPING
    state.set_step(Step.DONE)
    assert (state.step, state.get_step()) == (Step.DONE, Step.DONE)


def test_a_state_may_be_terminal_before_it_is_complete() -> None:
    @dataclass
    class Cancellable(Derived):
        step: Step = Step.SHOPPING
        cancelled: bool = False

        def is_terminal(self) -> bool:
            return self.cancelled or self.is_complete()

    assert Cancellable().is_terminal() is False
    assert Cancellable(cancelled=True).is_terminal() is True
    assert Cancellable(cancelled=True).is_complete() is False


def test_a_copy_is_equal_and_shares_nothing() -> None:
    state = Shopping(cart=[Item("tea")], notes={"a": [1]})
    copy = state.copy()
    assert copy == state
    copy.cart[0].name = "milk"
    copy.notes["a"].append(2)
    assert (state.cart, state.notes) == ([Item("tea")], {"a": [1]})


def test_a_copy_shares_nothing_even_if_the_author_s_dict_holds_the_live_list() -> None:
    state = Live(items=[[1]])
    copy = state.copy()
    copy.items[0].append(2)
    assert state.items == [[1]]


def test_a_copy_is_what_the_pair_of_the_state_brings_through() -> None:
    @dataclass
    class Forgetful(OnboardingState):
        scratch: int = 0

        def to_dict(self) -> dict[str, Any]:
            return {"name": self.name}

        @classmethod
        def from_dict(cls, data: dict[str, Any]) -> "Forgetful":
            return cls(name=data["name"].upper())

    assert Forgetful(name="Ada", email="ada@example.org", scratch=3).copy() == Forgetful(name="ADA")


# --- which step it is at


def test_steps_may_be_numbers_and_plain_texts() -> None:
    class Level(IntEnum):
        FIRST = 1
        LAST = 2

    @dataclass
    class Levels(BaseJourneyState[Level]):
        step: Level = Level.FIRST

        def is_complete(self) -> bool:
            return self.step == Level.LAST

    @dataclass
    class Texts(BaseJourneyState[str]):
        step: str = "first"

        def is_complete(self) -> bool:
            return self.step == "last"

    assert Levels.from_dict({"step": 2}).is_complete()
    assert (step_of(Levels()), step_of(Texts())) == ("1", "first")
    assert state_from_fields(Levels, state_fields(Levels(Level.LAST))).step is Level.LAST


def test_the_step_is_text_whatever_it_is_made_of() -> None:
    @dataclass
    class Any_:  # noqa: N801
        step: Any

    steps: list[Any] = [Step.DONE, "done", OnboardingStep.WELCOME, None, 3]
    assert [step_of(Any_(step)) for step in steps] == ["done", "done", "welcome", "", "3"]


def test_the_step_is_what_get_step_says() -> None:
    @dataclass
    class Composed(BaseJourneyState[Step]):
        done: bool = False

        def get_step(self) -> Step:
            return Step.DONE if self.done else Step.SHOPPING

        def is_complete(self) -> bool:
            return self.done

    assert (step_of(Composed()), step_of(Composed(done=True))) == ("shopping", "done")


# --- what is a state without the contract, and what is none


def test_a_plain_dataclass_with_or_without_a_step_is_a_state() -> None:
    @dataclass
    class Bare:
        count: int = 0

    assert state_from_fields(Bare, state_fields(Bare(3))) == Bare(3)
    assert (step_of(Bare()), is_complete(Bare()), is_terminal(Bare())) == ("", False, False)


class Journey(msgspec.Struct, rename="camel"):
    step: Step
    cart_items: list[Item] = []

    def is_complete(self) -> bool:
        return not self.cart_items


def test_a_struct_is_a_state_on_its_own() -> None:
    state = Frozen(Step.DONE, {"b", "a"})
    assert state_to_dict(state) == {"step": "done", "tags": ["a", "b"], "lastSeen": None}
    assert state_from_fields(Frozen, state_fields(state)) == state
    assert (step_of(state), is_complete(state), is_terminal(state)) == ("done", False, False)


def test_a_struct_s_renamed_fields_and_verdict_are_respected() -> None:
    state = Journey(Step.SHOPPING, [Item("tea", Decimal("1.0"))])
    assert state_fields(state) == {"step": b'"shopping"', "cartItems": b'[{"name":"tea","price":"1.0"}]'}
    assert state_from_fields(Journey, state_fields(state)) == state
    assert (is_complete(state), is_terminal(state)) == (False, False)
    assert (is_complete(Journey(Step.DONE)), is_terminal(Journey(Step.DONE))) == (True, True)


def test_a_struct_s_unknown_keys_are_ignored_and_its_defaults_are_fresh() -> None:
    first = state_from_dict(Journey, {"step": "done", "colour": 1})
    first.cart_items.append(Item("tea"))
    assert state_from_dict(Journey, {"step": "done"}).cart_items == []
    with pytest.raises(InvalidInput, match=r"^state field 'step' is missing, and Journey has no default"):
        state_from_dict(Journey, {})


def test_an_array_like_struct_is_no_state() -> None:
    class Listed(msgspec.Struct, array_like=True):
        step: str = ""

    with pytest.raises(InvalidInput, match="a Listed is array_like"):
        state_fields(Listed())


@pytest.mark.parametrize("value", [None, 3, "text", {"step": "done"}, object()])
def test_what_is_no_state_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match="is no state: give its class to_dict and from_dict"):
        state_to_dict(value)
    with pytest.raises(InvalidInput, match="is no state class"):
        state_from_dict(type(value), {})
