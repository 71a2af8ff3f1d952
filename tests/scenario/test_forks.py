"""A conversation is forked in the middle of a talk, and both go on as if the other were not there."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from agent_runtime_framework import (
    Client,
    Conflict,
    InvalidInput,
    NewerRelease,
    NotFound,
    Refused,
    Reply,
    Runtime,
)
from agent_runtime_framework.events import (
    ConversationErased,
    ConversationId,
    ConversationStarted,
    Frame,
    Head,
    Lineage,
    MemoryLog,
    ModelRequested,
    Stored,
    UnknownEvent,
    UserSpoke,
    without_keys,
)
from agent_runtime_framework.projections import Conversation, fold, initial
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import Substrate, in_memory
from agent_runtime_framework.testing import ScriptedLLM, calls
from support.journeys import OrderTools, frames, order_agent, recorded, working

NAMED = calls(("save_name", {"name": "Ada"}))
ADD = calls(("add", {"line": "tea"}))


async def head_of(rt: Client, conversation: str) -> Head:
    last = await rt.substrate.log.last(ConversationId(conversation))
    assert last is not None
    return last.head


async def cuts(rt: Runtime, conversation: str) -> list[int]:
    """Return the versions at which a conversation can be cut."""
    return [stored.head.version for stored in await frames(rt.substrate, conversation) if stored.frame.status == "idle"]


async def test_a_fork_goes_on_from_the_middle_of_a_talk_and_both_are_apart(substrate: Substrate) -> None:
    with ScriptedLLM(NAMED, "Hello Ada.", ADD, "Tea it is.", "What then?", "More tea?", "Nothing.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "I am Ada", timeout=20)
            await rt.send("order", "c-1", "tea", timeout=20)
            head, first = await head_of(rt, "c-1"), (await cuts(rt, "c-1"))[0]
            forked = await rt.fork("c-1", at=first, as_id="c-2")
            other = await rt.send("order", "c-2", "no tea", timeout=20)
            assert await head_of(rt, "c-1") == head
            same = await rt.send("order", "c-1", "and more", timeout=20)
            again = await rt.send("order", "c-2", "nothing at all", timeout=20)
            states = await rt.state("c-1"), await rt.state("c-2")

    assert (forked.conversation, forked.agent, forked.parent) == ("c-2", "order", "c-1")
    assert (forked.version, forked.turn, forked.step) == (first, 1, "order")
    assert (other.text, other.turn, other.version) == ("What then?", 2, other.version)
    assert (same.text, same.turn, again.text, again.turn) == ("More tea?", 3, "Nothing.", 3)
    assert [state["lines"] for state in states] == [["tea"], []]
    assert [state["name"] for state in states] == ["Ada", "Ada"]
    said = [message["content"] for message in llm.requests[4].messages if message["role"] == "user"]
    assert said == ["I am Ada", "no tea"]


async def test_a_fork_begins_with_its_lineage_and_refers_to_what_its_parent_said(substrate: Substrate) -> None:
    with ScriptedLLM("Who?", "Again: who?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "hi", timeout=20)
            head = await head_of(rt, "c-1")
            await rt.fork("c-1", as_id="c-2")
            await rt.send("order", "c-2", "hello?", timeout=20)
            events, own = (
                await recorded(rt, "c-2"),
                [one for one in await frames(substrate, "c-2") if not one.inherited],
            )
            parent = await rt.conversation("c-1")

    began = events[head.version].event
    assert isinstance(began, ConversationStarted)
    assert began.lineage == Lineage(parent="c-1", version=head.version, frame=head.hash)
    assert (began.agent, began.journey_hash, began.state, began.edits) == ("order", parent.journey_hash, {}, None)
    assert own[0].frame.events == (began,)
    assert (own[0].frame.first, own[0].frame.prev) == (head.version + 1, head.hash)
    assert {one.frame.parent for one in own} == {"c-1"}
    asked = [one for one in events if isinstance(one.event, ModelRequested)]
    assert asked[1].event.prompt is None  # type: ignore[union-attr]
    assert asked[1].event.prompt_at == asked[0].version <= head.version  # type: ignore[union-attr]


async def test_a_message_under_an_id_that_the_parent_heard_is_a_new_one_in_the_fork(substrate: Substrate) -> None:
    with ScriptedLLM("In the parent.", "In the fork.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            first = await rt.send("order", "c-1", "hi", message_id="m-1", timeout=20)
            await rt.fork("c-1", as_id="c-2")
            reply = await rt.send("order", "c-2", "hi", message_id="m-1", timeout=20)
            twice = await rt.send("order", "c-2", "hi", message_id="m-1", timeout=20)
            found = await rt.send("order", "c-1", "hi", message_id="m-1", timeout=20)

    assert (reply.text, reply.turn) == ("In the fork.", 2)
    assert (twice, found) == (reply, first)


async def test_a_fork_of_a_fork_hangs_on_it_and_an_earlier_cut_on_the_first(substrate: Substrate) -> None:
    with ScriptedLLM("One.", "Two.", "Three.", "Four.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "1", timeout=20)
            early = (await rt.fork("c-1", as_id="c-2")).version
            await rt.send("order", "c-2", "2", timeout=20)
            third = await rt.fork("c-2", as_id="c-3")
            fourth = await rt.fork("c-3", at=early, as_id="c-4")
            fifth = await rt.fork("c-3", at=third.version, as_id="c-5")
            reply = await rt.send("order", "c-3", "3", timeout=20)
            last = await rt.send("order", "c-4", "4", timeout=20)
            forks = {name: await rt.forks(name) for name in ("c-1", "c-2", "c-3", "c-4", "c-9")}
            parents = {one.conversation: one.parent async for one in rt.conversations()}

    assert (third.parent, fourth.parent, fourth.version, fifth.parent) == ("c-2", "c-1", early, "c-2")
    assert (reply.turn, last.turn) == (3, 2)
    assert [one["content"] for one in llm.requests[2].messages if one["role"] == "user"] == ["1", "2", "3"]
    assert [one["content"] for one in llm.requests[3].messages if one["role"] == "user"] == ["1", "4"]
    assert forks == {"c-1": ("c-2", "c-4"), "c-2": ("c-3", "c-5"), "c-3": (), "c-4": (), "c-9": ()}
    assert parents == {"c-1": "", "c-2": "c-1", "c-3": "c-2", "c-4": "c-1", "c-5": "c-2"}


async def test_a_version_inside_a_turn_is_refused_and_the_nearest_cuts_are_named(substrate: Substrate) -> None:
    with ScriptedLLM(NAMED, "Hello Ada.", "Yes?", "Well?") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            for text in ("I am Ada", "and", "so"):
                await rt.send("order", "c-1", text, timeout=20)
            first, second, third = await cuts(rt, "c-1")
            head = await head_of(rt, "c-1")
            nearest = f"{first} (after turn 1) and {second} (after turn 2)"
            for at in range(first + 1, second):
                with pytest.raises(Refused, match="nearest cuts are") as refused:
                    await rt.fork("c-1", at=at, as_id="c-2")
                assert str(refused.value) == (
                    f"'c-1' cannot be cut at version {at}, which is inside turn 2: the nearest cuts are {nearest}"
                )
            with pytest.raises(Refused, match=rf"inside turn 1: the nearest cut is {first} \(after turn 1\)$"):
                await rt.fork("c-1", at=3)
            for at in (0, -1, third + 1):
                with pytest.raises(NotFound, match=f"'c-1' has versions 1 to {third}, not {at}"):
                    await rt.fork("c-1", at=at)
            assert await head_of(rt, "c-1") == head
            assert await rt.forks("c-1") == ()


class Waiting(OrderTools):
    """Adds only when told to."""

    began: asyncio.Event
    go_on: asyncio.Event

    async def add(self, line: str) -> str:
        Waiting.began.set()
        await Waiting.go_on.wait()
        return await super().add(line)


async def test_a_turn_in_progress_is_not_cut_but_what_is_before_it_is(substrate: Substrate) -> None:
    Waiting.began, Waiting.go_on = asyncio.Event(), asyncio.Event()
    with ScriptedLLM(NAMED, "Hello Ada.", ADD, "Tea it is.", "In the fork.") as llm:
        async with working(order_agent(llm, tools=Waiting), substrate=substrate) as rt:
            await rt.send("order", "c-1", "I am Ada", timeout=20)
            first = (await head_of(rt, "c-1")).version
            sending = asyncio.ensure_future(rt.send("order", "c-1", "tea", timeout=20))
            await Waiting.began.wait()
            with pytest.raises(Refused, match=rf"inside turn 2: the nearest cut is {first} \(after turn 1\)$"):
                await rt.fork("c-1")
            await rt.fork("c-1", at=first, as_id="c-2")
            Waiting.go_on.set()
            reply = await sending
            other = await rt.send("order", "c-2", "nothing", timeout=20)
            states = await rt.state("c-1"), await rt.state("c-2")

    assert (reply.text, other.text) == ("Tea it is.", "In the fork.")
    assert [state["lines"] for state in states] == [["tea"], []]


async def test_an_id_of_which_something_is_recorded_is_taken(substrate: Substrate) -> None:
    with ScriptedLLM("One.", "Two.") as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "1", timeout=20)
            await rt.send("order", "c-2", "2", timeout=20)
            head = await head_of(rt, "c-2")
            for as_id in ("c-1", "c-2"):
                with pytest.raises(Conflict, match=f"there is a conversation '{as_id}' already") as conflict:
                    await rt.fork("c-1", as_id=as_id)
                assert conflict.value.exit_code == 4
            made = [await rt.fork("c-1") for _ in range(3)]
            assert await head_of(rt, "c-2") == head
            assert len({one.conversation for one in made}) == 3
            assert await rt.forks("c-1") == tuple(sorted(one.conversation for one in made))


async def test_a_fork_and_a_first_message_of_one_id_do_not_mix(substrate: Substrate) -> None:
    """Whoever comes first begins the conversation; the other goes on in it, or is refused."""
    count = 12
    with ScriptedLLM("One.", *["Well."] * count) as llm:
        async with working(order_agent(llm), substrate=substrate) as rt:
            await rt.send("order", "c-1", "1", timeout=20)
            cut = (await head_of(rt, "c-1")).version
            began = {0: 0, 1: 0}
            for number in range(count):
                name = f"r-{number}"
                send = rt.send("order", name, "hi", timeout=20)
                both: list[Any] = [send, rt.fork("c-1", as_id=name)]
                reply, fork = await asyncio.gather(*both, return_exceptions=True)
                assert isinstance(reply, Reply), reply
                now, inherited = await rt.conversation(name), [one.inherited for one in await frames(substrate, name)]
                won = not isinstance(fork, BaseException)
                began[won] += 1
                assert won or isinstance(fork, Conflict)
                assert reply.text == "Well."
                assert (now.turns, any(inherited), now.lineage is not None) == (1 + won, won, won)
                assert (await rt.conversation("c-1")).version == cut


async def test_a_worker_that_thought_the_conversation_new_goes_on_in_the_fork() -> None:
    """The fork comes between the look at the log and the append of the first message."""

    class Log(MemoryLog):
        between: Any = None

        async def append(self, conversation: ConversationId, frame: Frame, expected: Head) -> Stored:
            between, self.between = self.between, None
            if between is not None and conversation == "c-2":
                await between()
            return await super().append(conversation, frame, expected)

    log = Log()
    with ScriptedLLM("One.", "Two.") as llm:
        async with working(order_agent(llm), substrate=_over(log)) as rt:
            await rt.send("order", "c-1", "1", timeout=20)
            log.between = lambda: rt.fork("c-1", as_id="c-2")
            reply = await rt.send("order", "c-2", "2", timeout=20)

    assert (reply.text, reply.turn) == ("Two.", 2)
    assert [one["content"] for one in llm.requests[1].messages if one["role"] == "user"] == ["1", "2"]


def _over(log: MemoryLog) -> Substrate:
    return replace(in_memory(SystemClock()), log=log)


async def test_what_cannot_be_forked_is_said_to_be_so(substrate: Substrate) -> None:
    async with working(order_agent(ScriptedLLM("Hi.", "Ho.")), substrate=substrate) as rt:
        with pytest.raises(NotFound, match="no conversation 'c-1'"):
            await rt.fork("c-1")
        for name in ("c-1", "c-2"):
            await rt.send("order", name, "hi", timeout=20)
        await _append(substrate, "c-1", ConversationErased(), status="erased")
        cut = (await head_of(rt, "c-2")).version
        await _append(substrate, "c-2", UnknownEvent("mood.guessed", b'{"type":"mood.guessed"}'))
        with pytest.raises(Refused, match="'c-1' was erased: there is nothing to fork"):
            await rt.fork("c-1", at=5)
        with pytest.raises(NewerRelease, match=r"'c-2' holds events of a newer release \(mood.guessed\)"):
            await rt.fork("c-2")
        assert (await rt.fork("c-2", at=cut)).version == cut
        for version in ("9", 9.0, True):
            with pytest.raises(InvalidInput, match="the version must be a number, not"):
                await rt.fork("c-2", at=version)  # type: ignore[arg-type]
        for wrong in ("no id", "", "c" * 200):
            with pytest.raises(InvalidInput, match="conversation id"):
                await rt.fork("c-2", as_id=wrong)


async def _append(substrate: Substrate, conversation: str, event: Any, status: Any = "idle") -> None:
    last = await substrate.log.last(ConversationId(conversation))
    assert last is not None
    head = last.head
    frame = Frame(
        first=head.version + 1, time=0, writer="w-x", agent="order", status=status, prev=head.hash, events=(event,)
    )
    await substrate.log.append(ConversationId(conversation), frame, head)


async def test_another_worker_goes_on_with_the_turn_of_a_fork(substrate: Substrate) -> None:
    """The first life ends in the fork's turn, while its tool runs; the next one folds prefix and fork, and goes on."""
    Waiting.began, Waiting.go_on = asyncio.Event(), asyncio.Event()
    with ScriptedLLM(NAMED, "Hello Ada.", ADD) as llm:
        async with Runtime([order_agent(llm, tools=Waiting)], substrate=substrate, grace=0) as rt:
            worker = rt.worker()
            at_work = asyncio.ensure_future(worker.run())
            assert await worker.owned(at_work)
            await rt.send("order", "c-1", "I am Ada", timeout=20)
            await rt.fork("c-1", as_id="c-2")
            sending = asyncio.ensure_future(rt.send("order", "c-2", "tea", timeout=30))
            await Waiting.began.wait()
            at_work.cancel()
            await asyncio.wait([at_work])
            with ScriptedLLM("Is there tea?") as another:
                async with working(order_agent(another), substrate=substrate):
                    reply = await sending
            every = [one.type for one in await recorded(rt, "c-2")]
            parent = await rt.conversation("c-1")

    assert reply.text == "Is there tea?"
    assert every.count("turn.resumed") == 1
    assert parent.turns == 1
    results = [one["content"] for one in another.requests[0].messages if one["role"] == "tool"]
    assert "its outcome is unknown" in results[-1]


