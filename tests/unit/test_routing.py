"""Routing: by the tool that a model calls, or by the words that a person uses."""

from enum import StrEnum
from typing import Any

import pytest

from agent_runtime_framework import IntentDetector, IntentRouter, RouteDefinition, RouteResult, create_reroute_tool


class Journey(StrEnum):
    QUOTE = "quote"
    CLAIM = "claim"
    SUPPORT = "support"


QUOTE = RouteDefinition(Journey.QUOTE, "start_quote", "Get a new insurance quote", ["quote", "price"])
CLAIM = RouteDefinition(Journey.CLAIM, "file_claim", "File or check on a claim", ["claim", "accident", "new damage"])


def detector(default: Journey | None = None) -> IntentDetector[Journey]:
    found = IntentDetector[Journey](default_journey=default)
    return found.add_keywords(Journey.QUOTE, QUOTE.keywords).add_keywords(Journey.CLAIM, CLAIM.keywords)


def test_a_route_has_its_fields_in_the_order_of_the_contract() -> None:
    route = RouteDefinition(Journey.QUOTE, "start_quote", "Get a quote", ["quote"])

    assert (route.journey, route.name) == (Journey.QUOTE, "start_quote")
    assert (route.description, route.keywords) == ("Get a quote", ["quote"])
    assert RouteDefinition(Journey.SUPPORT, "support", "Help").keywords == []


def test_a_routes_tool_has_its_name_and_description_and_no_parameters() -> None:
    assert QUOTE.to_tool_schema().to_openai_format() == {
        "type": "function",
        "function": {
            "name": "start_quote",
            "description": "Get a new insurance quote",
            "parameters": {"type": "object", "properties": {}, "required": []},
        },
    }


def test_a_routes_tool_may_be_repeated() -> None:
    assert QUOTE.to_tool_schema().effect == "read"
    assert create_reroute_tool().effect == "read"


def test_a_result_is_certain_unless_told() -> None:
    result = RouteResult(Journey.QUOTE)

    assert (result.journey, result.confidence, result.metadata) == (Journey.QUOTE, 1.0, {})
    assert RouteResult(Journey.QUOTE, 0.5, {"by": "words"}) == RouteResult(
        journey=Journey.QUOTE, confidence=0.5, metadata={"by": "words"}
    )


def test_adding_keywords_goes_on() -> None:
    found = IntentDetector[Journey]()

    assert found.add_keywords(Journey.QUOTE, ["quote"]) is found


def test_the_journey_with_most_hits_is_detected() -> None:
    assert detector().detect("The price of a claim after an accident") == RouteResult(Journey.CLAIM, 2 / 3)
    assert detector().detect("A quote with a price for my claim") == RouteResult(Journey.QUOTE, 1.0)


def test_hits_count_and_not_their_share() -> None:
    found = IntentDetector[Journey]().add_keywords(Journey.QUOTE, ["quote"])
    found.add_keywords(Journey.CLAIM, ["claim", "accident", "damage", "theft"])

    assert found.detect("quote claim accident") == RouteResult(Journey.CLAIM, 0.5)


@pytest.mark.parametrize("text", ["claim", "Claims", "my CLAIM!", "(claimant)", "two\nclaims", "pre-claim"])
def test_a_keyword_hits_at_the_start_of_a_word_in_any_case(text: str) -> None:
    assert detector().detect(text) == RouteResult(Journey.CLAIM, 1 / 3)


@pytest.mark.parametrize("text", ["", "reclaim", "disclaimer", "unquoted", "clai m", "_claim", "2claims"])
def test_a_keyword_does_not_hit_inside_a_word(text: str) -> None:
    assert detector().detect(text) is None


def test_a_keyword_is_in_any_case_too() -> None:
    assert IntentDetector[Journey]().add_keywords(Journey.CLAIM, ["CLAIM"]).detect("a claim") is not None


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("straße", "STRASSE 5"),
        ("Strasse", "straße 5"),
        ("caf\u00e9", "CAFE\u0301"),
        ("cafe\u0301", "caf\u00e9s"),
        ("istanbul", "\u0130stanbul"),
        ("ISTANBUL", "istanbul"),
        ("ΟΔΟΣ", "οδος"),
    ],
)
def test_any_case_and_either_form_of_an_accent_hit(keyword: str, text: str) -> None:
    assert IntentDetector[Journey]().add_keywords(Journey.CLAIM, [keyword]).detect(text) is not None


