"""What `arf` can do: each command with its arguments, its options and its help.

Each imports what it needs when it runs, so that the help is there at once.
"""

from . import (
    asking,
    audit,
    deadletters,
    erasing,
    files,
    forking,
    reading,
    replaying,
    reporting,
    running,
    sealing,
    seeing,
    talking,
)

__all__ = [
    "asking",
    "audit",
    "deadletters",
    "erasing",
    "files",
    "forking",
    "reading",
    "replaying",
    "reporting",
    "running",
    "sealing",
    "seeing",
    "talking",
]
