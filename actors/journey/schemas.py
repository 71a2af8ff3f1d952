"""Tool schemas: what a model is told about a tool, and what the runtime is told about repeating it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self, TypeAlias, cast, get_args

from ...events import Effect, InvalidInput
from .serializer import StateSerializer

Choices: TypeAlias = Sequence[Any] | type[Enum]
"""The values that a parameter may have: plain ones, members of an Enum, or an Enum class for all its members."""


@dataclass
class ToolParameter:
    """Is one parameter of a tool; `type` is a JSON Schema type, `items` the schema of an array's items.

    What these cannot say, `schema` does: the whole JSON Schema of the values, in which `type` need not be repeated.
    A text that is never to be recorded in clear is `secret`; a model does not see that.

    Raises:
        InvalidInput: what is to be secret is no text.

    >>> from agent_runtime_framework import ToolParameter
    >>> ToolParameter("size", "string", "The size", enum=["S", "L"], default="L").to_schema()
    {'type': 'string', 'description': 'The size', 'enum': ['S', 'L'], 'default': 'L'}

    """

    name: str
    type: str
    description: str = ""
    required: bool = False
    enum: Choices | None = None
    items: dict[str, Any] | None = None
    default: Any = None
    schema: dict[str, Any] | None = field(default=None, kw_only=True)
    secret: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        type_ = (self.schema or {}).get("type", self.type)
        if self.secret and type_ and "string" not in ([type_] if isinstance(type_, str) else type_):
            raise InvalidInput(
                f"parameter {self.name!r} is secret and of type {type_!r}: only texts can be, of `string`"
            )

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the parameter: its type, and what was set; Enum members give their values.

        Raises:
            InvalidInput: something in it has no JSON form, or `enum` is no list of values.

        """
        schema: dict[str, Any] = {"type": self.type} if self.type else {}
        schema |= self.schema or {}
        if self.description:
            schema["description"] = self.description
        if self.enum is not None:
            schema["enum"] = self._choices(self.enum)
        if self.items is not None:
            schema["items"] = self.items
        if self.default is not None:
            schema["default"] = self.default
        try:
            return cast("dict[str, Any]", StateSerializer.serialize(schema))
        except InvalidInput as error:
            raise InvalidInput(f"parameter {self.name!r} cannot be told to a model: {error}") from error

    def _choices(self, enum: object) -> object:
        if isinstance(enum, type) and issubclass(enum, Enum):
            return list(enum)
        if isinstance(enum, Sequence | AbstractSet) and not isinstance(enum, str | bytes):
            return enum if isinstance(enum, AbstractSet) else list(enum)
        raise InvalidInput(f"the enum of parameter {self.name!r} is {enum!r}; give a list of values, or an Enum class")


@dataclass
class ToolSchema:
    """Is one tool as a model sees it, and its effect class, which the model does not see.

    `effect` says what repeating a call does: it hurts (`once`), nothing under one idempotency key (`idempotent`),
    nothing (`read`).  None means that nobody declared it, which counts as `once`.

    Raises:
        ValueError: `effect` is another word, or two parameters have one name.

    >>> from agent_runtime_framework import ToolParameter, ToolSchema
    >>> schema = ToolSchema("save_name", "Save the name", [ToolParameter("name", "string", required=True)])
    >>> schema.to_openai_format()["function"]["parameters"]
    {'type': 'object', 'properties': {'name': {'type': 'string'}}, 'required': ['name']}

    """

    name: str
    description: str
    parameters: list[ToolParameter] = field(default_factory=list)
    effect: Effect | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.effect is not None:
            check_effect(self.effect)
        twice = [name for name, times in Counter(each.name for each in self.parameters).items() if times > 1]
        if twice:
            raise ValueError(f"tool {self.name!r} has two parameters named {twice[0]!r}; give one of them another name")

    def to_openai_format(self) -> dict[str, Any]:
        """Return the tool in the form that OpenAI's API takes."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": {
                    "type": "object",
                    "properties": {parameter.name: parameter.to_schema() for parameter in self.parameters},
                    "required": [parameter.name for parameter in self.parameters if parameter.required],
                },
            },
        }


class ToolSchemaBuilder:
    """Builds a tool schema, call by call.

    >>> from agent_runtime_framework import ToolSchemaBuilder
    >>> schema = (
    ...     ToolSchemaBuilder("look_up")
    ...     .description("Look up an order")
    ...     .param("order", "string", "Its number", required=True)
    ...     .effect("read")
    ...     .build()
    ... )
    >>> schema.name, schema.effect
    ('look_up', 'read')
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._description = ""
        self._parameters: list[ToolParameter] = []
        self._effect: Effect | None = None

    def description(self, text: str) -> Self:
        """Say what the tool does."""
        self._description = text
        return self

    def param(
        self,
        name: str,
        type: str,  # noqa: A002 - JSON Schema's own word
        description: str = "",
        required: bool = False,
        enum: Choices | None = None,
        items: dict[str, Any] | None = None,
        default: Any = None,
        *,
        schema: dict[str, Any] | None = None,
        secret: bool = False,
    ) -> Self:
        """Add a parameter; the fields are those of `ToolParameter`."""
        made = ToolParameter(name, type, description, required, enum, items, default, schema=schema, secret=secret)
        self._parameters.append(made)
        return self

    def effect(self, effect: Effect) -> Self:
        """Declare what repeating a call does; the words are those of `ToolSchema.effect`.

        Raises:
            ValueError: it is another word.

        """
        self._effect = check_effect(effect)
        return self

    def build(self) -> ToolSchema:
        """Return the schema; going on with the builder does not change it.

        Raises:
            ValueError: two parameters have one name.

        """
        return ToolSchema(self._name, self._description, list(self._parameters), effect=self._effect)

    def to_openai_format(self) -> dict[str, Any]:
        """Return the schema in the form that OpenAI's API takes."""
        return self.build().to_openai_format()


def schemas_to_openai_format(schemas: Iterable[ToolSchema]) -> list[dict[str, Any]]:
    """Return the schemas in the form that OpenAI's API takes, in their order.

    >>> from agent_runtime_framework import ToolSchemaBuilder, schemas_to_openai_format
    >>> begin = ToolSchemaBuilder("begin").description("Begin the sign-up").build()
    >>> schemas_to_openai_format([begin])[0]["function"]["description"]
    'Begin the sign-up'
    """
    return [schema.to_openai_format() for schema in schemas]


def check_effect(effect: str) -> Effect:
    """Return the effect class.

    Raises:
        ValueError: it is no effect class.

    """
    words = get_args(Effect)
    if effect not in words:
        raise ValueError(f"{effect!r} is no effect of a tool; use one of {', '.join(words)}")
    return cast("Effect", effect)
