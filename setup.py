"""Map the rooms at the top of the repository into one package; all metadata is in pyproject.toml.

`events/`, `projections/`, `actors/` and `runtime/` install as `agent_runtime_framework.events` and so on.  The links
under `src/` show the same layout to type checkers, editors and pytest; a build does not need them.
"""

from setuptools import find_packages, setup

ROOT = "agent_runtime_framework"
PARTS = ("runtime", "events", "actors", "projections")

setup(
    packages=[ROOT, *(f"{ROOT}.{p}" for part in PARTS for p in find_packages(include=[part, f"{part}.*"]))],
    package_dir={ROOT: f"src/{ROOT}"} | {f"{ROOT}.{part}": part for part in PARTS},
)
