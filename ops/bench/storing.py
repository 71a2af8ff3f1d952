"""Bytes: what the server stores of what was said."""

from .place import Place, talk
from .results import Floor, Reach, Row, row
from .work import USUAL, Model, Sizes

SHORT, CONVERSATIONS = 10, 8
KEPT = 100
"""Turns after which a conversation has a snapshot, as all longer ones have."""

SAID = "said"

TOKEN = 4
"""Bytes of a token."""

HISTORY, CALLS = 209_000 * TOKEN, 100
RESULT = 5_000
REST = (HISTORY // CALLS - RESULT) // 3
LARGE = Sizes(user=REST, arguments=100, result=RESULT, reply=HISTORY // CALLS - RESULT - REST - 100)


async def stored(place: Place) -> list[Row]:
    """Measure the bytes a turn after few turns, after some and after many, each in a namespace of its own."""
    few = await _a_turn(place, "bytes", SHORT, CONVERSATIONS)
    some = await _a_turn(place, "kept", KEPT, 1)
    long = await place.long()
    many, said = long.stored / long.turns, float(USUAL.said)
    reach = Reach(3.5, of_ratio=True)
    return [
        *(
            row("bytes", f"stored a turn, at turn {turns:,}", "B", [found], reach, floors=[(SAID, [said])])
            for turns, found in ((SHORT, few), (KEPT, some), (long.turns, many))
        ),
        row(
            "bytes",
            f"stored a turn, at turn {long.turns:,} against turn {KEPT}",
            "B",
            [many],
            Reach(1.05, of_ratio=True),
            floors=[(f"at turn {KEPT}", [some])],
        ),
    ]


async def _a_turn(place: Place, namespace: str, turns: int, conversations: int) -> float:
    place.say(f"bytes: {conversations} of {turns} turns")
    async with place.working(namespace) as runtime:
        for number in range(conversations):
            await talk(place, runtime, f"{namespace}-{number}", turns)
    return await place.stored(namespace) / (conversations * turns)


async def history(place: Place) -> list[Row]:
    """Measure what is stored of a conversation with large tool results."""
    place.say(f"history: {CALLS} calls of {RESULT:,} bytes each in {HISTORY:,} bytes")
    async with place.working("history", Model(LARGE)) as runtime:
        await talk(place, runtime, "history-1", CALLS, LARGE)
    found = await place.stored("history") / 1e6
    return [
        Row(
            name="history",
            what=f"{HISTORY // TOKEN:,} tokens of history, {CALLS} tool calls of {RESULT // 1000} KB each",
            unit="MB",
            measured=found,
            reach=Reach(3.0),
            floors=(Floor(SAID, HISTORY / 1e6, found / (HISTORY / 1e6)),),
            rounds=(found,),
        )
    ]
