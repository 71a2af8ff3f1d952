"""What a model is given: made of what is new, the same as the whole, and shared with no other request."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import settings
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
    request_input,
    said_until,
    tools_text,
)
from agent_runtime_framework.projections import before as kept
from agent_runtime_framework.projections.calls import copied
from agent_runtime_framework.projections.rendering import Rendering
from support.strategies import answers, json_object, message, results, text

parts = st.builds(
    lambda role, given: EarlierMessage({"role": role, "content": given}),
    st.sampled_from(["user", "system"]),
    st.lists(json_object, max_size=2),
)
earlier = st.builds(EarlierMessage, message | json_object) | parts
turns = st.lists(
    st.builds(
        lambda said, answered: (
            UserMessage(1, said),
            *(entry for answer, told in answered for entry in (answer, *told)),
        ),
        text,
        st.lists(st.tuples(answers, st.lists(results, max_size=1)), max_size=2),
    ),
    min_size=1,
    max_size=4,
)


def asked(prompt: str, first: int, last: int, tools: list[Any]) -> Request:
    return Request(1, 1, "m", {"temperature": 0}, prompt, tools_text(tools), {}, first, last, "")


def spoil(value: Any) -> None:
    """Change all that can be changed, however deep it stands."""
    if isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value["spoilt"] = True
    elif isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoilt")


def grown(history: list[EarlierMessage], said: list[tuple[Entry, ...]]) -> list[tuple[int, Transcript]]:
    """Return each transcript on the way, with the turn that it is in."""
    transcript = Transcript().add(0, *history)
    found = []
    for number, turn in enumerate(said, 1):
        for entry in turn:
            transcript = transcript.add(number, entry)
            found.append((number, transcript))
    return found


@settings(deadline=None)  # how long one takes says nothing where others run beside it
@for_all(
    st.lists(st.tuples(st.lists(earlier, max_size=2), turns), min_size=1, max_size=2),
    st.lists(text, min_size=1, max_size=2),
    st.lists(json_object, max_size=1),
    st.integers(0, 2**32),
)
def test_it_is_the_whole_input_whoever_changes_what_was_given_before(
    conversations: list[tuple[list[EarlierMessage], list[tuple[Entry, ...]]]],
    prompts: list[str],
    tools: list[Any],
    seed: int,
) -> None:
    chosen = random.Random(seed)
    growing = [grown(history, said) for history, said in conversations]
    while any(growing):
        number, transcript = chosen.choice([each for each in growing if each]).pop(0)
        for first in (0, chosen.randint(0, number)):
            request = asked(chosen.choice(prompts), first, number, tools)
            whole = model_input(transcript, request)
            given = request_input(transcript, request)
            assert given == whole
            spoil(given.messages)
            spoil(given.tools)
            assert request_input(transcript, request) == model_input(transcript, request) == whole
            assert request_hash(transcript, request) == whole.hash


@settings(deadline=None)  # how long one takes says nothing where others run beside it
@for_all(st.lists(earlier, max_size=2), turns, st.integers(0, 4))
def test_what_an_author_is_told_was_said_is_what_is_rendered_up_to_the_users_words(
    history: list[EarlierMessage], said: list[tuple[Entry, ...]], turns_back: int
) -> None:
    for number, transcript in grown(history, said):
        turn = max(number - turns_back, 0)
        entries = transcript.window(0, turn)
        spoken = max((at for at, entry in enumerate(entries) if isinstance(entry, UserMessage)), default=len(entries))
        told = said_until(transcript, turn)
        assert told == render("", entries[: spoken + 1])
        spoil(told)
        assert said_until(transcript, turn) == render("", entries[: spoken + 1])


@settings(deadline=None)  # how long one takes says nothing where others run beside it
@for_all(st.lists(st.tuples(st.integers(0, 4), text), min_size=1, max_size=12), st.integers(0, 2**32))
def test_a_log_that_goes_back_to_turns_which_were_over_is_rendered_as_it_says(
    said: list[tuple[int, str]], seed: int
) -> None:
    chosen, transcripts = random.Random(seed), [Transcript()]
    for turn, words in said:
        transcripts.append(chosen.choice(transcripts).add(turn, UserMessage(1, words)))
        request = asked("", 0, chosen.randint(0, 5), [])
        for transcript in (transcripts[-1], chosen.choice(transcripts)):
            whole = model_input(transcript, request)
            assert request_input(transcript, request) == whole
            assert request_hash(transcript, request) == whole.hash


def test_the_entries_of_a_turn_are_other_ones_once_something_before_them_changed() -> None:
    transcript = Transcript().add(1, UserMessage(1, "hi")).add(3, UserMessage(2, "so?"))
    changed = transcript.add(2, UserMessage(3, "late"))

    assert changed.turns[3] == transcript.turns[3]
    assert changed.turns[3] is not transcript.turns[3]
    assert changed.latest == 3


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = kept._Kept()
    monkeypatch.setattr(kept, "_kept", fresh)
    monkeypatch.setattr(kept, "KEPT", 3000)
    transcripts = [Transcript().add(1, UserMessage(1, f"{number} " * 100)) for number in range(20)]
    for turn in range(2, 5):
        transcripts = [one.add(turn, UserMessage(turn, "more")) for one in transcripts]
        for one in transcripts:
            request = asked("prompt", 0, turn, [])
            assert request_input(one, request) == model_input(one, request)
            assert 0 < fresh.size <= 3000

    large = Transcript().add(1, UserMessage(1, "w" * 5000)).add(2, UserMessage(2, "so?"))
    request_input(large, asked("", 0, 2, []))
    assert fresh.size > 5000  # one alone is kept while it is the last
    request_input(transcripts[0], asked("", 0, 4, []))
    assert fresh.size < 3000


def test_a_turn_that_is_over_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[str] = []
    take = Rendering.take

    def counting(self: Any, entries: Any) -> None:
        rendered.extend(entry.text for entry in entries)
        take(self, entries)

    monkeypatch.setattr(Rendering, "take", counting)
    transcript = Transcript()
    for turn in range(1, 30):
        transcript = transcript.add(turn, UserMessage(turn, f"words {turn}"))
        for _ in range(2):
            request_hash(transcript, asked("prompt", 0, turn, []))
            request_input(transcript, asked("prompt", 0, turn, []))

    assert rendered.count("words 1") == 5  # four times as the last, once when it was over


@for_all(json_object)
def test_a_copy_of_json_is_equal_and_shares_nothing_that_could_be_changed(value: dict[str, Any]) -> None:
    whole = msgspec.json.encode(value)

    copy = copied(value)
    assert copy == value
    spoil(copy)

    assert msgspec.json.encode(value) == whole


@pytest.mark.parametrize("others", [0, 30])  # whether the conversation has more turns than are kept, or fewer
def test_of_a_conversation_that_is_forgotten_nothing_is_kept_and_of_others_all(
    others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = kept._Kept()
    monkeypatch.setattr(kept, "_kept", fresh)
    transcripts = [Transcript().add(1, UserMessage(1, f"hi {number}")) for number in range(others)]
    for one in transcripts:
        request_input(one.add(2, UserMessage(2, "so?")), asked("", 0, 2, []))
    before = fresh.size
    gone = Transcript()
    for turn in range(1, 6):
        gone = gone.add(turn, UserMessage(turn, f"words {turn}"))
    request_input(gone, asked("prompt", 0, 5, []))  # of all turns
    request_input(gone, asked("prompt", 3, 5, []))  # of the last ones
    said_until(gone, 5)
    assert fresh.size > before

    kept.forget_requests(gone)

    assert fresh.size == before
    assert request_input(gone, asked("prompt", 0, 5, [])) == model_input(gone, asked("prompt", 0, 5, []))


def test_what_breaks_while_turns_are_rendered_keeps_nobody_else_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, transcript: Any, last: int) -> None:
        raise MemoryError

    transcript = Transcript().add(1, UserMessage(1, "hi")).add(2, UserMessage(2, "so?"))
    monkeypatch.setattr(kept, "_kept", kept._Kept())
    with monkeypatch.context() as patched:
        patched.setattr(kept.Before, "take", broken)
        with pytest.raises(MemoryError):
            request_input(transcript, asked("", 0, 2, []))

    with ThreadPoolExecutor(1) as elsewhere:
        given = elsewhere.submit(request_input, transcript, asked("", 0, 2, [])).result(timeout=20)
    assert given == model_input(transcript, asked("", 0, 2, []))
