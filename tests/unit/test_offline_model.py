"""The offline model: it reads the prompt, the tools and the words; it calls what it is offered, else it speaks."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from agent_runtime_framework import ToolSchema, ToolSchemaBuilder, schemas_to_openai_format
from agent_runtime_framework.runtime.demo import OfflineModel
from agent_runtime_framework.runtime.models import ModelReply, reply_of, streaming

ASK_NAME = "Ask for the user's name. When you know it, call `save_name`."
BEGIN = ToolSchemaBuilder("begin").description("Begin").build()
NAME = ToolSchemaBuilder("save_name").param("name", "string", "The user's name", required=True).build()
EMAIL = ToolSchemaBuilder("save_email").param("email", "string", "The user's email", required=True).build()
PLAN = (
    ToolSchemaBuilder("choose_plan")
    .param("plan", "string", "The user's plan", required=True, enum=["free", "pro", "pro_plus"])
    .build()
)


def ask(prompt: str, *said: str | dict[str, Any], tools: Sequence[ToolSchema] = ()) -> ModelReply:
    """Return the answer to a conversation: the user's words as they are, other messages as dicts."""
    messages = [{"role": "user", "content": words} if isinstance(words, str) else words for words in said]
    request = [{"role": "system", "content": prompt}, *messages]
    reply = asyncio.run(OfflineModel().generate(request, tools=schemas_to_openai_format(tools) or None))
    assert reply_of(reply) == reply, "the answer can be stored as it is"
    return reply


def words_of(reply: ModelReply) -> str:
    assert "tool_calls" not in reply.message
    assert isinstance(reply.message["content"], str)
    return str(reply.message["content"])


def call_of(reply: ModelReply) -> tuple[str, dict[str, Any]] | None:
    calls = reply.message.get("tool_calls")
    if not calls:
        return None
    (call,) = calls
    return call["function"]["name"], json.loads(call["function"]["arguments"])


def called(tool: str, result: str, /, **arguments: Any) -> list[dict[str, Any]]:
    """Return the messages of a call that was made, and of what it returned."""
    call = {"id": "c", "type": "function", "function": {"name": tool, "arguments": json.dumps(arguments)}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": result},
    ]


# --- names


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("I am Ada", "Ada"),
        ("i'm ada", "Ada"),
        ("It\u2019s ada lovelace", "Ada Lovelace"),
        ("my name is Ada Lovelace.", "Ada Lovelace"),
        ("Name: Ada", "Ada"),
        ("hello, this is Ada from Paris", "Ada"),
        ("please call me Ada and not Adele", "Ada"),
        ("Ada", "Ada"),
        ("hi Ada here", "Ada"),
        ("Good morning! Ada.", "Ada"),
        ("sure, it's me: Ada", "Ada"),
        ("José Ángel", "José Ángel"),
        ("Jose\u0301 A\u0301ngel", "José Ángel"),
        ("I am Zoë", "Zoë"),
        ("O\u2019Neill", "O'Neill"),
        ("Jean-Luc", "Jean-Luc"),
        ("J. R. R. Tolkien", "J. R. R. Tolkien"),
        ("I'm Ludwig van Beethoven, the composer", "Ludwig van Beethoven"),
        ("I am Ada ada@example.org pro", "Ada"),
        ("हेमा", "हेमा"),
    ],
)
def test_a_name_is_found_in_a_sentence(said: str, name: str) -> None:
    assert call_of(ask(ASK_NAME, said, tools=[NAME])) == ("save_name", {"name": name})


@pytest.mark.parametrize(
    "said",
    [
        "hi",
        "Hello there!",
        "what?",
        "is it Ada?",
        "I'm not Ada",
        "I am fine",
        "it's OK",
        "who are you",
        "42",
        "ada99",
        "I am",
        "I want the pro plan",
        "ada@example.org",
        "no idea",
        "yes please",
        "!!!",
        "ich bin Ada",
        "thanks",
    ],
)
def test_what_is_no_name_is_not_taken_for_one(said: str) -> None:
    assert words_of(ask(ASK_NAME, said, tools=[NAME])) == "May I have your name?"


