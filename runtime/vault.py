"""The vault: a random key for each conversation, wrapped by a master key, in a place of its own beside the log.

Erasing a conversation that is sealed is overwriting its key.  A mark stays in its place, so that no key is ever made
again under that id, and so that what is erased can be told from what only cannot be opened here.

A namespace is encrypted from the moment on that the place of its keys exists: whoever then begins a conversation seals
it, or, without the master key, is refused.  A conversation that was begun before goes on in clear.

What is wrapped is never a key itself: a key is derived from it and from the name that it stands under, so that whoever
copies an entry to another name makes no key that is known, and keeps none that was erased.

Keys are remembered in memory; a reading looks anew whether its key is still there, so an erased one opens nothing.
"""

import inspect
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from ..events import (
    Cipher,
    ConversationId,
    CorruptLog,
    FrameworkError,
    InvalidInput,
    Unavailable,
    Withheld,
    not_to_be_had,
)
from .looking import after_each

if TYPE_CHECKING:
    from .crypto.ciphers import AesGcm

REMEMBERED: Final = 10_000
"""So many conversations' keys are remembered at most."""

CHECK: Final = "master"
"""The entry by which a master key is known to be the right one."""

_CHECKED: Final = b"agent-runtime-framework/keys/1.."
"""What the master key wrapped there; as long as a key, because not every key service wraps anything else."""

NO_MASTER_KEY: Final = "encryption needs a master key: set ARF_MASTER_KEY, such as `openssl rand -base64 32` makes it"

GONE: Final = b""
"""Stands where a key was erased."""

MAKING: Final = (0.05, 0.1, 0.2, 0.4)
"""Seconds for which the entry may be missing while somebody makes the place of keys."""


class KeyWrapper(Protocol):
    """Wraps the keys of conversations, as a key management service does; both may be `async`, too.

    What is wrapped has 32 bytes.  An exception of `unwrap` says that the key cannot be had.

    >>> from agent_runtime_framework import KeyWrapper
    >>> class Backwards:
    ...     def wrap(self, key: bytes) -> bytes:
    ...         return key[::-1]
    ...     def unwrap(self, wrapped: bytes) -> bytes:
    ...         return wrapped[::-1]
    >>> wrapper: KeyWrapper = Backwards()
    """

    def wrap(self, key: bytes) -> bytes | Awaitable[bytes]:
        """Return the key as it may be stored."""

    def unwrap(self, wrapped: bytes) -> bytes | Awaitable[bytes]:
        """Return the key that was wrapped."""


class Keys(Protocol):
    """Keeps wrapped keys under names: the part of a vault that differs from place to place."""

    async def make(self) -> None:
        """Make the place, if it is missing; from then on the namespace is encrypted."""

    async def there(self) -> bool:
        """Say whether there is the place."""

    async def get(self, name: str) -> bytes | None:
        """Return what stands under a name, no bytes where it was erased, None where nothing ever stood."""

    async def add(self, name: str, data: bytes) -> bytes:
        """Store `data` where nothing ever stood under that name, and return what stands there then."""

    async def erase(self, name: str) -> bool:
        """Overwrite what stands under a name, leave a mark, and return whether there was anything."""


class MemoryKeys:
    """Keeps wrapped keys in this process.

    >>> import asyncio
    >>> from agent_runtime_framework.runtime.vault import MemoryKeys
    >>> async def main():
    ...     keys = MemoryKeys()
    ...     await keys.make()
    ...     return await keys.add("c-1", b"key"), await keys.erase("c-1"), await keys.add("c-1", b"another")
    >>> asyncio.run(main())
    (b'key', True, b'')
    """

    def __init__(self) -> None:
        self._kept: dict[str, bytes] | None = None

    async def make(self) -> None:
        """Make the place; see `Keys.make`."""
        self._kept = self._kept or {}

    async def there(self) -> bool:
        """Say whether there is the place."""
        return self._kept is not None

    async def get(self, name: str) -> bytes | None:
        """Return what stands under a name; see `Keys.get`."""
        return None if self._kept is None else self._kept.get(name)

    async def add(self, name: str, data: bytes) -> bytes:
        """Store `data` where nothing ever stood; see `Keys.add`."""
        if self._kept is None:
            raise FrameworkError("there is no place for keys yet: make it first")
        return self._kept.setdefault(name, data)

    async def erase(self, name: str) -> bool:
        """Leave a mark in place of what stands under a name; see `Keys.erase`."""
        if self._kept is None:
            return False
        known = self._kept.get(name)
        self._kept[name] = GONE
        return bool(known)


