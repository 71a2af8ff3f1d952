"""What credentials may be, how they stand in the environment and in a URL, and that secrets never show."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_runtime_framework.events import InvalidInput
from agent_runtime_framework.runtime.credentials import ANONYMOUS, Credentials, with_those_of, without_secrets

FILES = ("creds", "nkey", "tls_cert", "tls_key", "tls_ca")


def made(**given: Any) -> Credentials:
    return Credentials(**given)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A file that can be read for each field that names one."""
    for field in FILES:
        (tmp_path / field).write_text("content")
    return {field: tmp_path / field for field in FILES}


def test_every_way_can_be_given_alone_and_with_tls(files: dict[str, Path]) -> None:
    tls = {field: files[field] for field in ("tls_cert", "tls_key", "tls_ca")}
    ways: list[dict[str, Any]] = [
        {},
        {"creds": files["creds"]},
        {"nkey": files["nkey"]},
        {"user": "ada", "password": "secret"},
        {"token": "secret"},
    ]
    for way in ways:
        assert not made(**way).asks_for_tls
        assert made(**way, **tls).asks_for_tls
        assert made(**way, tls_ca=files["tls_ca"]).asks_for_tls


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("token", "user", "password"), "in two ways, the user and password and the token: keep one"),
        (("token", "user"), "in two ways, the user and password and the token: keep one"),
        (("creds", "nkey"), "in two ways, the credentials file .*creds and the nkey seed in .*nkey: keep one"),
        (("user",), "a user is given without a password: give both"),
        (("password",), "a password is given without a user: give both"),
        (("tls_cert",), "a TLS certificate is given without its key: give both"),
        (("tls_key", "tls_ca"), "a TLS key is given without its certificate: give both"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(
    given: tuple[str, ...], said: str, files: dict[str, Path]
) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        made(**{field: files.get(field, "s3cret") for field in given})

    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("field", FILES)
def test_a_file_that_cannot_be_read_is_refused_by_what_it_is(
    field: str, files: dict[str, Path], tmp_path: Path
) -> None:
    pair = {"tls_cert": "tls_key", "tls_key": "tls_cert"}
    other = {pair[field]: files[pair[field]]} if field in pair else {}
    names = {"creds": "credentials file", "nkey": "nkey seed file", "tls_ca": "TLS CA file"}
    name = names.get(field, field.replace("tls_cert", "TLS certificate").replace("tls_key", "TLS key"))

    with pytest.raises(InvalidInput, match=f"the {name} .*missing cannot be read: No such file"):
        made(**{field: tmp_path / "missing", **other})
    with pytest.raises(InvalidInput, match=f"the {name} .* cannot be read: Is a directory"):
        made(**{field: tmp_path, **other})


def test_the_environment_has_a_variable_for_each_field(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    tls = {f"ARF_NATS_{field.upper()}": str(files[field]) for field in ("tls_cert", "tls_key", "tls_ca")}

    assert Credentials.from_env(tls) == made(**{field: files[field] for field in FILES if "tls" in field})
    assert Credentials.from_env({"ARF_NATS_CREDS": str(files["creds"])}) == Credentials(creds=files["creds"])
    assert Credentials.from_env({"ARF_NATS_NKEY": str(files["nkey"])}) == Credentials(nkey=files["nkey"])
    assert Credentials.from_env({"ARF_NATS_TOKEN": "t"}) == Credentials(token="t")
    user = {"ARF_NATS_USER": "u", "ARF_NATS_PASSWORD": "p"}
    assert Credentials.from_env(user) == Credentials(user="u", password="p")
    monkeypatch.setenv("HOME", str(files["creds"].parent))
    assert Credentials.from_env({"ARF_NATS_CREDS": "~/creds"}) == Credentials(creds=files["creds"])


def test_an_environment_that_says_nothing_gives_nothing() -> None:
    assert Credentials.from_env({"ARF_NATS_URL": "nats://h", "ARF_NATS_TOKEN": "", "PATH": "/bin"}) == ANONYMOUS


def test_an_environment_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(InvalidInput, match="two ways"):
        Credentials.from_env({"ARF_NATS_TOKEN": "t", "ARF_NATS_USER": "u", "ARF_NATS_PASSWORD": "p"})


def test_secrets_never_show() -> None:
    shown = f"{Credentials(user='ada', password='s3cret')} {Credentials(token='s3cret')!r}"

    assert shown == "Credentials(user='ada', password='***') Credentials(token='***')"
    assert "s3cret" not in str(Credentials(token="s3cret").__rich_repr__())


@pytest.mark.parametrize(
    ("url", "bare", "given"),
    [
        ("nats://h:4222", "nats://h:4222", {}),
        ("h:4222", "h:4222", {}),
        ("nats://ada:pw@h:4222", "nats://h:4222", {"user": "ada", "password": "pw"}),
        ("ada:pw@h", "h", {"user": "ada", "password": "pw"}),
        ("tls://t0ken@h", "tls://h", {"token": "t0ken"}),
        ("nats://a%40b:p%2Fw%25@h", "nats://h", {"user": "a@b", "password": "p/w%"}),
        ("nats://ada:p/w?x#y@z@h:1", "nats://h:1", {"user": "ada", "password": "p/w?x#y@z"}),
        ("ada:nats://x@h", "h", {"user": "ada", "password": "nats://x"}),
        ("nats://ada:@h", "nats://h", {"user": "ada", "password": ""}),
    ],
)
def test_a_url_gives_up_its_secrets(url: str, bare: str, given: dict[str, str]) -> None:
    assert without_secrets(url) == bare
    assert with_those_of(url, ANONYMOUS) == made(**given)


def test_those_of_a_url_go_with_tls_and_with_nothing_else(files: dict[str, Path]) -> None:
    tls = Credentials(tls_ca=files["tls_ca"], tls_cert=files["tls_cert"], tls_key=files["tls_key"])

    both = with_those_of("nats://t0ken@h", tls)

    assert (both.token, both.tls_ca, both.tls_cert) == ("t0ken", tls.tls_ca, tls.tls_cert)
    with pytest.raises(InvalidInput, match="in two ways, the token and the URL's own") as refused:
        with_those_of("nats://ada:s3cret@h", Credentials(token="s3cret"))
    assert "s3cret" not in str(refused.value)


def test_reading_the_environment_loads_no_nats() -> None:
    code = "import sys, agent_runtime_framework.runtime.credentials; sys.exit('nats' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
