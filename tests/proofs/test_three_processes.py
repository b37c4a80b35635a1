"""Three processes spend one account's allowance in real time, one of them killed and started again every minute.

The sandbox counts for itself how many calls came in any window, and whether it ever had to lock the account.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bulkremove.sandbox import read_log
from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.conftest import Proving

PROCESSES = 3


CALLS, WINDOW = 30, 60.0
ANY_NUMBER = {"BULKREMOVE_MAX_REMOVALS": "1000"}
"""All rows together are more than the usual cap of a day."""


@dataclass(frozen=True)
class Size:
    """How long (real seconds) and how many times faster than life; ``rows``: more than can be sent in that time."""

    seconds: float
    speed: int
    rows: int
    kill_every: float


DEEP = Size(900.0, 1, 600, 60.0)
SAMPLE = Size(20.0, 10, 180, 4.0)


def test_three_processes_keep_the_limit_together_while_one_is_killed_again_and_again(
    tmp_path: Path, proving: Proving
) -> None:
    size = DEEP if proving.deep else SAMPLE
    world, file = crowd(tmp_path, size.rows)
    files = _parted(file)
    dice, kills = random.Random(1), 0
    with sandbox(world, tmp_path / "log.jsonl", "--speed", f"{size.speed}") as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables, **ANY_NUMBER))
        running = {one: bulkremove.start("run", str(one), "--yes") for one in files}
        jobs: dict[Path, str] = {}
        end, next_kill = time.monotonic() + size.seconds, time.monotonic() + size.kill_every
        while time.monotonic() < end:
            time.sleep(0.2)
            jobs |= _jobs(bulkremove, files) if len(jobs) < PROCESSES else {}
            if time.monotonic() >= next_kill and len(jobs) == PROCESSES:
                one = dice.choice(files)
                _kill(running[one])
                running[one] = bulkremove.start("resume", jobs[one])
                kills, next_kill = kills + 1, next_kill + size.kill_every
        for process in running.values():
            assert process.poll() is None, f"it ended, with code {process.returncode}: {process.communicate()}"
        for process in running.values():
            _kill(process)
    entries = [entry for entry in read_log(tmp_path / "log.jsonl") if entry.removal]
    worst = _worst([entry.time for entry in entries])
    assert not any(entry.locked for entry in entries)
    assert worst <= CALLS
    assert kills >= 3
    by_file = Counter(_owner(files, entry.removal.learner) for entry in entries if entry.removal)
    assert len(by_file) == PROCESSES
    proving.figure(
        "Three processes on one account, one restarted every minute, never exceed the limit",
        f"{size.seconds:g} s at speed {size.speed}: {len(entries)} calls, {kills} kills, at most {worst} in a window",
    )


def _has_both(log: Path) -> bool:
    """Whether so many reads and removals were counted that they have shared a window."""
    counted = Counter(entry.method for entry in read_log(log) if entry.counted)
    return counted["GET"] >= 4 and counted["DELETE"] > 8


def test_reads_of_one_process_and_removals_of_another_keep_the_limit_together(tmp_path: Path, proving: Proving) -> None:
    speed, seconds, rows = (4, 600.0, 800) if proving.deep else (20, 10.0, 180)
    world, file = crowd(tmp_path, rows, scope="ZOHOPEOPLE.training.ALL")
    course, batch = json.loads(world.read_text())["batches"][0]["courseId"], "478346000019502001"
    with sandbox(world, tmp_path / "log.jsonl", "--speed", f"{speed}") as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables, **ANY_NUMBER))
        running, end = bulkremove.start("run", str(file), "--yes"), time.monotonic() + seconds
        while time.monotonic() < end or not _has_both(tmp_path / "log.jsonl"):  # a busy machine needs longer
            read = bulkremove("doctor", "--read", course, batch)
            assert 0 == read.returncode, read.stdout + read.stderr
        assert running.poll() is None, f"it ended, with code {running.returncode}: {running.communicate()}"
        _kill(running)
    entries = [entry for entry in read_log(tmp_path / "log.jsonl") if entry.counted]
    reads, removals = (sum(entry.method == method for entry in entries) for method in ("GET", "DELETE"))
    worst = _worst([entry.time for entry in entries])
    assert not any(entry.locked for entry in entries)
    assert worst <= CALLS
    proving.figure(
        "Reads of one process and removals of another never exceed the limit together",
        f"{seconds:g} s at speed {speed}: {reads} reads, {removals} removals, at most {worst} in a window",
    )


def _parted(file: Path) -> list[Path]:
    header, *rows = file.read_text().splitlines()
    files = [file.with_name(f"part{number}.csv") for number in range(PROCESSES)]
    for number, part in enumerate(files):
        part.write_text("\n".join([header, *rows[number::PROCESSES], ""]))
    return files


def _jobs(bulkremove: Bulkremove, files: list[Path]) -> dict[Path, str]:
    told = json.loads(bulkremove("jobs", "--json").stdout or "[]")
    names = {one.name: one for one in files}
    return {names[job["source"]]: job["job"] for job in told if job["source"] in names}


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def _worst(times: list[float]) -> int:
    return max(sum(start <= time < start + WINDOW for time in times) for start in times)


def _owner(files: list[Path], learner: str) -> str:
    return next(one.name for one in files if learner in one.read_text())
