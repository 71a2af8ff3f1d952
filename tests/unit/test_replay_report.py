"""What a replay found, in words that a person reads at a terminal."""

import json
from typing import Any

from agent_runtime_framework import Divergence, Replayed
from agent_runtime_framework.actors.replay import Aspect, described, tool_changes


def report(*found: Divergence, **given: Any) -> list[str]:
    replayed = Replayed(conversation="c-1", agent="bot", version=90, turns=9, divergences=found, **given)
    return str(replayed).splitlines()


def differing(aspect: Aspect, then: str, now: str, **given: Any) -> Divergence:
    return Divergence(aspect=aspect, version=42, turn=3, then=then, now=now, **given)


def tools(*functions: dict[str, Any], **effects: str) -> str:
    return json.dumps({"effects": effects, "tools": [{"type": "function", "function": one} for one in functions]})


def test_the_first_line_says_where_and_the_second_what() -> None:
    lines = report(differing("step", "email", "plan"))

    assert lines == [
        "c-1: 9 turns, 90 events: diverges at version 42, turn 3",
        "  step: email -> plan",
        "",
        "  step  (version 42, turn 3)",
        "    then  email",
        "    now   plan",
    ]


def test_a_long_value_is_cut_and_says_where_the_whole_of_it_is() -> None:
    lines = report(differing("reply", "then " * 1_000, "now " * 2_000))

    assert lines[1] == f"  reply: {('then ' * 20)[:100]}... -> {('now ' * 25)[:100]}..."
    assert lines[4].endswith("... (5,000 characters, whole: version 42)")
    assert lines[5].endswith("... (8,000 characters, whole: -o json)")
    assert max(map(len, lines)) < 700


def test_a_text_of_many_lines_is_cut_too() -> None:
    lines = report(differing("result", "\n".join("abcd" * 20), "", subject="look()"))

    assert "  result of look()  (version 42, turn 3)" in lines
    assert "          ... 40 more lines (whole: version 42)" in lines
    assert lines[-1] == "    now   (nothing)"


def test_what_is_the_same_in_several_steps_is_told_once() -> None:
    found = [differing("parameters", "{}", '{"seed":1}', subject=step, times=2) for step in ("name", "email")]
    lines = report(*found, ignored=frozenset({"parameters"}))

    assert lines[0] == "c-1: 9 turns, 90 events: the same but for what is ignored"
    assert lines[-2:] == [
        "  parameters in steps name, email  (version 42, turn 3, 4 times, ignored)",
        '    {} -> {"seed":1}',
    ]


def test_what_only_follows_from_another_state_says_so() -> None:
    lines = report(differing("step", "a", "b"), differing("prompt", "Hi Ada", "Hi", subject="a", follows=True))

    assert "  prompt in step a  (version 42, turn 3, because the state differs)" in lines


def test_what_still_differs_at_the_end_and_what_was_not_compared_is_told() -> None:
    left = (differing("state", '"Ada"', "not set", subject="name"),)
    lines = report(differing("step", "a", "b"), remaining=left, unsteady=(("prompt", "a"),))

    assert lines[-4:] == [
        "  in the end",
        '    state.name: "Ada" -> not set',
        "",
        "  not compared, because it differs each time it is asked for: prompt in step a",
    ]


def test_how_tools_differ_is_a_line_each() -> None:
    look: dict[str, Any] = {"name": "look", "description": "Look", "parameters": {"type": "object", "properties": {}}}
    save = {"name": "save", "description": "Save", "parameters": {"properties": {"a": {"type": "string"}}}}
    peek = {**look, "name": "peek"}
    saved = {**save, "description": "Keep", "parameters": {"properties": {"a": {"type": "integer"}, "b": {}}}}

    assert tool_changes(tools(look, save), tools(save)) == ["look: not offered any more"]
    assert tool_changes(tools(save), tools(look, save)) == ["look: newly offered"]
    assert tool_changes(tools(look, save), tools(peek, save)) == ["look: renamed to peek"]
    assert tool_changes(tools(look, save), tools(save, look)) == ["order: look, save -> save, look"]
    assert tool_changes(tools(save, save="read"), tools(save)) == ['save: effect: "read" -> "not declared"']
    assert tool_changes(tools(save), tools(saved)) == [
        'save: description: "Save" -> "Keep"',
        'save: parameters.properties.a.type: "string" -> "integer"',
        "save: parameters.properties.b: none -> {}",
    ]
    other = {**save, "parameters": dict(reversed([*look["parameters"].items()]))}
    assert tool_changes(tools({**save, "parameters": look["parameters"]}), tools(other)) == [
        "save: its parameters in another order"
    ]


def test_one_difference_on_one_line() -> None:
    assert described(differing("prompt", "a\nb\nc", "a\nB\nc", subject="x")) == "prompt in step x: -b +B"
    assert described(differing("window", "all turns", "the last 2 turns")) == "window: all turns -> the last 2 turns"
    assert described(differing("reply", "Hi\nAda", "")) == "reply: Hi Ada -> (nothing)"