class Shut(Struct, frozen=True):
    """Is the cipher of a conversation whose key cannot be had: it seals and opens nothing, and says why."""

    message: str
    erased: bool

    def seal(self, data: bytes, bound: bytes) -> bytes:  # noqa: ARG002
        """Raise Withheld."""
        raise Withheld(self.message, erased=self.erased)

    def open(self, data: bytes, bound: bytes) -> bytes:  # noqa: ARG002
        """Raise Withheld."""
        raise Withheld(self.message, erased=self.erased)


class _Known(Struct, frozen=True):
    """Is what is remembered of a conversation: what stands under its name, and what that comes to."""

    wrapped: bytes | None
    cipher: "AesGcm | Shut | None"


class KeyVault:
    """Gives the ciphers of conversations, whose keys `wrapper` wraps; without one nothing is opened.

    >>> import asyncio
    >>> from agent_runtime_framework.events import ConversationId
    >>> from agent_runtime_framework.runtime.crypto.ciphers import MasterKey, new_key
    >>> from agent_runtime_framework.runtime.vault import KeyVault, MemoryKeys
    >>> async def main():
    ...     vault = KeyVault(MemoryKeys(), MasterKey(new_key()))
    ...     await vault.encrypt()
    ...     cipher = await vault.created(ConversationId("c-1"))
    ...     same = await vault.cipher(ConversationId("c-1"), anew=True)
    ...     return same.open(cipher.seal(b"hello", b"here"), b"here")
    >>> asyncio.run(main())
    b'hello'
    """

    def __init__(self, keys: Keys, wrapper: KeyWrapper | None = None, *, namespace: str = "arf") -> None:
        self._keys = keys
        self._wrapper = wrapper
        self._namespace = namespace
        self._known: OrderedDict[ConversationId, _Known] = OrderedDict()
        self._encrypted = False

    async def encrypt(self) -> None:
        """Make the namespace an encrypted one, if it is none, and check the master key.

        Raises:
            InvalidInput: there is no master key, or it is not the one of the namespace.

        """
        if self._wrapper is None:
            raise InvalidInput(NO_MASTER_KEY)
        await self._keys.make()
        await self._keys.add(CHECK, await self._wrapped(_CHECKED))
        await self.check()

    async def check(self) -> None:
        """Check that the master key is the one of the namespace, where both are there.

        Raises:
            InvalidInput: it is another.
            FrameworkError: nobody can say, because the entry that tells is missing.

        """
        if self._wrapper is None or not await self._keys.there():
            return
        known = await self._check_entry()
        if await self._tried(known) != _CHECKED:
            raise InvalidInput(
                f"this is not the master key of namespace {self._namespace!r}: set the ARF_MASTER_KEY that it was "
                "encrypted with, or none, to read its structure only"
            )

    async def _check_entry(self) -> bytes:
        """Return the entry that tells the master key; where the place of keys is being made, it comes in a moment."""
        again, looks = after_each(MAKING), 0
        while (known := await self._keys.get(CHECK)) is None:
            looks += 1
            if not await again(looks):
                raise FrameworkError(
                    f"the keys of namespace {self._namespace!r} have no entry {CHECK!r}, which tells its master key: "
                    "restore them from a backup, or start a worker with --encrypt and that master key"
                )
        return known

    async def encrypted(self) -> bool:
        """Say whether conversations that begin now are sealed; once that is so, it stays so."""
        self._encrypted = self._encrypted or await self._keys.there()
        return self._encrypted

    async def check_usable(self) -> None:
        """Check that what is said in the namespace can be sealed, if it is encrypted.

        Raises:
            Withheld: it is, and there is no master key here.

        """
        if self._wrapper is None and await self.encrypted():
            raise Withheld(
                f"namespace {self._namespace!r} is encrypted, and there is no master key here: set ARF_MASTER_KEY",
                erased=False,
            )

    async def cipher(self, conversation: ConversationId, *, anew: bool = False) -> Cipher | None:
        """Return the cipher of a conversation; see `events.Vault.cipher`."""
        known = self._known.get(conversation)
        if known is not None and not anew:
            self._known.move_to_end(conversation)
            return known.cipher
        wrapped = await self._keys.get(_name(conversation)) if await self.encrypted() else None
        if known is not None and known.wrapped == wrapped:
            return known.cipher
        return self._remembered(conversation, wrapped, await self._cipher(conversation, wrapped))

    async def created(self, conversation: ConversationId) -> Cipher | None:
        """Return the cipher of a conversation that begins; see `events.Vault.created`."""
        known = self._known.get(conversation)
        if known is not None and known.cipher is not None:
            return known.cipher
        if not await self.encrypted():
            return self._remembered(conversation, None, None)
        wrapped = await self._keys.get(_name(conversation))
        if wrapped is None:
            await self.check_usable()
            from .crypto.ciphers import new_key  # noqa: PLC0415  loaded only where something is sealed

            wrapped = await self._keys.add(_name(conversation), await self._wrapped(new_key()))
        return self._remembered(conversation, wrapped, await self._cipher(conversation, wrapped))

    async def shared(self, name: str) -> bytes | None:
        """Return the key of what is sealed all over the namespace, made at the first asking; None without a wrapper.

        Raises:
            FrameworkError: it was wrapped by another, or somebody changed it.

        """
        if self._wrapper is None:
            return None
        wrapped = await self._keys.get(name)
        if wrapped is None:
            from .crypto.ciphers import new_key  # noqa: PLC0415  loaded only where something is sealed

            wrapped = await self._keys.add(name, await self._wrapped(new_key()))
        return await self._key(name, f"{name} in {self._namespace!r}", wrapped)

    async def known(self, conversation: ConversationId) -> bool:
        """Say whether a conversation has a key, or had one that was erased; nobody needs to open it for that."""
        return await self.encrypted() and await self._keys.get(_name(conversation)) is not None

    def forget(self, conversation: ConversationId) -> None:
        """Keep no key of it in memory."""
        self._known.pop(conversation, None)

    async def erase(self, conversation: ConversationId) -> bool:
        """Overwrite the key of a conversation for good; return whether it had one that was not erased yet.

        Raises:
            Unavailable: it is not known to be overwritten; the same call may be made again.

        """
        self.forget(conversation)
        try:
            return await self.encrypted() and await self._keys.erase(_name(conversation))
        finally:
            self.forget(conversation)

    def _remembered(
        self, conversation: ConversationId, wrapped: bytes | None, cipher: "AesGcm | Shut | None"
    ) -> "AesGcm | Shut | None":
        self._known[conversation] = _Known(wrapped, cipher)
        self._known.move_to_end(conversation)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return cipher

    async def _cipher(self, conversation: ConversationId, wrapped: bytes | None) -> "AesGcm | Shut | None":
        if wrapped is None:
            return None
        if wrapped == GONE:
            return Shut(f"conversation {conversation!r} was erased", erased=True)
        if self._wrapper is None:
            return Shut(str(not_to_be_had(f"the content of {conversation!r}")), erased=False)
        from .crypto.ciphers import AesGcm  # noqa: PLC0415  loaded only where something is sealed

        return AesGcm(await self._key(_name(conversation), repr(conversation), wrapped))

    async def _key(self, name: str, what: str, wrapped: bytes) -> bytes:
        """Return the key that comes of what stands wrapped under a name, `what` naming whose it is.

        Raises:
            FrameworkError: it was wrapped by another, or is none.

        """
        from .crypto.ciphers import derived  # noqa: PLC0415  loaded only where something is sealed

        key = await self._tried(wrapped)
        if key is None:
            raise FrameworkError(f"the key of {what} was not wrapped by this master key")
        if len(key) != len(_CHECKED):
            raise FrameworkError(
                f"the key wrapper returned {len(key)} bytes for the key of {what}, not the {len(_CHECKED)} that it was "
                "given: correct it"
            )
        if key == _CHECKED:
            raise FrameworkError(
                f"the key of {what} is a copy of the entry {CHECK!r}: the keys of namespace {self._namespace!r} were "
                "changed; restore them from a backup"
            )
        return derived(key, f"arf/key/1/{self._namespace}/{name}".encode())

    async def _tried(self, wrapped: bytes) -> bytes | None:
        try:
            return await self._unwrapped(wrapped)
        except CorruptLog:
            return None

    async def _wrapped(self, key: bytes) -> bytes:
        return await _asked(None if self._wrapper is None else self._wrapper.wrap, key, "wrap")

    async def _unwrapped(self, wrapped: bytes) -> bytes:
        return await _asked(None if self._wrapper is None else self._wrapper.unwrap, wrapped, "unwrap")


async def _asked(ask: Callable[[bytes], bytes | Awaitable[bytes]] | None, data: bytes, what: str) -> bytes:
    """Return what a key wrapper says, which is author code: whatever it raises means that the key cannot be had."""
    if ask is None:
        raise InvalidInput(NO_MASTER_KEY)
    try:
        answer = ask(data)
        return bytes(await answer if inspect.isawaitable(answer) else answer)
    except FrameworkError:
        raise
    except Exception as error:
        raise Unavailable(f"the key wrapper could not {what} a key: {type(error).__name__}: {error}") from error


def _name(conversation: ConversationId) -> str:
    return f"c.{conversation}"