def test_a_fork_is_folded_as_a_conversation_that_has_heard_of_no_command() -> None:
    lineage = Lineage(parent="c-1", version=3, frame="f" * 64)
    began = ConversationStarted(agent="order", journey_hash="h", state={}, step="name")
    spoke = UserSpoke(message_id="m-1", text="hi")
    forked = ConversationStarted(agent="order", journey_hash="", state={}, lineage=lineage)
    frame = Frame(first=1, time=0, writer="w", agent="order", events=(began, spoke))

    before = fold(initial(ConversationId("c-2")), [frame])
    after: Conversation = fold(before, [Frame(first=3, time=0, writer="w", agent="order", events=(forked,))])

    assert (dict(before.handled), dict(after.handled)) == ({"m-1": 1}, {})
    assert (after.step, after.journey_hash, after.lineage, after.version) == ("name", "h", lineage, 3)


async def test_an_imported_fork_has_a_log_of_its_own_and_can_be_forked_anywhere(substrate: Substrate) -> None:
    """What it has from its parent stands in its own log, under the ids that the parent heard."""
    with ScriptedLLM("One.", "Two.", "Three.") as llm:
        elsewhere = in_memory(SystemClock())
        async with working(order_agent(llm), substrate=elsewhere) as rt:
            await rt.send("order", "c-1", "1", message_id="m-1")
            await rt.fork("c-1", as_id="c-2")
            await rt.send("order", "c-2", "2")
            assert await rt.forks("c-1") == ("c-2",)
            recording = await rt.recording("c-2")
        async with working(order_agent(llm), substrate=substrate) as rt:
            # where all is sealed, it was brought there before
            await Client(replace(substrate, log=without_keys(substrate.log), vault=None)).restore(recording)
            assert await rt.forks("c-1") == ()
            await rt.fork("c-2", as_id="c-3")
            cut = (await cuts(rt, "c-3"))[0]
            assert (await rt.fork("c-3", at=cut, as_id="c-4")).parent == "c-2"
            assert (await rt.conversation("c-4")).turns == 1
            assert (await rt.send("order", "c-2", "3", message_id="m-1", timeout=20)).text == "Three."
