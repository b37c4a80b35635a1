"""Restores the journal from a copy, detects a replaced journal, and accepts one at a person's request."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from bulkremove.domain.clock import Clock, Epoch, later
from bulkremove.domain.errors import ASK_ADMIN, JournalFailed
from bulkremove.domain.event_names import EventName
from bulkremove.domain.job import EndReason
from bulkremove.storage.interface.records import JobEvent, Record
from bulkremove.storage.interface.restore import LostCalls, RestoreLosses
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.high_water import MAX_COUNTER, Mark
from bulkremove.storage.sqlite.identity import begin_generation, identity_of
from bulkremove.storage.sqlite.leavers import forget_all_people
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import count_change, write_records
from bulkremove.storage.sqlite.transaction import Reader, Transaction

_AUDIT, _IDENTITY, _JOBS, _ROWS = map(Queries, ("audit.sql", "identity.sql", "jobs.sql", "rows.sql"))
_LIMIT, _NIGHTLY, _WORDINGS = map(Queries, ("rate_limit.sql", "nightly.sql", "wordings.sql"))
_READS = Queries("reads.sql")
LOST = (
    "The journal was restored from a copy, and this row may have been sent since. Look the learner up in Zoho People."
)


class SqliteRestore:
    """``RestoreStore`` on a database and its high-water mark."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def check(self) -> RestoreLosses | None:
        def check() -> RestoreLosses | None:
            mark = self._database.mark.read_or_nothing()
            return self._database.read_now(lambda reader: _losses(reader, mark))

        return await self._database.read_long(check)

    async def put_back(self, copy: Path, *records: Record, before: Callable[[], None] = lambda: None) -> None:
        def write(transaction: Transaction) -> None:
            (changes,) = transaction.execute(_AUDIT.get_counter, name="changes").fetchone()
            write_records(transaction, records)
            # Else each record would stand for one of those that were lost.
            transaction.execute(_AUDIT.set_counter, name="changes", value=changes)
            before()

        await self._database.restore(copy, write)

    async def accept(
        self,
        losses: RestoreLosses,
        *records: Record,
        keys: Collection[str],
        slots: int,
        held_seconds: float,
        why: str,
        if_unknown: LostCalls,
    ) -> None:
        def accept(transaction: Transaction) -> None:
            mark = self._database.mark.read_or_nothing()
            if _losses(transaction, mark) != losses:
                raise JournalFailed(
                    "The journal has changed since what it has lost was shown: somebody else has accepted it, or put "
                    "another one in its place. Nothing was changed.",
                    hint="Run `bulkremove journal accept-restore` again.",
                    page_hint=ASK_ADMIN,
                )
            at, now = self._clock.wall(), self._clock.monotonic()
            lost = _lost_calls(transaction, mark) or if_unknown
            transaction.execute(_LIMIT.count_lost_calls, at=at, removals=lost.removals, calls=lost.calls)
            for job, position in _reached(transaction, mark).items():
                transaction.execute(_ROWS.settle_up_to, job=job, position=position, detail=LOST, at=at)
                transaction.execute(_JOBS.pause_restored, job=job, reason=why, code=EndReason.RESTORED, at=at)
                write_records(transaction, [JobEvent(job, EventName.RESTORED, why, at)])
            transaction.execute(_NIGHTLY.delete_waiting_notices)
            transaction.execute(_READS.delete_listings)  # whom they name may have been erased since
            forget_all_people(transaction)
            transaction.execute(_WORDINGS.withdraw_all_wordings)  # one may have been withdrawn since
            free_at = later(now, held_seconds)
            for key in (*keys, *mark.ledgers):
                transaction.execute(_LIMIT.add_ledger, key=key, boot=self._clock.boot)
            for (key,) in transaction.execute(_LIMIT.list_ledgers).fetchall():
                for _ in range(slots):
                    transaction.execute(_LIMIT.take_slot, key=key, now=now, free_at=free_at)
            transaction.execute(_AUDIT.set_changes, changes=mark.changes)
            count_change(transaction)
            write_records(transaction, records)
            journal = secrets.token_hex(8)
            transaction.execute(_IDENTITY.renew, id=journal)
            begin_generation(transaction.connection)
            # Before the commit: after a kill in between, it is to be accepted again.
            transaction.mark.name_journal(journal)

        await self._database.write(accept, accepts_restore=True)

    async def lost_removals(self, since: Epoch) -> int:
        return await self._database.read(
            lambda reader: int(reader.execute(_LIMIT.get_lost_calls, since=since).fetchone()[1])
        )


def _losses(reader: Reader, mark: Mark) -> RestoreLosses | None:
    """What was lost; None when this is the journal that was used last."""
    identity = identity_of(reader.connection)
    if identity.difference(mark) is None:
        return None
    reached = _reached(reader, mark)
    rows = {
        job: reader.execute(_ROWS.count_open_up_to, job=job, position=position).fetchone()[0]
        for job, position in reached.items()
    }
    changes = max(0, mark.changes - identity.changes) if mark.knows(identity.id) else None
    return RestoreLosses(
        changes,
        _lost_calls(reader, mark),
        {job: count for job, count in rows.items() if count},
        [*reached],
        _lost_jobs(reader, mark),
    )


def _lost_jobs(reader: Reader, mark: Mark) -> list[str]:
    """The jobs that the mark knows and the journal does not."""
    return [job for job in sorted(mark.rows) if reader.execute(_JOBS.find_id, job=job).fetchone() is None]


def _lost_calls(reader: Reader, mark: Mark) -> LostCalls | None:
    """What lost jobs may have sent, at most; None if the mark can't tell. Rows of other jobs become ``unknown``."""
    identity = identity_of(reader.connection)
    if not mark.knows(identity.id):
        return None
    calls = max(0, mark.changes - identity.changes)
    rows = sum(mark.rows[job] + 1 for job in _lost_jobs(reader, mark))
    return LostCalls(min(rows, calls), calls)


def _reached(reader: Reader, mark: Mark) -> Mapping[str, int]:
    """For each job that is not over, the last position that may have been sent since; -1 if none can have been."""
    is_known = mark.knows(identity_of(reader.connection).id)
    reached = {}
    for job, created_at in reader.execute(_JOBS.list_unfinished).fetchall():
        if is_known and (job in mark.rows or created_at > mark.deleted_until):
            reached[job] = mark.rows.get(job, -1)
        else:  # it may have been continued in another folder, or its rows were deleted here
            reached[job] = MAX_COUNTER
    return reached
