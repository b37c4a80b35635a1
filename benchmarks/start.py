"""How long `bulkremove --help` takes, compared with an empty Python program."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

SUBJECT = ("bulkremove/cli",)
"""The code that is measured."""

TIMES = 15


def _median(*arguments: str) -> float:
    """Median seconds of running Python with these arguments."""
    seconds = []
    for _ in range(TIMES):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def measure() -> list[dict[str, object]]:
    """Return the ratio of the two medians."""
    bare, program = _median("-c", "pass"), _median("-m", "bulkremove", "--help")
    return [{"--help, times bare python": round(program / bare, 2)}]
