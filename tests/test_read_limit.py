"""Reads and removals share one account's limit, its lock and its day, over tasks and processes, in virtual time."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.domain.attempt import ReadPermit
from bulkremove.domain.errors import ReadFailed
from bulkremove.domain.ledger import Quota, SuspensionReason
from bulkremove.domain.operation import LIST_COURSES
from bulkremove.engine import rate_limit
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.reads import ReadLimiter
from bulkremove.engine.slot_decisions import Signal, Waiting
from bulkremove.storage import Storage
from bulkremove.storage.interface.reads import ReadOutcome
from bulkremove.storage.sqlite import SqliteStorage
from tests.test_limiter import ROWS, Account, played

LOCKED = Signal(SuspensionReason.LOCKED)
LOCK = 300.0 + 1.1


def limiter(account: Account, storage: Storage | None = None) -> ReadLimiter:
    storage = storage or account.storage
    return ReadLimiter(
        storage.reads, storage.rate_limit, "key", account.quota, account.clock, queue=FairQueue(account.quota)
    )


async def taken(reads: ReadLimiter) -> ReadPermit:
    permit = await reads.acquire(LIST_COURSES)
    assert isinstance(permit, ReadPermit)
    return permit


async def answered(reads: ReadLimiter, permit: ReadPermit, signal: Signal | None = None, *, left: bool = True) -> None:
    kind = "limited" if signal else "answered"
    await reads.complete(
        permit, ReadOutcome(kind, 200, was_sent=left), signal, is_open=False, proves_reachable=signal is None and left
    )


def counts(folder: Path) -> tuple[int, int]:
    """Reads and slots in the journal."""
    with closing(sqlite3.connect(folder / "journal.db")) as other:
        reads, slots = other.execute("SELECT (SELECT count(*) FROM read), (SELECT count(*) FROM slot)").fetchone()
        return int(reads), int(slots)


@pytest.mark.parametrize("seed", range(6))
def test_reads_of_one_process_and_removals_of_another_keep_one_limit(tmp_path: Path, seed: int) -> None:
    async def play(account: Account) -> None:
        await account.complete(await account.acquire(0))
        await account.clock.sleep(120)  # a ledger that rested begins with a burst
        dice, todo, ends = random.Random(seed), list(range(1, ROWS)), account.now() + 400.0
        other = SqliteStorage(tmp_path, account.clock, {})  # as another process would open it

        async def remove() -> None:
            while todo:
                permit = await account.acquire(todo.pop())
                await account.clock.sleep(dice.random() * 3)
                await account.complete(permit)

        async def read(reads: ReadLimiter) -> None:
            while account.now() < ends:
                permit = await taken(reads)
                await account.clock.sleep(dice.random() * 3)
                if dice.random() > 0.1:  # else no answer ever comes
                    await answered(reads, permit)

        started, reads = account.now(), limiter(account, other)
        await asyncio.gather(remove(), remove(), remove(), read(reads), read(reads))
        sent = await account.storage.rate_limit.send_times("key", since=started)
        made, _ = counts(tmp_path)
        assert (ROWS - 1 + made, True) == (len(sent), made > 10)
        assert 30 >= rate_limit.peak_calls(sent, 60.0)
        other.close()

    played(tmp_path, play)


def test_a_read_is_on_disk_before_it_may_be_sent_and_goes_with_its_slot_if_it_never_was(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        reads = limiter(account)
        permit = await taken(reads)
        assert (1, 1) == counts(tmp_path)
        assert await reads.is_still_valid(permit)
        await reads.cancel_slot(permit)
        assert (0, 0) == counts(tmp_path)

    played(tmp_path, play)


def test_a_read_without_an_answer_holds_its_slot_for_the_worst_case(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        at = (await taken(limiter(account))).taken_at
        await account.acquire(0)
        assert at + 45.0 + 60.0 + 60.0 + 1.1 == pytest.approx(account.now(), abs=0.01)

    played(tmp_path, play, Quota(calls=1))


def test_a_read_that_zoho_refuses_for_its_limit_locks_removals_out_too(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        reads, before = limiter(account), await account.acquire(0)
        await answered(reads, await taken(reads), LOCKED)
        assert not await account.limiter().is_still_valid(before)
        at = account.now()
        await account.acquire(1)
        assert LOCK <= account.now() - at < LOCK + 3.0  # the read, which began it, is no row to be tried first
        assert Waiting.LOCKED in account.waits

    played(tmp_path, play)


def test_no_read_is_made_in_a_lock_nor_before_a_removal_that_may_end_it(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        reads, permit = limiter(account), await account.acquire(0)
        await account.complete(permit, LOCKED)
        for seconds in (0.0, 150.0, LOCK - 149.0, 50.0):
            await account.clock.sleep(seconds)
            with pytest.raises(ReadFailed, match="has locked these calls"):
                await taken(reads)
        assert (0, 1) == counts(tmp_path)
        probe = await account.acquire(0)  # at once: no read stands before it
        with pytest.raises(ReadFailed):
            await taken(reads)
        await account.complete(probe)
        await answered(reads, await taken(reads))

    played(tmp_path, play)


def test_a_window_after_a_lock_that_no_removal_has_ended_one_read_may(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        reads, permit = limiter(account), await account.acquire(0)
        await account.complete(permit, LOCKED)
        await account.clock.sleep(LOCK + 60.0)
        probe = await taken(reads)
        with pytest.raises(ReadFailed):
            await taken(reads)
        await answered(reads, probe)
        ledger, _ = await account.storage.rate_limit.ledger("key")
        assert (None, None) == (ledger.suspension, ledger.individually_limited_row)
        await answered(reads, await taken(reads))

    played(tmp_path, play)


def test_a_read_blames_no_row_that_was_being_retested(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        reads = limiter(account)
        await account.complete(await account.acquire(0), LOCKED)
        await account.complete(await account.acquire(0), LOCKED)  # its own probe is refused: another row is to be tried
        ledger, _ = await account.storage.rate_limit.ledger("key")
        assert ledger.suspension is not None
        assert ledger.suspension.retesting_row is not None
        await account.clock.sleep(70.0)
        await answered(reads, await taken(reads))
        ledger, _ = await account.storage.rate_limit.ledger("key")
        assert (None, None) == (ledger.suspension, ledger.individually_limited_row)

    played(tmp_path, play)


def test_a_read_that_is_refused_after_a_lock_begins_the_next(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        reads = limiter(account)
        await answered(reads, await taken(reads), LOCKED)
        await account.clock.sleep(LOCK + 60.0)
        await answered(reads, await taken(reads), LOCKED)
        ledger, _ = await account.storage.rate_limit.ledger("key")
        assert ledger.suspension is not None
        assert 2 == ledger.suspension.rounds
        assert pytest.approx(LOCK, abs=0.1) == ledger.suspension.until - account.now()

    played(tmp_path, play)


def test_reads_count_for_the_day_and_end_with_it(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        reads = limiter(account)
        for _ in range(3):
            await answered(reads, await taken(reads))
        assert "DayUsedUp" == type(await reads.acquire(LIST_COURSES)).__name__
        assert "DayUsedUp" == type(await account.ask(0)).__name__

    played(tmp_path, play, Quota(daily=3))


def test_a_read_whose_caller_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        reads = limiter(account)
        await answered(reads, await taken(reads))
        waiting = asyncio.ensure_future(reads.acquire(LIST_COURSES))
        await asyncio.sleep(0.5)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert (1, 1) == counts(tmp_path)

    played(tmp_path, play)
