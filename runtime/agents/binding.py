"""One journey as the actors see it: an author's agent, answered from the fold.

The author's objects are made anew for each question, from the bytes that the log holds, so that nothing an author keeps
or changes on the side can reach a conversation.
"""

import contextlib
import copy
import enum
import hashlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Optional

import msgspec

from ...actors import AskModel, EndTurn, Open, Pinned, Policy, RefuseTool, ReviseJourney, RunTool, Verdict
from ...actors.journey import (
    AgentContext,
    Allow,
    Deny,
    Redaction,
    StateSerializer,
    StepPromptMapping,
    ToolCall,
    ToolSchema,
    at_step,
    schemas_to_openai_format,
    state_fields,
    state_from_fields,
    step_of,
    steps_of,
)
from ...actors.settle import NOT_AVAILABLE
from ...events import Effect, FrameworkError, InvalidInput, call_id
from ...projections import (
    Call,
    Conversation,
    Request,
    tools_text,
)
from ...projections.calls import copied, names_in
from ..models import LLMClient, get_llm_client
from .context import context_of, said
from .equipped import EquippedJourney
from .guard import Guard
from .hooks import ExecutorHooks
from .journey_secrets import AgentSecrets, JourneySecrets
from .new_version import checked
from .offered import Offered, OfferedByStep
from .telling import NOTHING

DENIED = "Error: Tool '{name}' was denied: {reason}"

SCHEMA_WORDS = ("type", "name", "required", "format")
"""What stands under these names in a tool's schema is the author's, and none of a state's."""

_encoder = msgspec.json.Encoder(order="sorted")


