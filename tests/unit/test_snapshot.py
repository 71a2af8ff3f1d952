"""Snapshots: whatever is kept of a conversation comes back as it was, or is thrown away."""

import json
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import replace

from agent_runtime_framework.events import (
    AnyEvent,
    CommandRefused,
    ConversationId,
    ConversationStarted,
    Head,
    JourneyEntered,
    KnownEvent,
    ModelAnswered,
    ModelRequested,
    StateChanged,
    StepEntered,
    ToolFailed,
    ToolReturned,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
    UserSpoke,
)
from agent_runtime_framework.projections import (
    FOLD,
    AssistantMessage,
    Call,
    Conversation,
    EarlierMessage,
    Ended,
    Left,
    Snapshot,
    ToolMessage,
    Transcript,
    Unfit,
    UserMessage,
    can_be_kept,
    evolve,
    initial,
    nothing_kept,
    parts_of,
    read_part,
    with_part,
)
from agent_runtime_framework.projections.conversation import Standing
from agent_runtime_framework.projections.snapshot import BODY_LIMIT, PART_LIMIT, Part
from agent_runtime_framework.projections.snapshot_body import PIECE, bodies, encoded
from agent_runtime_framework.runtime.crypto.ciphers import AesGcm, new_key
from support.golden import GOLDEN
from support.golden_snapshots import directory, golden, moments
from support.strategies import of_struct

CHAT = ConversationId("c-1")
LOGS = [log for log in sorted(GOLDEN.glob("*/*.jsonl")) if moments(log)]

started = of_struct(ConversationStarted).map(lambda event: replace(event, agent="a", lineage=None, edits=None))
between = st.one_of(
    [
        of_struct(kind)
        for kind in (ModelRequested, ModelAnswered, StateChanged, StepEntered, JourneyEntered, CommandRefused)
    ]
)
ends = st.one_of([of_struct(kind) for kind in (TurnCompleted, TurnFailed, TurnCancelled)])


@st.composite
def turns(draw: st.DrawFn, number: int, version: int) -> list[AnyEvent]:
    """Return the events of a turn, as they may be decided or as nobody decides them."""
    events: list[AnyEvent] = [draw(of_struct(UserSpoke)), TurnStarted(number=number)]
    for _ in range(draw(st.integers(0, 3))):
        events.append(draw(between))
        if isinstance(events[-1], ModelAnswered):
            answer = version + len(events)
            for index in range(draw(st.integers(0, 2))):
                events.append(ToolStarted(cause=answer, index=index, effect="read", step=""))
                outcome = draw(of_struct(ToolReturned) | of_struct(ToolFailed))
                events.append(replace(outcome, cause=answer, index=index))
    return [*events, draw(ends)]


@st.composite
def logs(draw: st.DrawFn) -> list[list[AnyEvent]]:
    """Return a conversation's beginning and its turns."""
    told, version = [[draw(started)]], 1
    for number in range(1, draw(st.integers(1, 5)) + 1):
        told.append(draw(turns(number, version)))
        version += len(told[-1])
    return told


def after(now: Conversation, events: list[AnyEvent]) -> Conversation:
    for event in events:
        now = evolve(now, event)
    return now


def canonical(now: Conversation) -> list[bytes]:
    return [encoded(body) for body in bodies(initial(now.id), now)]


def at(now: Conversation) -> Head:
    return Head(now.version, now.version + 7, sha256(b"%d" % now.version).hexdigest())


def kept(before: Snapshot, now: Conversation, cipher: AesGcm | None = None) -> list[bytes]:
    return list(parts_of(before, now, at(now), cipher))


def opened(parts: list[bytes], cipher: AesGcm | None = None, conversation: ConversationId = CHAT) -> Snapshot:
    snapshot = nothing_kept(conversation)
    for data in parts:
        snapshot = with_part(snapshot, read_part(data), cipher)
    return snapshot


@for_all(logs(), st.data())
def test_folding_on_from_any_snapshot_is_folding_from_the_beginning(
    told: list[list[AnyEvent]], data: st.DataObject
) -> None:
    cipher = AesGcm(bytes(32)) if data.draw(st.booleans()) else None
    parts, snapshot, now = list[bytes](), nothing_kept(CHAT), initial(CHAT)
    for place, events in enumerate(told):
        now = after(now, events)
        assert can_be_kept(now)
        if not data.draw(st.booleans()):
            continue
        parts += kept(snapshot, now, cipher)
        snapshot = opened(parts, cipher)

        assert (snapshot.conversation, snapshot.head, snapshot.whole) == (now, at(now), True)
        assert canonical(snapshot.conversation) == canonical(now)
        rest = [event for later in told[place + 1 :] for event in later]
        assert after(snapshot.conversation, rest) == after(now, rest)


