"""Texts that may be given on stdin."""

import sys
from typing import Final

from ....events import InvalidInput

STDIN: Final = "-"
"""The text that stands for what is on stdin."""


def text_of(given: str) -> str:
    """Return a text that was given, or what is on stdin where that is what was given.

    Raises:
        InvalidInput: what is on stdin is no UTF-8.

    """
    if given != STDIN:
        return given
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"what is on stdin is not UTF-8: {error}") from error
