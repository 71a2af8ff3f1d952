"""Ed25519 keys in PEM files, as openssl writes them; the one place that knows `cryptography`, loaded when it is used.

openssl genpkey -algorithm ed25519 -out seal.pem
openssl pkey -in seal.pem -pubout -out seal.pub.pem
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...events import FrameworkError, InvalidInput, frame_hash

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

BEGIN: Final = "-----BEGIN"
PRIVATE: Final = "PRIVATE KEY-----"
MAKE: Final = "make one with `openssl genpkey -algorithm ed25519 -out seal.pem`"
TAKE_PUBLIC: Final = "take it with `openssl pkey -in seal.pem -pubout -out seal.pub.pem`"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class SealKey:
    """Signs; `public` is what its signatures are checked with, in hex."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw().hex()

    def sign(self, data: bytes) -> str:
        """Return the signature, in hex."""
        return self._private.sign(data).hex()


def load_key(given: str | Path) -> SealKey:
    """Return the key in a file, or the one that the text itself is.

    Raises:
        InvalidInput: there is no such file, others can read it, or it is no Ed25519 private key.
        FrameworkError: what reads keys is not installed.

    """
    _installed()
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  loaded only when it is used
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    name, pem = _text(given, private=True)
    if "PUBLIC KEY" in pem:
        raise InvalidInput(f"{name} holds a public key: sealing needs the private one")
    try:
        found = load_pem_private_key(pem.encode(), password=None)
    except TypeError as error:
        raise InvalidInput(f"{name} is encrypted with a password, which nobody types in a worker: {MAKE}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"{name} holds no private key in PEM: {MAKE}") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise InvalidInput(f"{name} holds a key of another kind, not Ed25519: {MAKE}")
    return SealKey(found)


def load_public(given: str | Path) -> str:
    """Return the public key in a file, in hex; errors as `load_key`."""
    _installed()
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  likewise
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    name, pem = _text(given, private=False)
    if "PRIVATE KEY" in pem:
        raise InvalidInput(f"{name} holds a private key: whoever verifies needs the public one only; {TAKE_PUBLIC}")
    try:
        found = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(f"{name} holds no public key in PEM: {TAKE_PUBLIC}") from error
    if not isinstance(found, Ed25519PublicKey):
        raise InvalidInput(f"{name} holds a key of another kind, not Ed25519: {TAKE_PUBLIC}")
    return found.public_bytes_raw().hex()


def signed_by(public: str, signature: str, data: bytes) -> bool:
    """Say whether a key, in hex, made this signature of the data."""
    _installed()
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  likewise
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), data)
    except (ValueError, InvalidSignature):
        return False
    return True


def fingerprint(public: str) -> str:
    """Return a short name of a public key: the beginning of the SHA-256 of its bytes."""
    try:
        return frame_hash(bytes.fromhex(public))[:16]
    except ValueError:
        return "no key"


def _installed() -> None:
    try:
        import cryptography  # noqa: F401, PLC0415  likewise
    except ImportError as error:
        raise FrameworkError(
            "seals need the package cryptography: pip install 'agent-runtime-framework[crypto]'"
        ) from error


def _text(given: str | Path, *, private: bool) -> tuple[str, str]:
    """Return what errors call a key, and its PEM."""
    if isinstance(given, str) and given.lstrip().startswith(BEGIN):
        return "the key given as text", given
    path = Path(given)
    try:
        mode, pem = path.stat().st_mode, path.read_text()
    except FileNotFoundError as error:
        raise InvalidInput(f"there is no key file {path}: {MAKE if private else TAKE_PUBLIC}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"key file {path} is no PEM: {MAKE if private else TAKE_PUBLIC}") from error
    except OSError as error:
        raise InvalidInput(f"key file {path} cannot be read: {error.strerror}") from error
    if private and mode & _OTHERS and PRIVATE in pem:
        raise InvalidInput(f"key file {path} can be read by others (mode {stat.S_IMODE(mode):o}): run chmod 600 {path}")
    return f"key file {path}", pem
