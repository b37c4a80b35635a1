"""Attempts, in SQLite: each is written with its slot and with the state of its row.

A slot is written as if no response ever came, and released early when one does, so that a crash, a kill or a reboot
needs no further code. The clock is read within the transaction, after the wait for other writers.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TypeVar

from bulkremove.domain.attempt import Attempt, PendingRow, Permit
from bulkremove.domain.clock import Clock, Epoch
from bulkremove.domain.errors import JournalFailed
from bulkremove.domain.row import RowState, Status
from bulkremove.domain.wording import Wording
from bulkremove.storage.interface.attempts import (
    AnswerRule,
    AttemptOutcome,
    DoneElsewhere,
    LedgerChange,
    SlotRule,
)
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.rate_limit import TakenSlot, apply_answer, cancel_slot, take_slot
from bulkremove.storage.sqlite.records import count_change
from bulkremove.storage.sqlite.tallies import SETTLED_BY_END
from bulkremove.storage.sqlite.transaction import Transaction
from bulkremove.storage.sqlite.wordings import UNPROVEN, is_accepted

R = TypeVar("R")

_JOBS, _ROWS = Queries("jobs.sql"), Queries("rows.sql")
_ATTEMPTS = Queries("attempts.sql")


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
            if outcome.was_sent:
                _close(transaction, permit, outcome, wall)
            else:
                _delete(transaction, permit)
            state, detail = _proven(transaction, permit.pending_row.job, outcome)
            _settle(transaction, permit.pending_row, state, detail, wall)
            return apply_answer(transaction, rule, permit.slot, now, self._clock.boot, left=outcome.was_sent)

        return await self._database.write(close)

    async def settle(self, pending_row: PendingRow, status: Status, detail: str) -> None:
        await self._database.write(
            lambda transaction: _settle(transaction, pending_row, status, detail, self._clock.wall())
        )

    def _take(self, transaction: Transaction, pending_row: PendingRow, rule: SlotRule[R]) -> Permit | DoneElsewhere | R:
        if transaction.execute(_JOBS.is_running, job=pending_row.job).fetchone() is None:
            raise JournalFailed(
                f"Job {pending_row.job} does not run any more: something else has ended it, or the journal was "
                "restored from a copy meanwhile. Nothing more was sent.",
                hint=f"`bulkremove show {pending_row.job}` says where it stands.",
                page_hint="",
            )
        removal = pending_row.removal
        ids = {"course": removal.course, "batch": removal.batch, "learner": removal.learner}
        settled = transaction.execute(_ROWS.settled_elsewhere, job=pending_row.job, **ids).fetchone()
        for query, status in ((_ROWS.put_back_since, Status.ENROLLED), (_ROWS.removed_since, Status.REMOVED)):
            opposite = transaction.execute(query, job=pending_row.job, position=pending_row.position, **ids).fetchone()
            if opposite is not None and not _is_undone(opposite, settled):
                job_id, number, _ = opposite
                return DoneElsewhere(job_id, number, status, is_opposite=True)
        if settled is not None:
            job_id, number, state, lookup_result, _ = settled
            status = Status(SETTLED_BY_END.get(state, state))
            return DoneElsewhere(job_id, number, status, was_seen=status is Status.UNKNOWN and bool(lookup_result))
        slot = take_slot(transaction, rule, self._clock)
        if not isinstance(slot, TakenSlot):
            return slot
        number = 1 + max((attempt.number for attempt in pending_row.attempts), default=0)
        attempt = Attempt(number, slot.wall, slot.at, self._clock.boot)
        _open(transaction, pending_row, attempt, rule.key)
        return Permit(pending_row, attempt, slot.number, slot.at)


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
    """Undo a permit that nobody will use."""
    _delete(transaction, permit)
    cancel_slot(transaction, permit.slot)


def _delete(transaction: Transaction, permit: Permit) -> None:
    """Delete an attempt of which no byte was sent, so that hours of network or disk failures leave none behind."""
    pending_row = permit.pending_row
    transaction.execute(
        _ATTEMPTS.delete_attempt, job=pending_row.job, position=pending_row.position, number=permit.attempt.number
    )
    transaction.execute(_ROWS.withdraw_attempt, job=pending_row.job, position=pending_row.position)


def _settle(
    transaction: Transaction, pending_row: PendingRow, state: RowState | Status, detail: str, wall: Epoch
) -> None:
    at = wall if isinstance(state, Status) else None
    changed = transaction.execute(
        _ROWS.settle_row, job=pending_row.job, position=pending_row.position, state=state, detail=detail, at=at
    )
    if changed.rowcount != 1:
        raise JournalFailed(f"Row {pending_row.number} of job {pending_row.job} is settled already and can't change.")


def _is_undone(opposite: sqlite3.Row, settled: sqlite3.Row | None) -> bool:
    """Whether a job did what a row aims at after another one had done the opposite."""
    if settled is None or settled["state"] not in ("removed", "removed_inferred", "enrolled"):
        return False
    return opposite["finished_at"] is not None and settled["finished_at"] > opposite["finished_at"]
