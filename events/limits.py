"""How large things may be, in bytes as they are stored (UTF-8 JSON); each is checked where it enters.

One frame may hold a tool's text, a changed state, a prompt and a tool list, so the parts are a quarter MiB each and the
frame stays below the mebibyte that a NATS server takes by default.
"""

TEXT_LIMIT = 256 * 1024
"""A user's text or a model's answer above it is refused; a tool's text is cut, with a note that says so."""

STATE_LIMIT = 256 * 1024
"""A state, or a change of it, above it fails the tool call that made it."""

FRAME_LIMIT = 900 * 1024
"""A frame above it is refused by every log."""

QUEUE_LIMIT = 100
"""So many messages wait in one conversation; the next is refused."""
