"""The secrets of an agent: sealed in whatever is to be recorded, opened for its author's code, known wherever they are.

Marks are found in three places: the annotations of a journey's state, the hints of its declared tools, and the schemas
that it wrote by hand, which are noticed whenever it is asked for them.  As long as none is found, nothing is done here.

What is known to be secret in a conversation are the values of all tokens in its states and in the calls of its
transcript: so it is a fold, like everything that is known of a conversation, and the same after a crash.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import Any

import msgspec

from ...actors.journey import (
    SHORTEST,
    TOKEN,
    Marks,
    Redaction,
    Secrets,
    ToolSchema,
    marks_in,
    of_arguments,
    of_text,
    opened,
    sealed,
    state_fields,
    texts_of,
    tokens_in,
)
from ...events import InvalidInput
from ...projections import Conversation
from ..secret_keys import KeylessSecrets
from .authored import state_class_of
from .equipped import EquippedJourney
from .telling import NOTHING
from .tokens_over import TokensOver, tokens_in_calls

WHOLE = 8
"""Secrets of so many characters are found in a state also where they are only part of a text."""


KEPT = 256
"""Of so many conversations, those that were asked for last, it is kept what is secret in them."""


class _Kept:
    """Is what is kept of a conversation: its last fold that was asked for, and what was known in that.

    Attributes:
        texts: those of each token that could be opened.
        tokens: what was found in that fold; None where some of it could not be opened, and may be once there is a key.

    """

    def __init__(self) -> None:
        self.fold: Conversation | None = None
        self.redaction = NOTHING
        self.texts: dict[str, frozenset[str]] = {}
        self.tokens: tuple[frozenset[str], frozenset[str]] | None = None
        self.over = TokensOver()


class AgentSecrets:
    """Knows what is secret in the conversations of an agent, whichever of its journeys they are in."""

    def __init__(self, port: Secrets | None = None) -> None:
        self.port = KeylessSecrets() if port is None else port
        self.journeys: list[JourneySecrets] = []
        self._kept: dict[str, _Kept] = {}

    @property
    def marked(self) -> bool:
        """Whether anything is marked in any of the journeys."""
        return any(journey.marked for journey in self.journeys)

    def known(self, conversation: Conversation) -> Redaction:
        """Return what takes all that is secret in a conversation out of texts."""
        if not self.marked:
            return NOTHING
        kept = self._of(conversation.id)
        if kept.fold is not conversation:
            tokens = self._tokens_now(conversation), kept.over.of(conversation.transcript)
            if tokens != kept.tokens:
                self._open(conversation.root, tokens, kept)
            kept.fold = conversation
        return kept.redaction

    def values(self, origin: str, tokens: Iterable[str]) -> frozenset[str]:
        """Return the texts that tokens stand for; one that cannot be opened stands for itself."""
        return frozenset(text for token in tokens for text in self._texts(origin, token))

    def _texts(self, origin: str, token: str) -> frozenset[str]:
        return frozenset(texts_of(self.port.open(origin, token)))

    def _of(self, id_: str) -> _Kept:
        """Return what is kept of a conversation; what was not asked for longest makes room for it."""
        kept = self._kept[id_] = self._kept.pop(id_) if id_ in self._kept else _Kept()
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return kept

    def _open(self, root: str, tokens: tuple[frozenset[str], frozenset[str]], kept: _Kept) -> None:
        """Learn the values of all tokens of a conversation."""
        texts = {token: kept.texts.get(token) or self._texts(root, token) for token in frozenset().union(*tokens)}
        values = frozenset(text for found in texts.values() for text in found if len(text) >= SHORTEST)
        if values != kept.redaction.values:
            kept.redaction = Redaction(values, kept.redaction)
        kept.texts = {token: found for token, found in texts.items() if found != {token}}
        kept.tokens = tokens if len(kept.texts) == len(texts) else None

    def _tokens_now(self, conversation: Conversation) -> frozenset[str]:
        """Return the tokens in the states of a conversation, and in the calls of its last turn."""
        tokens = set(tokens_in(conversation.state))
        # what was recorded before it was marked stands there in clear, and is no less known
        tokens.update(text for each in self.journeys for text in each.texts_in(conversation))
        for left in conversation.left.values():
            tokens.update(tokens_in(left.state))
        transcript = conversation.transcript
        tokens.update(tokens_in_calls(transcript.window(transcript.latest, transcript.latest)))
        return frozenset(tokens)


class JourneySecrets:
    """Seals and opens what is marked in one journey."""

    def __init__(
        self, shared: AgentSecrets, agent: EquippedJourney[Any, Any, Any], state_type: Callable[[], type[Any]]
    ) -> None:
        self.shared = shared
        self._agent = agent
        self._state_type = state_type
        self._parameters: dict[str, dict[str, Marks | None]] = {}
        for name, declared in agent.declared_tools.items():
            self._parameters[name] = {each: argument.marks for each, argument in declared.arguments.items()}
        self._marks = {name: of_arguments(given) for name, given in self._parameters.items()}
        self._marked: bool | None = None
        shared.journeys.append(self)

    @cached_property
    def state(self) -> Marks | None:
        """What is marked in the state; None for nothing.

        Raises:
            TypeError: what is marked cannot be.

        """
        return marks_in(self._state_type())

    @property
    def marked(self) -> bool:
        """Whether anything is marked here; a journey whose state cannot be had marks what its class declares."""
        if self._marked is None:  # it is asked some ten times in a turn
            try:
                self._marked = self.tools_marked or self.state is not None
            except KeyboardInterrupt:
                raise
            except BaseException:  # noqa: BLE001  author code may raise anything; whoever needs the state hears of it
                declared = state_class_of(type(self._agent))
                return declared is not None and marks_in(declared) is not None
        return self._marked

    @property
    def tools_marked(self) -> bool:
        """Whether anything is marked in the arguments of any tool."""
        return any(self._marks.values())

    # --- tools

    def notice(self, schemas: Iterable[ToolSchema]) -> None:
        """Take the marks of schemas, some of which may be written by hand."""
        for schema in schemas:
            given = self._parameters.setdefault(schema.name, {})
            new = {one.name: of_text() if one.secret else None for one in schema.parameters if not given.get(one.name)}
            if new.keys() - given.keys() or any(new.values()) or schema.name not in self._marks:
                self._marked = None
                given.update(new)
                self._marks[schema.name] = of_arguments(given)

    def knows(self, tools: Iterable[str]) -> bool:
        """Say whether the schemas of these tools were seen."""
        return all(name in self._marks for name in tools)

    def names(self) -> frozenset[str]:
        """Return the names of all tools and of their parameters."""
        return frozenset(self._parameters).union(*self._parameters.values())

    def of_tool(self, name: str) -> Marks | None:
        """Return what is marked in the arguments of a tool, None for nothing."""
        return self._marks.get(name)

    def opened_arguments(self, origin: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call as its tool is given them."""
        marks = self._marks.get(tool)
        if marks is None:
            return arguments
        given: dict[str, Any] = opened(marks, arguments, self._opener(origin), strict=True)
        return given

    def keyed(self, tool: str, origin: str) -> Callable[[str], str] | None:
        """Return what makes of a call of a tool a text that takes the key to make; None where nothing is marked."""
        return None if self._marks.get(tool) is None else self._sealer(origin)

    # --- the state

    def sealed_state(
        self, fields: dict[str, bytes], origin: str, known: Redaction = NOTHING, before: Mapping[str, bytes] = {}
    ) -> dict[str, bytes]:
        """Return the fields of a state as they are recorded.

        Raises:
            InvalidInput: a field that is not marked, and is not as it was `before`, holds what is secret elsewhere; or
                there is no key.

        """
        if not self.shared.marked:
            return fields
        marks = self.state
        made = (
            fields
            if marks is None
            else _turned(fields, marks, lambda value: sealed(marks, value, self._sealer(origin)))
        )
        values = known.values | self.shared.values(origin, tokens_in(made))
        _check(made, frozenset(value for value in values if not TOKEN.fullmatch(value)), before, known)
        return made

    def opened_state(self, fields: Mapping[str, bytes], origin: str) -> Mapping[str, bytes]:
        """Return the fields of a state as its author's class reads them."""
        marks = self.state
        return (
            fields
            if marks is None
            else _turned(fields, marks, lambda value: opened(marks, value, self._opener(origin)))
        )

    def texts_in(self, conversation: Conversation) -> frozenset[str]:
        """Return what stands at the marked places of the state, if this is the journey that is on."""
        if conversation.journey != self._agent.key or not self.marked or self.state is None:
            return frozenset()
        found: set[str] = set()
        plain = {name: msgspec.json.decode(value) for name, value in conversation.state.items()}
        sealed(self.state, plain, lambda text: _heard(text, found))
        return frozenset(found)

    def check_opened(self, fields: Mapping[str, bytes], origin: str) -> None:
        """Check that no token of another conversation was sealed as if it were the value that it stands for.

        Raises:
            InvalidInput: one was.

        """
        if any(TOKEN.fullmatch(text) for text in self.shared.values(origin, tokens_in(fields))):
            raise InvalidInput(
                f"a state for {origin!r} has secrets that were sealed for another conversation, or under another key, "
                "such as that of a process that has ended: set ARF_MASTER_KEY, or load the values themselves"
            )

    def all_opened(self, fields: Mapping[str, bytes], origin: str) -> dict[str, Any]:
        """Return a state that was recorded under other marks as plain data, with every token of it opened."""
        every = _Everywhere()
        plain = {name: msgspec.json.decode(value) for name, value in fields.items()}
        if not self.shared.marked:
            return plain
        return {name: every.opened(value, self._opener(origin)) for name, value in plain.items()}

    def values_of(self, state: object) -> frozenset[str]:
        """Return what is secret in a state object, as far as that can be read."""
        found: set[str] = set()
        try:
            if state is not None and self.state is not None:
                fields = {name: msgspec.json.decode(value) for name, value in state_fields(state).items()}
                sealed(self.state, fields, lambda text: _heard(text, found))
        except Exception:  # noqa: BLE001  author code may raise anything; then nothing can be told of the state
            return frozenset(_texts_held_by(state, self.state))
        return frozenset(found)

    def _sealer(self, origin: str) -> Callable[[str], str]:
        return lambda text: self.shared.port.seal(origin, text)

    def _opener(self, origin: str) -> Callable[[str], str]:
        return lambda token: self.shared.port.open(origin, token)


