"""The page of a report: whole as HTML and as XML, inert whatever was in the logs, readable without looking."""

import re
import unicodedata
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime_framework.runtime.reporting import Report, Scope
from agent_runtime_framework.runtime.reporting.page import page
from agent_runtime_framework.runtime.reporting.page.elements import VOID, exact, prose, tag
from agent_runtime_framework.runtime.reporting.page.style import STYLE
from support.reported import HOUR, NOW, PAGE, called, reported, small, some_of_each, turn

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    "</title></style><script>alert(1)</script>",
    "<!-- -->]]><?php ?>&amp;&#60;",
    "pay\u202eyap\u2066\u200d\u200b\ufeff",
    "\x00\x1b[31m\x07\r\n\t\x85\u2028\ufffe\U000e0041",
    "https://evil.example/x.js",
    "url(https://evil.example)",
    "",
    "a" * 100_000,
)

JOINING = "\u200c\u200d"
SPACES = {chr(code) for code in range(0x3001) if unicodedata.category(chr(code)) == "Zs"}


class Read(HTMLParser):
    """Reads a page as a browser would: its elements, attributes and text; and sees that each element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, name: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def as_xml(text: str) -> ET.Element:
    doctype, _, rest = text.partition("\n")
    assert doctype == "<!DOCTYPE html>"
    return ET.fromstring(rest)


def check(text: str) -> Read:
    """Return a page as read, which is whole, inert, and says what each part of it is."""
    read, root = Read(text), as_xml(text)
    names = {name for name, _ in read.elements}
    assert not names & {"script", "img", "link", "iframe", "object", "embed", "form", "input", "base", "image", "use"}
    attributes = {name for _, given in read.elements for name in given}
    assert not {
        name for name in attributes if name.startswith("on") or name in ("src", "style", "srcset", "xlink:href")
    }
    ids = [given["id"] for _, given in read.elements if "id" in given]
    assert len(ids) == len(set(ids))
    assert {unquote(given["href"]) for given in read.of("a")} <= {f"#{id_}" for id_ in ids}
    assert sum(name == "style" for name, _ in read.elements) == 1
    for table in root.iter("table"):
        assert table.find("caption") is not None
        assert all(cell.get("scope") == "col" for cell in table.findall("thead/tr/th"))
        assert all([cell.get("scope") for cell in line.findall("th")] == ["row"] for line in table.findall("tbody/tr"))
    for svg in root.iter("svg"):
        assert svg.get("aria-hidden") == "true" or (svg.get("role") == "img" and svg.get("aria-label"))
    return read


def test_the_page_of_a_small_report_is_this_one() -> None:
    assert page(small()) == PAGE.read_text(encoding="utf-8")


def test_a_page_is_whole_and_asks_nobody_for_anything() -> None:
    text = page(small())
    check(text)

    assert "http" not in text.replace('http-equiv="Content-Security-Policy"', "")
    assert "<script" not in text
    assert re.findall(r"url\([^)]*\)", text) == ["url(#hatched)"]
    (policy,) = [given["content"] for given in Read(text).of("meta") if "http-equiv" in given]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_a_page_says_what_happened() -> None:
    text = Read(page(small())).text

    for said in (
        "in doubt",
        "over the limit",
        "429 <slow>",
        "pay(amount=3)",
        "arf --namespace shop why c-1 --call 5.0",
    ):
        assert said in re.sub(r"\s+", " ", text)
    for heading in ("In doubt", "Calls over time", "Failures", "Refusals", "Open calls", "Latency", "Conversations"):
        assert heading in text
    assert "position 9: stored bytes are not a frame" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_wherever_it_stands(text: str) -> None:
    report = reported(
        [
            turn(
                called(text, "error", content=text, error=text, arguments={text: text}),
                called(text, "denied", started=False, policy="denied", policy_reason=text),
                called(text, "in_doubt", content=text),
                called(text, ""),
                conversation=text.replace(" ", "") or "c",
                agent=text,
                model=text,
                outcome="failed",
                reason=text,
                error=text,
            )
        ],
        Scope(namespace=text or "n", agent=text, made=NOW, prices=True),
        damaged={text.replace(" ", "") or "c": text},
    )

    check(page(report))


@given(st.text(st.characters(), max_size=20), st.text(st.characters(), max_size=20))
def test_any_text_is_well_formed_as_text_and_as_attribute(one: str, other: str) -> None:
    markup = tag("p", one, tag("code", exact(other)), tag("title", one), title=other)

    found = ET.fromstring(markup)

    assert [child.tag for child in found if child.tag != "span"] == ["code", "title"]
    assert all(char.isprintable() or char in JOINING or char in SPACES for char in "".join(found.itertext()))


def test_what_cannot_be_seen_is_written_out_and_what_joins_words_stays_in_prose() -> None:
    marked = '<span class="ctl">U+202E</span>'

    assert exact("a\u202eb") == prose("a\u202eb") == f"a{marked}b"
    assert exact("pay\u200d") == 'pay<span class="ctl">U+200D</span>'
    assert (
        prose("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645  a\nb")
        == "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 a b"
    )
    assert prose("<b>&\"'") == "&lt;b&gt;&amp;&quot;&#x27;"


def test_long_text_is_cut_with_a_note() -> None:
    text = page(reported([turn(called("t" * 500, "error", content="word " * 1_000))]))

    assert f'{"t" * 120}<span class="more"> … cut</span>' in text
    assert "4,720 more characters" in text
    assert len(text) < 60_000


def test_a_page_stays_small_and_says_how_much_more_there_is_and_where() -> None:
    calls = (
        turn(
            called(f"tool-{number % 90}", "error", content="no " * 200),
            at=NOW - number * HOUR,
            conversation=f"c-{number}",
        )
        for number in range(5_000)
    )
    text = page(reported(calls, Scope(made=NOW, since=NOW - 9_000 * HOUR)))
    read = re.sub(r"\s+", " ", check(text).text)

    assert "Calls that were run and failed: the latest 100 of 5,000" in read
    assert "4,900 more are not shown here; all of them: arf audit tools --verdict run --outcome error," in read
    assert "4,800 more are not shown here; all of them: arf list" in read
    assert "30 tools more with fewer are not shown here." in read
    assert len(text) < 700_000


def test_a_period_without_anything_has_a_page_that_says_so() -> None:
    text = page(Report(scope=Scope(namespace="shop", made=NOW, since=NOW - HOUR)))

    assert "Nothing happened in this period." in check(text).text


def test_without_a_price_list_no_cost_is_told() -> None:
    text = page(reported(some_of_each(), Scope(made=NOW), prices=None))

    assert "No price list was given" in text
    assert ">Cost<" in text
    assert 'class="num">Cost' not in text


def test_of_what_is_erased_no_word_is_shown() -> None:
    words = called("secret_tool", "error", content="secret content", arguments={"a": "secret"})
    text = page(reported([turn(words, conversation="c-9")], erased=("c-9",)))

    assert "secret" not in text
    assert text.count("<i>erased or sealed</i>") > 2


def test_nothing_is_cut_off_in_print() -> None:
    assert "@media print" in STYLE
    assert not re.search(r"overflow: hidden|max-height|(?<!-)height: [\d.]+(px|pt|mm|vh)|position: fixed", STYLE)
    assert "display: table-header-group" in STYLE


def test_a_mention_of_a_conversation_leads_to_its_row() -> None:
    read = Read(page(small()))
    rows = {given["id"] for given in read.of("tr") if "id" in given}

    assert {"c-c-1", "c-c-2", "c-c-4"} <= rows
    assert {given["href"].removeprefix("#") for given in read.of("a") if given["href"].startswith("#c-")} <= rows
