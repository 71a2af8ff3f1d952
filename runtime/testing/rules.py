"""The eight rules that always hold, checked from outside: by the logs, and by what the world around counted.

1. An acknowledged command gets exactly one outcome: replied, failed with a reason, cancelled, refused.
2. Versions run 1, 2, 3 without a gap or a fork, and each `prev` is the hash of the frame before.  A conversation that
   was forked from another goes on with that one's chain, from the cut that its first event names.
3. No recorded outcome is asked for again.  A `once` tool starts at most once a call, an `idempotent` one always with
   one key, and neither tool nor model before that is recorded.
4. fold(log) is the same everywhere: at once, in parts, and as the naive reference tells it.
5. The state that a tool saw is the fold of what is before it.
6. The transcript sent to a model is valid for it, and is the one that the log says was requested.
7. Reading never writes, calls a model or runs a tool.
8. Bad input is never a crash of its neighbours.

`check` looks at a whole history at once.  `Checker` is told one thing after another, and says at once what breaks a
rule, so whoever looks after each step sees the step.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from ...events import ConversationId, Stored
from ...events import Effect as EffectClass
from .accounts import Account, inherited_by

RULES: Final = {
    1: "one outcome for each message",
    2: "one chain of versions",
    3: "nothing recorded is asked or done again",
    4: "one fold everywhere",
    5: "the state changes by events only",
    6: "the model gets a valid transcript",
    7: "reading changes nothing",
    8: "bad input harms nobody else",
}
"""Each rule in a few words."""


class Command(Struct, frozen=True):
    """Is a command that was acknowledged to its sender."""

    agent: str
    conversation: ConversationId
    id: str


class Effect(Struct, frozen=True, kw_only=True):
    """Is a tool that started or a model that was asked, as the world outside the runtime counted it.

    Attributes:
        name: the tool's, or the model's.
        effect: the class that the tool has, whatever the log says; None where that is not known.
        key: the idempotency key that the tool was given.
        call: what names the call apart from its key, such as an argument that the model made up; empty for nothing.
        state: the journey's state as the tool saw it, as plain JSON, or None if nobody looked.
        messages: what the model was sent, or None if nobody looked.
        request: SHA-256 of what the model was sent, as `projections.ModelInput` has it; empty for not known.

    """

    conversation: ConversationId
    kind: Literal["tool", "model"]
    name: str = ""
    effect: EffectClass | None = None
    key: str = ""
    call: str = ""
    state: Mapping[str, Any] | None = None
    messages: Sequence[Mapping[str, Any]] | None = None
    request: str = ""


class Broken(Struct, frozen=True):
    """Says which rule does not hold where, and why; the conversation is empty where it is all of them."""

    rule: int
    conversation: str
    why: str

    def __str__(self) -> str:
        where = self.conversation and f" in {self.conversation!r}"
        return f"rule {self.rule} ({RULES[self.rule]}) is broken{where}: {self.why}"


class History(Struct, frozen=True, kw_only=True):
    """Is what happened in a run.

    Attributes:
        logs: the frames of each conversation, as they are stored; of a fork its own, or those that it inherits, too.
        commands: what was acknowledged to its sender.
        effects: in the order in which they began.
        finished: commands that a worker acknowledged, which says that nothing is owed for them.
        writes: what somebody did who was only to read, as (conversation, what).
        ends: what ended a worker that nobody ended.
        spoiled: conversations whose logs were damaged on purpose; only their neighbours are looked at.

    """

    logs: Mapping[ConversationId, Sequence[Stored]]
    commands: Sequence[Command] = ()
    effects: Sequence[Effect] = ()
    finished: Sequence[Command] = ()
    writes: Sequence[tuple[ConversationId, str]] = ()
    ends: Sequence[str] = ()
    spoiled: frozenset[ConversationId] = frozenset()


def check(history: History, *, settled: bool) -> tuple[Broken, ...]:
    """Return what does not hold; `settled` says that everything is over, so that what has no outcome is lost.

    >>> lost = Command("greeter", ConversationId("c-1"), "m-1")
    >>> broken, = check(History(logs={}, commands=[lost]), settled=True)
    >>> print(str(broken).partition(": ")[0])
    rule 1 (one outcome for each message) is broken in 'c-1'
    >>> broken.why
    "command 'm-1' was acknowledged and has no outcome: it is lost"
    """
    checker = Checker(history.spoiled)
    # a parent begins at an earlier version than its forks
    logs = sorted((log for log in history.logs.values() if log), key=lambda log: log[0].frame.first)
    for stored in (one for log in logs for one in log):
        checker.frame(stored)
    for command in history.commands:
        checker.command(command)
    for command in history.finished:
        checker.finished(command)
    for effect in history.effects:
        checker.effect(effect)
    for conversation, what in history.writes:
        checker.wrote(conversation, what)
    for why in history.ends:
        checker.ended(why)
    if settled:
        checker.settled()
    return tuple(checker.broken)


class Checker:
    """Is told what happens while it happens.

    Attributes:
        broken: what does not hold, in the order in which it was seen.
        looked: how often each rule was looked at.

    """

    def __init__(self, spoiled: frozenset[ConversationId] = frozenset()) -> None:
        self.broken: list[Broken] = []
        self.looked = dict.fromkeys(RULES, 0)
        self._spoiled = spoiled
        self._accounts: dict[ConversationId, Account] = {}

    def spoil(self, conversation: ConversationId) -> None:
        """Hear that a log was damaged on purpose."""
        self._spoiled |= {conversation}

    def frame(self, stored: Stored) -> None:
        """Hear of a frame that is stored; of a fork, after those of its parent up to the cut."""
        account = self._accounts.get(stored.conversation)
        if not stored.inherited and (account is None or not account.stored):
            logs = {conversation: account.stored for conversation, account in self._accounts.items()}
            for before in inherited_by(stored, logs):
                self.frame(before)
        self._in(stored.conversation, lambda account: account.frame(stored))

    def command(self, command: Command) -> None:
        """Hear that a command was acknowledged to its sender."""
        self._in(command.conversation, lambda account: account.command(command.id))

    def finished(self, command: Command) -> None:
        """Hear that a worker acknowledged a command."""
        self._in(command.conversation, lambda account: account.finished(command.id))

    def effect(self, effect: Effect) -> None:
        """Hear that a tool started, or that a model was asked."""

        def look(account: Account) -> list[tuple[int, str]]:
            if effect.kind == "tool":
                state = None if effect.state is None else dict(effect.state)
                return account.tool(effect.name, effect.effect, effect.key, effect.call, state)
            return account.model(effect.request, effect.messages)

        self._in(effect.conversation, look)

    def wrote(self, conversation: str, what: str) -> None:
        """Hear of something that somebody did who was only to read."""
        self.looked[7] += 1
        self.broken.append(Broken(7, conversation, f"a reader {what}"))

    def ended(self, why: str) -> None:
        """Hear of what ended a worker that nobody ended."""
        self.looked[8] += 1
        self.broken.append(Broken(8, "", why))

    def read(self, conversation: ConversationId, state: Mapping[str, Any], version: int) -> None:
        """Hear of a state that somebody read."""
        self.looked[7] += 1
        self._in(conversation, lambda account: account.read(dict(state), version))

    def over(self, conversation: ConversationId, id_: str) -> bool:
        """Say whether a command has its outcome; one that nobody looks after has."""
        account = self._accounts.get(conversation)
        return conversation in self._spoiled or (account is not None and account.has_outcome(id_))

    def running(self) -> bool:
        """Say whether a turn is in progress anywhere that is looked after."""
        return any(account.running for id_, account in self._accounts.items() if id_ not in self._spoiled)

    def settled(self) -> None:
        """Hear that everything is over."""
        for conversation in tuple(self._accounts):
            self._in(conversation, lambda account: account.settled())

    def _in(self, conversation: ConversationId, look: Callable[[Account], list[tuple[int, str]]]) -> None:
        if conversation in self._spoiled:
            return
        account = self._accounts.get(conversation)
        if account is None:
            account = self._accounts[conversation] = Account(conversation, self.looked)
        self.broken += [Broken(rule, conversation, why) for rule, why in look(account)]