class _Everywhere:
    """Opens every token in plain data, wherever it stands."""

    def opened(self, value: Any, open_: Callable[[str], str]) -> Any:
        match value:
            case dict():
                return {name: self.opened(item, open_) for name, item in value.items()}
            case list():
                return [self.opened(item, open_) for item in value]
            case _:
                return opened(of_text(), value, open_)


def _turned(fields: Mapping[str, bytes], marks: Marks, turn: Callable[[Any], Any]) -> dict[str, bytes]:
    """Return fields with what is marked in them turned into something else; the others stay the bytes they were."""
    names = {name for record in marks.records for name in record.fields}
    made = dict(fields)
    for name in names & fields.keys():
        plain = {name: msgspec.json.decode(fields[name])}
        after = turn(plain)
        if after != plain:
            made[name] = msgspec.json.encode(after[name])
    return made


def _check(fields: Mapping[str, bytes], values: Collection[str], before: Mapping[str, bytes], known: Redaction) -> None:
    """Raise InvalidInput for a field that changed and holds one of these values in clear; a step never counts."""
    part = Redaction((value for value in values if len(value) >= WHOLE), known)
    whole = {value for value in values if len(value) >= SHORTEST}
    if not whole:
        return
    for name, value in fields.items():
        if name != "step" and before.get(name) != value:
            text = value.decode()
            if part.text(text) != text or not whole.isdisjoint(_texts_among(msgspec.json.decode(value))):
                raise InvalidInput(
                    f"state field {name!r} holds a text that is marked as secret elsewhere: mark it, too, as in "
                    f"`{name}: Annotated[str, secret]`"
                )


def _texts_among(value: Any) -> set[str]:
    match value:
        case str():
            return {value}
        case dict():
            return {text for item in value.values() for text in _texts_among(item)}
        case list():
            return {text for item in value for text in _texts_among(item)}
        case _:
            return set()


def _heard(text: str, found: set[str]) -> str:
    found.update(texts_of(text))
    return text


def _texts_held_by(state: object, marks: Marks | None) -> Iterable[str]:
    names = {name for record in (() if marks is None else marks.records) for name in record.fields}
    held = (getattr(state, name, None) for name in names)
    return [text for text in held if isinstance(text, str)]
