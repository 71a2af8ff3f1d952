"""What an audit report says: counts, spreads and lists of a period, made from the accounts of turns as they come."""

from .counting import Audit
from .report import (
    FATES,
    AgentRow,
    CallLine,
    ConversationLine,
    Fate,
    Listed,
    ModelRow,
    Report,
    Scope,
    Spread,
    Tokens,
    ToolRow,
    TurnLine,
    Words,
)
from .surveying import survey, within

__all__ = [
    "FATES",
    "AgentRow",
    "Audit",
    "CallLine",
    "ConversationLine",
    "Fate",
    "Listed",
    "ModelRow",
    "Report",
    "Scope",
    "Spread",
    "Tokens",
    "ToolRow",
    "TurnLine",
    "Words",
    "survey",
    "within",
]
