"""Periods are divided into parts without gap or overlap, and amounts are in the part that has their time."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime_framework.runtime.reporting.page.charts import ticks
from agent_runtime_framework.runtime.reporting.periods import DAY, HOUR, Timeline, Unit, start_of, starts, unit_for
from agent_runtime_framework.runtime.reporting.spreads import Latencies, three_digits

times = st.integers(1, 4_102_444_799_999)
spans = st.sampled_from((HOUR, DAY, 3 * DAY, 100 * DAY, 1_000 * DAY, 10_000 * DAY))
units: tuple[Unit, ...] = ("hour", "day", "week", "month", "year")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("unit", "start", "following"),
    [
        ("hour", "2026-12-31T23:00", "2027-01-01T00:00"),
        ("day", "2026-12-31T00:00", "2027-01-01T00:00"),
        ("week", "2026-12-28T00:00", "2027-01-04T00:00"),
        ("month", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("year", "2026-01-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_a_part_begins_where_people_say_it_does(unit: Unit, start: str, following: str) -> None:
    moment = at("2026-12-31T23:59:59")

    assert start_of(moment, unit) == at(start)
    assert list(starts(moment, at("2027-01-04T00:00"), unit))[:2] == [at(start), at(following)]


@pytest.mark.parametrize(
    ("length", "unit"),
    [
        (0, "hour"),
        (2 * DAY, "hour"),
        (2 * DAY + 1, "day"),
        (62 * DAY, "day"),
        (90 * DAY, "week"),
        (3_000 * DAY, "month"),
    ],
)
def test_a_longer_period_has_longer_parts(length: int, unit: Unit) -> None:
    assert unit_for(at("2026-01-01"), at("2026-01-01") + length) == unit


@given(times, spans, st.sampled_from(units))
def test_parts_follow_each_other_and_each_time_is_in_one(first: int, span: int, unit: Unit) -> None:
    last = min(first + min(span, 400 * DAY), 4_102_444_799_999)
    parts = list(starts(first, last, unit))

    assert parts[0] <= first
    assert parts[-1] <= last
    assert all(one < other and start_of(other - 1, unit) == one for one, other in pairwise(parts))
    assert start_of(last, unit) == parts[-1]


@given(times, st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abc")), min_size=1, max_size=30), spans)
def test_amounts_are_in_the_part_of_their_time_in_whatever_order_they_come(
    first: int, given_: list[tuple[float, str]], span: int
) -> None:
    moments = [(min(first + int(part * span), 4_102_444_799_999), key) for part, key in given_]
    timeline = Timeline(None, None)
    for moment, key in moments:
        timeline.add(moment, {(key,): 1})
    unit, parts, rows = timeline.rows()

    assert unit == unit_for(min(moments)[0], max(moments)[0])
    for key in {key for _, key in moments}:
        expected = [sum(k == key and start_of(moment, unit) == part for moment, k in moments) for part in parts]
        assert list(rows[(key,)]) == expected


def test_a_period_that_was_asked_for_is_drawn_whole() -> None:
    timeline = Timeline(at("2026-11-01"), at("2026-11-08"))
    timeline.add(at("2026-11-03T12:00"), {("a",): 2})

    unit, parts, rows = timeline.rows()

    assert (unit, len(parts), parts[0], rows["a",]) == ("day", 7, at("2026-11-01"), (0, 0, 2, 0, 0, 0, 0))


@given(st.lists(st.integers(-5, 10**9), min_size=1, max_size=200))
def test_percentiles_are_those_of_the_sorted_measurements(took: list[int]) -> None:
    latencies = Latencies()
    for one in took:
        latencies.add(one)
    ordered = sorted(max(one, 0) for one in took)
    spread = latencies.spread()

    assert (spread.count, spread.longest) == (len(took), ordered[-1])
    for part, found in ((50, spread.p50), (95, spread.p95)):
        assert found == pytest.approx(ordered[-(-len(took) * part // 100) - 1], rel=0.006)


@given(st.integers(0, 10**12))
def test_three_digits_are_exact_below_a_second_and_near_above_it(took: int) -> None:
    assert three_digits(took) == took if took < 1_000 else abs(three_digits(took) - took) <= took * 0.005


@given(st.floats(0, 1e12), st.booleans())
def test_an_axis_has_few_round_marks_that_reach_the_largest(largest: float, whole: bool) -> None:
    marks = ticks(largest, whole=whole)

    assert (marks[0], 2 <= len(marks) <= 6) == (0, True)
    assert marks[-1] >= largest * (1 - 1e-6)
    assert not whole or all(mark == int(mark) for mark in marks)
