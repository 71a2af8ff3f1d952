"""Golden snapshots: what the parts of golden conversations hold, by the revision of the fold that made them.

    PYTHONPATH=tests .venv/bin/python tests/support/golden_snapshots.py

writes those of the revision that `projections.snapshot.FOLD` names, and changes no file that is there.  Bodies are
written as they are before they are compressed, since every zlib compresses in its own way.
"""

import json
from pathlib import Path
from typing import Any

from agent_runtime_framework.events import START, ConversationId, Head, decode_frame, frame_hash
from agent_runtime_framework.projections import (
    FOLD,
    Conversation,
    Snapshot,
    can_be_kept,
    fold,
    initial,
    nothing_kept,
    parts_of,
    read_part,
)
from agent_runtime_framework.projections.snapshot import bound_to_part
from agent_runtime_framework.projections.snapshot_body import bodies, encoded
from support.golden import GOLDEN

SNAPSHOTS = GOLDEN / "snapshots"


def moments(log: Path) -> list[tuple[Conversation, Head]]:
    """Return a golden conversation as often as it can be kept, with the head of its log."""
    now, head, found = initial(ConversationId(log.stem)), START, []
    for position, line in enumerate(log.read_bytes().splitlines(), 1):
        frame = decode_frame(line)
        now, head = fold(now, [frame]), Head(frame.last, position, frame_hash(line))
        if can_be_kept(now):
            found.append((now, head))
    return found


def golden(log: Path) -> dict[str, Any]:
    """Return what the parts of a conversation hold: the one of all of it, and what was new after its first turn."""
    first, last = moments(log)[0], moments(log)[-1]
    nothing = nothing_kept(last[0].id)
    (data,) = parts_of(nothing, *last)
    return {
        "part": bound_to_part(read_part(data).part).hex(),
        "body": [encoded(body).decode() for body in bodies(nothing.conversation, last[0])],
        "gained": [encoded(body).decode() for body in bodies(Snapshot(*first).conversation, last[0])],
    }


def directory() -> Path:
    """Return where the snapshots of this revision are."""
    return SNAPSHOTS / str(FOLD)


if __name__ == "__main__":
    directory().mkdir(parents=True, exist_ok=True)
    for log in sorted(GOLDEN.glob("*/*.jsonl")):
        path = directory() / f"{log.parent.name}-{log.stem}.json"
        if moments(log) and not path.exists():
            path.write_text(json.dumps(golden(log), indent=1, ensure_ascii=False) + "\n")
            print(path)  # noqa: T201  a script
