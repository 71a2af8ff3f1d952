"""Sealing: signed statements of where every conversation ended, in the log and in a file that is kept elsewhere."""

from ..crypto.signing import fingerprint, load_key, load_public
from .config import SealConfig
from .evidence import Evidence, compare, evidence_in
from .file import SealFile
from .periodic import beside_workers, keep_sealing
from .sealer import Sealer, sealer_for

__all__ = [
    "Evidence",
    "SealConfig",
    "SealFile",
    "Sealer",
    "beside_workers",
    "compare",
    "evidence_in",
    "fingerprint",
    "keep_sealing",
    "load_key",
    "load_public",
    "sealer_for",
]
