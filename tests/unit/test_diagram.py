"""A journey as a drawing, and the check that finds what cannot work."""

import enum
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar

import msgspec

from agent_runtime_framework import (
    AgentContext,
    BaseJourneyState,
    BaseJourneyTools,
    IntentRouter,
    JourneyAgent,
    RouteDefinition,
    ToolSchema,
    ToolSchemaBuilder,
)
from agent_runtime_framework.actors.journey import check_journey, diagram, tool
from agent_runtime_framework.testing import ScriptedLLM
from support.desk import DeskAgent, Journey, QuoteAgent


class Step(StrEnum):
    ASK = "ask"
    CONFIRM = 'say "yes": please'
    DONE = "done"


@dataclass
class State(BaseJourneyState[Step]):
    step: Step = Step.ASK

    def is_complete(self) -> bool:
        return self.step == Step.DONE


class Tools(BaseJourneyTools[State]):
    @tool(steps=Step.ASK, to=Step.CONFIRM)
    async def save(self) -> str:
        raise AssertionError("a tool ran")

    @tool(steps=[Step.CONFIRM], to=[Step.ASK, Step.DONE])
    async def confirm(self) -> str:
        raise AssertionError("a tool ran")

    @tool
    async def look(self) -> str:
        raise AssertionError("a tool ran")


class Agent(JourneyAgent[State, Tools, Step]):
    key = "agent"
    prompts: ClassVar = {Step.ASK: "Ask.", Step.CONFIRM: "Confirm.", Step.DONE: "Bye."}


def test_a_journey_is_drawn_with_its_steps_tools_and_transitions() -> None:
    assert (
        diagram(Agent())
        == """\
stateDiagram-v2
    state "ask" as s0
    state "say 'yes' please" as s1
    state "done" as s2
    [*] --> s0
    s0 --> s1 : save
    s0 : look
    s1 --> s0 : confirm
    s1 --> s2 : confirm
    s1 : look
    s2 : look
    s2 --> [*]
"""
    )


def test_a_journey_that_works_has_no_problems() -> None:
    assert check_journey(Agent()) == []


class SeedStep(str, enum.Enum):  # noqa: UP042  as the document writes it
    WELCOME = "welcome"
    COLLECT_NAME = "collect_name"
    COMPLETE = "complete"


@dataclass
class SeedState(BaseJourneyState[SeedStep]):
    step: SeedStep = SeedStep.WELCOME

    def is_complete(self) -> bool:
        return self.step == SeedStep.COMPLETE


class ByHand(JourneyAgent[SeedState, Any, SeedStep]):
    """Is written as the seed's onboarding example: nothing leads out of its first step."""

    key = "by-hand"
    offered: ClassVar[dict[SeedStep, list[str]]] = {SeedStep.COLLECT_NAME: ["save_name"]}

    def get_initial_state(self) -> SeedState:
        return SeedState()

    def get_system_prompt(self, state: SeedState) -> str:
        return {SeedStep.WELCOME: "Welcome!", SeedStep.COLLECT_NAME: "Ask.", SeedStep.COMPLETE: "Bye."}[state.step]

    def get_tool_schemas(self, state: SeedState) -> list[ToolSchema]:
        return [ToolSchemaBuilder(name).build() for name in self.offered.get(state.step, [])]

    def create_tools(self, state: SeedState, ctx: AgentContext) -> Any:
        raise AssertionError("tools were made")


def test_a_step_that_nothing_leads_out_of_is_found() -> None:
    assert check_journey(ByHand()) == [
        "step 'welcome' has no way out: it is not the end, and no tool is offered there",
    ]


def test_the_way_out_is_seen_once_a_tool_is_offered_there() -> None:
    class Out(ByHand):
        offered: ClassVar = {**ByHand.offered, SeedStep.WELCOME: ["save_name"]}

    assert check_journey(Out()) == []
    assert "    s0 : save_name\n" in diagram(Out())


