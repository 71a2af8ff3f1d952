"""States, and values in them, that more than one test module needs."""

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from agent_runtime_framework.actors.journey import BaseJourneyState, BaseState


class OnboardingStep(str, Enum):  # noqa: UP042  as in the seed
    WELCOME = "welcome"
    COLLECT_NAME = "collect_name"
    COMPLETE = "complete"


@dataclass
class OnboardingState(BaseJourneyState[OnboardingStep]):
    """Is the state of the seed, word by word."""

    step: OnboardingStep = OnboardingStep.WELCOME
    name: str = ""
    email: str = ""

    def is_complete(self) -> bool:
        return self.step == OnboardingStep.COMPLETE

    def to_dict(self) -> dict[str, Any]:
        return {
            "step": self.step.value,
            "name": self.name,
            "email": self.email,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "OnboardingState":
        return cls(
            step=OnboardingStep(data.get("step", "welcome")),
            name=data.get("name", ""),
            email=data.get("email", ""),
        )


class Step(Enum):
    SHOPPING = "shopping"
    DONE = "done"


@dataclass
class Item:
    name: str
    price: Decimal = Decimal(0)


class Derived(BaseJourneyState[Step], ABC):
    def is_complete(self) -> bool:
        return self.step is Step.DONE


@dataclass
class Shopping(Derived):
    """Has one field of each kind that a derived pair must bring through."""

    LIMIT: ClassVar[int] = 5

    step: Step = Step.SHOPPING
    cart: list[Item] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    total: Decimal = Decimal(0)
    discount: float = 0
    since: datetime | None = None
    customer: UUID | None = None
    stock: dict[str, dict[int, Item]] = field(default_factory=dict)
    notes: Any = None
    nickname: str = None  # type: ignore[assignment]  # sloppy, and common
    visits: int = field(default=0, init=False)


FULL = Shopping(
    step=Step.DONE,
    cart=[Item("tea", Decimal("1.50"))],
    tags={"new", "blue"},
    total=Decimal("1.50"),
    discount=0.5,
    since=datetime(2025, 1, 2, tzinfo=UTC),
    customer=UUID(int=5),
    stock={"shelf": {3: Item("milk")}},
    notes={"any": ["thing", None]},
    nickname="Ada",
)


class Frozen(msgspec.Struct, frozen=True):
    step: Step = Step.SHOPPING
    tags: set[str] = set()
    lastSeen: datetime | None = None  # noqa: N815


class Live(BaseState):
    """Gives its live list in `to_dict`, as careless authors do."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def to_dict(self) -> dict[str, Any]:
        return {"items": self.items}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Live":
        return cls(data["items"])


@dataclass
class Order:
    items: list[Item] = field(default_factory=list)
    total: Decimal = field(default=Decimal(0), init=False)


@dataclass
class Renamed:
    """Is a dataclass whose hand-written pair must win over its fields."""

    name: str

    def to_dict(self) -> dict[str, Any]:
        return {"n": self.name}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Renamed":
        return cls(data["n"])


class Dog(msgspec.Struct, tag=True, rename="camel"):
    good_boy: bool = True
    owner: Renamed | None = None
