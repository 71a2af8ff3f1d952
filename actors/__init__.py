"""Who decides: commands, decisions, settling, and the actor that each conversation is."""

from .admission import Admission
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
    InterruptTurn,
    Open,
    Outcome,
    RecordAnswer,
    RecordModelFailure,
    RecordToolFailure,
    RecordToolReturn,
    RefuseCommand,
    RefuseTool,
    ResumeTurn,
    ReviseJourney,
    RunTool,
    SayToAgent,
)
from .conversation_actor import ConversationActor
from .decide import METADATA_LIMIT, decide
from .directory import Directory
from .erasing import ERASED, EraseConversation, refusals
from .life import Delivered, Effects, Everything, Life, Ownership
from .revision import VERSION_SHOWN, Pinned
from .settle import Journey, Mailbox, Policy, Settled, Verdict, settle
from .sizes import cut, described, json_size, shown
from .snapshots import Kept, NoSnapshots, Snapshots

__all__ = [
    "ERASED",
    "METADATA_LIMIT",
    "VERSION_SHOWN",
    "Admission",
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
    "EraseConversation",
    "Everything",
    "FailTurn",
    "HaltTurn",
    "InterruptTurn",
    "Journey",
    "Kept",
    "Life",
    "Mailbox",
    "NoSnapshots",
    "Open",
    "Outcome",
    "Ownership",
    "Pinned",
    "Policy",
    "RecordAnswer",
    "RecordModelFailure",
    "RecordToolFailure",
    "RecordToolReturn",
    "RefuseCommand",
    "RefuseTool",
    "ResumeTurn",
    "ReviseJourney",
    "RunTool",
    "SayToAgent",
    "Settled",
    "Snapshots",
    "Verdict",
    "cut",
    "decide",
    "described",
    "json_size",
    "refusals",
    "settle",
    "shown",
]
