"""The tokens in the turns that are over: found once, and those of all of these turns in any case."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from agent_runtime_framework.actors.journey import tokens_among
from agent_runtime_framework.projections import AssistantMessage, Call, Transcript, UserMessage
from agent_runtime_framework.runtime.agents import tokens_over
from agent_runtime_framework.runtime.agents.tokens_over import TokensOver, tokens_in_calls


def answer(token: int) -> AssistantMessage:
    return AssistantMessage(1, "", (Call(0, "log_in", {"with": ["x", {"password": f"secret:v1:{token}"}]}),))


@settings(deadline=None)  # how long one takes says nothing where others run beside it
@for_all(st.lists(st.tuples(st.integers(-1, 5), st.integers(0, 6)), max_size=12), st.integers(0, 2**32))
def test_they_are_those_of_all_turns_but_the_last_whichever_transcript_comes(
    added: list[tuple[int, int]], seed: int
) -> None:
    chosen, transcripts, over = random.Random(seed), [Transcript()], TokensOver()
    for turn, token in added:
        transcripts.append(chosen.choice(transcripts[-2:]).add(turn, answer(token)))
        for transcript in (transcripts[-1], chosen.choice(transcripts)):
            turns = {number: entries for number, entries in transcript.turns.items() if number < transcript.latest}
            assert over.of(transcript) == {token for entries in turns.values() for token in tokens_in_calls(entries)}


def test_a_turn_that_is_over_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    found_in = tokens_among

    def counting(value: object) -> Iterator[str]:
        seen.append(str(value))
        return found_in(value)

    monkeypatch.setattr(tokens_over, "tokens_among", counting)
    over, transcript = TokensOver(), Transcript()
    for turn in range(1, 20):
        transcript = transcript.add(turn, UserMessage(1, "hi"))
        over.of(transcript)
        transcript = transcript.add(turn, answer(turn))
        over.of(transcript)

    assert len(seen) == len(set(seen)) == 18


def test_a_log_that_counts_its_turns_as_it_likes_is_looked_at_at_once() -> None:
    over = TokensOver()
    transcript = Transcript().add(1, answer(1)).add(2, answer(2))
    assert over.of(transcript) == {"secret:v1:1"}
    assert over.of(transcript.add(10**15, answer(3))) == {"secret:v1:1", "secret:v1:2"}