def talked(turns: int, text: Callable[[int], str] = "text {}".format) -> list[Conversation]:
    """Return a conversation after each of so many turns."""
    now = evolve(initial(CHAT), ConversationStarted(agent="a", journey_hash="h", state={}))
    found = []
    for number in range(1, turns + 1):
        spoke = UserSpoke(message_id=f"m-{number}", text=text(number))
        now = after(now, [spoke, TurnStarted(number=number), TurnCompleted(reason="replied")])
        found.append(now)
    return found


def test_a_part_holds_what_is_new_however_long_the_conversation_is() -> None:
    every = talked(1_000)
    early = kept(replace(nothing_kept(CHAT), conversation=every[9]), every[49])
    late = kept(replace(nothing_kept(CHAT), conversation=every[959]), every[999])

    assert sum(map(len, late)) < 1.2 * sum(map(len, early))


def test_a_large_gain_comes_in_pieces_that_give_the_conversation_together() -> None:
    now = talked(12, lambda number: chr(0x4E00 + number) * (PIECE // 8))[-1]
    parts = kept(nothing_kept(CHAT), now)

    assert len(parts) > 3
    assert opened(parts).conversation == now
    assert not opened(parts[:-1]).whole


def test_what_a_part_repeats_of_what_was_said_before_it_costs_little() -> None:
    said = "".join(sha256(b"%d" % number).hexdigest() for number in range(9))

    def second_part(text: str) -> int:
        one, two = talked(2, lambda turn: said if turn == 1 else text)
        (part,) = kept(opened(kept(nothing_kept(CHAT), one)), two)
        return len(part)

    assert second_part(said) < second_part(said[::-1]) - 100


def test_what_is_no_conversation_between_two_turns_of_its_own_log_is_not_kept() -> None:
    now = talked(2)[-1]
    spoken = evolve(now, UserSpoke(message_id="m", text="hi"))
    running = evolve(spoken, TurnStarted(number=3))
    for none in (
        initial(CHAT),
        spoken,
        running,
        replace(now, withheld=True),
        replace(now, unknown=("star.fell",)),
        replace(now, erased=True),
    ):
        assert not can_be_kept(none)
        with pytest.raises(Unfit):
            kept(nothing_kept(CHAT), none)
    assert can_be_kept(now)


def test_what_does_not_come_back_as_it_was_is_not_kept() -> None:
    now = talked(2)[-1]
    nobody_records = replace(now, transcript=now.transcript.add(2, EarlierMessage({"a": (1, 2)})))
    lost = replace(now, transcript=Transcript())

    for none, before in ((nobody_records, initial(CHAT)), (lost, now)):
        with pytest.raises(Unfit, match="does not come back"):
            kept(replace(nothing_kept(CHAT), conversation=before), none)


def test_what_is_larger_than_a_message_is_not_kept() -> None:
    noise = {"x": json.dumps([sha256(b"%d" % number).hexdigest() for number in range(30_000)]).encode()}

    with pytest.raises(Unfit, match="too large"):
        kept(nothing_kept(CHAT), replace(talked(1)[-1], state=noise))


class Chains:
    """Are two chains of three parts that may be mixed up."""

    def __init__(self, cipher: AesGcm | None) -> None:
        self.cipher = cipher
        self.every = talked(6)
        self.mine = self.chain(self.every[1::2])
        self.other = self.chain([replace(now, id=ConversationId("c-2"), root="c-2") for now in self.every[1::2]])
        self.again = self.chain(self.every[::2])

    def chain(self, moments: list[Conversation]) -> list[bytes]:
        parts: list[bytes] = []
        for now in moments:
            parts += kept(opened(parts, self.cipher, now.id), now, self.cipher)
        return parts


@pytest.fixture(params=["clear", "sealed"])
def chains(request: pytest.FixtureRequest) -> Chains:
    return Chains(AesGcm(new_key()) if request.param == "sealed" else None)


def resealed(data: bytes, **changed: Any) -> bytes:
    """Return a part as somebody makes it who writes what they like, with the digest that it then has."""
    packed = msgspec.msgpack.encode(replace(read_part(data).part, **changed))
    return sha256(packed).digest() + packed


def test_parts_of_another_chain_in_another_order_or_missing_do_not_fit(chains: Chains) -> None:
    one, two, three = chains.mine
    assert opened(chains.mine, chains.cipher).conversation == chains.every[-1]
    for mixed in (
        [one, three],
        [two, three],
        [two, one, three],
        [one, one, two],
        [one, chains.other[1], three],
        [one, chains.again[1]],
        chains.other,
    ):
        with pytest.raises(Unfit):
            opened(mixed, chains.cipher)


def test_no_bit_of_a_part_can_be_changed(chains: Chains) -> None:
    (data,) = chains.mine[:1]
    for place in range(len(data)):
        changed = bytes([*data[:place], data[place] ^ 1, *data[place + 1 :]])
        with pytest.raises(Unfit):
            opened([changed], chains.cipher)
    for length in (0, 1, 32, 33, len(data) - 1):
        with pytest.raises(Unfit):
            opened([data[:length]], chains.cipher)


@pytest.mark.parametrize(
    "changed", [{"version": 3}, {"position": 1}, {"hash": "f"}, {"sealed": True}, {"fold": FOLD + 1}, {"number": 2}]
)
def test_what_a_sealed_part_says_cannot_be_said_otherwise(changed: dict[str, Any]) -> None:
    chains = Chains(AesGcm(new_key()))
    forged = resealed(chains.mine[0], **(changed if changed != {"sealed": True} else {"sealed": False}))

    with pytest.raises(Unfit):
        opened([forged], chains.cipher)


def test_a_sealed_part_opens_only_where_it_stands_and_under_its_key() -> None:
    chains = Chains(AesGcm(new_key()))
    elsewhere = resealed(chains.other[0], conversation="c-1")
    clear = Chains(None)

    for parts, cipher in (
        ([elsewhere], chains.cipher),
        (chains.mine, AesGcm(new_key())),
        (chains.mine, None),
        (clear.mine, chains.cipher),
    ):
        with pytest.raises(Unfit):
            opened(parts, cipher)


def test_words_are_not_in_the_bytes_of_a_sealed_part_nor_when_those_are_inflated() -> None:
    now = talked(3, lambda _: "Ada Lovelace")[-1]
    (data,) = kept(nothing_kept(CHAT), now, AesGcm(new_key()))

    assert b"Lovelace" not in data
    with pytest.raises(zlib.error):
        zlib.decompress(read_part(data).part.body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no zlib",
        zlib.compress(b"no JSON"),
        zlib.compress(b"[" * 100_000),
        zlib.compress(b'{"turns":' + b"[" * 100_000),
        zlib.compress(b'{"turns":[[1,[["e",{"x":' + b"[" * 100_000),
        zlib.compress(b'{"turns":[[1,[["x",1,""]]]]}'),
        zlib.compress(b'{"handled":{"m":"x"}}'),
        zlib.compress(b'{"handled":{"m":"\xff"}}'),
        zlib.compress(b"{}") + b"more",
        zlib.compress(b'{"turns":[]}')[:-4],
        zlib.compress(b" " * (BODY_LIMIT + 1)),
    ],
    ids=range(12),
)
def test_a_hostile_body_does_not_fit(body: bytes) -> None:
    assert len(body) < PART_LIMIT

    with pytest.raises(Unfit):
        opened([resealed(kept(nothing_kept(CHAT), talked(1)[-1])[0], body=body)])


# --- revisions


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_parts_hold_what_those_of_this_revision_held(log: Path) -> None:
    path = directory() / f"{log.parent.name}-{log.stem}.json"

    assert json.loads(path.read_text()) == golden(log), (
        "a log folds to something else, or a part of a snapshot has another form, so none that is stored may be used "
        "any more: count projections.snapshot.FOLD up, and run tests/support/golden_snapshots.py"
    )


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_a_golden_conversation_comes_back_from_every_moment(log: Path) -> None:
    parts, snapshot = list[bytes](), nothing_kept(ConversationId(log.stem))
    for now, head in moments(log):
        parts += parts_of(snapshot, now, head)
        snapshot = opened(parts, conversation=now.id)

        assert (snapshot.conversation, snapshot.head) == (now, head)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (
            Conversation,
            "id version agent journey journey_hash lineage root edits state step left transcript turn turns spoken "
            "reply handled ended poisoned prompts tools unknown erased withheld lost",
        ),
        (Ended, "turn message_id version outcome reason text error usage metadata left"),
        (Left, "state step journey_hash"),
        (Standing, "at where"),
        (Transcript, "turns latest"),
        (UserMessage, "version text"),
        (AssistantMessage, "version text calls"),
        (ToolMessage, "version answer index text failed"),
        (EarlierMessage, "message"),
        (Call, "index name arguments problem provider_id"),
        (Part, "fold conversation number version position hash before sealed body"),
    ],
)
def test_every_field_of_a_fold_is_known_to_what_is_kept(kind: type[msgspec.Struct], fields: str) -> None:
    assert [field.name for field in structs.fields(kind)] == fields.split(), (
        "see to it in projections/snapshot_body.py, count FOLD up, and then tell this test"
    )


def test_every_kind_of_event_is_known_to_what_is_kept() -> None:
    tags = " ".join(str(kind.__struct_config__.tag) for kind in get_args(KnownEvent))

    assert tags == (
        "conversation.started user.spoke turn.started turn.resumed model.requested model.answered model.failed "
        "tool.started tool.returned tool.failed state.changed step.entered journey.entered journey.revised agent.spoke "
        "turn.completed turn.failed turn.cancelled command.refused conversation.erased"
    ), (
        "a release that does not know an event never decides after it, so it must not open what this one keeps: "
        "count projections.snapshot.FOLD up, and then tell this test"
    )
