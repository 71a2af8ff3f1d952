"""Who shows the log: the command line on stderr, the library alone nowhere."""

import subprocess
import sys

import pytest

LIBRARY = """
import logging
from agent_runtime_framework import configure
configure(debug=True)
logger = logging.getLogger("agent_runtime_framework.somewhere")
"""

COMMAND = """
from agent_runtime_framework.runtime.cli.console.logs import log_to_stderr
log_to_stderr(logging.INFO, debug={debug})
"""

SPEAK = """
logger.info("told %s", "once")
try:
    1 / 0
except ZeroDivisionError:
    logger.info("raised", exc_info=True)
"""


def stderr_of(*program: str) -> str:
    done = subprocess.run([sys.executable, "-c", "\n".join(program)], check=True, capture_output=True, text=True)
    return done.stderr


def test_the_library_alone_shows_nothing() -> None:
    assert stderr_of(LIBRARY, SPEAK) == ""


@pytest.mark.parametrize(("debug", "tracebacks"), [(False, 0), (True, 1)])
def test_the_command_line_shows_it_on_stderr_and_tracebacks_in_debug(debug: bool, tracebacks: int) -> None:
    shown = stderr_of(LIBRARY, COMMAND.format(debug=debug), SPEAK)

    assert shown.count("told once") == 1
    assert "ZeroDivisionError: division by zero" in shown
    assert shown.count("Traceback") == tracebacks
