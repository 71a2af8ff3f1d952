"""One hash over many: a Merkle tree as RFC 6962 has it, so that a leaf can never pass for a node."""

import hashlib
from collections.abc import Iterable


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaves in this order; of none the hash of nothing.

    >>> from agent_runtime_framework.events.merkle import leaf_hash, merkle_root, node_hash
    >>> a, b, c = map(leaf_hash, [b"a", b"b", b"c"])
    >>> merkle_root([b"a", b"b", b"c"]) == node_hash(node_hash(a, b), c)
    True
    """
    level = [leaf_hash(data) for data in leaves]
    if not level:
        return hashlib.sha256().digest()
    while len(level) > 1:
        # what has no partner goes up as it is: so the left part is always the largest full tree, as in the RFC
        pairs = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]
