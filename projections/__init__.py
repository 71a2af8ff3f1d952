"""What it means: pure folds over events."""

from .account import Aside, Attempt, CallAccount, Change, Move, Round, Start, Taken, TurnAccount
from .accounting import Account, Accounting, account, unfinished
from .before import forget_requests
from .calls import Call, call_key, called, calls_of, text_of, tools_text
from .comparison import Comparison, compared, field_changes
from .conversation import Conversation, Left, as_plain, initial, state_of
from .deciding import decisions_of
from .decision import VERDICTS, ToolDecision, Verdict
from .evolution import evolve, fold, state_after
from .model_input import ModelInput, Rebuilt, model_input, rebuilt
from .outstanding import Owed, OwedModelCall, OwedToolCall, outstanding
from .prices import Price, Prices
from .projection import Projection
from .rendering import RENDERER, call_ids, canonical, render
from .request_hash import request_hash, request_input, said_until
from .snapshot import FOLD, Snapshot, StoredPart, Unfit, can_be_kept, nothing_kept, parts_of, read_part, with_part
from .timeline import Recorded, timeline
from .transcript import AssistantMessage, EarlierMessage, Entry, ToolMessage, Transcript, UserMessage
from .turn import POISONED, Answer, Ended, Request, Result, Running, Turn
from .usage import Spent, spend

__all__ = [
    "FOLD",
    "POISONED",
    "RENDERER",
    "VERDICTS",
    "Account",
    "Accounting",
    "Answer",
    "Aside",
    "AssistantMessage",
    "Attempt",
    "Call",
    "CallAccount",
    "Change",
    "Comparison",
    "Conversation",
    "EarlierMessage",
    "Ended",
    "Entry",
    "Left",
    "ModelInput",
    "Move",
    "Owed",
    "OwedModelCall",
    "OwedToolCall",
    "Price",
    "Prices",
    "Projection",
    "Rebuilt",
    "Recorded",
    "Request",
    "Result",
    "Round",
    "Running",
    "Snapshot",
    "Spent",
    "Start",
    "StoredPart",
    "Taken",
    "ToolDecision",
    "ToolMessage",
    "Transcript",
    "Turn",
    "TurnAccount",
    "Unfit",
    "UserMessage",
    "Verdict",
    "account",
    "as_plain",
    "call_ids",
    "call_key",
    "called",
    "calls_of",
    "can_be_kept",
    "canonical",
    "compared",
    "decisions_of",
    "evolve",
    "field_changes",
    "fold",
    "forget_requests",
    "initial",
    "model_input",
    "nothing_kept",
    "outstanding",
    "parts_of",
    "read_part",
    "rebuilt",
    "render",
    "request_hash",
    "request_input",
    "said_until",
    "spend",
    "state_after",
    "state_of",
    "text_of",
    "timeline",
    "tools_text",
    "unfinished",
    "with_part",
]