def test_tools_that_only_lead_back_are_no_way_out() -> None:
    class Circle(BaseJourneyTools[State]):
        @tool(to=Step.ASK, steps=Step.ASK)
        async def again(self) -> str: ...  # type: ignore[empty-body]

        @tool(steps=Step.CONFIRM, to=[Step.CONFIRM, Step.DONE])
        async def go(self) -> str: ...  # type: ignore[empty-body]

    class Round(Agent):
        tools_class = Circle

    assert check_journey(Round()) == [
        "step 'ask' has no way out: it is not the end, and each of its tools leads back to it",
    ]


def test_a_tool_for_a_step_that_does_not_exist_is_found() -> None:
    class Astray(Tools):
        @tool(steps="nowhere", to="elsewhere")
        async def lost(self) -> str: ...  # type: ignore[empty-body]

    class Lost(Agent):
        tools_class = Astray

    there = 'which does not exist; there are ask, say "yes": please, done'
    assert check_journey(Lost()) == [
        f"tool 'lost' is for step 'nowhere', {there}",
        f"tool 'lost' leads to step 'elsewhere', {there}",
    ]
    assert "lost" not in diagram(Lost())


def test_steps_without_prompt_and_tools_of_one_name_are_found() -> None:
    class Bad(ByHand):
        offered: ClassVar = {step: ["save_name", "save_name"] for step in SeedStep}

        def get_system_prompt(self, state: SeedState) -> str:
            return "" if state.step == SeedStep.WELCOME else {SeedStep.COMPLETE: "Bye."}[state.step]

    twice = "has 2 tools named 'save_name'"
    assert check_journey(Bad()) == [
        "step 'welcome' has no prompt",
        f"step 'welcome' {twice}",
        f"step 'collect_name': get_system_prompt raised KeyError: {SeedStep.COLLECT_NAME!r}",
        f"step 'collect_name' {twice}",
        f"step 'complete' {twice}",
    ]


def test_prompts_that_lack_a_step_are_found() -> None:
    class Half(Agent):
        prompts: ClassVar = {Step.ASK: "Ask.", Step.DONE: "Bye."}

    (problem,) = check_journey(Half())

    assert "get_system_prompt raised InvalidInput: there is no prompt for step" in problem


class Frozen(msgspec.Struct, frozen=True):
    step: str = "first"


class Texts(BaseJourneyTools[Frozen]):
    @tool(steps="first", to="last")
    async def go(self) -> str: ...  # type: ignore[empty-body]


class TextAgent(JourneyAgent[Frozen, Texts, str]):
    key = "texts"
    prompts: ClassVar = {"first": "Go.", "last": "Bye."}

    def is_terminal_state(self, state: Frozen) -> bool:
        return state.step == "last"


def test_steps_that_are_texts_of_a_frozen_state_are_known_from_the_tools() -> None:
    assert check_journey(TextAgent()) == []
    assert diagram(TextAgent()).splitlines()[-3:] == ["    [*] --> s0", "    s0 --> s1 : go", "    s1 --> [*]"]


def test_an_agent_with_a_router_is_drawn_with_the_journeys_that_it_leads_to() -> None:
    assert (
        diagram(DeskAgent(ScriptedLLM()))
        == """\
stateDiagram-v2
    state "desk" as j0 {
        state "hello" as j0s0
        state "ask" as j0s1
        state "done" as j0s2
        [*] --> j0s0
        j0s0 : note
        j0s1 : note
        j0s2 : note
    }
    state "quote" as j1 {
        state "hello" as j1s0
        state "ask" as j1s1
        state "done" as j1s2
        [*] --> j1s1
        j1s1 --> j1s2 : price
        j1s2 --> [*]
    }
    state "claim" as j2 {
        state "hello" as j2s0
        state "ask" as j2s1
        state "done" as j2s2
        [*] --> j2s1
        j2s1 --> j2s2 : file
        j2s2 --> [*]
    }
    [*] --> j0
    j0 --> j1 : start_quote
    j0 --> j2 : file_claim
    j1 --> j0 : reroute_conversation
    j2 --> j0 : reroute_conversation
"""
    )


