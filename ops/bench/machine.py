"""What a reader must know of the machine and of the code that was measured."""

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from nats.aio.client import Client as Nats

ROOT = Path(__file__).parents[2]


def machine(plain: Nats) -> dict[str, str]:
    """Return what the figures were measured on."""
    server = plain.connected_server_version
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return {
        "machine": f"{os.cpu_count()} cores of {_processor()}, {_memory()} GB of memory",
        "system": f"{platform.system()} {platform.release()}",
        "load when it began (1, 5, 15 minutes)": load,
        "Python": platform.python_version(),
        "nats-server": f"{server.major}.{server.minor}.{server.patch}, sync_interval: always",
        "nats-py": version("nats-py"),
    }


def commit() -> str:
    """Return the commit that was measured, and whether the code differs from it."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", "events", "projections", "actors", "runtime", "ops/bench")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name}, with changes" if changed else name


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
