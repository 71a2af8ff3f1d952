"""The client for OpenAI's chat completions, and for every server that speaks them.

Servers differ, and the SDK builds its objects without checking them, so answers are read as the JSON that came.  What
the SDK lets pass is a failure here: a stream that ends without a finish reason, a 200 that is not JSON, no choices.
Whether a failure may be tried again is said in the `ModelError`; trying again is the runtime's, the SDK's is off.
"""

import asyncio
import contextlib
import email.utils
import json
import math
import os
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import openai
from openai import AsyncOpenAI, AsyncStream

from ...events import InvalidInput, ModelError
from ..clock import SystemClock
from .assembly import Assembly
from .default import default_model
from .protocol import ModelReply, clean, invalid_answer

TIMEOUT = 120.0
"""Seconds without a byte from the server, unless told."""

CONNECT_TIMEOUT = 5.0

LINE = 300
"""So many characters of what a server says stand in an error."""

OPENAI_URL = "https://api.openai.com/v1"
PATH = "/chat/completions"

UNREADABLE = (json.JSONDecodeError, UnicodeDecodeError, RecursionError)
"""What the SDK lets through for bytes that are not JSON."""

SECRET = re.compile(r"(?i)\bbearer\s+\S+|\bsk-[\w*.-]+")

KINDS = {
    408: ("timeout", True),
    409: ("refused", True),
    425: ("refused", True),
    429: ("rate_limited", True),
}
"""Kind and `transient` of a status, where it is not `unreachable` from 500 on and `refused` below."""

STATUSES = {
    "insufficient_quota": 429,
    "invalid_request_error": 400,
    "rate_limit_exceeded": 429,
    "server_error": 500,
}
"""The status that an error's name in a 200 stands for."""

ADVICE = {
    401: "; check the API key",
    403: "; check what the API key may do",
    404: "; check the model's name and the base URL",
}


