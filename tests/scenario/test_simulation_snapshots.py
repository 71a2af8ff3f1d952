"""Workers that are killed, lose answers and meet each other keep conversations as their logs have them."""

from msgspec import structs

from agent_runtime_framework.actors import Kept
from agent_runtime_framework.events import ConversationId
from agent_runtime_framework.projections import Conversation, fold, initial, nothing_kept, read_part, with_part
from agent_runtime_framework.runtime.snapshots import ConversationSnapshots
from agent_runtime_framework.runtime.testing.simulation import Say, Simulator
from agent_runtime_framework.runtime.testing.simulation.connection import Connection
from agent_runtime_framework.runtime.testing.simulation.loop import Process
from agent_runtime_framework.runtime.testing.simulation.world import World, at_once
from agent_runtime_framework.testing import OnboardingAgent

SEEDS = range(12)
SCRIPT = [Say(f"c-{number % 2}", f"I am Ada {number}", at=number / 2) for number in range(24)]


class Counting(ConversationSnapshots):
    """Counts how often a snapshot is used, and remembers what for."""

    used: list[Conversation]

    async def load(self, conversation: ConversationId) -> Kept:
        kept = await super().load(conversation)
        if kept.snapshot.number:
            self.used.append(kept.snapshot.conversation)
        return kept


class Watched(Simulator):
    """Gives its workers snapshots that are counted."""

    def made_world(self) -> World:
        self.used: list[Conversation] = []
        return super().made_world()

    def connection(self, process: Process) -> Connection:
        connection = super().connection(process)
        there = connection.substrate.snapshots
        assert there is not None
        counting = Counting(there.parts, connection.substrate.log, connection.substrate.vault, versions=5)
        counting.used = self.used
        connection.substrate = structs.replace(connection.substrate, snapshots=counting)
        return connection


def folded(run: Watched, now: Conversation) -> Conversation:
    """Return what the log of a conversation folds to up to a version."""
    frames = [stored.frame for stored in run.world.logs[now.id] if stored.head.version <= now.version]
    return fold(initial(now.id), frames)


def test_what_is_kept_and_what_is_opened_by_it_is_the_fold_of_the_log() -> None:
    chains = used = 0
    for seed in SEEDS:
        run = Watched(OnboardingAgent(), SCRIPT, seed, workers=3)
        assert not run.run().broken, seed

        used += len(run.used)
        assert all(folded(run, now) == now for now in run.used), seed
        for conversation in run.world.logs:
            snapshot = nothing_kept(conversation)
            for _, data in at_once(run.world.parts.get(conversation)):
                snapshot = with_part(snapshot, read_part(data))
            if snapshot.number:
                chains += snapshot.number > 1
                assert snapshot.conversation == folded(run, snapshot.conversation), seed
    assert used > len(SEEDS) / 2
    assert chains > len(SEEDS) / 2
