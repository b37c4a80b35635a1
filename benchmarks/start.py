"""How long `--help` takes beside a bare interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

SUBJECT = ("bulkremove/cli",)
"""The code that the figures speak of."""

TIMES = 15


def _median(*words: str) -> float:
    taken = []
    for _ in range(TIMES):
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], capture_output=True, check=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def measure() -> list[dict[str, object]]:
    """The ratio of medians."""
    bare, ours_ = _median("-c", "pass"), _median("-m", "bulkremove", "--help")
    return [{"--help, times bare python": round(ours_ / bare, 2)}]
