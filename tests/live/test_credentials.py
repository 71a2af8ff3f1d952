"""Being let in by a real server, in every way and over TLS, and being told clearly why not."""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from nats.aio.msg import Msg

from agent_runtime_framework.events import InvalidInput, WriterId
from agent_runtime_framework.runtime.client import Client
from agent_runtime_framework.runtime.credentials import ANONYMOUS, Credentials
from agent_runtime_framework.runtime.nats import connection
from agent_runtime_framework.runtime.nats.connection import api, connect
from agent_runtime_framework.runtime.nats.credentials import AccessRefused
from agent_runtime_framework.runtime.opening import Place, opened
from agent_runtime_framework.runtime.runtime import Runtime
from agent_runtime_framework.testing import NatsServer
from support.secured import Authority, Operator, SecuredServer, user_key

ADA = Credentials(user="ada", password="s3cret")
ADA_ONLY = "authorization { users: [ { user: ada, password: s3cret } ] }"
TOKEN_ONLY = 'authorization { token: "s3cret" }'

Serve = Callable[[str], SecuredServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server with these settings."""
    running: list[SecuredServer] = []

    def start(settings: str) -> SecuredServer:
        directory = tmp_path / f"server-{len(running)}"
        directory.mkdir()
        running.append(SecuredServer(directory, settings=settings))
        running[-1].start()
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def tls(authority: Authority) -> str:
    """The settings of a server with a certificate of the authority."""
    certificate, key = authority.issue("server")
    return f'cert_file: "{certificate}", key_file: "{key}"'


async def let_in(url: str, credentials: Credentials = ANONYMOUS) -> None:
    """Fail unless the server lets us in and answers."""
    client = await connect(url, credentials=credentials)
    try:
        assert b"account_info" in await api(client, "INFO")
    finally:
        await client.close()


@contextmanager
def refused(match: str) -> Iterator[None]:
    """Fail unless the server, or we, refuse within a moment, in one line that shows no secret."""
    with pytest.raises(AccessRefused, match=match) as caught:
        yield
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.fixture(autouse=True)
def _no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG, logger="agent_runtime_framework")
    yield
    assert "s3cret" not in caplog.text
    # asyncio warns of encrypted streams that it takes for plain ones
    assert not [record for record in caplog.records if record.name == "asyncio" and record.levelno > logging.DEBUG]


class TestEachWay:
    async def test_user_and_password(self, serve: Serve) -> None:
        server = serve(ADA_ONLY)

        await let_in(server.url, ADA)
        await let_in(server.url.replace("//", "//ada:s3cret@"))
        with refused(rf"server at {server.url} refused the user and password \(Authorization Violation\): correct"):
            await let_in(server.url, Credentials(user="ada", password="s3cret-not"))
        with refused(rf"server at {server.url} refused the user and password"):
            await let_in(server.url.replace("//", "//bob:s3cret@"))

    async def test_what_a_url_must_encode_it_may_encode(self, serve: Serve) -> None:
        server = serve('authorization { users: [ { user: "a@b", password: "p/w:%" } ] }')

        await let_in(server.url.replace("//", "//a%40b:p%2Fw%3A%25@"))
        await let_in(server.url.replace("//", "//a%40b:p/w:%25@"))

    async def test_token(self, serve: Serve) -> None:
        server = serve(TOKEN_ONLY)

        await let_in(server.url, Credentials(token="s3cret"))
        await let_in(server.url.replace("//", "//s3cret@"))
        with refused("refused the token"):
            await let_in(server.url, Credentials(token="another s3cret"))

    async def test_nkey(self, serve: Serve, tmp_path: Path) -> None:
        mine, other = user_key(), user_key()
        (tmp_path / "mine.nk").write_bytes(mine.seed + b"\n")
        (tmp_path / "other.nk").write_bytes(other.seed)
        server = serve(f"authorization {{ users: [ {{ nkey: {mine.public} }} ] }}")

        await let_in(server.url, Credentials(nkey=tmp_path / "mine.nk"))
        with refused("refused the nkey seed in .*other.nk"):
            await let_in(server.url, Credentials(nkey=tmp_path / "other.nk"))

    async def test_credentials_file(self, serve: Serve, tmp_path: Path) -> None:
        operator = Operator()
        server = serve(operator.settings)

        await let_in(server.url, Credentials(creds=operator.credentials(tmp_path / "mine.creds")))
        with refused("refused the credentials file .*other.creds"):
            await let_in(server.url, Credentials(creds=Operator().credentials(tmp_path / "other.creds")))

    async def test_none_where_some_are_asked_for(self, serve: Serve) -> None:
        for settings in (ADA_ONLY, TOKEN_ONLY, Operator().settings):
            with refused("asks for credentials, and none were given .*ARF_NATS_CREDS"):
                await let_in(serve(settings).url)

    async def test_some_where_none_are_asked_for(self, nats_url: str) -> None:
        await let_in(nats_url, ADA)


class TestFilesThatAreNotWhatTheyShouldBe:
    @pytest.mark.parametrize("text", ["", "-----BEGIN NATS USER JWT-----\n", "SUAGARBAGE"])
    async def test_a_credentials_file_without_jwt_or_seed(self, text: str, nats_url: str, tmp_path: Path) -> None:
        (tmp_path / "x.creds").write_text(text)

        with pytest.raises(
            InvalidInput, match=r"x.creds is no credentials file: it has no NATS user JWT with its nkey"
        ):
            await connect(nats_url, credentials=Credentials(creds=tmp_path / "x.creds"))

    @pytest.mark.parametrize("seed", [b"", b"garbage", b"\xff\xfe", b"SUAA", b"SAAGARBAGE" * 6])
    async def test_an_nkey_file_without_seed(self, seed: bytes, nats_url: str, tmp_path: Path) -> None:
        (tmp_path / "x.nk").write_bytes(seed)

        with pytest.raises(InvalidInput, match=r"x.nk holds no valid nkey seed"):
            await connect(nats_url, credentials=Credentials(nkey=tmp_path / "x.nk"))

    async def test_signing_without_the_package_says_how_to_install_it(
        self, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "x.nk").write_bytes(user_key().seed)
        monkeypatch.setitem(sys.modules, "nkeys", None)

        with pytest.raises(InvalidInput, match=r"pip install 'agent-runtime-framework\[nkeys\]'"):
            await connect(nats_url, credentials=Credentials(nkey=tmp_path / "x.nk"))

    async def test_tls_files_without_certificate_or_with_another_key(
        self, nats_url: str, authority: Authority, tmp_path: Path
    ) -> None:
        (tmp_path / "x.crt").write_text("garbage")
        certificate, _ = authority.issue("a")
        _, other = authority.issue("b")
        _, encrypted = authority.issue("c", password=b"s3cret")

        with pytest.raises(InvalidInput, match=r"TLS CA file .*x.crt holds no certificate in PEM form"):
            await connect(nats_url, credentials=Credentials(tls_ca=tmp_path / "x.crt"))
        for cert, key in (
            (certificate, other),
            (tmp_path / "x.crt", other),
            (authority.directory / "c.crt", encrypted),
        ):
            with pytest.raises(InvalidInput, match=rf"{cert} and the key {key} cannot be used \(.*not encrypted"):
                await connect(nats_url, credentials=Credentials(tls_cert=cert, tls_key=key))


class TestTls:
    async def test_a_server_whose_ca_is_named_is_trusted(self, serve: Serve, tls: str, authority: Authority) -> None:
        server = serve(f"{ADA_ONLY}\ntls {{ {tls} }}")
        mine = replace(ADA, tls_ca=authority.ca)

        await let_in(server.url, mine)
        await let_in(server.url.replace("nats", "tls"), mine)
        with refused("refused the user and password"):
            await let_in(server.url, replace(mine, password="s3cret-not"))

    async def test_a_server_that_nobody_vouches_for_is_not(
        self, serve: Serve, tls: str, authority: Authority, tmp_path: Path
    ) -> None:
        server = serve(f"tls {{ {tls} }}")
        other = Authority(tmp_path / "other").ca

        with refused(rf"TLS certificate of the NATS server at {server.url} is not trusted .*tls_ca or ARF_NATS_TLS_CA"):
            await let_in(server.url)
        with refused(rf"is not trusted \(.*\): {other} did not sign it"):
            await let_in(server.url, Credentials(tls_ca=other))

    async def test_a_server_of_another_name_is_not(self, serve: Serve, tls: str, authority: Authority) -> None:
        server = serve(f"tls {{ {tls} }}")

        with refused(r"is not for that name \(Hostname mismatch.*'localhost'\): connect under a name that it has"):
            await let_in(server.url.replace("127.0.0.1", "localhost"), Credentials(tls_ca=authority.ca))

    async def test_a_certificate_of_ours_can_say_who_we_are(
        self, serve: Serve, tls: str, authority: Authority, tmp_path: Path
    ) -> None:
        server = serve(f'tls {{ {tls}, ca_file: "{authority.ca}", verify: true }}')
        certificate, key = authority.issue("ada")
        strange, its_key = Authority(tmp_path / "other").issue("ada")

        await let_in(server.url, Credentials(tls_cert=certificate, tls_key=key, tls_ca=authority.ca))
        with refused("asks for a TLS certificate of ours: .*ARF_NATS_TLS_CERT and ARF_NATS_TLS_KEY"):
            await let_in(server.url, Credentials(tls_ca=authority.ca))
        with refused(f"refused the TLS certificate {strange} "):
            await let_in(server.url, Credentials(tls_cert=strange, tls_key=its_key, tls_ca=authority.ca))

    async def test_large_messages_pass(self, serve: Serve, tls: str, authority: Authority) -> None:
        client = await connect(serve(f"tls {{ {tls} }}").url, credentials=Credentials(tls_ca=authority.ca))
        data = bytes(range(256)) * 3_600

        async def echo(message: Msg) -> None:
            await message.respond(message.data)

        await client.subscribe("echo", cb=echo)
        for _ in range(5):
            assert (await client.request("echo", data, timeout=10)).data == data
        await client.close()

    async def test_a_connection_that_was_lost_is_encrypted_again(
        self, serve: Serve, tls: str, authority: Authority
    ) -> None:
        server = serve(f"{ADA_ONLY}\ntls {{ {tls} }}")
        client = await connect(server.url, credentials=replace(ADA, tls_ca=authority.ca))
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)

        assert await api(client, "INFO")
        assert client.stats["reconnects"] == 1
        await client.close()

    async def test_a_server_that_offers_tls_but_does_not_ask_for_it_gets_it_where_we_do(
        self, serve: Serve, tls: str, authority: Authority, tmp_path: Path
    ) -> None:
        server = serve(f"tls {{ {tls} }}\nallow_non_tls: true")

        await let_in(server.url)
        await let_in(server.url, Credentials(tls_ca=authority.ca))
        with refused("is not trusted"):
            await let_in(server.url, Credentials(tls_ca=Authority(tmp_path / "other").ca))

    async def test_a_server_without_tls_is_shown_nothing_where_tls_was_asked_for(self, authority: Authority) -> None:
        async with eavesdropper() as (url, heard):
            for address, asked in ((url, Credentials(token="s3cret", tls_ca=authority.ca)), (f"tls://{url[7:]}", ADA)):
                with refused("has no TLS, and TLS was asked for; nothing was shown to it"):
                    await let_in(address, asked)
                async with asyncio.timeout(10):
                    assert await heard.get() == b""


@asynccontextmanager
async def eavesdropper() -> AsyncIterator[tuple[str, asyncio.Queue[bytes]]]:
    """Listen as a NATS server without TLS, and keep what each client says."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.11.0","headers":true,"max_payload":1048576}\r\n')
        heard.put_nowait(await reader.read())
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard


