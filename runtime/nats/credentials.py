"""How credentials become what nats-py is given, and what a refusal by the server, or by us, means.

A credentials file is read anew at each connect, since the JWT in it may be one that expires and is replaced.
"""

import asyncio
import base64
import re
import ssl
from pathlib import Path
from typing import Any

import nats.errors
from nats.aio.transport import TcpTransport

from ...events import InvalidInput, Unavailable
from ..credentials import Credentials

_JWT = re.compile(rb"-{3,}BEGIN NATS USER JWT-{3,}\s*(\S+)\s*-{3,}END")
_SEED = re.compile(rb"-{3,}BEGIN USER NKEY SEED-{3,}\s*(\S+)\s*-{3,}END")

_NOT_THAT_NAME = frozenset({62, 64})
"""OpenSSL's codes for a certificate of another host or address."""


class AccessRefused(Unavailable):
    """Raised when the server does not take our credentials, or one side does not take the other's TLS."""


class Transport(TcpTransport):
    """Is nats-py's transport, which tells asyncio that its streams are encrypted.

    Nobody hears otherwise that a handshake failed, and each end of a connection would log a warning.
    """

    async def connect_tls(
        self,
        uri: Any,
        ssl_context: ssl.SSLContext,
        buffer_size: int,  # noqa: ARG002
        connect_timeout: int,
    ) -> None:
        """Encrypt the connection that is there."""
        if self._io_writer is None:
            raise ConnectionError("there is no connection to encrypt")
        name = uri if isinstance(uri, str) else uri.hostname
        await asyncio.wait_for(self._io_writer.start_tls(ssl_context, server_hostname=name), connect_timeout)

    def __bool__(self) -> bool:
        # nats-py puts a transport of its own in the place of one that is false
        return True


def options(credentials: Credentials, *, tls: bool) -> dict[str, Any]:
    """Return the arguments for nats-py's connect; reads files, so it is called in a thread.

    Raises:
        InvalidInput: a file does not hold what it should, or the package that signs is missing.

    """
    given: dict[str, Any] = {}
    if credentials.creds is not None:
        file = _CredentialsFile(credentials.creds)
        file.read()
        given = {"user_jwt_cb": file.jwt, "signature_cb": file.sign}
    elif credentials.nkey is not None:
        seed = credentials.nkey.read_bytes().strip()
        _signer(seed, credentials.nkey)
        given = {"nkeys_seed_str": seed.decode()}
    elif credentials.user is not None:
        given = {"user": credentials.user, "password": credentials.password}
    elif credentials.token is not None:
        given = {"token": credentials.token}
    return {**given, "tls": _context(credentials)} if tls or credentials.asks_for_tls else given


class _CredentialsFile:
    """Shows the JWT of a credentials file, and signs with its seed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[bytes, Any]:
        """Return the JWT and its signer.

        Raises:
            InvalidInput: the file holds none.
            OSError: it cannot be read.

        """
        text = self._path.read_bytes()
        jwt, seed = _JWT.search(text), _SEED.search(text)
        if jwt is None or seed is None:
            raise InvalidInput(
                f"{self._path} is no credentials file: it has no NATS user JWT with its nkey seed; "
                "`nsc generate creds` writes one"
            )
        return jwt[1], _signer(seed[1], self._path)

    def jwt(self) -> bytes:
        return self._now()[0]

    def sign(self, nonce: str) -> bytes:
        return base64.b64encode(self._now()[1].sign(nonce.encode()))

    def _now(self) -> tuple[bytes, Any]:
        try:
            return self.read()
        except InvalidInput as error:
            # nats-py tries again after errors that it knows, and after others never
            raise nats.errors.Error(str(error)) from error


def _signer(seed: bytes, path: Path) -> Any:
    try:
        import nkeys  # type: ignore[import-untyped]  # noqa: PLC0415  an extra
    except ImportError as error:
        raise InvalidInput(
            f"signing with the seed in {path} needs the package nkeys: pip install 'agent-runtime-framework[nkeys]'"
        ) from error
    try:
        return nkeys.from_seed(bytearray(seed))
    except (nkeys.NkeysError, ValueError, TypeError) as error:
        raise InvalidInput(f"{path} holds no valid nkey seed: one begins with SU and has 58 characters") from error


def _context(credentials: Credentials) -> ssl.SSLContext:
    ca, cert, key = credentials.tls_ca, credentials.tls_cert, credentials.tls_key
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise InvalidInput(f"the TLS CA file {ca} holds no certificate in PEM form ({_reason(error)})") from error
    if cert is not None:
        try:
            # with an empty password an encrypted key is an error, and no question at the terminal
            context.load_cert_chain(cert, key, password="")
        except ssl.SSLError as error:
            raise InvalidInput(
                f"the TLS certificate {cert} and the key {key} cannot be used ({_reason(error)}): both are PEM files, "
                "and the key is that certificate's and not encrypted"
            ) from error
    return context


def refusal(error: BaseException, address: str, credentials: Credentials) -> AccessRefused | None:
    """Return what an error of nats-py says of credentials or TLS, or None if it is of another kind."""
    server = f"the NATS server at {address}"
    match error:
        case ssl.SSLCertVerificationError():
            return AccessRefused(_not_trusted(error, server, credentials.tls_ca))
        case ssl.SSLError():
            return AccessRefused(_tls_failed(error, server, credentials.tls_cert))
        case nats.errors.SecureConnWantedError():
            return AccessRefused(
                f"{server} has no TLS, and TLS was asked for; nothing was shown to it: turn TLS on there, or connect "
                "with nats:// and without tls_cert and tls_ca"
            )
        case nats.errors.Error() if re.search("authorization|authentication", str(error), re.IGNORECASE):
            return AccessRefused(_not_let_in(error, server, credentials))
    return None


def _not_trusted(error: ssl.SSLCertVerificationError, server: str, ca: Path | None) -> str:
    why = error.verify_message.rstrip(".")
    if error.verify_code in _NOT_THAT_NAME:
        return f"the TLS certificate of {server} is not for that name ({why}): connect under a name that it has"
    against = "name the CA that signed it, with tls_ca or ARF_NATS_TLS_CA" if ca is None else f"{ca} did not sign it"
    return f"the TLS certificate of {server} is not trusted ({why}): {against}"


def _tls_failed(error: ssl.SSLError, server: str, cert: Path | None) -> str:
    why = _reason(error)
    if "certificate required" in why or (cert is None and "bad certificate" in why):
        return (
            f"{server} asks for a TLS certificate of ours: name one and its key, with tls_cert and tls_key or "
            "ARF_NATS_TLS_CERT and ARF_NATS_TLS_KEY"
        )
    if cert is not None and "alert" in why:
        return f"{server} refused the TLS certificate {cert} ({why}): use one that it trusts"
    return f"TLS with {server} failed ({why})"


def _not_let_in(error: nats.errors.Error, server: str, credentials: Credentials) -> str:
    why = str(error).removeprefix("nats: ").strip("'")
    if credentials.kind:
        return f"{server} refused {credentials.kind} ({why}): correct that, or ask whoever runs the server"
    return (
        f"{server} asks for credentials, and none were given ({why}): give a credentials file, an nkey seed, a user "
        "and password or a token, for instance with ARF_NATS_CREDS"
    )


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
