"""Where today's code would do something else than was done: one difference, and what kind it is."""

import difflib
from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct

Aspect: TypeAlias = Literal[
    "outcome",
    "reply",
    "call",
    "result",
    "journey",
    "step",
    "state",
    "window",
    "parameters",
    "tools",
    "prompt",
]
"""What may differ, what a person notices first to what only a model sees:

  - outcome: how a turn ended, and why; also that it would not be over, or over earlier.
  - reply: the words of the agent.
  - call: whether a call of a tool was run, as what, or refused, and why.
  - result: what a tool that was really run told the model.
  - journey, step, state: where the conversation is, and what is known.
  - window, parameters, tools, prompt: what the model was given.
"""

ASPECTS: Final[tuple[Aspect, ...]] = get_args(Aspect)

TEXT: Final[frozenset[Aspect]] = frozenset({"window", "parameters", "tools", "prompt"})
"""What only a model sees; whether it behaves otherwise for it, only a live one shows."""


COMPARED: Final = 50_000
"""Characters of two prompts that are compared word by word; of longer ones each difference is one of its own."""


class Divergence(Struct, frozen=True, kw_only=True):
    """Is one difference.

    Attributes:
        aspect: what differs.
        version: the recorded event at which it shows; the last one for what shows when the state is read again.
        turn: its turn.
        subject: what it is about, such as a call, a field or a step; may be empty.
        then, now: what was recorded, and what today's code says; a text for people.
        times: how often the same was found.
        follows: whether it only follows from a state that differs already.

    >>> from agent_runtime_framework import Divergence
    >>> Divergence(aspect="step", version=12, turn=2, then="email", now="plan").behaviour
    True

    """

    aspect: Aspect
    version: int
    turn: int
    subject: str = ""
    then: str = ""
    now: str = ""
    times: int = 1
    follows: bool = False

    @property
    def behaviour(self) -> bool:
        """Whether it is more than what the model was given."""
        return self.aspect not in TEXT

    @property
    def same(self) -> tuple[str, str, str, str]:
        """What is equal of two divergences that are one, found twice; of prompts, which words differ."""
        if self.aspect != "prompt" or len(self.then) + len(self.now) > COMPARED:
            return self.aspect, self.subject, self.then, self.now
        then, now = self.then.split(), self.now.split()
        changes = difflib.SequenceMatcher(None, then, now, autojunk=False).get_opcodes()
        changed = [change for change in changes if change[0] != "equal"]
        gone = "\n".join(" ".join(then[begin:end]) for _, begin, end, _, _ in changed)
        return self.aspect, self.subject, gone, "\n".join(" ".join(now[begin:end]) for *_, begin, end in changed)
