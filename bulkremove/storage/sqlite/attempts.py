"""Attempts and the rate limit of each account, in SQLite.

A slot is written as if no response ever came, and released early when one does, so that a crash, a kill or a reboot
needs no further code. The clock is read within the transaction, after the wait for other writers.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TypeVar

from bulkremove.domain.attempt import Attempt, LookupResult, PendingRow, Permit
from bulkremove.domain.clock import Clock, Epoch, Monotonic, later, seconds_between
from bulkremove.domain.errors import JournalFailed
from bulkremove.domain.ledger import Ledger, Suspension, SuspensionReason
from bulkremove.domain.row import RowState, Status
from bulkremove.domain.wording import Wording
from bulkremove.storage.interface.attempts import (
    AnswerRule,
    AttemptOutcome,
    DoneElsewhere,
    LedgerChange,
    RestartRule,
    SlotRule,
)
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import count_change
from bulkremove.storage.sqlite.rows import SETTLED_BY_END
from bulkremove.storage.sqlite.transaction import Reader, Transaction
from bulkremove.storage.sqlite.wordings import UNPROVEN, is_accepted

R = TypeVar("R")

_LOST_SECONDS = 2 * 86_400.0
"""Seconds after its acceptance in which the calls that a journal has lost are looked at; rules look at one day."""

_JOBS, _ROWS = Queries("jobs.sql"), Queries("rows.sql")
_ATTEMPTS, _LIMIT = Queries("attempts.sql"), Queries("rate_limit.sql")


class SqliteAttempts:
    """``AttemptStore`` on a database. ``clock``: that of the runs; its monotonic times are valid within one boot."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def take(self, pending_row: PendingRow, rule: SlotRule[R]) -> Permit | DoneElsewhere | R:
        permits: list[Permit] = []

        def take(transaction: Transaction) -> Permit | DoneElsewhere | R:
            result = self._take(transaction, pending_row, rule)
            if isinstance(result, Permit):
                permits.append(result)
            return result

        try:
            return await self._database.write(take)
        except asyncio.CancelledError:
            if permits:  # on disk, and never to be used
                await self._database.write(lambda transaction: _withdraw(transaction, permits[0]))
            raise

    async def close(self, permit: Permit, outcome: AttemptOutcome, rule: AnswerRule[R]) -> LedgerChange[R]:
        def close(transaction: Transaction) -> LedgerChange[R]:
            now, wall = self._clock.monotonic(), self._clock.wall()
            if outcome.left:
                _close(transaction, permit, outcome, wall)
                free_at = rule.released_at(now)
                transaction.execute(_LIMIT.release_early, slot=permit.slot, free_at=free_at)
            else:
                _withdraw(transaction, permit)
            state, detail = _proven(transaction, permit.pending_row.job, outcome)
            _settle(transaction, permit.pending_row, state, detail, wall)
            before = _current_ledger(transaction, rule.key, rule, self._clock.boot, now)
            since, recent = rule.recent_since(), 0
            if since is not None:
                (recent,) = transaction.execute(_LIMIT.count_taken_since, key=rule.key, then=since).fetchone()
            after, result = rule.answered(before, now, recent=recent)
            if after != before:
                _save(transaction, rule.key, self._clock.boot, after)
            return LedgerChange(before, after, result)

        return await self._database.write(close)

    async def settle(self, pending_row: PendingRow, status: Status, detail: str) -> None:
        await self._database.write(
            lambda transaction: _settle(transaction, pending_row, status, detail, self._clock.wall())
        )

    def _take(self, transaction: Transaction, pending_row: PendingRow, rule: SlotRule[R]) -> Permit | DoneElsewhere | R:
        removal = pending_row.removal
        ids = {"course": removal.course, "batch": removal.batch, "learner": removal.learner}
        settled = transaction.execute(_ROWS.settled_elsewhere, job=pending_row.job, **ids).fetchone()
        if settled is not None:
            job_id, number, state, found = settled
            return DoneElsewhere(job_id, number, Status(SETTLED_BY_END.get(state, state)), found == LookupResult.GONE)
        now, wall, boot = self._clock.monotonic(), self._clock.wall(), self._clock.boot
        ledger = _current_ledger(transaction, rule.key, rule, boot, now)
        slots = rule.slots(ledger, now)
        full_until = transaction.execute(_LIMIT.full_until, key=rule.key, now=now, calls=slots).fetchone()
        decision = rule.decide(
            ledger,
            now,
            full_until=full_until[0] if full_until else None,
            wall=wall,
            nth_last_call=None
            if rule.daily is None
            else _nth_last_call(transaction, rule.key, rule.daily, wall, self._clock),
        )
        if decision.ledger is not None:
            _save(transaction, rule.key, boot, decision.ledger)
        if decision.refusal is not None:
            return decision.refusal
        assert decision.free_at is not None  # noqa: S101 - narrows the type; a rule refuses or gives a time
        transaction.execute(_LIMIT.delete_old_slots, key=rule.key, then=later(now, -rule.window))
        slot = transaction.execute(_LIMIT.take_slot, key=rule.key, now=now, free_at=decision.free_at).lastrowid
        number = 1 + max((attempt.number for attempt in pending_row.attempts), default=0)
        attempt = Attempt(number, wall, now, boot)
        _open(transaction, pending_row, attempt, rule.key)
        return Permit(pending_row, attempt, int(slot or 0), now)


