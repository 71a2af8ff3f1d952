"""The rooms, the package and the imports agree."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAME = "agent_runtime_framework"
FOUND = re.search(r"PARTS = \((.*)\)", (ROOT / "setup.py").read_text())
PARTS = re.findall(r'"(\w+)"', FOUND[1]) if FOUND else []
SOURCES = [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))]
PURE = ("events", "projections", "actors")
INHABITED = ("runtime/cli",)
"""Homes that have rooms, which may use what lives there, too."""
IMPURE_CALLS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "uuid4", "uuid1", "urandom"}


def test_every_room_is_mapped_and_linked() -> None:
    links = {path.name for path in (ROOT / "src" / NAME).iterdir() if path.is_symlink()}
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert links == set(PARTS) == rooms


def test_every_folder_of_code_is_a_package() -> None:
    missing = {str(path.parent) for path in SOURCES if not (path.parent / "__init__.py").exists()}

    assert missing == set()


def test_the_package_imports_itself_only_relatively() -> None:
    absolute = [
        f"{path.relative_to(ROOT)} imports {top}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        for top in _absolute_imports(node)
        if top in {NAME, *PARTS}
    ]

    assert absolute == []


def test_no_room_below_runtime_asks_for_the_time_or_an_id() -> None:
    asked = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.func.attr}"
        for path in SOURCES
        if path.relative_to(ROOT).parts[0] in PURE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in IMPURE_CALLS
        # the life that an actor lives in tells it the time
        and "_life" not in ast.unparse(node.func)
        and ast.unparse(node.func) not in {"self._now"}
    ]

    assert asked == []


def test_only_the_loop_asks_a_model() -> None:
    asking = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"generate", "stream"}
        and ast.unparse(node.func) != "self.generate"
    }

    # the adapter hands on what the loop asks it, to the client of the run
    assert asking - {"runtime/models/openai_client.py"} == {
        "runtime/agents/asking.py",
        "runtime/adapters/django_run.py",
    }


def test_no_module_is_over_400_lines() -> None:
    every = [
        *SOURCES,
        *(ROOT / "src" / NAME).glob("*.py"),
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "ops").rglob("*.py"),
    ]
    long = {str(path.relative_to(ROOT)): lines for path in every if (lines := path.read_text().count("\n")) > 400}

    assert long == {}


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("nats", "runtime/nats"),
        ("openai", "runtime/models"),
        ("tenacity", "runtime"),
        ("duckdb", "runtime/analytics"),
        ("pykka", "actors"),
        ("click", "runtime/cli"),
        ("rich", "runtime/cli"),
        ("cryptography", "runtime/crypto"),
    ],
)
def test_each_outside_library_has_one_home(library: str, home: str) -> None:
    users = {
        home if home in INHABITED and path.is_relative_to(ROOT / home) else str(path.relative_to(ROOT).parent)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if library in _absolute_imports(node)
    }

    assert users == {home}


def test_the_wheel_holds_only_the_package(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(
        ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns(".git", ".venv", "*.egg-info", "build", ".*cache*")
    )
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(tree),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")

    names = zipfile.ZipFile(wheel).namelist()

    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {NAME}
    assert {f"{NAME}/{part}/__init__.py" for part in PARTS} | {f"{NAME}/py.typed"} <= set(names)


def _absolute_imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [(node.module or "").split(".")[0]]
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    return []
