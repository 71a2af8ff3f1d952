"""What becomes of a conversation that another version of its journey decided on, as the journey's author says."""

import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from ...events import InvalidInput

Migrate: TypeAlias = Callable[[dict[str, Any], str], Any]
"""Makes of a recorded state, as plain data, and the hash that it was recorded under a state of today."""

OnNewVersion: TypeAlias = Literal["continue", "pin"] | Migrate
"""What becomes of a conversation that another version of its journey decided on.

It goes on as it is (`continue`), it waits for a worker of its own version (`pin`), or it goes on with the state that a
function makes of the recorded one.
"""


def checked(on_new_version: object, key: str) -> Any:
    """Return what `JourneyConfig.on_new_version` says, if it can be followed.

    Raises:
        InvalidInput: it cannot.

    """
    plain = callable(on_new_version) and not inspect.iscoroutinefunction(on_new_version)
    if plain or (isinstance(on_new_version, str) and on_new_version in ("continue", "pin")):
        return on_new_version
    raise InvalidInput(
        f"`on_new_version` of {key!r} must be continue, pin, or a plain function of a state, a dict, and its "
        f"version, not {on_new_version!r:.80}"
    )
