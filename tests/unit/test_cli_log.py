"""What `arf log` and `arf follow` print on one line."""

import pytest

from agent_runtime_framework.runtime.cli.console.output import stdout
from agent_runtime_framework.runtime.cli.reading.log import print_queued
from agent_runtime_framework.runtime.wire import Queued


@pytest.mark.parametrize(
    ("queued", "told"),
    [
        (Queued("m-2", 0), "message m-2: next"),
        (Queued("m-2", 3), "message m-2: 3 ahead of it"),
        (Queued("m-2", 0, "the disk is full"), "message m-2: the disk is full"),
    ],
)
def test_a_message_that_waits_is_told_with_its_place_or_the_reason(
    queued: Queued, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_queued(stdout(), queued)

    assert capsys.readouterr().out == f"     queued: {told}\n"
