"""What is set and unset between two readings of one state."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agent_runtime_framework.actors.journey import difference

FIELDS = st.dictionaries(st.text(max_size=3), st.binary(max_size=2), max_size=5)


def test_equal_readings_differ_in_nothing() -> None:
    assert difference({"a": b"1", "b": b"[]"}, {"b": b"[]", "a": b"1"}) == ({}, ())


def test_new_and_changed_fields_are_set_and_missing_ones_unset() -> None:
    before = {"kept": b"1", "changed": b"1", "gone": b"null"}
    after = {"kept": b"1", "changed": b"2", "new": b'""'}
    assert difference(before, after) == ({"changed": b"2", "new": b'""'}, ("gone",))


def test_a_field_that_becomes_null_is_set_not_unset() -> None:
    assert difference({"name": b'"Ada"'}, {"name": b"null"}) == ({"name": b"null"}, ())


def test_fields_come_sorted_by_name() -> None:
    names = ["z", "a", "m"]
    changed, unset = difference({}, dict.fromkeys(names, b"1"))
    assert (list(changed), unset) == (["a", "m", "z"], ())
    assert difference(dict.fromkeys(names, b"1"), {})[1] == ("a", "m", "z")


@settings(deadline=None)
@given(FIELDS, FIELDS)
def test_applying_the_difference_gives_what_is_after(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    changed, unset = difference(before, after)
    applied = {name: value for name, value in {**before, **changed}.items() if name not in unset}
    assert applied == after
    assert all(before.get(name) != value for name, value in changed.items())
