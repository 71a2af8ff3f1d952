"""Finding what a tool needs in the words of a person: an address, a name, a number, a choice.

The rules know no grammar.  They look at the pieces between punctuation, leave out those that ask or deny ("not Ada",
"what is pro"), and decide by a few patterns and two lists of words.  So they can be fooled; they are few instead.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

KEYBOARD = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"})

ADDRESS = re.compile(
    r"""(?<![^\s,;<>()"])[^\s,;<>()"]*@[^\s,;<>()"]*                                       # with an @, whole or not
    |   (?<![\w.+-])[\w.+-]+\s+(?:@|at|\(at\)|\[at\])\s+[\w-]+(?:(?:\.|\s+dot\s+)[\w-]+)+  # spelled out
    |   (?<![\w.+-])[\w+-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}                                      # the @ forgotten
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""What was probably meant as an email address, so that a tool can say what is wrong with it."""

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?!\w)")

BREAK = re.compile(r"([,;:?\n()]|!+|(?<=\w\w)\.(?=\s|$)|\s-\s|\b(?:and|but)\b)", re.IGNORECASE)
"""Where one piece ends; the dot of an initial is no end."""

ASKS = re.compile(
    r"\s*(?:what|which|why|how|who|where|when)\b|\s*(?:is|are|do|does|can|could|may)\s+(?:i|it|that|the|this|you)\b",
    re.IGNORECASE,
)
DENIES = re.compile(r"\b(?:not|no|never|neither|nor|without|instead of|don'?t)\b|n't\b", re.IGNORECASE)

INTRODUCES = re.compile(
    r"\b(?:name\s+is|name's|i\s+am|i'?m|it\s+is|it'?s|this\s+is|call\s+me)\s+",
    re.IGNORECASE,
)


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


COURTESIES = _listed(
    """afternoon again day dear evening folks good greetings hello here hey hi hiya howdy morning oh ok okay please sir
    so sure thank thanks there well yeah yep yes you"""
)
"""May stand around a name, and are none."""

NO_NAMES = COURTESIES | _listed(
    """a about account actually afraid all also am an any anything as at back be because begin bored busy by bye cancel
    cool curious do done email excited few fine for from glad go going great happy have he help her him his hm hmm how
    huh i idea if in interested is it it's join just know later let let's like lol looking lost mail maybe me mine more
    my nah name need new nice nope nothing of on one or perhaps quit ready really register right she sign skip some
    something sorry start stop sup tell test testing than that the their then they think this tired to too trying uh um
    up wait want was we welcome who why wish with would wow yo your yup"""
)
"""Stand where a name could, and are none: "I am fine", "it's me"."""

YES = _listed("yes yeah yep sure ok okay fine agreed")
NO = _listed("no nope nah not never")

VERBS = _listed("begin call change conversation create file find have look make open reroute save send show start take")
"""Stand in a tool's name, and tell nothing of what it is about."""

PARTICLES = _listed("al bin da de del della den der di du el la le of ter van von y")
"""Parts of a name that are written small."""

NAME_LENGTH = 5
"""Words that a name has at most."""


def plain(text: str) -> str:
    """Return the text with letters composed, and quotes and dashes as on a keyboard."""
    return unicodedata.normalize("NFC", text).translate(KEYBOARD)


def find(name: str, schema: Mapping[str, Any], text: str) -> Any:
    """Return the value in these words for a tool's parameter of this name and JSON schema, None if there is none."""
    if schema.get("enum"):
        return _choice(schema["enum"], text)
    if schema.get("type") == "boolean":
        return _yes_or_no(text)
    if schema.get("type") == "array":
        item = _item(name, schema.get("items") or {}, text)
        return None if item is None else [item]
    if schema.get("type") in ("integer", "number"):
        return _number(text, whole=schema["type"] == "integer")
    for hint in (name.replace("_", " "), str(schema.get("description", ""))):
        if re.search(r"e-?mail", hint, re.IGNORECASE):
            return _address(text)
        if re.search(r"\bname\b", hint, re.IGNORECASE):
            return _person(text)
    return _patterned(str(schema["pattern"]), text) if schema.get("pattern") else None


def names(tool: str, text: str) -> bool:
    """Say whether the words have a telling one of a tool's name, in a piece that neither asks nor denies."""
    telling = [word for word in re.split(r"[_-]+", tool.lower()) if len(word) > 3 and word not in VERBS]
    said = " , ".join(_pieces(text))
    return any(re.search(rf"(?<!\w){re.escape(word)}", said, re.IGNORECASE) for word in telling)


def leaves(value: Any) -> list[Any]:
    """Return the texts and numbers in a value, however deep."""
    match value:
        case dict():
            return [leaf for inner in value.values() for leaf in leaves(inner)]
        case list():
            return [leaf for inner in value for leaf in leaves(inner)]
        case _:
            return [value]


def without(text: str, value: object) -> str:
    """Return the text with the first place where it says `value` cut out."""
    said = rf"(?<![\w@.+-]){re.escape(str(value))}(?![\w@+-]|\.\w)"
    return re.sub(said, ",", text, count=1, flags=re.IGNORECASE)


def _address(text: str) -> str | None:
    found = ADDRESS.search(text)
    return found[0].strip(".:!?'\"“”") if found else None


def _number(text: str, *, whole: bool) -> int | float | None:
    for said in NUMBER.findall(ADDRESS.sub(",", text)):
        if "." not in said:
            return int(said)
        if not whole:
            return float(said)
    return None


def _item(name: str, schema: Mapping[str, Any], text: str) -> Any:
    """Return the one item of a list that the words have: of an object all that it requires, and what else is there."""
    if schema.get("type") != "object":
        return find(name, schema, text)
    item: dict[str, Any] = {}
    for part, of_part in (schema.get("properties") or {}).items():
        value = find(part, of_part, text)
        if value is not None:
            item[part] = value
            text = without(text, value)
    return item if item and all(part in item for part in schema.get("required") or ()) else None


def _yes_or_no(text: str) -> bool | None:
    said = set(re.findall(r"\w+", text.lower()))
    yes, no = bool(said & YES), bool(said & NO)
    return None if yes == no else yes


def _patterned(pattern: str, text: str) -> str | None:
    return next((word for word in re.split(r"[\s,;]+", text) if re.search(pattern, word)), None)


def _choice(choices: Sequence[Any], text: str) -> Any:
    """Return the one choice that is named; two are as good as none."""
    left, found = " , ".join(_pieces(text)), []
    for choice in sorted(choices, key=lambda choice: -len(str(choice))):  # "pro plus" before "pro"
        words = r"[\s_-]+".join(map(re.escape, re.split(r"[\s_-]+", str(choice))))
        left, times = re.subn(rf"(?<!\w){words}(?!\w)", ",", left, flags=re.IGNORECASE)
        found += [choice] if times else []
    return found[0] if len(found) == 1 else None


def _person(text: str) -> str | None:
    """Return the name that is introduced; else a piece that is nothing but a name, rather one written large."""
    pieces = _pieces(text)
    for piece in pieces:
        said = INTRODUCES.search(piece)
        if said and (words := _name_at_start(piece[said.end() :].split())):
            return _written(words)
    alone = [words for piece in pieces if (words := _uncourteous(piece.split())) and _name_at_start(words) == words]
    return _written(min(alone, key=lambda words: words[0].islower())) if alone else None


def _pieces(text: str) -> list[str]:
    """Return the pieces between breaks, without those that ask or deny."""
    parts = [*BREAK.split(ADDRESS.sub(",", text)), ""]
    return [
        piece
        for piece, end in zip(parts[::2], parts[1::2], strict=True)
        if end != "?" and not ASKS.match(piece) and not DENIES.search(piece)
    ]


def _uncourteous(words: list[str]) -> list[str]:
    while words and words[0].lower() in COURTESIES:
        words = words[1:]
    while words and words[-1].lower() in COURTESIES:
        words = words[:-1]
    return words


def _name_at_start(words: Sequence[str]) -> list[str]:
    """Return the words at the start that make a name: all but particles are written large, or all small."""
    name: list[str] = []
    small: bool | None = None
    for word in words[:NAME_LENGTH]:
        if not _is_name(word):
            break
        if word not in PARTICLES:
            if small is not None and word.islower() != small:
                break
            small = word.islower()
        name.append(word)
    while name and name[-1] in PARTICLES:
        name.pop()
    return name


def _is_name(word: str) -> bool:
    """Say whether a word can be a part of a name: letters and their marks, apostrophes, hyphens and dots."""
    bare = word.strip("\"'")
    letters = all(sign in "'-." or unicodedata.category(sign)[0] in "LM" for sign in bare)
    return letters and bare[:1].isalpha() and bare.lower() not in NO_NAMES


def _written(words: Sequence[str]) -> str:
    """Return the name, with large initials where all of it was written small."""
    name = " ".join(words).strip("\"'.")
    return name.title() if name.islower() else name