# --- addresses, choices, numbers


@pytest.mark.parametrize(
    ("said", "email"),
    [
        ("ada@example.org", "ada@example.org"),
        ("Sure, it is <Ada.Lovelace+x@example.org>.", "Ada.Lovelace+x@example.org"),
        ("may I use ada@example.org?", "ada@example.org"),
        ("my email is ada@, sorry", "ada@"),
        ("ada at example.org", "ada at example.org"),
        ("ada (at) example dot org", "ada (at) example dot org"),
        ("ada @ example.org", "ada @ example.org"),
        ("it's ada.example.org!", "ada.example.org"),
        ("@ada", "@ada"),
    ],
)
def test_whatever_was_meant_as_an_address_is_handed_to_the_tool_as_it_was_typed(said: str, email: str) -> None:
    assert call_of(ask("Ask for the user's email.", said, tools=[EMAIL])) == ("save_email", {"email": email})


@pytest.mark.parametrize("said", ["Ada", "I have none. Sorry.", "at home", "what?", "12.5"])
def test_what_is_no_attempt_at_an_address_is_asked_about(said: str) -> None:
    assert words_of(ask("Ask for the user's email.", said, tools=[EMAIL])) == "May I have your email?"


@pytest.mark.parametrize(
    ("said", "plan"),
    [
        ("pro", "pro"),
        ("PRO!", "pro"),
        ("the free one, please", "free"),
        ("I don't want pro, free is fine", "free"),
        ("free, not pro", "free"),
        ("is there more? pro then", "pro"),
        ("pro plus", "pro_plus"),
        ("Pro-plus of course", "pro_plus"),
    ],
)
def test_a_choice_is_found_by_its_words(said: str, plan: str) -> None:
    assert call_of(ask("Help.", said, tools=[PLAN])) == ("choose_plan", {"plan": plan})


@pytest.mark.parametrize("said", ["pro or free", "not pro", "what is pro", "pro?", "profound", "freedom", "both"])
def test_a_choice_that_is_not_clear_is_asked_for(said: str) -> None:
    assert words_of(ask("Help.", said, tools=[PLAN])) == "Please tell me your plan: free or pro or pro_plus."


def test_numbers_are_found_in_the_type_that_the_tool_wants() -> None:
    seats = ToolSchemaBuilder("book").param("seats", "integer", "How many", required=True).build()
    price = ToolSchemaBuilder("bid").param("price", "number", "The price", required=True).build()
    assert call_of(ask("", "about 2.5, so 3 seats for a1@example9.org", tools=[seats])) == ("book", {"seats": 3})
    assert call_of(ask("", "make it -2.5", tools=[price])) == ("bid", {"price": -2.5})
    assert call_of(ask("", "two", tools=[seats])) is None


# --- which tool


def test_a_tool_that_is_not_offered_is_never_called() -> None:
    said = "I am Ada, ada@example.org, pro. Call `begin`."
    assert words_of(ask("Call `begin`. Call `save_name`.", said))
    assert call_of(ask("Call `begin`. Call `save_name`.", said, tools=[EMAIL])) == (
        "save_email",
        {"email": "ada@example.org"},
    )


def test_a_tool_is_not_called_before_all_that_it_requires_was_said() -> None:
    both = (
        ToolSchemaBuilder("sign_up")
        .param("name", "string", "The user's name", required=True)
        .param("email", "string", "The user's email", required=True)
        .param("plan", "string", "The user's plan", enum=["free", "pro"])
        .build()
    )
    assert call_of(ask("", "I am Ada", tools=[both])) is None
    assert call_of(ask("", "ada@example.org", tools=[both])) is None
    assert call_of(ask("", "Ada, ada@example.org", tools=[both])) == (
        "sign_up",
        {"name": "Ada", "email": "ada@example.org"},
    )
    assert call_of(ask("", "Ada ada@example.org pro", tools=[both])) == (
        "sign_up",
        {"name": "Ada", "email": "ada@example.org", "plan": "pro"},
    )


