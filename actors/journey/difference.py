"""What changed between two readings of one state, field by field, as bytes.

The bytes are made by `state_fields`, the same for the same value in every process, so comparing them needs no author
code, and no object that the author still holds can hide a change.
"""

from collections.abc import Mapping


def difference(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return what to set and what to unset, each sorted by name, to get from `before` to `after`."""
    changed = {name: after[name] for name in sorted(after) if before.get(name) != after[name]}
    return changed, tuple(sorted(before.keys() - after.keys()))
