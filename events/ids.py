"""A type for each identity, and the one rule that all of them obey at the door.

Ids stand in NATS subjects, in file names and on command lines, so they are plain tokens.  They are made by callers and
by `runtime/clock.py`, never here.
"""

import re
from typing import NewType

from .errors import InvalidId

ConversationId = NewType("ConversationId", str)
"""Names one conversation, and so one log, in its namespace."""

AgentKey = NewType("AgentKey", str)
"""Names the agent that answers; for a conversation, its front agent, for ever."""

MessageId = NewType("MessageId", str)
"""Names one command of a person; a command that comes twice under one id counts once."""

CallId = NewType("CallId", str)
"""Names one tool call of one answer: `<version of the answer>.<index in it>`."""

WriterId = NewType("WriterId", str)
"""Names one life of one worker process; two lives never share it."""

Version = NewType("Version", int)
"""Counts the events of a conversation: 1, 2, 3."""

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


def check_token(value: str, what: str) -> str:
    """Return `value` if it is a token; `what` names it in the error (`conversation id`, `agent key`).

    Raises:
        InvalidId: the value is not 1 to 128 characters out of `A-Z a-z 0-9 _ -`.

    """
    if not isinstance(value, str):
        raise InvalidId(f"{what} must be a text, not {type(value).__name__}")
    if not TOKEN.fullmatch(value):
        shown = value if len(value) <= 80 else value[:77] + "..."
        raise InvalidId(f"{what} {shown!r} is not valid: use 1 to 128 characters out of A-Z a-z 0-9 _ -")
    return value


def call_id(answer: int, index: int) -> CallId:
    """Name the call at `index` (from 0) of the answer that stands at version `answer`."""
    return CallId(f"{answer}.{index}")
