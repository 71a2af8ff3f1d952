"""What a model call costs in money: known only where an operator says the prices, since no list is built in."""

from typing import Annotated

from msgspec import Meta, Struct

from ..events import Usage

MILLION = 1_000_000

_Amount = Annotated[float, Meta(ge=0)]

_INPUT = ("prompt_tokens", "input_tokens")
_OUTPUT = ("completion_tokens", "output_tokens")


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """Is what a million tokens cost, of what a model is given and of what it answers, in the operator's currency."""

    input: _Amount
    output: _Amount


class Prices(Struct, frozen=True):
    """Knows prices by the name of the model.

    >>> prices = Prices({"gpt-4o": Price(2.5, 10)})
    >>> prices.cost({"prompt_tokens": 1_000, "completion_tokens": 100}, "gpt-4o-2024-08-06", "gpt-4o")
    0.0035
    """

    by_model: dict[str, Price] = {}

    def cost(self, usage: Usage, *models: str) -> float | None:
        """Return what these tokens cost of the first of these models that has a price.

        None if none has, or if the provider did not count both kinds of tokens.
        """
        price = next((self.by_model[model] for model in models if model in self.by_model), None)
        given, answered = _count(usage, _INPUT), _count(usage, _OUTPUT)
        if price is None or given is None or answered is None:
            return None
        return round((given * price.input + answered * price.output) / MILLION, 12)


def _count(usage: Usage, names: tuple[str, ...]) -> int | None:
    return next((usage[name] for name in names if name in usage), None)
