"""The operator's price list: a JSON file of what a million tokens of each model cost."""

from pathlib import Path
from typing import Final

import msgspec

from ....events import InvalidInput
from ....projections import Price, Prices

EXAMPLE: Final = '{"gpt-4o": {"input": 2.5, "output": 10}}'


def read_prices(file: str | None) -> Prices:
    """Return the prices in a file, none without one.

    Raises:
        InvalidInput: it cannot be read, or holds no prices.

    """
    if not file:
        return Prices()
    try:
        return Prices(msgspec.json.decode(Path(file).read_bytes(), type=dict[str, Price]))
    except OSError as error:
        raise InvalidInput(f"--prices {file}: it cannot be read: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidInput(f"--prices {file}: it holds no prices, such as {EXAMPLE}: {error}") from error
