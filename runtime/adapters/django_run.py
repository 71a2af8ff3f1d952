"""One run: a turn of a journey inside another runtime, which is told of it by its own means.

What the runner's context is told follows from the events of the turn, as they are recorded: a tool call when it is
started, its result when there is one, a checkpoint when the state changed.  A context that fails, or that says that the
run is cancelled, ends the turn before the next model call or tool; what it raised is raised to the runner.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

import msgspec

from ...actors.journey import (
    AgentContext,
    Authorization,
    DeclaredTool,
    StateSerializer,
    ToolCall,
    ToolSchema,
    state_from_dict,
    state_to_dict,
)
from ...events import CallId, Refused, StateChanged, Stored, ToolFailed, ToolReturned, ToolStarted
from ...projections import AssistantMessage, Call, Conversation, call_ids, state_of
from ..agents.author import call_author
from ..agents.equipped import EquippedJourney
from ..agents.run import origin_of, take_turn
from ..models.protocol import Answer
from .adapted import AdaptedJourney
from .kept_secrets import KeptSecrets
from .run_context import AdaptedContext, RunContext, answered, conversation_of
from .run_result import RunResult
from .state_store import DjangoStateStore

_encoder = msgspec.json.Encoder(order="sorted")


class DjangoRun:
    """Takes the turn of one run."""

    def __init__(self, adapter: AdaptedJourney[Any, Any, Any], ctx: RunContext) -> None:
        self.adapter = adapter
        self.ctx = ctx
        self.context = AdaptedContext(ctx)
        self.backend: Any = None
        self._loop = asyncio.get_running_loop()
        self._kept = DjangoStateStore(ctx, adapter.key, adapter.state_store)
        self._secrets: KeptSecrets | None = None
        self._saved = b""
        self._saving = asyncio.Lock()
        self._called: set[CallId] = set()
        self._ids: dict[CallId, str] = {}
        self._once: str | None = None
        self._halting = False
        self._over = False
        self._broken: BaseException | None = None

    def halt(self) -> None:
        """End the turn before its next model call or tool."""
        self._halting = True

    async def result(self) -> RunResult:
        """Take the turn, and return what it came to.

        Raises:
            NoReply: the turn failed; the cause is what was raised, where something was.
            BaseException: what the run's context raised; in debug, what a tool raised.

        """
        try:
            return await self._result()
        finally:
            self._over = True  # a tool that goes on in its thread is heard no more

    async def _result(self) -> RunResult:
        self.backend = await call_author(self.adapter.get_backend_client, self.ctx)
        taken = await take_turn(
            _JourneyOfRun(self),
            self.context,
            announce=self._announce,
            halted=self._halted,
            secrets=self.secrets.port,
        )
        if self._broken is not None:
            raise self._broken
        ended = taken.conversation.ended
        if ended is None or ended.outcome != "cancelled":
            ended = taken.ended_well()
        state = state_of(taken.conversation)
        await self._kept.save(state)
        if ended.text:
            await self._tell(ended.text)
        messages = [{key: value for key, value in said.items() if value is not None} for said in taken.said()]
        return RunResult({"response": ended.text, "state": state}, messages, dict(ended.usage))

    # --- state

    @property
    def secrets(self) -> KeptSecrets:
        """What seals and opens the secrets in the state; errors as `KeptSecrets`."""
        if self._secrets is None:
            self._secrets = KeptSecrets(self.adapter, origin_of(self.context))
        return self._secrets

    async def load(self) -> Any:
        """Return the state to begin with: the run's, else that of its conversation, else the initial one."""
        data, state = await self._kept.load(), self.adapter.get_initial_state()
        if data is not None:
            state = state_from_dict(type(state), self.secrets.opened(data))
        elif self.adapter.state_store is None and conversation_of(self.ctx) is not None:
            self.adapter.warn_of_lost_states()
        self._saved = _encoder.encode(self.secrets.sealed(_plain(state)))
        return state

    async def save(self, state: Any) -> None:
        """Checkpoint a state object that differs from what was checkpointed last, and tell the author."""
        data = self.secrets.sealed(
            _plain(state)
        )  # one that cannot be kept fails the tool that announces it, not the run
        if self._broken is None:
            await self._attempt(self._here(self._save(data, state)))
            if self._broken is not None:
                raise self._broken  # to the tool that announced the change

    async def _save(self, data: Any, state: Any) -> None:
        encoded = _encoder.encode(data)
        async with self._saving:  # a tool may announce several changes at once, and the last one is to stay
            if self._over:
                raise Refused(f"run {self.ctx.run_id} is over: no state is taken any more")
            if encoded == self._saved or self._broken is not None:
                return
            self._saved = b""  # whoever interrupts this does not know what is kept now
            await self._kept.save(data)
            self._saved = encoded
            await call_author(self.adapter.on_state_change, self.ctx, state)

    # --- what the run's context is told

    async def _announce(self, stored: Stored, conversation: Conversation) -> None:
        if self._broken is None:
            await self._attempt(self._tell_frame(stored, conversation))

    async def _tell_frame(self, stored: Stored, conversation: Conversation) -> None:
        if any(isinstance(event, StateChanged) for event in stored.frame.events):
            data = state_of(conversation)  # first, so that no result is told whose change could still be lost
            state = state_from_dict(type(self.adapter.get_initial_state()), self.secrets.opened(data))
            await self._save(data, state)
        events = [event for event in stored.frame.events if isinstance(event, ToolStarted | ToolReturned | ToolFailed)]
        for event in events:
            call, id_ = _call(conversation, event), self._id_of(event.call, conversation)
            if event.call not in self._called:
                if isinstance(event, ToolFailed) and event.kind == "cancelled":
                    continue  # the run ended before anything was told of it
                self._called.add(event.call)
                await self._emit("tool.call", id_, call.name, arguments=call.arguments)
            if isinstance(event, ToolStarted):
                self._once = call.name if event.effect == "once" else None
            else:
                await self._emit("tool.result", id_, call.name, result=event.content)

    def _id_of(self, call: CallId, conversation: Conversation) -> str:
        if call not in self._ids:  # all is rendered for it, so once an answer is enough
            self._ids = call_ids(conversation.transcript.window(0, conversation.turns))
        return self._ids[call]

    async def _emit(self, type_: str, id_: str, name: str, **what: Any) -> None:
        payload = {"id": id_, "name": name, **what, "tool_call_id": id_}
        # plain JSON, whatever a model wrote: it has numbers that no state may have
        await answered(self.ctx.emit(type_, msgspec.json.decode(msgspec.json.encode(payload))))

    async def _tell(self, text: str) -> None:
        tell = getattr(self.ctx, "emit_user_message", None)
        await answered(tell(text) if tell is not None else self.ctx.emit("assistant.message", {"content": text}))

    # --- the end of the run

    async def _halted(self) -> bool:
        if self._broken is None and not self._halting:
            await self._attempt(self._look())
        halted = self._halting or self._broken is not None
        if self._once is not None and not halted:  # what is owed is begun now
            self.adapter.note_once(self.ctx.run_id, self._once)
        self._once = None
        return halted

    async def _look(self) -> None:
        look = getattr(self.ctx, "check_cancelled", None)
        looked = await answered(look()) if look is not None else None
        cancelled = looked is True or bool(await answered(self.ctx.cancelled()))
        self._halting = self._halting or cancelled  # meanwhile it may have been halted

    async def _attempt(self, work: Awaitable[None]) -> None:
        """Await work of the context's, and keep what it raises for the end of the run; our own cancellation passes."""
        try:
            await work
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._broken = self._broken or error
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001  it is raised to the runner
            self._broken = self._broken or error

    async def _here(self, work: Awaitable[None]) -> None:
        """Await work on the loop that the run was begun on, wherever a tool announces a change."""
        if asyncio.get_running_loop() is self._loop:
            await work
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_as_coroutine(work), self._loop))


