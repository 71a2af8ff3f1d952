"""Leaving the process's configuration as it was found."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from agent_runtime_framework.runtime import config

VARIABLES = ("AGENT_RUNTIME_DEBUG", "AGENT_RUNTIME_LOG_LEVEL")


@contextmanager
def fresh_configuration() -> Iterator[None]:
    """Begin as a process does that was told nothing, and put back configuration, level and environment at the end."""
    logger = logging.getLogger(config.LOGGER)
    level, current = logger.level, config._current
    with mock.patch.dict(os.environ):
        for variable in VARIABLES:
            os.environ.pop(variable, None)
        config._current = None
        try:
            yield
        finally:
            config._current = current
            logger.setLevel(level)
