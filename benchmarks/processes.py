"""Three processes on one account, sharing its ledger, as the sandbox logged them. The clock runs 60 times faster."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bulkremove.engine import rate_limit
from bulkremove.sandbox import read_log
from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox

SUBJECT = ("bulkremove/engine/rate_limiter.py", "bulkremove/engine/rate_limit.py", "bulkremove/storage")
"""The code that is measured."""

PROCESSES, ROWS = 3, 180


def measure() -> list[dict[str, object]]:
    """Return one row: calls, their peak in any 60 s of the sandbox's clock, lock-outs, and the efficiency."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world, file = crowd(folder, ROWS)
        header, *lines = file.read_text().splitlines(keepends=True)
        with sandbox(world, folder / "log.jsonl", "--speed", "60") as variables:
            bulkremove = Bulkremove(folder / "home", environment(**variables))
            processes = []
            for i in range(PROCESSES):
                part = folder / f"{i}.csv"
                part.write_text("".join([header, *lines[i::PROCESSES]]))
                processes.append(bulkremove.start("run", str(part), "--yes"))
            for process in processes:
                process.communicate(timeout=120)
        entries = [entry for entry in read_log(folder / "log.jsonl") if entry.removal]
    times = sorted(entry.time for entry in entries)
    return [
        {
            "processes": PROCESSES,
            "rows": ROWS,
            "calls": len(entries),
            "removed": sum(entry.effect for entry in entries),
            "peak calls": rate_limit.peak_calls(times, 60.0),
            "lock-outs": sum(entry.locked for entry in entries),
            "efficiency": round((ROWS - 30) / 30 * 60.0 / (times[-1] - times[0]), 3),
        }
    ]
