"""Which call `arf why` tells of where several fit, none does, or not all can be read; and the story as data."""

import json

import pytest

from agent_runtime_framework import NotFound
from agent_runtime_framework.events import ConversationId, CorruptLog, ToolFailed, TurnCompleted
from agent_runtime_framework.runtime.cli.console.options import Options
from agent_runtime_framework.runtime.cli.reading import why
from agent_runtime_framework.runtime.cli.reading.why import Asked
from support.audited import ASKED, BEFORE, Audited, chose
from support.forks import fork

ONE = chose(("add", {"k": 1}))
OVER = TurnCompleted(cause=3, reason="text_response")


@pytest.fixture
def place(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Audited:
    return Audited(why, capsys, monkeypatch)


CALLS = (
    *chose(("add", {"k": 1}), ("pay", {}), ("add", {"k": 2})),
    *(ToolFailed(cause=5, index=index, kind="denied", content="no") for index in range(3)),
)


async def test_of_several_calls_that_fit_the_last_is_told_and_the_others_are_named(place: Audited) -> None:
    await place.has(*CALLS)
    for asked, first, others in [
        (Asked(), "c-1 5.2 add(k=2): denied", ["2 more match: --call 5.1, --call 5.0"]),
        (Asked(tool="add"), "c-1 5.2 add(k=2): denied", ["1 more match: --call 5.0"]),
        (Asked(call="5.1"), "c-1 5.1 pay(): denied", []),
        (Asked(tool="pay", turn=1), "c-1 5.1 pay(): denied", []),
    ]:
        await why.show_why(Options(), "c-1", asked, prompts=False, prices=None)
        told, said = place.printed()
        assert (told[0], said) == (first, others)


async def test_a_call_that_is_not_there_is_not_found(place: Audited) -> None:
    await place.has(*CALLS)
    there = "; the last are 5.0 add, 5.1 pay, 5.2 add"
    for asked, words in [
        (Asked(tool="gone"), f"conversation 'c-1' has no tool call of 'gone'{there}"),
        (Asked(call="9.9", turn=2), f"conversation 'c-1' has no tool call with id '9.9' in turn 2{there}"),
    ]:
        with pytest.raises(NotFound) as raised:
            await why.show_why(Options(), "c-1", asked, prompts=False, prices=None)
        assert str(raised.value) == words


async def test_a_conversation_without_calls_has_none(place: Audited) -> None:
    await place.has(*BEFORE)
    with pytest.raises(NotFound, match=r"conversation 'c-1' has no tool call$"):
        await why.show_why(Options(), "c-1", Asked(), prompts=False, prices=None)


async def test_what_stands_before_a_damage_is_told_and_the_damage_is_said(place: Audited) -> None:
    await place.has(*CALLS)
    place.damage("c-1")
    assert await why.show_why(Options(), "c-1", Asked(call="5.1"), prompts=False, prices=None) == 1
    told, said = place.printed()
    assert (told[0], said) == ("c-1 5.1 pay(): denied", ["what comes after it cannot be read: the log was changed"])
    with pytest.raises(CorruptLog):
        await why.show_why(Options(), "c-1", Asked(call="9.9"), prompts=False, prices=None)


async def test_a_call_from_before_a_forks_cut_is_told_as_the_parents(place: Audited) -> None:
    await place.has(*ONE, ToolFailed(cause=5, kind="denied", content="no"), OVER)
    frames = [stored async for stored in place.log.read(ConversationId("c-1"))]
    await fork(place.log, frames[-1], ConversationId("f-1"))
    assert await why.show_why(Options(), "f-1", Asked(), prompts=False, prices=None) == 0
    lines, said = place.printed()

    assert lines[0] == "c-1 5.0 add(k=1): denied"
    assert "           [idempotent], key c-1@5.0" in lines
    assert said == ["f-1 was forked from c-1 after this call"]


async def test_the_printed_command_names_the_namespace_where_it_is_another(place: Audited) -> None:
    await place.has(*CALLS)
    await why.show_why(Options(namespace="other"), "c-1", Asked(), prompts=False, prices=None)

    assert "   exactly arf --namespace other prompt c-1 4" in place.printed()[0]


async def test_as_data_a_story_has_all_of_it(place: Audited) -> None:
    await place.has(*CALLS)
    await why.show_why(Options(output="json"), "c-1", Asked(call="5.0"), prompts=False, prices=None)
    found = json.loads("\n".join(place.printed()[0]))
    await why.show_why(Options(output="jsonl"), "c-1", Asked(call="5.0"), prompts=False, prices=None)
    (line,) = place.printed()[0]

    assert json.loads(line) == found
    assert (found["call"], found["tool"], found["verdict"], found["policy"]) == ("5.0", "add", "denied", None)
    assert found["request"]["prompt"] == {"at": 4, "text": ASKED.prompt}
    assert found["said"] == {
        "version": 2,
        "time": "1970-01-01T00:00:00.002Z",
        "message_id": "m-1",
        "text": "two\nteas",
    }
    assert (found["answer"]["version"], found["answer"]["response_id"], found["cost"]) == (5, "resp-1", None)
