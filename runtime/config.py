"""The configuration that holds for the whole process: debug or production, and how much is logged.

There is one current configuration, read from the environment when it is first asked for.  Its level is put on the
logger `agent_runtime_framework`, which gets no handler here: where the lines go is the application's choice.
"""

import logging
import os
from dataclasses import dataclass
from typing import Self

LOGGER = "agent_runtime_framework"

_TRUE = frozenset({"1", "true", "yes", "on"})


@dataclass
class FrameworkConfig:
    """Says what becomes of a tool's exception, and how much is logged; the defaults are those of production.

    Attributes:
        debug: whether this is development.
        swallow_tool_exceptions: True: the model is told what went wrong and the run goes on; False: the exception
            reaches the caller with its own traceback.
        log_level: a level's name, in any case.

    Raises:
        ValueError: there is no such level.

    >>> from agent_runtime_framework import FrameworkConfig
    >>> config = FrameworkConfig()
    >>> config.enable_debug()
    >>> config
    FrameworkConfig(debug=True, swallow_tool_exceptions=False, log_level='DEBUG')

    """

    debug: bool = False
    swallow_tool_exceptions: bool = True
    log_level: str = "INFO"

    def __post_init__(self) -> None:
        _number(self.log_level)

    @classmethod
    def from_env(cls) -> Self:
        """Return what `AGENT_RUNTIME_DEBUG` and `AGENT_RUNTIME_LOG_LEVEL` say; the defaults where they say nothing.

        Raises:
            ValueError: there is no such level.

        """
        debug = os.environ.get("AGENT_RUNTIME_DEBUG", "").strip().lower() in _TRUE
        level = os.environ.get("AGENT_RUNTIME_LOG_LEVEL", "").strip()
        return cls(debug, not debug, level or _level_of(debug))

    def enable_debug(self) -> None:
        """Let tool exceptions through, and log everything."""
        self._enable(debug=True)

    def enable_production(self) -> None:
        """Swallow tool exceptions, and log at INFO."""
        self._enable(debug=False)

    def _enable(self, *, debug: bool) -> None:
        self.debug, self.swallow_tool_exceptions, self.log_level = debug, not debug, _level_of(debug)
        if self is _current:
            set_config(self)


_current: FrameworkConfig | None = None


def configure(
    debug: bool | None = None,
    swallow_tool_exceptions: bool | None = None,
    log_level: str | None = None,
) -> None:
    """Change the current configuration; what is not given stays, but follows `debug` where that is given.

    Raises:
        ValueError: there is no such level; nothing was changed.

    >>> from agent_runtime_framework import configure, get_config
    >>> configure(debug=True, log_level="WARNING")
    >>> get_config()
    FrameworkConfig(debug=True, swallow_tool_exceptions=False, log_level='WARNING')

    """
    if debug is not None:
        swallow_tool_exceptions = not debug if swallow_tool_exceptions is None else swallow_tool_exceptions
        log_level = _level_of(debug) if log_level is None else log_level
    if log_level is not None:
        _number(log_level)
    config = get_config()
    config.debug = config.debug if debug is None else debug
    if swallow_tool_exceptions is not None:
        config.swallow_tool_exceptions = swallow_tool_exceptions
    config.log_level = config.log_level if log_level is None else log_level
    set_config(config)


def get_config() -> FrameworkConfig:
    """Return the current configuration, the first time from the environment; it is the object itself, not a copy.

    Raises:
        ValueError: the environment names a level that there is not.

    >>> from agent_runtime_framework import configure, get_config
    >>> configure(debug=False)
    >>> get_config().log_level
    'INFO'

    """
    config = _current
    if config is None:
        config = FrameworkConfig.from_env()
        set_config(config)
    return config


def set_config(config: FrameworkConfig) -> None:
    """Make a configuration the current one, and put its level on the logger.

    Raises:
        ValueError: there is no such level; nothing was changed.

    >>> from agent_runtime_framework import FrameworkConfig, is_debug, set_config
    >>> set_config(FrameworkConfig(debug=True))
    >>> is_debug()
    True

    """
    global _current  # noqa: PLW0603  # the one global that the contract has
    logging.getLogger(LOGGER).setLevel(_number(config.log_level))
    _current = config


def is_debug() -> bool:
    """Say whether the current configuration is for development.

    >>> from agent_runtime_framework import configure, is_debug
    >>> configure(debug=False)
    >>> is_debug()
    False
    """
    return get_config().debug


def should_swallow_exceptions() -> bool:
    """Say whether a tool's exception goes to the model as a text, instead of to the caller.

    >>> from agent_runtime_framework import configure, should_swallow_exceptions
    >>> configure(debug=True)
    >>> should_swallow_exceptions()
    False
    """
    return get_config().swallow_tool_exceptions


def _level_of(debug: bool) -> str:
    return "DEBUG" if debug else "INFO"


def _number(level: str) -> int:
    levels = logging.getLevelNamesMapping()
    number = levels.get(str(level).upper())
    if number is None:
        raise ValueError(f"{level!r} is no log level; use one of {', '.join(sorted(levels, key=levels.__getitem__))}")
    return number
