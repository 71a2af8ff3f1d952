"""Commands as they are to be typed here, for whoever is told what to do next."""

import os
import shutil
import sys
from pathlib import Path

from ..console.options import Options
from ..console.place import MODULE
from ..console.text import command


def typed(options: Options, *words: str) -> str:
    """Return a command as it is to be typed here, with what was given to this one and not by a variable."""
    given: list[str] = []
    if options.nats and options.nats != os.environ.get("ARF_NATS_URL"):
        given += ["--nats", options.nats]
    if options.home and options.home != os.environ.get("ARF_HOME"):
        given += ["--home", options.home]
    if options.namespace != (os.environ.get("ARF_NAMESPACE") or Options.namespace):
        given += ["--namespace", options.namespace]
    return command(*_program(), *words, *given)


def _program() -> tuple[str, ...]:
    """Return how this command line is called from here."""
    if shutil.which("arf"):
        return ("arf",)
    called = Path(sys.argv[0])
    return (str(called),) if called.name == "arf" else (sys.executable, "-m", MODULE)
