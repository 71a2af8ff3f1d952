"""README does what it says of the report: its commands are typed as they stand."""

import re
import shlex
from pathlib import Path

from support.openai_server import server_process
from support.processes import arf, environment, output_of

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.partition("## Report on a week\n")[2].partition("\n## ")[0]
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()]
GREETER = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "class Greeter(" in block)


async def test_the_report_is_a_page_of_what_was_done(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    (tmp_path / "prices.json").write_text('{"gpt-4o": {"input": 2.5, "output": 10}}')
    async with server_process(tmp_path, [{"calls": [["save_name", {"name": "Ada"}]]}, "Hello, Ada!"]) as models:
        env = environment(OPENAI_BASE_URL=models.url)
        async with arf("worker", "greeter.py:agent", cwd=tmp_path, env=env) as worker:
            await worker.line_with("ready")
            assert (await output_of("send", "greeter", "c-1", "I am Ada", cwd=tmp_path, env=env))[0] == 0
        typed = [await output_of(*shlex.split(line)[2:], cwd=tmp_path, env=env) for line in COMMANDS]

    assert [(code, out) for code, out, _ in typed] == [(0, ""), (0, "")]
    assert [said for _, _, said in typed] == [
        "report.html: 1 conversation, 1 turn, 1 call\n",
        "august.html: 0 conversations, 0 turns, 0 calls\n",
    ]
    week = (tmp_path / "report.html").read_text()
    assert "arf show c-1" in week
    assert "save_name" in week
    assert "Nothing happened in this period." in (tmp_path / "august.html").read_text()
