"""`arf show`: what happened in each turn of a conversation, and why."""

import sys
from collections.abc import AsyncIterator

from msgspec import Struct

from ....events import NotFound, Usage, add_usage, check_token
from ....projections import Account, TurnAccount
from ..console import output
from ..console.options import Options
from ..console.place import reading
from .accounts import as_data
from .narration import Narrator, tokens
from .progress import progress
from .rows import RowWriter, row_writer
from .times import lasting
from .withheld import say_withheld


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
    _write_turn(row_writer(), narrator, turn)


async def _tell(accounts: AsyncIterator[Account], wanted: Wanted) -> None:
    write, narrator, total = row_writer(), Narrator(prompts=wanted.prompts), _Total()
    async for account in accounts:
        if isinstance(account, TurnAccount):
            _write_turn(write, narrator, account)
            total.add(account)
        else:
            write.beside(narrator.aside(account))
    write.heading(total.told())


def _write_turn(write: RowWriter, narrator: Narrator, turn: TurnAccount) -> None:
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
