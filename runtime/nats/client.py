"""nats-py's client, and what it leaves to its user: which requests nobody will answer, and that TLS is not optional.

A lost connection brings no answers, and a server tells of what it forbids, not of whom it concerns: nats-py would wait
for the time-out of each request.  Where TLS was asked for, a server without it is shown nothing.

What a subscription is told is handed over as it is read from the socket: nats-py would put it into a queue of its own,
and wake a task for each.  All answers come to one inbox, however many a request has.
"""

import asyncio
import contextlib
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from itertools import count
from typing import Any, TypeAlias

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from ...events import FrameworkError, Unavailable
from ..credentials import Credentials
from .credentials import AccessRefused, Transport, options, refusal
from .headers import NO_RESPONDERS, as_text, parsed
from .in_flight import Asked, Awaiting, Block, Forbidden, cancellable, cancels

logger = logging.getLogger("agent_runtime_framework.nats")

CONNECT_TIMEOUT = 5.0
"""Seconds until a server must have let us in."""

Callback: TypeAlias = Callable[[], Awaitable[None]]

Take: TypeAlias = Callable[[Msg], object]
"""Takes a message, and returns at once."""

_FORBIDDEN = re.compile(r'permissions violation for (\w+) [^"]*"([^"]*)"')


class Hearing:
    """Is a subscription whose messages are taken as they come."""

    __slots__ = ("_connection", "_number", "_subscription")

    def __init__(self, connection: "Connection", subscription: Subscription, number: int) -> None:
        self._connection = connection
        self._subscription = subscription
        self._number = number

    async def end(self) -> None:
        """Take no more; on a connection that ended there is nothing to be done."""
        self._connection.forget(self._number)
        with contextlib.suppress(nats.errors.ConnectionClosedError, nats.errors.ConnectionDrainingError):
            await self._subscription.unsubscribe()


