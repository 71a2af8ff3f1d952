"""A looping journey: the user fills a cart for as long as it takes, and may come back to it from the checkout.

Talk with it: arf chat examples/cart.py:agent
"""

from dataclasses import dataclass, field
from enum import StrEnum

from agent_runtime_framework import BaseJourneyState, BaseJourneyTools, JourneyAgent, PromptTemplate, ToolResult, tool


class Step(StrEnum):
    SHOPPING = "shopping"
    CHECKOUT = "checkout"
    ORDERED = "ordered"


class Product(StrEnum):
    TEA = "tea"
    JAM = "jam"
    BREAD = "bread"


PRICES = {Product.TEA: 4, Product.JAM: 3, Product.BREAD: 2}


@dataclass
class Item:
    product: Product
    amount: int = 1


@dataclass
class State(BaseJourneyState[Step]):
    step: Step = Step.SHOPPING
    cart: dict[Product, int] = field(default_factory=dict)
    total: int = 0

    def is_complete(self) -> bool:
        return self.step == Step.ORDERED


class Tools(BaseJourneyTools[State]):
    @tool(steps=Step.SHOPPING, to=Step.SHOPPING, effect="once")
    async def add_items(self, items: list[Item]) -> str:
        """Put items into the cart."""
        for item in items:
            self.state.cart[item.product] = self.state.cart.get(item.product, 0) + item.amount
        return self._count()

    @tool(steps=Step.SHOPPING, to=Step.SHOPPING, effect="idempotent")
    async def remove_item(self, product: Product) -> str | ToolResult:
        """Take a product out of the cart."""
        if product not in self.state.cart:
            return ToolResult.fail(f"There is no {product.value} in the cart.")
        del self.state.cart[product]
        return self._count()

    @tool(steps=Step.SHOPPING, to=Step.CHECKOUT, effect="idempotent")
    async def check_out(self) -> str | ToolResult:
        """Go to the checkout."""
        if not self.state.cart:
            return ToolResult.fail("The cart is empty.")
        self.state.step = Step.CHECKOUT
        return self._count()

    @tool(steps=Step.CHECKOUT, to=Step.SHOPPING, effect="idempotent")
    async def keep_shopping(self) -> str:
        """Go back from the checkout to change the cart."""
        self.state.step = Step.SHOPPING
        return self._count()

    @tool(steps=Step.CHECKOUT, to=Step.ORDERED, effect="once")
    async def place_order(self) -> str:
        """Order what is in the cart."""
        self.state.step = Step.ORDERED
        return f"Ordered for {self.state.total} euros."

    def _count(self) -> str:
        self.state.total = sum(PRICES[product] * amount for product, amount in self.state.cart.items())
        lines = ", ".join(f"{amount} {product.value}" for product, amount in self.state.cart.items())
        return f"The cart has {lines or 'nothing'}: {self.state.total} euros."


class CartAgent(JourneyAgent[State, Tools, Step]):
    key = "cart"
    prompts = {
        Step.SHOPPING: "Sell tea, jam and bread with add_items and remove_item. When the user has all, call check_out.",
        Step.CHECKOUT: PromptTemplate("It is $total euros. If the user agrees call place_order, else keep_shopping."),
        Step.ORDERED: "Thank the user for the order.",
    }


agent = CartAgent()
