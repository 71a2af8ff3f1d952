"""Debug and production: what the configuration says, who sets it, and what the logger does."""

import dataclasses
import logging
from collections.abc import Iterator

import pytest

from agent_runtime_framework import (
    FrameworkConfig,
    configure,
    get_config,
    is_debug,
    set_config,
    should_swallow_exceptions,
)
from support.configuration import fresh_configuration

LOGGER = logging.getLogger("agent_runtime_framework")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    with fresh_configuration():
        yield


def now() -> tuple[bool, bool, str]:
    """Return the current configuration as a tuple."""
    config = get_config()
    return config.debug, config.swallow_tool_exceptions, config.log_level


def test_a_configuration_is_that_of_production_unless_told() -> None:
    config = FrameworkConfig()

    assert (config.debug, config.swallow_tool_exceptions, config.log_level) == (False, True, "INFO")
    assert FrameworkConfig(True, False, "WARNING") == FrameworkConfig(
        debug=True, swallow_tool_exceptions=False, log_level="WARNING"
    )


def test_its_fields_are_independent_of_each_other() -> None:
    assert FrameworkConfig(debug=True).swallow_tool_exceptions
    assert FrameworkConfig(debug=True).log_level == "INFO"


def test_it_is_a_plain_mutable_dataclass() -> None:
    config = FrameworkConfig()
    config.swallow_tool_exceptions = False

    assert dataclasses.asdict(config) == {"debug": False, "swallow_tool_exceptions": False, "log_level": "INFO"}


def test_debug_lets_exceptions_through_and_logs_everything() -> None:
    config = FrameworkConfig()
    config.enable_debug()

    assert config == FrameworkConfig(debug=True, swallow_tool_exceptions=False, log_level="DEBUG")


def test_production_swallows_exceptions_and_logs_at_info() -> None:
    config = FrameworkConfig(debug=True, swallow_tool_exceptions=False, log_level="DEBUG")
    config.enable_production()

    assert config == FrameworkConfig(debug=False, swallow_tool_exceptions=True, log_level="INFO")


