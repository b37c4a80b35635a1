"""Deletion of the rows of ended jobs, and erasure of the data of one learner, in SQLite."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from bulkremove.domain.ids import TRIMMED_CHARACTERS
from bulkremove.storage.interface.records import Record
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.identity import begin_generation, identity_of
from bulkremove.storage.sqlite.leavers import forget_all_people
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import write_records
from bulkremove.storage.sqlite.rows import ROWS_PER_TRANSACTION
from bulkremove.storage.sqlite.tallies import tally_of
from bulkremove.storage.sqlite.transaction import Reader, Transaction

_JOBS, _ROWS, _ATTEMPTS = Queries("jobs.sql"), Queries("rows.sql"), Queries("attempts.sql")
_ERASURE, _READS = Queries("erasure.sql"), Queries("reads.sql")
_TEXTS = (
    _ERASURE.erase_from_events,
    _ERASURE.erase_from_notices,
    _ERASURE.erase_from_notes,
    _ERASURE.erase_from_reasons,
    _ERASURE.erase_from_refusals,
    _ERASURE.erase_from_details,
    _ERASURE.erase_from_responses,
)
"""The statements that take a learner's id out of texts."""
_QUOTES = (_ERASURE.erase_quotes_in_events, _ERASURE.erase_quotes_in_reason, _ERASURE.erase_quotes_in_notices)
"""The statements that take what Zoho answered about a learner, which may be a name, out of texts of the job."""


class SqliteErasure:
    """``ErasureStore`` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def delete_rows(self, job_id: str) -> None:
        def keep_totals(transaction: Transaction) -> None:
            (created_at,) = transaction.execute(_JOBS.get_created_at, job=job_id).fetchone()
            counts = tally_of(transaction, job_id, as_reported=True).counts
            totals = json.dumps({status.value: count for status, count in counts.items()})
            transaction.execute(_JOBS.set_totals, job=job_id, totals=totals)
            journal = identity_of(transaction.connection).id
            transaction.after_commit(partial(transaction.mark.forget, journal, job_id, created_at))

        await self._database.write(keep_totals)
        await self._delete_rows(job_id)

    async def resume_deletions(self) -> None:
        job_ids = await self._database.read(
            lambda reader: [job_id for (job_id,) in reader.execute(_ROWS.jobs_to_delete_rows_of)]
        )
        for job_id in job_ids:
            await self._delete_rows(job_id)

    async def _delete_rows(self, job_id: str) -> None:
        while await self._database.write(lambda transaction: delete_piece(transaction, job_id)):
            pass

    async def jobs_with_open_removals_of(self, job_id: str) -> list[str]:
        def find(reader: Reader) -> list[str]:
            return [job for (job,) in reader.execute(_ROWS.jobs_with_open_removals_of, job=job_id)]

        return await self._database.read_long(lambda: self._database.read_now(find))

    async def open_rows_of(self, learner: str) -> int:
        return await self._database.read(lambda reader: _open_rows_of(reader, learner))

    async def rows_of(self, learner: str) -> Mapping[str, int]:
        rows = await self._rows_of(learner)
        return Counter(job for job, _, _ in rows)

    async def texts_of(self, learner: str) -> int:
        def count(reader: Reader) -> int:
            return int(reader.execute(_ERASURE.count_texts, learner=learner).fetchone()[0])

        return await self._database.read_long(lambda: self._database.read_now(count))

    async def _rows_of(self, learner: str) -> Sequence[tuple[str, int, int]]:
        def find(reader: Reader) -> Sequence[tuple[str, int, int]]:
            return _rows_of(reader, learner)

        return await self._database.read_long(lambda: self._database.read_now(find))

    async def erase(self, learner: str, record: Callable[[int], Record]) -> bool:
        rows = await self._rows_of(learner)

        def erase(transaction: Transaction) -> bool:
            if _open_rows_of(transaction, learner):
                return False
            erased = 0
            for job, position, width in rows:
                of_row = {"job": job, "position": position}
                cells = json.dumps([""] * width)
                erased += transaction.execute(_ERASURE.erase_row, cells=cells, **of_row).rowcount
                for (quote,) in transaction.execute(_ERASURE.list_responses, **of_row).fetchall():
                    for statement in _QUOTES:
                        transaction.execute(statement, job=job, quote=quote)
                transaction.execute(_ERASURE.erase_attempts, **of_row)
                transaction.execute(_ERASURE.delete_notes, **of_row)
            for statement in _TEXTS:
                transaction.execute(statement, learner=learner)
            transaction.execute(_READS.delete_listings)  # all of them: whom they name by other ids is not known
            forget_all_people(transaction)
            begin_generation(transaction.connection)
            write_records(transaction, [record(erased)])
            return True

        return await self._database.write(erase)


def _open_rows_of(reader: Reader, learner: str) -> int:
    return int(reader.execute(_ERASURE.count_open_rows, learner=learner).fetchone()[0])


def _rows_of(reader: Reader, learner: str) -> Sequence[tuple[str, int, int]]:
    """Job, position and number of cells of a learner's rows, and of rows without ids that hold the id in a cell."""
    rows = reader.execute(_ERASURE.list_rows, learner=learner)
    return [
        (job, position, len(texts))
        for job, position, has_ids, cells in rows
        for texts in [json.loads(cells)]
        if has_ids or learner in (text.strip(TRIMMED_CHARACTERS) for text in texts)
    ]


def delete_piece(transaction: Transaction, job_id: str) -> bool:
    """Delete up to ``ROWS_PER_TRANSACTION`` rows of a job, with their attempts and notes; whether there were any."""
    transaction.execute(_JOBS.delete_some_notes, job=job_id, limit=ROWS_PER_TRANSACTION)
    transaction.execute(_ATTEMPTS.delete_some_attempts, job=job_id, limit=ROWS_PER_TRANSACTION)
    return transaction.execute(_ROWS.delete_some_rows, job=job_id, limit=ROWS_PER_TRANSACTION).rowcount > 0