class SqliteRateLimit:
    """``RateLimitStore`` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def ledger(self, key: str) -> tuple[Ledger, bool]:
        def look(reader: Reader) -> tuple[Ledger, str]:
            self._database.check_current(reader)
            return _ledger(reader, key, self._clock.boot)

        ledger, boot = await self._database.read(look)
        return ledger, boot == self._clock.boot

    async def calls(self, key: str, *, since: Monotonic, wall_since: Epoch) -> tuple[int, int]:
        def count(reader: Reader) -> tuple[int, int]:
            recent = reader.execute(_LIMIT.count_taken_since, key=key, then=since).fetchone()[0]
            return int(recent), int(reader.execute(_ATTEMPTS.count_since, ledger=key, then=wall_since).fetchone()[0])

        return await self._database.read(count)

    async def send_times(self, key: str, *, since: Monotonic) -> list[Monotonic]:
        def find(reader: Reader) -> list[Monotonic]:
            times = reader.execute(_ATTEMPTS.send_times, ledger=key, boot=self._clock.boot, since=since)
            return [at for (at,) in times]

        return await self._database.read_long(lambda: self._database.read_now(find))


def _nth_last_call(reader: Reader, key: str, n: int, wall: Epoch, clock: Clock) -> Epoch | None:
    """When the n-th last call was made, if those that a journal has lost were made at the time of its acceptance.

    A call whose time lies ahead was made while the wall clock was wrong: it counts from when it was made by the
    monotonic clock, or from the start of the machine at the latest.
    """
    now = clock.monotonic()
    ahead = [
        later(wall, -(seconds_between(sent_mono, now) if boot == clock.boot else now) / clock.speed)
        for sent_mono, boot in reader.execute(_ATTEMPTS.calls_ahead, ledger=key, then=wall)
    ]

    def recorded(n: int) -> Epoch | None:
        if not ahead:
            row = reader.execute(_ATTEMPTS.nth_last_call, ledger=key, n=n, until=wall).fetchone()
            return row[0] if row else None
        calls = sorted([*ahead, *(at for (at,) in reader.execute(_ATTEMPTS.last_calls, ledger=key, n=n, until=wall))])
        return calls[-n] if len(calls) >= n else None

    accepted_at, _, lost = reader.execute(_LIMIT.get_lost_calls, since=later(wall, -_LOST_SECONDS)).fetchone()
    nth = recorded(n)
    if not lost:
        return nth
    earlier = accepted_at if n <= lost else recorded(n - lost)
    with_lost = None if earlier is None else min(earlier, accepted_at)
    return max((time for time in (nth, with_lost) if time is not None), default=None)


def _open(transaction: Transaction, pending_row: PendingRow, attempt: Attempt, ledger: str) -> None:
    """Write the attempt before its request is sent. Raises JournalFailed for a row that is settled already."""
    transaction.execute(
        _ATTEMPTS.insert_attempt,
        job=pending_row.job,
        position=pending_row.position,
        number=attempt.number,
        ledger=ledger,
        sent_at=attempt.sent_at,
        sent_mono=attempt.sent_mono,
        boot=attempt.boot,
    )
    changed = transaction.execute(
        _ROWS.send_row, job=pending_row.job, position=pending_row.position, at=attempt.sent_at
    )
    if changed.rowcount != 1:
        raise JournalFailed(
            f"Row {pending_row.number} of job {pending_row.job} is settled already; it is not sent again."
        )
    count_change(transaction, job=pending_row.job, position=pending_row.position, ledger=ledger)


def _close(transaction: Transaction, permit: Permit, outcome: AttemptOutcome, at: Epoch) -> None:
    pending_row, attempt = permit.pending_row, outcome.attempt
    transaction.execute(
        _ATTEMPTS.close_attempt,
        job=pending_row.job,
        position=pending_row.position,
        number=attempt.number,
        at=at,
        response_kind=attempt.response_kind,
        http_status=attempt.http_status,
        api_code=attempt.api_code,
        text=attempt.text,
        learner=outcome.learner,
    )
    if outcome.learner is not None and outcome.learner != pending_row.removal.learner:
        transaction.execute(_JOBS.count_mismatch, job=pending_row.job)
    transaction.execute(
        _ROWS.note_response,
        job=pending_row.job,
        position=pending_row.position,
        http_status=attempt.http_status,
        api_code=attempt.api_code,
    )


def _proven(transaction: Transaction, job: str, outcome: AttemptOutcome) -> tuple[RowState | Status, str]:
    """The row's state and detail; unknown if a wording proves it that was withdrawn since it was looked up."""
    attempt = outcome.attempt
    wording = Wording(attempt.http_status or 0, attempt.api_code or "", attempt.text)
    if attempt.response_kind == "accepted_wording" and not is_accepted(transaction, job, wording):
        return Status.UNKNOWN, UNPROVEN + outcome.detail
    return outcome.state, outcome.detail


