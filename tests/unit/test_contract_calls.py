"""The calls of the contract: each takes what it says, in its order and under its names, with its defaults."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from agent_runtime_framework import (
    BaseJourneyState,
    BaseJourneyTools,
    BaseState,
    CallableToolExecutor,
    ConversationStore,
    FrameworkConfig,
    InMemoryStore,
    IntentDetector,
    IntentRouter,
    MemoryContext,
    MemoryManager,
    MemoryStore,
    MethodToolExecutor,
    PromptManager,
    PromptTemplate,
    RouteDefinition,
    StateSerializer,
    StateStore,
    StepPromptMapping,
    StoredMessage,
    ToolExecutor,
    ToolParameter,
    ToolResult,
    ToolSchema,
    ToolSchemaBuilder,
    build_memory_context,
    configure,
    create_reroute_tool,
    get_config,
    get_llm_client,
    is_debug,
    preference_enricher,
    schemas_to_openai_format,
    set_config,
    should_swallow_exceptions,
)

NOTE = r"\n\nNote: User prefers {value}."
PARAM = "name, type, description='', required=False, enum=None, items=None, default=None"

CALLS: list[tuple[Callable[..., Any], str]] = [
    (FrameworkConfig.from_env, ""),
    (FrameworkConfig.enable_debug, "self"),
    (FrameworkConfig.enable_production, "self"),
    (configure, "debug=None, swallow_tool_exceptions=None, log_level=None"),
    (get_config, ""),
    (set_config, "config"),
    (is_debug, ""),
    (should_swallow_exceptions, ""),
    (BaseState.to_dict, "self"),
    (BaseState.from_dict, "data"),
    (BaseState.copy, "self"),
    (BaseJourneyState.to_dict, "self"),
    (BaseJourneyState.from_dict, "data"),
    (BaseJourneyState.is_complete, "self"),
    (BaseJourneyState.is_terminal, "self"),
    (BaseJourneyState.get_step, "self"),
    (BaseJourneyState.set_step, "self, step"),
    (StateSerializer.serialize, "value"),
    (StateSerializer.deserialize_enum, "value, cls"),
    (ToolParameter.to_schema, "self"),
    (ToolSchema.to_openai_format, "self"),
    (ToolSchemaBuilder, "name"),
    (ToolSchemaBuilder.description, "self, text"),
    (ToolSchemaBuilder.param, f"self, {PARAM}"),
    (ToolSchemaBuilder.effect, "self, effect"),
    (ToolSchemaBuilder.build, "self"),
    (ToolSchemaBuilder.to_openai_format, "self"),
    (schemas_to_openai_format, "schemas"),
    (ToolResult.ok, "content, **metadata"),
    (ToolResult.fail, "error, **metadata"),
    (BaseJourneyTools, "state, backend_client=None, on_state_change=None"),
    (BaseJourneyTools._notify_state_change, "self"),
    (BaseJourneyTools._require_backend, "self"),
    (ToolExecutor.execute, "self, name, arguments"),
    (CallableToolExecutor, "functions"),
    (CallableToolExecutor.execute, "self, name, arguments"),
    (MethodToolExecutor, "target"),
    (MethodToolExecutor.execute, "self, name, arguments"),
    (get_llm_client, "model=None, **options"),
    (RouteDefinition.to_tool_schema, "self"),
    (IntentDetector, "default_journey=None"),
    (IntentDetector.add_keywords, "self, journey, keywords"),
    (IntentDetector.detect, "self, text"),
    (IntentRouter, "fallback_detector=None"),
    (IntentRouter.add_route, "self, route"),
    (IntentRouter.add_routes, "self, routes"),
    (IntentRouter.get_tool_schemas, "self"),
    (IntentRouter.get_tool_schemas_openai, "self"),
    (IntentRouter.resolve_tool_call, "self, name"),
    (IntentRouter.is_routing_tool, "self, name"),
    (IntentRouter.detect_fallback, "self, text"),
    (create_reroute_tool, ""),
    (MemoryStore.get, "self, key"),
    (MemoryStore.set, "self, key, value"),
    (MemoryStore.delete, "self, key"),
    (MemoryStore.exists, "self, key"),
    (InMemoryStore, ""),
    (InMemoryStore.clear, "self"),
    (StateStore, "backend=None"),
    (StateStore.save_state, "self, conversation_id, agent_key, state"),
    (StateStore.load_state, "self, conversation_id, agent_key"),
    (StateStore.delete_state, "self, conversation_id, agent_key"),
    (StoredMessage.to_dict, "self"),
    (ConversationStore, "backend=None"),
    (ConversationStore.get_messages, "self, conversation_id, limit=None"),
    (ConversationStore.add_message, "self, conversation_id, message"),
    (ConversationStore.add_messages, "self, conversation_id, messages"),
    (ConversationStore.clear_conversation, "self, conversation_id"),
    (MemoryContext.has_state, "self"),
    (MemoryContext.get_message_dicts, "self"),
    (
        build_memory_context,
        "conversation_id, agent_key, state_store=None, conversation_store=None, message_limit=None",
    ),
    (MemoryManager, "state_store=None, conversation_store=None"),
    (MemoryManager.load_context, "self, conversation_id, agent_key, message_limit=None"),
    (MemoryManager.save_state, "self, conversation_id, agent_key, state"),
    (MemoryManager.save_messages, "self, conversation_id, messages"),
    (MemoryManager.clear_conversation, "self, conversation_id"),
    (MemoryManager.delete_state, "self, conversation_id, agent_key"),
    (PromptTemplate.render, "self, /, **vars"),
    (StepPromptMapping.get, "self, step, /, **vars"),
    (StepPromptMapping.add, "self, step, prompt"),
    (PromptManager, "mapping=None, context_enricher=None, *, step_prompts=None"),
    (PromptManager.add_enricher, "self, enricher"),
    (PromptManager.get_prompt, "self, step, /, context=None, **vars"),
    (PromptManager.set_prompt, "self, step, prompt"),
    (PromptManager.set_default, "self, prompt"),
    (preference_enricher, f"key, format_string='{NOTE}'"),
]


def said(parameters: str) -> list[inspect.Parameter]:
    """Return the parameters that a text says."""
    namespace: dict[str, Any] = {}
    exec(f"def call({parameters}): ...", namespace)
    return list(inspect.signature(namespace["call"]).parameters.values())


@pytest.mark.parametrize(("call", "parameters"), CALLS, ids=[call.__qualname__ for call, _ in CALLS])
def test_a_call_takes_the_parameters_of_the_contract(call: Callable[..., Any], parameters: str) -> None:
    expected = said(parameters)
    given = list(inspect.signature(call).parameters.values())
    first, more = given[: len(expected)], given[len(expected) :]

    assert [(each.kind, each.default) for each in first] == [(each.kind, each.default) for each in expected]
    assert [each.name for each in first if each.kind is not each.VAR_KEYWORD] == [
        each.name for each in expected if each.kind is not each.VAR_KEYWORD
    ]
    assert all(each.default is not each.empty for each in more), "a parameter beyond the contract has no default"
