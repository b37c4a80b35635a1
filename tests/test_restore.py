"""A journal that is put back, moved, or another one: what may be sent then, and what a backup must be to be used."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import warnings
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from bulkremove.app import App, Consent, SandboxOptions, Stop
from bulkremove.config import Settings
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import JobUnsuitable, JournalFailed
from bulkremove.domain.event_names import EventName
from bulkremove.domain.job import EndReason, FrontEnd, JobState, Tally
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.domain.row import Status
from bulkremove.reading.options import ReadOptions
from bulkremove.storage.interface.records import JobEvent, Notice
from bulkremove.storage.interface.restore import LostCalls
from bulkremove.storage.sqlite import SqliteStorage
from bulkremove.storage.sqlite.high_water import HighWaterMark, Mark
from bulkremove.storage.sqlite.migrations import MIGRATIONS
from tests.cli_fixtures import Bulkremove, crowd, environment
from tests.nightly_fixtures import nightly_site
from tests.storage_fixtures import ACT, Clock, Rule, calls, end, job, planned, rows, taken
from tests.web_fixtures import until

UNFINISHED = (JobState.READY, JobState.RUNNING, JobState.PAUSED, JobState.HELD)


def opened(home: Path) -> SqliteStorage:
    """The storage as a process of its own has it."""
    return SqliteStorage(home, Clock(), databases={})


async def accept(storage: SqliteStorage, slots: int = 1, if_unknown: LostCalls = LostCalls(0, 0)) -> None:  # noqa: B008 - it is frozen
    losses = await storage.restore.check()
    assert losses is not None
    await storage.restore.accept(
        losses, ACT, keys=[], slots=slots, held_seconds=100.0, why="Put back.", if_unknown=if_unknown
    )


RULE = Rule(allowed=9)


async def started(home: Path) -> SqliteStorage:
    """A journal with a job of five rows, of which two have been sent."""
    storage = opened(home)
    await storage.jobs.create(job(), planned(5))
    for pending_row in (await rows(storage))[:2]:
        await taken(storage, pending_row, RULE)
    return storage


async def test_a_backup_in_a_new_folder_waits_and_then_nothing_may_be_sent_that_the_old_folder_may_have_sent(
    tmp_path: Path,
) -> None:
    old = await started(tmp_path / "old")
    await old.backup(tmp_path / "copy.db")
    old.close()
    new = opened(tmp_path / "new")
    await new.restore.put_back(tmp_path / "copy.db", ACT)
    with pytest.raises(JournalFailed, match="put back from a backup"):
        await taken(new, (await rows(new))[-1])
    found = await new.restore.check()
    assert found is not None
    assert (None, {"job": 5}, ["job"], []) == (found.changes, found.rows, found.unfinished, found.jobs)
    await accept(new)
    assert Tally({Status.UNKNOWN: 5}) == await new.rows.tally("job")
    assert await new.restore.check() is None
    assert (await new.audit.verify()).broken is None
    new.close()


@pytest.mark.parametrize("state", UNFINISHED)
async def test_no_job_of_a_journal_that_was_put_back_goes_on_by_itself(tmp_path: Path, state: JobState) -> None:
    storage = opened(tmp_path / "home")
    await storage.jobs.create(replace(job(state=JobState.HELD), due_at=Epoch(5.0)), planned(3))
    if state is not JobState.HELD:
        await storage.jobs.release("job", lambda one: None, by="jo", at=Epoch(1.0))
    if state is JobState.RUNNING:
        await storage.jobs.start("job")
    if state is JobState.PAUSED:
        await storage.jobs.end("job", lambda tally: end())
    await storage.backup(tmp_path / "copy.db")
    await storage.jobs.cancel("job", lambda one: None, end(JobState.CANCELLED))
    await storage.restore.put_back(tmp_path / "copy.db")
    await accept(storage)
    found = await storage.jobs.get("job")
    assert found.state is (JobState.HELD if state is JobState.HELD else JobState.PAUSED)
    assert (EndReason.RESTORED, "Put back.", False, None) == (
        found.reason_code,
        found.reason,
        found.auto_resumable,
        found.due_at,
    )
    assert "restored" == (await storage.jobs.events("job"))[-1][1]
    assert Tally(open=3) == await storage.rows.tally("job")  # it was never sent here
    storage.close()


async def test_a_held_job_of_a_restored_journal_may_run_once_a_person_has_approved_it(tmp_path: Path) -> None:
    storage = await started(tmp_path / "home")
    await storage.jobs.create(job("held", state=JobState.HELD), planned(3))
    await storage.backup(tmp_path / "copy.db")
    await storage.restore.put_back(tmp_path / "copy.db")
    await accept(storage)
    assert EndReason.RESTORED is (await storage.jobs.get("held")).reason_code
    approved = await storage.jobs.release("held", lambda one: None, by="jo", at=Epoch(100.0))
    assert approved is not None
    assert (EndReason.NONE, False) == (approved.reason_code, approved.needs_review(Epoch(100.0)))
    storage.close()


async def test_a_copy_from_before_retention_deleted_a_job_sends_none_of_its_rows_again(tmp_path: Path) -> None:
    storage = await started(tmp_path / "home")
    await storage.jobs.create(job("younger", at=2.0), planned(2))
    await storage.backup(tmp_path / "copy.db")
    await storage.jobs.cancel("job", lambda one: None, end(JobState.CANCELLED))
    await storage.erasure.delete_rows("job")
    await storage.restore.put_back(tmp_path / "copy.db")
    await accept(storage)
    assert Tally({Status.UNKNOWN: 5}) == await storage.rows.tally("job")
    assert Tally(open=2) == await storage.rows.tally("younger")
    storage.close()


async def test_a_backup_that_is_put_back_a_second_time_keeps_the_rows_that_were_sent_in_between(tmp_path: Path) -> None:
    storage = await started(tmp_path / "home")
    await storage.backup(tmp_path / "copy.db")
    for _ in range(2):
        await storage.restore.put_back(tmp_path / "copy.db")
        await accept(storage)
        await storage.jobs.start("job")
        await taken(storage, (await rows(storage))[0], RULE)
    assert Tally({Status.UNKNOWN: 3}, 2) == await storage.rows.tally("job")
    storage.close()


async def test_another_journal_or_one_without_its_mark_is_not_written_to(tmp_path: Path) -> None:
    """The other one has counted further, so that its counter alone says nothing."""
    for name in ("one", "two"):
        storage = await started(tmp_path / name)
        await storage.audit.append(*[ACT] * (1 if name == "one" else 50))
        storage.close()
    for path in (tmp_path / "one").glob("journal.db*"):
        path.unlink()
    shutil.copy(tmp_path / "two" / "journal.db", tmp_path / "one" / "journal.db")
    (tmp_path / "two" / "journal.mark").unlink()
    for name in ("one", "two"):
        storage = opened(tmp_path / name)
        with pytest.raises(JournalFailed, match="not the one that was used last"):
            await taken(storage, (await rows(storage))[-1])
        found = await storage.restore.check()
        assert found is not None
        assert {"job": 5} == found.rows
        await accept(storage)
        assert Tally({Status.UNKNOWN: 5}) == await storage.rows.tally("job")
        storage.close()


async def test_a_kill_between_the_mark_and_the_commit_of_an_accepted_restore_asks_again(tmp_path: Path) -> None:
    storage = await started(tmp_path / "home")
    await storage.backup(tmp_path / "copy.db")
    await storage.restore.put_back(tmp_path / "copy.db")
    mark = tmp_path / "home" / "journal.mark"
    facts = json.loads(mark.read_text())
    mark.write_text(json.dumps({**facts, "ids": [*facts["ids"], "the new journal"]}))
    with pytest.raises(JournalFailed, match="put back"):
        await storage.audit.append(ACT)
    await accept(storage)
    await storage.audit.append(ACT)
    storage.close()


async def test_what_waits_to_be_sent_while_a_copy_is_put_back_and_accepted_is_not_sent(tmp_path: Path) -> None:
    sender, other = await started(tmp_path / "home"), opened(tmp_path / "home")
    await other.backup(tmp_path / "copy.db")
    await taken(sender, (await rows(sender))[-1], RULE)
    await sender.rate_limit.ledger("ledger")
    await other.restore.put_back(tmp_path / "copy.db")
    with pytest.raises(JournalFailed, match="was replaced by another"):
        await sender.rate_limit.ledger("ledger")
    await accept(other)
    with pytest.raises(JournalFailed, match="was replaced by another"):
        await sender.rate_limit.ledger("ledger")
    await other.rate_limit.ledger("ledger")
    sender.close()
    other.close()


async def test_a_run_that_stood_still_while_a_copy_was_accepted_sends_nothing_more_of_its_job(tmp_path: Path) -> None:
    """Accepting it has paused the job, and a person was told that it waits."""
    sender, other = await started(tmp_path / "home"), opened(tmp_path / "home")
    left = await rows(sender)
    await other.backup(tmp_path / "copy.db")
    await other.restore.put_back(tmp_path / "copy.db")
    await accept(other)
    with pytest.raises(JournalFailed, match="does not run any more"):
        await sender.attempts.take(left[-1], RULE)
    assert JobState.PAUSED == (await other.jobs.get("job")).state
    sender.close()
    other.close()


async def test_a_run_that_stands_still_before_its_start_does_not_pass_over_a_restore(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 3)
    with closing(App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world, 300.0))) as app:
        preview = await app.plans.preview(file, name="leavers.csv", options=ReadOptions())
        stored = await app.confirmations.submit(
            preview, consent=Consent(yes=True), folder=tmp_path, prepared_by=["a"], by="a", front_end=FrontEnd.COMMAND
        )
        other = opened(tmp_path / "home")
        async with other.claims.hold("plan"):  # the run waits for it, all other checks behind it
            run = asyncio.create_task(
                app.runs.run(stored.id, stop=Stop(), on_progress=lambda one: None, by="a", front_end=FrontEnd.COMMAND)
            )

            async def has_checked() -> bool:
                return "run" in [entry.act for entry in await app.audit.newest(5, EVERY_ACCOUNT)]

            await until(has_checked)
            await other.backup(tmp_path / "copy.db")
            await other.restore.put_back(tmp_path / "copy.db")
            await accept(other)
        with pytest.raises(JobUnsuitable, match="has changed since this run looked at it"):
            await run
        found = await app.jobs.find(stored.id)
        assert (JobState.PAUSED, EndReason.RESTORED) == (found.state, found.reason_code)
        assert 0 == await app.plans.calls_since(Epoch(0.0))
        other.close()


async def test_a_mark_that_is_slow_to_read_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    storage = await started(tmp_path / "home")
    path = tmp_path / "home" / "journal.mark"
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path, 0o600)  # whoever opens it waits until it is written to
    began, was_reached = threading.Event(), list[bool]()

    def write() -> None:
        was_reached.append(began.wait(10))
        path.write_bytes(content)

    writing = threading.Thread(target=write)
    writing.start()
    checking = asyncio.create_task(storage.restore.check())
    await asyncio.sleep(0)  # it begins
    began.set()  # not reached while the event loop waits for the file
    assert await checking is None
    writing.join()
    assert [True] == was_reached
    storage.close()


async def test_a_journal_is_accepted_once_and_only_as_it_was_shown(tmp_path: Path) -> None:
    """A second terminal may ask for as long as it likes, while the job runs again or another backup is put back."""
    storage = await started(tmp_path / "home")
    await storage.backup(tmp_path / "copy.db")
    await storage.restore.put_back(tmp_path / "copy.db")
    shown = await storage.restore.check()
    assert shown is not None
    later_options = {"keys": [], "slots": 1, "held_seconds": 1.0, "why": "Late.", "if_unknown": LostCalls(0, 0)}
    await accept(storage)
    await storage.jobs.start("job")
    with pytest.raises(JournalFailed, match="has changed since"):
        await storage.restore.accept(shown, ACT, **later_options)  # type: ignore[arg-type] # the types of a dict are one
    assert JobState.RUNNING == (await storage.jobs.get("job")).state
    await taken(storage, (await rows(storage))[0], RULE)
    await storage.restore.put_back(tmp_path / "copy.db")
    with pytest.raises(JournalFailed, match="has changed since"):
        await storage.restore.accept(shown, ACT, **later_options)  # type: ignore[arg-type] # the types of a dict are one
    assert await storage.restore.check() is not None
    storage.close()


async def test_the_record_of_a_restore_hides_no_call_that_was_lost(tmp_path: Path) -> None:
    storage = await started(tmp_path / "home")
    await storage.backup(tmp_path / "copy.db")
    await taken(storage, (await rows(storage))[-1], RULE)
    await storage.restore.put_back(tmp_path / "copy.db", ACT)
    losses = await storage.restore.check()
    assert losses is not None
    assert (1, LostCalls(0, 1)) == (losses.changes, losses.calls)
    storage.close()


def test_the_mark_of_a_journal_that_was_replaced_is_not_raised_by_what_the_old_one_had_committed(
    tmp_path: Path,
) -> None:
    """A process may stand still between its commit and its mark for as long as it likes."""
    slow, other = HighWaterMark(tmp_path), HighWaterMark(tmp_path)
    slow.name_journal("old")
    slow.raise_to(50, job="job", position=9, ledger="ledger")
    other.name_journal("new")
    with pytest.raises(JournalFailed, match="replaced by another"):
        slow.write("old")
    assert Mark(("old", "new")) == other.read()


def test_the_mark_of_another_journal_does_not_forget_what_the_old_one_has_deleted(tmp_path: Path) -> None:
    """It would allow to send what the accepted journal must hold for unknown."""
    slow, other = HighWaterMark(tmp_path), HighWaterMark(tmp_path)
    slow.name_journal("old")
    slow.raise_to(50, job="job", position=9, ledger="ledger")
    slow.write("old")
    other.name_journal("new")
    with pytest.raises(JournalFailed, match="replaced by another"):
        slow.forget("old", "job", Epoch(5.0))
    assert {"job": 9} == other.read().rows
    other.forget("new", "job", Epoch(5.0))
    assert ({}, 5.0) == (other.read().rows, other.read().deleted_until)


async def test_the_accounts_that_sent_here_are_held_and_old_notices_are_not_sent(tmp_path: Path) -> None:
    storage = opened(tmp_path / "home")
    await storage.jobs.create(job(), planned(5), Notice("old", "subject", "body", "/etc/passwd", Epoch(3.0), "nightly"))
    await storage.backup(tmp_path / "copy.db")
    await taken(storage, (await rows(storage))[0], replace(RULE, key="used-since"))
    await storage.restore.put_back(tmp_path / "copy.db")
    await accept(storage, slots=3)
    assert (3, 1) == await calls(storage, "used-since"), "one call is lost, whosever it was"
    assert {} == await storage.nightly.waiting_notices()
    storage.close()


# What is no backup


def _change(sql: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as db:
            db.executescript(sql)

    return change


def _foreign(path: Path) -> None:
    path.unlink()
    _change("CREATE TABLE job (x); PRAGMA user_version = 3;")(path)


def _tear(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"torn" * 4096)


_lose_open_rows = _change(
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = "
    "(SELECT rootpage FROM sqlite_master WHERE name = 'slot_by_free') WHERE name = 'row_open';"
)
"""An index that has lost its entries: each statement works, and open rows are found by none."""

NO_BACKUPS = {
    "another program's": _foreign,
    "torn": _tear,
    "without its open rows": _lose_open_rows,
    "empty": lambda path: path.write_bytes(b""),
    "a trigger": _change("CREATE TRIGGER t AFTER INSERT ON job BEGIN UPDATE row SET state = 'pending'; END;"),
    "a view": _change("ALTER TABLE user RENAME TO u; CREATE VIEW user AS SELECT * FROM u;"),
    "no counter": _change("DELETE FROM counter;"),
    "a senseless counter": _change("UPDATE counter SET value = -5;"),
    "rows of no job": _change("INSERT INTO event (job, at, name, text) VALUES ('none', 1, 'x', '');"),
    "newer": _change("PRAGMA user_version = 99;"),
}


@pytest.mark.parametrize("name", NO_BACKUPS)
async def test_what_is_no_journal_of_ours_is_not_put_back_and_the_journal_stays_as_it_is(
    tmp_path: Path, name: str
) -> None:
    storage = await started(tmp_path / "home")
    copy = tmp_path / "copy.db"
    await storage.backup(copy)
    NO_BACKUPS[name](copy)
    with pytest.raises(JournalFailed, match="newer bulkremove" if name == "newer" else "can't be put back"):
        await storage.restore.put_back(copy, ACT)
    await storage.audit.append(ACT)
    assert 5 == (await storage.rows.tally("job")).total
    storage.close()


async def test_a_backup_of_an_older_version_is_put_back_and_migrated(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    for script in MIGRATIONS[:4]:
        _change(files("bulkremove.storage.sqlite").joinpath("schema", script).read_text(encoding="utf-8"))(copy)
    _change(
        "INSERT INTO job (id, account, host, source, folder, header, roles, plan_hash, state, created_at)"
        """ VALUES ('old', 'a', 'h', 'f', '', '["c"]', '[0, 1, 2]', 'hash', 'ready', 1.0); PRAGMA user_version = 4;"""
    )(copy)
    storage = await started(tmp_path / "home")
    await storage.restore.put_back(copy)
    await accept(storage)
    assert JobState.PAUSED is (await storage.jobs.get("old")).state
    storage.close()


async def test_a_damaged_journal_is_not_backed_up_doctor_says_so_and_a_backup_goes_over_it(tmp_path: Path) -> None:
    storage = await started(tmp_path / "home")
    await storage.jobs.create(job("large"), planned(3000))
    await storage.backup(tmp_path / "copy.db")
    storage.close()
    _tear(tmp_path / "home" / "journal.db")
    program = Bulkremove(tmp_path / "home", environment())
    refused = program("backup", str(tmp_path / "damaged.zip"))
    assert 1 == refused.returncode
    assert "damaged" in refused.stderr
    assert not (tmp_path / "damaged.zip").exists()
    assert "damaged" in program("doctor").stdout
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as packed:
        packed.write(tmp_path / "copy.db", "journal.db")
    assert 0 == program("restore-backup", str(tmp_path / "good.zip"), "--yes").returncode
    assert 0 == program("journal", "accept-restore", "--yes").returncode
    assert "large" in program("jobs").stdout


async def test_damage_that_no_statement_meets_is_seen_by_a_backup_and_by_doctor(tmp_path: Path) -> None:
    storage = await started(tmp_path / "home")
    storage.close()
    _lose_open_rows(tmp_path / "home" / "journal.db")
    storage = opened(tmp_path / "home")
    with pytest.raises(JournalFailed, match="is damaged, so no copy was made"):
        await storage.backup(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
    assert await storage.damage()
    storage.close()


async def test_a_damaged_or_hostile_zip_is_refused_in_a_sentence(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        good = tmp_path / "good.zip"
        await one.app.record("kim", AuditAct.ROSTER)
        await one.app.backups.make(good, by="kim")
        raw = bytearray(good.read_bytes())
        raw[len(raw) // 2] ^= 0xFF
        (tmp_path / "flipped.zip").write_bytes(raw)
        (tmp_path / "cut.zip").write_bytes(good.read_bytes()[:-30])
        with zipfile.ZipFile(good) as packed:
            journal = packed.read("journal.db")
        for name, content in {
            "large.zip": {"journal.db": journal, "keep.csv": bytes(101 * 1024 * 1024)},
            "list.zip": {"journal.db": journal, "bulkremove.toml": b'keep_list = "/nowhere/keep.csv"\n'},
            "toml.zip": {"journal.db": journal, "bulkremove.toml": b"no toml"},
            "bare.zip": {"keep.csv": b"Learner ID\n"},
            "lists.zip": {"journal.db": journal, "keep.csv": b"Learner ID\n", "protected.csv": b"Learner ID\n"},
        }.items():
            with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as packed:
                for key, value in content.items():
                    packed.writestr(key, value)
        with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "twice.zip", "w") as packed:
            warnings.simplefilter("ignore")
            packed.writestr("journal.db", b"no journal")
            packed.writestr("journal.db", b"none either")
        for name in ("flipped", "cut", "large", "list", "toml", "bare", "lists"):
            with pytest.raises(JournalFailed, match=r"can't be used"):
                await one.app.backups.inspect(tmp_path / f"{name}.zip")
        backup = await one.app.backups.inspect(tmp_path / "twice.zip")
        with pytest.raises(JournalFailed, match="can't be put back"):
            await one.app.backups.restore(tmp_path / "twice.zip", backup, by="kim")
        assert [] == list((tmp_path / "home").glob(".copy-*"))
        await one.app.record("kim", AuditAct.ROSTER)


async def test_a_zip_that_changed_since_somebody_agreed_to_it_is_not_put_back(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        await one.app.record("kim", AuditAct.ROSTER)
        await one.app.backups.make(tmp_path / "a.zip", by="kim")
        backup = await one.app.backups.inspect(tmp_path / "a.zip")
        with zipfile.ZipFile(tmp_path / "a.zip", "a") as packed:
            packed.writestr("bulkremove.toml", "max_removals = 4000000\n")
        with pytest.raises(JournalFailed, match="has changed meanwhile"):
            await one.app.backups.restore(tmp_path / "a.zip", backup, by="kim")


def test_settings_and_protected_list_are_shown_and_put_where_the_settings_say(tmp_path: Path) -> None:
    old, new = (Bulkremove(tmp_path / name, environment()) for name in ("old", "new"))
    old.home.mkdir(mode=0o700)
    protected = tmp_path / "hr" / "protected.csv"
    protected.parent.mkdir()
    protected.write_text("Learner ID\n4711\n")
    (old.home / "bulkremove.toml").write_text(f'keep_list = "{protected}"\nmax_removals = 77\n')
    assert 0 == old("tokens", "add", "one", "--role", "preparer").returncode
    assert 0 == old("backup", str(tmp_path / "b.zip")).returncode
    protected.unlink()
    put_back = new("restore-backup", str(tmp_path / "b.zip"), "--yes")
    assert 0 == put_back.returncode, put_back.stderr
    assert "  max_removals = 77" in put_back.stderr
    assert "Learner ID\n4711\n" == protected.read_text()
    accepted = new("journal", "accept-restore", "--yes")
    assert 0 == accepted.returncode, accepted.stderr
    assert "(one, preparer) may use the page or the HTTP API again" in accepted.stderr
    acts = [one["act"] for one in json.loads(new("audit", "--json").stdout)]
    assert ["restore_accepted", "restored"] == acts[:2]


def test_what_reads_a_journal_that_nobody_has_accepted_says_so_and_no_backup_of_it_is_made(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 2)
    home = Bulkremove(tmp_path / "home", environment())
    ran = home("run", str(file), "--yes", "--sandbox", str(world), "--speed", "60")
    job_id = json.loads(home("jobs", "--json").stdout)[0]["job"]
    assert 0 == ran.returncode, ran.stderr
    assert 0 == home("backup", str(tmp_path / "b.zip")).returncode
    assert 0 == home("tokens", "add", "one", "--role", "preparer").returncode
    assert 0 == home("restore-backup", str(tmp_path / "b.zip"), "--yes").returncode
    reading: list[tuple[str, ...]] = [
        ("jobs",),
        ("jobs", "--json"),
        ("show", job_id),
        ("audit",),
        ("users",),
        ("tokens",),
        ("canary", job_id),
    ]
    for command in reading:
        read = home(*command)
        assert (0, True) == (read.returncode, "accept-restore" in read.stderr), (command, read.stderr)
    for command in (*[("audit", "verify")], ("report", job_id, "-o", str(tmp_path / "r.csv"))):
        read = home(*command)
        assert (False, True) == (read.returncode == 0, "accept-restore" in read.stdout + read.stderr), command
    refused = home("backup", str(tmp_path / "c.zip"))
    assert (False, True) == (refused.returncode == 0, "accept-restore" in refused.stderr), refused.stderr
    assert not (tmp_path / "c.zip").exists()
    assert 0 == home("journal", "accept-restore", "--yes").returncode
    for command in reading:
        assert "accept-restore" not in home(*command).stderr, command
    assert 0 == home("backup", str(tmp_path / "c.zip")).returncode


def test_a_journal_is_not_put_back_without_the_protected_list_that_belongs_to_it(tmp_path: Path) -> None:
    """Accepted, it would remove whom the list protects."""
    program = Bulkremove(tmp_path / "home", environment())
    program.home.mkdir(mode=0o700)
    protected, backup = tmp_path / "lists" / "protected.csv", tmp_path / "b.zip"
    protected.parent.mkdir()
    protected.write_text("learner\n478346000019558001\n")
    (program.home / "bulkremove.toml").write_text(f'protected_list = "{protected}"\n')
    assert 0 == program("backup", str(backup)).returncode
    shutil.rmtree(program.home)
    shutil.rmtree(protected.parent)
    protected.parent.write_text("No folder can be made here.")
    failed = program("restore-backup", str(backup), "--yes")
    assert (2, True) == (failed.returncode, str(protected.parent) in failed.stderr), failed.stderr
    assert "last" in program("journal", "accept-restore", "--yes").stdout, "there is none to accept"
    protected.parent.unlink()
    assert 0 == program("restore-backup", str(backup), "--yes").returncode
    assert "478346000019558001" in protected.read_text()
    assert 0 == program("journal", "accept-restore", "--yes").returncode


@pytest.mark.parametrize("year", [1970, 2026])
def test_a_backup_can_be_made_whatever_the_time_of_a_file(tmp_path: Path, year: int) -> None:
    program = Bulkremove(tmp_path / "home", environment())
    program.home.mkdir(mode=0o700)
    settings = program.home / "bulkremove.toml"
    settings.write_text("max_removals = 77\n")
    os.utime(settings, ((year - 1970) * 31_556_952.0,) * 2)
    assert 0 == program("backup", str(tmp_path / "b.zip")).returncode


def test_a_full_disk_leaves_no_half_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        async with nightly_site(tmp_path) as one:
            await one.app.record("kim", AuditAct.ROSTER)
            for error in (full, interrupted):
                monkeypatch.setattr(zipfile.ZipFile, "write", error)
                with pytest.raises((JournalFailed, KeyboardInterrupt)):
                    await one.app.backups.make(tmp_path / "b.zip", by="kim")
                assert not (tmp_path / "b.zip").exists()

    asyncio.run(main())


async def test_what_a_killed_backup_left_is_deleted_by_the_next(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        await one.app.record("kim", AuditAct.ROSTER)
        left = tmp_path / "home" / ".copy-killed"
        left.mkdir()
        (left / "copy.db").write_text("people")
        await one.app.backups.make(tmp_path / "b.zip", by="kim")
        assert not left.exists()


# Where the file lies


async def test_a_journal_that_is_replaced_while_it_is_open_is_not_written_to(tmp_path: Path) -> None:
    storage = await started(tmp_path / "home")
    await storage.backup(tmp_path / "home" / "other.db")
    (tmp_path / "home" / "other.db").replace(tmp_path / "home" / "journal.db")
    with pytest.raises(JournalFailed, match="moved or replaced while it was in use"):
        await taken(storage, (await rows(storage))[-1])
    storage.close()


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
async def test_a_journal_with_two_names_is_refused(tmp_path: Path, link: str) -> None:
    storage = await started(tmp_path / "one")
    storage.close()
    (tmp_path / "two").mkdir()
    getattr(tmp_path / "two" / "journal.db", link)(tmp_path / "one" / "journal.db")
    storage = opened(tmp_path / "two")
    with pytest.raises(JournalFailed, match="is a link, has a second name"):
        await storage.jobs.page(accounts=EVERY_ACCOUNT)
    storage.close()


# Beside others


BUSY_WRITER = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], timeout=20)
print("ready", flush=True)
until = time.monotonic() + 60
while time.monotonic() < until:
    with db:
        db.execute("INSERT INTO event (at, name, text) VALUES (1, 'x', '')")
"""


def test_a_backup_ends_beside_a_process_that_never_stops_writing(tmp_path: Path) -> None:
    async def prepare() -> SqliteStorage:
        storage = await started(tmp_path / "home")
        for _ in range(60):
            await storage.record(JobEvent("job", EventName.STARTED, "x" * 1_000_000, Epoch(1.0)))
        return storage

    storage = asyncio.run(prepare())
    writer = subprocess.Popen(
        [sys.executable, "-c", BUSY_WRITER, str(tmp_path / "home" / "journal.db")], stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline()
        asyncio.run(storage.backup(tmp_path / "copy.db"))
        assert writer.poll() is None, "it has ended only because the writer did"
    finally:
        writer.kill()
        writer.communicate()
    storage.close()
