"""Who is there and owns which partitions now, as people and programs ask for it."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ..events import AgentKey, WriterId
from .bus import PARTITIONS
from .members import Member

Holders = Mapping[tuple[AgentKey, int], WriterId]


class Owner(Struct, frozen=True):
    """Is a worker: what it says of itself, None if it says nothing, and its partitions of each agent, in order."""

    worker: WriterId
    member: Member | None
    agents: dict[AgentKey, list[int]]

    @property
    def partitions(self) -> int:
        """How many partitions it owns."""
        return sum(len(owned) for owned in self.agents.values())


def owners(members: Iterable[Member], holders: Holders) -> list[Owner]:
    """Return the workers by name: the members, and who still owns something without being one.

    >>> from agent_runtime_framework.events import AgentKey, WriterId
    >>> owners([], {(AgentKey("bot"), 3): WriterId("w-1"), (AgentKey("bot"), 1): WriterId("w-1")})
    [Owner(worker='w-1', member=None, agents={'bot': [1, 3]})]
    """
    there = {member.worker: member for member in members}
    found: dict[WriterId, dict[AgentKey, list[int]]] = {
        worker: {agent: [] for agent in sorted(member.agents)} for worker, member in there.items()
    }
    for (agent, partition), worker in sorted(holders.items()):
        found.setdefault(worker, {}).setdefault(agent, []).append(partition)
    return [Owner(worker, there.get(worker), agents) for worker, agents in sorted(found.items())]


def free(holders: Holders, agents: Iterable[AgentKey] = (), of: int = PARTITIONS) -> dict[AgentKey, list[int]]:
    """Return the partitions, `of` so many, that nobody owns, of these agents and of those that somebody works for."""
    known = sorted({*agents, *(agent for agent, _ in holders)})
    left = {agent: [each for each in range(of) if (agent, each) not in holders] for agent in known}
    return {agent: partitions for agent, partitions in left.items() if partitions}


def ranges(partitions: Iterable[int]) -> str:
    """Return partitions in few words.

    >>> ranges([0, 1, 2, 5, 7, 8])
    '0-2, 5, 7-8'
    """
    runs: list[list[int]] = []
    for each in sorted(partitions):
        if runs and runs[-1][-1] == each - 1:
            runs[-1].append(each)
        else:
            runs.append([each])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
