"""`arf diagram`, typed as a person types it."""

import json
from pathlib import Path

import pytest

from support.command_line import error, run

ROOT = Path(__file__).parents[2]

STUCK = """\
from examples_onboarding import OnboardingAgent, Step

class Stuck(OnboardingAgent):
    key = "stuck"
    prompts = {**OnboardingAgent.prompts, Step.COMPLETE: ""}

    def get_tool_schemas(self, state):
        return [schema for schema in super().get_tool_schemas(state) if schema.name != "save_email"] * 2

agents = [OnboardingAgent(), Stuck()]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with an example, and a module with it and one that cannot work."""
    (tmp_path / "examples_onboarding.py").write_text((ROOT / "examples/onboarding.py").read_text())
    (tmp_path / "stuck.py").write_text(STUCK)
    return tmp_path


PROBLEMS = [
    "stuck: step 'name' has 2 tools named 'save_name'",
    "stuck: step 'email' has no way out: it is not the end, and no tool is offered there",
    "stuck: step 'complete' has no prompt",
]
DRAWN = """\
%% onboarding
stateDiagram-v2
    state "name" as s0
    state "email" as s1
    state "complete" as s2
    [*] --> s0
    s0 --> s1 : save_name
    s1 --> s2 : save_email
    s2 --> [*]
"""


def test_the_drawing_goes_to_stdout_and_needs_no_server_and_no_model(place: Path) -> None:
    done = run("diagram ./examples_onboarding.py:agent", place)

    assert (done.returncode, done.stdout, done.stderr) == (0, DRAWN, "")
    assert not (place / ".arf").exists()


def test_what_cannot_work_is_said_on_stderr_beside_the_drawing(place: Path) -> None:
    done = run("diagram stuck:agents", place)

    assert (done.returncode, done.stderr.splitlines()) == (0, PROBLEMS)
    assert done.stdout.startswith(DRAWN + "%% stuck\nstateDiagram-v2\n")


def test_a_check_prints_only_that_and_fails_if_there_is_anything(place: Path) -> None:
    bad, good = run("diagram stuck:agents --check", place), run("diagram examples_onboarding:agent --check", place)

    assert (bad.returncode, bad.stdout.splitlines(), bad.stderr) == (1, PROBLEMS, "")
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")


@pytest.mark.parametrize("check", ["", " --check"])
def test_programs_get_drawing_and_problems_of_each_agent(place: Path, check: str) -> None:
    done = run(f"diagram stuck:agents -o json{check}", place)
    lines = run(f"diagram stuck:agents -o jsonl{check}", place).stdout.splitlines()

    first, second = json.loads(done.stdout)
    assert (first["agent"], first["problems"], first["diagram"]) == ("onboarding", [], DRAWN.partition("\n")[2])
    assert [f"stuck: {problem}" for problem in second["problems"]] == PROBLEMS
    assert [json.loads(line) for line in lines] == [first, second]
    assert done.returncode == bool(check)


def test_each_example_can_work() -> None:
    names = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
    done = run(f"diagram --check {' '.join(f'examples/{name}.py:agent' for name in names)}", ROOT)

    assert names == ["cart", "desk", "onboarding", "quote", "recovery"]
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("diagram", "Missing argument 'MODULE:ATTR...'. (see `arf diagram --help`)"),
        ("diagram nowhere:agent", "cannot load 'nowhere' of 'nowhere:agent'"),
        ("diagram stuck:nothing", "'stuck' has no attribute 'nothing'"),
    ],
)
def test_what_is_no_agent_is_one_line(place: Path, words: str, says: str) -> None:
    code, line = error(words, place)

    assert (code, says in line) == (2, True), line
