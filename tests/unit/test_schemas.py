"""Tool schemas: what a model is told, and the effect that it is not told."""

import json
from enum import Enum
from typing import Any

import pytest

from agent_runtime_framework import (
    InvalidInput,
    ToolParameter,
    ToolSchema,
    ToolSchemaBuilder,
    schemas_to_openai_format,
)


class Size(Enum):
    SMALL = "S"
    LARGE = "L"


def test_a_parameter_has_its_fields_in_the_order_of_the_contract() -> None:
    parameter = ToolParameter("sizes", "array", "The sizes", True, ["S"], {"type": "string"}, ["S"])
    assert parameter == ToolParameter(
        name="sizes",
        type="array",
        description="The sizes",
        required=True,
        enum=["S"],
        items={"type": "string"},
        default=["S"],
    )


def test_a_parameter_s_schema_has_only_its_type_when_nothing_else_is_set() -> None:
    assert ToolParameter("name", "string").to_schema() == {"type": "string"}
    assert ToolParameter("name", "string", required=True).to_schema() == {"type": "string"}


def test_a_parameter_s_schema_has_what_was_set() -> None:
    assert ToolParameter("sizes", "array", "The sizes", True, ["S"], {"type": "string"}, ["S"]).to_schema() == {
        "type": "array",
        "description": "The sizes",
        "enum": ["S"],
        "items": {"type": "string"},
        "default": ["S"],
    }


@pytest.mark.parametrize("default", [0, 0.0, False, "", [], {}])
def test_a_falsy_default_is_kept(default: Any) -> None:
    assert ToolParameter("x", "string", default=default).to_schema() == {"type": "string", "default": default}


def test_a_default_of_none_is_unset() -> None:
    assert "default" not in ToolParameter("x", "string", default=None).to_schema()


@pytest.mark.parametrize("enum", [["S", "L"], [Size.SMALL, Size.LARGE], Size])
def test_an_enum_may_be_values_or_members_or_the_class(enum: Any) -> None:
    schema = ToolParameter("size", "string", enum=enum, default=Size.LARGE).to_schema()
    assert json.loads(json.dumps(schema)) == {"type": "string", "enum": ["S", "L"], "default": "L"}


def test_an_enum_may_be_a_tuple_in_its_order_and_a_set_is_sorted() -> None:
    assert ToolParameter("x", "string", enum=("S", "L")).to_schema()["enum"] == ["S", "L"]
    members: Any = {f"{number:02}" for number in range(50)}
    assert ToolParameter("x", "string", enum=members).to_schema()["enum"] == sorted(members)


@pytest.mark.parametrize("enum", ["small", b"small", 3, str, len])
def test_an_enum_that_is_no_list_of_values_is_refused(enum: Any) -> None:
    with pytest.raises(InvalidInput, match=r"the enum of parameter 'size' is .*; give a list of values, or an Enum"):
        ToolParameter("size", "string", enum=enum).to_schema()


@pytest.mark.parametrize(
    "field", [{"default": len}, {"enum": [len]}, {"items": {"default": len}}, {"description": "\ud800"}]
)
def test_what_a_model_cannot_be_told_is_refused_with_the_name_of_the_parameter(field: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=f"^parameter 'size' cannot be told to a model: .*'{next(iter(field))}"):
        ToolParameter("size", "string", **field).to_schema()


def test_a_whole_json_schema_says_what_the_fields_cannot_and_need_not_repeat_the_type() -> None:
    parameter = ToolParameter("age", "integer", "The age", schema={"minimum": 0, "maximum": 150})

    assert parameter.to_schema() == {"type": "integer", "minimum": 0, "maximum": 150, "description": "The age"}
    assert ToolParameter("x", "integer", schema={"type": ["integer", "null"]}).to_schema() == {
        "type": ["integer", "null"]
    }


def test_changing_what_a_schema_gave_does_not_change_the_schema() -> None:
    parameter = ToolParameter("x", "array", enum=["S"], items={"type": "string"})
    given = parameter.to_schema()
    given["enum"].append("L")
    given["items"]["type"] = "number"
    assert parameter.to_schema() == {"type": "array", "enum": ["S"], "items": {"type": "string"}}


