"""Sealing secrets: their tokens, and where the key for them comes from.

A namespace has one key for its secrets, so that sealing needs no server: it is derived from the master key, or, where
a hook wraps keys, a random one that is kept wrapped beside those of conversations.  A token is bound to the
conversation in which it was made, and to the forks of that.

Whoever only reads needs no key: a token that cannot be opened stands for itself, and sealing it leaves it as it is.
"""

import binascii
import itertools
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import Final

from ..actors.journey import PREFIX, TOKEN
from ..events import InvalidInput
from .vault import KeyVault

VARIABLE: Final = "ARF_MASTER_KEY"

NO_KEY: Final = (
    f"agent {{agent!r}} has texts marked as secret, and there is no key to seal them: set {VARIABLE}, "
    "such as `openssl rand -base64 32` makes it"
)

_LABEL: Final = "agent-runtime-framework/secrets/1/"


class KeyedSecrets:
    """Seals secrets under the key of a namespace; implements `Secrets`.

    >>> from agent_runtime_framework.runtime.secret_keys import KeyedSecrets
    >>> secrets = KeyedSecrets(bytes(32))
    >>> token = secrets.seal("c-1", "hunter2")
    >>> token == secrets.seal("c-1", token), secrets.open("c-1", token), secrets.open("c-2", token) == token
    (True, 'hunter2', True)
    """

    def __init__(self, key: bytes, namespace: str = "") -> None:
        from .crypto.ciphers import AesSiv  # noqa: PLC0415  loaded only where something is sealed

        self._cipher: AesSiv = AesSiv(key, f"{_LABEL}{namespace}".encode())

    def seal(self, conversation: str, text: str) -> str:
        """Return the token of a text; see `Secrets.seal`."""
        if self._opened(conversation, text) is not None:
            return text
        return PREFIX + urlsafe_b64encode(self._cipher.seal(text.encode(), conversation.encode())).decode().rstrip("=")

    def open(self, conversation: str, token: str) -> str:
        """Return the text of a token; see `Secrets.open`."""
        text = self._opened(conversation, token)
        return token if text is None else text

    def _opened(self, conversation: str, token: str) -> str | None:
        if not TOKEN.fullmatch(token):
            return None
        written = token.removeprefix(PREFIX)
        try:
            data = urlsafe_b64decode(written + "=" * (-len(written) % 4))
        except (binascii.Error, ValueError):
            return None
        text = self._cipher.open(data, conversation.encode())
        return None if text is None else text.decode()


class KeylessSecrets:
    """Opens nothing; what would be sealed comes to another token each time, of which nobody can tell anything."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def seal(self, conversation: str, text: str) -> str:  # noqa: ARG002
        """Return a text that is a token, or stand in for the token that it would have."""
        return text if TOKEN.fullmatch(text) else f"{PREFIX}unknown-{next(self._numbers)}"

    def open(self, conversation: str, token: str) -> str:  # noqa: ARG002
        """Return the token."""
        return token


class NamespaceSecrets:
    """Seals the secrets of a namespace, once its key was fetched; implements `Secrets`.

    `fetch` gives the key, or None where there is none here.
    """

    def __init__(self, fetch: Callable[[], Awaitable[bytes | None]], namespace: str) -> None:
        self._fetch = fetch
        self._namespace = namespace
        self._keyed: KeyedSecrets | None = None

    async def ready(self, agent: str) -> None:
        """Fetch the key, once; `agent` needs it.

        Raises:
            InvalidInput: there is none, or what is there is none.
            FrameworkError: the library for it is not installed; or the key could not be fetched.

        """
        if self._keyed is None:
            key = await self._fetch()
            if key is None:
                raise InvalidInput(NO_KEY.format(agent=agent))
            self._keyed = KeyedSecrets(key, self._namespace)

    def seal(self, conversation: str, text: str) -> str:
        """Return the token of a text; see `Secrets.seal`.

        Raises:
            InvalidInput: there is no key here.

        """
        if self._keyed is None:
            raise InvalidInput(f"a text is marked as secret, and there is no key to seal it: set {VARIABLE}")
        return self._keyed.seal(conversation, text)

    def open(self, conversation: str, token: str) -> str:
        """Return the text of a token; see `Secrets.open`."""
        return token if self._keyed is None else self._keyed.open(conversation, token)


class LateSecrets:
    """Seals secrets under a key that is looked for when one is sealed or opened; implements `Secrets`."""

    def __init__(self, make: Callable[[], KeyedSecrets]) -> None:
        self._made = cache(make)

    def seal(self, conversation: str, text: str) -> str:
        """Return the token of a text; see `Secrets.seal`."""
        return self._made().seal(conversation, text)

    def open(self, conversation: str, token: str) -> str:
        """Return the text of a token; see `Secrets.open`."""
        return self._made().open(conversation, token)


async def ready(secrets: NamespaceSecrets | None, marked: Iterable[str]) -> None:
    """See to it that there is a key for the agents that have marked anything; raises as `NamespaceSecrets.ready`."""
    for agent in marked:
        await (secrets or NamespaceSecrets(_no_key, "")).ready(agent)


def of_namespace(namespace: str, vault: KeyVault | None = None) -> NamespaceSecrets:
    """Return what seals the secrets of a namespace: under the master key, or one that a hook wraps in its `vault`."""

    async def fetch() -> bytes | None:
        return master_bytes() if vault is None else await vault.shared("secrets")

    return NamespaceSecrets(fetch, namespace)


def in_process(key: bytes | None = None) -> NamespaceSecrets:
    """Return what seals the secrets of a namespace in memory: under this key, the master key, or one of the process."""

    async def fetch() -> bytes | None:
        return key or master_bytes() or _key_of_process()

    return NamespaceSecrets(fetch, "")


async def _no_key() -> bytes | None:
    return None


def master_bytes() -> bytes | None:
    """Return the master key in the environment, None if there is none; errors as `NamespaceSecrets.ready`."""
    text = os.environ.get(VARIABLE, "")
    if not text.strip():
        return None
    from .crypto.ciphers import key_bytes  # noqa: PLC0415  likewise

    return key_bytes(text)


def secrets_of_run() -> LateSecrets:
    """Return what seals the secrets of a run without a server: under the master key, else a key of this process."""
    return LateSecrets(lambda: KeyedSecrets(master_bytes() or _key_of_process()))


def secrets_to_keep(agent: str) -> KeyedSecrets:
    """Return what seals secrets that another process is to open.

    Raises:
        InvalidInput: there is no master key.

    """
    key = master_bytes()
    if key is None:
        raise InvalidInput(NO_KEY.format(agent=agent))
    return KeyedSecrets(key)


def secrets_to_read(namespace: str) -> LateSecrets | None:
    """Return what opens the secrets of a namespace where its master key is at hand, None where it is not."""
    key = master_bytes()
    return None if key is None else LateSecrets(lambda: KeyedSecrets(key, namespace))


@cache
def _key_of_process() -> bytes:
    from .crypto.ciphers import new_key  # noqa: PLC0415  likewise

    return new_key()
