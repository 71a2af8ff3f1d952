"""Reading many keys of a key-value bucket at once."""

from collections.abc import AsyncIterator

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from ...events import Unavailable
from .connection import request_many, status
from .topology import bucket_stream

BATCH, BATCH_BYTES = 1_000, 8 * 1024 * 1024
"""So many entries, and bytes of them, come in one answer."""


async def entries(client: Client, bucket: str, keys: str) -> AsyncIterator[tuple[list[str], Msg]]:
    """Yield the last entry of each key that fits the filter, with the key's tokens, in the order of writing.

    One that is written again meanwhile may come twice, its newer entry last.

    Raises:
        Unavailable: the server did not answer.

    """
    subject, prefix = f"$JS.API.DIRECT.GET.{bucket_stream(bucket)}", f"$KV.{bucket}."
    query: dict[str, object] = {"next_by_subj": f"{prefix}{keys}", "batch": BATCH, "max_bytes": BATCH_BYTES}
    after, more = 0, True
    while more:
        payload = msgspec.json.encode({**query, "seq": after + 1})
        *found, end = await request_many(client, subject, payload, ends=lambda answer: status(answer) != "")
        for entry in found:
            headers = entry.headers or {}
            after = int(headers["Nats-Sequence"])
            yield headers["Nats-Subject"].removeprefix(prefix).split("."), entry
        more = _more(end)


def _more(end: Msg) -> bool:
    match status(end):
        case "204":
            return int((end.headers or {})["Nats-Num-Pending"]) > 0
        case "404":
            return False
        case other:
            raise Unavailable(
                f"the entries were not read: {other} {(end.headers or {}).get('Description', '')}".strip()
            )