class BoundJourney:
    """Is the journey of one agent.

    Where a router leads to it from `front`, it has that one's model client and hooks unless it has its own, and the
    tools `also` beside its own.  A `client` that is given is used instead of any that the agents have; a run that has a
    `context` of its own shows that to the agent's policy, as it does to its tools.
    """

    def __init__(
        self,
        agent: EquippedJourney[Any, Any, Any],
        front: Optional["BoundJourney"] = None,
        also: Sequence[ToolSchema] = (),
        *,
        secrets: AgentSecrets | None = None,
        client: LLMClient | None = None,
        context: AgentContext | None = None,
    ) -> None:
        self.agent = agent
        self.name = agent.key
        self.secrets = JourneySecrets(secrets or AgentSecrets(), agent, lambda: self.state_type)
        self.policy = Policy(
            max_rounds=agent.config.max_tool_iterations, terminal_tools=frozenset(agent.config.terminal_tools)
        )
        self._on_new_version = checked(agent.config.on_new_version, agent.key)
        self._front = front
        self._also = also
        self._given = client
        self._context = context
        self._by_step = OfferedByStep()

    @cached_property
    def state_type(self) -> type[Any]:
        """The class of the agent's state."""
        return type(self.agent.get_initial_state())

    @cached_property
    def client(self) -> LLMClient:
        """The journey's model client, looked for at its first use.

        Raises:
            InvalidInput: there is none; the message says what to set.

        """
        if self._given is not None:
            return self._given
        if self.agent.llm_client is not None:
            return self.agent.llm_client
        return get_llm_client() if self._front is None else self._front.client

    @property
    def hooks(self) -> ExecutorHooks | None:
        """What watches the journey's turns."""
        return self.agent.hooks if self.agent.hooks is not None or self._front is None else self._front.hooks

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what the journey looks like from outside: its steps, and each step's prompt and tools."""
        seen = [(step, *self._looks(step)) for step in self._steps()]
        return hashlib.sha256(_encoder.encode([self.name, self.state_type.__qualname__, seen])).hexdigest()

    def state(self, conversation: Conversation) -> Any:
        """Return the author's state object, made anew from the fold."""
        return self.read(conversation.state, conversation.root)

    def read(self, fields: Mapping[str, bytes], origin: str) -> Any:
        """Return the author's state object made from fields that are recorded; `origin` is their conversation's."""
        return state_from_fields(self.state_type, self.secrets.opened_state(fields, origin))

    def first(self, state: Any | None, origin: str, known: Redaction = NOTHING) -> tuple[dict[str, bytes], str]:
        """Return the fields and the step that the journey begins with: those of `state`, else of the initial one."""
        if state is None:
            return self.fields_of(self.agent.get_initial_state(), origin, known)
        fields, step = self.fields_of(state, origin, known)
        self.secrets.check_opened(fields, origin)
        return fields, step

    def fields_of(
        self, state: Any, origin: str, known: Redaction = NOTHING, before: Mapping[str, bytes] = {}
    ) -> tuple[dict[str, bytes], str]:
        """Return a state's fields and step as the log has them; one of another class as this journey reads it.

        `known` is what is secret already, and `before` the fields that the log has.

        Raises:
            InvalidInput: it cannot be stored, or is no state that this journey can be in: no turn could read it; or a
                field that is not marked holds a secret.

        """
        fields = state_fields(state)
        if type(state) is not self.state_type:
            try:
                own = state_from_fields(self.state_type, fields)
                fields, state = state_fields(own), own
            except Exception as error:  # author code may raise anything
                given, wanted = type(state).__name__, self.state_type.__name__
                raise InvalidInput(f"{self.name!r} cannot be in this {given}: give a {wanted} ({error})") from error
        return self.secrets.sealed_state(fields, origin, known, before), step_of(state)

    def revise(self, conversation: Conversation) -> ReviseJourney | Pinned | None:
        """Say what becomes of a conversation that another version of this journey decided on."""
        previous = conversation.journey_hash
        if previous == self.hash:
            return None
        if self.is_pinned(previous):
            return Pinned(journey=self.name, version=previous, here=self.hash)
        known = self.secrets.shared.known(conversation)
        migrated = self.migrated(conversation.state, previous, conversation.root, known)
        fields, step = migrated or (None, conversation.step)
        return ReviseJourney(previous=previous, journey_hash=self.hash, state=fields, step=step)

    def is_pinned(self, version: str) -> bool:
        """Say whether what was decided under this version stays with it; nothing does where none was recorded."""
        return self._on_new_version == "pin" and version not in ("", self.hash)

    def migrated(
        self, state: Mapping[str, bytes], version: str, origin: str, known: Redaction
    ) -> tuple[dict[str, bytes], str] | None:
        """Return what the author's function makes of a state that another version recorded; None if it stays as it is.

        The function is given all that was secret then, wherever that version had it marked.

        Raises:
            InvalidInput: that is no state that this journey can be in.

        """
        if not callable(self._on_new_version) or version == self.hash:
            return None
        given = self.secrets.all_opened(state, origin)
        made: object = self._on_new_version(copy.deepcopy(given), version)
        if made is None or inspect.iscoroutine(made):
            raise InvalidInput(f"on_new_version of {self.name!r} must return a state or its dict, not {_kind(made)}")
        as_was = {name: value for name, value in state.items() if given[name] != msgspec.json.decode(value)}
        if not isinstance(made, Mapping):
            try:
                return self._as_was(made, as_was, given, origin, known)
            except InvalidInput as error:
                raise InvalidInput(f"on_new_version of {self.name!r} returned no state: {error}") from error
        try:
            plain = StateSerializer.serialize(dict(made))
            own = state_from_fields(self.state_type, {name: _encoder.encode(value) for name, value in plain.items()})
        except Exception as error:  # author code may raise anything
            wanted = self.state_type.__name__
            raise InvalidInput(
                f"on_new_version of {self.name!r} returned a dict that is no {wanted}: {error}"
            ) from error
        return self._as_was(own, as_was, given, origin, known)

    def open(self, origin: str, state: Any | None = None, history: tuple[dict[str, Any], ...] = ()) -> Open:
        """Return how a conversation begins: with `state`, or with the agent's initial one."""
        fields, step = self.first(state, origin)
        return Open(agent=self.name, journey_hash=self.hash, state=fields, step=step, history=history)

    def ask_model(self, conversation: Conversation) -> AskModel | EndTurn:
        """Return the request for the step that the journey is in, or the end of a turn that only says good-bye."""
        state = self.state(conversation)
        turn = conversation.turn
        if (
            turn is not None
            and turn.request is None
            and self.agent.is_terminal_state(state)
            and self.agent.is_closing_message(said(conversation))
        ):
            return EndTurn(reason="closing")
        offered = self._offered(state, conversation)
        known = self.secrets.shared.known(conversation)
        return AskModel(
            prompt=known.text(self._prompt(state)),
            tools=offered.tools,
            effects=dict(offered.effects),
            model=self._model_name(),
            parameters=_plain(self.agent.config.model_parameters),
            history_turns=self.agent.config.history_turns,
        )

    def judge(self, conversation: Conversation, call: Call) -> Verdict:
        """Let the call run, in the effect class that its tool was offered with; an undeclared one is `once`.

        A tool that is declared with `@tool` is refused in a step that it is not for, which the state may have reached
        since it was offered, and with arguments that do not fit.  The agent's own policy has the last word.
        """
        declared = self.agent.declared_tools.get(call.name)
        if declared is not None:
            if not declared.offered_in(step_of(self.state(conversation))):
                return RefuseTool(kind="not_offered", content=NOT_AVAILABLE.format(name=call.name))
            try:
                declared.convert(self.arguments(conversation, call))
            except InvalidInput as error:
                return RefuseTool(kind="invalid", content=self.secrets.shared.known(conversation).text(str(error)))
        request = None if conversation.turn is None else conversation.turn.request
        effects = {} if request is None else request.effects
        effect = effects.get(call.name, "once")
        return self._authorized(conversation, call, effect) if self.agent.authorizes else RunTool(effect=effect)

    def _authorized(self, conversation: Conversation, call: Call, effect: Effect) -> Verdict:
        """Ask the agent's policy, which is given copies of the call and of the state.

        Raises:
            InvalidInput: it says neither `Allow` nor `Deny`.

        """
        answer = None if conversation.turn is None else conversation.turn.answer
        asked = ToolCall(
            id=call_id(0 if answer is None else answer.version, call.index),
            name=call.name,
            arguments=self.arguments(conversation, call),
            effect=effect,
        )
        known = self.secrets.shared.known(conversation)
        ctx = self._context if self._context is not None else context_of(conversation)
        said: object = self.agent.authorize_tool(asked, self.state(conversation), ctx)
        match said:
            case Allow():
                return RunTool(effect=effect, policy="allowed", reason=known.text(said.reason))
            case Deny():
                reason = known.text(said.reason)
                content = DENIED.format(name=call.name, reason=reason)
                return RefuseTool(kind="denied", content=content, policy="denied", reason=reason)
            case _:
                wrong = _kind(said)
                raise InvalidInput(f"authorize_tool of {self.name!r} must return Allow or Deny, not {wrong}")

    def arguments(self, conversation: Conversation, call: Call) -> dict[str, Any]:
        """Return the arguments of a call as its tool is given them: a copy, with what is secret in them opened."""
        self.learn(conversation, [call.name])
        given: dict[str, Any] = copied(self.secrets.opened_arguments(conversation.root, call.name, call.arguments))
        return given

    def guard(self, conversation: Conversation, request: Request) -> Guard | None:
        """Return what guards a request and its answer; None where nothing is marked."""
        self.learn(conversation, names_in(request.tools))
        return Guard(conversation, self.secrets) if self.secrets.shared.marked else None

    def learn(self, conversation: Conversation, tools: Iterable[str]) -> None:
        """See to it that the schemas of these tools were seen, as far as the agent has any for them now."""
        if self.secrets.knows(tools):
            return
        with contextlib.suppress(Exception):  # the next that is asked of the author's code says what is wrong with it
            self._schemas(self.state(conversation))

    def _as_was(
        self, made: Any, were: Mapping[str, bytes], given: Mapping[str, Any], origin: str, known: Redaction
    ) -> tuple[dict[str, bytes], str]:
        """Return the fields of a state that was migrated; a secret that is where it was, unmarked, stays sealed."""
        before = {name: msgspec.json.encode(given[name]) for name in were}
        fields, step = self.fields_of(made, origin, known, before)
        return {name: were[name] if value == before.get(name) else value for name, value in fields.items()}, step

    def _offered(self, state: Any, conversation: Conversation) -> Offered:
        """Return the tools that are offered in a state; where they are the same in all of its step, they are kept.

        Where anything is marked they are made for each request: what is secret is taken out of them.
        """
        by_step = self.agent.offers_by_step and not self.secrets.shared.marked
        step, declared = step_of(state), self.agent.declared_tools
        kept = self._by_step.get(step, declared) if by_step else None
        if kept is not None:
            return kept
        schemas = self._schemas(state)
        known = self.secrets.shared.known(conversation)
        tools = [known.plain(tool, but=SCHEMA_WORDS) for tool in schemas_to_openai_format(schemas)]
        effects = {schema.name: schema.effect for schema in schemas if schema.effect is not None}
        offered = Offered(declared, tools_text(tools), effects)
        if by_step and not self.secrets.shared.marked:
            self._by_step.put(step, offered)
        return offered

    def _prompt(self, state: Any) -> str:
        prompt: object = self.agent.get_system_prompt(state)
        if not isinstance(prompt, str):
            raise InvalidInput(f"get_system_prompt of {self.name!r} must return a text, not {_kind(prompt)}")
        return prompt

    def _schemas(self, state: Any) -> list[ToolSchema]:
        own: Any = self.agent.get_tool_schemas(state)
        if not isinstance(own, list | tuple) or not all(isinstance(schema, ToolSchema) for schema in own):
            raise InvalidInput(f"get_tool_schemas of {self.name!r} must return a list of ToolSchema, not {_kind(own)}")
        names = {schema.name for schema in own}
        schemas = [*own, *(schema for schema in self._also if schema.name not in names)]
        self.secrets.notice(schemas)
        return schemas

    def _model_name(self) -> str:
        try:
            return str(getattr(self.client, "model", None) or "")
        except FrameworkError:  # there is no client: the call of the model says so, as its recorded failure
            return ""

    def _steps(self) -> list[Any]:
        """Return the journey's steps: all of an Enum, else those that tools and prompts are declared for."""
        first = getattr(self.agent.get_initial_state(), "step", None)
        if first is None or isinstance(first, enum.Enum):
            return [None] if first is None else list(type(first))
        prompts = self.agent.prompts or {}
        named = prompts.prompts if isinstance(prompts, StepPromptMapping) else prompts
        return list(dict.fromkeys([*steps_of(self.agent), *(str(step) for step in named)]))

    def _looks(self, step: Any) -> tuple[Any, ...]:
        try:
            # a copy, because an author may hand out one object again and again
            state = state_from_fields(self.state_type, state_fields(self.agent.get_initial_state()))
            state = state if step is None else at_step(state, step)
            return self._prompt(state), schemas_to_openai_format(self._schemas(state))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  a step that the initial state cannot be in may raise anything
            return (type(error).__name__,)


def _kind(value: object) -> str:
    if inspect.iscoroutine(value):
        value.close()  # nobody will await it
        return "a coroutine: write it with def, not async def"
    if value is None or isinstance(value, bool):
        return str(value)
    # what it says may be secret, and is no more found once it is cut
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as the log will give them back, so that a live request is the recorded one."""
    if not parameters:
        return {}
    try:
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(parameters))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"model_parameters must be JSON: {error}") from error
    return plain
