"""Confirmed first calls in SQLite."""

from __future__ import annotations

from dataclasses import asdict

from bulkremove.domain.attempt import LookupResult
from bulkremove.domain.row import Removal
from bulkremove.storage.interface.canaries import Canary, ChangedRow
from bulkremove.storage.interface.records import Record
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import write_records
from bulkremove.storage.sqlite.row_values import person_of
from bulkremove.storage.sqlite.transaction import Reader, Transaction

_CANARIES = Queries("canaries.sql")


class SqliteCanaries:
    """``CanaryStore`` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, client: str, host: str, operation: str) -> Canary | None:
        def find(reader: Reader) -> Canary | None:
            row = reader.execute(_CANARIES.find_canary, client=client, host=host, operation=operation).fetchone()
            return None if row is None else Canary(*row)

        return await self._database.read(find)

    async def add(self, canary: Canary, *records: Record) -> None:
        def add(transaction: Transaction) -> None:
            transaction.execute(_CANARIES.add_canary, **asdict(canary))
            write_records(transaction, records)

        await self._database.write(add)

    async def last_changed(self, client: str, host: str, operation: str) -> ChangedRow | None:
        of_operation = {"client": client, "host": host, "operation": operation}

        def find(reader: Reader) -> ChangedRow | None:
            (event,) = reader.execute(_CANARIES.last_given_up, **of_operation).fetchone()
            parameters = {**of_operation, "event": event}
            row = reader.execute(_CANARIES.last_removed, **parameters).fetchone()
            if row is not None:
                removal = Removal(*row[3:6]) if row[5] else None
                result = LookupResult(row[10]) if row[10] else None
                return ChangedRow(
                    row[0], row[1], row[2], removal, row[6], row[7], row[8], result, person_of(row[5], row[9])
                )
            row = reader.execute(_CANARIES.last_removed_and_deleted, **parameters).fetchone()
            return None if row is None else ChangedRow(row[0], row[1], None, None, None, None, "")

        return await self._database.read_long(lambda: self._database.read_now(find))
