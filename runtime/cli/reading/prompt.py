"""`arf prompt`: the exact request that the model got, rebuilt from the log."""

from ....events import check_token
from ..console import output
from ..console.options import Options
from ..console.place import reading
from .progress import progress


async def show_prompt(options: Options, conversation: str, version: int) -> int:
    """Write the request at `version` to stdout; return 1, and say why, if these are not the bytes that were sent.

    Raises:
        NotFound: there is no such request.

    """
    check_token(conversation, "conversation id")
    async with progress("reading events"), reading(options) as client:
        found = await client.request(conversation, version)
    if found is None:
        output.say(f"the request of version {version} in {conversation!r} cannot be rebuilt: it stands in no turn")
        return 1
    output.write_bytes(found.input.canonical + b"\n")
    if found.problem:
        output.say(f"the request at {found.version} in {conversation!r} is not what the model got: {found.problem}")
        return 1
    return 0
