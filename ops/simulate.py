"""Run many random simulations on all cores, and print one line of figures.

    python ops/simulate.py 100000            seeds 0 to 99,999
    python ops/simulate.py 1000 --first 5000

Each seed makes agents, a script and faults of its own; the eight rules are checked after each step.  Exits with 1 if a
seed failed, and names those that did.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from agent_runtime_framework.runtime.testing.simulation import Simulator, random_journeys, random_script

CHUNK = 25
"""Seeds that a process takes at once."""

PROGRESS = 5.0
"""Seconds between two lines of progress."""

SHOWN = 20


@dataclass
class Figures:
    """What came of some seeds."""

    seeds: int = 0
    conversations: int = 0
    turns: int = 0
    commands: int = 0
    effects: int = 0
    steps: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    looked: Counter[int] = field(default_factory=Counter)
    failed: dict[int, str] = field(default_factory=dict)

    def add(self, other: "Figures") -> None:
        """Add those of other seeds."""
        self.seeds += other.seeds
        self.conversations += other.conversations
        self.turns += other.turns
        self.commands += other.commands
        self.effects += other.effects
        self.steps += other.steps
        self.seconds += other.seconds
        self.faults.update(other.faults)
        self.looked.update(other.looked)
        self.failed.update(other.failed)

    def __str__(self) -> str:
        """Show all of it in one line."""
        faults = " ".join(f"{kind}={count}" for kind, count in sorted(self.faults.items()))
        looked = " ".join(f"{rule}={count}" for rule, count in sorted(self.looked.items()))
        return (
            f"seeds={self.seeds} failed={len(self.failed)} conversations={self.conversations} turns={self.turns} "
            f"commands={self.commands} effects={self.effects} steps={self.steps} virtual_seconds={self.seconds:.0f} "
            f"faults={self.faults.total()} ({faults}) rules checked: {looked}"
        )


def run(seeds: range) -> Figures:
    """Run some seeds."""
    figures = Figures()
    for seed in seeds:
        agents = random_journeys(seed)
        script = random_script(seed, [agent.key for agent in agents])
        simulation = Simulator(agents, script, seed, workers=2 + seed % 2).run()
        one = Figures(
            seeds=1,
            conversations=len(simulation.logs),
            turns=simulation.turns,
            commands=simulation.commands,
            effects=len(simulation.effects),
            steps=simulation.steps,
            seconds=simulation.seconds,
            faults=Counter(simulation.counted),
            looked=Counter(simulation.looked),
        )
        if simulation.broken or simulation.waiting:
            one.failed[seed] = str((*simulation.broken, *simulation.waiting)[0])
        figures.add(one)
    return figures


def main() -> int:
    """Run the seeds that are asked for."""
    parser = argparse.ArgumentParser(description="Run many random simulations.")
    parser.add_argument("seeds", type=int)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    chunks = [
        range(start, min(start + CHUNK, asked.first + asked.seeds))
        for start in range(asked.first, asked.first + asked.seeds, CHUNK)
    ]
    figures, began, told = Figures(), time.monotonic(), time.monotonic()
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for done in pool.imap_unordered(run, chunks):
            figures.add(done)
            for seed, why in done.failed.items():
                print(f"seed {seed}: {why}", file=sys.stderr, flush=True)
            if time.monotonic() - told > PROGRESS:
                told = time.monotonic()
                rate = figures.seeds / (told - began)
                print(f"{figures.seeds} of {asked.seeds} seeds, {len(figures.failed)} failed, {rate:.0f} a second")
                sys.stdout.flush()
    print(f"{figures} in {time.monotonic() - began:.0f} s")
    if figures.failed:
        named = sorted(figures.failed)
        print(f"failed: {', '.join(map(str, named[:SHOWN]))}{' ...' if len(named) > SHOWN else ''}", file=sys.stderr)
    return 1 if figures.failed else 0


if __name__ == "__main__":
    sys.exit(main())
