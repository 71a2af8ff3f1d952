"""README's commands that prove that nobody rewrote a log are typed as they stand."""

import asyncio
import re
import shlex
from pathlib import Path

from support.openai_server import server_process
from support.processes import arf, environment, output_of

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.partition("## Prove that nobody rewrote it\n")[2].partition("\n## ")[0]
COMMANDS = [
    line[2:] for block in re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()
]
GREETER = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
ALL, MAKE_KEY, TAKE_PUBLIC, WORKER, SEAL, PROVE = (shlex.split(command) for command in COMMANDS)


async def openssl(words: list[str], cwd: Path) -> None:
    process = await asyncio.create_subprocess_exec(*words, cwd=cwd, stderr=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0


async def test_a_log_is_sealed_and_proved_as_readme_says(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    for words in (MAKE_KEY, TAKE_PUBLIC):
        await openssl(words, tmp_path)
    async with server_process(tmp_path, ["Hello!", "And you?"]) as models:
        env = environment(OPENAI_BASE_URL=models.url)
        async with arf(*WORKER[1:], cwd=tmp_path, env=env) as worker:
            await worker.line_with("ready")
            first = await output_of("send", "greeter", "c-1", "hi", cwd=tmp_path, env=env)
            sealed = await output_of(*SEAL[1:], cwd=tmp_path, env=env)
            await output_of("send", "greeter", "c-1", "hi again", cwd=tmp_path, env=env)
            verified = await output_of(*ALL[1:], cwd=tmp_path, env=env)
            proved = await output_of(*PROVE[1:], cwd=tmp_path, env=env)

    assert (first[0], sealed[0]) == (0, 0), (first, sealed)
    assert verified == (0, "1 conversation, 4 frames, 13 events: all fit\n", "")
    lines = proved[1].splitlines()
    assert (proved[0], proved[2], lines[0]) == (0, "", "1 conversation, 4 frames, 13 events: all fit")
    assert lines[1].endswith("; not sealed yet: 6 events in 1 conversation")
