"""`arf state`: a conversation as it is, or as it was: its step, its state, what was said, what is owed."""

from typing import Any, assert_never

import msgspec
from rich.table import Table
from rich.text import Text

from ....events import call_id, check_token
from ....projections import (
    AssistantMessage,
    Call,
    Conversation,
    EarlierMessage,
    Entry,
    Owed,
    OwedModelCall,
    OwedToolCall,
    ToolMessage,
    UserMessage,
    as_plain,
    called,
    calls_of,
    outstanding,
    state_of,
    text_of,
)
from ..console import output
from ..console.options import Options
from ..console.place import reading
from ..console.text import SHOWN, one_line, visible
from .progress import progress
from .summary import NO_REASON, edited
from .times import iso, local
from .withheld import say_withheld


async def show_state(options: Options, conversation: str, at: int | None) -> None:
    """Write a conversation to stdout, as it is after version `at` or after all that is recorded."""
    check_token(conversation, "conversation id")
    async with progress("reading the conversation"), reading(options) as client:
        now = await client.conversation(conversation, at)
        await say_withheld(client, conversation)
    if options.output == "text":
        output.write_table(_table(now))
    else:
        output.write_json(as_data(now), options.output)


def as_data(now: Conversation) -> dict[str, Any]:
    """Return a conversation as plain data."""
    return {
        "conversation": now.id,
        "version": now.version,
        "agent": now.agent,
        "journey": now.journey,
        "step": now.step,
        "status": now.status,
        "withheld": now.withheld,
        "turns": now.turns,
        "lineage": None if now.lineage is None else msgspec.to_builtins(now.lineage),
        "edits": msgspec.to_builtins(now.edits),
        "ended": None if now.ended is None else msgspec.to_builtins(now.ended),
        "owed": owed_as_data(outstanding(now)),
        "state": state_of(now),
        "left": {name: {"step": left.step, "state": as_plain(left.state)} for name, left in sorted(now.left.items())},
        "transcript": transcript(now),
    }


def transcript(now: Conversation) -> list[dict[str, Any]]:
    """Return what was said, in order, each entry with its turn; turn 0 is what was said before the conversation."""
    names: dict[str, str] = {}
    return [
        {"turn": turn, **entry_as_data(entry, names)}
        for turn in sorted(now.transcript.turns)
        for entry in now.transcript.window(turn, turn)
    ]


def entry_as_data(entry: Entry, names: dict[str, str]) -> dict[str, Any]:
    """Return one entry; `names` are those of the calls so far, by id."""
    match entry:
        case UserMessage():
            return {"version": entry.version, "role": "user", "content": entry.text}
        case AssistantMessage():
            calls = [{"id": call_id(entry.version, call.index), **_call(call)} for call in entry.calls]
            names |= {call["id"]: call["name"] for call in calls}
            return {"version": entry.version, "role": "assistant", "content": entry.text, "tool_calls": calls}
        case ToolMessage():
            id_ = call_id(entry.answer, entry.index)
            called_ = {"role": "tool", "tool_call_id": id_, "name": names.get(id_, "")}
            return {"version": entry.version, **called_, "content": entry.text, "failed": entry.failed}
        case EarlierMessage():
            return {"version": None, **entry.message}
        case _:
            assert_never(entry)


def _call(call: Call) -> dict[str, Any]:
    return {"name": call.name, "arguments": call.arguments}


def owed_as_data(owed: Owed | None) -> dict[str, Any] | None:
    """Return what is owed as plain data, None for nothing."""
    match owed:
        case None:
            return None
        case OwedModelCall(request=request):
            due = None if request.not_before is None else iso(request.not_before)
            asked = {"model": request.model, "request": request.version, "attempt": request.attempt}
            return {"kind": "model", "id": owed.id, **asked, "not_before": due}
        case OwedToolCall(running=running):
            call = {"call": call_id(owed.answer, owed.call.index), **_call(owed.call)}
            return {"kind": "tool", "id": owed.id, **call, "attempt": running.attempt, "effect": running.effect}
        case _:
            assert_never(owed)


# --- for people


def _table(now: Conversation) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", overflow="fold")
    table.add_column(overflow="fold")
    journey = f", in {now.journey}" if now.journey != now.agent else ""
    lines = [
        ("conversation", now.id),
        ("agent", f"{now.agent}{journey}"),
        ("version", f"{now.version}, {now.status}, {now.turns} turn{'' if now.turns == 1 else 's'}"),
        ("step", now.step),
        ("owed", owing(outstanding(now))),
    ]
    if now.lineage is not None:
        lines.insert(2, ("forked", f"from {now.lineage.parent} at version {now.lineage.version}"))
        lines[3:3] = [("", words) for edits in now.edits for words in edited(edits)]
    if now.left:
        left = ", ".join(f"{name} at {left.step}" if left.step else name for name, left in sorted(now.left.items()))
        lines.insert(2, ("left", left))
    if now.ended is not None and now.ended.outcome != "completed":
        error = f": {now.ended.error}" if now.ended.error else ""
        lines.append(("last turn", f"{now.ended.outcome}, {now.ended.reason or NO_REASON}{error}"))
    for name, text in lines:
        table.add_row(name, Text(one_line(text, SHOWN)))
    _section(table, "state", [(name, _json(value)) for name, value in state_of(now).items()])
    _section(table, "said", [words(entry) for entry in transcript(now)])
    return table


def _section(table: Table, title: str, rows: list[tuple[str, str]]) -> None:
    table.add_row()
    table.add_row(Text(title, "bold"))
    for name, text in rows:
        table.add_row(Text(f"  {one_line(name)}"), Text(_shown(text)))


def words(entry: dict[str, Any]) -> tuple[str, str]:
    """Return who said an entry of the transcript, and what."""
    calls = [f"-> {called(call)}" for call in calls_of(entry)]
    text = "\n".join([part for part in (text_of(entry), *calls) if part])
    return str(entry.get("name") or entry.get("role", "?")), _shown(text)


def _shown(text: str) -> str:
    return visible(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def owing(owed: Owed | None) -> str:
    """Return what is owed in words."""
    match owed:
        case None:
            return "nothing"
        case OwedModelCall(request=request):
            due = "" if request.not_before is None else f", not before {local(request.not_before)}"
            return f"a call of {request.model or 'the model'}, requested at {request.version}{due}"
        case OwedToolCall(running=running):
            return f"{called(owed.call)}, attempt {running.attempt} [{running.effect}]"
        case _:
            assert_never(owed)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
