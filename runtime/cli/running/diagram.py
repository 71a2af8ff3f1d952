"""`arf diagram`: a journey as a drawing, and what in it cannot work."""

from collections.abc import Sequence
from typing import Any

from ....actors.journey import check_journey, diagram
from ...loading import load_agents
from ..console import output
from ..console.options import Options


def show_diagram(options: Options, specs: Sequence[str], *, check: bool) -> int:
    """Write the drawings of these agents to stdout and what cannot work to stderr, and return the exit code.

    With `check` only what cannot work is written, to stdout, and there being any is an exit code of 1.
    """
    agents = load_agents(specs)
    found = {agent.key: check_journey(agent) for agent in agents}
    if options.output != "text":
        drawn: list[dict[str, Any]] = [
            {"agent": agent.key, "diagram": diagram(agent), "problems": found[agent.key]} for agent in agents
        ]
        if options.output == "json":
            output.write_json(drawn, "json")
        else:
            for each in drawn:
                output.write_json(each, "jsonl")
    elif check:
        for key, problems in found.items():
            for problem in problems:
                output.write_text(f"{key}: {problem}")
    else:
        for agent in agents:
            # a drawing of its own begins with its type; which agent it is can only be a comment
            output.write_code(f"%% {agent.key}\n{diagram(agent)}".rstrip("\n"))
            for problem in found[agent.key]:
                output.say(f"{agent.key}: {problem}")
    return int(check and any(found.values()))
