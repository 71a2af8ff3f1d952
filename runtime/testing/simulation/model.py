"""A model that is a function of what it is asked, so that whoever asks again may hear the same, or not."""

import asyncio
import inspect
import json
from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from ....events import ModelError
from ....projections import ModelInput
from ...models import ModelReply
from ..rules import Effect
from ..scripted import Calls, calls, usage_of
from .world import CONVERSATION, World

NAME = "simulated"

Answers: TypeAlias = Callable[[list[dict[str, Any]], list[dict[str, Any]] | None, Random], Any]
"""Takes messages and tools of a request, and what is random about it; returns a text, `calls(...)` or a raw message."""

NONSENSE: tuple[Any, ...] = (
    {"role": "assistant"},
    {"role": "assistant", "content": None, "tool_calls": [None, {"id": "a"}, {"id": "a"}]},
    {"role": "assistant", "content": None, "tool_calls": "none"},
    {"content": [{"type": "image"}]},
    calls(("no_such_tool", {})),
    calls(("no_such_tool", "{"), ("", "[]")),
    "",
)

WORDS = ("well", "yes", "no", "thanks", "and then?", "tell me more", "that is all")


class SimulatedModel:
    """Is the model client of all agents of a run; implements `LLMClient`, and streams where its seed says so."""

    def __init__(self, world: World, answers: Answers, seed: int, *, timeout: float) -> None:
        self.model = NAME
        self._world = world
        self._answers = answers
        self._seed = seed
        self._timeout = timeout
        random = Random(f"{seed} model")
        self.streams = random.random() < 0.3
        self._fickle = random.random() < 0.5
        self._asked = 0

    async def generate(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None, **parameters: Any
    ) -> ModelReply:
        """Answer, late or wrong if the faults have it so."""
        world = self._world
        if world.closed:
            raise ModelError("the simulation is over", kind="refused", transient=False)
        request = ModelInput(messages, tools, self.model, parameters).hash
        conversation = CONVERSATION.get()
        world.effect(
            Effect(conversation=conversation, kind="model", name=NAME, request=request, messages=tuple(messages))
        )
        self._asked += 1
        random = Random(f"{self._seed} {conversation} {request} {self._asked if self._fickle else 0}")
        await asyncio.sleep(world.random.random() ** 4 * world.pace)
        nonsense = await self._astray(conversation)
        if nonsense is not None:
            return self._reply(nonsense, messages)
        try:
            with world.awaiting("the model function", conversation):
                answer = self._answers(messages, tools, random)
                answer = await answer if inspect.isawaitable(answer) else answer
            return self._reply(answer, messages)
        except ModelError:
            raise
        except (Exception, SystemExit) as error:
            # the author's mistake, and no failure of the model: the run ends with it
            if not world.closed:
                world.raised = world.raised or error
            raise

    async def stream(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        *,
        on_delta: Callable[[str], None],
        **parameters: Any,
    ) -> ModelReply:
        """Answer, and say so in two pieces before."""
        reply = await self.generate(messages, tools, **parameters)
        text = str(reply.message.get("content") or "")
        for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
            if piece:
                on_delta(piece)
                await asyncio.sleep(0)
        return reply

    async def _astray(self, conversation: str) -> Any:
        """Return nonsense, raise or wait, if the faults have it so; else return None."""
        faults, random = self._world.faults, self._world.random
        if faults.strikes("model_slow", conversation):
            await asyncio.sleep(random.uniform(0.2, 3))
        if faults.strikes("model_hung", conversation):
            await asyncio.sleep(min(self._timeout * 1.5, 20))
        if faults.strikes("model_failed", conversation):
            raise random.choice(
                (
                    ModelError("slow down", kind="rate_limited", transient=True, retry_after=random.uniform(0, 2)),
                    ModelError("not there", kind="unreachable", transient=True),
                    ModelError("never", kind="refused", transient=False),
                    OSError("connection reset"),
                    ValueError("a client that raises what it likes"),
                )
            )
        return random.choice(NONSENSE) if faults.strikes("model_nonsense", conversation) else None

    def _reply(self, answer: Any, messages: list[dict[str, Any]]) -> ModelReply:
        number = self._asked
        match answer:
            case ModelReply():
                return answer
            case str():
                message: dict[str, Any] = {"role": "assistant", "content": answer}
            case Calls(listed=listed, text=text):
                message = {"role": "assistant", "content": text, "tool_calls": _tool_calls(listed, number)}
            case dict():
                message = answer
            case _:
                wanted = "a text, calls(...), a raw message (a dict) or a ModelReply"
                raise TypeError(f"the model function returned {answer!r:.200}: return {wanted}")
        finish = "tool_calls" if message.get("tool_calls") else "stop"
        return ModelReply(message, usage_of(messages, message), finish, f"simulated-{number}", self.model)


def _tool_calls(listed: tuple[tuple[str, Any], ...], number: int) -> list[dict[str, Any]]:
    """Return calls as a provider has them; an argument `ticket` that is empty names each call."""
    shown = []
    for index, (name, given) in enumerate(listed):
        arguments = {**given, "ticket": f"t-{number}-{index}"} if _wants_ticket(given) else given
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        function = {"name": name, "arguments": text}
        shown.append({"id": f"call_{number}_{index}", "type": "function", "function": function})
    return shown


def _wants_ticket(given: Any) -> bool:
    return isinstance(given, dict) and given.get("ticket") == ""


def seeded_answer(messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None, random: Random) -> Any:
    """Answer with calls of the tools that are offered, the less often the longer the turn, else with a few words."""
    said = max((at for at, message in enumerate(messages) if message.get("role") == "user"), default=0)
    rounds = sum(message.get("role") == "assistant" for message in messages[said:])
    if not tools or random.random() < 0.25 + 0.2 * rounds:
        return " ".join(random.choice(WORDS) for _ in range(random.randint(1, 3)))
    chosen = [random.choice(tools)["function"] for _ in range(random.choice((1, 1, 1, 2, 3)))]
    listed = [(one["name"], _arguments(one.get("parameters") or {}, random)) for one in chosen]
    return calls(*listed, text=random.choice((None, "Let me see.")))


def _arguments(parameters: dict[str, Any], random: Random) -> dict[str, Any]:
    required = parameters.get("required") or ()
    wanted = {
        name: schema
        for name, schema in (parameters.get("properties") or {}).items()
        if name in required or random.random() < 0.7
    }
    return {name: "" if name == "ticket" else _value(schema, random) for name, schema in wanted.items()}


def _value(schema: dict[str, Any], random: Random) -> Any:
    if schema.get("enum"):
        return random.choice(schema["enum"])
    match schema.get("type"):
        case "integer":
            return random.randint(0, 9)
        case "number":
            return random.randint(0, 90) / 10
        case "boolean":
            return random.random() < 0.5
        case "array":
            return [_value(schema.get("items") or {}, random) for _ in range(random.randint(0, 2))]
        case "object":
            return _arguments(schema, random)
        case _:
            return random.choice(WORDS)
