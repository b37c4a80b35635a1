"""Jobs with their rows, notes and events, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

from bulkremove.domain.attempt import Attempt, Note, Outcome, PendingRow
from bulkremove.domain.errors import JobNotFound
from bulkremove.domain.ids import OUTER
from bulkremove.domain.job import EndReason, Job, JobState, Tally
from bulkremove.domain.plan import PlannedRow, ProtectedLearners
from bulkremove.domain.row import UNSETTLED, Removal, Roles, RowState, Status
from bulkremove.storage.interface.jobs import VISIBLE, JobEnd
from bulkremove.storage.interface.records import JobEvent, Record
from bulkremove.storage.sqlite.database import Database, Reader, Transaction
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import write_records

R = TypeVar("R")

PAGE = 500
"""Rows that are read at a time."""
PIECE = 1000
"""Rows that are written in one transaction: a few milliseconds, in which other writers wait."""
_OPEN = (RowState.SENDING, RowState.PENDING)

_JOBS, _ROWS, _ATTEMPTS = Queries("jobs.sql"), Queries("rows.sql"), Queries("attempts.sql")


class SqliteJobs:
    """``JobStore`` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Storing a plan

    async def create(self, job: Job, rows: Iterable[PlannedRow], *records: Record) -> None:
        await self._database.write(lambda transaction: _insert_job(transaction, job))
        planned = enumerate(rows)

        def insert(transaction: Transaction) -> int:
            return transaction.executemany(
                _ROWS.insert_row, (_row_values(job.id, position, row) for position, row in islice(planned, PIECE))
            )

        while await self._database.write(insert) > 0:
            pass

        def show(transaction: Transaction) -> None:
            transaction.execute(_JOBS.set_state, job=job.id, state=job.state, before=JobState.STORING)
            write_records(transaction, records)

        await self._database.write(show)

    async def abandoned(self) -> list[str]:
        return [job.id for job in await self.page(states=[JobState.STORING])]

    async def remove_abandoned(self, job_id: str) -> None:
        def remove(transaction: Transaction) -> bool:
            if transaction.execute(_JOBS.is_storing, job=job_id).fetchone() is None:
                return False
            if _delete_piece(transaction, job_id):
                return True
            transaction.execute(_JOBS.delete_job, job=job_id)
            return False

        while await self._database.write(remove):
            pass

    # Jobs

    async def get(self, job_id: str) -> Job:
        return await self._database.read(lambda reader: _get(reader, job_id))

    async def exists(self, job_id: str) -> bool:
        return await self._database.read(
            lambda reader: reader.execute(_JOBS.find_id, job=job_id).fetchone() is not None
        )

    async def page(
        self, *, states: Collection[JobState] = VISIBLE, source: str = "", limit: int = -1, offset: int = 0
    ) -> list[Job]:
        wanted = {"states": json.dumps(list(states)), "source": source, "limit": limit, "offset": offset}
        return await self._database.read(lambda reader: [*_jobs(reader.execute(_JOBS.list_jobs, **wanted))])

    async def newest_unfinished(self) -> Job | None:
        return await self._one(_JOBS.newest_unfinished)

    async def newest_of_plan(self, plan_hash: str) -> Job | None:
        return await self._one(_JOBS.newest_of_plan, plan_hash=plan_hash)

    async def newest_nightly(self) -> Job | None:
        return await self._one(_JOBS.newest_nightly)

    async def retries(self, job_id: str) -> list[Job]:
        return await self._database.read(lambda reader: [*_jobs(reader.execute(_JOBS.list_retries, job=job_id))])

    async def _one(self, sql: str, **values: object) -> Job | None:
        return await self._database.read(lambda reader: next(_jobs(reader.execute(sql, **values)), None))

    # Their states

    async def start(self, job_id: str, *records: Record) -> Job:
        def start(transaction: Transaction) -> Job:
            transaction.execute(_JOBS.start_job, job=job_id)
            write_records(transaction, records)
            return _get(transaction, job_id)

        return await self._database.write(start)

    async def end(self, job_id: str, decide: Callable[[Tally], JobEnd], *records: Record) -> Job:
        def end(transaction: Transaction) -> Job:
            ending = decide(_tally(transaction, job_id))
            return _end(transaction, job_id, ending, records)

        return await self._database.write(end)

    async def cancel(self, job_id: str, check: Callable[[Job], None], end: JobEnd, *records: Record) -> Job:
        def cancel(transaction: Transaction) -> Job:
            check(_get(transaction, job_id))
            return _end(transaction, job_id, end, records)

        return await self._database.write(cancel)

    async def release(self, job_id: str, check: Callable[[Job], None], *records: Record, by: str) -> Job | None:
        def release(transaction: Transaction) -> Job | None:
            check(_get(transaction, job_id))
            if transaction.execute(_JOBS.release_job, job=job_id, by=by).rowcount != 1:
                return None
            write_records(transaction, records)
            return _get(transaction, job_id)

        return await self._database.write(release)

    async def protect(self, job_id: str, protected: ProtectedLearners, *, why: str, at: float) -> int:
        found = [
            (pending_row.position, state)
            for state in _OPEN
            async for page in self._open_pages(job_id, state)
            for pending_row in page
            if pending_row.removal in protected
        ]
        count = 0
        for start in range(0, len(found), PIECE):
            piece = [
                {
                    "job": job_id,
                    "position": position,
                    "state": Status.NOT_SENT if state is RowState.PENDING else Status.UNKNOWN,
                    "detail": why,
                    "at": at,
                }
                for position, state in found[start : start + PIECE]
            ]
            count += await self._database.write(
                lambda transaction, piece=piece: transaction.executemany(_ROWS.settle_row, piece)  # type: ignore[misc] # the default binds this turn's piece
            )
        return count

    # Rows

    async def tally(self, job_id: str, *, as_reported: bool = False) -> Tally:
        return await self._database.read(lambda reader: _tally(reader, job_id, as_reported=as_reported))

    async def tallies(self, job_ids: Collection[str]) -> Mapping[str, Tally]:
        return await self._database.read(lambda reader: _tallies(reader, job_ids))

    async def export(self, job: Job, work: Callable[[Iterator[Outcome]], R]) -> R:
        return await self._database.read_long(lambda: work(self._outcomes(job)))

    def _outcomes(self, job: Job) -> Iterator[Outcome]:
        notes = self._database.read_now(lambda reader: _notes(reader, job.id))
        after = -1

        def page(reader: Reader) -> Sequence[Outcome]:
            found = reader.execute(_ROWS.page_of_rows, job=job.id, after=after, limit=PAGE)
            return [_outcome(row, job, notes) for row in found]

        while outcomes := self._database.read_now(page):
            yield from outcomes
            after = outcomes[-1].position

    async def search(self, job: Job, *, status: Status | None, text: str, offset: int, limit: int) -> list[Outcome]:
        states = [state for state in (*Status, *RowState) if status in (None, _reported(state, "", job)[0])]
        wanted = {"job": job.id, "states": json.dumps(states), "text": text.casefold()}

        def search(reader: Reader) -> Sequence[Outcome]:
            notes = _notes(reader, job.id)
            found = reader.execute(_ROWS.search_rows, **wanted, limit=limit, offset=offset)
            return [_outcome(row, job, notes) for row in found]

        return [*await self._database.read_long(lambda: self._database.read_now(search))]

    async def open_rows(self, job_id: str) -> AsyncGenerator[PendingRow]:
        for state in _OPEN:
            async for page in self._open_pages(job_id, state):
                for pending_row in page:
                    yield pending_row

    async def _open_pages(self, job_id: str, state: RowState) -> AsyncGenerator[Sequence[PendingRow]]:
        after = -1

        def read(reader: Reader) -> Sequence[PendingRow]:
            rows = reader.execute(_ROWS.page_of_open_rows, job=job_id, after=after, state=state, limit=PAGE).fetchall()
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

    async def removal_times(self, job_id: str) -> list[float]:
        return await self._database.read(
            lambda reader: [at for (at,) in reader.execute(_ROWS.removal_times, job=job_id)]
        )

    async def first_call_after(self, job_id: str, thens: Sequence[float]) -> list[float | None]:
        def find(reader: Reader) -> Sequence[float | None]:
            return [reader.execute(_ATTEMPTS.first_call_after, job=job_id, then=then).fetchone()[0] for then in thens]

        return [*await self._database.read(find)]

    # Notes and events

    async def add_note(self, job_id: str, number: int, note: Note, *records: Record) -> bool:
        def add(transaction: Transaction) -> bool:
            row = transaction.execute(_ROWS.unknown_row, job=job_id, number=number).fetchone()
            if row is None:
                return False
            transaction.execute(
                _JOBS.insert_note, job=job_id, position=row[0], at=note.at, author=note.author, text=note.text
            )
            write_records(transaction, records)
            return True

        return await self._database.write(add)

    async def unknown_without_note(self, job_id: str) -> int:
        return await self._database.read(
            lambda reader: int(reader.execute(_ROWS.count_unknown_without_note, job=job_id).fetchone()[0])
        )

    async def events(self, job_id: str) -> list[tuple[float, str, str]]:
        return await self._database.read(
            lambda reader: [(at, name, text) for at, name, text in reader.execute(_JOBS.list_events, job=job_id)]
        )

    async def is_reported(self, job_id: str) -> bool:
        def look(reader: Reader) -> bool:
            found = reader.execute(_JOBS.last_start_or_report, job=job_id).fetchone()
            return found is not None and found[0] == "reported"

        return await self._database.read(look)

    async def counts(self) -> tuple[Mapping[str, int], Mapping[str, int], int]:
        def count(reader: Reader) -> tuple[Mapping[str, int], Mapping[str, int], int]:
            rows = Counter[str]()
            for state, over, number in reader.execute(_ROWS.count_all_by_state):
                rows[_SETTLED_BY_END.get(state, state) if over else state] += number
            for (totals,) in reader.execute(_JOBS.list_totals):
                rows.update(json.loads(totals))
            jobs = dict(reader.execute(_JOBS.count_jobs))
            return rows, jobs, int(reader.execute(_JOBS.sum_lockouts).fetchone()[0])

        return await self._database.read_long(lambda: self._database.read_now(count))

    # Deleting and erasing

    async def delete_rows(self, job_id: str) -> None:
        created_at = (await self.get(job_id)).created_at

        def keep_totals(transaction: Transaction) -> None:
            counts = _tally(transaction, job_id, as_reported=True).counts
            totals = json.dumps({status.value: count for status, count in counts.items()})
            transaction.execute(_JOBS.set_totals, job=job_id, totals=totals)
            transaction.after_commit(partial(transaction.mark.forget, job_id, created_at))

        await self._database.write(keep_totals)
        await self._delete_rows(job_id)

    async def delete_rows_left(self) -> None:
        left = await self._database.read(
            lambda reader: [job for (job,) in reader.execute(_ROWS.jobs_to_delete_rows_of)]
        )
        for job in left:
            await self._delete_rows(job)

    async def _delete_rows(self, job_id: str) -> None:
        while await self._database.write(lambda transaction: _delete_piece(transaction, job_id)):
            pass

    async def open_rows_of(self, learner: str) -> int:
        return await self._database.read(
            lambda reader: int(reader.execute(_ROWS.count_open_rows_of_learner, learner=learner).fetchone()[0])
        )

    async def rows_of(self, learner: str) -> Mapping[str, int]:
        found = await self._rows_of(learner)
        return Counter(job for job, _, _ in found)

    async def _rows_of(self, learner: str) -> Sequence[tuple[str, int, int]]:
        def find(reader: Reader) -> Sequence[tuple[str, int, int]]:
            return _rows_of(reader, learner)

        return await self._database.read_long(lambda: self._database.read_now(find))

    async def erase(self, learner: str) -> Mapping[str, int]:
        found = await self._rows_of(learner)

        def erase(transaction: Transaction) -> Mapping[str, int]:
            erased = Counter[str]()
            for job, position, width in found:
                cells = json.dumps([""] * width)
                if not transaction.execute(_ROWS.erase_row, job=job, position=position, cells=cells).rowcount:
                    continue  # it may still be sent
                transaction.execute(_ATTEMPTS.erase_attempts, job=job, position=position)
                transaction.execute(_JOBS.delete_notes_of_row, job=job, position=position)
                erased[job] += 1
            return erased

        return await self._database.write(erase)