class OpenAIClient:
    """Asks a model by chat completions; `parameters` (such as `temperature`) go into every request as they are.

    Without `api_key` and `base_url` the environment's `OPENAI_API_KEY` and `OPENAI_BASE_URL` count; with a base URL no
    key is needed.  `timeout` is in seconds without a byte.  With `stream=False` the runtime uses `generate` only.

    >>> OpenAIClient("gpt-4o", api_key="example", temperature=0).model
    'gpt-4o'

    Raises:
        InvalidInput: neither key nor base URL, or one that cannot be used.

    """

    def __init__(
        self,
        model: str | None = None,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        stream: bool = True,
        timeout: float = TIMEOUT,
        **parameters: Any,
    ) -> None:
        self.model = default_model(model)
        self.streams = stream
        self.parameters = parameters
        self._timeout = openai.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT))
        url = base_url or os.environ.get("OPENAI_BASE_URL") or ""
        self._key = _checked_key(api_key or os.environ.get("OPENAI_API_KEY") or "", needed=not url)
        self._url = _checked_url(url or OPENAI_URL)
        self._where = f"{self.model!r} at {urlsplit(self._url).netloc.rpartition('@')[2]}"
        self._sdks: dict[asyncio.AbstractEventLoop, AsyncOpenAI] = {}

    async def generate(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> ModelReply:
        """Return the model's answer, asked for in one piece; `kwargs` go into the request and override `parameters`.

        Raises:
            ModelError: there is none; `kind` and `transient` say more.

        """
        body = self._body(messages, tools, kwargs)
        try:
            answer = await self._sdk().post(PATH, cast_to=object, body=body, options=self._options())
            # what is not called JSON comes as text
            answer = json.loads(answer) if isinstance(answer, str) else answer
        except openai.OpenAIError as error:
            raise self._failure(error) from error.__cause__
        except UNREADABLE as error:
            raise invalid_answer(f"{self._where} sent a body that is not JSON") from error
        if isinstance(answer, dict) and answer.get("error"):
            raise self._reported(answer["error"])
        assembly = Assembly(self._where)
        assembly.add(answer)
        return assembly.reply()

    async def stream(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        *,
        on_delta: Callable[[str], None],
        **kwargs: Any,
    ) -> ModelReply:
        """Return what `generate` would; call `on_delta` with each piece of text as it comes.

        Raises:
            ModelError: there is no whole answer; some of its text may have been heard.

        """
        body = {"stream_options": {"include_usage": True}, **self._body(messages, tools, kwargs), "stream": True}
        assembly = Assembly(self._where)
        async with contextlib.aclosing(self._chunks(body)) as chunks:
            async for chunk in chunks:
                if text := assembly.add(chunk):
                    on_delta(text)
        if text := assembly.rest():
            on_delta(text)
        return assembly.reply()

    async def aclose(self) -> None:
        """Close the connections that were opened on the running loop; a later call opens new ones."""
        sdk = self._sdks.pop(asyncio.get_running_loop(), None)
        if sdk is not None:
            await sdk.close()

    def _sdk(self) -> AsyncOpenAI:
        """Return the SDK's client for the running loop: its connections cannot be used on another one."""
        loop = asyncio.get_running_loop()
        if loop not in self._sdks:
            self._sdks = {other: sdk for other, sdk in self._sdks.items() if not other.is_closed()}
            # when forgotten, the SDK's own HTTP client closes itself on whatever loop runs then, and fails loudly
            self._sdks[loop] = AsyncOpenAI(
                api_key=self._key or "none",
                base_url=self._url,
                timeout=self._timeout,
                max_retries=0,
                http_client=openai.DefaultAsyncHttpxClient(),
            )
        return self._sdks[loop]

    def _options(self) -> Any:
        """Return the options of a request: without a key it carries no Authorization header at all."""
        return {} if self._key else {"headers": {"Authorization": openai.omit}}

    def _body(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        body = {"model": self.model, "messages": messages, **self.parameters, **kwargs}
        return {**body, "tools": tools} if tools else body

    async def _chunks(self, body: dict[str, Any]) -> AsyncGenerator[object]:
        try:
            async with await self._sdk().post(
                PATH, cast_to=object, body=body, options=self._options(), stream=True, stream_cls=AsyncStream[object]
            ) as stream:
                if stream.response.headers.get("content-type", "").partition(";")[0].endswith("json"):
                    raise _no_stream(self._where)
                async for chunk in stream:
                    yield chunk
        except openai.OpenAIError as error:
            raise self._failure(error) from error.__cause__
        except UNREADABLE as error:
            raise invalid_answer(f"{self._where} sent a chunk that is not JSON") from error

    def _failure(self, error: openai.OpenAIError) -> ModelError:
        """Return what the SDK's error means; not chained to it, since its text may quote the key."""
        match error:
            case openai.APITimeoutError():
                return ModelError(f"{self._where} sent nothing in time", kind="timeout", transient=True)
            case openai.APIConnectionError():
                why = self._one_line(str(error.__cause__ or error))
                return ModelError(f"{self._where} cannot be reached: {why}", kind="unreachable", transient=True)
            case openai.APIStatusError():
                return self._refusal(error.body, error.status_code, error.response.headers)
            case openai.APIError():
                return self._reported(error.body)
            case _:
                return ModelError(
                    f"{self._where} was not asked: {self._one_line(str(error))}", kind="refused", transient=False
                )

    def _reported(self, body: object) -> ModelError:
        """Return the failure for an error that comes under a 200, where a number or a name stands for the status."""
        named = [body.get("code"), body.get("type")] if isinstance(body, dict) else []
        for name in map(str, named):
            status = STATUSES.get(name) or (int(name) if re.fullmatch("[45][0-9][0-9]", name) else None)
            if status is not None:
                return self._refusal(body, status, {})
        return invalid_answer(f"{self._where} reported an error: {self._one_line(_said(body))}")

    def _refusal(self, body: object, status: int, headers: Mapping[str, str]) -> ModelError:
        kind, transient = KINDS.get(status, ("unreachable", True) if status >= 500 else ("refused", False))
        if isinstance(body, dict) and "insufficient_quota" in (body.get("code"), body.get("type")):
            transient = False
        said = self._one_line(_said(body))
        return ModelError(
            f"{self._where} answered {status}{said and ': '}{said}{ADVICE.get(status, '')}",
            kind=kind,
            transient=transient,
            retry_after=retry_after(headers) if transient else None,
        )

    def _one_line(self, text: str) -> str:
        """Return the text fit for a log: one short line without secrets."""
        text = clean(text.replace(self._key, "[key]") if self._key else text)
        return " ".join(SECRET.sub("[key]", text).split())[:LINE]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds the server asks to wait, or None; header names are in lower case.

    A date is taken against the server's own `Date`, so that its clock may be wrong.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        with contextlib.suppress(ValueError):
            seconds = float(headers.get(name, "")) / unit
            if math.isfinite(seconds):
                return max(seconds, 0.0)
    then, now = _date(headers.get("retry-after")), _date(headers.get("date"))
    if then is None:
        return None
    return max(then - (SystemClock().now() / 1000 if now is None else now), 0.0)


def _date(text: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError):
        return None


def _said(body: object) -> str:
    """Return the words in the body of an error; a page of HTML has none."""
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail")
    return body if isinstance(body, str) and not body.lstrip().startswith("<") else ""


def _no_stream(where: str) -> ModelError:
    return ModelError(
        f"{where} does not stream its answers: use OpenAIClient(stream=False)", kind="invalid_answer", transient=False
    )


def _checked_key(key: str, *, needed: bool) -> str:
    key = key.strip()
    if not key and needed:
        raise InvalidInput("there is no API key: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server that needs none")
    if not re.fullmatch("[!-~]*", key):
        raise InvalidInput("the API key has characters that no key has: copy it again")
    return key


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        valid = False
    if not valid:
        raise InvalidInput("the base URL is not valid: OPENAI_BASE_URL must begin with http:// or https:// and a host")
    return url
