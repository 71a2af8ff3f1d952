"""Routing: which journey a person wants, by the tool that a model calls or by the words that they use."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from .schemas import ToolSchema, ToolSchemaBuilder, schemas_to_openai_format

JourneyT = TypeVar("JourneyT")

REROUTE = "reroute_conversation"

DEFAULT_CONFIDENCE = 0.5

_TURKISH = {0x130: "i", 0x131: "i"}
"""The i with a dot in capitals and the one without in small letters; other languages know one i."""


@dataclass
class RouteDefinition(Generic[JourneyT]):
    """Is one way into a journey: the tool that a model calls to take it, and words that speak for it.

    >>> from agent_runtime_framework import RouteDefinition
    >>> RouteDefinition("quote", "start_quote", "Get a new insurance quote").to_tool_schema().name
    'start_quote'
    """

    journey: JourneyT
    name: str
    description: str
    keywords: list[str] = field(default_factory=list)

    def to_tool_schema(self) -> ToolSchema:
        """Return the tool; calling it twice does what calling it once does."""
        return ToolSchema(self.name, self.description, effect="read")


@dataclass
class RouteResult(Generic[JourneyT]):
    """Is a journey that was detected, and how sure that is, from 0 to 1.

    >>> from agent_runtime_framework import RouteResult
    >>> RouteResult("claim").confidence
    1.0
    """

    journey: JourneyT
    confidence: float = 1.0
    metadata: dict[str, Any] = field(default_factory=dict)


class IntentDetector(Generic[JourneyT]):
    """Detects a journey by keywords, without a model.

    A keyword hits where a word starts with it, in any case; one of several words hits across any white space.

    >>> from agent_runtime_framework import IntentDetector
    >>> detector = IntentDetector[str]().add_keywords("claim", ["claim", "accident"]).add_keywords("quote", ["price"])
    >>> detector.detect("I have two Claims to file")
    RouteResult(journey='claim', confidence=0.5, metadata={})
    >>> detector.detect("Hello") is None
    True
    """

    def __init__(self, default_journey: JourneyT | None = None) -> None:
        self.default_journey = default_journey
        self._keywords: dict[JourneyT, dict[str, re.Pattern[str]]] = {}

    def add_keywords(self, journey: JourneyT, keywords: Iterable[str]) -> Self:
        """Add words that speak for a journey; one that is there already counts once.

        Raises:
            TypeError: `keywords` is a single text.
            ValueError: one of them is empty.

        """
        if isinstance(keywords, str):
            raise TypeError(f"the keywords of {journey!r} are one text; give a list: [{keywords!r}]")
        patterns = [_pattern(keyword) for keyword in keywords]
        self._keywords.setdefault(journey, {}).update((each.pattern, each) for each in patterns)
        return self

    def detect(self, text: str) -> RouteResult[JourneyT] | None:
        """Return the journey with most keywords that hit, the one added first among equals.

        Its confidence is the share of its keywords that hit.  Where none hits it is the default journey at 0.5, or None
        without one.
        """
        text = _folded(text)
        hits = {
            journey: sum(_hits(pattern, text) for pattern in patterns.values())
            for journey, patterns in self._keywords.items()
        }
        best = max(hits, key=hits.__getitem__, default=None)
        if best is not None and hits[best]:
            return RouteResult(best, hits[best] / len(self._keywords[best]))
        return None if self.default_journey is None else RouteResult(self.default_journey, DEFAULT_CONFIDENCE)


class IntentRouter(Generic[JourneyT]):
    """Offers a model one tool a route, and says which journey a call of one leads to.

    >>> from agent_runtime_framework import IntentRouter, RouteDefinition
    >>> router = IntentRouter[str]()
    >>> _ = router.add_route(RouteDefinition("quote", "start_quote", "Get a new quote", keywords=["price"]))
    >>> router.route_names, router.resolve_tool_call("start_quote")
    (['start_quote'], 'quote')
    >>> router.detect_fallback("What is the price?").journey
    'quote'
    """

    def __init__(self, fallback_detector: IntentDetector[JourneyT] | None = None) -> None:
        self.fallback_detector = fallback_detector
        self._routes: dict[str, RouteDefinition[JourneyT]] = {}
        self._detector = IntentDetector[JourneyT]()

    def add_route(self, route: RouteDefinition[JourneyT]) -> Self:
        """Add a route.

        Raises:
            ValueError: there is a route of that name, or one of its keywords is empty.
            TypeError: its keywords are a single text.

        """
        if route.name in self._routes:
            journey = self._routes[route.name].journey
            raise ValueError(f"route {route.name!r} leads to {journey!r} already; give the second one another name")
        self._detector.add_keywords(route.journey, route.keywords)
        self._routes[route.name] = route
        return self

    def add_routes(self, routes: Iterable[RouteDefinition[JourneyT]]) -> Self:
        """Add routes, in their order.

        Raises:
            ValueError, TypeError: as for `add_route`.

        """
        for route in routes:
            self.add_route(route)
        return self

    def get_tool_schemas(self) -> list[ToolSchema]:
        """Return one tool a route."""
        return [route.to_tool_schema() for route in self._routes.values()]

    def get_tool_schemas_openai(self) -> list[dict[str, Any]]:
        """Return the tools in the form that OpenAI's API takes."""
        return schemas_to_openai_format(self.get_tool_schemas())

    def resolve_tool_call(self, name: str) -> JourneyT | None:
        """Return the journey that a call of the tool leads to, or None if it is no routing tool."""
        route = self._routes.get(name)
        return None if route is None else route.journey

    def is_routing_tool(self, name: str) -> bool:
        """Say whether a tool is that of a route."""
        return name in self._routes

    def detect_fallback(self, text: str) -> RouteResult[JourneyT] | None:
        """Return the journey whose routes' keywords hit most, else what the fallback detector says, else None."""
        found = self._detector.detect(text)
        if found is None and self.fallback_detector is not None:
            found = self.fallback_detector.detect(text)
        return found

    @property
    def route_names(self) -> list[str]:
        """The names of all routes, in the order of their adding."""
        return list(self._routes)

    @property
    def journeys(self) -> list[JourneyT]:
        """The journeys that the routes lead to, each once, in the order of their adding."""
        return list(dict.fromkeys(route.journey for route in self._routes.values()))


