"""Journals that older versions have written: opened, read, gone on with; the copy before that, and the way back."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import stat
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bulkremove.app import App, RunResult, Stop
from bulkremove.app.sandbox_run import SandboxOptions
from bulkremove.config import Settings
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import later
from bulkremove.domain.errors import JournalFailed, SettingsError
from bulkremove.domain.job import FrontEnd, JobState
from bulkremove.domain.row import Status
from bulkremove.storage.sqlite import copies as storage_copies
from bulkremove.storage.sqlite.migrations import MIGRATIONS
from tests.cli_fixtures import SAMPLES

KEPT = sorted((Path(__file__).parent / "journals").glob("version-*.sql"), key=lambda path: int(path.stem[8:]))
PAGE = (Path(__file__).parent.parent / "docs" / "upgrading.md").read_text(encoding="utf-8")


def put(kept: Path, home: Path) -> dict[str, Any]:
    """Put a kept journal and its mark into a home folder; what its own version said of its jobs."""
    home.mkdir(mode=0o700, exist_ok=True)
    first, _, script = kept.read_text(encoding="utf-8").partition("\n")
    told = json.loads(first.removeprefix("-- "))
    with closing(sqlite3.connect(home / "journal.db")) as db:
        db.executescript(script)
    (home / "journal.db").chmod(0o600)
    (home / "journal.mark").write_text(json.dumps(told["mark"]))
    jobs: dict[str, Any] = told["jobs"]
    return jobs


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def copies(home: Path) -> list[str]:
    return sorted(path.name for path in home.glob("journal-version-*"))


def number(kept: Path) -> int:
    return int(kept.stem[8:])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture(params=KEPT, ids=lambda path: path.stem)
def kept(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def application(home: Path) -> App:
    return App(Settings(home), environ={}, sandbox=SandboxOptions(SAMPLES / "world.json", 60.0))


async def test_every_row_of_a_kept_journal_is_told_as_its_own_version_told_it(kept: Path, home: Path) -> None:
    jobs = put(kept, home)
    with closing(application(home)) as app:
        for job_id, told in jobs.items():
            job = await app.jobs.find(job_id)
            assert told["state"] == job.state.value
            statuses = Counter(row.status.value for row in await app.reports.outcomes(job))
            assert told["statuses"] in (None, statuses)
        assert {*jobs} == {job.id for job in await app.jobs.all()}
        assert (await app.audit.verify()).broken is None
        assert not await app.backups.is_replaced()
        await app.record("jo", AuditAct.ROSTER)  # it can be written
    assert len(MIGRATIONS) == version_of(home / "journal.db")


async def test_what_an_older_version_left_open_is_sent_after_a_review(kept: Path, home: Path, tmp_path: Path) -> None:
    jobs = put(kept, home)
    with closing(application(home)) as app:
        for job_id, told in jobs.items():
            job = await app.jobs.find(job_id)
            if not job.state.is_resumable:
                continue
            rows_left = (await app.jobs.tally(job)).open
            if not job.client:  # its version did not keep for whom it was planned
                with pytest.raises(SettingsError, match="planned for another client"):
                    await resumed(app, job_id, rows_left, tmp_path)
                continue
            ended = await resumed(app, job_id, rows_left, tmp_path)
            assert (JobState.FINISHED, 0) == (ended.job.state, ended.tally.open)
            killed = told["statuses"] is None  # with a call under way, whose answer nobody knows
            assert killed == (ended.tally[Status.UNKNOWN] > 0)
            assert ended.tally[Status.REMOVED] > (0 if killed else told["statuses"]["removed"])


async def resumed(app: App, job_id: str, rows_left: int, folder: Path) -> RunResult:
    """Resume a job after a person has looked at it."""
    return await app.runs.run(
        job_id,
        stop=Stop(),
        on_progress=lambda progress: None,
        by="jo",
        front_end=FrontEnd.COMMAND,
        rows_reviewed=rows_left,
        report=folder / f"{job_id}.csv",
    )


async def test_a_copy_is_kept_before_a_journal_is_changed(kept: Path, home: Path) -> None:
    put(kept, home)
    with closing(sqlite3.connect(home / "journal.db")) as db:
        before = [*db.iterdump()]
    with closing(application(home)) as app:
        await app.jobs.all()
    copy = home / f"journal-version-{number(kept)}.db"
    assert [copy.name] == copies(home)
    assert 0o600 == stat.S_IMODE(copy.stat().st_mode)
    with closing(sqlite3.connect(copy)) as db:
        assert before == [*db.iterdump()]
    with closing(application(home)) as app:
        await app.jobs.all()
    assert 1 == len(copies(home))  # it is changed once


async def test_a_new_journal_has_no_copy(home: Path) -> None:
    with closing(application(home)) as app:
        await app.record("jo", AuditAct.ROSTER)
    assert [] == copies(home)


async def test_without_a_copy_nothing_is_changed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(KEPT[0], home)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage_copies, "copy_out", full)
    with closing(application(home)) as app, pytest.raises(JournalFailed, match="No space left on device"):
        await app.jobs.all()
    assert number(KEPT[0]) == version_of(home / "journal.db")


async def test_a_copy_that_a_killed_process_left_half_made_is_made_again(home: Path) -> None:
    put(KEPT[0], home)
    half = home / f"journal-version-{number(KEPT[0])}.db.partial"
    half.write_bytes(b"half")
    with closing(application(home)) as app:
        await app.jobs.all()
    assert not half.exists()
    assert number(KEPT[0]) == version_of(half.with_suffix(""))


async def test_the_way_back_and_forward_again_loses_nothing_that_was_not_done_in_between(home: Path) -> None:
    jobs = put(KEPT[-1], home)
    with closing(application(home)) as app:
        await app.jobs.all()
    go_back(home, number(KEPT[-1]))
    assert number(KEPT[-1]) == version_of(home / "journal.db")
    with closing(application(home)) as app:
        assert {*jobs} == {job.id for job in await app.jobs.all()}
        assert not await app.backups.is_replaced()
        await app.record("jo", AuditAct.ROSTER)
    assert [f"journal-version-{number(KEPT[-1])}.db", "journal-version-newer.db"] == copies(home)


async def test_what_was_done_since_the_upgrade_is_missed_after_the_way_back(home: Path) -> None:
    put(KEPT[-1], home)
    with closing(application(home)) as app:
        await app.record("jo", AuditAct.ROSTER)
    go_back(home, number(KEPT[-1]))
    with closing(application(home)) as app:
        assert await app.backups.is_replaced()
        with pytest.raises(JournalFailed, match="replaced by an older copy"):
            await app.record("jo", AuditAct.ROSTER)


def go_back(home: Path, version: int) -> None:
    """Do what the page says, but for the commands of the program."""
    commands = re.search(r"```\n(bulkremove stop\n.*?)```", PAGE, re.DOTALL)
    assert commands
    for line in commands[1].replace("version-31", f"version-{version}").splitlines():
        match shlex.split(line):
            case ["mv", one, other]:
                (home / one).rename(home / other)
            case ["rm", "-f", *names]:
                for name in names:
                    (home / name).unlink(missing_ok=True)
            case words:
                assert ["bulkremove", "stop"] == words


async def test_the_copies_are_deleted_after_their_time(home: Path) -> None:
    put(KEPT[-1], home)
    with closing(application(home)) as app:
        await app.jobs.all()
        now = app.clock.wall()
        await app.at(later(now, 89 * 86_400.0)).retention.delete_expired()
        assert 1 == len(copies(home))
        await app.at(later(now, 91 * 86_400.0)).retention.delete_expired()
        assert [] == copies(home)


async def test_the_copies_are_erased_with_a_learner(home: Path) -> None:
    put(KEPT[-1], home)
    with closing(application(home)) as app:
        (finished,) = [job for job in await app.jobs.all() if job.state is JobState.FINISHED]
        learner = (await app.reports.outcomes(finished))[0].cells[finished.roles.learner]
        erasure = await app.retention.find_learner(learner)
        assert [] == await app.retention.forget(erasure, by="jo")
    assert [] == copies(home)
