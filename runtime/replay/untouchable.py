"""A model that must not be asked."""

from typing import Any, NoReturn

from ...events import FrameworkError


class Touched(FrameworkError):
    """Raised to whoever asks a model in a replay, which takes its answers from the log."""


class Untouchable:
    """Is a model client that fails whoever asks it: what is recorded is never asked for again."""

    model = ""

    async def generate(
        self,
        messages: list[dict[str, Any]],  # noqa: ARG002  the protocol's signature
        tools: list[dict[str, Any]] | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> NoReturn:
        """Fail.

        Raises:
            Touched: always.

        """
        raise Touched("a replay takes the model's answers from the log, and asks none")
