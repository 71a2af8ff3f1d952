"""An agent with all the journeys that its router leads to, as the actors see it.

One conversation is in one journey at a time; which one is a fact of the log, and each keeps the state that it was left
with.  So every question goes to the journey that the conversation is in, and a call of a routing tool is a tool call
like any other, whose outcome is that another journey was entered.
"""

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Executor
from typing import Any, Literal, get_args

from msgspec.structs import replace

from ...actors import (
    AskModel,
    EndTurn,
    EnterJourney,
    Mailbox,
    Open,
    Pinned,
    Policy,
    RefuseTool,
    ReviseJourney,
    Verdict,
)
from ...actors.journey import REROUTE, AgentContext, Redaction, Secrets, clashes, create_reroute_tool
from ...actors.replay import journey_named
from ...events import ConversationId, InvalidInput, check_token
from ...projections import Call, Conversation, Left
from ..models import LLMClient
from .author import call_author
from .binding import BoundJourney
from .equipped import EquippedJourney, loads, saves
from .journey_secrets import AgentSecrets
from .telling import cleaned

MOST_ENTERED = 10
"""So many journeys are entered in one turn; a model that goes on routing is told to answer."""

STAYS_LEFT = "Error: '{name}' cannot be gone on with here now, because another version of it began it; answer the user"

IN_CIRCLES = f"Error: {MOST_ENTERED} journeys were entered in this turn already; answer the user now"


