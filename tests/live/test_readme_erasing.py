"""README's commands that encrypt and erase do what it says."""

import base64
import json
import re
import secrets
import shlex
from pathlib import Path

from support.openai_server import server_process
from support.processes import arf, environment, output_of

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.partition("## Erase and encrypt\n")[2].partition("\n## ")[0]
COMMANDS = [
    line[2:] for block in re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()
]
GREETER = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]


async def test_a_conversation_is_sealed_and_erased_as_readme_says(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    key, worker, erase = COMMANDS
    assert key == "export ARF_MASTER_KEY=$(openssl rand -base64 32)"
    master = base64.b64encode(secrets.token_bytes(32)).decode()
    async with server_process(tmp_path, [{"calls": [["save_name", {"name": "Ada"}]]}, "Good-bye, Ada!"]) as models:
        env = environment(OPENAI_BASE_URL=models.url)
        keyed = {**env, "ARF_MASTER_KEY": master}
        async with arf(*shlex.split(worker)[1:], cwd=tmp_path, env=keyed) as working:
            await working.line_with("ready")
            sent = await output_of("send", "greeter", "c-1", "I am Ada", cwd=tmp_path, env=keyed)
            shut = await output_of("state", "c-1", cwd=tmp_path, env=env)
            refused = await output_of("send", "greeter", "c-2", "hi", cwd=tmp_path, env=env)
            asked = await output_of(*shlex.split(erase)[1:], cwd=tmp_path, env=env)
            erased = await output_of(*shlex.split(erase)[1:], "--yes", "-o", "json", cwd=tmp_path, env=env)
            log = await output_of("log", "c-1", cwd=tmp_path, env=keyed)
            later = await output_of("send", "greeter", "c-1", "hello?", cwd=tmp_path, env=keyed)

    assert sent[:2] == (0, "Good-bye, Ada!\n")
    assert (shut[0], "[sealed]" in shut[1], "Ada" in shut[1]) == (0, True, False)
    assert (refused[0], asked[0], later[0]) == (1, 2, 4)
    assert (erased[0], json.loads(erased[1])["key"]) == (0, "overwritten")
    assert "[erased]" in log[1]
    assert "asked by the customer" in log[1]
