"""The options that every command takes, before its name or after it; what stands last counts.

Only before the name are they also read from the environment, so that a variable never outweighs what was typed.
"""

from dataclasses import dataclass, field
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
        credentials: what was typed to be shown to the server, by field of `Credentials`.

    """

    nats: str | None = None
    home: str | None = None
    namespace: str = "arf"
    output: Form = "text"
    debug: bool = False
    credentials: dict[str, str] = field(default_factory=dict)


_CREDENTIALS: Final = {
    "creds": ("FILE", "Credentials file for --nats, with JWT and seed"),
    "nkey": ("FILE", "File with an nkey seed"),
    "user": ("NAME", "User name, with --password"),
    "password": ("TEXT", "Password"),
    "token": ("TEXT", "Token"),
    "tls_cert": ("FILE", "Certificate to show, with --tls-key"),
    "tls_key": ("FILE", "The certificate's key"),
    "tls_ca": ("FILE", "CAs to check the server's certificate against"),
}
"""What a server may be shown; the place reads their variables, because they count only where a server is named."""

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
    shared = [
        click.Option(names, envvar=variable if environment else None, callback=_keep, expose_value=False, **settings)
        for names, variable, settings in _SHARED
    ]
    credentials = [
        click.Option(
            (f"--{name.replace('_', '-')}",),
            callback=_keep_credential,
            expose_value=False,
            metavar=metavar,
            help=f"{what}, or ARF_NATS_{name.upper()}.",
            hidden=not environment,  # shown once, by `arf --help`
        )
        for name, (metavar, what) in _CREDENTIALS.items()
    ]
    return [*shared, *credentials]


def _keep_credential(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value:
        ctx.ensure_object(Options).credentials[str(param.name)] = value


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value:
        setattr(ctx.ensure_object(Options), str(param.name), value)
