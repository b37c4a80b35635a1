"""What is kept and what goes: retention, forgetting a person, backups, and noticing an old copy; and the figures."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zipfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import metrics
from bulkremove.app.retention import DeletionCounts
from bulkremove.domain.errors import JobUnsuitable, JournalFailed, LearnerNotFound, ReportFailed
from bulkremove.domain.job import JobState
from bulkremove.domain.permissions import EVERY_ACCOUNT, Role
from bulkremove.domain.row import Status
from bulkremove.report.metrics import prometheus_text
from bulkremove.sandbox import read_log
from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.nightly_fixtures import nightly_site
from tests.web_fixtures import running_site, triples
from tests.workbooks import Book, Cell, Sheet

LEARNER = "478346000019558001"
DAY = 86_400.0


async def test_after_its_time_a_job_keeps_its_totals_and_nothing_of_people(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, retention_days=90) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        job, totals = await one.job(), (await one.app.jobs.tally(await one.job())).counts
        one.clock.ahead = 89 * DAY
        assert DeletionCounts(0, 0) == await one.app.retention.delete_expired()
        one.clock.ahead = 91 * DAY
        assert DeletionCounts(1, 2) == await one.app.retention.delete_expired()
        assert {"jobs": 1, "files": 2} == (await one.app.audit.newest(1, EVERY_ACCOUNT))[0].facts
        assert (await one.job()).rows_deleted
        assert totals == (await one.app.jobs.tally(job)).counts
        assert [] == list(await one.app.reports.outcomes(job))
        with pytest.raises(ReportFailed, match="deleted"):
            await one.app.reports.write(job.id, tmp_path / "r.csv", by="kim")
        assert [] == [path.name for path in (one.folder / "done").iterdir()]
        assert (await one.app.audit.verify()).broken is None
        everything = b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("journal.db") if path.is_file())
        assert LEARNER.encode() not in everything


async def test_a_clock_that_is_wrong_for_one_night_deletes_nothing(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, retention_days=90) as one:
        one.drop("leavers.csv", triples(3))
        job = (await one.run()).ran[0]
        one.clock.ahead = 400 * DAY
        assert "" == (await one.run()).deleted  # nobody has compared the clock in this run
        one.drop("more.csv", triples(3, first=5))
        found = await one.run()
        assert any("400 days, so nothing was deleted" in sentence for sentence in found.failures)
        assert not (await one.app.jobs.find(job.id)).rows_deleted
        one.clock.ahead = 0.0
        assert "" == (await one.run()).deleted
        assert not (await one.app.jobs.find(job.id)).rows_deleted


async def test_a_forgotten_person_stands_nowhere_and_it_is_said_where_they_stood(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(5, reason="Jo Leaver"))
        await one.run()
        found = await one.app.retention.find_learner(LEARNER)
        job = await one.job()
        assert {job.id: 1} == found.rows
        assert {"leavers.csv", f"{job.id}-report.xlsx"} == {path.name for path in found.files}
        assert () == found.manual_steps
        await one.app.retention.forget(found, by="kim")
        left = b"".join(path.read_bytes() for path in one.folder.rglob("*") if path.is_file())
        assert LEARNER.encode() not in left
        assert b"478346000019558002" in left
        assert not (one.folder / "done" / f"{job.id}-report.xlsx").exists()  # the journal makes it again
        outcomes = list(await one.app.reports.outcomes(await one.job()))
        assert 1 == sum(set(row.cells) == {""} for row in outcomes)
        assert 5 == (await one.app.jobs.tally(await one.job()))[Status.REMOVED]
        with pytest.raises(LearnerNotFound, match="knows the learner id"):
            await one.app.retention.find_learner(LEARNER)
        assert LEARNER not in str(await one.app.audit.newest(50, EVERY_ACCOUNT))


async def test_an_erased_id_stands_in_no_file_of_the_journal_also_while_the_page_runs(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        await one.app.retention.forget(await one.app.retention.find_learner(LEARNER), by="kim")
        for path in (tmp_path / "home").glob("journal.*"):
            assert LEARNER.encode() not in path.read_bytes(), path


async def test_it_is_said_what_an_erasure_does_not_reach(tmp_path: Path) -> None:
    protected = tmp_path / "protected.csv"
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
    protected.write_text(f"Learner ID\n{LEARNER}\n")
    async with nightly_site(tmp_path, protected_list=str(protected)) as one:
        found = await one.app.retention.find_learner(LEARNER)
        assert ("The protected list names this learner, and was not changed.",) == found.manual_steps
    async with nightly_site(tmp_path, protected_list=str(protected), source=str(tmp_path / "elsewhere")) as one:
        found = await one.app.retention.find_learner(LEARNER)
        assert "are yours and were not searched" in found.manual_steps[0]


async def test_who_is_still_to_be_removed_is_not_forgotten(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=1) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        assert JobState.HELD == (await one.job()).state
        with pytest.raises(JobUnsuitable, match="still to be sent"):
            await one.app.retention.find_learner(LEARNER)


async def test_a_course_with_the_number_of_a_learner_stays_in_a_report_as_lines_of_json(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        done = one.folder / "done"
        done.mkdir()
        cells = [[["course", "4711"], ["batch", "2"], ["learner", str(learner)]] for learner in (1, 4711)]
        lines = [json.dumps({"cells": row}) + "\n" for row in cells]
        (done / "old.jsonl").write_text("".join(lines))
        await one.app.retention.forget(await one.app.retention.find_learner("4711"), by="kim")
        assert lines[0] == (done / "old.jsonl").read_text()


LEAVERS = 'course,batch,learner,note\n1,2,4711,"two\nlines"\n1,2,14711,"4711"\n1,2,47110,x\n1,2, 4711 ,y\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
async def test_only_the_rows_whose_learner_cell_is_the_id_are_taken_out_of_a_file(
    tmp_path: Path, encoding: str
) -> None:
    async with nightly_site(tmp_path) as one:
        done = one.folder / "done"
        done.mkdir()
        (done / "old.csv").write_bytes(LEAVERS.replace("x", "é").encode(encoding))
        (done / "old.csv").chmod(0o640)
        await one.app.retention.forget(await one.app.retention.find_learner("4711"), by="kim")
        left = 'course,batch,learner,note\n1,2,14711,"4711"\n1,2,47110,é\n'
        assert left.encode(encoding) == (done / "old.csv").read_bytes()
        assert 0o640 == (done / "old.csv").stat().st_mode & 0o777
        assert ["old.csv"] == [path.name for path in done.iterdir()]


async def test_a_file_that_changed_since_the_look_is_left_as_it_is(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        done = one.folder / "done"
        done.mkdir()
        for name in ("a.csv", "b.csv", "gone.csv"):
            (done / name).write_text(LEAVERS)
        found = await one.app.retention.find_learner("4711")
        changed = LEAVERS.replace("4711", "99999999")
        (done / "a.csv").write_text(changed)
        (done / "gone.csv").unlink()
        (failed,) = await one.app.retention.forget(found, by="kim")
        assert "a.csv has changed meanwhile" in failed
        assert changed == (done / "a.csv").read_text()
        assert "4711," not in (done / "b.csv").read_text().replace("14711,", "")


async def test_waiting_files_workbooks_and_links_are_named_or_left_and_never_changed(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        for place in ("done", "held"):
            (one.folder / place).mkdir()
        waiting = one.drop("tonight.csv", LEAVERS)
        book = one.folder / "held" / "old.xlsx"
        rows: list[list[Cell]] = [["course", "batch", "learner"], ["1", "2", "4711"], ["1", "2", "14711"]]
        book.write_bytes(Book([Sheet(rows)]).as_bytes("xlsx"))
        protected = tmp_path / "protected.csv"
        protected.write_text("Learner ID\n4711\n")
        link = one.folder / "done" / "linked.csv"
        link.symlink_to(protected)
        before = {path: path.read_bytes() for path in (waiting, book, protected)}
        found = await one.app.retention.find_learner("4711")
        assert ({}, {}) == (found.rows, found.files)
        assert ["rows 2." in sentence for sentence in found.manual_steps] == [False, True]
        assert "tonight.csv still waits for a nightly run" in found.manual_steps[0]
        assert "old.xlsx is a workbook" in found.manual_steps[1]
        await one.app.retention.forget(found, by="kim")
        assert before == {path: path.read_bytes() for path in before}
        assert link.is_symlink()


async def test_a_backup_made_while_a_job_runs_is_sound_and_an_old_one_is_noticed(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("first.csv", triples(3))
        await one.run()
        backup, copy = tmp_path / "monday.zip", tmp_path / "journal.db"
        await one.app.backups.make(backup, by="kim")
        assert 0o600 == backup.stat().st_mode & 0o777
        with zipfile.ZipFile(backup) as packed:
            assert ["CONTENTS.txt", "journal.db"] == packed.namelist()
            packed.extract("journal.db", tmp_path)
        with closing(sqlite3.connect(copy)) as db:
            assert [("ok",)] == db.execute("PRAGMA integrity_check").fetchall()
        with pytest.raises(JournalFailed):
            await one.app.backups.make(backup, by="kim")
        one.drop("second.csv", triples(3, first=5))
        await one.run()
    for path in (tmp_path / "home").glob("journal.db*"):
        path.unlink()
    shutil.copy(copy, tmp_path / "home" / "journal.db")
    async with nightly_site(tmp_path) as one:
        one.drop("third.csv", triples(3, first=10))
        for _ in range(2):
            with pytest.raises(JournalFailed, match="replaced by an older copy"):
                await one.run()
        restored = await one.app.backups.restored()
        assert restored is not None
        assert ({}, 1) == (restored.rows, len(restored.jobs))  # the copy knows the first job, which was over
        await one.app.backups.accept(restored, by="kim")
        assert await one.app.backups.restored() is None
        assert JobState.FINISHED == (await one.run()).ran[0].state


async def test_the_figures_are_for_prometheus_and_name_nobody(tmp_path: Path) -> None:
    figures = tmp_path / "bulkremove.prom"
    async with nightly_site(tmp_path, metrics_file=str(figures)) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        written = figures.read_text()
        assert 'bulkremove_rows{status="removed"} 35.0' in written, "5 now, and 30 of an earlier night"
        assert "bulkremove_last_good_nightly_run_seconds" in written
        assert "478346" not in written
        assert prometheus_text(await metrics.figures(one.app.context, EVERY_ACCOUNT)).startswith(b"# HELP")


async def test_the_page_gives_the_figures_to_whoever_has_a_token(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        assert 401 == (await visitor.get("/metrics")).status
        told = await visitor.ask("GET", "/metrics", headers=await one.program(Role.PREPARER))
        assert 200 == told.status
        assert 'bulkremove_calls_last_minute{account="default"} 0.0' in told.text


def test_a_copy_of_the_middle_of_a_run_that_is_put_back_leads_to_unknown_rows_and_no_second_call(
    tmp_path: Path,
) -> None:
    """The copy was made while the job ran; 20 rows were sent after it. None of them may be sent again."""
    world, file = crowd(tmp_path, 60, {"latency": 0.08})
    log, backup = tmp_path / "log.jsonl", tmp_path / "middle.zip"
    with sandbox(world, log, "--limit", "100000/60s") as variables:
        program = Bulkremove(tmp_path / "home", environment(**variables, BULKREMOVE_LIMIT="100000/60s"))
        program.home.mkdir(mode=0o700)
        (program.home / "bulkremove.toml").write_text("max_removals = 400\n")
        run = program.start("-v", "run", str(file), "--yes", "--concurrency", "1")
        assert run.stderr is not None
        while log.read_text().count("/learners/") < 20:  # its last line may be half written
            assert run.poll() is None
        assert 0 == program("backup", str(backup)).returncode
        assert 0 == run.wait(timeout=60)
        run.communicate()
        assert 4 == program("restore-backup", str(backup)).returncode  # nobody can be asked
        put_back = program("restore-backup", str(backup), "--yes")
        assert "accept-restore" in put_back.stdout, put_back.stderr
        for words in (["resume"], ["run", str(file), "--yes"], ["users", "add", "jo", "--role", "admin"]):
            refused = program(*words, stdin="a good long password\n")
            assert 1 == refused.returncode
            assert "put back from a backup" in refused.stderr
        assert "accept-restore" in program("doctor").stdout
        verified = program("audit", "verify")
        assert (1, True) == (verified.returncode, "replaced by an older copy" in verified.stdout)
        accepted = program("journal", "accept-restore", "--yes")
        assert 0 == accepted.returncode, accepted.stderr
        (job,) = json.loads(program("jobs", "--json").stdout)
        done = program("resume", job["job"])
        assert 0 <= done.returncode <= 5
        calls = Counter(entry.removal.learner for entry in read_log(log) if entry.removal)
        assert {1} == set(calls.values())
        shown = json.loads(program("show", job["job"], "--json").stdout)
        assert 60 == shown["rows"]
        assert shown["counts"]["removed"] + shown["counts"]["unknown"] == 60
        assert shown["counts"]["not_found"] == 0
        assert "sound" in program("audit", "verify").stdout


def test_a_file_that_is_no_backup_leaves_the_journal_as_it_is(tmp_path: Path) -> None:
    program = Bulkremove(tmp_path / "home", environment())
    assert 0 == program("tokens", "add", "one", "--role", "preparer").returncode
    (tmp_path / "a.zip").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as packed:
        packed.writestr("journal.db", "no database")
    for name in ("a.zip", "b.zip", "c.zip"):
        refused = program("restore-backup", str(tmp_path / name), "--yes")
        assert 1 == refused.returncode
        assert "Traceback" not in refused.stderr
    assert "one" in program("tokens").stdout


def test_a_lost_end_of_the_audit_log_is_noticed(tmp_path: Path) -> None:
    program = Bulkremove(tmp_path / "home", environment())
    for name in ("one", "two"):
        program("tokens", "add", name, "--role", "preparer")
    with closing(sqlite3.connect(program.home / "journal.db")) as db, db:
        db.execute("DROP TRIGGER audit_is_not_deleted")
        db.execute("DELETE FROM audit WHERE id = 2")
    verified = program("audit", "verify")
    assert 1 == verified.returncode
    assert "broken at entry 2: it is missing, and so are all after it" in verified.stdout


def test_forget_and_backup_are_commands(tmp_path: Path) -> None:
    program = Bulkremove(tmp_path / "home", environment())
    world, file = crowd(tmp_path, 3)
    assert 0 == program("run", str(file), "--sandbox", str(world), "--speed", "60", "--yes").returncode
    assert 4 == program("forget", LEARNER).returncode  # nobody can be asked
    done = program("forget", LEARNER, "--yes")
    assert "1 row is emptied" in done.stdout
    assert done.stdout.endswith("were erased.\n")
    assert 4 == program("forget", LEARNER, "--yes").returncode  # nothing knows it any more
    assert 2 == program("forget", "nobody").returncode
    assert 0 == program("backup", str(tmp_path / "b.db")).returncode
    assert 1 == program("backup", str(tmp_path / "b.db")).returncode
    assert ["backed_up", "forgot"] == [one["act"] for one in json.loads(program("audit", "--json").stdout)][:2]
