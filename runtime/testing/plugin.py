"""Fixtures for pytest, which finds them where the package is installed: a real nats-server, and agents at work on it.

What a fixture needs is imported when a test asks for it, so that sessions that ask for none are not slower.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .server import NatsServer
    from .working import AgentsAtWork


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[NatsServer]":
    """A nats-server with JetStream, on a temporary directory and a free port; one a session, `.url` says where."""
    from .server import NatsServer  # noqa: PLC0415  here and below: see above

    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def agent_runtime(request: pytest.FixtureRequest) -> "AgentsAtWork":
    """What opens runtimes whose agents are at work, on `nats_server` and in a namespace that is this test's alone.

    Use it as `async with agent_runtime(MyAgent(llm)) as rt`.
    """
    from .working import AgentsAtWork  # noqa: PLC0415

    def url() -> str:
        server: NatsServer = request.getfixturevalue("nats_server")
        return server.url

    return AgentsAtWork(url)
