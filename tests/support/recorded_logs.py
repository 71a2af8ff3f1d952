"""Logs of conversations, recorded for tests that hold them to an agent again."""

from collections.abc import Iterator
from typing import Any

from agent_runtime_framework import JourneyAgent
from agent_runtime_framework.actors import Command, RecordAnswer, SayToAgent, settle
from agent_runtime_framework.events import ConversationId, Frame, Head, Stored
from agent_runtime_framework.projections import Conversation, initial
from agent_runtime_framework.runtime.agents.journeys import Journeys
from agent_runtime_framework.runtime.clock import SystemClock
from agent_runtime_framework.runtime.substrate import in_memory
from agent_runtime_framework.testing import ScriptedLLM
from support.journeys import frames, working


async def log_of(agent: JourneyAgent[Any, Any, Any], *said: str, conversation: str = "c-1") -> list[Stored]:
    """Return the log of a conversation in which this is said, one after another, led by a worker."""
    substrate = in_memory(SystemClock())
    async with working(agent, substrate=substrate) as runtime:
        for text in said:
            await runtime.send(agent.key, conversation, text)
    return await frames(substrate, conversation)


def chatted(agent: JourneyAgent[Any, Any, Any], turns: int, conversation: str = "c-1") -> list[Stored]:
    """Return the log of so many turns in which the model only says `Hello!`; made without a worker, so at once."""
    journeys, now = Journeys(agent), initial(ConversationId(conversation))
    log: list[Stored] = []

    def decided(*commands: Command) -> Conversation:
        settled = settle(now, journeys, *commands)
        assert settled.raised is None
        frame = Frame(first=now.version + 1, time=0, writer="w", agent=agent.key, events=settled.events)
        log.append(Stored(now.id, frame, Head(frame.last, len(log) + 1, ""), b""))
        return settled.conversation

    for turn in range(1, turns + 1):
        say = SayToAgent(id=f"m-{turn}", agent=agent.key, text=f"hi {turn}")
        now = decided(say) if log else decided(journeys.open(now.id), say)
        assert now.turn is not None
        assert now.turn.request is not None
        answer = {"role": "assistant", "content": "Hello!"}
        now = decided(RecordAnswer(request=now.turn.request.version, message=answer))
    return log


class Unordered:
    """Is a model client that answers each request by a rule, as often as it is asked."""

    model = "scripted"

    def __init__(self, rule: Any) -> None:
        self.rule = rule
        self.asked: list[list[dict[str, Any]]] = []
        self.tools: list[list[dict[str, Any]] | None] = []
        self.parameters: list[dict[str, Any]] = []

    async def generate(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> Any:
        self.asked.append(messages)
        self.tools.append(tools)
        self.parameters.append(kwargs)
        return await ScriptedLLM(self.rule).generate(messages, tools)


def texts(messages: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what is said in messages, without the prompt."""
    return (str(message["content"]) for message in messages if message["role"] != "system")
