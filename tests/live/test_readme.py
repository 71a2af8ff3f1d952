"""README does what it says: its code is saved as it tells, its commands are typed as they stand."""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from support.django_runs import COMPANIONS
from support.openai_server import server_process
from support.processes import SOURCES, arf, environment, output_of

README = (Path(__file__).parents[2] / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = [line[2:] for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
GREETER, FRONT, KEPT, RENAMED, PROGRAM, TALK, DJANGO, *TESTS = PYTHON
DIVERGES = README.partition("```\nc-1: 1 turn")[2].partition("```")[0]
SHOWN = README.partition("```\nturn 1")[2].partition("```")[0]
SCRIPT: list[Any] = [{"calls": [["save_name", {"name": "Ada"}]]}, "Good-bye, Ada!"]


def anyhow(shown: str) -> list[str]:
    """Return the lines of a turn without its times."""
    turn = shown.strip().partition("\n\n")[0]
    return [re.sub(r"\d\d:\d\d:\d\d|\d+ ms|\d+\.\d s", "T", line) for line in turn.splitlines()]


def typed(command: str) -> tuple[str, ...]:
    """Return the words of an `arf` command of README, without the name."""
    import shlex

    assert f"arf {command}" in COMMANDS, f"README no longer has: arf {command}"
    return tuple(shlex.split(command))


async def python(*arguments: str, cwd: Path, env: dict[str, str]) -> tuple[int, str]:
    """Run Python; return its exit code and all that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


async def first_lines_of(*arguments: str, count: int, cwd: Path, env: dict[str, str]) -> list[str]:
    """Return the first lines that `arf` prints, and end it."""
    async with arf(*arguments, cwd=cwd, env=env) as running:
        stream = running.process.stdout
        assert stream is not None
        return [(await stream.readline()).decode() for _ in range(count)]


async def test_an_agent_of_ones_own_is_made_and_talked_to(tmp_path: Path) -> None:
    made = await output_of(*typed("new hello"), cwd=tmp_path, env=environment())
    assert "cd hello" in COMMANDS
    hello = tmp_path / "hello"
    talked = await output_of(*typed("dev agent.py:agent"), cwd=hello, env=environment(), stdin="hi\nI am Ada\n")
    chatted = await output_of("chat", "agent.py:agent", cwd=hello, env=environment(), stdin="I am Bob\n")

    assert made[0] == 0
    assert (talked[0], "Ada" in talked[1]) == (0, True), talked
    assert (chatted[0], "Bob" in chatted[1]) == (0, True), chatted


async def test_the_agent_is_run_spoken_to_and_read_as_readme_says(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    async with server_process(tmp_path, [*SCRIPT, "A greeter."]) as models:
        env = environment(OPENAI_BASE_URL=models.url)
        async with arf(*typed("worker greeter.py:agent"), cwd=tmp_path, env=env) as worker:
            await worker.line_with("ready")
            sent = await output_of(*typed('send greeter c-1 "I am Ada"'), cwd=tmp_path, env=env)
            log = await output_of(*typed("log c-1"), cwd=tmp_path, env=env)
            state = await output_of(*typed("state c-1 --at 4"), cwd=tmp_path, env=env)
            after = await output_of("state", "c-1", cwd=tmp_path, env=env)
            followed = await first_lines_of(*typed("follow c-1"), count=3, cwd=tmp_path, env=env)
            shown = await output_of(*typed("show c-1"), cwd=tmp_path, env=env)
            differing = await output_of(*typed("diff c-1 4 12"), cwd=tmp_path, env=env)
            given = await output_of(*typed("prompt c-1 4"), cwd=tmp_path, env=env)
            doctor = await output_of(*typed("doctor"), cwd=tmp_path, env=env)
            listed = await output_of(*typed("list"), cwd=tmp_path, env=env)
            exported = await output_of(*typed("export c-1 -o c-1.jsonl"), cwd=tmp_path, env=env)
            imported = await output_of(*typed("import c-1.jsonl --namespace copy"), cwd=tmp_path, env=env)
            forked = await output_of(*typed('fork c-1 --as c-3 --say "and who are you?"'), cwd=tmp_path, env=env)
            edited = '--at 13 --model another-model --prompt "Greet in rhyme."'
            again = await output_of(*typed(f"fork c-1 {edited}"), cwd=tmp_path, env=env)

    assert sent[:2] == (0, "Good-bye, Ada!\n")
    assert (log[0], "turn.completed" in log[1]) == (0, True)
    assert (state[0], "Ada" in state[1], "name" in state[1]) == (0, True, True)
    assert (after[0], "done" in after[1]) == (0, True)
    assert ["conversation.started" in followed[0], "turn.started" in followed[2]] == [True, True]
    assert (shown[0], anyhow(shown[1].partition("turn 1")[2])) == (0, anyhow(SHOWN))
    assert (differing[0], "name -> done" in differing[1]) == (0, True)
    assert (given[0], json.loads(given[1])["messages"][-1]["content"]) == (0, "I am Ada")
    assert (doctor[0], "durability" in doctor[1]) == (0, True), doctor[1]
    assert (listed[0], "greeter" in listed[1]) == (0, True)
    assert (exported[0], imported[:2]) == (0, (0, f"c-1: {len(log[1].splitlines())} events imported\n"))
    assert forked == (0, "c-3\nA greeter.\n", "")
    assert (again[0], again[1].startswith("fork-")) == (0, True), again


async def test_new_code_is_held_to_an_old_conversation(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    async with server_process(tmp_path, SCRIPT) as models:
        env = environment(OPENAI_BASE_URL=models.url)
        async with arf(*typed("worker greeter.py:agent"), cwd=tmp_path, env=env) as worker:
            await worker.line_with("ready")
            await output_of(*typed('send greeter c-1 "I am Ada"'), cwd=tmp_path, env=env)
    env = environment()
    same = await output_of(*typed("replay c-1 --agent greeter.py:agent"), cwd=tmp_path, env=env)
    saved = await output_of(*typed("save-test c-1 --agent greeter.py:agent"), cwd=tmp_path, env=env)
    checked = await output_of(*typed("check greeter.py:agent --since 7d"), cwd=tmp_path, env=env)
    (tmp_path / "test_by_hand.py").write_text(KEPT)
    tested = await python("-m", "pytest", "-q", "-p", "no:cacheprovider", ".", cwd=tmp_path, env=env)
    (tmp_path / "greeter.py").write_text(GREETER.replace("def save_name", "def keep_name"))
    other = await output_of(*typed("replay c-1 --agent greeter.py:agent"), cwd=tmp_path, env=env)

    assert same[:2] == (0, "c-1: 1 turn, 13 events: the same\n")
    assert same[2] == "what tools did was taken from the log: --tools run shows what they do today\n"
    assert saved == (0, "logs/greeter/c-1.jsonl: written\ntest_replays_greeter.py: written\n", "")
    assert checked == (0, "", "0 open conversations\n")
    assert (tested[0], "2 passed" in tested[1]) == (0, True), tested
    assert (other[0], other[1].startswith(f"c-1: 1 turn{DIVERGES}")) == (1, True), other


async def test_the_model_is_asked_again_and_its_other_choice_is_told(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    async with server_process(tmp_path, [*SCRIPT, "Who are you?", "Good-bye, Ada!"]) as models:
        env = environment(OPENAI_BASE_URL=models.url)
        async with arf(*typed("worker greeter.py:agent"), cwd=tmp_path, env=env) as worker:
            await worker.line_with("ready")
            await output_of(*typed('send greeter c-1 "I am Ada"'), cwd=tmp_path, env=env)
        words = (*typed("replay c-1 --agent greeter.py:agent --model live"), "--concurrency", "1")
        code, told, said = await output_of(*words, cwd=tmp_path, env=env)

    assert (code, said) == (1, ""), told
    assert told.startswith("c-1: 2 points: 1 the same, 1 other tool, 1 other step\n")
    assert "step: done -> stays in name" in told


async def test_a_new_version_goes_on_with_the_state_that_it_migrated(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    (tmp_path / "renamed.py").write_text(RENAMED)
    async with server_process(tmp_path, [*SCRIPT, "Good-bye again!"]) as models:
        env = environment(OPENAI_BASE_URL=models.url)
        async with arf("worker", "greeter.py:agent", cwd=tmp_path, env=env) as worker:
            await worker.line_with("ready")
            await output_of("send", "greeter", "c-1", "I am Ada", cwd=tmp_path, env=env)
        async with arf("worker", "renamed.py:agent", cwd=tmp_path, env=env) as worker:
            await worker.line_with("ready")
            sent = await output_of("send", "greeter", "c-1", "who am I?", cwd=tmp_path, env=env)
        log = await output_of("log", "c-1", cwd=tmp_path, env=env)
        state = await output_of("state", "c-1", "-o", "json", cwd=tmp_path, env=env)

    assert sent[:2] == (0, "Good-bye again!\n"), sent
    assert re.search(r"journey\.revised +[0-9a-f]{12} -> [0-9a-f]{12}", log[1]), log[1]
    assert 'full_name="Ada", no name' in log[1]
    assert json.loads(state[1])["state"] == {"step": "done", "full_name": "Ada"}


async def test_the_program_prints_the_reply_and_the_state(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    (tmp_path / "program.py").write_text(PROGRAM)
    async with server_process(tmp_path, SCRIPT) as models:
        code, printed = await python("program.py", cwd=tmp_path, env=environment(OPENAI_BASE_URL=models.url))

    assert (code, printed) == (0, "Good-bye, Ada! {'step': 'done', 'name': 'Ada'}\n")


async def test_the_journey_is_drawn_and_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    code, drawn, said = await output_of(*typed("diagram greeter.py:agent"), cwd=tmp_path, env=environment())

    assert (code, said) == (0, "")
    assert "    s0 --> s1 : save_name\n" in drawn


async def test_the_front_leads_to_the_kitchen_and_back(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    (tmp_path / "front.py").write_text(FRONT)
    said = "I am Ada\nan order, please\na pizza\n"
    code, talked, error = await output_of("chat", "front.py:agent", cwd=tmp_path, env=environment(), stdin=said)

    assert (code, "journey: front -> kitchen, step open" in talked) == (0, True), talked + error
    assert "One pizza is on its way." in talked
    assert await output_of("diagram", "front.py:agent", "--check", cwd=tmp_path, env=environment()) == (0, "", "")


async def test_the_adapter_registers_inside_django(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    (tmp_path / "adapted.py").write_text(
        f"{DJANGO}\nfrom django_agent_runtime.runtime.registry import registered\nprint(registered['greeter'].key)\n"
    )
    paths = f"{COMPANIONS}:{SOURCES}"
    code, printed = await python("adapted.py", cwd=tmp_path, env=environment(PYTHONPATH=paths))

    assert (code, printed) == (0, "greeter\n")


@pytest.mark.parametrize("test", TESTS)
async def test_the_test_passes(tmp_path: Path, test: str) -> None:
    (tmp_path / "greeter.py").write_text(GREETER)
    (tmp_path / "test_greeter.py").write_text(test)
    options = ["-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
    code, printed = await python("-m", "pytest", *options, "test_greeter.py", cwd=tmp_path, env=environment())

    assert (code, "1 passed" in printed) == (0, True), printed