def clashes(routing: Iterable[str], tools: Iterable[str]) -> list[str]:
    """Return the names that both routing tools and an agent's declared tools have; a call could mean either."""
    return sorted(set(routing) & set(tools))


def create_reroute_tool() -> ToolSchema:
    """Return the tool by which a model leaves a journey, so that the conversation is routed anew.

    >>> from agent_runtime_framework import create_reroute_tool
    >>> create_reroute_tool().name
    'reroute_conversation'
    """
    return (
        ToolSchemaBuilder(REROUTE)
        .description("Leave the current topic, when the user wants something that it has no tool for.")
        .param("reason", "string", "What the user wants instead")
        .effect("read")
        .build()
    )


def _pattern(keyword: str) -> re.Pattern[str]:
    words = r"\s+".join(re.escape(word) for word in _folded(keyword).split())
    if not words:
        raise ValueError("a keyword is empty; it would hit every text")
    return re.compile(f"(?={words})")  # a look ahead, so that one place that counts not hides none that does


def _hits(pattern: re.Pattern[str], text: str) -> bool:
    return any(found.start() == 0 or not _in_word(text[found.start() - 1]) for found in pattern.finditer(text))


def _in_word(character: str) -> bool:
    # an accent, or a vowel sign of an Indic script, is a character of its own in the middle of a word
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")


def _folded(text: str) -> str:
    """Return the one form of a text in any case: `STRASSE` is `Straße`, and an accent is one with its letter."""
    composed = unicodedata.normalize("NFC", text).translate(_TURKISH)
    return unicodedata.normalize("NFC", composed.casefold())
