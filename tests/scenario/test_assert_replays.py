"""Old conversations as tests: each is one, each says what differs, and what is not replayed fails."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_runtime_framework import InvalidInput, Recording, write_logs
from agent_runtime_framework.testing import OnboardingAgent, Say, assert_replays, simulate


class Politely(OnboardingAgent):
    """Is another version of the agent."""

    def get_system_prompt(self, state: Any) -> str:
        return super().get_system_prompt(state) + " Be polite."


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A directory with `c-1.jsonl`, and `two.jsonl` with `c-2` and `c-3`."""
    script = [Say("c-1", "hi"), Say("c-2", "hello"), Say("c-2", "and?", at=1), Say("c-3", "good day")]
    run = simulate(OnboardingAgent(), script, faults=())
    kept = {chat: Recording(chat, tuple(log)) for chat, log in run.logs.items()}
    one, two, three = (kept[name] for name in sorted(kept))
    write_logs(tmp_path / "c-1.jsonl", [one])
    write_logs(tmp_path / "two.jsonl", [two, three])
    return tmp_path


def collected(*args: Any, **kwargs: Any) -> tuple[Callable[..., None], dict[str, Any]]:
    """Return what a test module gets, and its parameters by id."""
    module: dict[str, Any] = {"assert_replays": assert_replays, "args": args, "kwargs": kwargs}
    exec(compile("test = assert_replays(*args, **kwargs)", __file__, "exec"), module)
    test: Callable[..., None] = module["test"]
    (mark,) = test.pytestmark  # type: ignore[attr-defined]  # pytest puts it there
    return test, {str(one.id): one.values[0] for one in mark.args[1]}


def test_each_conversation_is_a_test(logs: Path) -> None:
    test, found = collected(str(logs / "*.jsonl"), OnboardingAgent())

    assert list(found) == ["c-1", "two:c-2", "two:c-3"]
    for one in found.values():
        test(one)


def test_one_that_is_led_otherwise_says_how(logs: Path) -> None:
    test, found = collected(str(logs / "c-*.jsonl"), [Politely()])

    with pytest.raises(pytest.fail.Exception) as failed:
        test(found["c-1"])
    first, cause, *rest = str(failed.value).splitlines()
    assert first.startswith("c-1.jsonl: c-1: ")
    assert first.endswith("diverges at version 4, turn 1")
    assert cause.startswith("  prompt in step welcome: ")
    assert any("Be polite." in line for line in rest)


def test_what_is_ignored_does_not_count(logs: Path) -> None:
    test, found = collected(str(logs / "*.jsonl"), Politely(), ignore={"prompt"}, tools="log")

    for one in found.values():
        test(one)


def test_inside_a_test_all_are_replayed_at_once(logs: Path) -> None:
    assert_replays(str(logs / "*.jsonl"), OnboardingAgent())
    with pytest.raises(AssertionError) as failed:
        assert_replays(str(logs / "*.jsonl"), Politely())
    assert str(failed.value).count("diverges at") == 3


async def test_a_loop_may_run(logs: Path) -> None:
    assert_replays(str(logs / "*.jsonl"), OnboardingAgent())


def test_a_pattern_that_names_no_file_fails(logs: Path) -> None:
    test, found = collected(str(logs / "none" / "*.jsonl"), OnboardingAgent())

    (one,) = found.values()
    with pytest.raises(pytest.fail.Exception, match="no log file is named by"):
        test(one)
    with pytest.raises(AssertionError, match="no log file is named by"):
        assert_replays("nothing-here/*.jsonl", OnboardingAgent())


def test_a_file_that_was_changed_fails_and_hides_no_other(logs: Path) -> None:
    changed = (logs / "c-1.jsonl").read_bytes().replace(b'"text":"hi"', b'"text":"ho"')
    (logs / "c-1.jsonl").write_bytes(changed)
    test, found = collected(str(logs / "*.jsonl"), OnboardingAgent())

    assert list(found) == ["c-1", "two:c-2", "two:c-3"]
    with pytest.raises(pytest.fail.Exception, match=r"c-1\.jsonl, line 2: .* it was changed"):
        test(found["c-1"])
    test(found["two:c-2"])


def test_another_agents_conversation_is_not_passed_over(logs: Path) -> None:
    class Another(OnboardingAgent):
        key = "another"

    with pytest.raises(InvalidInput, match="is of agent 'onboarding', and given is another"):
        assert_replays(str(logs / "c-1.jsonl"), Another())


def test_the_agent_may_be_named_by_a_file_beside_or_above_the_test(logs: Path) -> None:
    with pytest.raises(InvalidInput, match=r"cannot load 'no_such_agent\.py'"):
        assert_replays(str(logs / "c-1.jsonl"), "no_such_agent.py:agent")
    assert_replays(str(logs / "c-1.jsonl"), "agent_runtime_framework.testing:OnboardingAgent")


def test_the_body_of_a_class_gets_tests_that_need_no_instance(logs: Path) -> None:
    module: dict[str, Any] = {
        "assert_replays": assert_replays,
        "logs": str(logs / "*.jsonl"),
        "agent": OnboardingAgent(),
    }
    exec(compile("class Test:\n test = assert_replays(logs, agent)", __file__, "exec"), module)

    test = module["Test"]().test
    (mark,) = test.pytestmark
    for one in mark.args[1]:
        test(*one.values)