class TestLater:
    async def test_a_jwt_that_expires_is_replaced_without_a_restart(self, serve: Serve, tmp_path: Path) -> None:
        operator = Operator()
        server = serve(operator.settings)
        file = operator.credentials(tmp_path / "mine.creds", lives=2)
        again = asyncio.Event()

        async def reconnected() -> None:
            again.set()

        client = await connect(server.url, credentials=Credentials(creds=file), on_reconnect=reconnected)
        assert await api(client, "INFO")
        async with asyncio.timeout(10):
            with logged("is no credentials file") as read:
                file.write_text("half written")
                await read.wait()
            operator.credentials(file)
            await again.wait()

        assert await api(client, "INFO")
        await client.close()

    async def test_requests_say_that_credentials_were_withdrawn(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "REQUEST_TIMEOUT", 0.5)
        server = serve(ADA_ONLY)
        client = await connect(server.url, credentials=ADA)
        config = server.directory / "server.conf"
        config.write_text(config.read_text().replace("user: ada", "user: bob"))
        async with asyncio.timeout(10):
            with logged("Authorization Violation") as violated:
                server.signal(signal.SIGHUP)
                await violated.wait()

        with refused("refused the user and password"):
            await api(client, "INFO")
        await asyncio.to_thread(server.stop)
        await client.close()


