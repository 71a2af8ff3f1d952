"""An answer put together from the JSON that a chat completions server sends, in chunks or whole.

Servers differ: pieces of a call may lack their index, repeat their id, or come all at once; usage may never come;
content may come in parts; a character may be cut between two pieces.  Where something is missing that an answer must
have, it is a `ModelError`.
"""

from typing import Any

import msgspec
from msgspec import UNSET, Struct

from ...events import TEXT_LIMIT
from .protocol import ModelReply, clean, invalid_answer, reply_of, text_of_content, too_large


class Assembly:
    """Takes what one server sends for one request; `where` names it in errors.

    >>> assembly = Assembly("the server")
    >>> assembly.add({"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]})
    'Hello'
    >>> assembly.reply().message
    {'role': 'assistant', 'content': 'Hello'}
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._began = False
        self._whole: object = UNSET
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._cut = ""
        self._calls: list[_PartialCall] = []
        self._size = 0
        self._usage: Any = None
        self._finish_reason: object = None
        self._response_id: object = None
        self._model: object = None

    def add(self, chunk: object) -> str:
        """Take a chunk, or a whole answer, and return the text in it that may be shown now.

        Raises:
            ModelError: it is no object, or the answer has grown too large.

        """
        if not isinstance(chunk, dict):
            raise invalid_answer(f"{self._where} sent {type(chunk).__name__}, not an object")
        self._usage = chunk.get("usage") or self._usage
        self._response_id = chunk.get("id") or self._response_id
        self._model = chunk.get("model") or self._model
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict) or choice.get("index"):
            return ""
        self._began = True
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        if isinstance(choice.get("delta"), dict):
            return self._add_delta(choice["delta"])
        if "message" not in choice:
            return ""
        self._whole = choice["message"]
        content = self._whole.get("content") if isinstance(self._whole, dict) else None
        return clean(content) if isinstance(content, str) else ""

    def reply(self) -> ModelReply:
        """Return the answer.

        Raises:
            ModelError: it is not whole, or makes no sense.

        """
        if not self._began:
            raise invalid_answer(f"{self._where} sent no choices")
        if self._whole is UNSET and not self._finish_reason:
            raise invalid_answer(f"{self._where} ended its stream without a finish reason")
        message: Any = self._message() if self._whole is UNSET else self._whole
        if isinstance(message, dict) and not message.get("content") and not message.get("tool_calls"):
            # a refusal is what the model says instead of content
            message = {**message, "content": message.get("refusal") or message.get("content")}
        return reply_of(_Answer(message, self._usage, self._finish_reason, self._response_id, self._model))

    def rest(self) -> str:
        """Return what was held back of the text, at its end."""
        rest, self._cut = clean(self._cut), ""
        return rest

    def _message(self) -> dict[str, Any]:
        text = "".join(self._text)
        message: dict[str, Any] = {"content": text if text or not self._calls else None}
        if self._refusal:
            message["refusal"] = "".join(self._refusal)
        if self._calls:
            message["tool_calls"] = [call.whole() for call in self._calls]
        return message

    def _add_delta(self, delta: dict[str, Any]) -> str:
        text, refusal = text_of_content(delta.get("content")) or "", delta.get("refusal")
        self._text.append(text)
        if isinstance(refusal, str) and refusal:
            self._refusal.append(refusal)
            text += refusal
        self._grow(len(text))
        pieces = delta.get("tool_calls")
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, dict):
                self._grow(self._call(piece).add(piece))
        text = self._cut + text
        # half of a surrogate pair waits for the other half
        shown = text[:-1] if text and "\ud800" <= text[-1] <= "\udbff" else text
        self._cut = text[len(shown) :]
        return clean(shown)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > TEXT_LIMIT:
            raise too_large(self._size)

    def _call(self, piece: dict[str, Any]) -> "_PartialCall":
        """Return the call that this piece belongs to, a new one where it opens one.

        The index decides where there is one, but for servers that give all calls the index 0: there another id together
        with a name opens a call.  Without an index a known id decides, then a name opens a call, then it is the last.
        """
        index, id_, name = piece.get("index"), _text(piece.get("id")), _text(_function(piece).get("name"))
        if isinstance(index, int):
            known = [call for call in self._calls if call.index == index]
            opens = bool(known and name and id_ and known[-1].id not in ("", id_))
        else:
            known = [call for call in self._calls if id_ and call.id == id_]
            opens = bool(name) and not known
            known = known or self._calls
        if opens or not known:
            self._calls.append(_PartialCall(index))
            return self._calls[-1]
        return known[-1]


class _PartialCall:
    """Is a tool call of which some pieces have come."""

    def __init__(self, index: object) -> None:
        self.index = index
        self.id = ""
        self._name = ""
        self._arguments: list[str] = []

    def add(self, piece: dict[str, Any]) -> int:
        """Take a piece and return its size; a name that is repeated with each piece counts once."""
        self.id = self.id or _text(piece.get("id"))
        name, arguments = _text(_function(piece).get("name")), _function(piece).get("arguments")
        if name != self._name:
            self._name += name
        if arguments is not None and not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        self._arguments.append(arguments or "")
        return len(name) + len(arguments or "")

    def whole(self) -> dict[str, Any]:
        """Return the call in OpenAI form; an id that never came is left out."""
        function = {"name": self._name, "arguments": "".join(self._arguments)}
        return {**({"id": self.id} if self.id else {}), "type": "function", "function": function}


class _Answer(Struct, frozen=True):
    """Is an answer that `reply_of` has yet to read."""

    message: Any
    usage: Any
    finish_reason: Any
    response_id: Any
    model: Any


def _function(piece: dict[str, Any]) -> dict[str, Any]:
    function = piece.get("function")
    return function if isinstance(function, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