def _insert_job(transaction: Transaction, job: Job) -> None:
    transaction.execute(
        _JOBS.insert_job,
        id=job.id,
        account=job.account,
        host=job.host,
        source=job.source,
        folder=job.folder,
        sheet=job.sheet,
        header=json.dumps(job.header),
        roles=json.dumps(tuple(job.roles)),
        plan_hash=job.plan_hash,
        state=JobState.STORING,
        reason=job.reason,
        created_at=job.created_at,
        retry_of=job.retry_of,
        options=json.dumps(dict(job.options)),
        prepared_by=job.prepared_by,
        confirmed_by=job.confirmed_by,
        origin=job.origin,
        due_at=job.due_at,
        operation=job.operation,
    )


def _row_values(job_id: str, position: int, planned: PlannedRow) -> Mapping[str, object]:
    removal, exclusion = planned.removal, planned.exclusion
    return {
        "job": job_id,
        "position": position,
        "number": planned.row.number,
        "cells": json.dumps(planned.row.cells),  # ASCII with escapes: a lone surrogate survives it
        "course": removal.course if removal else None,
        "batch": removal.batch if removal else None,
        "learner": removal.learner if removal else None,
        "state": exclusion.status if exclusion else RowState.PENDING,
        "detail": exclusion.detail if exclusion else "",
    }


