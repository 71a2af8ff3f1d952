"""What it means: pure folds over events."""

from .calls import Call, called, calls_of, text_of, tools_text
from .conversation import Conversation, Left, as_plain, evolve, fold, initial, state_of
from .model_input import ModelInput, Rebuilt, model_input, rebuilt
from .outstanding import Owed, OwedModelCall, OwedToolCall, outstanding
from .rendering import RENDERER, call_ids, canonical, fingerprint, render
from .request_hash import request_hash
from .timeline import Recorded, timeline
from .transcript import AssistantMessage, EarlierMessage, Entry, ToolMessage, Transcript, UserMessage
from .turn import POISONED, Answer, Ended, Request, Result, Running, Turn
from .usage import Spent, spend

__all__ = [
    "POISONED",
    "RENDERER",
    "Answer",
    "AssistantMessage",
    "Call",
    "Conversation",
    "EarlierMessage",
    "Ended",
    "Entry",
    "Left",
    "ModelInput",
    "Owed",
    "OwedModelCall",
    "OwedToolCall",
    "Rebuilt",
    "Recorded",
    "Request",
    "Result",
    "Running",
    "Spent",
    "ToolMessage",
    "Transcript",
    "Turn",
    "UserMessage",
    "as_plain",
    "call_ids",
    "called",
    "calls_of",
    "canonical",
    "evolve",
    "fingerprint",
    "fold",
    "initial",
    "model_input",
    "outstanding",
    "rebuilt",
    "render",
    "request_hash",
    "spend",
    "state_of",
    "text_of",
    "timeline",
    "tools_text",
]