@contextmanager
def logged(text: str) -> Iterator[asyncio.Event]:
    """Give an event that is set once a line with this text was logged."""
    came = asyncio.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if text in record.getMessage():
                came.set()

    logger, handler = logging.getLogger("agent_runtime_framework.nats"), Handler()
    logger.addHandler(handler)
    yield came
    logger.removeHandler(handler)


def entries(directory: Path) -> Iterator[Path]:
    return directory.iterdir()


class TestThroughTheRuntime:
    async def test_a_runtime_and_a_client_take_credentials(self, serve: Serve) -> None:
        url = serve(ADA_ONLY).url

        async with Runtime(nats=url, credentials=ADA, shards=1) as runtime:
            assert runtime.opened.url == url
            async with Client.connect(url, credentials=ADA, create=False) as client:
                assert [summary async for summary in client.conversations()] == []
        with refused("refused the user and password"):
            async with Client.connect(url, credentials=Credentials(user="ada", password="-")):
                pass

    async def test_the_url_that_is_told_on_has_no_secrets(self, serve: Serve) -> None:
        url = serve(ADA_ONLY).url

        async with Runtime(nats=url.replace("//", "//ada:s3cret@"), shards=1) as runtime:
            assert runtime.opened.url == url

    async def test_no_server_is_another_error(self, tmp_path: Path) -> None:
        with NatsServer(tmp_path) as server:
            url = server.url
        with pytest.raises(Exception, match=f"no NATS server answers at {url}") as caught:
            await connect(url.replace("//", "//ada:s3cret@"))

        assert not isinstance(caught.value, AccessRefused)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("url", ["http://ada:s3cret@h", "nats://ada:s3cret@", "nats://ada:s3cret@h:x"])
    async def test_a_url_that_is_none_does_not_show_its_secrets(self, url: str) -> None:
        with pytest.raises(InvalidInput, match="is not the URL of a NATS server") as caught:
            await connect(url)

        assert "s3cret" not in str(caught.value)

    async def test_an_embedded_server_takes_no_credentials(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="credentials are for the server at a URL, and none is given"):
            async with opened(Place(home=tmp_path / ".arf", credentials=ADA), WriterId("w")):
                pytest.fail("it was opened")

        assert list(entries(tmp_path)) == []
