"""`arf replay --model live`: the model asked again at each point of recorded conversations."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from rich.text import Text

from ....actors.replay import Asked, Counts, Reasked, counted
from ....events import Usage
from ...loading import load_agents
from ...replay import Reasking
from ...secret_keys import secrets_to_read
from ..console import output
from ..console.options import Options
from ..reading.progress import progress
from .replaying import agent_of
from .sources import sources

_COLUMNS: Final = {
    "same": "same",
    "words": "words",
    "tool": "tool",
    "arguments": "arguments",
    "step": "step",
    "code": "code",
    "failed": "failed",
}


async def show_reasked(
    options: Options, conversations: Sequence[str], agent: str, *, concurrency: int, budget: int
) -> int:
    """Write where the model chooses otherwise to stdout, and return 1 if it does anywhere, or gave no answer."""
    with output.authors_prints_apart():
        agents = {one.key: one for one in load_agents([agent])}
    reasking = Reasking(concurrency=concurrency, budget=budget, secrets=secrets_to_read(options.namespace))
    async with progress("reading events") as read, sources(options, conversations) as each:
        async for source in each:
            one = agent_of(source.agent, agents, source.conversation)
            with output.authors_prints_apart():
                await reasking.read(read.of(source.frames), one)
    total = reasking.total
    try:
        async with progress("asking the model", total=min(total, budget)) as asked:
            with output.authors_prints_apart():
                await reasking.ask(asked.one)
    except asyncio.CancelledError:
        counts = _write(options, reasking.found)
        output.say(f"ended: asked {counts.asked:,} of {total:,} points")
        raise
    counts = _write(options, reasking.found)
    if counts.asked < total:
        output.say(
            f"asked {counts.asked:,} of {total:,} points: the budget of {budget:,} calls is spent (--calls sets it)"
        )
    return int(any(one.differs for one in reasking.found))


def _write(options: Options, found: Sequence[Reasked]) -> Counts:
    """Write what was found, and return the sum."""
    points = [point for one in found for point in one.points]
    counts = counted(points, sum(one.total for one in found))
    match options.output:
        case "json":
            data = {"conversations": [as_data(one) for one in found], "summary": msgspec.to_builtins(counts)}
            output.write_json(data, "json")
        case "jsonl":
            for one in found:
                output.write_json(as_data(one), "jsonl")
        case _:
            _write_text(found, counts)
    return counts


def as_data(result: Reasked) -> dict[str, Any]:
    """Return what came of asking again in one conversation as plain data."""
    data: dict[str, Any] = msgspec.to_builtins(result)
    return {**data, "differs": result.differs, "summary": msgspec.to_builtins(result.counts)}


def _write_text(found: Sequence[Reasked], counts: Counts) -> None:
    for one in found:
        if one.points or not one.total:
            output.write_text(f"{one}\n" if one.differs else str(one))
    if len(found) > 1:
        output.write_text(f"\n{len(found):,} conversations, {counts}")
        if counts.asked:
            _write_steps(found)
    for line in _spent(counts):
        output.write_text(line)


def _write_steps(found: Sequence[Reasked]) -> None:
    """Write how many points came to what, by step; only what there is any of."""
    by_step: dict[str, list[Asked]] = {}
    for one in found:
        for point in one.points:
            by_step.setdefault(_place(one, point), []).append(point)
    rows = {place: counted(points, len(points)) for place, points in by_step.items()}
    shown = [name for name in _COLUMNS if any(getattr(row, name) for row in rows.values())]
    table = output.table()
    table.add_column("in step", overflow="fold")
    for name in ("points", *(_COLUMNS[name] for name in shown)):
        table.add_column(name, justify="right", no_wrap=True)
    for place, row in rows.items():
        table.add_row(Text(place), str(row.points), *(str(getattr(row, name)) for name in shown))
    output.write_text("")
    output.write_table(table)
    output.write_text("")


def _place(one: Reasked, point: Asked) -> str:
    step = point.step or "(none)"
    return step if point.journey == one.agent else f"{point.journey}: {step}"


def _spent(counts: Counts) -> list[str]:
    lines = []
    if counts.unchanged:
        lines.append(f"given the very same request as then: {counts.unchanged:,}")
    if counts.usage:
        lines.append(f"tokens: {_tokens(counts.usage)} (then {_tokens(counts.usage_then) or 'not known'})")
    return lines


def _tokens(usage: Usage) -> str:
    total = usage.get("total_tokens")
    return f"{total:,}" if total is not None else ", ".join(f"{name} {count:,}" for name, count in usage.items())
