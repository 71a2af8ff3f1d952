"""`arf audit seal`: one seal, now."""

from ...clock import SystemClock
from ...sealing import fingerprint, load_key, sealer_for
from ..console import output
from ..console.options import Options
from ..console.place import reading
from ..reading.progress import progress


async def make_seal(options: Options, key: str, file: str | None) -> None:
    """Make a seal of a namespace that is there, and write it to stdout."""
    signing = load_key(key)
    async with reading(options) as client:
        sealer = sealer_for(client.substrate, namespace=options.namespace, key=signing, file=file, clock=SystemClock())
        async with progress("sealing"):
            seal = await sealer.seal_now()
    output.write_code(seal.stored.decode())
    where = f"in the log and in {file}" if file else "in the log alone; with -o FILE its heads are kept elsewhere, too"
    output.say(f"seal {seal.number} by key {fingerprint(seal.key)}, conversations: {seal.conversations}, {where}")
