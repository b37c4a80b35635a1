"""Nightly runs, the files that they took, and the outbox, in SQLite."""

from __future__ import annotations

from collections.abc import Mapping

from bulkremove.domain.clock import Epoch
from bulkremove.domain.event_names import EventName
from bulkremove.domain.hosts import is_sandbox
from bulkremove.storage.interface.nightly import NightlyRunRecord, TakenFile
from bulkremove.storage.interface.records import Notice, Record
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import log_event, write_records
from bulkremove.storage.sqlite.transaction import Reader, Transaction

_NIGHTLY = Queries("nightly.sql")


class SqliteNightly:
    """``NightlyStore`` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, date: str, *, night: str, sandbox: str, at: Epoch) -> int:
        def begin(transaction: Transaction) -> int:
            run = transaction.execute(_NIGHTLY.begin_run, date=date, night=night, sandbox=sandbox, at=at).lastrowid
            text = _mark(sandbox, f"The run of night {night} of {date} has begun.")
            log_event(transaction, EventName.NIGHTLY_STARTED, text, night=night)
            return int(run or 0)

        return await self._database.write(begin)

    async def end(self, run: int, end: str, *, at: Epoch, is_good: bool, clock_skew: float | None) -> None:
        def finish(transaction: Transaction) -> None:
            values = {"run": run, "end": end, "at": at, "good": int(is_good), "clock_skew": clock_skew}
            night = str(transaction.execute(_NIGHTLY.end_run, **values).fetchone()[0])
            how = "ended well" if is_good else "ended, and something needs a person"
            log_event(transaction, EventName.NIGHTLY_ENDED, f"The run of night {night} {how}.", night=night)

        await self._database.write(finish)

    async def skip(self, date: str, *records: Record, night: str, sandbox: str, at: Epoch) -> None:
        def skip(transaction: Transaction) -> None:
            run = transaction.execute(_NIGHTLY.begin_run, date=date, night=night, sandbox=sandbox, at=at).lastrowid
            transaction.execute(_NIGHTLY.end_run, run=run, end="skipped", at=at, good=0, clock_skew=None)
            text = _mark(sandbox, f"The run of night {night} of {date} does not take place.")
            log_event(transaction, EventName.NIGHTLY_SKIPPED, text, night=night)
            write_records(transaction, records)

        await self._database.write(skip)

    async def last_date(self, *, night: str, sandbox: str) -> str | None:
        def find(reader: Reader) -> str | None:
            row = reader.execute(_NIGHTLY.last_date, night=night, sandbox=sandbox).fetchone()
            return None if row is None else str(row[0])

        return await self._database.read(find)

    async def last(self, *, night: str, sandbox: str) -> NightlyRunRecord | None:
        def find(reader: Reader) -> NightlyRunRecord | None:
            row = reader.execute(_NIGHTLY.last_run, night=night, sandbox=sandbox).fetchone()
            return None if row is None else NightlyRunRecord(*row)

        return await self._database.read(find)

    async def killed(self, *, night: str, sandbox: str) -> list[Epoch]:
        return await self._database.read(
            lambda reader: [at for (at,) in reader.execute(_NIGHTLY.killed_runs, night=night, sandbox=sandbox)]
        )

    async def planned(self, host: str, *, night: str, since: Epoch) -> int:
        def count(reader: Reader) -> int:
            return int(reader.execute(_NIGHTLY.planned_removals, host=host, night=night, since=since).fetchone()[0])

        return await self._database.read(count)

    async def last_good(self, *, night: str, sandbox: str) -> Epoch | None:
        def find(reader: Reader) -> Epoch | None:
            row = reader.execute(_NIGHTLY.last_good, night=night, sandbox=sandbox).fetchone()
            return None if row is None else Epoch(row[0])

        return await self._database.read(find)

    async def sizes(self, client: str, host: str, *, night: str, before: Epoch, count: int) -> list[int]:
        sandbox = host if is_sandbox(host) else ""
        parameters = {
            "client": client,
            "host": host,
            "night": night,
            "sandbox": sandbox,
            "before": before,
            "limit": count,
        }
        return await self._database.read(
            lambda reader: [size for (size,) in reader.execute(_NIGHTLY.recent_sizes, **parameters)]
        )

    async def taken(self, digest: str, *, night: str, sandbox: str) -> TakenFile | None:
        def find(reader: Reader) -> TakenFile | None:
            row = reader.execute(_NIGHTLY.get_taken, digest=digest, night=night, sandbox=sandbox).fetchone()
            return None if row is None else TakenFile(*row)

        return await self._database.read(find)

    async def newest_taken(self, *, night: str, sandbox: str, now: Epoch) -> str | None:
        def find(reader: Reader) -> str | None:
            row = reader.execute(_NIGHTLY.newest_taken, night=night, sandbox=sandbox, now=now).fetchone()
            return None if row is None else str(row[0])

        return await self._database.read(find)

    async def record_taken(
        self, digest: str, name: str, working_name: str, *, night: str, sandbox: str, at: Epoch
    ) -> None:
        await self._execute(
            _NIGHTLY.take, digest=digest, night=night, sandbox=sandbox, name=name, place=working_name, at=at
        )

    async def due_notices(self, now: Epoch, *, night: str) -> list[Notice]:
        return await self._database.read(
            lambda reader: [Notice(*row) for row in reader.execute(_NIGHTLY.due_notices, now=now, night=night)]
        )

    async def waiting_notices(self) -> Mapping[str, int]:
        return await self._database.read(lambda reader: dict(reader.execute(_NIGHTLY.count_waiting).fetchall()))

    async def notice_sent(self, notice: Notice, *, at: Epoch) -> None:
        await self._execute(
            _NIGHTLY.notice_sent, event=EventName.NOTICE_SENT, key=notice.key, night=notice.night, at=at
        )

    async def notice_failed(self, notice: Notice, *, had: str, next_at: Epoch) -> None:
        key = {"key": notice.key, "night": notice.night}
        await self._execute(_NIGHTLY.notice_failed, event=EventName.NOTICE_FAILED, **key, had=had, next_at=next_at)

    async def _execute(self, sql: str, *, event: EventName | None = None, **values: object) -> None:
        def execute(transaction: Transaction) -> None:
            transaction.execute(sql, **values)
            if event:
                log_event(transaction, event, str(values["key"]), night=str(values["night"]))

        await self._database.write(execute)


def _mark(sandbox: str, text: str) -> str:
    return f"SANDBOX: {text}" if sandbox else text
