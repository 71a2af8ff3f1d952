"""`arf replay --model live` as a person uses it: another model at the points of conversations that were led."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command_line import bots, data, error, in_use, run, worker
from support.processes import ARF, environment, wait_for
from support.terminal import Terminal

TODAY = '''
import asyncio
from pathlib import Path

from agent_runtime_framework.testing import ScriptedLLM, calls
from bot import Bot, Model, Other


class Otherwise(Model):
    """Calls nobody Ada, and says nothing of what is named `hang` before it is ended."""

    async def generate(self, messages, tools=None, **kwargs):
        said = messages[-1]["content"]
        if said == "save_name Ada":
            return await ScriptedLLM(calls(("save_name", {"name": "Eve"}))).generate(messages)
        if said == "save_name Bob":
            return await ScriptedLLM("Who is that?").generate(messages)
        return await super().generate(messages, tools, **kwargs)


class Touched(Model):
    async def generate(self, messages, tools=None, **kwargs):
        Path("touched").touch()
        raise AssertionError("touched")


class Failing(Model):
    async def generate(self, messages, tools=None, **kwargs):
        raise ValueError("no idea")


class Hanging(Model):
    async def generate(self, messages, tools=None, **kwargs):
        if messages[-1]["content"] != "save_name Bob":
            return await super().generate(messages, tools, **kwargs)
        Path("hangs").touch()
        await asyncio.Event().wait()


class Slow(Model):
    async def generate(self, messages, tools=None, **kwargs):
        await asyncio.sleep(0.8)
        return await super().generate(messages, tools, **kwargs)


def with_model(model):
    made = Bot()
    made.llm_client = model
    return made


same, otherwise, touched, failing, hanging, slow = (
    with_model(model) for model in (Model(), Otherwise(), Touched(), Failing(), Hanging(), Slow())
)
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with two conversations: `c-1` of two turns, `c-2` of one; five points."""
    directory = bots(tmp_path_factory.mktemp("place"))
    (directory / "today.py").write_text(TODAY)
    with worker("bot.py:Bot", directory):
        for words in ("c-1 hello", "c-1 'save_name Ada'", "c-2 'save_name Bob'"):
            assert run(f"send bot {words}", directory).returncode == 0
        yield directory
    assert in_use(directory / ".arf") == []


def live(agent: str, more: str = "") -> str:
    return f"replay c-1 c-2 --agent today:{agent} --model live {more}"


def test_the_same_choices_are_no_difference(place: Path) -> None:
    before = data("log c-1", place)
    done = run(live("same"), place)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "c-1: 3 points: 3 the same",
        "c-2: 2 points: 2 the same",
        "",
        "2 conversations, 5 points: 5 the same",
        "",
        "in step  points  same",
        "name          3     3",
        "done          2     2",
        "",
        "given the very same request as then: 5",
        "tokens: 44 (then 44)",
    ]
    assert data("log c-1", place) == before


def test_what_another_model_chooses_is_told_by_conversation_and_step(place: Path) -> None:
    done = run(live("otherwise"), place)

    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "c-1: 3 points: 2 the same, 1 other arguments"
    assert [line.strip() for line in lines[2:7]] == [
        lines[2].strip(),
        'said  "save_name Ada"',
        'then  save_name(name="Ada")',
        'now   save_name(name="Eve")',
        'save_name.name: "Ada" -> "Eve"',
    ]
    assert lines[2].endswith(", turn 2, step name: arguments")
    assert "    step: done -> stays in name" in done.stdout
    assert "2 conversations, 5 points: 3 the same, 1 other tool, 1 other arguments, 1 other step" in lines
    assert "in step  points  same  tool  arguments  step" in lines
    assert "name          3     1     1          1     1" in lines