@pytest.mark.parametrize(("keyword", "text"), [("clame", "re\u0301clame"), ("दी", "हिन्दी"), ("b a", "xb ab")])
def test_an_accent_or_a_vowel_sign_does_not_end_a_word(keyword: str, text: str) -> None:
    assert IntentDetector[Journey]().add_keywords(Journey.CLAIM, [keyword]).detect(text) is None


def test_a_place_inside_a_word_does_not_hide_one_at_a_words_start() -> None:
    found = IntentDetector[Journey]().add_keywords(Journey.CLAIM, ["ding dong ding"])

    assert found.detect("sending ding dong ding") is not None
    assert found.detect("Xding dong ding dong ding") is not None
    assert found.detect("Xding dong ding") is None


def test_adding_another_spelling_of_a_keyword_takes_none_away() -> None:
    found = IntentDetector[Journey]().add_keywords(Journey.CLAIM, ["Straße", "new  damage"])
    found.add_keywords(Journey.CLAIM, ["STRASSE", "new damage"])

    assert found.detect("die Straße") == RouteResult(Journey.CLAIM, 0.5)
    assert found.detect("die Straße: new damage") == RouteResult(Journey.CLAIM, 1.0)


def test_a_text_without_end_or_of_broken_characters_is_only_a_text() -> None:
    assert detector().detect("new \ud800 " * 100_000) is None
    assert detector().detect("new" + " " * 100_000 + "damage \ud800") == RouteResult(Journey.CLAIM, 1 / 3)


def test_a_keyword_of_several_words_hits_across_any_white_space() -> None:
    assert detector().detect("There is new\n damage") == RouteResult(Journey.CLAIM, 1 / 3)
    assert detector().detect("new and damage") is None


@pytest.mark.parametrize("keyword", ["c++", "a.b", "(x", "#tag", "$5"])
def test_a_keyword_is_text_and_no_pattern(keyword: str) -> None:
    found = IntentDetector[Journey]().add_keywords(Journey.QUOTE, [keyword])

    assert found.detect(f"about {keyword}") == RouteResult(Journey.QUOTE, 1.0)
    assert found.detect("about acb, x, c, 5 and tag") is None


def test_a_keyword_that_hits_twice_counts_once() -> None:
    assert detector().detect("claim claim claim, what price for a quote") == RouteResult(Journey.QUOTE, 1.0)


def test_confidence_is_at_most_one_when_a_keyword_is_added_again() -> None:
    found = detector().add_keywords(Journey.QUOTE, ["Quote", "price", "cost"])

    assert found.detect("quote and price") == RouteResult(Journey.QUOTE, 2 / 3)
    assert found.detect("quote price cost") == RouteResult(Journey.QUOTE, 1.0)


def test_a_tie_goes_to_the_one_added_first() -> None:
    assert detector().detect("claim or quote?") == RouteResult(Journey.QUOTE, 0.5)
    other = IntentDetector[Journey]().add_keywords(Journey.CLAIM, ["claim"]).add_keywords(Journey.QUOTE, ["quote"])
    assert other.detect("quote or claim?") == RouteResult(Journey.CLAIM, 1.0)


def test_without_a_hit_it_is_the_default_at_a_half_or_nothing() -> None:
    assert detector(Journey.SUPPORT).detect("Hello") == RouteResult(Journey.SUPPORT, 0.5)
    assert detector().detect("Hello") is None
    assert IntentDetector[Journey]().detect("Hello") is None
    assert IntentDetector(Journey.SUPPORT).detect("") == RouteResult(Journey.SUPPORT, 0.5)


def test_a_hit_goes_before_the_default() -> None:
    assert detector(Journey.SUPPORT).detect("a claim") == RouteResult(Journey.CLAIM, 1 / 3)


def test_a_journey_without_keywords_is_never_detected() -> None:
    assert IntentDetector[Journey]().add_keywords(Journey.QUOTE, []).detect("anything") is None


@pytest.mark.parametrize("keywords", [[""], ["quote", " \n"]])
def test_an_empty_keyword_is_refused(keywords: list[str]) -> None:
    with pytest.raises(ValueError, match="would hit every text"):
        IntentDetector[Journey]().add_keywords(Journey.QUOTE, keywords)


def test_a_text_instead_of_a_list_of_keywords_is_refused() -> None:
    with pytest.raises(TypeError, match=r"give a list: \['quote'\]"):
        IntentDetector[Journey]().add_keywords(Journey.QUOTE, "quote")


