"""What a runtime is told of sealing."""

from pathlib import Path
from typing import Final

from msgspec import Struct

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

    """

    key: str | Path
    file: str | Path
    every: float = EVERY
