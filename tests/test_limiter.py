"""The limiter on a real journal, in virtual time: slots, crashes, reboots, locks, the day's allowance."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing, closing
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest

from bulkremove.domain.attempt import Outcome, PendingRow, Permit
from bulkremove.domain.clock import DAY_SECONDS, Monotonic, later
from bulkremove.domain.job import EndReason, Job, JobState
from bulkremove.domain.ledger import Quota, SuspensionReason
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import Removal, Roles, Row, RowState, Status
from bulkremove.domain.schedule import Schedule
from bulkremove.engine import rate_limit
from bulkremove.engine.admission import Admissions
from bulkremove.engine.events import Lockout, RunEnd
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.rate_limiter import AttemptEnd, RateLimiter
from bulkremove.engine.slot_decisions import DayUsedUp, NoSlot, Signal, Waiting, WaitsExhausted, YieldToOtherRow
from bulkremove.storage.interface.attempts import AttemptOutcome, AttemptStore, DoneElsewhere, SlotRule
from bulkremove.storage.sqlite import SqliteStorage
from bulkremove.storage.sqlite.attempts import SqliteAttempts
from bulkremove.storage.sqlite.transaction import Transaction
from tests.virtual_time import VirtualClock, run

R = TypeVar("R")

ROWS = 200
LOCKED = Signal(SuspensionReason.LOCKED)
UNANSWERED = 45.0 + 60.0 + 60.0 + 1.1
"""Given up, delivered late, a window, the margin."""


class Account:
    """A job of many rows, its journal, and as many limiters on its one ledger as there are processes."""

    def __init__(self, home: Path, quota: Quota | None = None, rows: int = ROWS) -> None:
        self.quota, self.rows = quota or Quota(), rows
        self.clock = VirtualClock()
        self.home = home
        self.storage = SqliteStorage(home, self.clock)
        self.attempts: AttemptStore | None = None
        """What stands in for the storage's own."""
        self.waits: list[Waiting] = []
        self.exhausted: WaitsExhausted | None = None
        """What the last answer found."""

    async def prepare(self) -> None:
        removals = [Removal("1", "2", str(i)) for i in range(self.rows)]
        rows = [PlannedRow(Row(i + 2, ("1", "2", str(i))), removal, None) for i, removal in enumerate(removals)]
        job = Job("job", "a", "h", "f", "", None, ("c", "b", "l"), Roles(0, 1, 2), "x", JobState.RUNNING)
        await self.storage.jobs.create(job, rows)

    def reopen(self) -> None:
        """Another process takes over."""
        self.storage.close()
        self.storage = SqliteStorage(self.home, self.clock)

    async def outcome(self, position: int) -> Outcome:
        rows = await self.storage.rows.export(await self.storage.jobs.get("job"), list)
        return rows[position]

    def limiter(self) -> RateLimiter:
        heard = self.waits
        return RateLimiter(
            self.attempts or self.storage.attempts,
            self.storage.rate_limit,
            "key",
            self.quota,
            self.clock,
            queue=FairQueue(self.quota),
            on_wait=lambda wait: heard.append(wait.reason),
        )

    async def pending_row(self, position: int) -> PendingRow:
        rows = self.storage.rows.open_rows("job")
        async with aclosing(rows):
            return await anext(pending_row async for pending_row in rows if pending_row.position == position)

    async def ask(
        self, position: int, *, limiter: RateLimiter | None = None, alone: bool = False
    ) -> Permit | NoSlot | None:
        limiter = limiter or self.limiter()
        return await limiter.acquire(
            await self.pending_row(position), is_only_row=lambda: alone, may_still_send=lambda: True
        )

    async def acquire(self, position: int, *, limiter: RateLimiter | None = None, alone: bool = False) -> Permit:
        permit = await self.ask(position, limiter=limiter, alone=alone)
        assert isinstance(permit, Permit)
        return permit

    async def complete(
        self, permit: Permit, signal: Signal | None = None, *, status: int | None = 200, left: bool = True
    ) -> Lockout | None:
        response_kind = "limited" if signal else "removed" if status else "unanswered" if left else "never_sent"
        attempt = replace(permit.attempt, response_kind=response_kind, http_status=status)
        settled: RowState | Status = Status.REMOVED if response_kind == "removed" else RowState.PENDING
        closing = AttemptEnd(AttemptOutcome(attempt, settled, was_sent=left), signal, response_kind == "removed")
        lockout, self.exhausted = await self.limiter().complete(permit, closing)
        return lockout

    def now(self) -> Monotonic:
        return self.clock.monotonic()


