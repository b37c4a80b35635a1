"""Rows of jobs and their notes in SQLite: export, search and the rows still to be sent."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar

from bulkremove.domain.attempt import Attempt, Note, Outcome, PendingRow
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import Job, Tally
from bulkremove.domain.plan import OtherJob, ProtectedLearners
from bulkremove.domain.row import Removal, RowState, Status
from bulkremove.storage.interface.records import PastRemoval, Record
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.outcomes import notes_of, outcomes_of, shown
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import write_records
from bulkremove.storage.sqlite.tallies import tallies_of, tally_of
from bulkremove.storage.sqlite.transaction import Reader, Transaction
from bulkremove.storage.sqlite.undone import past_removals, people_put_back, undone_rows
from bulkremove.storage.sqlite.wordings import withdraw_refuted

R = TypeVar("R")

ROWS_PER_QUERY = 500
"""How many rows one query reads."""
ROWS_PER_TRANSACTION = 1000
"""How many rows one transaction writes; other writers wait a few milliseconds for it."""
_OPEN = (RowState.SENDING, RowState.PENDING)
_DONE = frozenset({Status.REMOVED, Status.REMOVED_INFERRED, Status.ENROLLED})

_JOBS, _ROWS, _ATTEMPTS = Queries("jobs.sql"), Queries("rows.sql"), Queries("attempts.sql")


class SqliteRows:
    """``RowStore`` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tally(self, job_id: str, *, as_reported: bool = False) -> Tally:
        return await self._database.read(lambda reader: tally_of(reader, job_id, as_reported=as_reported))

    async def tallies(self, job_ids: Collection[str]) -> Mapping[str, Tally]:
        return await self._database.read(lambda reader: tallies_of(reader, job_ids))

    async def export(self, job: Job, work: Callable[[Iterator[Outcome]], R]) -> R:
        return await self._database.read_long(lambda: work(self._outcomes(job)))

    def _outcomes(self, job: Job) -> Iterator[Outcome]:
        notes = self._database.read_now(lambda reader: notes_of(reader, job.id))
        after = -1

        def page(reader: Reader) -> Sequence[Outcome]:
            rows = reader.execute(_ROWS.page_of_rows, job=job.id, after=after, limit=ROWS_PER_QUERY)
            return outcomes_of(reader, rows.fetchall(), job, notes)

        while outcomes := self._database.read_now(page):
            yield from outcomes
            after = outcomes[-1].position

    async def search(
        self,
        job: Job,
        *,
        status: Status | RowState | None,
        text: str,
        limit: int,
        offset: int = 0,
        after: int = -1,
        as_reported: bool = True,
    ) -> list[Outcome]:
        states = [state for state in (*Status, *RowState) if status in (None, shown(state, job, as_reported))]
        filters = {"job": job.id, "states": json.dumps(states), "text": text.casefold()}

        def search(reader: Reader) -> Sequence[Outcome]:
            rows = reader.execute(_ROWS.search_rows, **filters, after=after, limit=limit, offset=offset)
            return outcomes_of(reader, rows.fetchall(), job, notes_of(reader, job.id))

        return [*await self._database.read_long(lambda: self._database.read_now(search))]

    async def open_rows(self, job_id: str) -> AsyncGenerator[PendingRow]:
        for state in _OPEN:
            async for page in self._open_pages(job_id, state):
                for pending_row in page:
                    yield pending_row

    async def _open_pages(self, job_id: str, state: RowState) -> AsyncGenerator[Sequence[PendingRow]]:
        after = -1

        def read(reader: Reader) -> Sequence[PendingRow]:
            rows = reader.execute(
                _ROWS.page_of_open_rows, job=job_id, after=after, state=state, limit=ROWS_PER_QUERY
            ).fetchall()
            if not rows:
                return []
            attempts = _attempts(reader, job_id, rows[0]["position"], rows[-1]["position"])
            return [
                PendingRow(
                    job_id,
                    row["position"],
                    row["number"],
                    Removal(row["course"], row["batch"], row["learner"]),
                    tuple(attempts[row["position"]]),
                )
                for row in rows
            ]

        while page := await self._database.read(read):
            yield page
            after = page[-1].position

    async def numbers(self, job_id: str) -> set[int]:
        return await self._database.read(
            lambda reader: {number for (number,) in reader.execute(_ROWS.list_numbers, job=job_id)}
        )

    async def removal_times(self, job_id: str) -> list[Epoch]:
        return await self._database.read(
            lambda reader: [at for (at,) in reader.execute(_ROWS.removal_times, job=job_id)]
        )

    async def response_kinds(self, job_id: str) -> Mapping[str, int]:
        return await self._database.read(
            lambda reader: dict(reader.execute(_ATTEMPTS.count_response_kinds, job=job_id).fetchall())
        )

    async def first_call_after(self, job_id: str, times: Sequence[Epoch]) -> list[Epoch | None]:
        def find(reader: Reader) -> Sequence[Epoch | None]:
            return [reader.execute(_ATTEMPTS.first_call_after, job=job_id, then=time).fetchone()[0] for time in times]

        return [*await self._database.read(find)]

    async def settle_protected(self, job_id: str, protected: ProtectedLearners, *, why: str, at: Epoch) -> int:
        rows = [
            (pending_row.position, state)
            for state in _OPEN
            async for page in self._open_pages(job_id, state)
            for pending_row in page
            if pending_row.removal in protected
        ]
        return await self._settle_all(
            [
                {
                    "job": job_id,
                    "position": position,
                    "state": status_when_not_sent(state, Status.NOT_SENT),
                    "detail": why,
                    "at": at,
                }
                for position, state in rows
            ]
        )

    async def open_elsewhere(
        self, client: str, host: str, operation: str, *, held_since: Epoch
    ) -> Mapping[Removal, OtherJob]:
        values = {"client": client, "host": host, "operation": operation, "held_since": held_since}

        def find(reader: Reader) -> Mapping[Removal, OtherJob]:
            rows = reader.execute(_ROWS.open_rows_of_account, **values)
            return {Removal(*ids): OtherJob(job, account) for *ids, job, account in rows}

        return await self._database.read_long(lambda: self._database.read_now(find))

    async def rows_undone_by_later_jobs(self, job_id: str) -> Mapping[int, OtherJob]:
        def find(reader: Reader) -> Mapping[int, OtherJob]:
            return {number: OtherJob(job, account) for number, job, account, *_ in undone_rows(reader, job_id)}

        return await self._database.read_long(lambda: self._database.read_now(find))

    async def removed_before(
        self, client: str, host: str, removals: Sequence[Removal]
    ) -> Mapping[Removal, PastRemoval]:
        def find(reader: Reader) -> Mapping[Removal, PastRemoval]:
            return past_removals(reader, client, host, removals)

        return await self._database.read_long(lambda: self._database.read_now(find))

    async def people_put_back(
        self, client: str, host: str, removals: Mapping[Removal, str]
    ) -> Mapping[Removal, OtherJob]:
        return await self._database.read(lambda reader: people_put_back(reader, client, host, removals))

    async def changes_since(
        self, job_id: str, since_by_batch: Mapping[tuple[str, str], Epoch]
    ) -> Mapping[tuple[str, str], int]:
        values = {"job": job_id, "since": min(since_by_batch.values(), default=0.0)}
        batches = json.dumps([[*batch, since] for batch, since in since_by_batch.items()])

        def find(reader: Reader) -> Mapping[tuple[str, str], int]:
            rows = reader.execute(_ROWS.changes_since, **values, batches=batches)
            return {(course, batch): change for course, batch, change in rows if change}

        return await self._database.read_long(lambda: self._database.read_now(find))

    async def count_sent_or_to_be_sent(
        self, client: str, host: str, operation: str, since: Epoch, *, starting: str = ""
    ) -> int:
        values = {"client": client, "host": host, "operation": operation, "since": since, "starting": starting}

        def count(reader: Reader) -> int:
            row = reader.execute(_ROWS.count_sent_or_to_be_sent, **values).fetchone()
            return int(row[0] + row[1])

        return await self._database.read_long(lambda: self._database.read_now(count))

    async def _settle_all(self, rows: Sequence[Mapping[str, object]]) -> int:
        """Settle rows in short transactions. Returns how many of them were open."""
        count = 0
        for start in range(0, len(rows), ROWS_PER_TRANSACTION):
            piece = rows[start : start + ROWS_PER_TRANSACTION]
            count += await self._database.write(
                lambda transaction, piece=piece: transaction.executemany(_ROWS.settle_row, piece)  # type: ignore[misc] # the default binds the piece of this iteration
            )
        return count

    async def add_note(self, job_id: str, number: int, note: Note, *records: Record) -> bool:
        def add(transaction: Transaction) -> bool:
            row = transaction.execute(_ROWS.unknown_row, job=job_id, number=number).fetchone()
            if row is None:
                return False
            transaction.execute(
                _JOBS.insert_note,
                job=job_id,
                position=row[0],
                at=note.at,
                author=note.author,
                text=note.text,
                result=note.result or "",
            )
            withdraw_refuted(transaction, job_id, row[0], number, note)
            write_records(transaction, records)
            return True

        return await self._database.write(add)

    async def unknown_without_note(self, job_id: str) -> int:
        return await self._database.read(
            lambda reader: int(reader.execute(_ROWS.count_unknown_without_note, job=job_id).fetchone()[0])
        )


def status_when_not_sent(state: RowState, status: Status) -> Status:
    """Return ``status`` for an open row that will not be sent, or unknown if an attempt may have had an effect."""
    return status if state is RowState.PENDING else Status.UNKNOWN


def _attempts(reader: Reader, job_id: str, first: int, last: int) -> Mapping[int, Sequence[Attempt]]:
    attempts = defaultdict[int, list[Attempt]](list)
    for position, *values in reader.execute(_ATTEMPTS.list_attempts, job=job_id, first=first, last=last):
        attempts[position].append(Attempt(*values))
    return attempts
