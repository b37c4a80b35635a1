"""Really dying: a child is killed at a random moment, started again, and the report is compared with the truth."""

from __future__ import annotations

import csv
import json
import random
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path

from bulkremove.sandbox import read_log
from tests.programs import Bulkremove, crowd, environment, sandbox

KILLS = 40
ROWS = 150
LIFTED = "100000/60s"


def test_forty_kills_lose_no_row_and_tell_none_wrongly(tmp_path: Path) -> None:
    dice = random.Random(20261123)
    kills = job = 0
    while kills < KILLS:
        job += 1
        folder = tmp_path / str(job)
        folder.mkdir()
        kills += _killed_job(folder, dice, KILLS - kills)


def _killed_job(folder: Path, dice: random.Random, most: int) -> int:
    faults: dict[str, object] = {"latency": 0.03, "rates": {"reset_after_effect": 0.03, "500": 0.03}, "seed": 7}
    world, file = crowd(folder, ROWS, faults, missing=5)
    log = folder / "log.jsonl"
    kills = 0
    with sandbox(world, log, "--limit", LIFTED) as variables:
        bulkremove = Bulkremove(folder / "home", environment(**variables))
        words = ["run", str(file), "--yes", "--limit", LIFTED]
        while True:
            process = bulkremove.start(*words)
            try:
                patience = dice.uniform(0.4, 1.6) if kills < min(most, 8) else 60.0
                process.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                kills += 1
                if (folder / "home" / "journal.db").exists() and _jobs(folder):
                    words = ["resume", "--limit", LIFTED]
                continue
            assert process.returncode in (0, 3)
            break
        _compare(folder, log)
    return kills


def _jobs(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "home" / "journal.db") as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'job'").fetchone():
            return []
        return [job for (job,) in db.execute("SELECT id FROM job")]


def _compare(folder: Path, log: Path) -> None:
    entries = [entry for entry in read_log(log) if entry.removal]
    effects = {entry.removal.learner for entry in entries if entry.effect and entry.removal}
    wire = Counter(entry.removal.learner for entry in entries if entry.removal)
    world = json.loads((folder / "world.json").read_text())
    gone = {str(478346000019558000 + i) for i in range(ROWS)} - set(world["batches"][0]["learners"])
    (report,) = folder.glob("*-report.csv")
    with report.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert ROWS == len(rows)
    for row in rows:
        learner, status = row["learner"].strip(), row["status"]
        if status == "removed":
            assert learner in effects, row
        elif status == "removed_inferred":
            assert learner in effects or learner in gone, row
        elif status == "not_found":
            assert learner not in effects, row
        else:
            assert status == "unknown", row
        assert wire[learner] <= int(row["attempts"]) <= 3, row
    with sqlite3.connect(folder / "home" / "journal.db") as db:
        attempts = dict(
            db.execute("SELECT r.learner, count(*) FROM attempt JOIN row r USING (job, position) GROUP BY 1")
        )
    assert all(wire[learner] <= attempts.get(learner, 0) for learner in wire)
