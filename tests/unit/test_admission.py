"""So many are admitted at once, the rest waits in order, and suspects come one at a time."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from agent_runtime_framework.actors import Admission


def test_as_many_as_there_is_room_for_are_admitted_and_the_rest_waits_in_order() -> None:
    room = Admission[str](2)

    assert [room.enter(one) for one in "abcd"] == [True, True, False, False]
    assert (room.within, room.waiting, room.queue()) == (2, 2, ("c", "d"))
    assert (room.ahead("c"), room.ahead("d")) == (0, 1)
    assert room.ahead("a") == 2  # if it asks again, it goes behind those who wait
    assert [room.leave("a"), room.leave("b"), room.leave("c")] == ["c", "d", None]
    assert (room.within, room.waiting) == (1, 0)


def test_who_asks_again_keeps_the_place_that_it_has() -> None:
    room = Admission[str](1)

    assert [room.enter(one) for one in "aababcb"] == [True, True, False, True, False, False, False]
    assert room.queue() == ("b", "c")


def test_who_stops_waiting_is_passed_over() -> None:
    room = Admission[str](1)
    for one in "abc":
        room.enter(one)

    assert room.leave("b") is None
    assert room.leave("a") == "c"


def test_suspects_are_admitted_one_at_a_time_and_hold_nobody_else_up() -> None:
    room = Admission[str](3)

    assert room.enter("s1", suspect=True)
    assert not room.enter("s2", suspect=True)
    assert [room.enter(one) for one in "abc"] == [True, True, False]
    assert room.queue() == ("s2", "c")
    assert room.leave("a") == "c"
    assert room.leave("s1") == "s2"


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans(), st.booleans()), max_size=60),
)
def test_whatever_comes_and_goes_nobody_is_forgotten(limit: int, moves: list[tuple[str, bool, bool]]) -> None:
    room, within, waiting = Admission[str](limit), dict[str, bool](), dict[str, bool]()
    for one, comes, suspect in moves:
        if comes:
            known = within.get(one, waiting.get(one, suspect))
            if room.enter(one, suspect=suspect):
                within[one] = known
                waiting.pop(one, None)
            else:
                waiting[one] = known
        else:
            within.pop(one, None)
            waiting.pop(one, None)
            following = room.leave(one)
            if following is not None:
                within[following] = waiting.pop(following)
        assert (room.within, set(room.queue())) == (len(within), set(waiting))
        assert len(within) <= limit
        assert sum(within.values()) <= 1
        blocked: list[Callable[[bool], bool]] = [
            lambda suspect: len(within) == limit or (suspect and any(within.values()))
        ]
        assert all(blocked[0](suspect) for suspect in waiting.values())
