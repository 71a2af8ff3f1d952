"""What `arf audit tools` lists: the calls of all conversations that fit, the newest last, whatever they hold."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime_framework import InvalidInput, NotFound
from agent_runtime_framework.events import (
    AnyEvent,
    ConversationId,
    Stored,
    ToolFailed,
    ToolReturned,
    ToolStarted,
    TurnCompleted,
)
from agent_runtime_framework.projections import VERDICTS
from agent_runtime_framework.runtime.cli.console.options import Options
from agent_runtime_framework.runtime.cli.reading import auditing
from agent_runtime_framework.runtime.cli.reading.auditing import Listing
from agent_runtime_framework.runtime.cli.reading.moments import moment
from agent_runtime_framework.runtime.cli.reading.spreadsheet import COLUMNS
from agent_runtime_framework.runtime.cli.reading.wanted import OUTCOMES, Filters, wanted
from support.audited import Audited, chose
from support.forks import fork

OVER = TurnCompleted(cause=3, reason="text_response")
DAY = 86_400_000


def ran(name: str, arguments: dict[str, Any], content: str = "ok") -> tuple[AnyEvent, ...]:
    return (*chose((name, arguments)), ToolStarted(cause=5), ToolReturned(cause=5, content=content, latency_ms=7), OVER)


def refused(name: str, kind: Any, **more: Any) -> tuple[AnyEvent, ...]:
    return (*chose((name, {})), ToolFailed(cause=5, kind=kind, content="Error: no", **more), OVER)


@pytest.fixture
async def place(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Audited:
    """A place with four conversations, in each a call."""
    place = Audited(auditing, capsys, monkeypatch)
    await place.has(
        *ran("pay", {"amount": 12, "order": {"id": "a-7", "lines": [1, 2]}}), conversation="c-2", at=2 * DAY
    )
    await place.has(*refused("pay", "denied", policy="denied", reason="over"), conversation="c-1", at=3 * DAY)
    await place.has(*refused("gone", "not_offered"), conversation="c-3", at=DAY)
    await place.has(*chose(("add", {"amount": "12"})), ToolStarted(cause=5), conversation="c-4", at=2 * DAY)
    return place


async def listed(place: Audited, form: str = "jsonl", limit: int | None = None, **typed: Any) -> list[Any]:
    """Return the conversations of the calls that fit, in order."""
    assert await auditing.show_tools(Options(), Filters(**typed), Listing(form, limit)) == 0
    return [json.loads(line)["conversation"] for line in place.printed()[0]]


async def test_calls_are_listed_by_the_time_of_the_choice_whoever_has_them(place: Audited) -> None:
    assert await listed(place) == ["c-3", "c-2", "c-4", "c-1"]
    assert await listed(place, limit=2) == ["c-4", "c-1"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"tools": ["pay"]}, ["c-2", "c-1"]),
        ({"tools": ["pay", "gone"]}, ["c-3", "c-2", "c-1"]),
        ({"tools": ["nobody"]}, []),
        ({"agents": ["order"]}, ["c-3", "c-2", "c-4", "c-1"]),
        ({"agents": ["other"]}, []),
        ({"conversations": ["c-4", "c-1"]}, ["c-4", "c-1"]),
        ({"verdicts": ["denied"]}, ["c-1"]),
        ({"verdicts": ["denied,not_offered"]}, ["c-3", "c-1"]),
        ({"verdicts": ["denied", "run"]}, ["c-2", "c-4", "c-1"]),
        ({"outcomes": ["returned"]}, ["c-2"]),
        ({"outcomes": ["none"]}, ["c-4"]),
        ({"since": "1970-01-03T12:00Z"}, ["c-1"]),
        ({"until": "1970-01-03T12:00Z"}, ["c-3", "c-2", "c-4"]),
        ({"since": "1970-01-02T12:00Z", "until": "1970-01-03T12:00Z"}, ["c-2", "c-4"]),
        ({"since": "7d"}, []),
        ({"arguments": ["amount=12"]}, ["c-2", "c-4"]),
        ({"arguments": ['amount="12"']}, ["c-4"]),
        ({"arguments": ["amount=12.0"]}, ["c-2"]),
        ({"arguments": ["order.id=a-7"]}, ["c-2"]),
        ({"arguments": ["order.lines.1=2"]}, ["c-2"]),
        ({"arguments": ["order.lines=[1,2]"]}, ["c-2"]),
        ({"arguments": ["order.lines=[1,true]"]}, []),
        ({"arguments": ["amount=12", "order.id=b"]}, []),
        ({"arguments": ["amount="]}, []),
        ({"tools": ["pay"], "verdicts": ["run"], "arguments": ["amount=12"]}, ["c-2"]),
    ],
)
async def test_what_is_asked_for_is_what_is_listed(place: Audited, typed: dict[str, Any], expected: list[str]) -> None:
    assert await listed(place, **typed) == expected


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"verdicts": ["maybe"]}, f"--verdict 'maybe': there is {', '.join(VERDICTS)}"),
        ({"verdicts": ["denied,"]}, "--verdict '': there is run"),
        ({"outcomes": ["good"]}, f"--outcome 'good': there is {', '.join(OUTCOMES)}"),
        ({"arguments": ["amount"]}, "--arg 'amount': write name=value, such as --arg amount=12"),
        ({"arguments": ["=12"]}, "--arg '=12': write name=value"),
        ({"since": "yesterday"}, "--since 'yesterday': say how long ago, such as 7d or 12h, or when: 2026-08-01T09:30"),
        ({"until": "7 d"}, "--until '7 d': say how long ago"),
        ({"since": "0001-01-01"}, "--since '0001-01-01'"),
        ({"agents": ["a b"]}, "agent key 'a b' is not valid"),
        ({"conversations": ["a*"]}, "conversation id 'a*' is not valid"),
    ],
)
async def test_what_is_no_filter_is_one_clear_line(place: Audited, typed: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        await auditing.show_tools(Options(), Filters(**typed), Listing("text"))

    assert str(raised.value).startswith(words)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 2


async def test_as_text_each_call_is_an_aligned_line(place: Audited) -> None:
    await auditing.show_tools(Options(), Filters(), Listing("text"))
    lines, said = place.printed()

    told = [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DAY", line) for line in lines]
    assert told == [
        "DAY  c-3  5.0  not offered        -     1100 tokens  gone(): Error: no",
        'DAY  c-2  5.0  run, returned      7 ms  1100 tokens  pay(amount=12, order={"id":"a-7","lines":[1,2]})',
        'DAY  c-4  5.0  run, not over yet  -     1100 tokens  add(amount="12")',
        "DAY  c-1  5.0  denied             -     1100 tokens  pay(): over",
    ]
    assert said == []


async def test_the_cost_is_a_column_where_there_are_prices(place: Audited, tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"m": {"input": 2.5, "output": 10}}')
    await auditing.show_tools(Options(), Filters(tools=["gone"]), Listing("text", prices=str(prices)))
    ((line,), _) = place.printed()
    await auditing.show_tools(Options(), Filters(tools=["gone"]), Listing("json", prices=str(prices)))
    ((found,), _) = json.loads("\n".join(place.printed()[0])), None

    assert "  1100 tokens  0.003500  gone(): " in line
    assert found["cost"] == 0.0035
    assert found["request"]["prompt"] == {"at": 4}


async def test_where_nothing_fits_that_is_said(place: Audited) -> None:
    for form, empty in [("text", []), ("jsonl", []), ("json", ["[]"]), ("csv", [",".join(COLUMNS)])]:
        assert await auditing.show_tools(Options(), Filters(tools=["nobody"]), Listing(form)) == 0
        assert place.printed() == (empty, ["no such calls"])


async def test_a_damaged_conversation_is_said_and_hides_no_other(place: Audited) -> None:
    place.damage("c-2")
    assert await auditing.show_tools(Options(), Filters(), Listing("jsonl")) == 1
    lines, said = place.printed()

    assert [json.loads(line)["conversation"] for line in lines] == ["c-3", "c-2", "c-4", "c-1"]
    assert said == ["c-2 cannot be read, or not to its end: the log was changed"]


async def test_a_conversation_that_is_not_there_is_not_found(place: Audited) -> None:
    with pytest.raises(NotFound, match="no conversation 'c-9'"):
        await auditing.show_tools(Options(), Filters(conversations=["c-1", "c-9"]), Listing("text"))


async def test_what_a_fork_has_from_its_parent_is_listed_once_and_as_the_parents(place: Audited) -> None:
    frames: Sequence[Stored] = [stored async for stored in place.log.read(ConversationId("c-2"))]
    await fork(place.log, frames[-1], ConversationId("f-1"))

    assert await listed(place) == ["c-3", "c-2", "c-4", "c-1"]
    assert await listed(place, conversations=["f-1"]) == []


# --- csv


async def test_as_csv_each_call_is_a_row(place: Audited) -> None:
    await auditing.show_tools(Options(), Filters(), Listing("csv"))
    rows = place.rows()

    assert [(row["conversation"], row["tool"], row["verdict"], row["outcome"]) for row in rows] == [
        ("c-3", "gone", "not_offered", "not_offered"),
        ("c-2", "pay", "run", "returned"),
        ("c-4", "add", "run", ""),
        ("c-1", "pay", "denied", "denied"),
    ]
    assert json.loads(rows[1]["arguments"]) == {"amount": 12, "order": {"id": "a-7", "lines": [1, 2]}}
    assert (rows[1]["latency_ms"], rows[1]["tokens"], rows[1]["key"]) == ("7", "1100", "c-2@5.0")
    assert (rows[3]["policy"], rows[3]["policy_reason"]) == ("denied", "over")


@pytest.mark.parametrize("nasty", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1"])
async def test_no_cell_of_the_csv_is_a_formula_whoever_wrote_it(place: Audited, nasty: str) -> None:
    denied = ToolFailed(cause=5, kind="denied", content=nasty, policy="denied", reason=nasty)
    await place.has(*chose((nasty, {nasty: nasty}), words=nasty), denied, conversation="n-1", at=4 * DAY)
    await auditing.show_tools(Options(), Filters(conversations=["n-1"]), Listing("csv"))
    (row,) = place.rows()

    assert row["tool"].startswith(("'", "\\"))
    for cell in row.values():
        assert not cell.lstrip(" \t\r\n").startswith(("=", "+", "-", "@", "\uff1d"))


# --- what is typed


def test_a_moment_is_so_long_ago_or_a_date_and_a_time() -> None:
    assert moment("--since", "2h", 10 * DAY) == 10 * DAY - 7_200_000
    assert moment("--since", "1970-01-02T00:00:00Z", 0) == DAY
    assert moment("--since", "1970-01-02T01:00:00.250+01:00", 0) == DAY + 250
    assert moment("--since", "1970-01-02", 0) - moment("--since", "1970-01-01", 0) == DAY


@given(st.text(), st.text())
def test_any_text_is_a_filter_or_a_clear_error(name: str, value: str) -> None:
    for typed in (Filters(arguments=[f"{name}={value}"]), Filters(since=value), Filters(verdicts=[value])):
        try:
            wanted(typed, 0)
        except InvalidInput as error:
            assert error.exit_code == 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    st.text(alphabet="ab.01", max_size=6),
    st.text(max_size=4),
)
def test_a_path_into_any_argument_finds_something_or_nothing(argument: Any, path: str, value: str) -> None:
    (wanted_argument,) = wanted(Filters(arguments=[f"a{path}={value}"]), 0).arguments
    wanted_argument.fits({"a": argument, "a.b": argument})


async def test_an_argument_whose_name_has_dots_is_found(place: Audited) -> None:
    await place.has(*ran("pay", {"a.b": {"c.d": 1}}), conversation="d-1", at=4 * DAY)

    assert await listed(place, arguments=["a.b.c.d=1"]) == ["d-1"]
