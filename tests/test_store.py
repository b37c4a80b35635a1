"""The journal: private, of a known version, shut after a failure, and driven by one process only."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest

from bulkremove.errors import JobBusy, JournalFailed
from bulkremove.model import Attempt, Job, JobState, KeepList, PlannedRow, Removal, Roles, Row, RowState, Status
from bulkremove.store import Journal, database, driven

CELLS = ("1", "2", "3", "\ud800 \x00 'x'")


def journal_with_a_row(home: Path) -> Journal:
    journal = Journal(home)
    header = ("c", "b", "l", "n")
    job = Job("job", "a", "h", "f", "", None, header, Roles(0, 1, 2), "hash", JobState.READY, created_at=1.0)
    journal.create(job, [PlannedRow(Row(2, CELLS), Removal("1", "2", "3"), None)])
    return journal


def test_the_journal_is_private_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        journal_with_a_row(tmp_path / "home").close()
    finally:
        os.umask(before)
    assert 0o700 == (tmp_path / "home").stat().st_mode & 0o777
    assert {0o600} == {path.stat().st_mode & 0o777 for path in (tmp_path / "home").glob("journal.db*")}


def test_many_may_open_a_new_journal_at_the_same_moment(tmp_path: Path) -> None:
    together = threading.Barrier(8, timeout=20)

    def open_all() -> None:
        for i in range(40):
            together.wait()
            Journal(tmp_path / str(i)).close()

    with ThreadPoolExecutor(8) as pool:
        for opened in [pool.submit(open_all) for _ in range(8)]:
            opened.result()


def test_a_second_journal_in_one_process_leaves_the_locks_of_the_first_alone(tmp_path: Path) -> None:
    """Closing any descriptor of a file drops all POSIX locks of the process on it (SQLite, "How to corrupt", 2.2)."""
    journal = journal_with_a_row(tmp_path)
    Journal(tmp_path).close()
    wal = tmp_path / "journal.db-wal"
    assert wal.stat().st_size > 0
    code = f"from pathlib import Path; from bulkremove.store import Journal; Journal(Path({str(tmp_path)!r})).close()"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert wal.exists(), "the other process took itself for the last one and deleted the write-ahead log"
    journal.close()


def test_every_text_of_a_cell_survives(tmp_path: Path) -> None:
    journal = journal_with_a_row(tmp_path)
    (outcome,) = journal.outcomes(journal.job("job"))
    assert CELLS == outcome.cells
    journal.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    journal_with_a_row(tmp_path).close()
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalFailed, match="newer"):
        Journal(tmp_path)


def test_whoever_is_kept_is_not_sent_again_after_an_open_attempt(tmp_path: Path) -> None:
    journal = journal_with_a_row(tmp_path)
    (errand,) = journal.errands("job")
    journal.open_attempt(errand, Attempt(1, 1.0, 1.0, "boot"), "ledger")
    assert 1 == journal.keep("job", KeepList(learners=frozenset({"3"})), why="Kept.", at=2.0)
    (outcome,) = journal.outcomes(journal.job("job"))
    assert Status.UNKNOWN == outcome.status
    assert [] == list(journal.errands("job"))
    journal.close()


def test_an_older_journal_is_brought_up_to_date_and_keeps_its_rows(tmp_path: Path) -> None:
    first = files("bulkremove.store").joinpath("schema", "1-jobs.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        db.executescript(first + "PRAGMA user_version = 1;")
        db.execute(
            "INSERT INTO job (id, account, host, source, folder, header, roles, plan_hash, state, created_at)"
            """ VALUES ('old', 'a', 'h', 'f', '', '["c"]', '[0, 1, 2]', 'hash', 'paused', 1.0)"""
        )
        db.commit()
    journal = Journal(tmp_path)
    assert ("old", "", "") == (journal.job("old").id, journal.job("old").prepared_by, journal.job("old").confirmed_by)
    journal.audit.append("jo", "looked", {}, at=1.0)
    journal.close()
    Journal(tmp_path).close()


def test_a_file_that_is_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("this is no database, and it is long enough to be read as one" * 20)
    with pytest.raises(JournalFailed):
        Journal(tmp_path)


def test_a_journal_that_another_program_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    journal = journal_with_a_row(tmp_path)
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalFailed, match="locked") as told:
            journal.note("job", "x", "y", at=1.0)
    assert "Another process" in told.value.hint
    journal.close()


def test_a_home_that_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(JournalFailed, match="can't be opened"):
        Journal(tmp_path / "home")


def test_a_row_found_in_sending_keeps_its_open_attempt_and_goes_first(tmp_path: Path) -> None:
    journal = journal_with_a_row(tmp_path)
    (errand,) = journal.errands("job")
    journal.open_attempt(errand, Attempt(1, 5.0, 6.0, "boot"), "ledger")
    journal.close()
    again = Journal(tmp_path)
    (errand,) = again.errands("job")
    assert (Attempt(1, 5.0, 6.0, "boot"),) == errand.attempts
    (outcome,) = again.outcomes(again.job("job"))
    assert Status.UNKNOWN is outcome.status
    again.close()


def test_a_settled_row_never_changes_and_is_never_sent_again(tmp_path: Path) -> None:
    journal = journal_with_a_row(tmp_path)
    (errand,) = journal.errands("job")
    journal.open_attempt(errand, Attempt(1, 5.0, 6.0, "boot"), "ledger")
    journal.mark(errand, Status.REMOVED, "Done.", at=7.0)
    with pytest.raises(JournalFailed, match="settled already"):
        journal.mark(errand, RowState.PENDING, "", at=8.0)
    with pytest.raises(JournalFailed, match="settled already"), journal.transaction():
        journal.open_attempt(errand, Attempt(2, 9.0, 9.0, "boot"), "ledger")
    assert 1 == journal.tally("job")[Status.REMOVED]
    journal.close()


async def test_after_a_full_disk_nothing_is_written_any_more(tmp_path: Path) -> None:
    journal = journal_with_a_row(tmp_path)
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(2):
        with pytest.raises(JournalFailed):
            await journal.durably(lambda: journal.note("job", "x", "y" * 100_000, at=1.0))
    with pytest.raises(JournalFailed, match=r"disk is full.*not used any more"):
        journal.jobs()
    journal.close()


def test_a_job_is_driven_by_one_process_and_freed_by_its_death(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from bulkremove.store import driven\n"
        f"with driven(Path({str(tmp_path)!r}), 'job'):\n    print('driving', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert "driving\n" == child.stdout.readline()
    with pytest.raises(JobBusy), driven(tmp_path, "job"):
        pass
    child.kill()
    child.communicate()
    with driven(tmp_path, "job"):
        pass
