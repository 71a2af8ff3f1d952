"""`arf follow`: what is recorded of a conversation, and then what comes, one event a line, for ever."""

from rich.console import Console

from ....events import ConversationId, InvalidInput, check_token, not_found
from ....projections import Recorded
from ...wire import Delta, Queued
from ..console import output
from ..console.options import Options
from ..console.place import reading
from .log import as_data, print_line, print_queued
from .summary import Summaries
from .withheld import say_withheld


async def show_follow(options: Options, conversation: str, start: int, *, tokens: bool) -> None:
    """Write the events from version `start` on to stdout; with `tokens` also the pieces of answers, as they come.

    Raises:
        InvalidInput: one JSON document was asked for.
        NotFound: nothing is recorded.

    """
    id_ = ConversationId(check_token(conversation, "conversation id"))
    if options.output == "json":
        raise InvalidInput("a conversation that is followed has no end, so it is no one JSON document: use -o jsonl")
    view = _Events() if options.output == "jsonl" else _Lines()
    async with reading(options) as client:
        if await client.substrate.log.last(id_) is None:
            raise not_found(id_)
        await say_withheld(client, id_)
        async for heard in client.follow(id_):
            if isinstance(heard, Recorded):
                view.event(heard, shown=heard.version >= start)
            elif isinstance(heard, Queued):
                view.queued(heard)
            elif tokens:
                view.token(heard)


class _Events:
    """Writes events as `arf log` does, and what is not in the log as objects without an id."""

    def event(self, recorded: Recorded, *, shown: bool) -> None:
        if shown:
            output.write_json(as_data(recorded), "jsonl")
            output.flush()

    def token(self, delta: Delta) -> None:
        where = {"turn": delta.turn, "request": delta.request, "attempt": delta.attempt, "number": delta.number}
        output.write_json({"type": "token", **where, "text": delta.text}, "jsonl")
        output.flush()

    def queued(self, queued: Queued) -> None:
        said = {"message_id": queued.message_id, "ahead": queued.ahead, "reason": queued.reason}
        output.write_json({"type": "queued", **said}, "jsonl")
        output.flush()


class _Lines:
    """Writes events on a line each, and tokens on the line between two of them."""

    def __init__(self) -> None:
        self._console: Console = output.stdout()
        self._summaries = Summaries()
        self._within = False
        self._queued: Queued | None = None

    def event(self, recorded: Recorded, *, shown: bool) -> None:
        summary = self._summaries.of(recorded)  # each event is told by those before it, shown or not
        if not shown:
            return
        self._break()
        print_line(self._console, recorded, summary)

    def queued(self, queued: Queued) -> None:
        if queued != self._queued:  # it is told again and again
            self._queued = queued
            self._break()
            print_queued(self._console, queued)

    def _break(self) -> None:
        if self._within:
            output.write_piece("\n")
            self._within = False

    def token(self, delta: Delta) -> None:
        output.write_piece(delta.text)
        self._within = True
