"""The program dies, or its disk fails, at the Nth write, sync, send, receive and rename, for every N of a short run."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.conftest import Proving
from tests.proofs.injected import KINDS, Injected, run_with
from tests.proofs.reconciled import Ends

ROWS = 5
CONCURRENCY = 4
LIFTED = ("--limit", "100000/60s")
PARTS = {kind: 4 if kind == "pwrite64" else 1 for kind in KINDS}
"""The many calls of a kind are shared out."""
SAMPLED = {
    "pwrite64": 20,
    "write": 8,
    "fdatasync": 9,
    "fsync": 4,
    "sendto": 4,
    "recvfrom": 5,
    "renameat": 2,
    "linkat": 1,
}
"""In ``make test`` this one call of a kind; of the parts each so many later."""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


class Stage:
    """Runs of five rows, each in a folder and with a sandbox of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, fault: str, kind: str, when: str) -> tuple[Injected, Ends]:
        """A run with a fault, and after it whatever a person does to bring the job to its end."""
        folder = self._folder / f"{kind}-{when}"
        folder.mkdir()
        world, file = crowd(folder, ROWS, {"seed": 7}, missing=1)
        ends = Ends(folder, ROWS)
        with sandbox(world, folder / "log.jsonl", *LIFTED) as variables:
            bulkremove = Bulkremove(folder / "home", environment(**variables))
            words = ("run", str(file), "--yes", *LIFTED)
            injected = run_with(fault, kind, when, bulkremove, *words)
            ends.check_attempts()
            if not ends.jobs:
                assert not ends.removals
                assert bulkremove(*words).returncode in (0, 3)
            if not list(folder.glob("*-report.csv")):
                done = bulkremove("resume", *LIFTED)
                assert done.returncode in (0, 3), done.stderr
            ends.check(next(folder.glob("*-report.csv")))
        shutil.rmtree(folder)
        return injected, ends


def _numbers(kind: str, part: int, proving: Proving) -> Iterable[int]:
    return count(1 + part, PARTS[kind]) if proving.deep else [SAMPLED[kind] * (1 + part)]


@pytest.mark.parametrize(("kind", "part"), [(kind, part) for kind in KINDS for part in range(PARTS[kind])])
def test_a_run_killed_at_its_nth_call_loses_nothing(kind: str, part: int, stage: Stage, proving: Proving) -> None:
    killed = 0
    for number in _numbers(kind, part, proving):
        injected, _ = stage.run("signal=SIGKILL", kind, str(number))
        if not injected.hit:
            break
        assert injected.killed
        killed += 1
    assert killed
    proving.figure("SIGKILL at the Nth write, sync, send, receive or rename loses nothing", f"{kind}: {killed} kills")


@pytest.mark.parametrize(
    ("fault", "kind", "and_later", "part"),
    [("error=ENOSPC", "pwrite64", True, part) for part in range(PARTS["pwrite64"])]
    + [("error=EIO", "fdatasync", True, 0), ("error=EIO", "fdatasync", False, 0)]
    + [("error=EIO", "fsync", True, 0), ("error=ENOSPC", "write", True, 0)],
)
def test_a_disk_that_fails_at_the_nth_call_ends_the_run_and_loses_nothing(
    fault: str, kind: str, *, and_later: bool, part: int, stage: Stage, proving: Proving
) -> None:
    failures = early = 0
    for number in _numbers(kind, part, proving):
        injected, _ = stage.run(fault, kind, f"{number}+" if and_later else str(number))
        if not injected.hit:
            break
        failures += 1
        early += injected.returncode != 0
        assert "Traceback" not in injected.said
        assert injected.returncode in (0, 1, 2, 3, 5), injected.said
        if injected.returncode:  # SQLite itself goes on where a folder, or a checkpoint, can't be synced
            # The writer is a thread of its own: a row whose attempt is on disk already may be leaving at that moment.
            assert len(injected.after) <= CONCURRENCY
    assert early
    proving.figure(
        "A disk that is full or fails at the Nth call ends the run with a sentence and loses nothing",
        f"{fault} at {kind}{', and ever after' if and_later else ''}: {failures} places, {early} ended the run",
    )


def test_a_journal_that_another_process_writes_to_is_waited_for_and_can_be_read(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, ROWS)
    with sandbox(world, tmp_path / "log.jsonl") as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables))
        assert bulkremove("tokens", "add", "one", "--role", "preparer").returncode == 0
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            run = bulkremove.start("run", str(file), "--yes")
            assert run.stderr is not None
            while "Another process is writing to the journal" not in (line := run.stderr.readline()):
                assert line
            assert "one" in bulkremove("tokens").stdout
            assert not Ends(tmp_path, ROWS).removals
            other.execute("ROLLBACK")
        run.communicate(timeout=60)
    assert run.returncode == 0
    Ends(tmp_path, ROWS).check_attempts()
    assert len(Ends(tmp_path, ROWS).removals) == ROWS


def test_a_home_that_can_not_be_a_folder_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, ROWS)
    (tmp_path / "home").write_text("no folder")
    with sandbox(world, tmp_path / "log.jsonl") as variables:
        done = Bulkremove(tmp_path / "home", environment(**variables))("run", str(file), "--yes")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "home") in done.stderr
    assert not Ends(tmp_path, ROWS).removals


def test_a_disk_that_can_only_be_read_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, ROWS)
    with sandbox(world, tmp_path / "log.jsonl") as variables:
        bulkremove = Bulkremove(tmp_path / "home", environment(**variables))
        assert bulkremove("jobs").returncode == 0
        injected = run_with("error=EROFS", "pwrite64", "1+", bulkremove, "run", str(file), "--yes")
    assert injected.returncode == 1
    assert "Traceback" not in injected.said
    assert not Ends(tmp_path, ROWS).removals


def test_a_disk_that_takes_30_ms_to_sync_slows_a_run_down_and_stops_it_not(tmp_path: Path) -> None:
    """At 60 times real time 30 ms are 1.8 s of the run's clock: more than a permit's second."""
    world, file = crowd(tmp_path, 12)
    bulkremove = Bulkremove(tmp_path / "home", environment())
    words = ("run", str(file), "--sandbox", str(world), "--speed", "60", "--yes")
    slow = run_with("delay_enter=30000", "fdatasync", "1+", bulkremove, *words)
    assert "(DELAYED)" in (tmp_path / "fdatasync-1+.trace").read_text()
    assert slow.returncode == 0, slow.said
    with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as db:
        assert db.execute("SELECT state, count(*) FROM row GROUP BY state").fetchall() == [("removed", 12)]
        assert db.execute("SELECT count(*) FROM attempt").fetchall() == [(12,)]
