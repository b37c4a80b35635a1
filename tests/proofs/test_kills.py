"""Really dying: the program is killed at random moments, started again, and its report is compared with the truth."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.conftest import Proving
from tests.proofs.reconciled import Ends

KILLS, SAMPLE, PARTS = 200, 15, 5
ROWS = 300
MOST_A_JOB = 10
IN_FLIGHT = 4
"""Rows under way at once, by default."""
LIFTED = "100000/60s"


@pytest.mark.parametrize("part", range(PARTS))
def test_kills_at_random_moments_lose_no_row_and_tell_none_wrongly(part: int, tmp_path: Path, proving: Proving) -> None:
    dice, wanted = random.Random(part), proving.count(sample=SAMPLE, deep=KILLS) // PARTS
    kills = jobs = most_again = 0
    while kills < wanted:
        jobs += 1
        folder = tmp_path / str(jobs)
        folder.mkdir()
        died, again = _job_with_kills(folder, dice, min(wanted - kills, MOST_A_JOB))
        kills, most_again = kills + died, max(most_again, again)
    proving.figure(
        "SIGKILL at a random moment of a run of 300 rows loses no row and tells none wrongly",
        f"{kills} kills in {jobs} jobs, at most {most_again} rows sent again after one",
    )


def _job_with_kills(folder: Path, dice: random.Random, most: int) -> tuple[int, int]:
    """How often it was killed, and how many rows at most were sent again after one kill."""
    world, file = crowd(folder, ROWS, {"latency": 0.03, "seed": 7}, missing=5)
    ends = Ends(folder, ROWS)
    kills = most_again = 0
    with sandbox(world, folder / "log.jsonl", "--limit", LIFTED) as variables:
        bulkremove = Bulkremove(folder / "home", environment(**variables))
        words = ["run", str(file), "--yes", "--limit", LIFTED]
        while True:
            again = ends.wire
            process = bulkremove.start(*words)
            try:
                _, said = process.communicate(timeout=dice.uniform(0.4, 1.6) if kills < most else 120.0)
            except subprocess.TimeoutExpired:
                process.kill()
                _, said = process.communicate()
                kills += 1
            most_again = max(most_again, _sent_again(again, ends))
            assert most_again <= IN_FLIGHT
            if process.returncode >= 0:
                # When the kill fell behind the report there is nothing left to do.
                assert process.returncode in (0, 3) or "no unfinished job" in said, said
                break
            if ends.jobs:
                words = ["resume", "--limit", LIFTED]
        ends.check(next(folder.glob("*-report.csv")))
    return kills, most_again


def _sent_again(before: dict[str, int], ends: Ends) -> int:
    """Rows that had been sent before this start and were sent once more since."""
    return sum(before[learner] < count for learner, count in ends.wire.items() if before.get(learner))
