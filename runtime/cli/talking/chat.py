"""`arf chat` and `arf dev`: a talk with an agent of one's own, with all that it needs."""

from contextlib import AbstractAsyncContextManager

from ....events import check_token
from ...clock import new_id
from ...opening import Place
from ..console import output
from ..console.options import Options
from ..console.place import place_of
from ..console.signals import Signals
from ..running.child import Tell, worker_process
from .session import Worker, hold, talking
from .teller import EventTeller
from .terminal import Terminal
from .typed import typed

SHORT = 8
"""So many characters of an id tell one's own talks apart."""


def new_conversation(kind: str) -> str:
    """Return a short id, which can be typed, for a new conversation."""
    return new_id(kind)[: len(kind) + 1 + SHORT]


async def chat(options: Options, spec: str, conversation: str | None, *, reload: bool = False) -> int:
    """Talk with the agent that MODULE:ATTR names, and return the exit code; with `reload`, it follows its code."""
    id_ = new_conversation("chat") if conversation is None else check_token(conversation, "conversation id")
    place = place_of(options, create=True)
    terminal, signals = Terminal(options), Signals()
    failed = False
    async with (
        _worker(spec, place, terminal.hear, reload=reload) as worker,
        talking(worker, place, id_, terminal, signals) as talk,
    ):
        if talk is not None:
            try:
                await hold(talk, worker, terminal, signals)
                failed = talk.failed
                if isinstance(terminal.teller, EventTeller):
                    terminal.teller.end()
            finally:  # also after the worker died, or the server did not come back
                if terminal.typed and talk.now.version:
                    again = typed(options, "dev" if reload else "chat", spec, "--conversation", id_)
                    output.say(f"the conversation is kept; it goes on with: {again}")
    return signals.exit_code or int(failed)


def _worker(spec: str, place: Place, tell: Tell, *, reload: bool) -> AbstractAsyncContextManager[Worker]:
    if reload:
        from ..running.reloading import reloading_worker  # noqa: PLC0415  what watches files is loaded only here

        return reloading_worker(spec, place, tell)
    return worker_process(spec, place, tell)
