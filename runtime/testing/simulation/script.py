"""A script: who says what to whom, and when."""

from collections.abc import Collection
from random import Random
from typing import TypeAlias

from msgspec import Struct

from .faults import SCRIPT_KINDS


class Say(Struct, frozen=True):
    """Somebody says something, and waits for the reply; `times` is how often it is sent, under one id.

    `agent` is the key of the agent that it is said to, empty for the first one; `id` names the message, empty for a
    name of the script's.

    >>> Say("c-1", "hi", at=0.5).times
    1
    """

    conversation: str
    text: str
    at: float = 0.0
    agent: str = ""
    id: str = ""
    times: int = 1


class Cancel(Struct, frozen=True):
    """Somebody ends the turn in progress.

    >>> from agent_runtime_framework.testing import Cancel, OnboardingAgent, Say, simulate
    >>> run = simulate(OnboardingAgent(), [Say("c-1", "hi"), Cancel("c-1", at=0.01)], faults=())
    >>> run.commands, run.turns
    (2, 1)
    """

    conversation: str
    at: float = 0.0
    agent: str = ""


class Read(Struct, frozen=True):
    """Somebody reads a conversation: its state, its events, what happens in it while they listen.

    >>> from agent_runtime_framework.testing import OnboardingAgent, Read, Say, simulate
    >>> simulate(OnboardingAgent(), [Say("c-1", "hi"), Read("c-1", at=0.2)], faults=()).commands
    1
    """

    conversation: str
    at: float = 0.0


class Publish(Struct, frozen=True):
    """Somebody publishes bytes that may be no command, for what may be no conversation.

    >>> from agent_runtime_framework.testing import OnboardingAgent, Publish, Say, simulate
    >>> simulate(OnboardingAgent(), [Say("c-1", "hi"), Publish("c-1", b"{")], faults=()).turns
    1
    """

    conversation: str
    data: bytes
    at: float = 0.0
    agent: str = ""


class Spoil(Struct, frozen=True):
    """Somebody damages a log: writes bytes after what is stored, or an event that this release does not know.

    >>> from agent_runtime_framework.testing import OnboardingAgent, Say, Spoil, simulate
    >>> talk = [Say("c-1", "hi"), Spoil("c-1", at=2), Say("c-1", "and?", at=3), Say("c-2", "hi", at=4)]
    >>> simulate(OnboardingAgent(), talk, faults=()).turns
    2
    """

    conversation: str
    at: float = 0.0
    newer: bool = False


class Fork(Struct, frozen=True):
    """Somebody forks a conversation, under the name `to`, where its last turn is over; or nowhere, if none is yet.

    >>> from agent_runtime_framework.testing import Fork, OnboardingAgent, Say, simulate
    >>> talk = [Say("c-1", "hi"), Fork("c-1", "c-2", at=5), Say("c-2", "and?", at=10), Say("c-1", "so", at=10)]
    >>> {chat: len(replies) for chat, replies in simulate(OnboardingAgent(), talk, faults=()).replies.items()}
    {'c-1': 2, 'c-2': 1}
    """

    conversation: str
    to: str
    at: float = 0.0


Line: TypeAlias = Say | Cancel | Read | Publish | Spoil | Fork

TEXTS = ("hi", "my name is Ada", "and now?", "no", "thanks", "do it", "again, please")
BAD = (b"", b"{}", b"\xff\xfe", b'{"type":"say"}', b'{"type":"say","id":"a b","agent":"walker","text":"hi"}', b"[1")


def random_script(
    seed: int, agents: Collection[str] = ("",), *, kinds: Collection[str] = SCRIPT_KINDS
) -> tuple[Line, ...]:
    """Return what one to four people say and do within some seconds; `kinds` restricts what is bad in it.

    >>> random_script(3) == random_script(3)
    True
    """
    random = Random(f"{seed} script")
    lines: list[Line] = []
    for number in range(random.choice((1, 2, 2, 3, 4))):
        chat, agent = f"c-{number}", random.choice(sorted(agents))
        at = random.uniform(0, 2)
        for _ in range(random.randint(1, 3)):
            times = 2 if "said_twice" in kinds and random.random() < 0.15 else 1
            # an id counts in its conversation only, and another agent is refused there
            id_ = "" if random.random() < 0.8 else f"same-{sum(one.conversation == chat for one in lines)}"
            to = agent if random.random() < 0.95 else random.choice(sorted(agents))
            lines.append(Say(chat, random.choice(TEXTS), round(at, 3), to, id_, times))
            at += random.choice((0.0, 0.05, 0.5, 3.0)) * random.random()
        lines += [Cancel(chat, round(random.uniform(0, at + 1), 3), agent)] if random.random() < 0.25 else []
        lines += [Read(chat, round(random.uniform(0, at + 2), 3))] if random.random() < 0.3 else []
    if "bad_command" in kinds and random.random() < 0.2:
        chat = random.choice(("c-0", "c-bad", "no id!", "c" * 200))
        lines.append(Publish(chat, random.choice(BAD), round(random.uniform(0, 3), 3), sorted(agents)[0]))
    if "log_spoiled" in kinds and random.random() < 0.1:
        lines.append(Say("c-spoiled", "hi", 0.1, sorted(agents)[0]))
        lines.append(Spoil("c-spoiled", round(random.uniform(0, 3), 3), newer=random.random() < 0.5))
        lines.append(Say("c-spoiled", "and?", 3.2, sorted(agents)[0]))
    return (
        *lines,
        *_forks(seed, [line for line in lines if isinstance(line, Say) and line.conversation != "c-spoiled"]),
    )


def _forks(seed: int, lines: list[Line]) -> list[Line]:
    """Return what is forked, one conversation in five, and what is said there."""
    random = Random(f"{seed} forks")  # of its own, so that the rest of a script is what it was without forks
    first = {line.conversation: line for line in reversed(lines) if isinstance(line, Say)}
    return [line for chat in sorted(first) if random.random() < 0.2 for line in _forked(random, first[chat])]


def _forked(random: Random, said: Say) -> list[Line]:
    """Return what is done and said in a fork, now and then under an id that was heard in its parent."""
    to, at, agent = f"{said.conversation}-f", said.at + random.uniform(0, 6), said.agent
    lines: list[Line] = [Fork(said.conversation, to, round(at, 3))]
    for number in range(random.randint(1, 2)):
        id_ = "" if random.random() < 0.7 else f"same-{number}"
        when = max(0, at + random.uniform(-0.2, 3))
        lines.append(Say(to, random.choice(TEXTS), round(when, 3), agent, id_))
    return lines + ([Fork(to, f"{to}-f", round(at + 2, 3))] if random.random() < 0.3 else [])
