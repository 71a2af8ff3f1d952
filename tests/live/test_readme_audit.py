"""README does what it says of policies and of audits: its agent is saved as it stands, its commands are typed."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

from support.openai_server import server_process
from support.processes import arf, environment, output_of

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.partition("## Say what may be called, and ask why it was\n")[2].partition("\n## ")[0]
(CAREFUL,) = re.findall(r"```py\n(.*?)```", SECTION, re.DOTALL)
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()]
STORY = SECTION.partition("```\nc-1 5.0")[2].partition("```")[0]
GREETER = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "class Greeter(" in block)
SCRIPT: list[Any] = [{"calls": [["save_name", {"name": "Ada"}]]}, "Then who are you?"]


def anyhow(story: str) -> list[str]:
    """Return the lines of a story without what differs each time: times, ids, hashes and who answered."""
    varying = (
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\d+ ms|\d+\.\d s",
        r"\bm-\w+|chatcmpl-\w+|call_\w+|response \S+|, call \S+",
        r"\b[0-9a-f]{12,64}\b",
        r"by gpt\S*|gpt-\S+\b",
    )
    return [re.sub("|".join(varying), "X", line).rstrip() for line in story.strip().splitlines()]


async def test_a_policy_denies_and_the_audit_says_why(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    (tmp_path / "careful.py").write_text(CAREFUL)
    (tmp_path / "prices.json").write_text('{"gpt-4o": {"input": 2.5, "output": 10}}')
    async with server_process(tmp_path, SCRIPT) as models:
        env = environment(OPENAI_BASE_URL=models.url)
        async with arf("worker", "careful.py:agent", cwd=tmp_path, env=env) as worker:
            await worker.line_with("ready")
            sent = await output_of("send", "greeter", "c-1", "I am Ada", cwd=tmp_path, env=env)
        typed = {
            line: await output_of(*shlex.split(line)[2:], cwd=tmp_path, env={**env, "COLUMNS": "200"})
            for line in COMMANDS
        }
        priced = await output_of("audit", "tools", "--prices", "prices.json", "-o", "json", cwd=tmp_path, env=env)

    assert sent[:2] == (0, "Then who are you?\n")
    assert {line: (code, said) for line, (code, _, said) in typed.items()} == dict.fromkeys(typed, (0, ""))
    why, whole, every, denied, rows = (out for _, out, _ in typed.values())
    assert why.startswith('c-1 5.0 save_name(name="Ada"): denied\n')
    assert anyhow(why.partition("c-1 5.0")[2]) == anyhow(STORY)
    assert anyhow(whole) == anyhow(why)  # the prompt has one line
    assert every == denied
    assert 'save_name(name="Ada"): Ada is known already' in every
    assert rows.splitlines()[1].split(",")[1:5] == ["c-1", "greeter", "1", "5.0"]
    (decision,) = json.loads(priced[1])
    assert decision["policy"] == {"verdict": "denied", "reason": "Ada is known already"}