class Journeys:
    """Is an agent and what its router leads to; implements `actors.Journey`, and `Today` and `Leading` for a replay.

    A `client` that is given is used instead of any that the agents have; `context` is what a run without a log has.
    What is marked as secret is sealed by `secrets`; who only reads needs none.

    Raises:
        InvalidInput: a route leads to no agent, two journeys have one name, or a tool has the name of a route.

    """

    def __init__(
        self,
        agent: EquippedJourney[Any, Any, Any],
        *,
        client: LLMClient | None = None,
        context: AgentContext | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self.agent = agent
        self.secrets = AgentSecrets(secrets)
        if self.mailbox not in get_args(Mailbox):
            allowed = ", ".join(get_args(Mailbox))
            raise InvalidInput(f"`mailbox` of {agent.key!r} must be one of {allowed}, not {self.mailbox!r}")
        self.front = BoundJourney(agent, secrets=self.secrets, client=client, context=context)
        self._routed = _routed(agent)
        also = (create_reroute_tool(),)
        others = [
            BoundJourney(other, self.front, also, secrets=self.secrets, client=client, context=context)
            for other in {id(to): to for to in self._routed.values()}.values()
        ]
        self._by_name = {journey.name: journey for journey in (self.front, *others)}
        if len(self._by_name) <= len(others):
            names = [journey.name for journey in (self.front, *others)]
            raise InvalidInput(f"journeys of {agent.key!r} share a key: {', '.join(sorted(names))}; give each its own")

    def __iter__(self) -> Iterator[BoundJourney]:
        return iter(self._by_name.values())

    @property
    def mark_secrets(self) -> bool:
        """Whether any of them marks secrets."""
        return self.secrets.marked

    @property
    def mailbox(self) -> Mailbox:
        """What happens to a message that comes in while a turn is in progress."""
        return self.agent.config.mailbox

    def on(self, conversation: Conversation) -> BoundJourney:
        """Return the journey that the conversation is in.

        Raises:
            InvalidInput: the agent has none of that name any more.

        """
        name = conversation.journey or self.front.name
        if name not in self._by_name:
            raise InvalidInput(
                f"{conversation.id!r} is in journey {name!r}, which {self.front.name!r} does not lead to any more; "
                "add it to `journeys` again"
            )
        return self._by_name[name]

    def revise(self, conversation: Conversation) -> ReviseJourney | Pinned | None:
        """Say what becomes of a conversation that another version of the journey it is in decided on."""
        with self.telling_none(conversation):
            return self.on(conversation).revise(conversation)

    def policy(self, conversation: Conversation) -> Policy:
        """Say when a turn is over; which tools end it is said by the journey that they were called in."""
        policy = self.on(conversation).policy
        answer = None if conversation.turn is None else conversation.turn.answer
        if answer is None or answer.journey == conversation.journey or answer.journey not in self._by_name:
            return policy
        return replace(policy, terminal_tools=self._by_name[answer.journey].policy.terminal_tools)

    def ask_model(self, conversation: Conversation) -> AskModel | EndTurn:
        """Return what the model is asked in this state."""
        with self.telling_none(conversation):
            return self.on(conversation).ask_model(conversation)

    def judge(self, conversation: Conversation, call: Call) -> Verdict:
        """Say whether a call may run; that of a routing tool may, as long as a turn does not go round in circles.

        One to a journey that was left under another version and is pinned to that may not, unless it was over.
        """
        journey, turn = self.on(conversation), conversation.turn
        if turn is not None and len(turn.left) >= MOST_ENTERED and self.led_to(journey, call.name) is not None:
            return RefuseTool(kind="denied", content=IN_CIRCLES)
        staying = [name for name, left in conversation.left.items() if self._stays_left(conversation, name, left)]
        to = self.led_to(journey, call.name) if staying else None
        if to is not None and to.name in staying:
            return RefuseTool(kind="denied", content=STAYS_LEFT.format(name=to.name))
        with self.telling_none(conversation):
            return journey.judge(conversation, call)

    def open(
        self, conversation: ConversationId, state: Any | None = None, history: tuple[dict[str, Any], ...] = ()
    ) -> Open:
        """Return how a conversation begins: in the agent's own journey."""
        try:
            return self.front.open(conversation, state, history)
        except Exception as error:
            told = cleaned(error, Redaction(self.front.secrets.values_of(state)))
            if told is error:
                raise
            raise told from None

    def first(self, conversation: ConversationId) -> tuple[dict[str, bytes], str] | None:
        """Return the state and the step that a conversation begins with; None where `load_state` may say it."""
        return None if loads(self.agent) else self.front.first(None, conversation)

    def telling_none(self, conversation: Conversation) -> "_TellingNone":
        """Let what an author's code raises tell no secret of a conversation."""
        return _TellingNone(self.secrets, conversation)

    def as_read(self, conversation: Conversation, state: Mapping[str, bytes]) -> tuple[dict[str, bytes], str]:
        """Return a state of the journey that is on as its class reads and writes it, and its step."""
        journey = self.on(conversation)
        return journey.fields_of(journey.read(state, conversation.root), conversation.root, before=state)

    def led_to(self, on: BoundJourney, tool: str) -> BoundJourney | None:
        """Return the journey that a call of this tool leads to, None for a tool that leads to none.

        Routes lead from the front, and `reroute_conversation` from each other journey back to it.
        """
        if on is not self.front:
            return self.front if tool == REROUTE else None
        router = self.agent.router
        journey = None if router is None else router.resolve_tool_call(tool)
        if journey is None:
            return None
        if journey not in self._routed:
            raise InvalidInput(f"route {tool!r} of {self.agent.key!r} was added while that was at work: start it anew")
        return self._by_name[self._routed[journey].key]

    def leads(self, conversation: Conversation, tool: str) -> Collection[str] | None:
        """Return the steps that a call of this tool may lead to, or the journey; None where nothing is declared."""
        on = self.on(conversation)
        to = self.led_to(on, tool)
        if to is not None:
            return (journey_named(to.name),)
        declared = on.agent.declared_tools.get(tool)
        return None if declared is None else declared.to

    def to_save(self, conversation: Conversation) -> Iterator[tuple[BoundJourney, Any]]:
        """Yield the journeys that were on in the last turn and save their states, with these; the last is still on."""
        turn = conversation.turn or conversation.ended
        for name in dict.fromkeys(() if turn is None else turn.left):
            journey, left = self._by_name.get(name), conversation.left.get(name)
            if journey is not None and left is not None and saves(journey.agent):
                yield journey, journey.read(left.state, conversation.root)
        journey = self.on(conversation)
        if saves(journey.agent):
            yield journey, journey.state(conversation)

    def _stays_left(self, conversation: Conversation, name: str, left: Left) -> bool:
        """Say whether a journey that was left waits for a worker of its version."""
        to = self._by_name.get(name)
        if to is None or not to.is_pinned(left.journey_hash):
            return False
        try:
            return to is self.front or not _is_over(to, left.state, conversation)
        except Exception:  # noqa: BLE001  today's code may not be able to read that state
            return True

    async def enter(
        self, conversation: Conversation, tool: str, to: BoundJourney, ctx: AgentContext, threads: Executor | None
    ) -> EnterJourney:
        """Return how the journey `to` is entered: as it was left, or, if it is new or was over, from its beginning."""
        left = conversation.left.get(to.name)
        if left is not None and (to is self.front or not _was_over(to, left, conversation)):
            return EnterJourney(journey=to.name, journey_hash=to.hash)
        begins = left is None and loads(to.agent)
        state = await call_author(to.agent.load_state, ctx, threads=threads) if begins else None
        origin, known = conversation.root, self.secrets.known(conversation)
        if state is None or _is_over(to, to.first(state, origin, known)[0], conversation):
            journey = None if self.agent.router is None else self.agent.router.resolve_tool_call(tool)
            leaving = self.on(conversation).state(conversation)
            state = await call_author(self.agent.enter_journey, journey, leaving, ctx, threads=threads)
        fields, step = to.first(state, origin, known)
        return EnterJourney(journey=to.name, journey_hash=to.hash, state=fields, step=step)


class _TellingNone:
    """Is a block out of which nothing is raised that tells a secret; each frame that is settled has several."""

    __slots__ = ("_conversation", "_secrets")

    def __init__(self, secrets: AgentSecrets, conversation: Conversation) -> None:
        self._secrets = secrets
        self._conversation = conversation

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> Literal[False]:
        if error is not None and not isinstance(error, KeyboardInterrupt):
            told = cleaned(error, self._secrets.known(self._conversation))
            if told is not error:
                raise told from None
        return False


def _was_over(journey: BoundJourney, left: Left, conversation: Conversation) -> bool:
    """Say whether a journey that was left was over, as its version of today sees it."""
    known = journey.secrets.shared.known(conversation)
    try:
        fields = journey.migrated(left.state, left.journey_hash, conversation.root, known)
    except Exception:  # noqa: BLE001  author code may raise anything; it does so again where the state is migrated
        return False
    return _is_over(journey, left.state if fields is None else fields[0], conversation)


def _is_over(journey: BoundJourney, fields: Mapping[str, bytes], conversation: Conversation) -> bool:
    return journey.agent.is_terminal_state(journey.read(fields, conversation.root))


def _routed(agent: EquippedJourney[Any, Any, Any]) -> dict[Any, EquippedJourney[Any, Any, Any]]:
    """Return the agent of each journey that a route leads to."""
    router, journeys = agent.router, agent.journeys
    if router is None:
        if journeys:
            raise InvalidInput(f"{agent.key!r} has `journeys`, but no `router` that leads to them")
        return {}
    for journey in router.journeys:
        found = journeys.get(journey)
        if not isinstance(found, EquippedJourney):
            raise InvalidInput(
                f"a route of {agent.key!r} leads to {journey!r}: give `journeys` an agent for it, such as MyAgent(), "
                f"not {found!r}"
            )
        check_token(found.key, "agent key")
        if found.router is not None:
            raise InvalidInput(f"{found.key!r} has a router itself, but only {agent.key!r}, the first, can route")
    routed = {journey: journeys[journey] for journey in router.journeys}
    if REROUTE in router.route_names:
        raise InvalidInput(f"a route of {agent.key!r} is named {REROUTE!r}, the tool that leads back: rename it")
    _check_names(agent, [*router.route_names, REROUTE])
    for one in routed.values():  # a tool of its own is meant where it has the name of a route
        _check_names(one, [REROUTE])
    return routed


def _check_names(agent: EquippedJourney[Any, Any, Any], routing: list[str]) -> None:
    for name in clashes(routing, agent.declared_tools):
        raise InvalidInput(f"{agent.key!r} has a tool and a route named {name!r}: give one another name")