def _withdraw(transaction: Transaction, permit: Permit) -> None:
    """Undo a permit on which no byte was sent, so that hours of network or disk failures leave no attempts behind."""
    pending_row = permit.pending_row
    transaction.execute(
        _ATTEMPTS.delete_attempt, job=pending_row.job, position=pending_row.position, number=permit.attempt.number
    )
    transaction.execute(_ROWS.withdraw_attempt, job=pending_row.job, position=pending_row.position)
    transaction.execute(_LIMIT.cancel_slot, slot=permit.slot)


def _settle(
    transaction: Transaction, pending_row: PendingRow, state: RowState | Status, detail: str, wall: Epoch
) -> None:
    at = wall if isinstance(state, Status) else None
    changed = transaction.execute(
        _ROWS.settle_row, job=pending_row.job, position=pending_row.position, state=state, detail=detail, at=at
    )
    if changed.rowcount != 1:
        raise JournalFailed(f"Row {pending_row.number} of job {pending_row.job} is settled already and can't change.")


def _current_ledger(transaction: Transaction, key: str, rule: RestartRule, boot: str, now: Monotonic) -> Ledger:
    """The ledger with times of this boot; one of an earlier boot is adapted and saved first."""
    ledger, ledger_boot = _ledger(transaction, key, boot)
    if ledger_boot == boot:
        return ledger
    ledger, free_at = rule.restarted(ledger, now)
    transaction.execute(_LIMIT.clamp_slots, key=key, now=now, free_at=free_at)
    _save(transaction, key, boot, ledger)
    return ledger


def _ledger(reader: Reader, key: str, boot: str) -> tuple[Ledger, str]:
    """The ledger and the boot that its times belong to; a new one belongs to ``boot``."""
    row = reader.execute(_LIMIT.get_ledger, key=key).fetchone()
    if row is None:
        return Ledger(), boot
    ledger_boot, next_at, burst, last_at, suspension, individually_limited_row, budget, budget_at = row
    return Ledger(
        next_at, burst, last_at, _suspension(suspension), individually_limited_row, budget, budget_at
    ), ledger_boot


def _save(transaction: Transaction, key: str, boot: str, ledger: Ledger) -> None:
    suspension = None if ledger.suspension is None else json.dumps(asdict(ledger.suspension))
    transaction.execute(
        _LIMIT.save_ledger,
        key=key,
        boot=boot,
        next_at=ledger.next_at,
        burst=ledger.burst,
        last_at=ledger.last_at,
        suspension=suspension,
        individually_limited_row=ledger.individually_limited_row,
        budget=ledger.budget,
        budget_at=ledger.budget_at,
    )


def _suspension(text: str | None) -> Suspension | None:
    if text is None:
        return None
    values = json.loads(text)
    return Suspension(**{**values, "reason": SuspensionReason(values["reason"])})
