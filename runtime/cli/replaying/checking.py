"""`arf check`: what today's code would do to the conversations that are open."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import replace

from ....actors.replay import described
from ....events import FrameworkError
from ...agents import Journeys
from ...clock import SystemClock
from ...loading import load_agents
from ...reader import Reader
from ...replay import Prospect, prospect
from ...secret_keys import secrets_to_read
from ...summary import UNREADABLE, Summary
from ..console import output
from ..console.options import Options
from ..console.place import reading
from ..console.text import SHOWN, one_line
from ..reading.moments import milliseconds
from ..reading.progress import progress
from .replaying import as_data, aspects


async def show_check(options: Options, spec: str, *, since: str | None, ignore: str) -> int:
    """Write what would be stranded or changed to stdout, and return 1 if anything that counts is."""
    with output.authors_prints_apart():
        agents = {agent.key: agent for agent in load_agents([spec])}
    for agent in agents.values():
        Journeys(agent)  # what is wrong with an agent is not said of each conversation
    ignored, secrets = aspects(ignore), secrets_to_read(options.namespace)
    oldest = 0 if since is None else SystemClock().now() - milliseconds(since)
    counted, found = {"strands": 0, "changes": 0, "same": 0, "unreadable": 0}, list[dict[str, Any]]()
    async with progress("checking conversations") as read, reading(options) as client:
        async for summary in read.of(_recent(client, set(agents), oldest)):
            agent = agents[summary.agent]
            try:
                with output.authors_prints_apart():
                    seen = await prospect(client.frames(summary.conversation), agent, ignore=ignored, secrets=secrets)
            except FrameworkError as error:
                counted["unreadable"] += 1
                _write(options, found, _data(summary, "unreadable", str(error)))
                continue
            if seen is not None:
                verdict, why = _verdict(seen)
                counted[verdict] += 1
                data = _data(summary, verdict, why)
                if options.output != "text" and seen.replayed is not None:
                    data["divergences"] = as_data(seen.replayed)["divergences"]
                if verdict != "same" or options.output != "text":
                    _write(options, found, data)
    if options.output == "json":
        output.write_json(found, "json")
    open_ = sum(counted.values())
    parts = ", ".join(f"{number} {what}" for what, number in counted.items() if number or what == "same")
    output.say(f"{open_} open conversation{'' if open_ == 1 else 's'}{f': {parts}' if open_ else ''}")
    return int(counted["same"] < open_)


async def _recent(client: Reader, agents: set[str], oldest: int) -> AsyncIterator[Summary]:
    async for summary in client.conversations():
        if summary.status == UNREADABLE:  # its end does not say whose it is, nor when it was active
            agent = await _agent_of(client, summary.conversation)
            if agent in agents:
                yield replace(summary, agent=agent)
        elif summary.agent in agents and summary.status != "erased" and summary.time >= oldest:
            yield summary


async def _agent_of(client: Reader, conversation: str) -> str:
    """Return whose a conversation is by its first frame, empty text if that cannot be read either."""
    with contextlib.suppress(FrameworkError):
        async for stored in client.frames(conversation):
            return stored.frame.agent
    return ""


def _verdict(seen: Prospect) -> tuple[str, str]:
    if seen.strands:
        return "strands", seen.strands
    first = None if seen.replayed is None else seen.replayed.first
    return ("same", "") if first is None else ("changes", f"version {first.version}: {described(first)}")


def _data(summary: Summary, verdict: str, why: str) -> dict[str, Any]:
    return {
        "conversation": summary.conversation,
        "agent": summary.agent,
        "step": summary.step,
        "verdict": verdict,
        "why": why,
    }


def _write(options: Options, found: list[dict[str, Any]], data: dict[str, Any]) -> None:
    match options.output:
        case "json":
            found.append(data)
        case "jsonl":
            output.write_json(data, "jsonl")
        case _:
            at = f" in step {data['step']}" if data["step"] else ""
            output.write_text(one_line(f"{data['conversation']}{at} {data['verdict']}: {data['why']}", SHOWN))
