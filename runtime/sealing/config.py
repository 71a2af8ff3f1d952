"""What a runtime is told of sealing."""

import math
from pathlib import Path
from typing import Final

from msgspec import Struct

from ...events import InvalidInput
from ..crypto.signing import BEGIN

EVERY: Final = 600.0
"""Seconds from one seal to the next."""


class SealConfig(Struct, frozen=True, kw_only=True):
    """Says by which key the heads of all conversations are sealed, where the seals are kept beside the log, how often.

    Attributes:
        key: an Ed25519 private key: the path of a PEM file that only its owner can read, or the PEM itself.
        file: where each seal is appended with the heads that changed; keep it where nobody can write who can write to
            the server.
        every: seconds from one seal to the next; of several workers whoever comes first makes it.

    >>> from agent_runtime_framework import Runtime, SealConfig
    >>> Runtime(seal=SealConfig(key="seal.pem", file="/mnt/audit/seals.jsonl")).seal.every
    600.0

    Raises:
        InvalidInput: the time is none; key and file are looked at when a worker is made.

    """

    key: str | Path
    file: str | Path
    every: float = EVERY

    def __post_init__(self) -> None:
        if not 0 < self.every < math.inf:
            raise InvalidInput(f"seals cannot be made every {self.every} seconds: give more than 0")

    def __repr__(self) -> str:
        shown = "..." if str(self.key).lstrip().startswith(BEGIN) else str(self.key)
        return f"SealConfig(key={shown!r}, file={str(self.file)!r}, every={self.every!r})"
