"""What a server that is not open to all needs: certificates, keys, accounts, and a start that waits without them."""

import base64
import datetime as dt
import ipaddress
import json
import os
import socket
import time
from pathlib import Path

import nkeys  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from agent_runtime_framework.runtime.embedded import process
from agent_runtime_framework.testing import NatsServer

PATIENCE = 30
HOUR = dt.timedelta(hours=1)


class SecuredServer(NatsServer):
    """Is a server that the test kit could not log in to: it counts as started once it says that JetStream is there."""

    def start(self) -> None:
        self._process = process.spawn(self.directory, self._config)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.pid is not None:
            try:
                with socket.create_connection((process.HOST, self.port), timeout=1) as connection:
                    if b'"jetstream":true' in connection.makefile("rb").readline():
                        return
            except OSError:
                time.sleep(0.01)
        raise AssertionError(f"nats-server did not come up: {process.last_words(self.directory)}")


class Authority:
    """Signs certificates and keeps them as PEM files: `<name>.crt`, `<name>.key`, its own as `ca`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca = self._certificate("ca", self._key, ca=True)

    def issue(self, name: str, *, password: bytes | None = None) -> tuple[Path, Path]:
        """Return certificate and key for 127.0.0.1, of a server or a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        encryption: KeySerializationEncryption = NoEncryption()
        if password is not None:
            encryption = BestAvailableEncryption(password)
        path = self.directory / f"{name}.key"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        return self._certificate(name, key, ca=False), path

    def _certificate(self, name: str, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> Path:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        now = dt.datetime.now(dt.UTC)
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("ca"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - HOUR)
            .not_valid_after(now + HOUR)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(address, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path = self.directory / f"{name}.crt"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        return path


class Key:
    """Is an nkey pair: of an operator, an account or a user."""

    def __init__(self, kind: int) -> None:
        self.seed: bytes = nkeys.encode_seed(os.urandom(32), kind)
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public: str = self._pair.public_key.decode()

    def sign(self, subject: str, claims: dict[str, object], lives: float | None = None) -> str:
        """Return a JWT of NATS, version 2, that says `claims` of `subject`, for so many seconds or for ever."""
        body = {"jti": os.urandom(8).hex(), "iat": int(time.time()), "iss": self.public, "sub": subject, "name": "test"}
        expiry = {} if lives is None else {"exp": int(time.time() + lives)}
        head = _encoded({"typ": "JWT", "alg": "ed25519-nkey"})
        text = f"{head}.{_encoded({**body, **expiry, 'nats': {**claims, 'version': 2}})}"
        return f"{text}.{_base64(self._pair.sign(text.encode()))}"


class Operator:
    """Runs a server whose users show JWTs; has one account with JetStream."""

    def __init__(self) -> None:
        operator, system = Key(nkeys.PREFIX_BYTE_OPERATOR), Key(nkeys.PREFIX_BYTE_ACCOUNT)
        self._account = Key(nkeys.PREFIX_BYTE_ACCOUNT)
        free = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "conn": -1, "leaf": -1}
        stored = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
        of_system = operator.sign(system.public, {"type": "account", "limits": free})
        of_account = operator.sign(self._account.public, {"type": "account", "limits": {**free, **stored}})
        self.settings = "\n".join(
            (
                f"operator: {operator.sign(operator.public, {'type': 'operator'})}",
                f"system_account: {system.public}",
                "resolver: MEMORY",
                f"resolver_preload: {{ {system.public}: {of_system}, {self._account.public}: {of_account} }}",
            )
        )

    def credentials(self, path: Path, *, lives: float | None = None) -> Path:
        """Write a credentials file for a new user, as `nsc` would."""
        user = Key(nkeys.PREFIX_BYTE_USER)
        jwt = self._account.sign(user.public, {"type": "user", "subs": -1, "data": -1, "payload": -1}, lives)
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
        )
        return path


def user_key() -> Key:
    """Return a key of a user."""
    return Key(nkeys.PREFIX_BYTE_USER)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _encoded(value: dict[str, object]) -> str:
    return _base64(json.dumps(value).encode())
