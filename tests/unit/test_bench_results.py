"""The benchmark's texts have the bytes that are counted, and its figures are shown as they were measured."""

import json
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ops.bench import results
from ops.bench.child import Look
from ops.bench.living import Came, growth
from ops.bench.results import BEGIN, END, Page, Reach, Row, Run, row
from ops.bench.rows import MEASUREMENTS
from ops.bench.storing import CALLS, HISTORY, LARGE
from ops.bench.work import USUAL, Words
from rich.console import Console

from agent_runtime_framework.events import FrameworkError

MOST = Reach(2.0, of_ratio=True)


@given(size=st.integers(1, 2_000), seed=st.integers())
def test_a_text_has_as_many_bytes_as_it_should(size: int, seed: int) -> None:
    assert len(Words(seed).text(size).encode()) == size


@given(seed=st.integers())
def test_the_arguments_of_a_call_are_json_of_their_size(seed: int) -> None:
    text = Words(seed).arguments(USUAL.arguments)

    assert len(text.encode()) == USUAL.arguments
    assert set(json.loads(text)) == {"topic", "text"}


def test_a_turn_says_1300_bytes_and_a_long_history_209000_tokens() -> None:
    assert USUAL.said == 1_300
    assert abs(LARGE.said * CALLS - HISTORY) < CALLS
    assert LARGE.result == 5_000


def test_no_text_is_said_twice() -> None:
    words = Words()

    assert len({words.text(500) for _ in range(1_000)}) == 1_000


def test_a_ratio_is_the_median_of_the_rounds_and_not_that_of_the_medians() -> None:
    found = row("one", "a turn", "ms", [2.0, 10.0, 3.0], MOST, floors=[("floor", [1.0, 2.0, 3.0])])

    assert (found.measured, found.floors[0].value, found.floors[0].ratio) == (3.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("reach", "figures", "reached"),
    [
        (Reach(2.0, of_ratio=True), [4.0], True),
        (Reach(2.0, of_ratio=True), [4.1], False),
        (Reach(2.0, at_least=True, of_ratio=True), [3.9], False),
        (Reach(2.0, at_least=True, of_ratio=True), [4.0], True),
        (Reach(3.0), [3.0], True),
        (Reach(3.0), [3.1], False),
        (Reach(3.0, at_least=True), [2.9], False),
    ],
)
def test_what_is_to_be_reached_is_compared_with_the_ratio_or_the_figure(
    reach: Reach, figures: list[float], reached: bool
) -> None:
    assert row("one", "a turn", "ms", figures, reach, floors=[("floor", [2.0])]).reached is reached


def test_what_was_not_measured_is_missed_and_says_so() -> None:
    found = Row(name="cold", what="an opening", unit="ms", measured=None, reach=Reach(50.0), notes="no snapshot")

    assert not found.reached
    assert found.cells() == ("cold", "an opening", "not measured", "", "", "at most 50 ms", "missed")


def test_a_run_is_a_table_json_and_a_page() -> None:
    run = a_run()

    shown = StringIO()
    run.show(Console(file=shown, width=200))
    assert "│ 5 ms" in shown.getvalue()
    assert "2.50 x, 5.00 x" in shown.getvalue()
    assert "missed" in shown.getvalue()

    plain = json.loads(run.json())
    assert plain["commit"] == "abc1234"
    (found,) = plain["rows"]
    assert found["measured"] == 5.0
    assert [floor["ratio"] for floor in found["floors"]] == [2.5, 5.0]
    assert (found["reached"], found["reach"]["limit"], found["rounds"]) == (False, 2.0, [5.0])

    assert "| one | a turn | 5 ms | 2 ms (JetStream), 1 ms (SQLite) | 2.50 x, 5.00 x | at most 2 x | missed |" in (
        run.markdown()
    )


def test_a_page_has_the_tables_of_the_last_run_only(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"# Figures\n\n{BEGIN}\n\nold\n\n{END}\n\nThe rest.\n")

    Page(path).put(a_run())

    once = path.read_text()
    assert once.startswith(f"# Figures\n\n{BEGIN}\n")
    assert once.endswith(f"{END}\n\nThe rest.\n")
    assert "old" not in once
    assert "abc1234" in once
    Page(path).put(a_run())
    assert path.read_text() == once


def test_a_page_without_a_place_for_them_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Figures\n")

    with pytest.raises(FrameworkError, match="between which"):
        Page(tmp_path / "page.md")
    with pytest.raises(FrameworkError, match="cannot be put"):
        Page(tmp_path / "none.md")


def test_the_page_of_benchmarks_has_a_place_for_them() -> None:
    Page(Path(results.__file__).parents[1] / "BENCHMARKS.md")


def test_each_row_can_be_chosen_by_its_name() -> None:
    names = "one many late bytes cold fold memory live history begun token"

    assert list(MEASUREMENTS) == names.split()


def a_run() -> Run:
    floors = [("JetStream", [2.0]), ("SQLite", [1.0])]
    return Run(
        date="2026-11-26 15:00 UTC",
        commit="abc1234",
        machine={"machine": "2 cores"},
        settings={"run": "quick"},
        seconds=60.0,
        rows=(row("one", "a turn", "ms", [5.0], MOST, floors=floors, notes="of one round"),),
    )


def crowd(*, there: int = 5, resident: int = 100_000_000, stayed: int = 0) -> Came:
    return Came(1.0, 1.0, Look(1, 1, 5), Look(1, 1, there), Look(resident, 1, stayed))


@pytest.mark.parametrize(
    ("last", "measured", "reached"),
    [
        (crowd(resident=105_000_000), 105.0, True),
        (crowd(resident=106_000_000), 106.0, False),
        (crowd(there=4), None, False),
        (crowd(stayed=1), None, False),
    ],
)
def test_a_worker_that_grows_by_more_than_a_twentieth_is_said_to_or_that_nothing_was_measured(
    last: Came, measured: float | None, reached: bool
) -> None:
    found = growth(5, Look(1, 1, 0), [crowd(), last], 1.0)

    assert (found.measured, found.reached) == (measured, reached)
    assert found.rounds == (last.gone.resident / 1e6,)


def test_a_worker_that_grows_little_by_little_grows() -> None:
    steps = [crowd(resident=1_000_000 * size) for size in (100, 104, 108)]

    assert growth(5, Look(1, 1, 0), steps, 1.0).reached is False
