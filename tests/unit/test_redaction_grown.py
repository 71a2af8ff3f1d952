"""Secrets that become known one after another are taken out of texts as if all had been known at once."""

from base64 import b64encode

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from agent_runtime_framework.actors.journey import Redaction

secrets = st.text('ab%+/="\\é', min_size=3, max_size=8) | st.text("abcd", min_size=60, max_size=70)
told = st.text("abcd ", max_size=8)


def in_base64(value: str) -> str:
    return b64encode(f"Ada:{value}!".encode()).decode()


@settings(deadline=None)  # how long one takes says nothing where others run beside it
@for_all(st.lists(st.lists(secrets, max_size=3), min_size=1, max_size=5), told, st.lists(st.booleans(), min_size=5))
def test_it_is_the_same_however_the_secrets_came(steps: list[list[str]], between: str, asked: list[bool]) -> None:
    grown, values = Redaction(()), set[str]()
    for step, ask in zip(steps, asked, strict=False):
        values |= set(step)
        grown = Redaction(values, grown)
        at_once = Redaction(values)
        every = sorted({form for value in values for form in (value, repr(value)[1:-1], in_base64(value))})
        text = between.join([*every, *(form[:-1] for form in every), *(form[1:] for form in every)])
        if ask:  # what was never asked for is not there to go on from
            assert grown.text(text) == at_once.text(text)
            assert grown.begun(text) == at_once.begun(text)
            assert grown.values == at_once.values
    fewer = Redaction(sorted(values)[1:], grown)
    text = between.join(sorted(values))
    assert fewer.text(text) == Redaction(sorted(values)[1:]).text(text)
