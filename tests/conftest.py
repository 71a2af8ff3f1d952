"""What every test may ask for, beside the fixtures of the package's own plugin."""

import pytest

from agent_runtime_framework.testing import NatsServer


@pytest.fixture(scope="session")
def nats_url(nats_server: NatsServer) -> str:
    """The URL of a real nats-server with JetStream, one a test process; give each test a namespace of its own."""
    return nats_server.url
