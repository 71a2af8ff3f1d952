"""Where the command line finds conversations: which server, or whose directory, and which namespace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ...events import NotFound, check_token
from ..client import Client
from ..opening import Place, home_of
from .options import Options


def place_of(options: Options, *, create: bool) -> Place:
    """Return the place that the options name, with the directory of an embedded server as an absolute path.

    Raises:
        InvalidId: the namespace is no token.
        NotFound: without `create`: there is no such directory.

    """
    namespace = check_token(options.namespace, "namespace")
    if options.nats:
        return Place(nats=options.nats, namespace=namespace)
    home = None if options.home is None else Path(options.home).absolute()
    return Place(home=home_of(home, create=create), namespace=namespace)


def described(place: Place) -> str:
    """Return the place in words."""
    return f"namespace {place.namespace!r} {f'in {place.home}' if place.nats is None else f'at {place.nats}'}"


@asynccontextmanager
async def reading(options: Options) -> AsyncIterator[Client]:
    """Open what is there, and create nothing; what is not found is said to be missing in that place.

    Raises:
        NotFound: there is nothing; the message names the directory or the server.
        Unavailable: no server answers.

    """
    place = place_of(options, create=False)
    try:
        async with Client.connect(place.nats, place.home, place.namespace, create=False) as client:
            yield client
    except NotFound as error:
        raise type(error)(f"{error} ({described(place)})") from error
