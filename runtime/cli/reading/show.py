"""`arf show`: what happened in each turn of a conversation, and why."""

import sys
from collections.abc import AsyncIterator, Iterable
from typing import Final

from msgspec import Struct
from rich.console import Console
from rich.text import Text

from ....events import NotFound, Usage, add_usage, check_token
from ....projections import Account, TurnAccount
from ..console import output
from ..console.options import Options
from ..console.place import reading
from .accounts import as_data
from .narration import Narrator, Row, tokens
from .progress import progress
from .times import lasting
from .withheld import say_withheld

NARROW: Final = 16
"""Columns that the words are given at the narrowest terminal."""

LABEL: Final = 10
"""Columns of what a row is about."""


class Wanted(Struct, frozen=True):
    """Is what of a conversation is to be shown: all, all up to a version, or one turn; with prompts whole, or not."""

    at: int | None = None
    turn: int | None = None
    prompts: bool = False


async def show(options: Options, conversation: str, wanted: Wanted) -> None:
    """Write the accounts of a conversation to stdout.

    Raises:
        NotFound: nothing is recorded, or not that version or turn.

    """
    check_token(conversation, "conversation id")
    # turns that come at a terminal are progress enough
    quiet = options.output != "json" and wanted.turn is None and sys.stdout.isatty()
    async with progress("reading turns", shown=not quiet) as read, reading(options) as client:
        await say_withheld(client, conversation)
        accounts = read.of(client.accounts(conversation, wanted.at))
        if wanted.turn is not None:
            _show_one(options, await _turn(accounts, conversation, wanted.turn))
        elif options.output == "text":
            await _tell(accounts, wanted)
        else:
            await output.write_all(_data(accounts), options.output)


async def _turn(accounts: AsyncIterator[Account], conversation: str, number: int) -> TurnAccount:
    last = 0
    async for account in accounts:
        if isinstance(account, TurnAccount):
            if account.number == number:
                return account
            last = account.number
    there = f"turns 1 to {last}" if last else "no turn"
    raise NotFound(f"conversation {conversation!r} has {there}, not {number}")


async def _data(accounts: AsyncIterator[Account]) -> AsyncIterator[dict[str, object]]:
    async for account in accounts:
        yield as_data(account)


def _show_one(options: Options, turn: TurnAccount) -> None:
    if options.output != "text":
        output.write_json(as_data(turn), options.output)
        return
    narrator = Narrator(whole=True, prompts=True)
    _write_turn(_writer(), narrator, turn)


async def _tell(accounts: AsyncIterator[Account], wanted: Wanted) -> None:
    write, narrator, total = _writer(), Narrator(prompts=wanted.prompts), _Total()
    async for account in accounts:
        if isinstance(account, TurnAccount):
            _write_turn(write, narrator, account)
            total.add(account)
        else:
            write.beside(narrator.aside(account))
    write.heading(total.told())


def _write_turn(write: "_Writer", narrator: Narrator, turn: TurnAccount) -> None:
    write.heading(narrator.heading(turn))
    write.rows(narrator.rows(turn))


class _Total:
    """Sums what all turns cost."""

    def __init__(self) -> None:
        self._outcomes: dict[str, int] = {}
        self._model_ms = self._tool_ms = 0
        self._usage: Usage = {}

    def add(self, turn: TurnAccount) -> None:
        outcome = turn.outcome or "open"
        self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
        self._model_ms += turn.model_ms
        self._tool_ms += turn.tool_ms
        self._usage = add_usage(self._usage, turn.usage)

    def told(self) -> str:
        turns = sum(self._outcomes.values())
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in self._outcomes.items())
        spent = [f"model {lasting(self._model_ms)}", f"tools {lasting(self._tool_ms)}", *tokens(self._usage)]
        how = f" ({outcomes})" if outcomes else ""
        return f"{turns} turn{'' if turns == 1 else 's'}{how}: {', '.join(spent)}"


def _writer() -> "_Writer":
    return _Terminal() if sys.stdout.isatty() else _Writer()


class _Writer:
    """Writes to what is no terminal: no line is broken but where a text has one; blocks stand apart."""

    def __init__(self) -> None:
        self._block = ""

    def heading(self, text: str) -> None:
        self._begin("heading")
        self._bold(text)

    def rows(self, rows: Iterable[Row]) -> None:
        self._block = "rows"
        self._table(rows)

    def beside(self, rows: Iterable[Row]) -> None:
        """Write the rows of what is part of no turn."""
        if self._block != "beside":
            self._begin("beside")
        self._table(rows)

    def _begin(self, block: str) -> None:
        if self._block:
            self._bold("")
        self._block = block

    def _bold(self, text: str) -> None:
        output.write_code(text)

    def _table(self, rows: Iterable[Row]) -> None:
        for row in rows:
            first, *more = row.text.split("\n")
            output.write_code(f"{row.label:>{LABEL}} {first}".rstrip())
            for line in more:
                output.write_code(f"{'':>{LABEL}} {line}".rstrip())


class _Terminal(_Writer):
    """Writes to a terminal: in colours, and wrapped beside what a row is about."""

    def __init__(self) -> None:
        super().__init__()
        self._console: Console = output.stdout()

    def _bold(self, text: str) -> None:
        self._console.print(Text(text, "bold"))

    def _table(self, rows: Iterable[Row]) -> None:
        block, room = Text(), max(self._console.width - LABEL - 1, NARROW)
        for row in rows:
            label = row.label
            for line in Text(row.text, row.style).wrap(self._console, room, overflow="fold"):
                block.append(f"{label:>{LABEL}} ", "dim").append_text(line).append("\n")
                label = ""
        # printed at once, because each print costs more than the lines in it
        self._console.print(block, end="", no_wrap=True, overflow="ignore", crop=False)