def test_all_of_it_is_there_as_data(place: Path) -> None:
    done = run(live("otherwise", "-o json"), place)
    found = json.loads(done.stdout)
    lines = [json.loads(line) for line in run(live("otherwise", "-o jsonl"), place).stdout.splitlines()]

    assert done.returncode == 1
    assert [one["conversation"] for one in found["conversations"]] == ["c-1", "c-2"]
    assert [{**line, "points": None} for line in lines] == [{**one, "points": None} for one in found["conversations"]]
    assert (found["summary"]["points"], found["summary"]["same"], found["summary"]["arguments"]) == (5, 3, 1)
    point = found["conversations"][0]["points"][1]
    assert {name: point[name] for name in ("turn", "step", "said", "result", "unchanged")} == {
        "turn": 2,
        "step": "name",
        "said": "save_name Ada",
        "result": "differs",
        "unchanged": True,
    }
    assert point["now"]["calls"] == [{"name": "save_name", "arguments": {"name": "Eve"}, "problem": "", "refused": ""}]
    assert point["differences"] == [
        {"kind": "arguments", "subject": "save_name.name", "then": '"Ada"', "now": '"Eve"'},
    ]


def test_the_budget_is_kept_and_what_was_not_asked_is_said(place: Path) -> None:
    done = run(live("same", "--calls 4 --concurrency 1"), place)

    assert done.returncode == 0
    assert done.stderr == "asked 4 of 5 points: the budget of 4 calls is spent (--calls sets it)\n"
    assert "c-2: 1 of 2 points: 1 the same" in done.stdout


def test_a_model_that_fails_is_told_for_each_point(place: Path) -> None:
    done = run(live("failing"), place)

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("    now   ValueError: no idea") == 5
    assert "2 conversations, 5 points: 0 the same, 5 failed" in done.stdout


def test_without_model_live_no_model_is_ever_touched(place: Path) -> None:
    done = run("replay c-1 c-2 --agent today:touched", place)
    assert (done.returncode, (place / "touched").exists()) == (0, False)

    for words in ("--calls 5", "--concurrency 2"):
        code, message = error(f"replay c-1 --agent today:touched {words}", place)
        assert (code, message.startswith("--calls and --concurrency are for --model live")) == (2, True)
    for words in ("--tools run", "--ignore prompt"):
        code, message = error(f"replay c-1 --agent today:touched --model live {words}", place)
        assert (code, "--tools run and --ignore are not for it" in message) == (2, True)
    assert not (place / "touched").exists()

    # and it would have been noticed
    assert run("replay c-1 --agent today:touched --model live", place).returncode == 1
    assert (place / "touched").exists()


def test_what_is_not_there_is_found_before_anything_is_asked(place: Path) -> None:
    (place / "touched").unlink(missing_ok=True)
    assert error("replay c-1 nobody --agent today:touched --model live", place)[0] == 3
    assert error("replay c-1 --agent bot:Other --model live", place)[0] == 2
    assert not (place / "touched").exists()


def test_an_agent_without_a_model_says_so_once(place: Path) -> None:
    code, message = error("replay c-1 --agent bot_modelless.py:agent --model live", _with_modelless(place))
    assert (code, "OPENAI_API_KEY" in message) == (2, True)


def _with_modelless(place: Path) -> Path:
    (place / "bot_modelless.py").write_text("from bot import Bot\nagent = Bot()\nagent.llm_client = None\n")
    return place


def test_ctrl_c_ends_at_once_and_what_was_found_is_printed(place: Path) -> None:
    words = ["replay", "c-1", "c-2", "--agent", "today:hanging", "--model", "live", "--concurrency", "1"]
    asking = subprocess.Popen(
        [*ARF, *words], cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(place / "hangs")
    asking.send_signal(signal.SIGINT)
    out, said = asking.communicate(timeout=10)

    assert (asking.returncode, said) == (130, "ended: asked 3 of 5 points\n")
    assert out.splitlines()[0] == "c-1: 3 points: 3 the same"


def test_at_a_terminal_a_bar_shows_how_far_it_is(place: Path) -> None:
    with Terminal(live("slow", "--concurrency 1"), place) as terminal:
        assert terminal.end() == 0
    assert "asking the model: [####................] 1 of 5 in 1 s" in terminal.shown
    assert terminal.text.endswith("tokens: 44 (then 44)\n")
