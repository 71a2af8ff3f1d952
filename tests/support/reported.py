"""Turns with calls of every fate, made by hand, and the report of them.

    PYTHONPATH=src:tests .venv/bin/python tests/support/reported.py

writes the page of the small report anew, to which a test holds it.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agent_runtime_framework.events import Effect
from agent_runtime_framework.projections import Attempt, Call, CallAccount, Price, Prices, Round, Start, TurnAccount
from agent_runtime_framework.runtime.reporting import Audit, ConversationLine, Report, Scope
from agent_runtime_framework.runtime.reporting.page import page

NOW = 1_795_700_000_000
HOUR = 3_600_000
PAGE = Path(__file__).with_name("report.html")
PRICES = Prices({"m-1": Price(1_000, 2_000)})


def called(
    tool: str,
    outcome: str = "returned",
    *,
    started: bool = True,
    took: int = 20,
    at: int = NOW,
    effect: Effect = "once",
    arguments: dict[str, Any] | None = None,
    **more: Any,
) -> CallAccount:
    """Return a call that came to this."""
    starts = (Start(6, at, 1, effect, "name", "w-1"),) if started else ()
    time, version = (at + took, 7) if outcome else (None, None)
    latency = took if started and outcome else 0
    return CallAccount(
        id="",
        call=Call(0, tool, arguments or {}),
        starts=starts,
        outcome=outcome,
        time=time,
        version=version,
        latency_ms=latency,
        **more,
    )


def turn(
    *calls: CallAccount,
    at: int = NOW,
    conversation: str = "c-1",
    agent: str = "desk",
    model: str = "m-1",
    given: int = 10,
    outcome: str = "completed",
    **more: Any,
) -> TurnAccount:
    """Return a turn in which the model was asked once, and chose these calls."""
    listed = tuple(
        CallAccount(**{name: getattr(call, name) for name in call.__struct_fields__ if name != "id"}, id=f"5.{index}")
        for index, call in enumerate(calls)
    )
    usage = {"prompt_tokens": given, "completion_tokens": 5, "total_tokens": given + 5}
    asked = (Attempt(version=4, time=at),)
    round_ = Round(attempts=asked, model=model, answered=5, answered_at=at, usage=usage, latency_ms=40, calls=listed)
    ended = None if not outcome else at + 100
    return TurnAccount(
        conversation=conversation,
        number=1,
        agent=agent,
        began=3,
        began_at=at,
        rounds=(round_,),
        outcome=outcome,
        ended=None if ended is None else 9,
        ended_at=ended,
        **more,
    )


def reported(
    turns: Iterable[TurnAccount],
    scope: Scope | None = None,
    *,
    erased: Sequence[str] = (),
    damaged: dict[str, str] | None = None,
    prices: Prices | None = PRICES,
) -> Report:
    """Return the report of turns, those of a conversation one after another."""
    audit = Audit(scope or Scope(made=NOW, prices=True), prices)
    by_conversation: dict[str, list[TurnAccount]] = {}
    for each in turns:
        by_conversation.setdefault(each.conversation, []).append(each)
    for conversation, its in by_conversation.items():
        line = ConversationLine(
            conversation=conversation, agent=its[0].agent, last=its[-1].ended_at or its[-1].began_at
        )
        chapter = audit.begin(line, erased=conversation in erased)
        for each in its:
            audit.turn(chapter, each)
        audit.end(chapter, damage=(damaged or {}).get(conversation, ""))
    return audit.report()


def some_of_each(at: int = NOW - 2 * HOUR) -> list[TurnAccount]:
    """Return turns in which something of everything happened."""
    denied: dict[str, Any] = {"policy": "denied", "policy_reason": "over the limit"}
    return [
        turn(called("look", arguments={"order": 7}), called("pay", took=1_500), at=at),
        turn(called("pay", "error", content="Error: the tool failed", error="ValueError"), at=at + HOUR),
        turn(
            called("pay", "in_doubt", content="The outcome is unknown", arguments={"amount": 3}), at=at + 1, model="m-2"
        ),
        turn(called("pay", "denied", started=False, content="Denied", **denied), at=at + 2, conversation="c-2"),
        turn(called("lok", "unknown", started=False, content="Error: no such tool"), at=at + 3, conversation="c-2"),
        turn(called("look", "cancelled", started=False), at=at + 4, conversation="c-3", outcome="cancelled"),
        turn(called("look", ""), called("pay", "", started=False), at=at + 5, conversation="c-4", outcome=""),
        turn(at=at + 6, conversation="c-5", agent="clerk", outcome="failed", reason="model_error", error="429 <slow>"),
        turn(called("look"), at=at + 7, conversation="c-6"),
    ]


def small() -> Report:
    """Return a small report with something of everything."""
    damage = {"c-2": "position 9: stored bytes are not a frame"}
    scope = Scope(namespace="shop", since=NOW - 24 * HOUR, made=NOW, prices=True)
    return reported(some_of_each(), scope, erased=("c-6",), damaged=damage)


if __name__ == "__main__":
    PAGE.write_text(page(small()), encoding="utf-8")
