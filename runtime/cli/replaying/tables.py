"""`arf export --parquet`: the tables of all conversations, brought up to date in a directory."""

from pathlib import Path

from ...analytics.duck import check_installed
from ...analytics.export import exporting
from ...analytics.processes import export_all
from ..console import output
from ..console.options import Options
from ..console.place import place_of, reading
from ..reading.progress import event_progress


async def export_tables(options: Options, directory: str) -> int:
    """Add to an export what is new since, and return the exit code; what is damaged is said and left out."""
    check_installed()
    place = place_of(options, create=False)
    async with reading(options) as client, exporting(client.substrate, place.namespace, Path(directory)) as export:
        if not export.jobs and export.state.run > 1:
            output.say(f"nothing is new since the last export to {directory}")
            return 0
        async with event_progress("exporting", total=export.behind) as done:
            exported = await export_all(client.substrate, place, export.jobs, export.behind, done.add)
        export.finish(exported)
    faults = [fault for shard in sorted(exported) for fault in exported[shard].faults]
    for fault in faults:
        output.say(f"error: {fault}; it is left out, and the next export tries it again")
    events = sum(one.events for one in exported.values())
    output.say(f"{events:,} event{'' if events == 1 else 's'} exported to {directory}")
    return 1 if faults else 0