@pytest.mark.parametrize("value", ["1", "true", "yes", "on", "TRUE", "Yes", "oN", " 1 "])
def test_the_environment_turns_debug_on(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("AGENT_RUNTIME_DEBUG", value)

    assert FrameworkConfig.from_env() == FrameworkConfig(True, False, "DEBUG")


@pytest.mark.parametrize("value", [None, "", "0", "false", "no", "off", "2", "y", "debug"])
def test_any_other_value_or_none_is_production(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("AGENT_RUNTIME_DEBUG", value)

    assert FrameworkConfig.from_env() == FrameworkConfig(False, True, "INFO")


@pytest.mark.parametrize("debug", ["0", "1"])
def test_the_environments_level_goes_before_that_of_debug(monkeypatch: pytest.MonkeyPatch, debug: str) -> None:
    monkeypatch.setenv("AGENT_RUNTIME_DEBUG", debug)
    monkeypatch.setenv("AGENT_RUNTIME_LOG_LEVEL", "WARNING")

    assert FrameworkConfig.from_env() == FrameworkConfig(debug == "1", debug == "0", "WARNING")


def test_an_empty_level_in_the_environment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_RUNTIME_LOG_LEVEL", "")

    assert FrameworkConfig.from_env().log_level == "INFO"


@pytest.mark.parametrize("level", ["error", "Error", " ERROR "])
def test_the_environments_level_is_taken_in_any_case(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("AGENT_RUNTIME_LOG_LEVEL", level)
    get_config()

    assert LOGGER.level == logging.ERROR


def test_an_unknown_level_in_the_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_RUNTIME_LOG_LEVEL", "LOUD")

    with pytest.raises(ValueError, match=r"'LOUD' is no log level; use one of .*DEBUG"):
        FrameworkConfig.from_env()
    with pytest.raises(ValueError, match="LOUD"):
        get_config()


def test_the_first_to_ask_gets_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_RUNTIME_DEBUG", "1")

    assert (is_debug(), should_swallow_exceptions()) == (True, False)
    assert LOGGER.level == logging.DEBUG


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    get_config()
    monkeypatch.setenv("AGENT_RUNTIME_DEBUG", "1")

    assert not is_debug()


def test_there_is_one_current_configuration() -> None:
    config = get_config()
    config.swallow_tool_exceptions = False

    assert get_config() is config
    assert not should_swallow_exceptions()


def test_debug_alone_also_sets_swallowing_and_the_level() -> None:
    configure(debug=True)
    assert now() == (True, False, "DEBUG")
    assert LOGGER.level == logging.DEBUG

    configure(debug=False)
    assert now() == (False, True, "INFO")
    assert LOGGER.level == logging.INFO


def test_what_is_given_beside_debug_holds() -> None:
    configure(debug=True, swallow_tool_exceptions=True, log_level="WARNING")
    assert now() == (True, True, "WARNING")

    configure(debug=True, log_level="ERROR")
    assert now() == (True, False, "ERROR")

    configure(debug=False, swallow_tool_exceptions=False)
    assert now() == (False, False, "INFO")


def test_the_arguments_may_be_given_by_position() -> None:
    configure(True, True, "ERROR")

    assert now() == (True, True, "ERROR")


def test_what_is_not_given_stays() -> None:
    configure(debug=True)
    configure(swallow_tool_exceptions=True)
    assert now() == (True, True, "DEBUG")

    configure(log_level="ERROR")
    assert now() == (True, True, "ERROR")

    configure()
    assert now() == (True, True, "ERROR")


def test_what_is_not_given_stays_as_the_environment_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_RUNTIME_DEBUG", "1")
    configure(log_level="WARNING")

    assert now() == (True, False, "WARNING")


def test_configuring_changes_the_current_configuration_for_whoever_holds_it() -> None:
    config = get_config()
    configure(debug=True)

    assert config.debug
    assert get_config() is config


def test_a_configuration_can_be_set_whole() -> None:
    config = FrameworkConfig(debug=True, swallow_tool_exceptions=True, log_level="ERROR")
    set_config(config)

    assert get_config() is config
    assert (is_debug(), should_swallow_exceptions()) == (True, True)
    assert LOGGER.level == logging.ERROR


def test_swallowing_is_decided_by_its_own_setting_and_not_by_debug() -> None:
    set_config(FrameworkConfig(debug=False, swallow_tool_exceptions=False))

    assert (is_debug(), should_swallow_exceptions()) == (False, False)


@pytest.mark.parametrize("name", ["warning", "Warning", "WARNING"])
def test_a_level_is_taken_in_any_case(name: str) -> None:
    configure(log_level=name)

    assert LOGGER.level == logging.WARNING


@pytest.mark.parametrize("given", ["LOUD", "", "10", 10, None])
def test_an_unknown_level_is_an_error_where_it_is_named(given: str) -> None:
    with pytest.raises(ValueError, match=f"{given!r} is no log level"):
        FrameworkConfig(log_level=given)


def test_an_unknown_level_changes_nothing() -> None:
    configure(debug=False)
    with pytest.raises(ValueError, match="'LOUD'"):
        configure(debug=True, log_level="LOUD")
    spoilt = FrameworkConfig(debug=True)
    spoilt.log_level = "LOUD"
    with pytest.raises(ValueError, match="'LOUD'"):
        set_config(spoilt)

    assert now() == (False, True, "INFO")
    assert LOGGER.level == logging.INFO


def test_the_level_follows_the_current_configuration_and_no_other() -> None:
    get_config().enable_debug()
    assert LOGGER.level == logging.DEBUG

    FrameworkConfig().enable_production()
    assert LOGGER.level == logging.DEBUG

    get_config().enable_production()
    assert LOGGER.level == logging.INFO


def test_the_library_adds_no_handler_and_leaves_the_root_logger_alone() -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, list(LOGGER.handlers), LOGGER.propagate)
    configure(debug=True)
    set_config(FrameworkConfig(log_level="ERROR"))

    assert (list(root.handlers), root.level, list(LOGGER.handlers), LOGGER.propagate) == before


def test_the_level_decides_what_the_loggers_of_the_library_say(caplog: pytest.LogCaptureFixture) -> None:
    child = logging.getLogger("agent_runtime_framework.agents")
    configure(debug=False)
    child.debug("hidden")
    configure(debug=True)
    child.debug("shown")

    assert caplog.messages == ["shown"]
