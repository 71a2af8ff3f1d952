"""What every test may ask for, beside the fixtures of the package's own plugin."""

import pytest
from hypothesis import HealthCheck, settings

from agent_runtime_framework.testing import NatsServer

# how long an example takes is a machine's matter, not a property
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def nats_url(nats_server: NatsServer) -> str:
    """The URL of a real nats-server with JetStream, one a test process; give each test a namespace of its own."""
    return nats_server.url
