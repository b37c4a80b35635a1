"""Noticing that the journal was replaced by an older copy, and going on with it once a person has accepted that."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from bulkremove.model import Clock
from bulkremove.storage.base import Record, Restored
from bulkremove.storage.sqlite.database import Database, Reader, Transaction
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import count_change, write_records

_AUDIT, _JOBS, _ROWS, _LIMIT = map(Queries, ("audit.sql", "jobs.sql", "rows.sql", "rate_limit.sql"))
LOST = (
    "The journal was restored from a copy, and this row may have been sent since. Look the learner up in Zoho People."
)


class SqliteRestore:
    """``base.RestoreCheck`` on a database and its high-water mark."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def look(self) -> Restored | None:
        mark = self._database.mark.read()

        def look(reader: Reader) -> Restored | None:
            (changes,) = reader.execute(_AUDIT.get_counter, name="changes").fetchone()
            if changes >= mark.changes:
                return None
            known = {job: reader.execute(_JOBS.get_job, job=job).fetchone() is not None for job in mark.rows}
            rows = {
                job: reader.execute(_ROWS.count_open_up_to, job=job, position=position).fetchone()[0]
                for job, position in mark.rows.items()
                if known[job]
            }
            lost = tuple(sorted(job for job, there in known.items() if not there))
            return Restored(mark.changes - changes, {job: count for job, count in rows.items() if count}, lost)

        return await self._database.read(look)

    async def put_back(self, copy: Path) -> None:
        await self._database.restore(copy)

    async def accept(
        self, jobs: Collection[str], *records: Record, keys: Collection[str], slots: int, held_seconds: float
    ) -> Mapping[str, int]:
        mark = self._database.mark.read()

        def accept(transaction: Transaction) -> Mapping[str, int]:
            at, now = self._clock.wall(), self._clock.monotonic()
            counts = {
                job: transaction.execute(
                    _ROWS.settle_up_to, job=job, position=mark.rows[job], detail=LOST, at=at
                ).rowcount
                for job in jobs
            }
            for key in keys:
                transaction.execute(_LIMIT.add_ledger, key=key, boot=self._clock.boot)
            for (key,) in transaction.execute(_LIMIT.list_ledgers).fetchall():
                for _ in range(slots):
                    transaction.execute(_LIMIT.take_slot, key=key, now=now, free_at=now + held_seconds)
            transaction.execute(_AUDIT.set_changes, changes=mark.changes)
            count_change(transaction)
            write_records(transaction, records)
            return counts

        return await self._database.write(accept, accepts_restore=True)
