"""A log that is written command by command, with no worker: each is decided by an agent's code, and makes a frame."""

from typing import Any

from agent_runtime_framework import JourneyAgent
from agent_runtime_framework.actors import Command, RecordAnswer, RecordToolReturn, SayToAgent, settle
from agent_runtime_framework.events import (
    START,
    AnyEvent,
    ConversationId,
    Frame,
    Head,
    Stored,
    decode_frame,
    encode_frame,
    frame_hash,
)
from agent_runtime_framework.projections import (
    Conversation,
    OwedModelCall,
    OwedToolCall,
    fold,
    initial,
    outstanding,
)
from agent_runtime_framework.runtime.agents.journeys import Journeys


class Written:
    """Is such a log; it may begin as another one did."""

    def __init__(self, agent: JourneyAgent[Any, Any, Any], *stored: Stored, conversation: str = "c-1") -> None:
        self.journeys = Journeys(agent)
        self.id = ConversationId(conversation)
        self.log = list(stored)
        self.now: Conversation = fold(initial(self.id), [one.frame for one in stored])

    def take(self, *commands: Command) -> None:
        """Decide commands and store what they come to."""
        settled = settle(self.now, self.journeys, *commands)
        self.add(*settled.events)

    def add(self, *events: AnyEvent) -> None:
        """Store events, whatever they are."""
        before = self.log[-1].head if self.log else START
        self.now = fold(self.now, [Frame(first=self.now.version + 1, time=0, writer="w", agent="", events=events)])
        frame = Frame(
            first=before.version + 1,
            time=len(self.log),
            writer="w",
            agent=self.now.agent,
            turn=self.now.turns,
            step=self.now.step,
            status=self.now.status,
            prev=before.hash,
            events=events,
        )
        data = encode_frame(frame, limit=None)
        head = Head(frame.last, before.position + 1, frame_hash(data))
        self.log.append(Stored(self.id, decode_frame(data), head, data))

    def say(self, text: str) -> None:
        """Begin a turn."""
        say = SayToAgent(id=f"m-{self.now.version}", agent=self.journeys.agent.key, text=text)
        self.take(*(() if self.now.agent else (self.journeys.open(self.now.id),)), say)

    def answer(self, *calls: tuple[str, dict[str, Any]], text: str | None = None) -> None:
        """Take an answer of the model."""
        owed = outstanding(self.now)
        assert isinstance(owed, OwedModelCall)
        listed = [
            {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": given}}
            for number, (name, given) in enumerate(calls)
        ]
        message = {"role": "assistant", "content": text, **({"tool_calls": listed} if listed else {})}
        self.take(RecordAnswer(request=owed.request.version, message=message, finish_reason="stop"))

    def returns(self, content: str, *, step: str | None = None, **fields: bytes) -> None:
        """Take what the tool that is owed came to."""
        owed = outstanding(self.now)
        assert isinstance(owed, OwedToolCall)
        moved = self.now.step if step is None else step
        changed = {**fields, **({} if step is None else {"step": f'"{step}"'.encode()})}
        self.take(
            RecordToolReturn(
                answer=owed.answer,
                index=owed.call.index,
                attempt=owed.running.attempt,
                content=content,
                state={**self.now.state, **changed},
                step=moved,
            )
        )