def played(
    home: Path, play: Callable[[Account], Awaitable[None]], quota: Quota | None = None, *, rows: int = ROWS
) -> None:
    """Run ``play`` at a account, in virtual time."""

    async def main() -> None:
        account = Account(home, quota, rows)
        await account.prepare()
        await play(account)
        account.storage.close()

    run(main)


def test_three_gates_on_one_ledger_send_no_more_than_one_may(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        await account.complete(await account.acquire(0))
        await account.clock.sleep(120)  # a ledger that was used, and then rested, begins with a burst
        todo = list(range(1, ROWS))

        async def work(limiter: RateLimiter) -> None:
            while todo:
                permit = await account.acquire(todo.pop(), limiter=limiter)
                await account.clock.sleep(0.3)
                await account.complete(permit)

        started = account.now()
        await asyncio.gather(
            *(work(limiter) for limiter in [account.limiter(), account.limiter(), account.limiter()] for _ in range(4))
        )
        sent = await account.storage.rate_limit.send_times("key", since=started)
        assert (ROWS - 1, 30) == (len(sent), rate_limit.peak_calls(sent, 60.0))
        assert ROWS == (await account.storage.rows.tally("job"))[Status.REMOVED]

    played(tmp_path, play)


def test_the_intent_is_on_disk_before_anybody_may_send(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        await account.acquire(7)
        with closing(sqlite3.connect(tmp_path / "journal.db")) as other:
            assert [(7, 1, None)] == other.execute("SELECT position, number, response_kind FROM attempt").fetchall()
            assert [("sending",)] == other.execute("SELECT state FROM row WHERE position = 7").fetchall()
            assert [(1,)] == other.execute("SELECT count(*) FROM slot").fetchall()

    played(tmp_path, play)


@pytest.mark.parametrize(
    ("status", "released"), [(200, 60.0 + 1.1), (None, 60.0 + 60.0 + 1.1)], ids=["answered", "unanswered"]
)
def test_a_slot_is_reborn_a_window_after_the_answer(tmp_path: Path, status: int | None, released: float) -> None:
    async def play(account: Account) -> None:
        permit = await account.acquire(0)
        await account.clock.sleep(1.5)
        await account.complete(permit, status=status)
        answered = account.now()
        await account.acquire(1)
        assert answered + released == pytest.approx(account.now(), abs=0.01)

    played(tmp_path, play, Quota(calls=1, slack=1.0))


def test_a_slot_that_nobody_gives_back_is_held_for_the_worst_case(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        taken = (await account.acquire(0)).taken_at
        await account.acquire(1)
        assert taken + UNANSWERED == pytest.approx(account.now(), abs=0.01)

    played(tmp_path, play, Quota(calls=1))


def test_a_permit_that_was_never_used_gives_its_slot_and_its_attempt_back(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        limiter, permit = account.limiter(), await account.acquire(0)
        assert limiter.is_fresh(permit)
        await account.clock.sleep(1.5)
        assert not limiter.is_fresh(permit)
        await account.complete(permit, status=None, left=False)
        before = account.now()
        await account.acquire(1)
        assert account.now() - before < 61.0  # its pace alone
        first = await account.outcome(0)
        assert (Status.NOT_SENT, 0, None) == (first.status, first.attempts, first.first_sent_at)
        with closing(sqlite3.connect(tmp_path / "journal.db")) as other:
            assert [(1, 1)] == other.execute("SELECT position, number FROM attempt").fetchall()

    played(tmp_path, play, Quota(calls=1, slack=1.0))


class SlowDisk(SqliteAttempts):
    """Attempts whose commits take ``seconds``."""

    seconds = 0.0

    async def take(self, pending_row: PendingRow, rule: SlotRule[R]) -> Permit | DoneElsewhere | R:
        found = await super().take(pending_row, rule)
        await asyncio.sleep(self.seconds)
        return found


class UnevenDisk(SqliteAttempts):
    """Attempts whose slot is asked for a little later, now shorter, now longer."""

    def __init__(self, account: Account, seed: int) -> None:
        super().__init__(account.storage._database, account.clock)
        self.dice = random.Random(seed)

    async def take(self, pending_row: PendingRow, rule: SlotRule[R]) -> Permit | DoneElsewhere | R:
        await asyncio.sleep(self.dice.random() * 0.2)
        return await super().take(pending_row, rule)


@pytest.mark.parametrize("seed", range(8))
def test_a_short_job_takes_turns_with_a_long_one(tmp_path: Path, seed: int) -> None:
    short, long = list(range(10)), list(range(10, 90))

    async def play(account: Account) -> None:
        account.attempts = UnevenDisk(account, seed)
        limiter, sent = account.limiter(), ""

        async def work(todo: list[int]) -> None:
            nonlocal sent
            while todo:
                permit = await account.acquire(todo.pop(0), limiter=limiter)
                sent += "S" if todo is short else "l"
                await account.clock.sleep(0.3)
                await account.complete(permit)

        longs = [asyncio.create_task(work(long)) for _ in range(4)]
        await account.clock.sleep(100.0)  # its burst is over
        before = len(sent)
        await asyncio.gather(*(work(short) for _ in range(4)))
        turns = sent[before:]
        await asyncio.gather(*longs)
        # With four rows of each waiting, no short one lets more than four long ones by.
        assert max(map(len, turns.split("S"))) <= 4, turns

    played(tmp_path, play)


def slow_disk(account: Account, seconds: float) -> RateLimiter:
    attempts = SlowDisk(account.storage._database, account.clock)
    attempts.seconds = seconds
    account.attempts = attempts
    return account.limiter()


@pytest.mark.parametrize("seconds", [0.03, 1.1, 15.0])
def test_a_permit_is_as_old_as_the_end_of_its_commit(tmp_path: Path, seconds: float) -> None:
    async def play(account: Account) -> None:
        limiter, permit = slow_disk(account, seconds), await account.acquire(0)
        assert limiter.is_fresh(permit)

    played(tmp_path, play)


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_a_disk_on_which_no_permit_can_be_used_in_time_is_reported_after_three(tmp_path: Path, speed: float) -> None:
    async def play(account: Account) -> None:
        limiter = slow_disk(account, 25.0)  # the slot's release is counted from before the commit
        admissions = Admissions(limiter, EndlessTokens(), speed=speed)
        begun = account.now()
        row = await account.pending_row(0)
        run_end = await admissions.admit(
            lambda: limiter.acquire(row, is_only_row=lambda: False, may_still_send=lambda: True)
        )
        assert isinstance(run_end, RunEnd)
        assert (EndReason.TOO_SLOW, True) == (run_end.code, "takes 25.0 s" in run_end.reason)
        assert 3 * speed * 25.0 == pytest.approx(account.now() - begun, abs=1.0)
        assert [] == await account.storage.rate_limit.send_times("key", since=Monotonic(0.0))

    played(tmp_path, play)


class EndlessTokens:
    """An account that gives a token to whoever asks."""

    async def ensure(self) -> None:
        pass

    async def token(self) -> str:
        return "token"

    async def renew(self, refused: str) -> str:
        return "another"


def test_after_a_reboot_no_slot_is_reborn_early_and_none_is_held_for_ever(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        await account.clock.sleep(5000.0)
        permit = await account.acquire(0)
        await account.complete(permit)
        answered = asyncio.get_running_loop().time()
        account.clock.reboot()
        await account.acquire(1)
        passed = asyncio.get_running_loop().time() - answered
        assert 61.1 <= passed <= UNANSWERED + 0.01

    played(tmp_path, play, Quota(calls=1))


def test_a_lock_outlives_the_process_and_a_reboot(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        permit = await account.acquire(0)
        lockout = await account.complete(permit, LOCKED, status=422)
        assert lockout is not None
        begun = asyncio.get_running_loop().time()
        account.reopen()
        account.clock.reboot()
        await account.acquire(0)
        assert 300.0 <= asyncio.get_running_loop().time() - begun <= 305.0

    played(tmp_path, play)


def test_one_probe_goes_after_a_lock_and_the_others_wait_for_its_answer(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        await account.complete(await account.acquire(0), LOCKED, status=422)
        others = [asyncio.ensure_future(account.acquire(i)) for i in (1, 2, 3)]
        probe = await account.acquire(0)
        await account.clock.sleep(20.0)
        assert not any(other.done() for other in others)
        await account.complete(probe)
        await asyncio.gather(*others)
        assert account.now() - probe.taken_at < 30.0

    played(tmp_path, play)


def test_a_probe_whose_process_died_is_given_up(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        await account.complete(await account.acquire(0), LOCKED, status=422)
        dead = await account.acquire(0)
        other = await account.acquire(1)
        assert 45.0 + 60.0 <= other.taken_at - dead.taken_at <= 45.0 + 60.0 + 2.1

    played(tmp_path, play)


def test_a_row_whose_probe_is_refused_steps_back_until_another_was_tried(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        await account.complete(await account.acquire(0), LOCKED, status=422)
        await account.complete(await account.acquire(0), LOCKED, status=422)
        assert isinstance(await account.ask(0), YieldToOtherRow)
        await account.complete(await account.acquire(1))

    played(tmp_path, play)


def test_a_lock_that_no_probe_ends_shuts_the_gate_after_three_waits(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        begun = account.now()
        exhausted: Permit | NoSlot | None = None
        while not isinstance(exhausted, WaitsExhausted):
            exhausted = await account.ask(0, alone=True)
            if isinstance(exhausted, Permit):
                await account.complete(exhausted, LOCKED, status=422)
                exhausted = account.exhausted
        assert SuspensionReason.LOCKED is exhausted.reason
        assert 3 * 300.0 < account.now() - begun < 3 * 310.0

    played(tmp_path, play)


def test_foreign_traffic_lowers_the_budget_for_every_gate_and_quiet_minutes_raise_it(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        lockout = await account.complete(await account.acquire(0), LOCKED, status=422)
        assert lockout is not None
        assert 15 == lockout.lowered_to
        await account.complete(await account.acquire(0))
        after, _ = await account.storage.rate_limit.ledger("key")
        assert 15 == rate_limit.budget(after, account.quota, account.now())
        assert 18 == rate_limit.budget(after, account.quota, later(account.now(), 6 * 60.0 + 10.0))

    played(tmp_path, play)


@pytest.mark.parametrize("short", [Signal(SuspensionReason.UNREACHABLE), Signal(SuspensionReason.FAILING, 1.0)])
@pytest.mark.parametrize("probe", [None, Signal(SuspensionReason.UNREACHABLE)], ids=["passes", "fails"])
def test_a_lock_told_by_an_older_call_during_another_wait_s_probe_holds(
    tmp_path: Path, short: Signal, probe: Signal | None
) -> None:
    async def play(account: Account) -> None:
        first, older = await account.acquire(0), await account.acquire(1)
        await account.complete(first, short, status=None)
        probing = await account.acquire(0)
        lockout = await account.complete(older, LOCKED, status=422)
        assert lockout is not None
        assert SuspensionReason.LOCKED is lockout.reason
        locked = account.now()
        await account.complete(probing, probe, status=None if probe else 200)
        await account.acquire(2)
        assert account.now() - locked >= 300.0

    played(tmp_path, play)


def test_one_refusal_in_a_lock_that_another_row_began_is_not_held_against_a_row(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        await account.complete(await account.acquire(0), LOCKED, status=422)  # and its process stops
        await account.complete(await account.acquire(1), LOCKED, status=422)  # the lock lasts a little longer than ours
        begun = account.now()
        await account.complete(await account.acquire(1))
        assert account.now() - begun >= 300.0
        await account.complete(await account.acquire(2))

    played(tmp_path, play)


def test_who_is_cancelled_while_the_permit_is_written_gives_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(account: Account) -> None:
        writing, write = asyncio.Event(), account.storage._database.write

        async def heard(work: Callable[[Transaction], R]) -> R:
            writing.set()
            return await write(work)

        monkeypatch.setattr(account.storage._database, "write", heard)
        entering = asyncio.ensure_future(account.acquire(0))
        await writing.wait()
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        first = await account.outcome(0)
        assert (Status.NOT_SENT, 0) == (first.status, first.attempts)
        before = account.now()
        await account.acquire(1)
        assert account.now() - before < 61.0  # its pace alone: the slot is free

    played(tmp_path, play, Quota(calls=1, slack=1.0))


def test_the_day_s_allowance_holds_across_restarts_and_says_when_it_goes_on(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        first = account.clock.wall()
        for i in range(3):
            await account.complete(await account.acquire(i))
        account.reopen()
        used_up = await account.ask(3)
        assert isinstance(used_up, DayUsedUp)
        assert first + DAY_SECONDS == pytest.approx(used_up.until, abs=0.01)
        await account.clock.sleep(DAY_SECONDS)
        await account.acquire(3)

    played(tmp_path, play, Quota(daily=3))


def test_a_year_of_nights_at_the_day_s_allowance_has_none_without_a_call(tmp_path: Path) -> None:
    """At 02:30 in Berlin, over both changes of the clock: a night of summer time starts 23 hours after the one before.

    5,000 rows at 1,000 a day are 5 nights for the same reason: each night makes as many calls as a day allows.
    """
    calls = 2

    async def play(account: Account) -> None:
        account.clock.epoch = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
        schedule, limiter = Schedule(time(2, 30), ZoneInfo("Europe/Berlin")), account.limiter()
        rows = deque([row async for row in account.storage.rows.open_rows("job")])
        nights: list[int] = []
        while rows:
            ((_, start),) = schedule.next_starts(account.clock.wall(), 1)
            await account.clock.sleep(start - account.clock.wall() + random.Random(len(nights)).uniform(0.0, 5.0))
            nights.append(0)
            while rows and isinstance(
                permit := await limiter.acquire(rows[0], is_only_row=lambda: False, may_still_send=lambda: True), Permit
            ):
                await account.complete(permit)
                rows.popleft()
                nights[-1] += 1
        assert [calls] * 366 == nights
        assert calls == rate_limit.peak_calls(
            await account.storage.rate_limit.send_times("key", since=Monotonic(0.0)), DAY_SECONDS
        )

    played(tmp_path, play, Quota(daily=calls), rows=366 * calls)


@pytest.mark.parametrize("reboots", [False, True])
def test_calls_of_a_clock_that_was_years_ahead_hold_the_day_s_allowance_for_a_day_at_most(
    tmp_path: Path, reboots: bool
) -> None:
    async def play(account: Account) -> None:
        account.clock.step_wall(10 * 365 * DAY_SECONDS)
        for i in range(2):
            await account.complete(await account.acquire(i))
        account.clock.step_wall(-10 * 365 * DAY_SECONDS)
        if reboots:
            account.clock.reboot()
        await account.clock.sleep(DAY_SECONDS / 2)
        await account.complete(await account.acquire(2))
        used_up = await account.ask(3)
        assert isinstance(used_up, DayUsedUp)
        assert account.clock.wall() + DAY_SECONDS / 2 == pytest.approx(used_up.until, abs=10.0)
        await account.clock.sleep(DAY_SECONDS / 2)
        await account.complete(await account.acquire(3))

    played(tmp_path, play, Quota(daily=3))


def test_a_step_of_the_wall_clock_frees_no_slot(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        await account.complete(await account.acquire(0))
        answered = account.now()
        for seconds in (86_400.0, -200_000.0):
            account.clock.step_wall(seconds)
        await account.acquire(1)
        assert account.now() - answered >= 61.1

    played(tmp_path, play, Quota(calls=1))


def test_who_waits_leaves_when_the_run_stops(tmp_path: Path) -> None:
    async def play(account: Account) -> None:
        await account.complete(await account.acquire(0), LOCKED, status=422)
        stop_at = account.now() + 10.0
        limiter = account.limiter()
        entered = await limiter.acquire(
            await account.pending_row(1), is_only_row=lambda: False, may_still_send=lambda: account.now() < stop_at
        )
        assert entered is None
        assert account.now() - stop_at < 2.0
        assert [Waiting.LOCKED] == list(dict.fromkeys(account.waits))

    played(tmp_path, play)
