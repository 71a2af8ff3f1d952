"""Who decides: commands, decisions, settling, and the actor that each conversation is."""

from .asyncio_actor import AsyncioActor, AsyncioFuture
from .commands import (
    AskModel,
    BusCommand,
    CancelTurn,
    Command,
    EndTurn,
    EnterJourney,
    FailTurn,
    HaltTurn,
    Open,
    Outcome,
    RecordAnswer,
    RecordModelFailure,
    RecordToolFailure,
    RecordToolReturn,
    RefuseCommand,
    RefuseTool,
    ResumeTurn,
    RunTool,
    SayToAgent,
)
from .conversation_actor import ConversationActor, Delivered, Effects, Life
from .decide import METADATA_LIMIT, decide
from .directory import Directory
from .settle import Journey, Policy, Settled, Verdict, settle
from .sizes import cut, described, json_size, shown

__all__ = [
    "METADATA_LIMIT",
    "AskModel",
    "AsyncioActor",
    "AsyncioFuture",
    "BusCommand",
    "CancelTurn",
    "Command",
    "ConversationActor",
    "Delivered",
    "Directory",
    "Effects",
    "EndTurn",
    "EnterJourney",
    "FailTurn",
    "HaltTurn",
    "Journey",
    "Life",
    "Open",
    "Outcome",
    "Policy",
    "RecordAnswer",
    "RecordModelFailure",
    "RecordToolFailure",
    "RecordToolReturn",
    "RefuseCommand",
    "RefuseTool",
    "ResumeTurn",
    "RunTool",
    "SayToAgent",
    "Settled",
    "Verdict",
    "cut",
    "decide",
    "described",
    "json_size",
    "settle",
    "shown",
]
