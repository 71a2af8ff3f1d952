"""README's agent with secrets is kept, run and read as it says."""

import base64
import re
import secrets
import shlex
from pathlib import Path
from typing import Any

from support.openai_server import server_process
from support.processes import arf, environment, output_of

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.partition("## Secrets\n")[2].partition("\n## ")[0]
(AGENT,) = re.findall(r"```py\n(.*?)```", SECTION, re.DOTALL)
COMMANDS = [
    line[2:] for block in re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()
]


async def test_an_agent_with_secrets_works_as_readme_says(tmp_path: Path) -> None:
    (tmp_path / "access.py").write_text(AGENT)
    key, worker = COMMANDS
    assert key == "export ARF_MASTER_KEY=$(openssl rand -base64 32)"
    master = base64.b64encode(secrets.token_bytes(32)).decode()
    script: list[Any] = [{"calls": [["make_token", {"pin": "93215577"}]]}, "You have token-for-93215577."]
    async with server_process(tmp_path, script) as models:
        env = environment(OPENAI_BASE_URL=models.url)
        refused = await output_of(*shlex.split(worker)[1:], cwd=tmp_path, env=env)
        async with arf(*shlex.split(worker)[1:], cwd=tmp_path, env={**env, "ARF_MASTER_KEY": master}) as working:
            await working.line_with("ready")
            sent = await output_of("send", "access", "c-1", "A token, please", cwd=tmp_path, env=env)
            shown = await output_of("show", "c-1", cwd=tmp_path, env=env)
            state = await output_of("state", "c-1", "-o", "json", cwd=tmp_path, env=env)
            replayed = await output_of("replay", "c-1", "--agent", "access.py:agent", cwd=tmp_path, env=env)

    assert refused[0] == 2
    assert "set ARF_MASTER_KEY" in refused[2]
    assert sent[:2] == (0, "You have (secret).\n")
    assert 'make_token(pin="(secret)")' in shown[1]
    assert "Made (secret) with (secret)." in shown[1]
    assert "secret:v1:" in state[1]
    assert "93215577" not in "".join((*sent[1:], *shown[1:], *state[1:]))
    assert replayed[0] == 0
