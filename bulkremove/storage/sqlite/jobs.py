"""Jobs, their states and events, in SQLite."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice

from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import JobNotFound
from bulkremove.domain.event_names import EventName
from bulkremove.domain.hosts import is_same_target
from bulkremove.domain.job import FrontEnd, Job, JobState, Tally
from bulkremove.domain.permissions import EVERY_ACCOUNT, AccountSet
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import Roles
from bulkremove.storage.interface.jobs import VISIBLE, JobEnd
from bulkremove.storage.interface.records import JobEvent, Record, StoredEvent
from bulkremove.storage.sqlite.account_filter import account_values
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.erasure import delete_piece
from bulkremove.storage.sqlite.job_values import insert_job, jobs_of
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import write_records
from bulkremove.storage.sqlite.row_values import row_values
from bulkremove.storage.sqlite.rows import ROWS_PER_TRANSACTION
from bulkremove.storage.sqlite.tallies import SETTLED_BY_END, tally_of
from bulkremove.storage.sqlite.transaction import Reader, Transaction

_JOBS, _ROWS = Queries("jobs.sql"), Queries("rows.sql")


class SqliteJobs:
    """``JobStore`` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Storing a plan

    async def create(self, job: Job, rows: Iterable[PlannedRow], *records: Record) -> None:
        await self._database.write(lambda transaction: insert_job(transaction, job))
        planned = enumerate(rows)

        def insert(transaction: Transaction) -> int:
            return transaction.executemany(
                _ROWS.insert_row,
                (row_values(job, position, row) for position, row in islice(planned, ROWS_PER_TRANSACTION)),
            )

        while await self._database.write(insert) > 0:
            pass

        def make_visible(transaction: Transaction) -> None:
            # The table's CHECK constraint has no 'scheduled' state; a scheduled job is stored as held, with a due date.
            state = JobState.HELD if job.state is JobState.SCHEDULED else job.state
            transaction.execute(_JOBS.set_state, job=job.id, state=state, before=JobState.STORING)
            write_records(transaction, records)

        await self._database.write(make_visible)

    async def incomplete_jobs(self) -> list[str]:
        return [job.id for job in await self.page(accounts=EVERY_ACCOUNT, states=[JobState.STORING])]

    async def remove_incomplete(self, job_id: str) -> None:
        def remove(transaction: Transaction) -> bool:
            if transaction.execute(_JOBS.is_storing, job=job_id).fetchone() is None:
                return False
            if delete_piece(transaction, job_id):
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
        self,
        *,
        accounts: AccountSet,
        states: Collection[JobState] = VISIBLE,
        source: str = "",
        who: str = "",
        since: Epoch = Epoch(0.0),
        before: tuple[Epoch, str] | None = None,
        limit: int = -1,
        offset: int = 0,
    ) -> list[Job]:
        before_at, before_id = before or (None, "")
        parameters = {"states": json.dumps(list(states)), "source": source, **account_values(accounts)}
        parameters |= {"who": who, "since": since, "before_at": before_at, "before_id": before_id}
        filters = {**parameters, "limit": limit, "offset": offset}
        return await self._database.read(lambda reader: [*jobs_of(reader.execute(_JOBS.list_jobs, **filters))])

    async def newest_unfinished(self, account: str, client: str, host: str) -> Job | None:
        return await self._first(_JOBS.newest_unfinished, account=account, client=client, host=host)

    async def newest_job_of_plan(self, plan_hash: str) -> Job | None:
        return await self._first(_JOBS.newest_job_of_plan, plan_hash=plan_hash)

    async def record_plan_shown(self, plan_hash: str, *, at: Epoch, generation: str, forget_before: Epoch) -> None:
        def record(transaction: Transaction) -> None:
            transaction.execute(_JOBS.forget_shown_plans, before=forget_before)
            transaction.execute(_JOBS.record_plan_shown, plan_hash=plan_hash, at=at, generation=generation)

        await self._database.write(record)

    async def shown_plan(self, plan_hash: str) -> tuple[Epoch, str] | None:
        def find(reader: Reader) -> tuple[Epoch, str] | None:
            row = reader.execute(_JOBS.get_shown_plan, plan_hash=plan_hash).fetchone()
            return None if row is None else (Epoch(row[0]), str(row[1]))

        return await self._database.read(find)

    async def by_idempotency_key(self, key: str, plan_hash: str, accounts: AccountSet) -> Job | None:
        return await self._first(_JOBS.job_of_key, key=key, plan_hash=plan_hash, **account_values(accounts))

    async def by_upload(self, upload: str, accounts: AccountSet) -> Job | None:
        return await self._first(_JOBS.job_of_upload, upload=upload, **account_values(accounts))

    async def roles_of(self, header: Sequence[str], accounts: AccountSet) -> Roles | None:
        job = await self._first(_JOBS.newest_with_header, header=json.dumps([*header]), **account_values(accounts))
        return None if job is None else job.roles

    async def naming(self, text: str, accounts: AccountSet, *, limit: int) -> list[Job]:
        is_plain = text.isascii() and text.isprintable() and json.dumps(text) == f'"{text}"'
        values = {"text": text.casefold(), "is_plain": is_plain, **account_values(accounts), "limit": limit}

        def find(reader: Reader) -> list[Job]:
            return [*jobs_of(reader.execute(_JOBS.jobs_naming, **values))]

        return await self._database.read_long(lambda: self._database.read_now(find))

    async def newest_nightly(self, client: str, host: str, *, night: str, now: Epoch) -> Job | None:
        return await self._first(_JOBS.newest_nightly, client=client, host=host, night=night, now=now)

    async def retries(self, job_id: str) -> list[Job]:
        return await self._database.read(lambda reader: [*jobs_of(reader.execute(_JOBS.list_retries, job=job_id))])

    async def _first(self, sql: str, **values: object) -> Job | None:
        return await self._database.read(lambda reader: next(jobs_of(reader.execute(sql, **values)), None))

    # States of jobs

    async def start(self, job_id: str, *records: Record, check: Callable[[Job], None] = lambda job: None) -> Job:
        def start(transaction: Transaction) -> Job:
            check(_get(transaction, job_id))
            transaction.execute(_JOBS.start_job, job=job_id)
            write_records(transaction, records)
            return _get(transaction, job_id)

        return await self._database.write(start)

    async def end(self, job_id: str, decide: Callable[[Tally], JobEnd], *records: Record) -> Job:
        def end(transaction: Transaction) -> Job:
            return _end(transaction, job_id, decide(tally_of(transaction, job_id)), records)

        return await self._database.write(end)

    async def cancel(self, job_id: str, check: Callable[[Job], None], end: JobEnd, *records: Record) -> Job:
        def cancel(transaction: Transaction) -> Job:
            check(_get(transaction, job_id))
            return _end(transaction, job_id, end, records)

        return await self._database.write(cancel)

    async def record_run(self, job_id: str, *, by: FrontEnd, at: Epoch) -> None:
        await self._database.write(lambda transaction: transaction.execute(_JOBS.record_run, job=job_id, by=by, at=at))

    async def set_organization(self, client: str, host: str, organization: str) -> None:
        parameters = {"client": client, "host": host, "organization": organization}
        await self._database.write(lambda transaction: transaction.execute(_JOBS.set_organization, **parameters))

    async def set_circumstances(self, job_id: str, *, protected: int, calls: int = 0) -> None:
        values = {"job": job_id, "protected": str(protected), "calls": calls}
        await self._database.write(lambda transaction: transaction.execute(_JOBS.set_circumstances, **values))

    async def change_option(self, job_id: str, name: str, change: Callable[[str], str]) -> None:
        def write(transaction: Transaction) -> None:
            value = change(_get(transaction, job_id).options.get(name, ""))
            transaction.execute(_JOBS.set_option, job=job_id, name=name, value=value)

        await self._database.write(write)

    async def release(
        self, job_id: str, check: Callable[[Job], None], *records: Record, by: str, at: Epoch
    ) -> Job | None:
        def release(transaction: Transaction) -> Job | None:
            check(_get(transaction, job_id))
            if transaction.execute(_JOBS.release_job, job=job_id, by=by, at=at).rowcount != 1:
                return None
            write_records(transaction, records)
            return _get(transaction, job_id)

        return await self._database.write(release)

    async def hold(self, job_id: str, reason: str, *records: Record, check: Callable[[Job], None], at: Epoch) -> bool:
        def hold(transaction: Transaction) -> bool:
            check(_get(transaction, job_id))
            if transaction.execute(_JOBS.hold_job, job=job_id, reason=reason, at=at).rowcount != 1:
                return False
            write_records(transaction, (*records, JobEvent(job_id, EventName.HELD, reason, at)))
            return True

        return await self._database.write(hold)

    # Events and totals

    async def events(self, job_id: str) -> list[tuple[Epoch, str, str]]:
        return await self._database.read(
            lambda reader: [(at, name, text) for at, name, text in reader.execute(_JOBS.list_events, job=job_id)]
        )

    async def events_after(self, job_id: str, *, after: int, limit: int) -> list[StoredEvent]:
        return await self._database.read(
            lambda reader: [
                StoredEvent(number, at, name, text)
                for number, at, name, text in reader.execute(_JOBS.events_after, job=job_id, after=after, limit=limit)
            ]
        )

    async def is_reported(self, job_id: str) -> bool:
        def look(reader: Reader) -> bool:
            row = reader.execute(_JOBS.last_start_or_report, job=job_id).fetchone()
            return row is not None and row[0] == "reported"

        return await self._database.read(look)

    async def accounts(self) -> list[str]:
        return await self._database.read(lambda reader: [name for (name,) in reader.execute(_JOBS.list_accounts)])

    async def counts(self, host: str, accounts: AccountSet) -> tuple[Mapping[str, int], Mapping[str, int], int]:
        def total(reader: Reader) -> tuple[Mapping[str, int], Mapping[str, int], int]:
            rows = Counter[str]()
            hosts = json.dumps([other for (other,) in reader.execute(_JOBS.list_hosts) if is_same_target(host, other)])
            filters = {"hosts": hosts, **account_values(accounts)}
            for state, is_over, count in reader.execute(_ROWS.count_all_by_state, **filters):
                rows[SETTLED_BY_END.get(state, state) if is_over else state] += count
            for (totals,) in reader.execute(_JOBS.list_totals, **filters):
                rows.update(json.loads(totals))
            jobs = dict(reader.execute(_JOBS.count_jobs, **filters))
            return rows, jobs, int(reader.execute(_JOBS.sum_lockouts, **filters).fetchone()[0])

        return await self._database.read_long(lambda: self._database.read_now(total))


def _get(reader: Reader, job_id: str) -> Job:
    for job in jobs_of(reader.execute(_JOBS.get_job, job=job_id)):
        return job
    raise JobNotFound.of(job_id)


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
    text = end.reason or "Every row has a final status."
    write_records(transaction, (*records, JobEvent(job_id, EventName(end.state.value), text, end.at)))
    return _get(transaction, job_id)
