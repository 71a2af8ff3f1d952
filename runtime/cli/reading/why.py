"""`arf why`: the whole story of one tool call."""

from typing import Final

from msgspec import Struct

from ....events import CorruptLog, NotFound, check_token
from ....projections import Prices, ToolDecision
from ..console import output
from ..console.options import Options
from ..console.place import reading
from ..console.text import one_line
from .decisions import as_data
from .pricelist import read_prices
from .progress import progress
from .rows import row_writer
from .story import Storyteller

NAMED: Final = 5
"""So many other calls are named."""


class Asked(Struct, frozen=True):
    """Says which call of a conversation is meant; the last one that fits."""

    tool: str | None = None
    turn: int | None = None
    call: str | None = None

    def fits(self, decision: ToolDecision) -> bool:
        """Say whether a call may be meant."""
        pairs = ((self.tool, decision.tool), (self.turn, decision.turn), (self.call, decision.call))
        return all(wanted is None or wanted == found for wanted, found in pairs)

    def __str__(self) -> str:
        tool = "" if self.tool is None else f" of {self.tool!r}"
        call = "" if self.call is None else f" with id {self.call!r}"
        return f"{tool}{call}{'' if self.turn is None else f' in turn {self.turn}'}"


async def show_why(options: Options, conversation: str, asked: Asked, *, prompts: bool, prices: str | None) -> int:
    """Write the story of a call to stdout, and return 1 if what stands behind it is damaged.

    Raises:
        NotFound: there is no such call; the message says which there are.
        Withheld: what was called is sealed, and the key is not here, or it was erased.

    """
    check_token(conversation, "conversation id")
    known, every, damage = read_prices(prices), list[ToolDecision](), ""
    async with progress("reading turns") as read, reading(options) as client:
        try:
            async for decision in read.of(client.decisions(conversation)):
                every.append(decision)
        except CorruptLog as error:
            damage = str(error)
            if not any(asked.fits(decision) for decision in every):
                raise
        found = [decision for decision in every if asked.fits(decision)]
        if not found:
            raise await client.withheld(conversation) or _no_call(conversation, asked, every)
    _write(options, found[-1], known, prompts=prompts)
    if found[-1].conversation != conversation:
        output.say(f"{conversation} was forked from {found[-1].conversation} after this call")
    if others := found[:-1]:
        output.say(f"{len(others)} more match: {_ids(others)}")
    if damage:
        output.say(f"what comes after it cannot be read: {damage}")
    return int(bool(damage))


def _write(options: Options, decision: ToolDecision, prices: Prices, *, prompts: bool) -> None:
    if options.output != "text":
        output.write_json(as_data(decision, prices), options.output)
        return
    namespace = () if options.namespace == Options.namespace else ("--namespace", options.namespace)
    story, write = Storyteller(prices, prompts, namespace), row_writer()
    write.heading(story.heading(decision))
    write.rows(story.rows(decision))


def _no_call(conversation: str, asked: Asked, every: list[ToolDecision]) -> NotFound:
    if not every:
        return NotFound(f"conversation {conversation!r} has no tool call")
    last = ", ".join(f"{one.call} {one_line(one.tool, 80)}" for one in every[-NAMED:])
    return NotFound(f"conversation {conversation!r} has no tool call{asked}; the last are {last}")


def _ids(others: list[ToolDecision]) -> str:
    named = [f"--call {one.call}" for one in others[: -NAMED - 1 : -1]]
    return f"{', '.join(named)}{', …' if len(others) > NAMED else ''}"
