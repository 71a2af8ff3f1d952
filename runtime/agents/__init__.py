"""Agents that run: what authors subclass, and how the actors see it."""

from .agent import BaseAgent
from .effects import TurnEffects, agent_effects
from .executor import ExecutionResult, Executor, ExecutorConfig, LLMExecutor, LLMExecutorConfig
from .hooks import CompositeHooks, ExecutorHooks, LoggingHooks
from .journey_agent import JourneyAgent
from .journey_config import JourneyConfig
from .journeys import Journeys
from .run import no_reply, run_turn
from .tool_executors import CallableToolExecutor, MethodToolExecutor, ToolExecutor

__all__ = [
    "BaseAgent",
    "CallableToolExecutor",
    "CompositeHooks",
    "ExecutionResult",
    "Executor",
    "ExecutorConfig",
    "ExecutorHooks",
    "JourneyAgent",
    "JourneyConfig",
    "Journeys",
    "LLMExecutor",
    "LLMExecutorConfig",
    "LoggingHooks",
    "MethodToolExecutor",
    "ToolExecutor",
    "TurnEffects",
    "agent_effects",
    "no_reply",
    "run_turn",
]
