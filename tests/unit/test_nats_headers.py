"""The headers of a message are read as nats-py reads them."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client

from agent_runtime_framework.runtime.nats.headers import as_text, parsed

NAMES = st.sampled_from(["Status-Of", "Nats-Sequence", "A", "with space", "tab\tin", "é", "unit\x1f", " Padded "])
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)
LINES = st.lists(
    st.builds("{}{}{}".format, NAMES, st.sampled_from([":", ": ", ":\t", " : "]), VALUES)
    | st.sampled_from(["no colon", ""]),
    max_size=5,
)
STATUS, SAID = st.sampled_from(["100", "404", "503"]), st.sampled_from(["Idle Heartbeat", "No: Good"])
# of a status without words, before headers, nats-py makes words of the headers
FIRST = st.just("NATS/1.0") | st.builds("NATS/1.0 {} {}".format, STATUS, SAID)


@given(FIRST, LINES)
def test_headers_are_read_as_nats_py_reads_them(first: str, lines: list[str]) -> None:
    data = "\r\n".join([first, *lines, "", ""]).encode()

    assert (parsed(as_text(data)) or {}) == (asyncio.run(Client()._process_headers(data)) or {})


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (b"NATS/1.0 404 No Messages\r\n\r\n", {"Status": "404", "Description": "No Messages"}),
        (b"NATS/1.0 503\r\n\r\n", {"Status": "503"}),
        (b"NATS/1.0\r\n\r\n", None),
        (b"NATS/1.0\r\nNats-Sequence: 7\r\nA: \xff\r\n\r\n", {"Nats-Sequence": "7", "A": "\\xff"}),
    ],
)
def test_what_the_server_says_and_what_is_no_text_can_be_read(data: bytes, headers: dict[str, str] | None) -> None:
    assert parsed(as_text(data)) == headers
