"""The hash of a request: made of what is new, and that of the whole request all the same."""

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from agent_runtime_framework.projections import (
    EarlierMessage,
    Entry,
    Request,
    Transcript,
    UserMessage,
    model_input,
    render,
    request_hash,
    tools_text,
)
from support.strategies import answers, json_object, message, results, text

earlier = st.lists(
    st.builds(EarlierMessage, message | json_object)
    | st.builds(EarlierMessage, st.builds(dict, role=st.just("tool"), tool_call_id=text, content=text)),
    max_size=4,
)
turns = st.lists(
    st.builds(lambda said, answered: (UserMessage(1, said), *answered), text, st.lists(st.tuples(answers, results))),
    min_size=1,
    max_size=6,
)
tool_lists = st.lists(json_object, max_size=2)


def flat(turn: tuple[Any, ...]) -> list[Entry]:
    return [entry for part in turn for entry in (part if isinstance(part, tuple) else (part,))]


def check(
    prompt: str, transcript: Transcript, first: int, last: int, tools: list[Any], parameters: dict[str, Any]
) -> None:
    request = Request(
        version=1,
        attempt=1,
        model="m",
        parameters=parameters,
        prompt=prompt,
        tools=tools_text(tools),
        effects={},
        first_turn=first,
        last_turn=last,
        hash="",
    )
    whole = {"messages": render(prompt, transcript.window(first, last)), "tools": tools or None, "model": "m"}
    canonical = msgspec.json.encode({**whole, **parameters}, order="sorted")

    assert request_hash(transcript, request) == hashlib.sha256(canonical).hexdigest()
    assert request_hash(transcript, request) == model_input(transcript, request).hash


@for_all(st.data(), earlier, turns, st.lists(text, min_size=1, max_size=2), tool_lists, json_object)
def test_it_is_that_of_the_whole_request_as_a_conversation_grows(
    data: st.DataObject,
    history: list[EarlierMessage],
    said: list[tuple[Any, ...]],
    prompts: list[str],
    tools: list[Any],
    parameters: dict[str, Any],
) -> None:
    transcript = Transcript().add(0, *history) if history else Transcript()
    for number, turn in enumerate(said, 1):
        for entry in flat(turn):
            transcript = transcript.add(number, entry)
            prompt = data.draw(st.sampled_from(prompts))
            first = data.draw(st.integers(0, number))
            check(prompt, transcript, first, number, tools, parameters)
            check(prompt, transcript, 0, number, tools, {"model": "m", **parameters})


@pytest.mark.parametrize("name", ["\x1f", 'a"', "z\\"])
def test_it_is_that_also_where_the_name_of_a_parameter_is_escaped(name: str) -> None:
    check("", Transcript().add(1, UserMessage(1, "hi")), 0, 1, [], {name: None})


def user(number: int, words: str) -> UserMessage:
    return UserMessage(number, words)


def test_two_conversations_that_begin_alike_do_not_mix() -> None:
    both = Transcript().add(1, user(1, "hi")).add(2, user(2, "and?"))
    for _ in range(2):
        for words in ("one", "other"):
            transcript = both.add(3, user(3, words)).add(4, user(4, "now"))
            check("prompt", transcript, 0, 4, [], {"model": "m"})


def test_a_turn_that_is_changed_after_it_was_over_counts() -> None:
    transcript = Transcript().add(1, user(1, "hi")).add(2, user(2, "and?")).add(3, user(3, "so?"))
    check("prompt", transcript, 0, 3, [], {"model": "m"})
    check("prompt", transcript.add(1, user(9, "late")), 0, 3, [], {"model": "m"})
    check("prompt", transcript, 0, 2, [], {"model": "m"})


def test_parameters_that_stand_for_other_fields_are_taken_as_the_request_has_them() -> None:
    transcript = Transcript().add(1, user(1, "hi"))
    given: list[dict[str, Any]] = [{"messages": []}, {"tools": 1, "model": "m"}, {"größe": 1}, {"a": 1, "z": [2]}]
    for parameters in (*given, {'a"b': 1}, {"a\\b": 1}, {"a\nb": 1}, {"": 1}):
        check("", transcript, 0, 1, [], parameters)


def test_a_log_that_counts_its_turns_as_it_likes_has_a_hash_at_once() -> None:
    transcript = Transcript().add(1, user(1, "hi")).add(10**15, user(2, "and?"))
    for first, last in ((0, 10**15), (-(10**15), 1), (3, 2), (2, 1)):
        check("prompt", transcript, first, last, [], {})


def test_many_conversations_by_turns() -> None:
    transcripts = [Transcript().add(1, user(1, f"hi {number}")) for number in range(100)]
    for turn in range(2, 4):
        transcripts = [one.add(turn, user(turn, "more")) for one in transcripts]
        for one in transcripts:
            check("prompt", one, 0, turn, [], {"model": "m"})
