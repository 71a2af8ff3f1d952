"""Words that are looked for, in whatever form, wherever a conversation may have left them."""

import json
import time
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

from agent_runtime_framework import Client, Runtime
from agent_runtime_framework.runtime.testing.working import at_work
from support.cli_bots import Bot
from support.command_line import in_use

MASTER = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="
KEYED = {"ARF_MASTER_KEY": MASTER}
WORDS = ("Zanzibaria", "kaleidoscopic marmalade", 'the "quoted" flamingo', "näive ümläuts")


def forms_of(word: bytes) -> set[bytes]:
    """Return the ways in which these bytes may stand in a file: as they are, escaped, in hex, and in base64."""
    found = {word, word.hex().encode(), repr(word.decode(errors="replace"))[1:-1].encode()}
    found.add(json.dumps(word.decode(errors="replace"))[1:-1].encode())
    for offset in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            text = encode(b"\0" * offset + word)
            # what depends on the bytes before and after is left out
            found.add(text[-(-offset * 8 // 6) :].rstrip(b"=")[:-1])
    return {form for form in found if len(form) >= 8}


def found_in(directory: Path, *words: bytes) -> list[tuple[str, bytes]]:
    """Return which words stand in which files, in whatever form."""
    return [
        (str(path.relative_to(directory)), word)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
        for data in [path.read_bytes()]
        for word in words
        if any(form in data for form in forms_of(word))
    ]


SAID = tuple(word.encode() for word in WORDS)


def stopped(place: Path) -> Path:
    """Return the server's data, once the server has ended: in good order, because nobody uses it any more."""
    home, last = place / ".arf", time.monotonic() + 20
    while in_use(home):
        assert time.monotonic() < last
        time.sleep(0.01)
    return home / "jetstream"


async def talk(place: Path, *, encrypt: bool) -> None:
    """Say the words in `c-1`, and something else in `c-2`; one of them waits when its worker has left."""
    async with at_work(Runtime([Bot()], home=place / ".arf", encrypt=encrypt)) as rt:
        for text in ("save_name Zanzibaria", *WORDS[1:]):
            await rt.send("bot", "c-1", text)
        await rt.send("bot", "c-2", "hello")
    async with Client.connect(home=place / ".arf") as client:
        await client.publish("bot", "c-1", WORDS[1])
