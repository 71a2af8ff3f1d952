"""What a NATS server is shown so that it lets us in, and how that stands in the environment or in a URL.

Nothing of NATS is loaded here, so that a command line can read its environment at no cost.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from ..events import InvalidInput

PREFIX = "ARF_NATS_"
"""How the variables begin, one a field: ARF_NATS_CREDS, ARF_NATS_TLS_CA."""

_FILES = {
    "creds": "credentials file",
    "nkey": "nkey seed file",
    "tls_cert": "TLS certificate",
    "tls_key": "TLS key",
    "tls_ca": "TLS CA file",
}
_SECRETS = frozenset({"password", "token"})
_URL = re.compile(r"([A-Za-z]+://)?(?:(.*)@)?([^@]*)", re.DOTALL)


class Credentials(Struct, frozen=True, kw_only=True):
    """Says who we are, in one way or in none, and how TLS with the server is checked; secrets never show in its repr.

    Attributes:
        creds: a credentials file as `nsc` writes it, with a JWT and the seed that signs for it; read at each connect.
        nkey: a file that holds an nkey seed.
        user: a user's name; it comes with `password`.
        password: the user's password.
        token: a token.
        tls_cert: a PEM file with our certificate; it comes with `tls_key`.
        tls_key: a PEM file with that certificate's private key, not encrypted.
        tls_ca: a PEM file with the CAs to check the server's certificate against; None for those of this machine.

    Any of the last three asks for TLS: a server without it is refused before it is shown anything.

    Raises:
        InvalidInput: two ways at once, half of a pair, or a file that cannot be read.

    >>> from agent_runtime_framework import Credentials
    >>> Credentials.from_env({"ARF_NATS_USER": "ada", "ARF_NATS_PASSWORD": "secret"})
    Credentials(user='ada', password='***')

    """

    creds: Path | None = None
    nkey: Path | None = None
    user: str | None = None
    password: str | None = None
    token: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None

    def __post_init__(self) -> None:
        ways = self._ways
        if len(ways) > 1:
            raise InvalidInput(f"credentials are given in two ways, {ways[0]} and {ways[1]}: keep one of them")
        if (self.user is None) != (self.password is None):
            given, missing = ("user", "password") if self.password is None else ("password", "user")
            raise InvalidInput(f"a {given} is given without a {missing}: give both, or neither")
        if (self.tls_cert is None) != (self.tls_key is None):
            given, missing = ("certificate", "key") if self.tls_key is None else ("key", "certificate")
            raise InvalidInput(f"a TLS {given} is given without its {missing}: give both, tls_cert and tls_key")
        for field, what in _FILES.items():
            path = getattr(self, field)
            if path is not None:
                _check_readable(path, what)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Credentials":
        """Return what the variables ARF_NATS_... say; one that is empty says nothing.

        Raises:
            InvalidInput: they do not make credentials.

        """
        given: dict[str, Any] = {}
        for field in cls.__struct_fields__:
            value = environ.get(f"{PREFIX}{field.upper()}")
            if value:
                given[field] = Path(value).expanduser() if field in _FILES else value
        return cls(**given)

    @property
    def asks_for_tls(self) -> bool:
        """Whether a server without TLS is refused."""
        return self.tls_cert is not None or self.tls_ca is not None

    @property
    def kind(self) -> str:
        """In what way we say who we are, for an error message; an empty text if in none."""
        ways = [*self._ways, *([] if self.tls_cert is None else [f"the TLS certificate {self.tls_cert}"])]
        return ways[0] if ways else ""

    @property
    def _ways(self) -> list[str]:
        ways = {
            f"the credentials file {self.creds}": self.creds,
            f"the nkey seed in {self.nkey}": self.nkey,
            "the user and password": self.password if self.user is None else self.user,
            "the token": self.token,
        }
        return [way for way, value in ways.items() if value is not None]

    def __repr__(self) -> str:
        return f"Credentials({', '.join(f'{field}={value!r}' for field, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what may be shown."""
        given = [(field, getattr(self, field)) for field in self.__struct_fields__]
        return [(field, "***" if field in _SECRETS else value) for field, value in given if value is not None]


ANONYMOUS = Credentials()
"""Says nothing of who we are."""


def without_secrets(url: str) -> str:
    """Return a server's URL without user, password and token, whatever it looks like.

    >>> without_secrets("nats://ada:p/w@example.org:4222")
    'nats://example.org:4222'
    """
    scheme, _, address = _parts(url)
    return f"{scheme}{address}"


def with_those_of(url: str, credentials: Credentials) -> Credentials:
    """Return the credentials and what the URL says: `user:password@` or `token@`, percent-encoded.

    Raises:
        InvalidInput: both say who we are.

    """
    _, info, _ = _parts(url)
    if not info:
        return credentials
    given = replace(credentials, tls_cert=None, tls_key=None).kind
    if given:
        raise InvalidInput(f"credentials are given in two ways, {given} and the URL's own: keep one of them")
    user, colon, password = info.partition(":")
    if colon:
        return replace(credentials, user=unquote(user), password=unquote(password))
    return replace(credentials, token=unquote(user))


def _parts(url: str) -> tuple[str, str, str]:
    """Return scheme, user info and address; a password may hold what has another meaning in a URL."""
    found = _URL.fullmatch(url)
    return ("", "", url) if found is None else (found[1] or "", found[2] or "", found[3])


def _check_readable(path: Path, what: str) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as error:
        raise InvalidInput(f"the {what} {path} cannot be read: {error.strerror}") from error
