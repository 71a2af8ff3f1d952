"""What is secret in the state of a run, as it is kept for the next run or the next try: sealed under the master key."""

from typing import Any

from ...actors.journey import Marks, marks_in, opened, sealed, tokens_among
from ...events import InvalidInput
from ..secret_keys import KeyedSecrets, LateSecrets, secrets_to_keep
from .adapted import AdaptedJourney


class KeptSecrets:
    """Seals the marked texts of a run's state, and opens them again.

    Raises:
        InvalidInput: something is marked, and there is no master key, so that nobody else could read it.

    """

    def __init__(self, adapter: AdaptedJourney[Any, Any, Any], origin: str) -> None:
        self._origin = origin
        self._marks: Marks | None = marks_in(type(adapter.get_initial_state()))
        self._made: KeyedSecrets | None = None
        key = adapter.key
        tools = adapter.declared_tools.values()
        if self._marks is not None or any(one.marks for tool in tools for one in tool.arguments.values()):
            self._made = secrets_to_keep(key)
        self.port = self._made or LateSecrets(lambda: secrets_to_keep(key))

    def sealed(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the plain data of a state as they are kept."""
        if self._marks is None:
            return data
        made: dict[str, Any] = sealed(self._marks, data, lambda text: self.port.seal(self._origin, text))
        return made

    def opened(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the plain data of a state that was kept.

        Raises:
            InvalidInput: they were sealed under another key, or for another conversation.

        """
        if self._marks is None:
            return data
        shut: set[str] = set()

        def open_(token: str) -> str:
            text = self.port.open(self._origin, token)
            shut.update(tokens_among(text))
            return text

        made: dict[str, Any] = opened(self._marks, data, open_)
        if shut:
            raise InvalidInput(
                f"the state that was kept of {self._origin!r} has secrets that were sealed for another one, or "
                "under another key: set the ARF_MASTER_KEY that it was kept with"
            )
        return made
