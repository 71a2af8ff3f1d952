"""Every error that this framework raises on purpose, in one tree; each says what happened and what to do.

    FrameworkError
    |-- InvalidInput            what came in cannot be taken; nothing was written
    |   |-- InvalidId           an id that is not a token
    |   `-- TooLarge            over a limit of `events.limits`
    |-- NotFound                no such conversation, or no such version of it
    |-- Conflict                another writer appended first; fold its frames and decide again
    |-- CorruptLog              stored bytes do not fit: undecodable, a gap, a hash that is not the one before
    |-- NewerRelease            an event that this release does not know; a newer worker must decide
    |-- Withheld                content that is sealed and whose key is not here, or that was erased
    |-- OtherVersion            a conversation pinned to another version of its journey; its worker must decide
    |-- Unavailable             the server, or the way to it, is not there; the same call may be made again
    |-- Refused                 the runtime took the command and declined it; the reason is recorded
    |-- NoReply                 the turn ended without a reply; the conversation stays usable
    `-- ModelError              the model gave no usable answer; `transient` says whether asking again may help

Where a command line maps them to exit codes, `exit_code` says which: 1 failed, 2 usage, 3 not found, 4 conflict.
"""

import math
from typing import ClassVar


class FrameworkError(Exception):
    """Is the root of every error raised on purpose.

    >>> from agent_runtime_framework import Conflict, FrameworkError, NotFound
    >>> try:
    ...     raise NotFound("no conversation 'c-9'")
    ... except FrameworkError as error:
    ...     print(f"{error}: exit code {error.exit_code}")
    no conversation 'c-9': exit code 3
    """

    exit_code: ClassVar[int] = 1


class InvalidInput(FrameworkError):
    """Raised when what came in cannot be taken; nothing was written.

    >>> import asyncio
    >>> from agent_runtime_framework import Client, InvalidInput
    >>> async def main():
    ...     async with Client.connect(nats_url, namespace="invalid-input") as client:
    ...         await client.send("greeter", "c-1", "  ")
    >>> try:
    ...     asyncio.run(main())
    ... except InvalidInput as error:
    ...     print(error)
    the message is empty: say something
    """

    exit_code = 2


class InvalidId(InvalidInput):
    """Raised when an id is not a token."""


class TooLarge(InvalidInput):
    """Raised when a text or a frame is over its limit.

    >>> import asyncio
    >>> from agent_runtime_framework import Client, TooLarge
    >>> async def main():
    ...     async with Client.connect(nats_url, namespace="too-large") as client:
    ...         await client.send("greeter", "c-1", "a" * 262_144)
    >>> try:
    ...     asyncio.run(main())
    ... except TooLarge as error:
    ...     print(error)
    the message has 262146 bytes, at most 262144 are taken
    """


class NotFound(FrameworkError):
    """Raised when there is no such conversation, or no such version of it.

    >>> import asyncio
    >>> from agent_runtime_framework import Client, NotFound
    >>> async def main():
    ...     async with Client.connect(nats_url, namespace="not-found") as client:
    ...         await client.state("c-9")
    >>> try:
    ...     asyncio.run(main())
    ... except NotFound as error:
    ...     print(error)
    no conversation 'c-9'
    """

    exit_code = 3


class Conflict(FrameworkError):
    """Raised when another writer appended first: fold its frames and decide the same command again.

    >>> import asyncio
    >>> from agent_runtime_framework import Conflict
    >>> from agent_runtime_framework.events import START, AgentSpoke, ConversationId, Frame, MemoryLog
    >>> async def main():
    ...     log = MemoryLog()
    ...     for writer in ("w-1", "w-2"):
    ...         frame = Frame(first=1, time=0, writer=writer, agent="greeter", events=(AgentSpoke(),))
    ...         await log.append(ConversationId("c-1"), frame, START)
    >>> try:
    ...     asyncio.run(main())
    ... except Conflict as error:
    ...     print(error)
    'c-1' is at version 1, not at 0: another writer appended; fold its frames and decide again
    """

    exit_code = 4


class CorruptLog(FrameworkError):
    """Raised when stored bytes do not fit the frames before them; names the conversation and the place.

    >>> from agent_runtime_framework import CorruptLog
    >>> from agent_runtime_framework.events import decode_frame
    >>> try:
    ...     decode_frame(b"[]")
    ... except CorruptLog as error:
    ...     print(str(error).partition(":")[0])
    stored bytes are not a frame
    """


