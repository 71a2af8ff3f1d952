"""README does what it says of tables: its commands are typed as they stand."""

import re
import shlex
from pathlib import Path

from support.command_line import bots, run, worker

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.partition("## Ask the log with SQL\n")[2].partition("\n## ")[0]
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()]


def test_the_commands_answer_as_they_are_typed(tmp_path: Path) -> None:
    directory = bots(tmp_path)
    with worker("bot.py:Bot", directory):
        for text in ("'save_name Ada'", "burst"):
            assert run(f"send bot c-1 {text}", directory).returncode == 0
    typed = {line: run(shlex.join(shlex.split(line)[2:]), directory) for line in COMMANDS}

    assert {line: done.returncode for line, done in typed.items()} == dict.fromkeys(COMMANDS, 0)
    schema, calls, steps, exported, models = (done.stdout for done in typed.values())
    assert "verdict" in schema
    assert calls == "burst\trun\t1\nsave_name\trun\t1\n"
    heading, stay = steps.splitlines()
    assert heading == "conversation,step,stayed_ms"
    assert re.fullmatch(r"c-1,name,\d+", stay)
    assert exported == ""
    assert len(models.splitlines()) == 1
    assert [*(directory / "tables").glob("current/turns/*.parquet")]
