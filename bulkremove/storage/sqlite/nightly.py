"""Nightly runs, the files that they took, and the outbox, in SQLite."""

from __future__ import annotations

from bulkremove.domain.clock import Epoch
from bulkremove.domain.hosts import is_sandbox
from bulkremove.storage.interface.nightly import LastNight, TakenFile
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

    async def begin(self, date: str, *, sandbox: str, at: Epoch) -> int:
        def begin(transaction: Transaction) -> int:
            run = transaction.execute(_NIGHTLY.begin_run, date=date, sandbox=sandbox, at=at).lastrowid
            log_event(transaction, "nightly_started", _mark(sandbox, f"The nightly run of {date} has begun."))
            return int(run or 0)

        return await self._database.write(begin)

    async def end(self, run: int, end: str, *, at: Epoch, good: bool, clock_skew: float | None) -> None:
        def finish(transaction: Transaction) -> None:
            transaction.execute(_NIGHTLY.end_run, run=run, end=end, at=at, good=int(good), clock_skew=clock_skew)
            text = "It ended well." if good else "It ended, and something needs a person."
            log_event(transaction, "nightly_ended", text)

        await self._database.write(finish)

    async def skip(self, date: str, *records: Record, sandbox: str, at: Epoch) -> None:
        def skip(transaction: Transaction) -> None:
            run = transaction.execute(_NIGHTLY.begin_run, date=date, sandbox=sandbox, at=at).lastrowid
            transaction.execute(_NIGHTLY.end_run, run=run, end="skipped", at=at, good=0, clock_skew=None)
            log_event(transaction, "nightly_skipped", _mark(sandbox, f"The nightly run of {date} does not take place."))
            write_records(transaction, records)

        await self._database.write(skip)

    async def last_date(self, *, sandbox: str) -> str | None:
        def find(reader: Reader) -> str | None:
            row = reader.execute(_NIGHTLY.last_date, sandbox=sandbox).fetchone()
            return None if row is None else str(row[0])

        return await self._database.read(find)

    async def last(self, *, sandbox: str) -> LastNight | None:
        def find(reader: Reader) -> LastNight | None:
            row = reader.execute(_NIGHTLY.last_run, sandbox=sandbox).fetchone()
            return None if row is None else LastNight(*row)

        return await self._database.read(find)

    async def last_good(self, *, sandbox: str) -> Epoch | None:
        def find(reader: Reader) -> Epoch | None:
            at: Epoch | None = reader.execute(_NIGHTLY.last_good, sandbox=sandbox).fetchone()[0]
            return at

        return await self._database.read(find)

    async def sizes(self, client: str, host: str, *, before: Epoch, count: int) -> list[int]:
        sandbox = host if is_sandbox(host) else ""
        whose = {"client": client, "host": host, "sandbox": sandbox, "before": before, "limit": count}
        return await self._database.read(
            lambda reader: [size for (size,) in reader.execute(_NIGHTLY.recent_sizes, **whose)]
        )

    async def taken(self, digest: str, *, sandbox: str) -> TakenFile | None:
        def find(reader: Reader) -> TakenFile | None:
            row = reader.execute(_NIGHTLY.get_taken, digest=digest, sandbox=sandbox).fetchone()
            return None if row is None else TakenFile(*row)

        return await self._database.read(find)

    async def newest_taken(self, *, sandbox: str) -> str | None:
        def find(reader: Reader) -> str | None:
            row = reader.execute(_NIGHTLY.newest_taken, sandbox=sandbox).fetchone()
            return None if row is None else str(row[0])

        return await self._database.read(find)

    async def take(self, digest: str, name: str, place: str, *, sandbox: str, at: Epoch) -> None:
        await self._execute(_NIGHTLY.take, digest=digest, sandbox=sandbox, name=name, place=place, at=at)

    async def due_notices(self, now: Epoch) -> list[Notice]:
        def find(reader: Reader) -> list[Notice]:
            rows = reader.execute(_NIGHTLY.due_notices, now=now)
            return [
                Notice(key, subject, body, attachment, at, tries) for key, at, subject, body, attachment, tries in rows
            ]

        return await self._database.read(find)

    async def waiting_notices(self) -> int:
        return await self._database.read(lambda reader: int(reader.execute(_NIGHTLY.count_waiting).fetchone()[0]))

    async def notice_sent(self, key: str, *, at: Epoch) -> None:
        await self._execute(_NIGHTLY.notice_sent, event=("notice_sent", key), key=key, at=at)

    async def notice_failed(self, key: str, *, next_at: Epoch) -> None:
        await self._execute(_NIGHTLY.notice_failed, event=("notice_failed", key), key=key, next_at=next_at)

    async def _execute(self, sql: str, *, event: tuple[str, str] | None = None, **values: object) -> None:
        def execute(transaction: Transaction) -> None:
            transaction.execute(sql, **values)
            if event is not None:
                log_event(transaction, *event)

        await self._database.write(execute)


def _mark(sandbox: str, text: str) -> str:
    return f"SANDBOX: {text}" if sandbox else text