@pytest.mark.parametrize(
    ("prompt", "called_now"),
    [
        ("Be kind. Call `begin` now.", True),
        ("Please use the begin tool.", True),
        ("When the user agrees, call `begin`.", False),
        ("Never call `begin`.", False),
        ("Call `beginning` now. We begin.", False),
        ("", False),
    ],
)
def test_a_tool_without_parameters_is_called_when_the_prompt_says_so_without_a_condition(
    prompt: str, called_now: bool
) -> None:
    assert call_of(ask(prompt, "hi", tools=[BEGIN])) == (("begin", {}) if called_now else None)


def test_the_same_call_is_not_made_twice_in_a_turn_but_again_in_the_next() -> None:
    turn: list[str | dict[str, Any]] = ["hi", *called("begin", "Begun")]
    assert words_of(ask("Call `begin`.", *turn, tools=[BEGIN])) == "Begun."
    done = {"role": "assistant", "content": "Begun."}
    assert call_of(ask("Call `begin`.", *turn, done, "go on", tools=[BEGIN])) == ("begin", {})


def test_words_that_a_call_has_used_are_not_used_again_in_the_turn() -> None:
    said = "my email is ada@, I mean ada@example.org"
    refused = called("save_email", "'ada@' is no address", email="ada@")
    assert call_of(ask("", said, tools=[EMAIL])) == ("save_email", {"email": "ada@"})
    assert call_of(ask("", said, *refused, tools=[EMAIL])) == ("save_email", {"email": "ada@example.org"})
    taken = called("save_email", "Saved", email="ada@example.org")
    assert words_of(ask("Ask for the user's email.", said, *refused, *taken, tools=[EMAIL]))


def test_a_name_that_was_used_does_not_spoil_the_address_that_contains_it() -> None:
    reply = ask("", "ada@example.org, it's ada", *called("save_name", "Hi", name="Ada"), tools=[EMAIL])
    assert call_of(reply) == ("save_email", {"email": "ada@example.org"})


def test_words_of_an_earlier_turn_are_not_used() -> None:
    asked = {"role": "assistant", "content": "May I have your name?"}
    assert call_of(ask("", "ada@example.org", asked, "Ada", tools=[EMAIL])) is None


# --- what it says


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Greet the user. Ask for their email.", "Hello! May I have your email?"),
        ("Ask for the user\u2019s name.", "May I have your name?"),
        ("Welcome the user to the shop. Ask what they need.", "Welcome to the shop! Please tell me what you need."),
        ("Ask the user for the user's name, then call `save_name`.", "May I have your name?"),
        ("- Thank the user for waiting.\n- Tell the user that they are next.", "Thank you for waiting. You are next."),
        ("You are brief. If the user is rude, ask for patience. Ask for tea.", "May I have tea?"),
    ],
)
def test_a_prompt_is_spoken_to_the_user(prompt: str, said: str) -> None:
    assert words_of(ask(prompt, "...")) == said


def test_where_the_prompt_asks_nothing_the_tools_description_does() -> None:
    assert words_of(ask("Collect the name.", "hi", tools=[NAME])) == "Please tell me your name."
    bare = ToolSchemaBuilder("save").param("house_number", "integer", required=True).build()
    assert words_of(ask("", "hi", tools=[bare])) == "Please tell me house number."


def test_a_result_is_said_and_what_the_new_prompt_wants_is_asked() -> None:
    reply = ask("Ask for the user's email.", "Ada", *called("save_name", "the user's name is saved", name="Ada"))
    assert words_of(reply) == "Your name is saved. May I have your email?"


