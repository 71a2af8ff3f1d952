"""The examples as a newcomer without a key tries them: `arf chat` with the offline model, to each journey's end."""

from pathlib import Path

import pytest

from support.command_line import data, run

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("example", "lines", "state"),
    [
        ("onboarding", ["hi", "I am Ada", "ada@example.org"], {"step": "complete", "name": "Ada"}),
        ("quote", ["a car", "5000", "yes"], {"step": "closed", "price": 100, "accepted": True}),
        ("cart", ["hi", "3 tea", "checkout", "yes, order"], {"step": "ordered", "cart": {"tea": 3}, "total": 12}),
        ("recovery", ["hi", "400000000000", "400000000001", "400000000002"], {"step": "paid", "attempts": 2}),
        ("desk", ["hi", "I am Ada", "a quote", "5000", "a claim", "77"], {"step": "done", "name": "Ada", "number": 77}),
    ],
)
def test_the_journey_goes_to_its_end(tmp_path: Path, example: str, lines: list[str], state: dict[str, object]) -> None:
    talk = run(f"chat {EXAMPLES / example}.py:agent --conversation c-1", tmp_path, stdin="\n".join([*lines, ""]))
    now = data("state c-1", tmp_path)

    assert talk.returncode == 0, talk.stderr
    assert "Sorry, I did not understand" not in talk.stdout
    assert {name: now["state"][name] for name in state} == state
    assert now["turns"] == len(lines)
    if example == "desk":
        assert now["journey"] == "claim"
        assert {name: left["step"] for name, left in now["left"].items()} == {"desk": "done", "quote": "done"}
        assert now["left"]["quote"]["state"]["price"] == 100
        assert "left" in run("state c-1", tmp_path).stdout
        assert "journey: quote -> desk, step done" in talk.stdout