class NewerRelease(FrameworkError):
    """Raised when a log holds an event that this release does not know; a newer worker must decide.

    Only deciding raises it: such a conversation can be read, and its fold says what is not known.

    >>> from agent_runtime_framework.events import ConversationId, Frame, decode_event
    >>> from agent_runtime_framework.projections import fold, initial
    >>> event = decode_event(b'{"type": "mood.guessed", "mood": "glad"}')
    >>> frame = Frame(first=1, time=0, writer="w-1", agent="greeter", events=(event,))
    >>> fold(initial(ConversationId("c-1")), [frame]).unknown
    ('mood.guessed',)
    """


class OtherVersion(FrameworkError):
    """Raised when a conversation is pinned to another version of its journey; a worker of that version must decide.

    Only going on with a turn raises it, or a message that such a worker will take: what nobody can take is refused, and
    that is recorded.  `version` is the hash of the journey that it is pinned to.

    >>> from agent_runtime_framework import OtherVersion
    >>> OtherVersion("'c-1' waits for a worker with version 5c1f0e8a77d2 of 'greeter'", version="5c1f0e8a77d2").version
    '5c1f0e8a77d2'
    """

    def __init__(self, message: str, *, version: str) -> None:
        super().__init__(message)
        self.version = version


class Withheld(FrameworkError):
    """Raised where the content of a conversation is needed, and it is sealed and the key not here, or it was erased.

    Only what needs content raises it: the structure can be read.  `erased` says that nobody can have the content ever.

    >>> from agent_runtime_framework import Withheld
    >>> Withheld("the content of 'c-1' was erased", erased=True).erased
    True
    """

    def __init__(self, message: str, *, erased: bool = False) -> None:
        super().__init__(message)
        self.erased = erased


class Unavailable(FrameworkError):
    """Raised when the server, or the way to it, is not there; the same call may be made again.

    >>> import asyncio
    >>> from agent_runtime_framework import Client, Unavailable
    >>> async def main():
    ...     async with Client.connect("nats://127.0.0.1:1"):
    ...         print("connected")
    >>> try:
    ...     asyncio.run(main())
    ... except Unavailable as error:
    ...     print(str(error).partition(" (")[0])
    no NATS server answers at nats://127.0.0.1:1
    """


class Refused(FrameworkError):
    """Raised to the sender of a command that was declined; the reason stands in the log.

    >>> import asyncio
    >>> from agent_runtime_framework import Refused
    >>> from agent_runtime_framework.testing import AgentsAtWork, OnboardingAgent, ScriptedLLM
    >>> async def main():
    ...     async with AgentsAtWork(lambda: nats_url)(OnboardingAgent(ScriptedLLM("Hello!"))) as rt:
    ...         await rt.send("onboarding", "c-1", "hi")
    ...         await rt.send("another-agent", "c-1", "hi")
    >>> try:
    ...     asyncio.run(main())
    ... except Refused as error:
    ...     print(error)
    conversation 'c-1' belongs to agent 'onboarding', not to 'another-agent'
    """

    exit_code = 4


class NoReply(FrameworkError):
    """Raised to the sender of a message whose turn ended without a reply; the conversation stays usable.

    >>> import asyncio
    >>> from agent_runtime_framework import AgentContext, ModelError, NoReply
    >>> from agent_runtime_framework.testing import OnboardingAgent, ScriptedLLM
    >>> agent = OnboardingAgent(ScriptedLLM(ModelError("no such model", kind="refused", transient=False)))
    >>> try:
    ...     asyncio.run(agent.run(AgentContext("run-1", "c-1", [{"role": "user", "content": "hi"}])))
    ... except NoReply as error:
    ...     print(error)
    turn 1 of 'c-1' failed (model_refused): no such model
    """


class ModelError(FrameworkError):
    """Raised when a model gave no usable answer.

    `transient` says whether asking again may help, `retry_after` (seconds) how long the provider asks to wait, and
    `kind` is a short word for the log: `rate_limited`, `unreachable`, `refused`, `invalid_answer`, `too_large`,
    `timeout`.

    >>> from agent_runtime_framework import ModelError
    >>> error = ModelError("too many requests", kind="rate_limited", transient=True, retry_after=2)
    >>> error.kind, error.transient, error.retry_after
    ('rate_limited', True, 2.0)
    """

    def __init__(self, message: str, *, kind: str, transient: bool, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = str(kind)
        self.transient = bool(transient)
        self.retry_after = _seconds(retry_after)


def _seconds(value: object) -> float | None:
    """Return a number of seconds that can be waited for; None for what is none, whoever gave it."""
    try:
        seconds = float(value)  # type: ignore[arg-type]  # whatever is no number raises
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