def test_a_result_that_asks_already_is_enough() -> None:
    reply = ask("Ask for the user's email.", "Ada", *called("save_name", "Great! What's your email?", name="Ada"))
    assert words_of(reply) == "Great! What's your email?"


def test_an_error_of_a_tool_is_said_as_one() -> None:
    reply = ask("Ask for the plan.", "gold", *called("choose_plan", "Error executing choose_plan: no plan 'gold'"))
    assert words_of(reply) == "Sorry, there was a problem: no plan 'gold'. May I have the plan?"


def test_who_was_not_understood_is_told_so_and_asked_again() -> None:
    asked = {"role": "assistant", "content": "Hello! May I have your name?"}
    prompt = f"Greet the user. {ASK_NAME}"
    assert words_of(ask(prompt, "hi", asked, "what?", tools=[NAME])) == (
        "Sorry, I did not understand that. May I have your name?"
    )


def test_what_was_said_is_not_said_again_and_where_nothing_is_left_it_says_what_it_is() -> None:
    thanked = {"role": "assistant", "content": "Thank you for signing up."}
    said = words_of(ask("Thank the user for signing up.", "pro", thanked, "and now?"))
    assert "offline demo model" in said
    assert "Thank you" not in said


def test_prompts_that_know_nothing_of_this_model_are_followed() -> None:
    saved = called("save_name", "Great, Ada! Now, what's your email?", name="Ada")
    assert words_of(ask("Welcome! Ask for the user's name.", "hi")) == "Welcome! May I have your name?"
    assert call_of(ask("Collect the user's name using save_name tool.", "I am Ada", tools=[NAME])) is not None
    collect = "Collect the user's email using save_email tool."
    assert words_of(ask(collect, "I am Ada", *saved, tools=[EMAIL])) == "Great, Ada! Now, what's your email?"
    assert words_of(ask(collect, "what?", tools=[EMAIL])) == "Please tell me your email."
    assert words_of(ask("Thank the user for completing onboarding.", "ok")) == "Thank you for completing onboarding."


# --- as a client


async def test_words_are_streamed_one_by_one_and_others_run_in_between() -> None:
    heard: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def note() -> None:
        heard.append("|")

    def listen(text: str) -> None:
        heard.append(text)
        tasks.append(asyncio.create_task(note()))

    model = OfflineModel()
    assert streaming(model) is model
    messages = [{"role": "system", "content": ASK_NAME}, {"role": "user", "content": "hi"}]
    reply = await model.stream(messages, tools=schemas_to_openai_format([NAME]), on_delta=listen, temperature=0)
    await asyncio.gather(*tasks)
    assert heard == ["May ", "|", "I ", "|", "have ", "|", "your ", "|", "name?", "|"]
    assert reply == await model.generate(messages, tools=schemas_to_openai_format([NAME]))
    assert (reply.model, reply.finish_reason) == ("offline-demo", "stop")
    assert reply.usage == {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}


def test_ids_of_calls_differ_within_a_conversation() -> None:
    first = ask("", "Ada", tools=[NAME])
    second = ask("", "Ada", *called("begin", "Begun"), tools=[NAME])
    ids = [reply.message["tool_calls"][0]["id"] for reply in (first, second)]
    assert ids == ["call_1", "call_2"]
    assert first.finish_reason == "tool_calls"


def test_a_conversation_without_a_word_of_the_user_is_answered() -> None:
    assert words_of(ask("Greet the user.")) == "Hello!"
    assert words_of(ask("Greet the user.", {"role": "user", "content": None}, tools=[NAME]))


@pytest.mark.parametrize("said", ["a" * 200_000, "a." * 100_000, "a at " * 50_000, "a-" * 90_000, "a@" * 90_000])
def test_a_long_message_does_not_hold_up_the_loop(said: str) -> None:
    began = time.process_time()
    ask(ASK_NAME, said, tools=[EMAIL, PLAN, NAME])
    assert time.process_time() - began < 0.25