def _get(reader: Reader, job_id: str) -> Job:
    for job in _jobs(reader.execute(_JOBS.get_job, job=job_id)):
        return job
    raise JobNotFound(f"The journal knows no job {job_id!r}.", hint="`bulkremove jobs` lists those it knows.")


def _end(transaction: Transaction, job_id: str, end: JobEnd, records: Iterable[Record]) -> Job:
    transaction.execute(
        _JOBS.end_job,
        job=job_id,
        state=end.state,
        reason=end.reason,
        reason_code=end.code,
        at=end.at,
        seconds=end.seconds,
        peak_calls=end.peak,
        auto_resumable=int(end.auto_resumable),
    )
    words = end.reason or "Every row has its status."
    write_records(transaction, (*records, JobEvent(job_id, end.state.value, words, end.at)))
    return _get(transaction, job_id)


def _rows_of(reader: Reader, learner: str) -> Sequence[tuple[str, int, int]]:
    """Job, position and number of cells of a learner's rows; of a row without readable ids, any cell counts."""
    rows = reader.execute(_ROWS.rows_of_learner, learner=learner)
    return [
        (job, position, len(texts))
        for job, position, known, cells in rows
        for texts in [json.loads(cells)]
        if known or learner in (text.strip(OUTER) for text in texts)
    ]


