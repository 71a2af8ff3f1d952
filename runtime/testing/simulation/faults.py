"""Faults: what can go wrong, how often it does under a seed, and what did."""

from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from typing import Final, TypeAlias

from msgspec import Struct

PROCESS_KINDS: Final = ("crash", "pause", "block", "leave", "join")
"""What happens to workers: kill -9, SIGSTOP and SIGCONT, author code that blocks the loop, SIGTERM, one more."""

NETWORK_KINDS: Final = (
    "request_lost",
    "ack_lost",
    "append_late",
    "slow",
    "away",
    "duplicate",
    "reordered",
    "redelivered",
    "id_forgotten",
    "live_lost",
    "live_doubled",
    "stale_read",
)
"""What happens between a process and the server."""

OUTSIDE_KINDS: Final = (
    "model_slow",
    "model_failed",
    "model_nonsense",
    "model_hung",
    "tool_failed",
    "tool_slow",
    "tool_hung",
)
"""What models and tools do; a tool that fails has had its effect."""

SCRIPT_KINDS: Final = ("said_twice", "bad_command", "log_spoiled")
"""What comes in."""

KINDS: Final = PROCESS_KINDS + NETWORK_KINDS + OUTSIDE_KINDS + SCRIPT_KINDS

RATES: Final = (0.01, 0.03, 0.1, 0.3)
"""How often a kind strikes where it can, as a seed has it."""

LAST: Final = 40
"""The last append, effect or acknowledgement that something happens after."""

STORMS: Final = 0.1
"""How many seeds have far more happen to their workers, so that turns come to their last life."""


class Crash(Struct, frozen=True, kw_only=True):
    """Kills a worker right before its step number `step`, or at a virtual time; after `down` seconds it lives again.

    With `after` it is the worker that did so much of what counts, right after it: all appends, effects and
    acknowledgements of the run are counted from 1.

    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, simulate
    >>> run = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=[Crash(worker=0, step=40)])
    >>> run.turns, run.counted
    (1, {'crash': 1})
    """

    worker: int = 0
    step: int | None = None
    at: float | None = None
    after: int | None = None
    down: float | None = 1.0


class Pause(Struct, frozen=True, kw_only=True):
    """Stops a worker for some seconds, right before a step of it or at a time; it hears nothing of that.

    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, simulate
    >>> run = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=[Pause(worker=1, at=0.2, seconds=5)])
    >>> run.turns, run.counted
    (1, {'pause': 1})
    """

    worker: int = 0
    step: int | None = None
    at: float | None = None
    after: int | None = None
    seconds: float = 3.0


class Block(Struct, frozen=True, kw_only=True):
    """Blocks a worker's event loop for some seconds, as author code does that waits; its heart goes on beating.

    >>> from agent_runtime_framework.testing import Block, OnboardingAgent, Say, simulate
    >>> run = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=[Block(worker=1, at=0.2, seconds=5)])
    >>> run.turns, run.counted
    (1, {'block': 1})
    """

    worker: int = 0
    step: int | None = None
    at: float | None = None
    after: int | None = None
    seconds: float = 3.0


class Leave(Struct, frozen=True, kw_only=True):
    """Lets a worker leave in good order, and come again after `down` seconds.

    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, simulate
    >>> run = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=[Leave(worker=0, at=0.2)])
    >>> run.turns, run.counted
    (1, {'leave': 1})
    """

    worker: int = 0
    step: int | None = None
    at: float | None = None
    after: int | None = None
    down: float | None = 1.0


class Join(Struct, frozen=True, kw_only=True):
    """Lets one more worker join.

    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, simulate
    >>> run = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=[Join(at=0.2)])
    >>> run.turns, run.counted
    (1, {'join': 1})
    """

    at: float = 1.0


Planned: TypeAlias = Crash | Pause | Block | Leave | Join


class Injected(Struct, frozen=True):
    """Is a fault that happened: when, of which kind, to what."""

    at: float
    kind: str
    what: str


class Faults:
    """Decides, by a seed, what goes wrong where; each seed has kinds of its own, so that also rare ones get to meet.

    Attributes:
        injected: what went wrong, in order.
        active: whether anything still may.

    """

    def __init__(self, random: Random, kinds: Iterable[str], *, now: Callable[[], float]) -> None:
        self.random = random
        self.injected: list[Injected] = []
        self.active = True
        self._now = now
        calm = random.random() < 0.1
        self._rates = {kind: _rate(kind, random) for kind in kinds if random.random() < _likely(kind) and not calm}

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that this seed has."""
        return tuple(self._rates)

    def strikes(self, kind: str, what: str) -> bool:
        """Decide whether this goes wrong here and now, and remember it if so."""
        rate = self._rates.get(kind)
        if rate is None or not self.active or self.random.random() >= rate:
            return False
        self.happened(kind, what)
        return True

    def happened(self, kind: str, what: str) -> None:
        """Remember what went wrong."""
        self.injected.append(Injected(round(self._now(), 6), kind, what))

    def counted(self) -> Counter[str]:
        """Return how often each kind happened."""
        return Counter(one.kind for one in self.injected)


def _likely(kind: str) -> float:
    return 0.7 if kind in PROCESS_KINDS else 0.5


def _rate(kind: str, random: Random) -> float:
    # a turn asks and runs little, so that what is seldom there hardly ever happens; who is always away does nothing
    return random.choice(RATES[1:] if kind in OUTSIDE_KINDS else RATES[:-1] if kind == "away" else RATES)


def plan(random: Random, kinds: Iterable[str], workers: int, horizon: float) -> list[Planned]:
    """Return what happens to the workers under a seed, within so many virtual seconds."""
    planned: list[Planned] = []
    most = 12 if random.random() < STORMS else 4
    for kind in kinds:
        for _ in range(random.randint(1, most) if kind in PROCESS_KINDS else 0):
            worker, step, at, after = random.randrange(workers), None, None, None
            match random.choice(("step", "at", "after", "after")):
                case "step":
                    step = random.randint(1, 400)
                case "at":
                    at = random.uniform(0, horizon)
                case _:
                    after = random.randint(1, LAST)
            match kind:
                case "crash":
                    planned.append(Crash(worker=worker, step=step, at=at, after=after, down=random.uniform(0.1, 4)))
                case "pause":
                    planned.append(Pause(worker=worker, step=step, at=at, after=after, seconds=random.uniform(0.2, 6)))
                case "block":
                    seconds = random.uniform(0.2, 12)
                    planned.append(Block(worker=worker, step=step, at=at, after=after, seconds=seconds))
                case "leave":
                    planned.append(Leave(worker=worker, step=step, at=at, after=after, down=random.uniform(0.1, 4)))
                case _:
                    planned.append(Join(at=random.uniform(0, horizon)))
    return planned
