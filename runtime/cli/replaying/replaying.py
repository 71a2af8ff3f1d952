"""`arf replay`: conversations decided again with the code of today."""

from collections.abc import Sequence
from typing import Any

import msgspec

from ....actors.replay import ASPECTS, Aspect, Replayed
from ....events import InvalidInput
from ...agents import JourneyAgent
from ...loading import load_agents
from ...replay import Tools
from ...replay import replay as replayed
from ...secret_keys import secrets_to_read
from ..console import output
from ..console.options import Options
from ..reading.progress import progress
from .sources import sources


async def show_replays(options: Options, conversations: Sequence[str], agent: str, *, tools: Tools, ignore: str) -> int:
    """Write what differs to stdout, and return 1 if anything that counts does."""
    with output.authors_prints_apart():
        agents = {one.key: one for one in load_agents([agent])}
    ignored, secrets = aspects(ignore), secrets_to_read(options.namespace)
    number, diverged, outcomes, found = 0, 0, 0, list[dict[str, Any]]()
    async with progress("replaying events") as read, sources(options, conversations) as each:
        async for source in each:
            one = agent_of(source.agent, agents, source.conversation)
            with output.authors_prints_apart():
                result = await replayed(read.of(source.frames), one, ignore=ignored, tools=tools, secrets=secrets)
            number += 1
            diverged += result.first is not None
            outcomes += result.outcomes
            if options.output == "text":
                output.write_text(str(result))
            elif options.output == "jsonl":
                output.write_json(as_data(result), "jsonl")
            else:
                found.append(as_data(result))
    if options.output == "json":
        output.write_json(found, "json")
    if number > 1:
        output.say(f"{number} conversations: {number - diverged} the same, {diverged} diverge")
    if outcomes and not diverged:
        output.say("what tools did was taken from the log: --tools run shows what they do today")
    return int(diverged > 0)


def aspects(given: str) -> frozenset[Aspect]:
    """Return the aspects of a comma-separated list.

    Raises:
        InvalidInput: one is none.

    """
    names = {name.strip() for name in given.split(",") if name.strip()}
    for name in sorted(names - set(ASPECTS)):
        raise InvalidInput(f"--ignore {name}: there is no such aspect; use {', '.join(ASPECTS)}")
    return frozenset(aspect for aspect in ASPECTS if aspect in names)


def agent_of(
    key: str, agents: dict[str, JourneyAgent[Any, Any, Any]], conversation: str
) -> JourneyAgent[Any, Any, Any]:
    """Return the agent of this key.

    Raises:
        InvalidInput: it is none of those that were named.

    """
    found = agents.get(key) if key else next(iter(agents.values()))
    if found is None:
        named = ", ".join(sorted(agents))
        raise InvalidInput(f"conversation {conversation!r} is of agent {key!r}, and --agent names {named}")
    return found


def as_data(result: Replayed) -> dict[str, Any]:
    """Return what a replay found as plain data."""
    return {
        "conversation": result.conversation,
        "agent": result.agent,
        "version": result.version,
        "since": result.since,
        "outcomes_from_log": result.outcomes,
        "turns": result.turns,
        "same": result.first is None,
        "divergences": [
            {**msgspec.to_builtins(one), "ignored": one.aspect in result.ignored} for one in result.divergences
        ],
        "remaining": [
            {name: getattr(one, name) for name in ("aspect", "subject", "then", "now")} for one in result.remaining
        ],
        "not_compared": [{"aspect": aspect, "subject": step} for aspect, step in result.unsteady],
    }
