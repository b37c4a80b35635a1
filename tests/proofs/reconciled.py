"""A report against the truth: what the program told of each row, and what the sandbox's own log says happened.

For runs of the real program that were killed, starved or cut off, over a file made by ``programs.crowd``.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bulkremove.sandbox import LoggedRequest, read_log


@dataclass(frozen=True)
class Ends:
    """Where the files of one run lie. ``folder``: the world, the file and its reports; ``home``: the journal."""

    folder: Path
    rows: int

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def requests(self) -> list[LoggedRequest]:
        """All that reached the sandbox."""
        log = self.folder / "log.jsonl"
        return list(read_log(log)) if log.exists() else []

    @property
    def removals(self) -> list[LoggedRequest]:
        """The DELETEs that reached the sandbox."""
        return [entry for entry in self.requests if entry.removal]

    @property
    def wire(self) -> Counter[str]:
        """DELETEs by learner."""
        return Counter(entry.removal.learner for entry in self.removals if entry.removal)

    @property
    def attempts(self) -> Counter[str]:
        """Attempts in the journal by learner, those among them that never left."""
        return Counter(one for (one,) in self.ask("SELECT r.learner FROM attempt JOIN row r USING (job, position)"))

    @property
    def jobs(self) -> list[str]:
        """The jobs that were stored whole; nobody sees another one."""
        return [job for (job,) in self.ask("SELECT id FROM job WHERE state != 'storing'")]

    def ask(self, sql: str) -> list[tuple[str]]:
        """Rows of the journal; none while there is no journal, or none with tables."""
        if not (self.home / "journal.db").exists():
            return []
        with closing(sqlite3.connect(self.home / "journal.db", timeout=20)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'job'").fetchone():
                return []
            return db.execute(sql).fetchall()

    def check(self, report: Path) -> None:
        """Every row is accounted for, and nothing is told that the sandbox did not do."""
        effects = {entry.removal.learner for entry in self.removals if entry.effect and entry.removal}
        world = json.loads((self.folder / "world.json").read_text())
        enrolled = set(world["batches"][0]["learners"])
        with report.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert self.rows == len(rows)
        for row in rows:
            learner, status = row["learner"].strip(), row["status"]
            if status == "removed":
                assert learner in effects, row
            elif status == "removed_inferred":
                assert learner in effects or learner not in enrolled, row
            elif status in ("not_found", "not_sent"):
                assert learner not in effects, row
            else:
                assert status == "unknown", row
            assert self.wire[learner] <= int(row["attempts"]) <= 3, row
        self.check_attempts()

    def check_attempts(self) -> None:
        """No DELETE without its attempt in the journal."""
        assert not self.wire - self.attempts
