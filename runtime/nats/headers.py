"""The headers of a message, read at the price that a message may have: each that is read from a log has eight."""

from typing import Final

NO_RESPONDERS: Final = "503"
"""The status that is the answer where nobody listens."""

_SPACE: Final = " \t\n\r\v\f"


def as_text(data: bytes) -> str:
    """Return the text of these bytes, with what is not UTF-8 in them written out."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode(errors="backslashreplace")


def parsed(headers: str) -> dict[str, str] | None:
    r"""Return the headers of a message; of what the server says of itself `Status` and `Description`, too.

    >>> from agent_runtime_framework.runtime.nats.headers import parsed
    >>> parsed("NATS/1.0 404 No Messages\r\nNats-Pending-Messages: 2\r\n\r\n")
    {'Status': '404', 'Description': 'No Messages', 'Nats-Pending-Messages': '2'}
    """
    first, *lines = headers.split("\r\n")
    found: dict[str, str] = {}
    _, _, said = first.partition(" ")
    if said:
        status, description = said[:3].strip(), said[4:]
        if status.isdigit():
            found["Status"] = status
        if description:
            found["Description"] = description
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.strip(_SPACE)
        if colon and name.isascii() and name.split() == [name]:
            found[name] = value.strip(_SPACE)
    return found or None
