"""Opening what a runtime stands on: the embedded server or a given one, its connections, its streams."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from ..events import InvalidInput, NotFound, Unavailable, WriterId
from .credentials import ANONYMOUS, Credentials, without_secrets
from .secret_keys import of_namespace
from .substrate import Substrate
from .vault import KeyWrapper

if TYPE_CHECKING:
    from .nats.client import Connection


class Place(Struct, frozen=True, kw_only=True):
    """Says where conversations are kept.

    Attributes:
        nats: URL of a NATS server; None for the embedded one.
        home: the embedded server's directory; None for the nearest `.arf/` above the current directory, or a new one.
        namespace: keeps apart what shares a server.
        shards: event streams of a namespace that is created now; fixed from then on.
        credentials: what the server at `nats` is shown; the embedded one has its own.
        encrypt: whether conversations that begin are sealed from now on.
        wrapper: what wraps their keys; None for the master key in the environment, where there is one.

    """

    nats: str | None = None
    home: Path | None = None
    namespace: str = "arf"
    shards: int = 8
    credentials: Credentials = ANONYMOUS
    encrypt: bool = False
    wrapper: KeyWrapper | None = None


class NoNamespace(NotFound):
    """Raised when a server is there, but nothing was ever kept in that namespace; the message says where."""


class NoServer(Unavailable):
    """Raised when no server answers at a URL.

    Attributes:
        what: the same without what to do.

    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: start it, or name another")
        self.what = what


class Opened(Struct, frozen=True):
    """Is a place that is open.

    Attributes:
        substrate: its ports.
        url: of the server, without secrets.
        durability: what an acknowledgement means there: `fsync`, `replicated`, or `unknown`, never guessed.

    """

    substrate: Substrate
    url: str
    durability: str


@asynccontextmanager
async def opened(place: Place, writer: WriterId, *, create: bool = True) -> AsyncIterator[Opened]:
    """Open a place, and close it at the end; without `create`, only one that is there.

    Raises:
        InvalidInput: the place is not one.
        NotFound: nothing is there, and nothing was to be created.
        Unavailable: no server answers, it does not let us in, or the embedded one does not come up.

    """
    from .nats import nats_substrate  # noqa: PLC0415  nats is loaded only when it is used

    async with reached(place, writer, connections=2, create=create) as there:
        appends, reads = there.connections
        found = await nats_substrate(
            place.namespace,
            writer,
            appends=appends,
            reads=reads,
            more=there.connect,
            shards=place.shards,
            create=create,
            wrapper=place.wrapper if place.wrapper is not None else master_wrapper(),
        )
        if found is None:
            where = f"at {there.url}" if place.nats is not None else f"in {home_of(place.home, create=create)}"
            raise NoNamespace(f"there is no namespace {place.namespace!r} {where}")
        substrate, replicas = found
        if substrate.vault is not None:
            await (substrate.vault.encrypt() if place.encrypt else substrate.vault.check())
        hook = None if place.wrapper is None else substrate.vault
        substrate = replace(substrate, secrets=of_namespace(place.namespace, hook))
        yield Opened(substrate, there.url, durability_of(place, replicas))


def master_wrapper() -> KeyWrapper | None:
    """Return the master key in the environment, which wraps the keys of conversations; None if there is none.

    Raises:
        InvalidInput: what is in the environment is no key.
        FrameworkError: the library for it is not installed.

    """
    text = os.environ.get("ARF_MASTER_KEY", "")
    if not text.strip():
        return None
    from .crypto.ciphers import master_key  # noqa: PLC0415  loaded only where something may be sealed

    return master_key(text)


class Reached(Struct, frozen=True):
    """Is a server that answers: its URL without secrets, connections to it, and a way to open more, on any loop."""

    url: str
    connections: "list[Connection]"
    connect: "Callable[[], Awaitable[Connection]]"


@asynccontextmanager
async def reached(place: Place, name: str, *, connections: int, create: bool) -> AsyncIterator[Reached]:
    """Give a place's server, and so many connections to it; raises as `opened`."""
    from .nats import connect  # noqa: PLC0415  likewise

    async with AsyncExitStack() as stack:
        url, token, restore = place.nats, None, None
        if url is None:
            if place.credentials != ANONYMOUS:
                raise InvalidInput(
                    "credentials are for the server at a URL, and none is given: name it with --nats URL"
                )
            from .embedded import EmbeddedServer  # noqa: PLC0415  likewise

            server = await EmbeddedServer.open(home_of(place.home, create=create))
            stack.push_async_exit(server)
            url, token, restore = server.url, server.token, server.ensure_running
        clients = []
        for _ in range(connections):
            try:
                client = await connect(url, credentials=place.credentials, token=token, name=name, restore=restore)
            except Unavailable as error:
                if place.nats is None or type(error) is not Unavailable:  # one that refuses us is there
                    raise
                raise NoServer(str(error)) from error
            stack.push_async_callback(client.close)
            clients.append(client)
        more = partial(connect, url, credentials=place.credentials, token=token, name=name)
        yield Reached(without_secrets(url), clients, more)


def durability_of(place: Place, replicas: int) -> str:
    """Return what an acknowledgement means at a place whose streams have so many replicas."""
    return "fsync" if place.nats is None else "replicated" if replicas > 1 else "unknown"


def home_of(given: Path | None, *, create: bool) -> Path:
    """Return the embedded server's directory: the given one, else the nearest `.arf/`, else one that is to be created.

    Raises:
        NotFound: without `create`: no server ever was in it.

    """
    from .embedded import find_home  # noqa: PLC0415  loaded only when it is used

    home = given or find_home(Path.cwd()) or Path.cwd() / ".arf"
    if not create and not any((home / kept).exists() for kept in ("server.json", "jetstream")):
        where = f"is nothing of arf in {home}" if given is not None else f"is no .arf/ in {Path.cwd()} or above it"
        makes = f"the first `arf worker`, `chat` or `dev` {'there makes it' if given is not None else 'makes one'}"
        raise NotFound(f"there {where}: {makes}; or name a directory with --home, or a server with --nats")
    return home