def test_the_journeys_behind_a_router_are_checked_with_it() -> None:
    class Promptless(QuoteAgent):
        prompts = MappingProxyType({**(QuoteAgent.prompts or {}), "done": ""})

    class Wrong(DeskAgent):
        journeys = MappingProxyType({Journey.QUOTE: Promptless(), "complaint": Promptless()})

        def get_tool_schemas(self, state: Any) -> list[ToolSchema]:
            return [ToolSchema("file_claim", "", effect="read")]

    assert check_journey(Wrong(ScriptedLLM())) == [
        "route 'start_quote' is offered in no step",
        "route 'file_claim' leads to no agent: `journeys` needs one for it, such as MyAgent()",
        "no route leads to journey 'complaint'",
        "2 journeys have the key 'quote'; give each its own",
        "journey 'quote': step 'done' has no prompt",
        "journey 'quote': step 'done' has no prompt",
    ]


def test_from_a_journey_behind_a_router_there_is_always_a_way_out() -> None:
    assert check_journey(DeskAgent(ScriptedLLM())) == []


def test_an_agent_that_two_routes_lead_to_is_drawn_once() -> None:
    quote = QuoteAgent()

    class Once(DeskAgent):
        journeys = MappingProxyType({Journey.QUOTE: quote, Journey.CLAIM: quote})

    drawn = diagram(Once(ScriptedLLM()))

    assert drawn.count('state "quote"') == 1
    assert "    j0 --> j1 : start_quote\n    j0 --> j1 : file_claim\n    j1 --> j0 : reroute_conversation\n" in drawn


def test_what_a_worker_does_not_take_behind_a_router_is_found() -> None:
    class Twin(DeskAgent):
        key = "odd"

    no_agent: Any = TextAgent
    routes = [RouteDefinition("class", "go on", "Go on"), RouteDefinition("twin", "dive", "Dive")]

    class Odd(TextAgent):
        key = "odd"
        router = IntentRouter[str]().add_routes(routes)
        journeys = MappingProxyType({"class": no_agent, "twin": Twin()})

    found = check_journey(Odd())

    name = "'go on' cannot be a tool's name: use 1 to 64 of A-Z, a-z, 0-9, _ and -"
    assert found[:2] == [f"step 'first': {name}", f"step 'last': {name}"]
    assert "route 'go on' leads to no agent: `journeys` needs one for it, such as MyAgent()" in found
    assert "2 journeys have the key 'odd'; give each its own" in found
    assert "journey 'odd' has a router itself, but only 'odd', the first, can route" in found
    assert '    state "odd" as j1 {' in diagram(Odd()).splitlines()


def test_a_key_that_is_no_token_is_found() -> None:
    class Spaced(TextAgent):
        key = "two words"

    assert check_journey(Spaced()) == [
        "agent key 'two words' is not valid: use 1 to 128 characters out of A-Z a-z 0-9 _ -"
    ]


def test_tools_with_the_name_of_a_route_are_found() -> None:
    class Noting(QuoteAgent):
        @property
        def declared_tools(self) -> Any:
            return {"reroute_conversation": DeskAgent().declared_tools["note"]}

    routes = [RouteDefinition("a", "note", "Note"), RouteDefinition("b", "reroute_conversation", "Back")]

    class Clashing(DeskAgent):
        router: Any = IntentRouter[str]().add_routes(routes)
        journeys = MappingProxyType({"a": Noting(), "b": ByHand()})

    found = check_journey(Clashing())

    assert "a route is named 'reroute_conversation', the tool that leads back: rename it" in found
    assert "a tool and a route are named 'note': give one another name" in found
    assert "journey 'quote' has a tool named 'reroute_conversation', which leads back: give it another name" in found


def test_a_first_step_that_is_none_of_the_journeys_is_not_drawn() -> None:
    class Elsewhere(State):
        def get_step(self) -> Any:
            return "elsewhere"

    class Odd(Agent):
        def get_initial_state(self) -> Elsewhere:
            return Elsewhere()

    assert "[*] --> s" not in diagram(Odd())
