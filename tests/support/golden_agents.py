"""The agents whose logs are golden: written out in full, and never changed, since those logs are replayed with them.

An agent that is to be otherwise is another one, with a log of its own.  Each log's name leads to the versions of its
agent, in the order in which they went on with the conversation.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

from agent_runtime_framework import (
    BaseJourneyState,
    BaseJourneyTools,
    IntentRouter,
    JourneyAgent,
    JourneyConfig,
    RouteDefinition,
    ToolResult,
    ToolSchema,
    ToolSchemaBuilder,
    tool,
)

# --- a shop, whose tools come to everything that a tool can come to


class ShopStep(StrEnum):
    BROWSING = "browsing"
    PAYING = "paying"
    DONE = "done"


@dataclass
class Basket(BaseJourneyState[ShopStep]):
    step: ShopStep = ShopStep.BROWSING
    items: list[str] = field(default_factory=list)
    total: int = 0
    notes: dict[str, Any] = field(default_factory=dict)

    def is_complete(self) -> bool:
        return self.step == ShopStep.DONE


class ShopTools(BaseJourneyTools[Basket]):
    async def add(self, item: str, price: int = 1) -> str:
        self.state.items.append(item)
        self.state.total += price
        return f"{item}: {price}"

    async def look(self) -> str:
        return f"{len(self.state.items)} items, {self.state.total} euros"

    async def checkout(self) -> str:
        self.state.step = ShopStep.PAYING
        return f"To pay: {self.state.total}"

    async def pay(self) -> str:
        self.state.step = ShopStep.DONE
        return "Paid, thank you."

    async def fail(self) -> str:
        self.state.items.append("never")
        raise ValueError("the till is jammed")

    async def decline(self) -> ToolResult:
        return ToolResult.fail("we do not sell that")

    async def spoil(self) -> str:
        self.state.notes["bad"] = object()
        return "spoilt"

    async def wait(self) -> str:
        await asyncio.sleep(3600)
        return "never"

    async def deliver(self) -> str:
        await asyncio.sleep(3600)
        return "never"

    async def count(self) -> str:
        await asyncio.sleep(3600)
        return "never"


def _offered(name: str) -> ToolSchema:
    builder = ToolSchemaBuilder(name).description(f"It can {name}.")
    if name == "add":
        builder = builder.param("item", "string", "What", required=True).param("price", "integer", "Euros")
    if name in ("add", "wait"):
        return builder.effect("idempotent").build()
    return builder.effect("read").build() if name in ("look", "count") else builder.build()


class ShopAgent(JourneyAgent[Basket, ShopTools, ShopStep]):
    key = "shop"

    def __init__(self, llm: Any) -> None:
        config = JourneyConfig(
            max_tool_iterations=4,
            terminal_tools={"pay"},
            tool_timeout=0.2,
            model_parameters={"temperature": 0.5},
            history_turns=3,
        )
        super().__init__(llm, config)

    def get_initial_state(self) -> Basket:
        return Basket()

    def get_system_prompt(self, state: Basket) -> str:
        if len(state.items) > 6:
            raise ValueError("the basket is full")
        return f"You sell tea. The customer is {state.step.value}, with {len(state.items)} items."

    def get_tool_schemas(self, state: Basket) -> list[ToolSchema]:
        if state.step == ShopStep.BROWSING:
            names = ("add", "look", "checkout", "fail", "decline", "spoil", "wait", "deliver", "count", "ghost")
            return [_offered(name) for name in names]
        return [_offered("pay")] if state.step == ShopStep.PAYING else []

    def create_tools(self, state: Basket, ctx: Any) -> ShopTools:
        return ShopTools(state=state)


class PatientShopAgent(ShopAgent):
    """Is the shop whose tools have time, so that lives end in the middle of them."""

    def __init__(self, llm: Any) -> None:
        super().__init__(llm)
        self.config.tool_timeout = 60.0
        self.config.mailbox = "interrupt"


# --- a box office in three versions: the second cannot read what the first wrote, the third has other words


class OldStep(StrEnum):
    WHO = "who"
    SEATS = "seats"


@dataclass
class OldBooking(BaseJourneyState[OldStep]):
    step: OldStep = OldStep.WHO
    who: str = ""
    seats: int = 0

    def is_complete(self) -> bool:
        return False


class OldBoxTools(BaseJourneyTools[OldBooking]):
    @tool(effect="idempotent", steps=OldStep.WHO, to=OldStep.SEATS)
    async def name(self, who: str) -> str:
        """Say who comes."""
        self.state.who, self.state.step = who, OldStep.SEATS
        return f"Welcome, {who}."

    @tool(effect="idempotent", steps=OldStep.SEATS)
    async def seats(self, count: int) -> str:
        """Take seats."""
        self.state.seats = count
        return f"{count} seats."


class OldBoxOffice(JourneyAgent[OldBooking, OldBoxTools, OldStep]):
    key = "box-office"
    prompts = MappingProxyType({OldStep.WHO: "Ask who comes.", OldStep.SEATS: "Ask how many seats."})


class NewStep(StrEnum):
    GUEST = "guest"
    PLACES = "places"


@dataclass
class NewBooking(BaseJourneyState[NewStep]):
    step: NewStep = NewStep.GUEST
    guest: str = ""
    seats: list[str] = field(default_factory=list)

    def is_complete(self) -> bool:
        return False


class NewBoxTools(BaseJourneyTools[NewBooking]):
    @tool(effect="idempotent", steps=NewStep.PLACES)
    async def place(self, row: str) -> str:
        """Take a place in a row."""
        self.state.seats.append(row)
        return f"{self.state.guest}: {', '.join(self.state.seats)}"


def migrate(state: dict[str, Any], from_hash: str) -> dict[str, Any]:
    """Return an old booking as a new one."""
    step = NewStep.PLACES if state["step"] == "seats" else NewStep.GUEST
    return {"step": step, "guest": state["who"], "seats": ["any row"] * state["seats"]}


class NewBoxOffice(JourneyAgent[NewBooking, NewBoxTools, NewStep]):
    key = "box-office"
    prompts = MappingProxyType({NewStep.GUEST: "Ask who comes.", NewStep.PLACES: "Ask for the rows."})

    def __init__(self, llm: Any) -> None:
        super().__init__(llm, JourneyConfig(on_new_version=migrate))


class RewordedBoxOffice(JourneyAgent[NewBooking, NewBoxTools, NewStep]):
    key = "box-office"
    prompts = MappingProxyType({NewStep.GUEST: "Who comes?", NewStep.PLACES: "Which rows?"})


# --- a reception that leads to two journeys, of which one has a second version


class Behind(StrEnum):
    REPAIR = "repair"
    RENTAL = "rental"


class DeskStep(StrEnum):
    HELLO = "hello"
    ASK = "ask"
    DONE = "done"


@dataclass
class Reception(BaseJourneyState[DeskStep]):
    step: DeskStep = DeskStep.HELLO
    notes: list[str] = field(default_factory=list)

    def is_complete(self) -> bool:
        return False


@dataclass
class Repair(BaseJourneyState[DeskStep]):
    step: DeskStep = DeskStep.ASK
    broken: str = ""

    def is_complete(self) -> bool:
        return self.step == DeskStep.DONE


@dataclass
class Rental(BaseJourneyState[DeskStep]):
    step: DeskStep = DeskStep.ASK
    days: int = 0

    def is_complete(self) -> bool:
        return self.step == DeskStep.DONE


class ReceptionTools(BaseJourneyTools[Reception]):
    @tool(effect="idempotent")
    async def note(self, text: str) -> str:
        """Keep a note."""
        self.state.notes.append(text)
        return "Noted."


class RepairTools(BaseJourneyTools[Repair]):
    @tool(effect="once", steps=DeskStep.ASK, to=DeskStep.DONE)
    async def fix(self, broken: str) -> str:
        """Order a repair."""
        self.state.broken, self.state.step = broken, DeskStep.DONE
        return "Ordered."


class RentalTools(BaseJourneyTools[Rental]):
    @tool(effect="idempotent", steps=DeskStep.ASK)
    async def rent(self, days: int) -> str:
        """Rent a bicycle."""
        self.state.days = days
        return f"For {days} days."


class RepairAgent(JourneyAgent[Repair, RepairTools, DeskStep]):
    key = "repair"
    prompts = MappingProxyType({step: f"Repairs: {step.value}" for step in DeskStep})


class RentalAgent(JourneyAgent[Rental, RentalTools, DeskStep]):
    key = "rental"
    prompts = MappingProxyType({step: f"Rentals: {step.value}" for step in DeskStep})


class PinnedRentalAgent(RentalAgent):
    prompts = MappingProxyType({step: f"Bicycles: {step.value}" for step in DeskStep})

    def __init__(self) -> None:
        super().__init__(config=JourneyConfig(on_new_version="pin"))


class RewordedRentalAgent(RentalAgent):
    prompts = MappingProxyType({step: f"Cycles: {step.value}" for step in DeskStep})


class ReceptionAgent(JourneyAgent[Reception, ReceptionTools, DeskStep]):
    key = "reception"
    prompts = MappingProxyType(dict.fromkeys(DeskStep, "What do you want?"))
    router = IntentRouter[Behind]().add_routes(
        [
            RouteDefinition(Behind.REPAIR, "start_repair", "Have something repaired"),
            RouteDefinition(Behind.RENTAL, "start_rental", "Rent a bicycle"),
        ]
    )
    rental: Callable[[], JourneyAgent[Any, Any, Any]] = RentalAgent

    def __init__(self, llm: Any) -> None:
        super().__init__(llm)
        self.journeys = {Behind.REPAIR: RepairAgent(), Behind.RENTAL: type(self).rental()}

    def enter_journey(self, journey: Any, state: Any, ctx: Any) -> Any:
        return Rental(days=len(state.notes)) if journey == Behind.RENTAL else None


class PinningReceptionAgent(ReceptionAgent):
    rental = PinnedRentalAgent


class RewordedReceptionAgent(ReceptionAgent):
    rental = RewordedRentalAgent


Version: TypeAlias = Callable[[Any], JourneyAgent[Any, Any, Any]]
"""Makes an agent over a model."""

AGENTS: Mapping[str, tuple[Version, ...]] = MappingProxyType(
    {
        "retried": (ShopAgent,),
        "outcomes": (ShopAgent,),
        "taken-over": (PatientShopAgent, ShopAgent),
        "stopped": (PatientShopAgent,),
        "revised": (OldBoxOffice, NewBoxOffice, RewordedBoxOffice),
        "reception": (ReceptionAgent, PinningReceptionAgent, RewordedReceptionAgent),
    }
)
"""The versions of each golden log's agent, in order."""
