"""What only chaos can count: what clients were told, what the ledger and the model saw, held against the logs.

The eight rules themselves are checked by `agent_runtime_framework.runtime.testing.rules`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from agent_runtime_framework.events import ConversationId, ToolReturned, UserSpoke
from agent_runtime_framework.runtime.testing.rules import Broken, Command, Effect, History, check

from .book import Sent
from .history import Log, outcomes, rounds
from .ledger import Start
from .model import Asked


class Evidence(Struct, frozen=True):
    """Is all that a run left: the logs, what clients sent, the starts of tools, what the model was asked."""

    logs: Mapping[ConversationId, Log]
    sent: Sequence[Sent]
    starts: Sequence[Start]
    asked: Sequence[Asked]


def judged(evidence: Evidence) -> list[Broken]:
    """Return everything that does not hold."""
    commands = [Command(sent.agent, sent.conversation, sent.id) for sent in evidence.sent if sent.acknowledged]
    effects = [
        Effect(
            conversation=start.conversation,
            kind="tool",
            name=start.tool,
            effect=start.effect,
            key=start.key,
            call=start.ticket,
            state=start.seen,
        )
        for start in evidence.starts
    ]
    found = list(check(History(logs=evidence.logs, commands=commands, effects=effects), settled=True))
    found += [Broken(6, ask.message, ask.invalid) for ask in evidence.asked if ask.invalid]
    found += [*asked_again(evidence), *_unstarted(evidence)]
    found += [Broken(3, start.conversation, f"doubled: {why}") for start, why in _doubled_starts(evidence.starts)]
    return found


def lost(evidence: Evidence) -> list[Sent]:
    """Return the commands that were acknowledged, or stand in a log, and have no outcome."""
    became = {name: outcomes(log) for name, log in evidence.logs.items()}
    taken = {
        (name, event.message_id)
        for name, log in evidence.logs.items()
        for stored in log
        for event in stored.frame.events
        if isinstance(event, UserSpoke)
    }
    return [
        sent
        for sent in evidence.sent
        if (sent.acknowledged or (sent.conversation, sent.id) in taken)
        and not became.get(sent.conversation, {}).get(sent.id)
    ]


def doubled(evidence: Evidence) -> int:
    """Return how many things happened twice: outcomes of a command, starts of a `once` call, keys of one call."""
    outcomes_twice = sum(len(had) > 1 for log in evidence.logs.values() for had in outcomes(log).values())
    return outcomes_twice + sum(1 for _ in _doubled_starts(evidence.starts))


def _doubled_starts(starts: Sequence[Start]) -> Iterator[tuple[Start, str]]:
    keys: dict[str, str] = {}
    once: set[str] = set()
    for start in starts:
        first = keys.setdefault(start.ticket, start.key)
        if first != start.key:
            yield start, f"{start.ticket} started under two keys, {first} and {start.key}"
        if start.effect == "once" and start.key in once:
            yield start, f"{start.ticket}, which is `once`, started again"
        once.add(start.key)


def _unstarted(evidence: Evidence) -> Iterator[Broken]:
    """Look for results of tools that never ran."""
    ran = {start.key for start in evidence.starts}
    for name, log in evidence.logs.items():
        for stored in log:
            for event in stored.frame.events:
                if isinstance(event, ToolReturned) and f"{name}@{event.call}" not in ran:
                    yield Broken(3, name, f"call {event.call} returned and never started")


def asked_again(evidence: Evidence) -> Iterator[Broken]:
    """Look for questions to the model that no request in the log stands for: recorded answers that were asked again."""
    counts = Counter((ask.message, ask.round) for ask in evidence.asked)
    owed: defaultdict[tuple[str, int], int] = defaultdict(int)
    for log in evidence.logs.values():
        for question, times in rounds(log).items():
            owed[question] += times
    for (message, number), times in counts.items():
        if times > owed[message, number]:
            why = f"round {number} of {message} was asked {times} times, the log says {owed[message, number]}"
            yield Broken(3, message.partition("-m-")[0], why)
