"""The SQLite file: private, of a known version, one owner in a process, busy or broken, and closed after a failure."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ConsentMissing, JobBusy, JournalFailed
from bulkremove.domain.job import EndReason, JobState, Tally
from bulkremove.domain.permissions import EVERY_ACCOUNT, Access, Role
from bulkremove.domain.row import Status
from bulkremove.storage.interface.restore import LostCalls
from bulkremove.storage.sqlite import SqliteStorage, opening
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.jobs import SqliteJobs
from bulkremove.storage.sqlite.migrations import MIGRATIONS, migrate
from bulkremove.storage.sqlite.nightly import SqliteNightly
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.registry import close_database, open_database
from bulkremove.storage.sqlite.transaction import Reader, Transaction
from bulkremove.storage.sqlite.users import SqliteUsers
from tests.storage_fixtures import ACT, Clock, Rule, calls, end, job, planned, rows, taken

QUERIES = sorted(path.name for path in (Path(opening.__file__).parent / "queries").iterdir())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "journal.db")
    yield opened
    close_database(opened)


def insert(transaction: Transaction, name: str) -> str:
    transaction.execute("INSERT INTO counter (name, value) VALUES (:name, 0)", name=name)
    return name


def names(reader: Reader) -> set[str]:
    return {name for (name,) in reader.execute("SELECT name FROM counter")} - {"changes", "audit_entries"}


async def test_the_file_is_private_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    database = open_database(tmp_path / "home" / "journal.db")
    try:
        await database.write(lambda transaction: insert(transaction, "a"))
        assert 0o700 == (tmp_path / "home").stat().st_mode & 0o777
        assert {0o600} == {path.stat().st_mode & 0o777 for path in (tmp_path / "home").glob("journal.db*")}
    finally:
        close_database(database)
        os.umask(before)


def test_many_processes_may_open_a_new_file_at_the_same_moment(tmp_path: Path) -> None:
    """Owners of their own stand for processes."""
    together = threading.Barrier(8, timeout=20)

    def open_all() -> None:
        for i in range(40):
            together.wait()
            database = Database(tmp_path / f"{i}.db")
            assert set() == asyncio.run(database.read(names))
            database.close()

    with ThreadPoolExecutor(8) as pool:
        for opened in [pool.submit(open_all) for _ in range(8)]:
            opened.result()


async def test_whoever_opens_a_file_again_in_one_process_shares_its_one_owner(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    first, second = open_database(tmp_path / "journal.db"), open_database(tmp_path / "link" / "journal.db")
    assert first is second
    close_database(second)
    assert "a" == await first.write(lambda transaction: insert(transaction, "a"))
    close_database(first)
    with pytest.raises(JournalFailed, match="closed"):
        await first.read(names)


async def test_opening_it_again_leaves_the_locks_of_the_first_alone(tmp_path: Path, database: Database) -> None:
    """Closing any descriptor of a file drops all POSIX locks of the process on it (SQLite, "How to corrupt", 2.2)."""
    await database.write(lambda transaction: insert(transaction, "a"))
    again = open_database(tmp_path / "journal.db")
    await again.read(names)
    close_database(again)
    wal = tmp_path / "journal.db-wal"
    assert wal.stat().st_size > 0
    code = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM counter'); db.close()"
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(tmp_path / "journal.db"))
    assert 0 == await other.wait()
    assert wal.exists(), "the other process took itself for the last one and deleted the write-ahead log"


def test_many_threads_with_event_loops_of_their_own_write_through_one_owner(database: Database) -> None:
    def write(number: int) -> None:
        async def some() -> None:
            for i in range(20):
                await database.write(partial(insert, name=f"{number}/{i}"))

        asyncio.run(some())

    with ThreadPoolExecutor(8) as pool:
        for written in [pool.submit(write, number) for number in range(8)]:
            written.result()
    assert 160 == len(asyncio.run(database.read(names)))


async def test_what_waits_together_shares_a_commit_and_each_gets_its_own_error(database: Database) -> None:
    def refuse(transaction: Transaction) -> None:
        insert(transaction, "refused")
        raise ConsentMissing("No.")

    def twice(transaction: Transaction) -> None:
        insert(transaction, "a")

    results = await asyncio.gather(
        *(database.write(partial(insert, name=name)) for name in "abc"),
        database.write(refuse),
        database.write(twice),
        database.write(lambda transaction: insert(transaction, "d")),
        return_exceptions=True,
    )
    assert ["a", "b", "c"] == results[:3]
    assert "d" == results[5]
    assert isinstance(results[3], ConsentMissing)
    assert isinstance(results[4], JournalFailed)
    assert "refused an entry" in str(results[4])
    assert {"a", "b", "c", "d"} == await database.read(names)


async def test_what_is_to_follow_a_write_is_not_done_when_that_write_was_refused(database: Database) -> None:
    done: list[str] = []

    def write(transaction: Transaction, name: str) -> None:
        transaction.after_commit(lambda: done.append(name))
        if name == "refused":
            raise ConsentMissing("No.")

    await asyncio.gather(
        *(database.write(partial(write, name=name)) for name in ("a", "refused", "b")), return_exceptions=True
    )
    assert ["a", "b"] == done


async def test_readings_that_take_long_keep_nobody_from_a_short_one(database: Database) -> None:
    """An export of a large job may take minutes; the last look before a request leaves must not wait for it."""
    end = threading.Event()
    long = [asyncio.ensure_future(database.read_long(lambda: end.wait(60))) for _ in range(20)]
    try:
        assert set() == await database.read(names)
        assert not any(one.done() for one in long)
    finally:
        end.set()
        await asyncio.gather(*long)


async def test_a_file_that_does_not_know_how_to_shrink_is_left_as_it_is(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        db.execute("PRAGMA auto_vacuum = NONE")
        db.execute("CREATE TABLE old (x)")
        db.execute("DROP TABLE old")
    database = Database(tmp_path / "journal.db")

    def fill(transaction: Transaction) -> None:
        for i in range(50):
            insert(transaction, f"{i}" + "x" * 4000)

    await database.write(fill)
    await database.write(lambda transaction: transaction.execute("DELETE FROM counter WHERE name LIKE '%x'"))
    assert not await database.shrink(10)
    database.close()


async def test_shrinking_waits_for_another_process_as_any_write_does(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0.01)

    def fill(transaction: Transaction) -> None:
        for i in range(50):
            insert(transaction, f"{i}" + "x" * 4000)

    await database.write(fill)
    await database.write(lambda transaction: transaction.execute("DELETE FROM counter WHERE name LIKE '%x'"))
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with caplog.at_level(logging.WARNING, "bulkremove.storage"):
            shrinking = asyncio.ensure_future(database.shrink(10))
            while "waiting for it" not in caplog.text:  # noqa: ASYNC110 - a log sets no event
                await asyncio.sleep(0.01)
        other.execute("ROLLBACK")
    assert await shrinking


async def test_a_caller_who_is_cancelled_leaves_only_when_its_write_is_certain(database: Database) -> None:
    started, end = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> None:
        insert(transaction, "a")
        started.set()
        end.wait(20)

    writing = asyncio.ensure_future(database.write(slow))
    await asyncio.to_thread(started.wait, 20)
    writing.cancel()
    await asyncio.sleep(0)
    assert not writing.done()
    end.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert {"a"} == await database.read(names)


async def test_a_busy_file_is_waited_for_and_that_is_reported(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0.01)
    await database.write(lambda transaction: insert(transaction, "a"))
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with caplog.at_level(logging.WARNING, "bulkremove.storage"):
            writing = asyncio.ensure_future(database.write(lambda transaction: insert(transaction, "b")))
            while "waiting for it" not in caplog.text:  # noqa: ASYNC110 - a log sets no event
                await asyncio.sleep(0.01)
        assert {"a"} == await database.read(names)  # readers wait for nobody
        other.execute("ROLLBACK")
    assert "b" == await writing
    assert "c" == await database.write(lambda transaction: insert(transaction, "c"))


async def test_closing_does_not_wait_for_a_process_that_keeps_the_file_busy(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0.01)
    await database.write(lambda transaction: insert(transaction, "a"))
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with caplog.at_level(logging.WARNING, "bulkremove.storage"):
            writing = asyncio.ensure_future(database.write(lambda transaction: insert(transaction, "b")))
            while "waiting for it" not in caplog.text:  # noqa: ASYNC110 - a log sets no event
                await asyncio.sleep(0.01)
        async with asyncio.timeout(20):  # without the fix it waits for ever
            await asyncio.to_thread(database.close)
            with pytest.raises(JournalFailed, match="was closed while another process"):
                await writing
        other.execute("ROLLBACK")


async def test_after_a_full_disk_nothing_is_written_any_more_and_the_first_cause_is_given_again(
    database: Database,
) -> None:
    await database.write(lambda transaction: insert(transaction, "kept"))

    def limit(transaction: Transaction) -> None:
        pages = transaction.execute("PRAGMA page_count").fetchone()[0]
        transaction.execute(f"PRAGMA max_page_count = {pages}")

    await database.write(limit)
    big = "x" * 100_000
    results = await asyncio.gather(
        database.write(lambda transaction: insert(transaction, "before")),
        database.write(lambda transaction: insert(transaction, big)),
        database.write(lambda transaction: insert(transaction, "behind")),
        return_exceptions=True,
    )
    # SQLite has rolled the whole transaction back: nobody of the group may be told that it is done.
    assert [JournalFailed] * 3 == [type(result) for result in results]
    assert "is full, or your share" in str(results[0])
    with pytest.raises(JournalFailed, match=r"is full, or your share.*not used any more"):
        await database.write(lambda transaction: insert(transaction, "later"))
    with pytest.raises(JournalFailed, match="not used any more"):
        await database.read(database.check_current)
    assert {"kept"} == await database.read(names)


async def test_others_do_not_wait_for_a_transaction_that_has_failed(tmp_path: Path, database: Database) -> None:
    def fail(transaction: Transaction) -> None:
        insert(transaction, "a")
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(JournalFailed, match="I/O"):
        await database.write(fail)
    with closing(sqlite3.connect(tmp_path / "journal.db", timeout=0.0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    first = Database(tmp_path / "journal.db")
    await first.read(names)
    first.close()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        db.execute("PRAGMA user_version = 99")
    again = Database(tmp_path / "journal.db")
    with pytest.raises(JournalFailed, match="newer"):
        await again.read(names)
    again.close()


async def test_a_file_that_a_newer_program_migrates_meanwhile_is_not_used_any_more(database: Database) -> None:
    """A server may run for months; what a newer version keeps in the journal, such as consent, it does not know."""
    await database.write(lambda transaction: transaction.execute("PRAGMA user_version = 999"))
    with pytest.raises(JournalFailed, match="by a newer bulkremove"):
        await database.write(lambda transaction: None)
    with pytest.raises(JournalFailed, match="by a newer bulkremove"):
        await database.read(database.check_current)


async def test_an_older_file_is_migrated_and_keeps_its_rows(tmp_path: Path) -> None:
    schema = files("bulkremove.storage.sqlite").joinpath("schema")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        for version in ("1-jobs.sql", "2-people.sql", "3-night.sql"):
            db.executescript(schema.joinpath(version).read_text(encoding="utf-8"))
        db.execute("PRAGMA user_version = 3")
        closed = "The server was stopped. The job goes on by itself when it is started again."
        db.execute(
            "INSERT INTO job (id, account, host, source, folder, header, roles, plan_hash, state, reason, created_at,"
            """ options, origin, worst_minute) VALUES ('old', 'a', 'h', 'f', '', '["c"]', '[0, 1, 2]', 'hash',"""
            """ 'paused', ?, 1.0, '{"limit": "30/60s"}', 'night', 29)""",
            (closed,),
        )
        db.execute("INSERT INTO night (date, started_at) VALUES ('2026-11-01', 1.0)")
        db.execute(
            "INSERT INTO row (job, position, number, cells, course, batch, learner, state)"
            """ VALUES ('old', 0, 2, '["1"]', '1', '2', '3', 'pending')"""
        )
        for number, finding in ((1, "unanswered"), (2, "never_sent")):
            db.execute(
                "INSERT INTO attempt VALUES ('old', 0, ?, 'l', 1, 1, 'b', 2, ?, NULL, NULL, '', NULL)",
                (number, finding),
            )
        db.execute("INSERT INTO event (job, at, name, text) VALUES ('old', 1, 'started', '')")
        db.execute("INSERT INTO finding VALUES (1, 'old', 0, 1, 'jo', 'She is gone.')")
        hold = """{"reason": "locked", "until": 1, "seconds": 1, "accused": "old:0", "suspect": "old:1"}"""
        db.execute("INSERT INTO ledger VALUES ('l', 'b', 0, 0, NULL, 'old:2', NULL, 0, ?)", (hold,))
        db.commit()
    database = Database(tmp_path / "journal.db")

    def look(reader: Reader) -> tuple[object, ...]:
        job = reader.execute(
            "SELECT job.id, state, reason_code, options ->> '$.calls', origin, peak_calls, date FROM job, nightly_run"
        ).fetchone()
        attempts = reader.execute("SELECT number FROM attempt").fetchall()
        broken = reader.execute("PRAGMA foreign_key_check").fetchall()
        notes = [text for (text,) in reader.execute("SELECT text FROM note")]
        ledger = reader.execute(
            "SELECT individually_limited_row, suspension ->> '$.limited_row', suspension ->> '$.retesting_row'"
            " FROM ledger"
        ).fetchone()
        return (*job, [number for (number,) in attempts], notes, tuple(ledger), broken)

    found = await database.read(look)
    assert ("old", "paused", "server_stopped", "30", "nightly", 29, "2026-11-01", [1]) == found[:8]
    assert (["She is gone."], ("old:2", "old:0", "old:1"), []) == found[8:]
    await database.write(lambda transaction: transaction.execute("UPDATE job SET state = 'ready'"))
    database.close()


async def test_exit_codes_of_older_files_become_reasons(tmp_path: Path) -> None:
    schema = files("bulkremove.storage.sqlite").joinpath("schema")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        for name in MIGRATIONS[:6]:
            db.executescript(schema.joinpath(name).read_text(encoding="utf-8"))
        db.execute("PRAGMA user_version = 6")
        for job, code in (("by-ctrl-c", 130), ("by-system", 5)):
            db.execute(
                "INSERT INTO job (id, account, host, source, folder, header, roles, plan_hash, state, created_at,"
                """ reason_code, exit_code) VALUES (?, 'a', 'h', 'f', '', '[]', '[0, 1, 2]', 'hash', 'paused', 1.0,"""
                " 'interrupted', ?)",
                (job, code),
            )
        db.commit()
    database = Database(tmp_path / "journal.db")
    jobs = await SqliteJobs(database).page(accounts=EVERY_ACCOUNT)
    found = {job.id: (job.reason_code, job.operation) for job in jobs}
    operation = "remove learner from batch"
    assert {
        "by-ctrl-c": (EndReason.INTERRUPTED, operation),
        "by-system": (EndReason.TERMINATED, operation),
    } == found
    database.close()


async def test_what_nights_without_names_have_left_belongs_to_the_night_nightly(tmp_path: Path) -> None:
    schema = files("bulkremove.storage.sqlite").joinpath("schema")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        before = MIGRATIONS.index("21-several-nights.sql")
        for name in MIGRATIONS[:before]:
            db.executescript(schema.joinpath(name).read_text(encoding="utf-8"))
        db.execute(f"PRAGMA user_version = {before}")
        for job, origin in (("of-a-night", "nightly"), ("of-a-person", "command")):
            db.execute(
                "INSERT INTO job (id, account, host, source, folder, header, roles, plan_hash, state, created_at,"
                " origin) VALUES (?, 'a', 'h', 'f', '', '[]', '[0, 1, 2]', 'hash', 'finished', 1.0, ?)",
                (job, origin),
            )
        db.execute("INSERT INTO nightly_run (date, started_at) VALUES ('2026-11-01', 1.0)")
        db.execute(
            "INSERT INTO taken (digest, sandbox, name, taken_at, place, job)"
            " VALUES ('d', '', 'f', 1, 'p', 'of-a-night')"
        )
        db.execute("INSERT INTO notice (key, at, subject, body, next_at) VALUES ('k', 1.0, 's', 'b', 2.0)")
        db.commit()
    database = Database(tmp_path / "journal.db")
    nightly = SqliteNightly(database)
    jobs = await SqliteJobs(database).page(accounts=EVERY_ACCOUNT)
    assert {"of-a-night": "nightly", "of-a-person": ""} == {job.id: job.night for job in jobs}
    assert "2026-11-01" == await nightly.last_date(night="nightly", sandbox="")
    taken = await nightly.taken("d", night="nightly", sandbox="")
    assert taken is not None
    assert "of-a-night" == taken.job
    assert ["k"] == [notice.key for notice in await nightly.due_notices(Epoch(3.0), night="nightly")]
    assert [] == await database.read(lambda reader: reader.execute("PRAGMA foreign_key_check").fetchall())
    database.close()


async def test_a_copy_from_before_the_counter_is_noticed_whatever_it_counts_to(tmp_path: Path) -> None:
    schema = files("bulkremove.storage.sqlite").joinpath("schema")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        for version in ("1-jobs.sql", "2-people.sql", "3-night.sql"):
            db.executescript(schema.joinpath(version).read_text(encoding="utf-8"))
        for number in range(1, 9):
            db.execute("INSERT INTO audit VALUES (?, 1.0, 'jo', 'looked', '{}', 'hash')", (number,))
        db.execute("PRAGMA user_version = 3")
        db.commit()
    (tmp_path / "journal.mark").write_text('{"changes": 3, "rows": {}}')
    database = Database(tmp_path / "journal.db")
    with pytest.raises(JournalFailed, match="put back from a backup"):
        await database.write(lambda transaction: insert(transaction, "a"))
    database.close()


@pytest.mark.parametrize("content", ["this is no database, and it is long enough to be read as one" * 20])
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "journal.db").write_text(content)
    database = Database(tmp_path / "journal.db")
    with pytest.raises(JournalFailed, match="damaged"):
        await database.read(names)
    database.close()


async def test_contents_that_only_sandbox_runs_took_may_run_for_real_in_an_older_file_too(tmp_path: Path) -> None:
    hosts = ("people.zoho.com", "sandbox", "127.0.0.1:8030", "localhost", "[::1]:1")
    schema = files("bulkremove.storage.sqlite").joinpath("schema")
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        for version in MIGRATIONS[:10]:
            db.executescript(schema.joinpath(version).read_text(encoding="utf-8"))
        db.execute("PRAGMA user_version = 10")
        for host in hosts:
            db.execute(
                "INSERT INTO job (id, account, host, source, folder, header, roles, plan_hash, state, created_at,"
                " options) VALUES (?, 'a', ?, 'f', '', '[]', '[0, 1, 2]', 'hash', 'finished', 1.0, '{}')",
                (host, host),
            )
            db.execute(
                "INSERT INTO taken (digest, name, taken_at, place, job) VALUES (?, 'f', 1, 'p', ?)", (host, host)
            )
        db.execute("INSERT INTO taken (digest, name, taken_at, place, held) VALUES ('damaged', 'f', 1, 'p', 'why')")
        db.commit()
    database = Database(tmp_path / "journal.db")
    found = await database.read(lambda reader: dict(reader.execute("SELECT digest, sandbox FROM taken").fetchall()))
    database.close()
    assert {**{host: host for host in hosts}, "people.zoho.com": "", "damaged": ""} == found


async def test_a_home_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    database = Database(tmp_path / "home" / "journal.db")
    with pytest.raises(JournalFailed, match="can't be opened"):
        await database.read(names)
    database.close()


async def test_deleted_pages_go_back_to_the_file_system(tmp_path: Path, database: Database) -> None:
    def fill(transaction: Transaction) -> None:
        for i in range(500):
            insert(transaction, f"{i}" + "x" * 4000)

    await database.write(fill)
    await database.shrink(1)  # the file holds it all after this checkpoint
    before = (tmp_path / "journal.db").stat().st_size
    await database.write(lambda transaction: transaction.execute("DELETE FROM counter WHERE name LIKE '%x'"))
    turns = 1
    while await database.shrink(100):
        turns += 1
    assert turns > 3  # in pieces
    assert await database.checkpoint()
    assert (tmp_path / "journal.db").stat().st_size < before / 4


@pytest.mark.parametrize("file", QUERIES)
def test_each_query_has_a_sentence_and_is_used(file: str) -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in Path(opening.__file__).parent.glob("*.py"))
    for name, statement in Queries(file).statements.items():
        first, _, sql = statement.partition("\n")
        assert first.startswith("-- "), name
        assert first.endswith("."), name
        assert sql.strip().endswith(";"), name
        assert f".{name}" in code, f"{name} is used by nothing"


async def test_roles_of_older_journals_are_for_all_accounts(tmp_path: Path) -> None:
    schema = files("bulkremove.storage.sqlite").joinpath("schema")
    older = MIGRATIONS[: MIGRATIONS.index("24-access.sql")]
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        for name in older:
            db.executescript(schema.joinpath(name).read_text(encoding="utf-8"))
        db.execute(f"PRAGMA user_version = {len(older)}")
        for role in Role:
            db.execute("INSERT INTO user (name, role, password, added_at) VALUES (?, ?, 'hash', 1.0)", (role, role))
            db.execute(
                "INSERT INTO token (id, name, role, digest, added_at, owner) VALUES (?, 't', ?, ?, 1.0, 'kim')",
                (role, role, f"digest of {role}"),
            )
        db.commit()
    database = Database(tmp_path / "journal.db")
    with closing(database):
        users = SqliteUsers(database)
        everywhere = {role.value: Access.everywhere(role) for role in Role}
        assert everywhere == {user.name: user.access for user in await users.users()}
        assert everywhere == {token.id: token.access for token in await users.tokens()}
        assert await users.token_of("digest of admin") is not None


@pytest.mark.parametrize(
    "name", ["settled_elsewhere", "put_back_since", "removed_since", "rows_of_people_since", "rows_put_back_since"]
)
def test_what_is_looked_up_before_each_call_or_for_a_page_is_found_by_an_index(name: str) -> None:
    """With hundreds of thousands of rows, a search through all of them would take longer than the call."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, marked=False)
        values = dict.fromkeys(("job", "position", "positions", "course", "batch", "learner"), "1")
        query = getattr(Queries("rows.sql"), name)
        steps = [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)]
    assert any("SEARCH other USING INDEX row_" in step for step in steps), steps
    assert "SCAN own" not in steps or "MATERIALIZE own" in steps, steps
    assert not any(step.startswith("SCAN other USING") for step in steps), steps


