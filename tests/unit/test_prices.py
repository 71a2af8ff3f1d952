"""What a model call costs, where an operator says the prices."""

from pathlib import Path

import pytest

from agent_runtime_framework import InvalidInput
from agent_runtime_framework.projections import Price, Prices
from agent_runtime_framework.runtime.cli.reading.pricelist import read_prices

KNOWN = Prices({"m": Price(2.5, 10), "m-2030": Price(1, 1), "free": Price(0, 0)})


@pytest.mark.parametrize(
    ("usage", "models", "cost"),
    [
        ({"prompt_tokens": 1_000_000, "completion_tokens": 0}, ("m",), 2.5),
        ({"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 9}, ("m",), 0.0035),
        ({"input_tokens": 1_000, "output_tokens": 100}, ("m",), 0.0035),
        ({"prompt_tokens": 10, "completion_tokens": 10}, ("m-2030", "m"), 0.00002),
        ({"prompt_tokens": 10, "completion_tokens": 10}, ("m-2031", "m"), 0.000125),
        ({"prompt_tokens": 10, "completion_tokens": 10}, ("free",), 0.0),
        ({"prompt_tokens": 10, "completion_tokens": 10}, ("another", ""), None),
        ({"prompt_tokens": 10}, ("m",), None),
        ({}, ("m",), None),
    ],
)
def test_a_cost_is_known_where_there_is_a_price_and_both_kinds_of_tokens_were_counted(
    usage: dict[str, int], models: tuple[str, ...], cost: float | None
) -> None:
    assert KNOWN.cost(usage, *models) == cost


def test_a_price_list_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"gpt-4o": {"input": 2.5, "output": 10}}')

    assert read_prices(str(file)) == Prices({"gpt-4o": Price(2.5, 10)})
    assert read_prices(None) == read_prices("") == Prices()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Input data was truncated"),
        ("[]", "Expected `object`, got `array`"),
        ('{"m": 3}', "Expected `object`, got `int`"),
        ('{"m": {"input": 1}}', "missing required field `output`"),
        ('{"m": {"input": -1, "output": 1}}', "Expected `float` >= 0"),
        ('{"m": {"input": 1, "output": 1, "per": 9}}', "unknown field `per`"),
        ('{"m": {"input": 1e999, "output": 1}}', "out of range"),
    ],
)
def test_what_holds_no_prices_is_refused_in_one_line(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(InvalidInput) as raised:
        read_prices(str(file))

    assert str(raised.value).startswith(f'--prices {file}: it holds no prices, such as {{"gpt-4o": ')
    assert why in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b'{"\xff": {}}')
    for file, why in [("none", "No such file or directory"), (".", "Is a directory"), ("odd", "holds no prices")]:
        with pytest.raises(InvalidInput, match=why):
            read_prices(str(tmp_path / file))