class _JourneyOfRun(EquippedJourney[Any, Any, Any]):
    """Is the adapter's journey in one run, as the loop of model and tools asks it."""

    def __init__(self, run: DjangoRun) -> None:
        self._run = run
        self._adapter = run.adapter
        super().__init__(_RunClient(run), run.adapter.config)

    @property
    def key(self) -> str:
        return self._adapter.key

    @property
    def declared_tools(self) -> Mapping[str, DeclaredTool]:
        return self._adapter.declared_tools

    def get_initial_state(self) -> Any:
        return self._adapter.get_initial_state()

    def get_system_prompt(self, state: Any) -> str:
        return self._adapter.get_system_prompt(state)

    def get_tool_schemas(self, state: Any) -> list[ToolSchema]:
        return self._adapter.get_tool_schemas(state)

    def create_tools(self, state: Any, ctx: AgentContext) -> Any:
        return self._adapter.create_tools(state, ctx, self._run.backend)

    async def execute_tool(self, tools: Any, name: str, arguments: dict[str, Any]) -> Any:
        return await call_author(self._adapter.execute_tool, tools, name, arguments)

    @property
    def authorizes(self) -> bool:
        return self._adapter.authorizes

    def authorize_tool(self, call: ToolCall, state: Any, ctx: AgentContext) -> Authorization:
        return self._adapter.authorize_tool(call, state, ctx)

    def is_terminal_state(self, state: Any) -> bool:
        return self._adapter.is_terminal_state(state)

    def is_closing_message(self, text: str) -> bool:
        return self._adapter.is_closing_message(text)

    async def load_state(self, ctx: AgentContext) -> Any:  # noqa: ARG002  the run knows its own
        return await self._run.load()

    async def save_state(self, ctx: AgentContext, state: Any) -> None:  # noqa: ARG002  likewise
        await self._run.save(state)


class _RunClient:
    """Asks the model of a run, which is looked for at its first call."""

    def __init__(self, run: DjangoRun) -> None:
        self._run = run
        self._client: Any = None

    async def generate(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> Answer:
        if self._client is None:
            self._client = await call_author(self._run.adapter.get_llm_client, self._run.ctx)
        answer: Answer = await self._client.generate(messages, tools=tools, **kwargs)
        return answer


def _plain(state: Any) -> Any:
    return StateSerializer.serialize(state_to_dict(state))


def _call(conversation: Conversation, event: ToolStarted | ToolReturned | ToolFailed) -> Call:
    entries = conversation.transcript.window(conversation.turns, conversation.turns)
    calls = next((one.calls for one in entries if isinstance(one, AssistantMessage) and one.version == event.cause), ())
    return calls[event.index]


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work