# The whole store: what a restored or damaged file does to it


def test_the_death_of_its_process_frees_a_claim(tmp_path: Path) -> None:
    code = (
        "import asyncio, pathlib\nfrom bulkremove.platform.system_clock import SystemClock\n"
        "from bulkremove.storage.sqlite import SqliteStorage\n"
        "async def main():\n"
        f"    storage = SqliteStorage(pathlib.Path({str(tmp_path)!r}), SystemClock())\n"
        "    async with storage.claims.hold('job'):\n"
        "        print('held', flush=True)\n        await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert "held\n" == child.stdout.readline()

    async def main() -> None:
        storage = SqliteStorage(tmp_path, Clock())
        try:
            with pytest.raises(JobBusy):
                async with storage.claims.hold("job"):
                    pass
            child.kill()
            child.communicate()
            assert await storage.claims.holder("job") is None
            async with storage.claims.hold("job"):
                pass
        finally:
            storage.close()

    asyncio.run(main())


async def test_a_restore_is_noticed_by_a_process_that_had_the_journal_open(tmp_path: Path, clock: Clock) -> None:
    """Owners of their own stand for processes: one is idle while another makes a copy, goes on, and puts it back."""
    idle, other = (SqliteStorage(tmp_path / "home", clock, databases={}) for _ in range(2))
    await idle.jobs.create(job(), planned(3))
    await other.backup(tmp_path / "copy.db")
    (first, *_) = await rows(other)
    await taken(other, first)
    await other.restore.put_back(tmp_path / "copy.db")
    for process in (idle, other):
        with pytest.raises(JournalFailed, match="put back from a backup"):
            await process.attempts.take(first, Rule())
        restored = await process.restore.check()
        assert restored is not None
        assert ({"job": 1}, ["job"]) == (restored.rows, restored.unfinished)
    losses = await idle.restore.check()
    assert losses is not None
    await idle.restore.accept(
        losses, ACT, keys=["new"], slots=2, held_seconds=100.0, why="Restored.", if_unknown=LostCalls(0, 0)
    )
    assert ["1", "2"] == [row.removal.learner for row in await rows(other)]
    assert (2, 1) == await calls(other, "new")
    await other.audit.append(ACT)
    for process in (idle, other):
        process.close()


async def test_an_accepted_restore_leaves_jobs_alone_that_were_over(tmp_path: Path, clock: Clock) -> None:
    storage = SqliteStorage(tmp_path / "home", clock)
    await storage.jobs.create(job(), planned(3))
    await taken(storage, (await rows(storage))[0])
    await storage.jobs.cancel("job", lambda one: None, end(JobState.CANCELLED))
    await storage.backup(tmp_path / "copy.db")
    await storage.audit.append(ACT)
    await storage.restore.put_back(tmp_path / "copy.db")
    restored = await storage.restore.check()
    assert restored is not None
    assert {} == restored.rows
    await storage.restore.accept(
        restored, ACT, keys=[], slots=1, held_seconds=1.0, why="Restored.", if_unknown=LostCalls(0, 0)
    )
    assert Tally({Status.UNKNOWN: 1, Status.NOT_SENT: 2}) == await storage.rows.tally("job")
    storage.close()


DAMAGED_MARKS = [
    *('{"changes": 1e999, "rows": {}}', "[" * 100_000, '{"changes": 100000000000000000000000, "rows": {}}'),
    *('{"changes": -1, "rows": {}}', '{"changes": 1, "rows": {"job": 1e400}}', '{"changes": 1, "rows": {}, "ids": 3}'),
]


async def test_a_mark_that_can_not_be_read_stops_all_writes_until_a_person_has_looked(
    tmp_path: Path, clock: Clock
) -> None:
    storage = SqliteStorage(tmp_path / "home", clock)
    await storage.audit.append(ACT)
    mark = tmp_path / "home" / "journal.mark"
    for damage in (mark.read_text()[:9], *DAMAGED_MARKS):
        mark.write_text(damage)
        with pytest.raises(JournalFailed, match=r"journal\.mark.* is damaged"):
            await storage.audit.append(ACT)
    losses = await storage.restore.check()
    assert losses is not None
    await storage.restore.accept(
        losses, ACT, keys=[], slots=1, held_seconds=1.0, why="Restored.", if_unknown=LostCalls(0, 0)
    )
    await storage.audit.append(ACT)
    assert 3 == (await storage.audit.verify()).entries
    storage.close()


async def test_a_mark_that_is_no_file_stops_all_writes_and_says_what_to_do(tmp_path: Path, clock: Clock) -> None:
    storage = SqliteStorage(tmp_path / "home", clock)
    await storage.audit.append(ACT)
    mark = tmp_path / "home" / "journal.mark"
    kept = mark.read_bytes()
    mark.unlink()
    mark.mkdir()
    with pytest.raises(JournalFailed, match=r"journal\.mark can't be read") as failed:
        await storage.audit.append(ACT)
    assert "chown" in failed.value.hint
    mark.rmdir()
    mark.write_bytes(kept)
    await storage.audit.append(ACT)
    storage.close()


async def test_a_backup_is_consistent_while_others_write(tmp_path: Path, clock: Clock) -> None:
    storage = SqliteStorage(tmp_path / "home", clock)
    await storage.jobs.create(job(), planned(100))

    async def write() -> None:
        for _ in range(50):
            await storage.audit.append(ACT)

    await asyncio.gather(write(), storage.backup(tmp_path / "copy.db"))
    with pytest.raises(JournalFailed, match="copy"):
        await storage.backup(tmp_path / "copy.db")
    (tmp_path / "restored").mkdir()
    (tmp_path / "copy.db").rename(tmp_path / "restored" / "journal.db")
    restored = SqliteStorage(tmp_path / "restored", clock)
    assert 100 == (await restored.rows.tally("job")).open
    assert (await restored.audit.verify()).broken is None
    restored.close()
    storage.close()
