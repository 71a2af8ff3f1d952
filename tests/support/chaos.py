"""`python -m ops.chaos` as a test runs it."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from support.processes import environment

ROOT = Path(__file__).parents[2]


async def record_of(path: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run it to its end; return its exit code, its record and what it said on standard error."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.chaos", *arguments, "--json"),
        cwd=ROOT,
        env=environment(TMPDIR=str(path)),
        stdout=pipe,
        stderr=pipe,
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()  # it ends what it started
            await process.communicate()
    return process.returncode or 0, json.loads(out or b"{}"), err.decode()