def router(**options: Any) -> IntentRouter[Journey]:
    return IntentRouter[Journey](**options).add_routes([QUOTE, CLAIM])


def test_adding_routes_goes_on() -> None:
    made = IntentRouter[Journey]()

    assert made.add_route(QUOTE) is made
    assert made.add_routes([CLAIM]) is made
    assert made.route_names == ["start_quote", "file_claim"]


def test_a_router_offers_one_tool_a_route_in_their_order() -> None:
    assert router().get_tool_schemas() == [QUOTE.to_tool_schema(), CLAIM.to_tool_schema()]
    assert router().get_tool_schemas_openai() == [
        QUOTE.to_tool_schema().to_openai_format(),
        CLAIM.to_tool_schema().to_openai_format(),
    ]


def test_a_call_of_a_routing_tool_leads_to_its_journey() -> None:
    assert router().resolve_tool_call("start_quote") is Journey.QUOTE
    assert router().resolve_tool_call("file_claim") is Journey.CLAIM
    assert router().is_routing_tool("file_claim")


def test_a_call_of_another_tool_leads_nowhere() -> None:
    assert router().resolve_tool_call("save_name") is None
    assert not router().is_routing_tool("save_name")
    assert not router().is_routing_tool(create_reroute_tool().name)


def test_several_routes_may_lead_to_one_journey() -> None:
    made = router().add_route(RouteDefinition(Journey.QUOTE, "renew", "Renew a quote"))

    assert made.route_names == ["start_quote", "file_claim", "renew"]
    assert made.journeys == [Journey.QUOTE, Journey.CLAIM]
    assert made.resolve_tool_call("renew") is Journey.QUOTE


def test_a_router_begins_without_routes() -> None:
    made = IntentRouter[Journey]()

    assert (made.route_names, made.journeys, made.get_tool_schemas()) == ([], [], [])
    assert made.detect_fallback("a quote") is None


def test_a_second_route_of_one_name_is_refused_and_the_first_one_stays() -> None:
    made = router()
    with pytest.raises(ValueError, match=r"'start_quote' leads to .* already"):
        made.add_route(RouteDefinition(Journey.SUPPORT, "start_quote", "Help", ["help"]))

    assert made.resolve_tool_call("start_quote") is Journey.QUOTE
    assert made.journeys == [Journey.QUOTE, Journey.CLAIM]
    assert made.detect_fallback("help") is None


def test_a_route_with_an_empty_keyword_is_not_added() -> None:
    made = IntentRouter[Journey]()
    with pytest.raises(ValueError, match="keyword is empty"):
        made.add_route(RouteDefinition(Journey.SUPPORT, "support", "Help", [""]))

    assert made.route_names == []


def test_the_keywords_of_the_routes_detect_a_journey_without_a_model() -> None:
    assert router().detect_fallback("What is the price?") == RouteResult(Journey.QUOTE, 0.5)
    assert router().detect_fallback("Hello") is None


def test_the_fallback_detector_speaks_where_no_routes_keyword_hits() -> None:
    fallback = IntentDetector(Journey.SUPPORT).add_keywords(Journey.CLAIM, ["theft", "burglary"])
    made = router(fallback_detector=fallback)

    assert made.fallback_detector is fallback
    assert made.detect_fallback("What is the price after a theft?") == RouteResult(Journey.QUOTE, 0.5)
    assert made.detect_fallback("There was a theft") == RouteResult(Journey.CLAIM, 0.5)
    assert made.detect_fallback("Hello") == RouteResult(Journey.SUPPORT, 0.5)


def test_the_fallback_detector_may_be_given_by_position() -> None:
    assert IntentRouter(detector()).detect_fallback("a claim") == RouteResult(Journey.CLAIM, 1 / 3)


def test_the_reroute_tool_asks_for_nothing() -> None:
    schema = create_reroute_tool().to_openai_format()["function"]

    assert schema["name"] == "reroute_conversation"
    assert schema["description"]
    assert schema["parameters"]["required"] == []


def test_the_documents_router_works_as_printed() -> None:
    made = IntentRouter[Journey]()
    made.add_route(RouteDefinition(journey=Journey.QUOTE, name="start_quote", description="Get a new insurance quote"))
    made.add_route(RouteDefinition(journey=Journey.CLAIM, name="file_claim", description="File or check on a claim"))

    assert [tool.name for tool in made.get_tool_schemas()] == ["start_quote", "file_claim"]
    assert made.resolve_tool_call("start_quote") == Journey.QUOTE
