"""Prompts: templates, which step has which, and what is added to them."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec
import pytest

from agent_runtime_framework import (
    BaseJourneyState,
    PromptManager,
    PromptTemplate,
    StepPromptMapping,
    preference_enricher,
)


class Step(str, Enum):  # noqa: UP042  # its text is not its value, as it would be in a StrEnum
    WELCOME = "welcome"
    COLLECTING = "collecting"
    DONE = "done"


class Plain(Enum):
    FIRST = 1
    step = 2  # a member that looks like a state's field


@dataclass
class Person(BaseJourneyState[Step]):
    step: Step = Step.WELCOME
    name: str = "Ada"

    def is_complete(self) -> bool:
        return False


class Record(msgspec.Struct):
    step: Step = Step.WELCOME
    name: str = "Bo"


@dataclass
class Silent(BaseJourneyState[Step]):
    """Has no field for its step."""

    done: bool = False

    def get_step(self) -> Step:
        return Step.DONE if self.done else Step.COLLECTING

    def is_complete(self) -> bool:
        return self.done


class Delegating(Person):
    """Says its step by the method, as `get_step` allows."""

    def get_step(self) -> Step:
        return Step.DONE


GREETING = PromptTemplate("Hello $name, step ${step}.", {"name": "there"})


def mapping() -> StepPromptMapping[Step]:
    return StepPromptMapping[Step]({Step.WELCOME: GREETING, Step.COLLECTING: "Collect."}, "Assist.")


def test_both_forms_of_a_variable_are_filled_in() -> None:
    assert PromptTemplate("$name and ${name}s").render(name="cat") == "cat and cats"


def test_an_unknown_variable_stays_as_it_is() -> None:
    assert PromptTemplate("$name costs $5, ${other}, $").render(name="tea") == "tea costs $5, ${other}, $"


def test_a_doubled_dollar_sign_is_one() -> None:
    assert PromptTemplate("$$name").render(name="tea") == "$name"


def test_defaults_are_used_where_nothing_is_given() -> None:
    template = PromptTemplate("$greeting $name", defaults={"name": "there", "greeting": "Hello"})

    assert template.render() == "Hello there"
    assert template.render(name="Ada") == "Hello Ada"
    assert template.defaults == {"name": "there", "greeting": "Hello"}


def test_an_enum_variable_is_rendered_as_its_value_given_or_default() -> None:
    template = PromptTemplate("$step $plain", defaults={"step": Step.DONE})

    assert template.render(plain=Plain.FIRST) == "done 1"
    assert template.render(step=Step.WELCOME, plain=Plain.FIRST) == "welcome 1"


def test_other_values_are_rendered_as_their_text() -> None:
    assert PromptTemplate("$a $b $c").render(a=None, b=0, c=["x"]) == "None 0 ['x']"


def test_a_value_is_not_searched_for_variables() -> None:
    assert PromptTemplate("$name").render(name="$secret", secret="x") == "$secret"


def test_any_name_may_be_a_variable() -> None:
    assert PromptTemplate("$self $template $step").render(self=1, template=2, step=3) == "1 2 3"
    prompts = StepPromptMapping[str]({"s": PromptTemplate("$self $step $prompts")})
    assert prompts.get("s", self=1, step=2, prompts=3) == "1 2 3"
    manager = PromptManager(prompts)
    assert manager.get_prompt("s", self=1, step=2, prompts=3) == "1 2 3"


def test_a_template_is_a_plain_dataclass() -> None:
    assert PromptTemplate("x", {"a": 1}) == PromptTemplate(template="x", defaults={"a": 1})
    assert PromptTemplate("x").defaults == {}
    assert PromptTemplate("x").defaults is not PromptTemplate("x").defaults


def test_a_mapping_gives_each_step_its_prompt_and_the_default_to_the_rest() -> None:
    prompts = mapping()

    assert prompts.get(Step.WELCOME, name="Ada", step="welcome") == "Hello Ada, step welcome."
    assert prompts.get(Step.COLLECTING) == "Collect."
    assert prompts.get(Step.DONE) == "Assist."


def test_a_mapping_is_empty_unless_told() -> None:
    prompts = StepPromptMapping[Step]()

    assert (prompts.prompts, prompts.default) == ({}, "")
    assert prompts.get(Step.DONE) == ""


def test_a_plain_string_is_returned_as_it_is() -> None:
    prompts = StepPromptMapping[Step](prompts={Step.DONE: "$name pays $$5"}, default="$name")

    assert prompts.get(Step.DONE, name="Ada") == "$name pays $$5"
    assert prompts.get(Step.WELCOME, name="Ada") == "$name"


def test_a_default_may_be_a_template() -> None:
    assert StepPromptMapping[Step](default=GREETING).get(Step.DONE, step=Step.DONE) == "Hello there, step done."


def test_adding_replaces_and_goes_on() -> None:
    prompts = mapping()

    assert prompts.add(Step.DONE, "Bye.").add(Step.COLLECTING, GREETING) is prompts
    assert prompts.get(Step.DONE) == "Bye."
    assert prompts.get(Step.COLLECTING, step="x") == "Hello there, step x."


def test_adding_does_not_change_the_authors_own_dict() -> None:
    shared = {Step.DONE: "Bye."}
    one, other = StepPromptMapping[Step](shared), StepPromptMapping[Step](shared)
    one.add(Step.WELCOME, "Hi.")
    PromptManager[Step](one).set_prompt(Step.DONE, "Later.")

    assert (one.get(Step.WELCOME), one.get(Step.DONE)) == ("Hi.", "Later.")
    assert (other.get(Step.WELCOME), other.get(Step.DONE)) == ("", "Bye.")
    assert shared == {Step.DONE: "Bye."}


@pytest.mark.parametrize(
    "manager",
    [
        PromptManager[Step](mapping()),
        PromptManager[Step](mapping=mapping()),
        PromptManager[Step](step_prompts=mapping()),
    ],
)
def test_a_manager_takes_its_mapping_by_position_or_under_either_name(manager: PromptManager[Step]) -> None:
    assert manager.get_prompt(Step.COLLECTING) == "Collect."
    assert manager.get_prompt(Step.WELCOME, name="Ada", step="one") == "Hello Ada, step one."


def test_a_manager_takes_one_mapping() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        PromptManager(mapping(), step_prompts=mapping())


def test_a_manager_without_mapping_begins_empty() -> None:
    manager = PromptManager[Step]()
    assert manager.get_prompt(Step.DONE) == ""

    manager.set_prompt(Step.DONE, GREETING)
    manager.set_default("Assist.")

    assert manager.get_prompt(Step.DONE, step=1) == "Hello there, step 1."
    assert manager.get_prompt(Step.WELCOME) == "Assist."


def test_an_empty_mapping_that_was_given_is_the_one_that_is_used() -> None:
    empty = StepPromptMapping[Step]()
    manager = PromptManager(empty)
    empty.add(Step.DONE, "Bye.")

    assert manager.get_prompt(Step.DONE) == "Bye."


@pytest.mark.parametrize("state", [Person(Step.COLLECTING), Record(Step.COLLECTING)])
def test_a_state_gives_its_step(state: Any) -> None:
    assert PromptManager(mapping()).get_prompt(state) == "Collect."


def test_a_state_that_overrides_get_step_is_asked_for_it() -> None:
    assert PromptManager(mapping()).get_prompt(Delegating()) == "Assist."
    assert PromptManager(mapping()).get_prompt(Silent()) == "Collect."


def test_a_step_that_has_a_member_named_step_is_still_a_step() -> None:
    manager = PromptManager(StepPromptMapping[Plain]({Plain.FIRST: "One.", Plain.step: "Two."}))

    assert manager.get_prompt(Plain.FIRST) == "One."
    assert manager.get_prompt(Plain.step) == "Two."


def test_the_context_enricher_makes_a_states_variables() -> None:
    manager = PromptManager(mapping(), context_enricher=lambda state: {"name": state.name, "step": state.step})

    assert manager.get_prompt(Person(name="Eve")) == "Hello Eve, step welcome."


def test_variables_that_are_given_go_before_those_of_the_state() -> None:
    manager = PromptManager(mapping(), context_enricher=lambda state: {"name": state.name, "step": 1})

    assert manager.get_prompt(Person(), name="you") == "Hello you, step 1."


def test_the_context_enricher_is_not_asked_about_a_step() -> None:
    asked: list[Any] = []

    def enrich(state: Any) -> dict[str, Any]:
        asked.append(state)
        return {}

    manager = PromptManager(mapping(), context_enricher=enrich)
    assert manager.get_prompt(Step.WELCOME, step=1) == "Hello there, step 1."
    assert asked == []


def test_enrichers_go_over_the_prompt_in_the_order_of_their_adding() -> None:
    manager = PromptManager(mapping())
    manager.add_enricher(lambda prompt, context: f"{prompt} {context['tone']}")
    manager.add_enricher(lambda prompt, context: f"{prompt}!")

    assert manager.get_prompt(Step.COLLECTING, {"tone": "kindly"}) == "Collect. kindly!"
    assert manager.get_prompt(Person(Step.COLLECTING), context={"tone": "now"}) == "Collect. now!"


def test_enrichers_get_an_empty_dict_where_no_context_is_given() -> None:
    manager = PromptManager(mapping())
    manager.add_enricher(lambda prompt, context: f"{prompt} {context}")

    assert manager.get_prompt(Step.COLLECTING) == "Collect. {}"


def test_a_context_is_not_a_source_of_variables() -> None:
    assert PromptManager(mapping()).get_prompt(Step.WELCOME, {"name": "Ada"}) == "Hello there, step ${step}."


def test_a_preference_is_added_as_a_note() -> None:
    enrich = preference_enricher("language")

    assert enrich("Hi.", {"language": "French"}) == "Hi.\n\nNote: User prefers French."
    assert enrich("Hi.", {"language": Step.DONE}) == "Hi.\n\nNote: User prefers done."


@pytest.mark.parametrize("context", [{}, {"other": 1}, {"language": None}, {"language": ""}])
def test_a_preference_that_nobody_has_adds_nothing(context: dict[str, Any]) -> None:
    assert preference_enricher("language")("Hi.", context) == "Hi."


def test_a_preference_has_its_own_format() -> None:
    assert preference_enricher("size", " [{value}]")("Hi.", {"size": 0}) == "Hi. [0]"
    assert preference_enricher("size", format_string=" {value}")("Hi.", {"size": "{x}"}) == "Hi. {x}"


def test_a_preference_enricher_serves_a_manager() -> None:
    manager = PromptManager(mapping())
    manager.add_enricher(preference_enricher("language", " In {value}."))

    assert manager.get_prompt(Step.DONE, {"language": "French"}) == "Assist. In French."
    assert manager.get_prompt(Step.DONE) == "Assist."


def test_the_documents_prompts_work_as_printed() -> None:
    prompts = StepPromptMapping[Step](
        prompts={Step.WELCOME: "Welcome! How can I help?", Step.COLLECTING: "Please provide your information."},
        default="I'm here to assist you.",
    )
    template = PromptTemplate("Hello $name! You are at step ${step}.", defaults={"name": "there"})
    prompts.add(Step.WELCOME, template)
    manager = PromptManager[Step](mapping=prompts, context_enricher=lambda state: {"user_name": state.name})

    assert prompts.get(Step.WELCOME, name="Alice", step="welcome") == "Hello Alice! You are at step welcome."
    assert manager.get_prompt(Person(Step.COLLECTING)) == "Please provide your information."
