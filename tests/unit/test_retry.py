"""When a model is asked again, and how long that waits."""

from typing import Any

from agent_runtime_framework.events import ModelError
from agent_runtime_framework.runtime.retry import RetryPolicy


def test_waits_are_jittered_and_grow_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=10, first=1.0, longest=4.0)
    waits = [[policy.wait(attempt) or 0.0 for _ in range(200)] for attempt in (1, 2, 3, 8)]

    assert [max(tried) <= bound for tried, bound in zip(waits, (1.0, 2.0, 4.0, 4.0), strict=True)] == [True] * 4
    assert max(waits[2]) > 2.0
    assert len(set(waits[0])) > 100


def test_after_the_last_attempt_there_is_no_wait() -> None:
    policy = RetryPolicy(attempts=3)

    assert [policy.wait(attempt) is None for attempt in (1, 2, 3, 4)] == [False, False, True, True]


def test_a_providers_wait_is_honoured_but_not_for_ever() -> None:
    policy = RetryPolicy(first=0.0, patience=60.0)

    assert policy.wait(1, 7.5) == 7.5
    assert policy.wait(1, 61.0) is None


def test_a_wait_in_words_is_a_number_and_nonsense_is_none() -> None:
    given: list[Any] = ["5", "soon", -1, None]
    waits = [ModelError("", kind="busy", transient=True, retry_after=wait).retry_after for wait in given]

    assert waits == [5.0, None, None, None]