def test_the_openai_form_of_a_schema_is_a_function_with_an_object_of_parameters() -> None:
    schema = ToolSchema(
        "save",
        "Save it",
        [ToolParameter("name", "string", "The name", required=True), ToolParameter("age", "integer")],
    )
    assert schema.to_openai_format() == {
        "type": "function",
        "function": {
            "name": "save",
            "description": "Save it",
            "parameters": {
                "type": "object",
                "properties": {"name": {"type": "string", "description": "The name"}, "age": {"type": "integer"}},
                "required": ["name"],
            },
        },
    }


def test_a_schema_without_parameters_takes_an_empty_object() -> None:
    parameters = ToolSchema("stop", "Stop").to_openai_format()["function"]["parameters"]
    assert parameters == {"type": "object", "properties": {}, "required": []}


def test_schemas_share_no_parameters() -> None:
    ToolSchema("a", "").parameters.append(ToolParameter("x", "string"))
    assert ToolSchema("a", "").parameters == []


def test_the_builder_of_the_seed_builds_the_schema() -> None:
    schema = (
        ToolSchemaBuilder("my_tool")
        .description("What the tool does")
        .param("arg1", "string", "Description", required=True)
        .param("arg2", "number", "Description", required=False)
        .build()
    )
    assert schema == ToolSchema(
        "my_tool",
        "What the tool does",
        [
            ToolParameter("arg1", "string", "Description", required=True),
            ToolParameter("arg2", "number", "Description"),
        ],
    )
    assert schema.effect is None


def test_the_builder_takes_all_fields_of_a_parameter_in_their_order() -> None:
    schema = ToolSchemaBuilder("t").param("x", "array", "An x", True, ["a"], {"type": "string"}, ["a"]).build()
    assert schema.parameters == [ToolParameter("x", "array", "An x", True, ["a"], {"type": "string"}, ["a"])]


def test_the_builder_takes_all_fields_of_a_parameter_by_name() -> None:
    fields: dict[str, Any] = {
        "name": "x",
        "type": "integer",
        "description": "An x",
        "required": True,
        "enum": [1],
        "items": {"type": "string"},
        "default": 1,
        "schema": {"minimum": 0},
    }
    assert ToolSchemaBuilder(name="t").param(**fields).build().parameters == [ToolParameter(**fields)]


def test_two_parameters_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="tool 't' has two parameters named 'x'"):
        ToolSchemaBuilder("t").param("x", "string").param("y", "string").param("x", "integer").build()
    with pytest.raises(ValueError, match="two parameters named 'x'"):
        ToolSchema("t", "", [ToolParameter("x", "string"), ToolParameter("x", "string")])


def test_each_call_of_a_builder_but_the_last_goes_on() -> None:
    builder = ToolSchemaBuilder("t")

    assert builder.description("T") is builder
    assert builder.param("x", "string") is builder
    assert builder.effect("read") is builder


def test_the_builder_gives_the_openai_form_too() -> None:
    builder = ToolSchemaBuilder("t").description("T").param("x", "string")
    assert builder.to_openai_format() == builder.build().to_openai_format()


def test_going_on_with_a_builder_does_not_change_what_it_built() -> None:
    builder = ToolSchemaBuilder("t").param("x", "string")
    built = builder.build()
    builder.param("y", "string")
    assert [parameter.name for parameter in built.parameters] == ["x"]
    assert [parameter.name for parameter in builder.build().parameters] == ["x", "y"]


@pytest.mark.parametrize("effect", ["once", "idempotent", "read"])
def test_an_effect_is_kept_and_the_model_is_not_told_it(effect: Any) -> None:
    schema = ToolSchemaBuilder("t").effect(effect).build()
    assert schema.effect == effect
    assert schema == ToolSchema("t", "", effect=effect)
    assert schema.to_openai_format() == ToolSchemaBuilder("t").to_openai_format()


@pytest.mark.parametrize("word", ["twice", "READ", "", None, ["read"]])
def test_the_builder_refuses_another_effect(word: Any) -> None:
    with pytest.raises(ValueError, match="is no effect of a tool; use one of once, idempotent, read"):
        ToolSchemaBuilder("t").effect(word)


def test_a_schema_refuses_an_effect_that_no_log_could_hold() -> None:
    with pytest.raises(ValueError, match="'reed' is no effect"):
        ToolSchema("t", "", effect="reed")  # type: ignore[arg-type]


def test_schemas_keep_their_order_in_openai_form() -> None:
    schemas = [ToolSchema("b", ""), ToolSchema("a", "")]
    assert schemas_to_openai_format(schemas) == [schema.to_openai_format() for schema in schemas]
    assert schemas_to_openai_format([]) == []
