"""Commands to copy: what tells all of what the page tells in short."""

import shlex
from typing import Final

from ..report import Scope
from .elements import Markup, exact, tag
from .figures import iso

DEFAULT: Final = "arf"
"""The namespace that need not be named."""


class Commands:
    """Writes commands as they are typed where the report was made."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._arf = ("arf",) if scope.namespace == DEFAULT else ("arf", "--namespace", scope.namespace)

    def show(self, conversation: str) -> Markup:
        """Return the command that tells of a conversation."""
        return self._typed("show", conversation)

    def why(self, conversation: str, call: str) -> Markup:
        """Return the command that tells of a call."""
        return self._typed("why", conversation, "--call", call)

    def tools(self, *filters: str) -> Markup:
        """Return the command that lists calls of the same scope."""
        scope = self._scope
        since = () if scope.since is None else ("--since", iso(scope.since))
        until = () if scope.until is None else ("--until", iso(scope.until))
        agent = ("--agent", scope.agent) if scope.agent else ()
        return self._typed("audit", "tools", *filters, *agent, *since, *until)

    def conversations(self) -> Markup:
        """Return the command that lists conversations."""
        return self._typed("list")

    def _typed(self, *words: str) -> Markup:
        return tag("code", exact(shlex.join([*self._arf, *words])), class_="run")
