"""Where the command line finds conversations: which server, or whose directory, and which namespace."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from ....events import InvalidInput, NotFound, Refused, Stored, check_token
from ...client import Client
from ...credentials import PREFIX, Credentials
from ...opening import NoNamespace, Place, home_of
from .options import Options

MODULE: Final = __name__.rsplit(".", 2)[0]
"""What `python -m` runs as `arf`."""

WHO = frozenset({"creds", "nkey", "user", "password", "token"})
"""What of credentials says who we are; the rest is about TLS."""


def place_of(options: Options, *, create: bool) -> Place:
    """Return the place that the options name, with the directory of an embedded server as an absolute path.

    Raises:
        InvalidInput: the namespace is no token, or the credentials cannot be used.
        NotFound: without `create`: there is no such directory.

    """
    namespace = check_token(options.namespace, "namespace")
    if options.nats:
        return Place(nats=options.nats, namespace=namespace, credentials=_credentials(options.credentials))
    if options.credentials:
        typed = next(iter(options.credentials)).replace("_", "-")
        raise InvalidInput(f"--{typed} is for a server of your own: name it with --nats URL")
    home = None if options.home is None else Path(options.home).absolute()
    return Place(home=home_of(home, create=create), namespace=namespace)


def _credentials(typed: Mapping[str, str]) -> Credentials:
    """Return what was typed, and what the environment says beside it; what is typed says alone who we are."""
    given = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    if WHO & typed.keys():
        given = {name: value for name, value in given.items() if name.removeprefix(PREFIX).lower() not in WHO}
    return Credentials.from_env(given | {f"{PREFIX}{name.upper()}": value for name, value in typed.items()})


def environment_of(place: Place) -> dict[str, str]:
    """Return the variables by which another `arf` finds this place and is let in, where not all can see a secret."""
    names = {"ARF_NATS_URL": place.nats or "", "ARF_HOME": str(place.home or ""), "ARF_NAMESPACE": place.namespace}
    shown = {name: getattr(place.credentials, name) for name in place.credentials.__struct_fields__}
    return names | {f"{PREFIX}{name.upper()}": str(value or "") for name, value in shown.items()}


def described(place: Place) -> str:
    """Return the place in words."""
    return f"namespace {place.namespace!r} {f'in {place.home}' if place.nats is None else f'at {place.nats}'}"


def check_agent(last: Stored | None, agent: str) -> None:
    """Check that a conversation with this last frame is the agent's, or nobody's yet.

    Raises:
        Refused: it is another's.

    """
    if last is not None and last.frame.agent not in ("", agent):
        raise Refused(f"conversation {last.conversation!r} belongs to agent {last.frame.agent!r}, not to {agent!r}")


def client_at(place: Place, *, create: bool = True) -> AbstractAsyncContextManager[Client]:
    """Open a client on a place; without `create` only on one that is there."""
    return Client.connect(place.nats, place.home, place.namespace, credentials=place.credentials, create=create)


@asynccontextmanager
async def reading(options: Options) -> AsyncIterator[Client]:
    """Open what is there, and create nothing; what is not found is said to be missing in that place, once.

    Raises:
        NotFound: there is nothing; the message names the directory or the server.
        Unavailable: no server answers.

    """
    place = place_of(options, create=False)
    try:
        async with client_at(place, create=False) as client:
            yield client
    except NoNamespace:
        raise
    except NotFound as error:
        raise type(error)(f"{error} ({described(place)})") from error
