"""Speaking a prompt: what a model is told to say, turned into what the user hears.

A prompt speaks of the user, the user is spoken to: "the user's name" becomes "your name".  Of a prompt's sentences only
those count that begin with a verb of `SPOKEN`; the others are for better readers.
"""

import re
from collections.abc import Sequence

USER = {"the user's": "your", "the user": "you", "their": "your", "they": "you", "them": "you"}

_USER = re.compile(rf"\b(?:{'|'.join(USER)})\b".replace("'", "['\u2019]"), re.IGNORECASE)

THE_USER = r"(?:the user |them )?"

SPOKEN = tuple(
    (re.compile(sentence, re.IGNORECASE), said)
    for sentence, said in (
        (r"(?:greet|say hello)\b.*", "Hello!"),
        (r"welcome(?: the user)?(?P<rest>.*)", "Welcome{rest}!"),
        (r"thank (?:the user|them)(?P<rest>.*)", "Thank you{rest}."),
        (r"tell (?:the user|them) that (?P<rest>.*)", "{rest}."),
        (rf"ask {THE_USER}for (?P<rest>.*)", "May I have {rest}?"),
        (rf"ask {THE_USER}(?P<rest>(?:what|which|whether|when|where|who|how)\b.*)", "Please tell me {rest}."),
    )
)
"""What a sentence of a prompt is, and how it is said."""

INSTRUCTION = re.compile(r",? (?:and |then )*(?:call|use|using|save|saving)\b.*", re.IGNORECASE)
"""Where, within such a sentence, what follows is no longer said: "Ask for the name and call `save_name`"."""

CONDITION = re.compile(r"\b(?:if|when|whenever|unless|until|once|after|before|only|never|not)\b|n't\b", re.IGNORECASE)


def of_prompt(prompt: str) -> tuple[list[str], list[str]]:
    """Return what a prompt has the model say, and what it has it ask."""
    spoken = [words for sentence in _sentences(prompt) if (words := _spoken(sentence))]
    questions = [words for words in spoken if words.endswith("?") or words.startswith("Please tell me")]
    return [words for words in spoken if words not in questions], questions


def commands(prompt: str, tool: str) -> bool:
    """Say whether a sentence of the prompt says to call this tool, without a condition."""
    call = re.compile(rf"\b(?:call|use|run)\b.*\b{re.escape(tool)}\b", re.IGNORECASE)
    return any(call.search(sentence) and not CONDITION.search(sentence) for sentence in _sentences(prompt))


def question(wanted: str, choices: Sequence[object] = ()) -> str:
    """Return the question for a tool's parameter, from its description."""
    wanted = to_user(wanted.strip().rstrip("."))
    options = f": {' or '.join(map(str, choices))}" if choices else ""
    return f"Please tell me {wanted[:1].lower()}{wanted[1:]}{options}."


def result(text: str) -> str:
    """Return the result of a tool as it is told to the user."""
    error = re.match(r"Error\b[^:]*:\s*", text)
    text = f"Sorry, there was a problem: {text[error.end() :]}" if error else to_user(text)
    text = f"{text[:1].upper()}{text[1:]}".strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def to_user(text: str) -> str:
    """Return the text with the user spoken to."""
    return _USER.sub(lambda said: USER[said[0].lower().replace("\u2019", "'")], text)


def _sentences(prompt: str) -> list[str]:
    return [sentence.strip(" \t*-") for sentence in re.split(r"(?<=[.!?])\s+|\n+", prompt)]


def _spoken(sentence: str) -> str:
    sentence = INSTRUCTION.sub("", sentence.rstrip(".!?"))
    for pattern, said in SPOKEN:
        if found := pattern.fullmatch(sentence):
            words = said.format(rest=to_user(found.groupdict().get("rest", "")))
            return f"{words[:1].upper()}{words[1:]}"
    return ""
