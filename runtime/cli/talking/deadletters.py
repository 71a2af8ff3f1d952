"""`arf deadletters retry` and `drop`: what is done about commands that no worker is given again."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ....events import Refused, Withheld
from ...client import Client
from ..console import output
from ..console.options import Options
from ..console.place import reading
from ..reading.deadletters import NONE

Data: TypeAlias = dict[str, str]

Done: TypeAlias = tuple[str, Data]
"""What was done to one letter, in words and as data."""


async def retry(options: Options, name: str | None) -> int:
    """Send what one dead letter or all of them hold again, write the new ids to stdout, and return the exit code.

    Of several, those that cannot be sent again are said, and stay.
    """
    if name is not None:
        async with reading(options) as client:
            id_ = await client.retry_dead_letter(name)
        output.write_either(id_, {"name": name, "id": id_}, options.output)
        return 0
    code = 0

    async def again(client: Client, each: str) -> Done | None:
        nonlocal code
        try:
            id_ = await client.retry_dead_letter(each)
        except (Refused, Withheld) as error:
            output.say(f"error: {error}")
            code = error.exit_code
            return None
        return f"{each}: {id_}", {"name": each, "id": id_}

    await _all(options, again)
    return code


async def drop(options: Options, name: str | None) -> None:
    """Remove one dead letter, or all of them, and write which to stdout."""

    async def remove(client: Client, each: str) -> Done:
        await client.drop_dead_letter(each)
        return f"{each} is dropped", {"name": each}

    if name is None:
        await _all(options, remove)
        return
    async with reading(options) as client:
        output.write_either(*await remove(client, name), options.output)


async def _all(options: Options, act: Callable[[Client, str], Awaitable[Done | None]]) -> None:
    """Do it to each letter, those kept first first, and write what was done; as `json` in one list at the end."""
    done: list[Data] = []
    try:
        async with reading(options) as client:
            letters = [letter async for letter in client.dead_letters()]
            if not letters:
                output.say(NONE)
            for letter in sorted(letters, key=lambda letter: (letter.time, letter.name)):
                told = await act(client, letter.name)
                if told is not None and options.output != "json":
                    output.write_either(*told, options.output)
                elif told is not None:
                    done.append(told[1])
    finally:
        if options.output == "json":
            output.write_json(done, "json")
