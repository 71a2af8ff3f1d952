"""What every test may ask for."""

from collections.abc import Iterator

import pytest

from agent_runtime_framework.runtime.testing.server import NatsServer


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real nats-server with JetStream, one a test process; give each test a namespace of its own."""
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server.url