def _delete_piece(transaction: Transaction, job_id: str) -> bool:
    """Delete some rows of a job and their attempts; whether there were any."""
    transaction.execute(_JOBS.delete_some_notes, job=job_id, limit=PIECE)
    transaction.execute(_ATTEMPTS.delete_some_attempts, job=job_id, limit=PIECE)
    return transaction.execute(_ROWS.delete_some_rows, job=job_id, limit=PIECE).rowcount > 0


_SETTLED_BY_END = {RowState.PENDING.value: Status.NOT_SENT.value, RowState.SENDING.value: Status.UNKNOWN.value}
"""What a row that is still open becomes when its job is over: the state of the job settles it, without a write."""


def _tally(reader: Reader, job_id: str, *, as_reported: bool = False) -> Tally:
    return _tallies(reader, [job_id], as_reported=as_reported).get(job_id, Tally())


def _tallies(reader: Reader, job_ids: Collection[str], *, as_reported: bool = False) -> Mapping[str, Tally]:
    jobs = json.dumps(list(job_ids))
    found: dict[str, Tally] = {}
    counts = defaultdict[str, Counter[str]](Counter)
    for job_id, state, count in reader.execute(_ROWS.count_by_state, jobs=jobs):
        counts[job_id][state] = count
    for job_id, totals, state in reader.execute(_JOBS.get_totals, jobs=jobs):
        if totals is not None:
            found[job_id] = Tally({Status(status): count for status, count in json.loads(totals).items()})
            continue
        mine = counts[job_id]
        left = (
            sum(mine.pop(state.value, 0) for state in RowState) if not as_reported and not JobState(state).over else 0
        )
        settled = Counter[Status]()
        for name, count in mine.items():
            settled[Status(_SETTLED_BY_END.get(name, name))] += count
        found[job_id] = Tally(dict(settled), left)
    return found


def _notes(reader: Reader, job_id: str) -> Mapping[int, Sequence[Note]]:
    notes = defaultdict[int, list[Note]](list)
    for position, *values in reader.execute(_JOBS.list_notes, job=job_id):
        notes[position].append(Note(*values))
    return notes


def _attempts(reader: Reader, job_id: str, first: int, last: int) -> Mapping[int, Sequence[Attempt]]:
    attempts = defaultdict[int, list[Attempt]](list)
    for position, *values in reader.execute(_ATTEMPTS.list_attempts, job=job_id, first=first, last=last):
        attempts[position].append(Attempt(*values))
    return attempts


def _outcome(row: sqlite3.Row, job: Job, notes: Mapping[int, Sequence[Note]]) -> Outcome:
    status, detail = _reported(row["state"], row["detail"], job)
    open_ = row["state"] in _SETTLED_BY_END
    return Outcome(
        row["position"],
        row["number"],
        tuple(json.loads(row["cells"])),
        status,
        detail,
        row["http_status"],
        row["api_code"],
        row["attempts"],
        row["first_sent_at"],
        job.finished_at if open_ and job.state.over else row["finished_at"],
        tuple(notes.get(row["position"], ())),
    )


def _reported(state: str, detail: str, job: Job) -> tuple[Status, str]:
    """The status and detail of a row as a report gives them now."""
    if state == RowState.PENDING:
        return Status.NOT_SENT, job.reason or "Not sent yet."
    if state == RowState.SENDING:
        if job.state.over:
            return Status.UNKNOWN, UNSETTLED
        return Status.UNKNOWN, f"An attempt got no answer. {job.reason or 'The job is still running.'}"
    return Status(state), detail


def _jobs(found: sqlite3.Cursor) -> Iterator[Job]:
    for row in found:
        facts = dict(row)
        facts["header"] = tuple(json.loads(facts["header"]))
        facts["roles"] = Roles(*json.loads(facts["roles"]))
        facts["options"] = json.loads(facts["options"])
        facts["state"] = JobState(facts["state"])
        facts["reason_code"] = EndReason(facts["reason_code"])
        facts["auto_resumable"] = bool(facts["auto_resumable"])
        facts["dropped"] = facts.pop("totals") is not None
        yield Job(**facts)
