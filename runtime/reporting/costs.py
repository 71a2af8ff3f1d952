"""What models were given and answered, in tokens, and in money where there are prices."""

from collections.abc import Mapping
from typing import Final

from ...events import Usage
from .report import Tokens

_GIVEN: Final = ("prompt_tokens", "input_tokens")
_ANSWERED: Final = ("completion_tokens", "output_tokens")


def tokens_of(usage: Usage, cost: float | None) -> Tokens:
    """Return the tokens of one answer, as its provider counted them."""
    given, answered = _count(usage, _GIVEN), _count(usage, _ANSWERED)
    return Tokens(given, answered, usage.get("total_tokens", given + answered), cost, int(cost is None))


def plus(one: Tokens, other: Tokens) -> Tokens:
    """Return the sum of both."""
    costs = [cost for cost in (one.cost, other.cost) if cost is not None]
    return Tokens(
        one.given + other.given,
        one.answered + other.answered,
        one.all + other.all,
        sum(costs) if costs else None,
        one.unpriced + other.unpriced,
    )


def share(tokens: Tokens, among: int) -> Tokens:
    """Return what falls to each of so many."""
    cost = None if tokens.cost is None else tokens.cost / among
    return Tokens(tokens.given / among, tokens.answered / among, tokens.all / among, cost, tokens.unpriced)


def _count(usage: Mapping[str, int], names: tuple[str, ...]) -> int:
    return next((usage[name] for name in names if name in usage), 0)
