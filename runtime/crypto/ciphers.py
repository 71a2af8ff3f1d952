"""The ciphers, AES-256-GCM and AES-SIV; loaded where something is sealed."""

import binascii
import secrets
from base64 import b64decode

from ...events import CorruptLog, FrameworkError, InvalidInput

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError as missing:
    raise FrameworkError(
        "encryption needs the package cryptography: pip install 'agent-runtime-framework[crypto]'"
    ) from missing

KEY_BYTES, NONCE_BYTES = 32, 12

VARIABLE = "ARF_MASTER_KEY"


class AesGcm:
    """Seals under one key, with a random nonce before each ciphertext; implements `events.Cipher`.

    >>> from agent_runtime_framework.runtime.crypto.ciphers import AesGcm, new_key
    >>> cipher = AesGcm(new_key())
    >>> cipher.open(cipher.seal(b"hello", b"c-1"), b"c-1")
    b'hello'
    """

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, data: bytes, bound: bytes) -> bytes:
        """Return the sealed bytes."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, data, bound)

    def open(self, data: bytes, bound: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            CorruptLog: it was changed, belongs to something else, or was sealed under another key.

        """
        try:
            return self._aead.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], bound)
        except (InvalidTag, ValueError) as error:
            raise CorruptLog("its sealed content does not open under its key: it was changed, or moved here") from error


class AesSiv:
    """Seals without a nonce, under a key that is derived from another: the same data come to the same bytes.

    >>> from agent_runtime_framework.runtime.crypto.ciphers import AesSiv, new_key
    >>> cipher = AesSiv(new_key(), b"example")
    >>> cipher.seal(b"hello", b"c-1") == cipher.seal(b"hello", b"c-1") != cipher.seal(b"hello", b"c-2")
    True
    """

    def __init__(self, key: bytes, label: bytes) -> None:
        self._aead = AESSIV(HKDF(SHA256(), 2 * KEY_BYTES, salt=None, info=label).derive(key))

    def seal(self, data: bytes, bound: bytes) -> bytes:
        """Return the sealed bytes."""
        return self._aead.encrypt(data, [bound])

    def open(self, data: bytes, bound: bytes) -> bytes | None:
        """Return what was sealed; None if it was not sealed by this cipher, or not for this."""
        try:
            return self._aead.decrypt(data, [bound])
        except (InvalidTag, ValueError):
            return None


class MasterKey:
    """Wraps the keys of conversations under one key; implements `KeyWrapper`."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AesGcm(key)

    def wrap(self, key: bytes) -> bytes:
        """Return a key as it may be stored."""
        return self._cipher.seal(key, b"key")

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return a key that was wrapped; raises CorruptLog if it was not by this one."""
        return self._cipher.open(wrapped, b"key")


def derived(key: bytes, info: bytes) -> bytes:
    """Return the key that comes of another for what `info` names: for something else it is another."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(key)


def new_key() -> bytes:
    """Return a random key."""
    return secrets.token_bytes(KEY_BYTES)


def master_key(text: str) -> MasterKey:
    """Return what wraps keys under the key that stands in the environment; raises InvalidInput if that is none."""
    return MasterKey(key_bytes(text))


def key_bytes(text: str) -> bytes:
    """Return the key that stands in the environment.

    Raises:
        InvalidInput: it is none.

    """
    try:
        key = b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidInput(
            f"{VARIABLE} is no key: it must be {KEY_BYTES} bytes in base64, such as `openssl rand -base64 32` makes"
        )
    return key