class Connection(Client):
    """Is a client that knows which answers cannot come: their connection is lost, or the server forbids the request.

    The server tells of what it forbids, and of nothing that it allows, so nats-py would only wait for the answer.
    """

    def __init__(
        self,
        address: str,
        credentials: Credentials,
        *,
        tls: bool,
        on_reconnect: Callback | None,
        restore: Callable[[], Awaitable[str]] | None,
    ) -> None:
        super().__init__()
        self.refused: AccessRefused | None = None
        self._address = address
        self._credentials = credentials
        self._tls_wanted = tls or credentials.asks_for_tls
        self._on_reconnect = on_reconnect
        self._restore = restore
        self._failures: deque[Exception] | None = deque(maxlen=4)
        self._awaiting = Awaiting()
        self._takers: dict[int, Take] = {}
        self._answers = ""
        self._asked: dict[str, Asked] = {}
        self._asked_before = count(1)
        self._warned: set[tuple[str, str]] = set()

    async def open(self, name: str) -> None:
        """Connect, or raise what `connect` raises."""
        given = await asyncio.to_thread(options, self._credentials, tls=self._tls_wanted)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                with cancellable():
                    await self.connect(
                        self._address,
                        name=name,
                        error_cb=self._note,
                        disconnected_cb=self._lost,
                        reconnected_cb=self._found,
                        connect_timeout=2,
                        reconnect_time_wait=0.2,  # type: ignore[arg-type]  # seconds; the annotation says int
                        max_reconnect_attempts=1,
                        **given,
                    )
        except (OSError, TimeoutError, nats.errors.Error) as error:
            raise self._unreached(error) from error
        except asyncio.CancelledError:
            await self.close()
            raise
        finally:
            self._failures = None
            if not self.is_connected:
                await self.close()
        # nats-py has one setting for the first connection and for all later ones: few tries before, for ever from here
        self.options["max_reconnect_attempts"] = -1

    def _unreached(self, error: Exception) -> Unavailable:
        failures = self._failures or [error]
        # what is no NATS server may say so and hang up, and sometimes only the second is noticed
        cause = next((failure for failure in failures if not isinstance(failure, OSError)), failures[-1])
        return Unavailable(f"no NATS server answers at {self._address} ({str(cause) or type(cause).__name__})")

    async def _note(self, error: Exception) -> None:
        logger.debug("NATS: %s", error)
        task = asyncio.current_task()
        if task is not None and task is self._reconnection_task and task.cancelling():
            # some releases of asyncio lose a cancellation to an error of the same moment; it would go on for ever
            raise asyncio.CancelledError
        refused = refusal(error, self._address, self._credentials)
        if self._failures is not None:
            self._failures.append(error)
            if refused is not None:
                # asked again, the server would say the same
                raise refused from error
        elif refused is not None and not self.is_connected:
            self.refused = refused
        elif self.is_reconnecting:
            # there is no server now; one that refuses us may also just hang up, and then the client is connecting
            self.refused = None
            if self._restore is not None:
                await _logged(self._start_again(self._restore))

    async def _start_again(self, restore: Callable[[], Awaitable[str]]) -> None:
        self.set_server_pool([await restore()])

    async def _lost(self) -> None:
        self.give_up()
        if not self.is_closed:
            logger.warning("lost the connection to the NATS server at %s; reconnecting", self._address)

    async def _found(self) -> None:
        self.refused = None
        logger.warning("connected again to the NATS server at %s", self._address)
        if self._on_reconnect is not None:
            await _logged(self._on_reconnect())

    @property
    def server(self) -> Mapping[str, Any]:
        """What the server says of itself: `server_name`, `version`, `cluster`, `max_payload` and more."""
        return self._server_info

    @contextlib.asynccontextmanager
    async def in_flight(self, subject: str) -> AsyncIterator[None]:
        """Stop waiting in the block when no answer can come; it is entered before a request on `subject` is sent.

        Raises:
            TimeoutError: the connection was lost.
            Forbidden: the server forbids the subject.

        """
        request = Block(subject)
        self._awaiting.enter(request)
        try:
            async with request.awaited:
                yield
        except TimeoutError:
            if request.forbidden:
                raise Forbidden(request.forbidden) from None
            raise
        finally:
            self._awaiting.leave(request)

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,
        old_style: bool = False,  # noqa: ARG002  nats-py's signature
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """Return the answer to a request.

        Raises:
            nats.errors.NoRespondersError: nobody listens there.
            TimeoutError: no answer came in time, or the connection was lost.
            Forbidden: the server forbids it.

        """
        answers: list[Msg] = []

        def first(answer: Msg) -> bool:
            answers.append(answer)
            return True

        await self.ask(subject, payload, first, silence=timeout, headers=headers)
        answer = answers[0]
        if answer.headers is not None and answer.headers.get("Status") == NO_RESPONDERS:
            raise nats.errors.NoRespondersError
        return answer

    async def ask(
        self,
        subject: str,
        payload: bytes,
        take: Callable[[Msg], bool],
        *,
        silence: float,
        headers: dict[str, Any] | None = None,
    ) -> None:
        """Send a request and hand its answers to `take`, until that says that it was the last.

        Raises:
            TimeoutError: none came for `silence` seconds, or the connection was lost.
            Forbidden: the server forbids it.

        """
        if not self._answers:
            await self._hear_answers()
        token = str(next(self._asked_before))
        asked = self._asked[token] = Asked(subject, take, silence)
        try:
            await self._answered_by(asked, payload, f"{self._answers}{token}", headers)
        finally:
            del self._asked[token]

    async def ask_consumer(self, subject: str, payload: bytes, take: Callable[[Msg], bool], *, silence: float) -> None:
        """Ask a consumer for messages, as `ask`: they come under subjects of their own, so to an inbox of its own."""
        asked, inbox = Asked(subject, take, silence), self.new_inbox()
        hearing = await self.hear(inbox, asked.hear)
        try:
            await self._answered_by(asked, payload, inbox, None)
        finally:
            await hearing.end()

    async def _answered_by(self, asked: Asked, payload: bytes, inbox: str, headers: dict[str, Any] | None) -> None:
        """Send a request, and wait until its answers came; raises as `ask`."""
        self._awaiting.enter(asked)
        before = cancels()
        try:
            await self.publish(asked.subject, payload, inbox, headers)
            if cancels() > before:  # nats-py loses one where it has to wait for its buffer
                raise asyncio.CancelledError
            await asked.over
        finally:
            self._awaiting.leave(asked)
            asked.over.cancel()
        if asked.forbidden:
            raise Forbidden(asked.forbidden)
        if asked.unanswered is not None:
            raise asked.unanswered

    async def _hear_answers(self) -> None:
        """Listen where all answers come; whoever asks in the same moment finds that done."""
        inbox = self._answers = f"{self.new_inbox()}."
        try:
            await self.hear(f"{inbox}*", self._answered)
        except BaseException:
            self._answers = ""
            raise

    def _answered(self, answer: Msg) -> None:
        asked = self._asked.get(answer.subject.rpartition(".")[2])
        if asked is not None:
            asked.hear(answer)

    async def hear(self, subject: str, take: Take) -> Hearing:
        """Subscribe, and hand each message to `take` as it comes; what that raises is logged.

        It stands at the server before whatever this connection sends next.
        """
        number = self._sid + 1  # the one that it will have, and may be told under before this returns
        self._takers[number] = take
        try:
            return Hearing(self, await self.subscribe(subject), number)
        except BaseException:
            self.forget(number)
            raise

    def forget(self, number: int) -> None:
        """Hand on no more of a subscription."""
        self._takers.pop(number, None)

    def give_up(self) -> None:
        """Say that no answer will come to what is in flight."""
        self._awaiting.lost()

    async def close(self) -> None:
        """End the connection; what could not be sent to a lost server is dropped."""
        self.give_up()
        if not self.is_connected:
            # nats-py would write it to the lost transport, which some releases of asyncio answer with a TypeError
            self._pending, self._pending_data_size = [], 0
        try:
            await super().close()
        except OSError as error:
            logger.debug("closing a lost NATS connection: %s", error)

    async def _process_err(self, err_msg: str) -> None:
        """Act on what the server says is wrong; after most of it nats-py would never connect again."""
        forbidden = _FORBIDDEN.search(err_msg)
        if forbidden is not None:
            self._forbid(forbidden[1], forbidden[2])
            return
        error = nats.errors.Error(f"nats: {err_msg}")
        await self._error_cb(error)
        await self._process_op_err(error)

    def _forbid(self, what: str, subject: str) -> None:
        """End the requests that need what the server forbids; of what nobody waits for, warn once a kind."""
        verb = "publish to" if what == "publish" else "subscribe to"
        if what != "publish" and subject == f"{self._answers}*".lower():
            self._awaiting.deaf = _forbids(verb, subject)
        hit = self._awaiting.forbid(subject, partial(_forbids, verb))
        kind = (verb, subject.rpartition(".")[0])
        if not hit and kind not in self._warned:
            self._warned.add(kind)
            logger.warning(_forbids(verb, subject))

    # anybody may publish under any bytes; what is not UTF-8 would end the reading of this connection, and for ever

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg | None:
        message = Msg(self, as_text(subject), as_text(reply), data, headers, _sid=sid)
        take = self._takers.get(sid)
        if take is None:
            return message
        try:
            take(message)
        except Exception:
            logger.exception("what came on %s was not taken", message.subject)
        return None  # nats-py has nothing more to do

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        return parsed(as_text(headers)) if headers else None

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        # the last moment before nats-py shows our credentials
        if initial_connection and self._tls_wanted and not info.get("tls_required"):
            if not info.get("tls_available"):
                raise nats.errors.SecureConnWantedError
            info["tls_required"] = True
        await super()._process_info(info, initial_connection)

    async def _connect_to_server(self, s: Any) -> None:
        if self._transport is not None:
            # nats-py leaves a connection open on which it was not let in
            self._transport.close()  # type: ignore[no-untyped-call]
        elif s.uri.scheme in {"nats", "tls"}:
            self._transport = Transport()  # type: ignore[no-untyped-call]  # nats-py's
        await super()._connect_to_server(s)


async def _logged(callback: Awaitable[None]) -> None:
    try:
        await callback
    except (FrameworkError, nats.errors.Error) as error:
        # raised in a callback, it would end the client's reconnecting
        logger.warning("after a lost connection to the NATS server: %s", error)


def _forbids(verb: str, subject: str) -> str:
    if subject.upper().startswith("_INBOX."):
        subject = "_INBOX.>"  # where answers come
    return f"the NATS server forbids this user to {verb} {subject!r}: allow that there, or use other credentials"
