"""The options that every command takes, before its name or after it; what stands last counts.

Only before the name are they also read from the environment, so that a variable never outweighs what was typed.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import click

Form: TypeAlias = Literal["text", "json", "jsonl"]


@dataclass
class Options:
    """Holds what was given of the options that every command takes.

    Attributes:
        nats: URL of a NATS server; None for the embedded one.
        home: the embedded server's directory; None for the nearest `.arf/`.
        namespace: keeps apart what shares a server.
        output: the form of the data on stdout.
        debug: show tracebacks, and log everything.

    """

    nats: str | None = None
    home: str | None = None
    namespace: str = "arf"
    output: Form = "text"
    debug: bool = False


_SHARED: Final[tuple[tuple[tuple[str, ...], str | None, dict[str, Any]], ...]] = (
    (
        ("--nats",),
        "ARF_NATS_URL",
        {"metavar": "URL", "help": "NATS server to use, or ARF_NATS_URL; without one: the embedded server."},
    ),
    (
        ("--home",),
        "ARF_HOME",
        {"metavar": "DIR", "help": "Directory of the embedded server, or ARF_HOME; otherwise the nearest .arf/."},
    ),
    (
        ("--namespace",),
        "ARF_NAMESPACE",
        {"metavar": "NAME", "help": "Keeps apart what shares a server, or ARF_NAMESPACE; otherwise arf."},
    ),
    (
        ("-o", "--output"),
        None,
        {"type": click.Choice(["text", "json", "jsonl"]), "help": "Form of the data on stdout; otherwise text."},
    ),
    (("--debug",), None, {"is_flag": True, "help": "Show tracebacks, and log everything."}),
)


def shared_options(*, environment: bool) -> list[click.Parameter]:
    """Return these options, for one command; `environment` says whether variables are read, too."""
    return [
        click.Option(names, envvar=variable if environment else None, callback=_keep, expose_value=False, **settings)
        for names, variable, settings in _SHARED
    ]


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value:
        setattr(ctx.ensure_object(Options), str(param.name), value)
