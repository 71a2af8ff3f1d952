"""Conversations kept as log files by `arf save-test`."""

from pathlib import Path

from msgspec.structs import replace

from agent_runtime_framework import Recording
from agent_runtime_framework.runtime.cli.replaying.saving import keep
from agent_runtime_framework.testing import OnboardingAgent, Say, simulate


def test_a_log_is_the_same_wherever_it_stood_among_others(tmp_path: Path) -> None:
    ((chat, log),) = simulate(OnboardingAgent(), [Say("c-1", "hi")], faults=()).logs.items()
    there = tuple(replace(one, head=replace(one.head, position=one.head.position + 7)) for one in log)
    file = tmp_path / "logs" / "c-1.jsonl"

    assert keep(file, Recording(chat, there), update=False) == "written"
    assert keep(file, Recording(chat, there), update=False) == "is there already"
