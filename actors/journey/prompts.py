"""Prompts: texts with variables, which step has which, and what is added to them for a person."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from string import Template
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar, cast

from .state import BaseJourneyState, StepT

StepT_co = TypeVar("StepT_co", covariant=True)


@dataclass
class PromptTemplate:
    """Is a text with variables, `$name` or `${name}`; `$$` stands for a dollar sign.

    >>> from agent_runtime_framework import PromptTemplate
    >>> template = PromptTemplate("Hello $name! You are at step ${step}.", defaults={"name": "there"})
    >>> template.render(step="welcome")
    'Hello there! You are at step welcome.'
    """

    template: str
    defaults: dict[str, Any] = field(default_factory=dict)

    def render(self, /, **variables: Any) -> str:
        """Return the text with its variables filled in: an Enum member by its value; an unknown one stays as it is."""
        known = {**self.defaults, **variables}
        return Template(self.template).safe_substitute({name: _plain(value) for name, value in known.items()})


Prompt: TypeAlias = str | PromptTemplate
"""A text that is used as it is, or one with variables."""


@dataclass
class StepPromptMapping(Generic[StepT]):
    """Says which prompt each step has; `default` is the prompt of every other step.

    >>> from agent_runtime_framework import PromptTemplate, StepPromptMapping
    >>> prompts = StepPromptMapping[str]({"ask": "Ask for the name."}, default="Be kind.")
    >>> prompts.add("greet", PromptTemplate("Greet $name.")).get("greet", name="Ada")
    'Greet Ada.'
    >>> prompts.get("elsewhere")
    'Be kind.'
    """

    prompts: Mapping[StepT, Prompt] = field(default_factory=dict)
    default: Prompt = ""

    def get(self, step: StepT, /, **variables: Any) -> str:
        """Return the prompt of a step: a template rendered with the variables, a plain text as it is."""
        prompt = self.prompts.get(step, self.default)
        return prompt.render(**variables) if isinstance(prompt, PromptTemplate) else prompt

    def add(self, step: StepT, prompt: Prompt) -> Self:
        """Give a step its prompt."""
        # the dict that was given stays the author's own
        self.prompts = {**self.prompts, step: prompt}
        return self


class Stepped(Protocol[StepT_co]):
    """Is any state that knows its step."""

    @property
    def step(self) -> StepT_co:
        """The current step."""


Enricher: TypeAlias = Callable[[str, dict[str, Any]], str]
"""Takes a prompt and the context that it is for, and returns the prompt to use."""


class PromptManager(Generic[StepT]):
    """Finds the prompt of a step or of a state, and adds to it what the context asks for.

    `mapping` may be given as `step_prompts` too.  `context_enricher` makes a state's variables.

    Raises:
        ValueError: both `mapping` and `step_prompts` are given.

    >>> from types import SimpleNamespace
    >>> from agent_runtime_framework import PromptManager, PromptTemplate, StepPromptMapping, preference_enricher
    >>> manager = PromptManager[str](
    ...     mapping=StepPromptMapping({"greet": PromptTemplate("Greet $user_name.")}),
    ...     context_enricher=lambda state: {"user_name": state.name},
    ... )
    >>> manager.get_prompt(SimpleNamespace(step="greet", name="Ada"))
    'Greet Ada.'
    >>> manager.add_enricher(preference_enricher("tone", " Be {value}."))
    >>> manager.get_prompt("greet", {"tone": "brief"}, user_name="Bo")
    'Greet Bo. Be brief.'

    """

    def __init__(
        self,
        mapping: StepPromptMapping[StepT] | None = None,
        context_enricher: Callable[[Any], Mapping[str, Any]] | None = None,
        *,
        step_prompts: StepPromptMapping[StepT] | None = None,
    ) -> None:
        if mapping is not None and step_prompts is not None:
            raise ValueError("mapping and step_prompts are two names of one thing; give one of them")
        given = mapping if mapping is not None else step_prompts
        self.mapping = given if given is not None else StepPromptMapping[StepT]()
        self.context_enricher = context_enricher
        self._enrichers: list[Enricher] = []

    def get_prompt(
        self, step: StepT | Stepped[StepT], /, context: dict[str, Any] | None = None, **variables: Any
    ) -> str:
        """Return the prompt of a step, or of the step that a state is in.

        The variables of a state are those that `context_enricher` makes of it, unless given here too.  `context` goes
        to each enricher, in the order of their adding; without one they get an empty dict.
        """
        if _is_state(step):
            state = cast("Stepped[StepT]", step)
            made = {} if self.context_enricher is None else self.context_enricher(state)
            step, variables = _step(state), {**made, **variables}
        prompt = self.mapping.get(cast("StepT", step), **variables)
        for enrich in self._enrichers:
            prompt = enrich(prompt, {} if context is None else context)
        return prompt

    def add_enricher(self, enricher: Enricher) -> None:
        """Have `enricher` go over every prompt, after those that were added before."""
        self._enrichers.append(enricher)

    def set_prompt(self, step: StepT, prompt: Prompt) -> None:
        """Give a step its prompt."""
        self.mapping.add(step, prompt)

    def set_default(self, prompt: Prompt) -> None:
        """Set the prompt of every step that has none of its own."""
        self.mapping.default = prompt


def preference_enricher(key: str, format_string: str = "\n\nNote: User prefers {value}.") -> Enricher:
    """Return an enricher that adds a note when the context has something under `key`.

    >>> from agent_runtime_framework import preference_enricher
    >>> preference_enricher("language", " Speak {value}.")("Be kind.", {"language": "French"})
    'Be kind. Speak French.'
    """

    def enrich(prompt: str, context: dict[str, Any]) -> str:
        value = _plain(context.get(key))
        return prompt if value in (None, "") else prompt + format_string.format(value=value)

    return enrich


def _is_state(value: object) -> bool:
    # a journey state may know its step by `get_step` alone, and the member of an Enum may have one named step
    return isinstance(value, BaseJourneyState) or (not isinstance(value, Enum) and hasattr(value, "step"))


def _step(state: Stepped[StepT]) -> StepT:
    return state.get_step() if isinstance(state, BaseJourneyState) else state.step


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
