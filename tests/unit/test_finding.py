"""Which model client an agent gets that was given none."""

import logging
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from agent_runtime_framework.events import InvalidInput
from agent_runtime_framework.runtime.models import OpenAIClient, default_model, get_llm_client


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AGENT_RUNTIME_DEFAULT_MODEL"):
        monkeypatch.delenv(name, raising=False)


def _install_core(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str) -> None:
    """Put an `agent_runtime_core` on the path whose `llm` module is this source."""
    package = folder / "agent_runtime_core"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "llm.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(folder)
    for name in ("agent_runtime_core", "agent_runtime_core.llm"):
        # set first, so that what the test imports is taken away again after it
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)


ECHO = """
    def get_llm_client(**given):
        return given
"""


def test_an_installed_core_is_asked_first_with_its_retries_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    _install_core(monkeypatch, tmp_path, ECHO)
    found: Any = get_llm_client("gpt-5", temperature=0)
    assert found == {"model": "gpt-5", "max_retries": 0, "temperature": 0}
    unnamed: Any = get_llm_client()
    assert unnamed == {"model": "gpt-4o", "max_retries": 0}


@pytest.mark.parametrize(
    "source",
    [
        "def get_llm_client(**given): raise RuntimeError('no provider')",
        "def get_llm_client(**given): return None",
        "def get_llm_client(model): return model  # takes no option",
        "import nowhere_x",
        "no client = here",
    ],
)
def test_a_core_that_gives_no_client_is_passed_over_and_said_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, source: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    _install_core(monkeypatch, tmp_path, source)
    with caplog.at_level(logging.WARNING, "agent_runtime_framework.models"):
        found = get_llm_client("gpt-5", max_retries=4, temperature=0)
    assert isinstance(found, OpenAIClient)
    assert (found.model, found.parameters) == ("gpt-5", {"temperature": 0})
    assert "agent_runtime_core gave no model client" in caplog.text


@pytest.mark.parametrize(("name", "value"), [("OPENAI_API_KEY", "sk-1"), ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")])
def test_without_a_core_a_key_or_a_base_url_is_enough(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert isinstance(get_llm_client(), OpenAIClient)
    assert caplog.text == ""


def test_options_may_bring_the_key() -> None:
    assert isinstance(get_llm_client(api_key="sk-1"), OpenAIClient)


def test_with_nothing_the_error_says_what_to_set_and_why_an_installed_core_gave_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=r"^there is no API key: set OPENAI_API_KEY, or OPENAI_BASE_") as raised:
        get_llm_client()
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)
    _install_core(monkeypatch, tmp_path, "def get_llm_client(**given): raise RuntimeError('no provider')")
    with pytest.raises(
        InvalidInput, match=r"agent_runtime_core gave no model client \(no provider\), and there is"
    ) as raised:
        get_llm_client()
    assert isinstance(raised.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "OPENAI_API_KEY"),
        ({"api_key": "sk two"}, "characters that no key has"),
        ({"api_key": "schlüssel"}, "characters that no key has"),
        ({"base_url": "localhost:8000"}, "http://"),
        ({"base_url": "http://[::1/v1"}, "http://"),
    ],
)
def test_what_cannot_work_is_refused_at_once(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as raised:
        OpenAIClient("m", **options)
    assert options.get("api_key", "?") not in str(raised.value)


def test_the_model_is_the_argument_else_the_environments_else_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_model() == "gpt-4o"
    monkeypatch.setenv("AGENT_RUNTIME_DEFAULT_MODEL", "")
    assert default_model() == "gpt-4o"
    monkeypatch.setenv("AGENT_RUNTIME_DEFAULT_MODEL", "small")
    assert default_model() == "small"
    assert default_model("large") == "large"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    found = get_llm_client()
    assert isinstance(found, OpenAIClient)
    assert found.model == "small"
    assert OpenAIClient("large").model == "large"


def test_nothing_loads_openai_before_its_client_is_wanted() -> None:
    program = """
        import sys
        import agent_runtime_framework.runtime.models as models
        import agent_runtime_framework.testing
        from agent_runtime_framework.runtime.models import get_llm_client, reply_of
        assert "openai" not in sys.modules
        models.OpenAIClient
        assert "openai" in sys.modules
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_not_there_is_an_attribute_error() -> None:
    from agent_runtime_framework.runtime import models

    with pytest.raises(AttributeError, match="Nonsense"):
        _ = models.Nonsense
