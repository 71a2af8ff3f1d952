"""Opening commands that are sealed, without changing the order in which a conversation gets them.

Whoever delivers commands never waits, and a key may have to be fetched.  So from the first sealed command of a
conversation whose key is not at hand, all that comes for it waits in line, and is handed on in order.
"""

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from ..actors import BusCommand
from ..events import ConversationId, FrameworkError, InvalidInput, Vault, check_token
from .bus import Delivery
from .wire import SealedCommand, decode_stored, key_of, open_command

Take: TypeAlias = Callable[[Delivery, BusCommand | FrameworkError, str], None]
"""Takes a command, or what keeps it from being opened; and its id, empty if nobody can tell it."""


class CommandOpener:
    """Hands on commands in the order in which they come."""

    def __init__(self, vault: Vault | None, *, spawn: Callable[[Coroutine[Any, Any, None]], None], take: Take) -> None:
        self._vault = vault
        self._spawn = spawn
        self._take = take
        self._waiting: dict[ConversationId, deque[Delivery]] = {}

    def deliver(self, delivery: Delivery) -> None:
        """Take what the bus delivers; this never waits and never raises."""
        waiting = self._waiting.get(delivery.conversation)
        if waiting is not None:
            waiting.append(delivery)
            return
        command = _decoded(delivery)
        if not isinstance(command, SealedCommand):
            self._take(delivery, command, "" if isinstance(command, FrameworkError) else command.id)
            return
        self._waiting[delivery.conversation] = deque([delivery])
        self._spawn(self._open_all(delivery.conversation))

    async def _open_all(self, conversation: ConversationId) -> None:
        waiting = self._waiting[conversation]
        try:
            while waiting:
                command = _decoded(waiting[0])
                id_ = "" if isinstance(command, FrameworkError) else command.id
                opened = await self._opened(command, conversation) if isinstance(command, SealedCommand) else command
                self._take(waiting.popleft(), opened, id_)
        finally:
            del self._waiting[conversation]

    async def _opened(self, command: SealedCommand, conversation: ConversationId) -> BusCommand | FrameworkError:
        try:
            cipher = None if self._vault is None else await key_of(conversation, self._vault)
            if cipher is None:
                raise InvalidInput("this command is sealed, and its conversation has no key here")
            return open_command(command, conversation, cipher)
        except FrameworkError as error:
            return error


def _decoded(delivery: Delivery) -> BusCommand | SealedCommand | InvalidInput:
    try:
        command = decode_stored(delivery.data)
        check_token(command.id, "command id")
        check_token(delivery.conversation, "conversation id")
    except InvalidInput as error:
        return error
    return command
