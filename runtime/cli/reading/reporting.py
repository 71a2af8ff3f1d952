"""`arf audit report`: what tools were called in a period, as a page that stands alone."""

from contextlib import aclosing
from pathlib import Path

from msgspec import Struct

from ....events import check_token
from ....projections import Prices
from ...clock import SystemClock
from ...logfiles import written
from ...opening import NoNamespace
from ...reporting import Audit, Report, Scope, survey, within
from ...reporting.page import page
from ...reporting.page.figures import counted
from ...whole import whole_conversations
from ..console import output
from ..console.options import Options
from ..console.place import reading
from .moments import period
from .pricelist import read_prices
from .progress import progress

STDOUT = "-"


class Asked(Struct, frozen=True):
    """Is what was typed, as it was typed."""

    since: str | None = None
    until: str | None = None
    agent: str | None = None
    prices: str | None = None


async def write_report(options: Options, asked: Asked, path: str) -> int:
    """Write the page to a file, or to stdout; return 1 if a conversation cannot be read.

    Raises:
        InvalidInput: something that was typed cannot be, or nothing can be written there; then nothing is changed.

    """
    prices = read_prices(asked.prices)
    scope = _scope(options.namespace, asked, priced=bool(asked.prices))
    if path == STDOUT:
        report, damaged = await _report(options, scope, prices)
        output.write_bytes(page(report).encode())
    else:
        with written(Path(path)) as target:
            report, damaged = await _report(options, scope, prices)
            target.write(page(report).encode())
        counts = (report.conversations, "conversation"), (report.turns, "turn"), (report.calls, "call")
        output.say(f"{path}: {', '.join(counted(*count) for count in counts)}")
    for line in damaged:
        output.say(line)
    return int(bool(damaged))


def _scope(namespace: str, asked: Asked, *, priced: bool) -> Scope:
    now = SystemClock().now()
    since, until = period(asked.since, asked.until, now)
    agent = "" if asked.agent is None else check_token(asked.agent, "agent key")
    return Scope(namespace=namespace, agent=agent, since=since, until=until, made=now, prices=priced)


async def _report(options: Options, scope: Scope, prices: Prices) -> tuple[Report, list[str]]:
    audit, damaged = Audit(scope, prices), list[str]()
    try:
        async with (
            progress("reading conversations") as read,
            reading(options) as client,
            aclosing(whole_conversations(client.substrate, within(scope))) as found,
        ):
            damaged = await survey(read.of(found), scope, audit)
    except NoNamespace as missing:  # nothing was ever kept in it, so it is as empty as can be
        output.say(str(missing))
    return audit.report(), damaged
