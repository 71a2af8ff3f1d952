"""What an author writes with: state, messages, tool schemas, tools, prompts and routes, all of it pure."""

from .authorization import Allow, Authorization, Deny, ToolCall
from .declared import DeclaredTool, declared_tools, step_text, tool, type_arguments
from .diagram import check_journey, diagram, steps_of
from .difference import difference
from .messages import AgentContext, AgentMessage, AgentResult
from .prompts import Prompt, PromptManager, PromptTemplate, StepPromptMapping, preference_enricher
from .routing import REROUTE, IntentDetector, IntentRouter, RouteDefinition, RouteResult, clashes, create_reroute_tool
from .schemas import ToolParameter, ToolSchema, ToolSchemaBuilder, schemas_to_openai_format
from .serializer import StateSerializer
from .state import (
    BaseJourneyState,
    BaseState,
    StateT,
    StepT,
    at_step,
    is_complete,
    is_terminal,
    state_fields,
    state_from_dict,
    state_from_fields,
    state_to_dict,
    step_of,
)
from .tools import BaseJourneyTools, BaseTool, ToolResult
from .undeclared import undeclared_tools

__all__ = [
    "REROUTE",
    "AgentContext",
    "AgentMessage",
    "AgentResult",
    "Allow",
    "Authorization",
    "BaseJourneyState",
    "BaseJourneyTools",
    "BaseState",
    "BaseTool",
    "DeclaredTool",
    "Deny",
    "IntentDetector",
    "IntentRouter",
    "Prompt",
    "PromptManager",
    "PromptTemplate",
    "RouteDefinition",
    "RouteResult",
    "StateSerializer",
    "StateT",
    "StepPromptMapping",
    "StepT",
    "ToolCall",
    "ToolParameter",
    "ToolResult",
    "ToolSchema",
    "ToolSchemaBuilder",
    "at_step",
    "check_journey",
    "clashes",
    "create_reroute_tool",
    "declared_tools",
    "diagram",
    "difference",
    "is_complete",
    "is_terminal",
    "preference_enricher",
    "schemas_to_openai_format",
    "state_fields",
    "state_from_dict",
    "state_from_fields",
    "state_to_dict",
    "step_of",
    "step_text",
    "steps_of",
    "tool",
    "type_arguments",
    "undeclared_tools",
]
