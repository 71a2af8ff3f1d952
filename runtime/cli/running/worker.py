"""`arf worker`: a process that answers for its agents, until it is told to leave."""

import asyncio
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from ....events import FrameworkError, InvalidInput
from ...bus import PARTITIONS
from ...demo import OfflineModel
from ...garbage import collect_seldom
from ...loading import Agent, load_agents
from ...opening import Place
from ...runtime import Runtime
from ...sealing import SealConfig, load_key
from ...worker import Worker, bound
from ..console.lines import STDIN, Lines
from ..console.logs import log_through
from ..console.options import Options
from ..console.output import flush, say, write_json
from ..console.place import place_of
from ..console.signals import Signals
from ..console.text import without_password
from .ready import Ready

CONFIGURES = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
"""The variables that say that a model is wanted, and which; where they cannot be used, the offline one is no answer."""

LEFT_AT_ONCE = 130

AUTHOR_THREADS = "arf-author"
"""How the threads are called in which a worker runs plain `def` author code."""


class Loaded(Struct, frozen=True):
    """Holds agents that can answer; by key, in words, the model that each talks to; the keys of those offline."""

    agents: list[Agent]
    models: dict[str, str]
    offline: list[str]


def loaded(specs: Sequence[str], *, offline: bool = False) -> Loaded:
    """Return the agents that these MODULE:ATTR name, each of which has a key of its own and a model.

    With `offline`, agents for which no model is configured talk to the offline one.

    Raises:
        InvalidInput: one of them cannot be loaded, or two have one key.
        FrameworkError: an agent has no model.

    """
    agents, models, without = load_agents(specs), {}, []
    for key, journeys in bound(agents).items():
        try:
            client = journeys.front.client
        except InvalidInput as error:
            configured = any(os.environ.get(name, "").strip() for name in CONFIGURES)
            if configured or not offline:
                other = "" if configured else "; or give --offline, to try it with the offline model"
                raise FrameworkError(f"agent {key!r} has no model to talk to: {error}{other}") from error
            client = journeys.agent.llm_client = OfflineModel()
        models[key] = _in_words(client)
        if isinstance(client, OfflineModel):
            without.append(key)
    return Loaded(agents, models, without)


def _in_words(client: object) -> str:
    if isinstance(client, OfflineModel):
        return f"{client.model}, the offline model: a few rules, no network"
    name, kind = getattr(client, "model", None), type(client).__name__
    return f"{name} ({kind})" if name else kind


def sealing(key: str | None, file: str | None) -> SealConfig | None:
    """Return how heads are sealed, None if they are not.

    Raises:
        InvalidInput: only one of the two is given, or the key cannot be used.
        FrameworkError: what reads keys is not installed.

    """
    if not key and not file:
        return None
    if not key or not file:
        given, other = ("key", "file") if key else ("file", "key")
        raise InvalidInput(
            f"a {given} is given for seals and no {other}: give --seal-{other} or ARF_SEAL_{other.upper()}, too"
        )
    load_key(key)  # said now, before anything is opened
    return SealConfig(key=key, file=file)


async def work(
    options: Options,
    found: Loaded,
    *,
    concurrency: int,
    grace: float,
    idle: float,
    seal: SealConfig | None = None,
    encrypt: bool = False,
    child: bool = False,
) -> int:
    """Answer for the agents until SIGTERM or SIGINT, then finish what runs and leave; return the exit code.

    With `encrypt`, conversations that begin are sealed.  A second signal ends what runs, too.  A `child` also leaves at
    the end of stdin: whoever started it is gone.
    """
    if child:
        log_through(say)  # who hears it says when
    place = place_of(options, create=True)
    task, signals = asyncio.current_task(), Signals()
    if task is not None:
        signals.again = task.cancel
    asked = asyncio.ensure_future(_asked(signals, child=child))
    runtime = Runtime(
        found.agents,
        nats=place.nats,
        home=place.home,
        namespace=place.namespace,
        credentials=place.credentials,
        concurrency=concurrency,
        grace=grace,
        idle=idle,
        seal=seal,
        encrypt=encrypt,
    )
    try:
        async with runtime:
            worker, sealed = runtime.worker(), await _encrypted(runtime)
            collect_seldom()  # now that all is loaded, and nobody waits yet
            running = asyncio.create_task(worker.run())
            if await worker.owned(running, asked):
                _tell(options, _ready(found, runtime, worker, place, encrypted=sealed))
            await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                say(f"leaving: what runs is finished first, for {grace:g} s at most")
            worker.stop()
            await running
    except asyncio.CancelledError:
        say("left at once: the next worker goes on with what was running")
        return LEFT_AT_ONCE
    finally:
        asked.cancel()
    return 0


def end_of_process(code: int) -> int:
    """Return the exit code; but where a tool's thread still runs, which nothing can stop, end the process at once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends already, and with this code
    if any(thread.name.startswith(AUTHOR_THREADS) for thread in threading.enumerate()):
        os._exit(code)
    return code


async def _asked(signals: Signals, *, child: bool) -> None:
    """Return once this process is to leave."""
    await signals.first(*([_end_of_stdin()] if child else []))


async def _end_of_stdin() -> None:
    lines = Lines(_taken_stdin())
    while await lines.next() is not None:
        pass


def _taken_stdin() -> int:
    """Return stdin as an open file of our own; what a tool starts then reads nothing, and waits for nothing there."""
    ours = os.dup(STDIN)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), STDIN)
    return ours


def _tell(options: Options, ready: Ready) -> None:
    if options.output == "text":
        say(ready.line())
    else:
        write_json(ready, options.output)
        flush()


async def _encrypted(runtime: Runtime) -> bool:
    """Say whether conversations that begin are sealed."""
    vault = runtime.substrate.vault
    return vault is not None and await vault.encrypted()


def _ready(found: Loaded, runtime: Runtime, worker: Worker, place: Place, *, encrypted: bool) -> Ready:
    return Ready(
        agents=found.models,
        offline=found.offline,
        partitions=worker.partitions,
        of=PARTITIONS * len(found.agents),
        durability=runtime.opened.durability,
        server=without_password(runtime.opened.url),
        home=None if place.nats is not None else str(place.home),
        namespace=place.namespace,
        encrypted=encrypted,
        seals=None if runtime.seal is None else str(Path(runtime.seal.file).absolute()),
    )
