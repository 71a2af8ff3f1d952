"""Keys for seals: what openssl writes is read, and what cannot be used is said in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from agent_runtime_framework.events import InvalidInput
from agent_runtime_framework.runtime.crypto.signing import fingerprint, load_key, load_public, signed_by


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its public one, as openssl makes them; a key is readable by its owner only."""
    directory = tmp_path_factory.mktemp("keys")
    openssl(directory, "genpkey -algorithm ed25519 -out seal.pem")
    openssl(directory, "pkey -in seal.pem -pubout -out seal.pub.pem")
    return directory / "seal.pem"


def openssl(directory: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=directory, check=True, capture_output=True)


def written(path: Path, data: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    path.chmod(mode)
    return path


def test_what_a_key_signs_its_public_key_knows(pem: Path) -> None:
    key, public = load_key(pem), load_public(pem.with_name("seal.pub.pem"))

    assert public == key.public
    assert signed_by(public, key.sign(b"so it was"), b"so it was")
    assert not signed_by(public, key.sign(b"so it was"), b"so it was not")
    assert not signed_by("00" * 32, key.sign(b"so it was"), b"so it was")
    assert not signed_by("no key", "no signature", b"")
    assert len(fingerprint(public)) == 16


def test_a_key_may_be_given_as_text(pem: Path) -> None:
    assert load_key(pem.read_text()).public == load_key(str(pem)).public


def test_openssl_verifies_what_a_key_signed(pem: Path) -> None:
    (pem.parent / "said").write_bytes(b"so it was")
    (pem.parent / "signature").write_bytes(bytes.fromhex(load_key(pem).sign(b"so it was")))

    openssl(pem.parent, "pkeyutl -verify -pubin -inkey seal.pub.pem -rawin -in said -sigfile signature")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_read_is_refused(pem: Path, tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "open.pem", pem.read_text(), mode)
    with pytest.raises(InvalidInput, match=rf"can be read by others \(mode {mode:o}\): run chmod 600 .*open.pem"):
        load_key(path)


def test_that_a_public_key_can_be_read_by_others_is_not_what_is_wrong_with_it(pem: Path) -> None:
    public = pem.with_name("seal.pub.pem")
    public.chmod(0o644)
    with pytest.raises(InvalidInput, match="holds a public key: sealing needs the private one"):
        load_key(public)


def test_what_is_no_key_is_said(pem: Path, tmp_path: Path) -> None:
    curve = generate_private_key(SECP256R1())
    other = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    public = pem.with_name("seal.pub.pem")
    for data, said in (
        ("nonsense", "holds no private key in PEM: make one with `openssl genpkey"),
        (b"\xff\xfe", "is no PEM: make one"),
        (other, "holds a key of another kind, not Ed25519"),
        (locked, "is encrypted with a password"),
        (public.read_text(), "holds a public key: sealing needs the private one"),
    ):
        with pytest.raises(InvalidInput, match=said):
            load_key(written(tmp_path / "key.pem", data))
    for missing in (tmp_path / "none.pem", tmp_path):
        with pytest.raises(InvalidInput, match=r"there is no key file|cannot be read"):
            load_key(missing)


def test_who_verifies_needs_the_public_key(pem: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds a private key: whoever verifies needs the public one only; take it"):
        load_public(pem)
    with pytest.raises(InvalidInput, match="holds no public key in PEM: take it with `openssl pkey"):
        load_public(written(tmp_path / "key.pem", "nonsense"))


def test_a_missing_library_is_one_line_and_nothing_else_needs_it() -> None:
    code = """
import sys
sys.modules["cryptography"] = None
from agent_runtime_framework import FrameworkError, Runtime, SealConfig
from agent_runtime_framework.runtime.sealing import load_key
try:
    load_key("seal.pem")
except FrameworkError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "seals need the package cryptography: pip install 'agent-runtime-framework[crypto]'\n"
