"""The tree over all heads, and what a seal says: as anybody else would reckon it."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_runtime_framework.events import CorruptLog, Seal, SealedHead, decode_seal, root_of
from agent_runtime_framework.events.merkle import merkle_root


def by_the_book(leaves: list[bytes]) -> bytes:
    """Return the root as RFC 6962, section 2.1, defines it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return hashlib.sha256(b"\x01" + by_the_book(leaves[:left]) + by_the_book(leaves[left:])).digest()


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_the_root_is_that_of_the_rfc(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == by_the_book(leaves)


def test_a_root_is_over_each_conversation_version_and_hash_in_the_order_of_names() -> None:
    heads = {"c-2": SealedHead(7, "bb"), "c-10": SealedHead(3, "aa"), "C-1": SealedHead(1, "cc")}
    expected = by_the_book([b"C-1\n1\ncc", b"c-10\n3\naa", b"c-2\n7\nbb"]).hex()

    assert root_of(heads) == expected
    assert root_of(dict(reversed(heads.items()))) == expected


SEAL = Seal(number=2, time=5, namespace="arf", conversations=1, root="ab", before="cd", key="ef", signature="01")


def test_what_is_signed_is_all_but_the_signature_as_canonical_json() -> None:
    said = json.loads(SEAL.stored)
    assert json.dumps(said, sort_keys=True, separators=(",", ":")).encode() == SEAL.stored
    del said["signature"]
    assert json.dumps(said, sort_keys=True, separators=(",", ":")).encode() == SEAL.statement
    assert SEAL.hash == hashlib.sha256(SEAL.stored).hexdigest()
    assert decode_seal(SEAL.stored) == SEAL


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", SEAL.stored + b" ", SEAL.stored.replace(b'"time":5', b'"time":"5"')]
)
def test_what_is_no_seal_is_said(data: bytes) -> None:
    with pytest.raises(CorruptLog):
        decode_seal(data)
