"""What is remembered of employees, in SQLite."""

from __future__ import annotations

import json

from bulkremove.domain.clock import Epoch
from bulkremove.storage.interface.leavers import LeaverMemory
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.transaction import Reader, Transaction

_LEAVERS = Queries("leavers.sql")
_ALL_TIME = Epoch(1e300)


class SqliteLeavers:
    """``LeaverStore`` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def memory(self, client: str, host: str) -> LeaverMemory | None:
        def find(reader: Reader) -> LeaverMemory | None:
            row = reader.execute(_LEAVERS.get_memory, client=client, host=host).fetchone()
            if row is None:
                return None
            employees, counted_at, asked, tried, listed, *rest = row
            return LeaverMemory(employees, counted_at, *map(json.loads, (asked, tried, listed)), *rest)

        return await self._database.read(find)

    async def remember(self, client: str, host: str, memory: LeaverMemory) -> None:
        def save(transaction: Transaction) -> None:
            transaction.execute(
                _LEAVERS.save_memory,
                client=client,
                host=host,
                counted_at=memory.counted_at,
                employees=memory.employees,
                asked=json.dumps(dict(memory.asked)),
                tried=json.dumps(dict(memory.tried)),
                listed=json.dumps(dict(memory.listed)),
                most=memory.most,
                most_at=memory.most_at,
                uncounted=memory.uncounted,
                known_at=memory.known_at,
            )

        await self._database.write(save)

    async def forget_people(self, *, before: Epoch) -> None:
        await self._database.write(lambda transaction: transaction.execute(_LEAVERS.forget_people, before=before))


def forget_all_people(transaction: Transaction) -> None:
    """Forget who was listed and whose courses were read: whom a record number names by another id is not known."""
    transaction.execute(_LEAVERS.forget_people, before=_ALL_TIME)
