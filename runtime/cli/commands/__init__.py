"""What `arf` can do: each command with its arguments, its options and its help.

Each imports what it needs when it runs, so that the help is there at once.
"""

from . import audit, deadletters, erasing, files, forking, reading, replaying, running, seeing, talking

__all__ = [
    "audit",
    "deadletters",
    "erasing",
    "files",
    "forking",
    "reading",
    "replaying",
    "running",
    "seeing",
    "talking",
]
