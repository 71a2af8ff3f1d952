"""`arf audit tools`: the tool calls of all conversations, and what was decided of each."""

import contextlib
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace
from rich.text import Text

from ....events import CorruptLog, FrameworkError, NewerRelease, Withheld
from ....projections import Prices, ToolDecision
from ...clock import SystemClock
from ...decided import Damaged, decisions_in, decisions_of_all
from ...opening import NoNamespace
from ...reader import Reader
from ..console import output
from ..console.options import Options
from ..console.place import reading
from ..console.text import SHOWN, one_line
from .decisions import as_data, chosen, cost_of, outcome_of, took
from .pricelist import read_prices
from .progress import progress
from .spreadsheet import csv_lines
from .times import exact
from .wanted import Filters, Wanted, wanted


class Listing(Struct, frozen=True):
    """Is how calls are listed: in which form, at most how many of the newest, at which prices."""

    form: str
    limit: int | None = None
    prices: str | None = None


async def show_tools(options: Options, typed: Filters, listing: Listing) -> int:
    """Write the calls that are wanted to stdout, the newest last; return 1 if a conversation cannot be read.

    One that was erased has no calls any more, which is said.

    Raises:
        InvalidInput: something that was typed is no filter, or no price list.
        NotFound: a conversation that was named is not there.

    """
    filters, prices = wanted(typed, SystemClock().now()), read_prices(listing.prices)
    unread, withheld = list[str](), list[Withheld]()

    def damaged(conversation: str, error: FrameworkError) -> None:
        if isinstance(error, Withheld):
            withheld.append(error)
            return
        unread.append(f"{conversation} cannot be read, or not to its end: {error}")

    found: list[ToolDecision] = []
    try:
        async with (
            progress("reading tool calls") as read,
            reading(options) as client,
            contextlib.aclosing(_source(client, filters, damaged)) as every,
        ):
            # without the prompts, which are not listed, and are most of what would be held
            found = [replace(each, prompt="") async for each in read.of(every) if filters.fits(each)]
    except NoNamespace as missing:  # nothing was ever kept in it, so it is as empty as can be
        output.say(str(missing))
    found.sort(key=_order)
    _write(found if listing.limit is None else found[-listing.limit :], listing.form, prices)
    for line in (*unread, *_unlisted(withheld)):
        output.say(line)
    return int(bool(unread) or any(not each.erased for each in withheld))


def _unlisted(withheld: Sequence[Withheld]) -> Iterator[str]:
    """Yield what is said of conversations whose calls are not known: which one, or how many."""
    for erased, many in ((True, "were erased"), (False, "are sealed, and no key is here: set ARF_MASTER_KEY")):
        match [each for each in withheld if each.erased is erased]:
            case []:
                continue
            case [one]:
                yield f"{one}; its calls are not listed"
            case several:
                yield f"{len(several)} conversations {many}; their calls are not listed"


async def _source(client: Reader, filters: Wanted, damaged: Damaged) -> AsyncGenerator[ToolDecision, None]:
    """Yield the decisions among which the wanted ones are."""
    if not filters.conversations:
        every = decisions_of_all(client.substrate, damaged, agents=filters.agents, active_since=filters.since)
        async with contextlib.aclosing(every) as found:
            async for decision in found:
                yield decision
        return
    for conversation in filters.conversations:
        with contextlib.suppress(CorruptLog, NewerRelease):
            await client.last(conversation)
    for conversation in filters.conversations:
        async for decision in decisions_in(client, conversation, damaged):
            yield decision


def _order(decision: ToolDecision) -> tuple[int, str, int, int]:
    """Return what calls are ordered by: when they were chosen, and where that says nothing, where they stand."""
    answer, _, index = decision.call.partition(".")
    return decision.chosen, decision.conversation, int(answer), int(index)


def _write(found: Sequence[ToolDecision], form: str, prices: Prices) -> None:
    match form:
        case "json":
            output.write_json([as_data(decision, prices, whole=False) for decision in found], "json")
        case "jsonl":
            for decision in found:
                output.write_json(as_data(decision, prices, whole=False), "jsonl")
        case "csv":
            for line in csv_lines(found, prices):
                output.write_code(line)
        case _:
            _write_text(found, prices)
    if not found:
        output.say("no such calls")


def _write_text(found: Sequence[ToolDecision], prices: Prices) -> None:
    rows = [_cells(decision, prices) for decision in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    console = output.stdout() if sys.stdout.isatty() else None
    for row in rows:
        line = "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]])
        if console is None:
            output.write_text(line)
        else:
            console.print(Text(line), no_wrap=True, overflow="ellipsis")


def _cells(decision: ToolDecision, prices: Prices) -> tuple[str, ...]:
    cost = cost_of(decision, prices)
    tokens = decision.usage.get("total_tokens")
    return (
        exact(decision.chosen),
        one_line(decision.conversation),
        decision.call,
        outcome_of(decision),
        took(decision) or "-",
        "-" if tokens is None else f"{tokens} tokens",
        *(() if not prices.by_model else ("-" if cost is None else f"{cost:.6f}",)),
        one_line(f"{chosen(decision)}{_why(decision)}", SHOWN),
    )


def _why(decision: ToolDecision) -> str:
    """Return in a few words why a call was refused or failed."""
    if decision.policy == "denied":
        return f": {decision.policy_reason}"
    return "" if decision.outcome in ("", "returned") else f": {decision.content}"
