"""Reads, listings and the fields of answers, in SQLite. A read is written with its slot, as an attempt is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from bulkremove.domain.attempt import ReadPermit
from bulkremove.domain.clock import Clock, Epoch
from bulkremove.storage.interface.attempts import AnswerRule, LedgerChange, SlotRule
from bulkremove.storage.interface.reads import ListingName, ReadOutcome, SeenField
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.rate_limit import TakenSlot, apply_answer, cancel_slot, take_slot
from bulkremove.storage.sqlite.records import count_change
from bulkremove.storage.sqlite.transaction import Reader, Transaction

R = TypeVar("R")

_READS = Queries("reads.sql")
_ALL_TIME = Epoch(1e300)


class SqliteReads:
    """``ReadStore`` on a database. ``clock``: that of the runs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def take(self, key: str, operation: str, rule: SlotRule[R]) -> ReadPermit | R:
        permits: list[ReadPermit] = []

        def take(transaction: Transaction) -> ReadPermit | R:
            slot = take_slot(transaction, rule, self._clock)
            if not isinstance(slot, TakenSlot):
                return slot
            number = transaction.execute(
                _READS.insert_read,
                ledger=rule.key,
                operation=operation,
                sent_at=slot.wall,
                sent_mono=slot.at,
                boot=self._clock.boot,
            ).lastrowid
            count_change(transaction, ledger=rule.key)
            permits.append(ReadPermit(key, int(number or 0), slot.number, slot.at))
            return permits[0]

        try:
            return await self._database.write(take)
        except asyncio.CancelledError:
            if permits:  # on disk, and never to be used
                await self._database.write(lambda transaction: _withdraw(transaction, permits[0]))
            raise

    async def close(self, permit: ReadPermit, outcome: ReadOutcome, rule: AnswerRule[R]) -> LedgerChange[R]:
        def close(transaction: Transaction) -> LedgerChange[R]:
            if outcome.was_sent:
                transaction.execute(
                    _READS.close_read,
                    read=permit.number,
                    response_kind=outcome.response_kind,
                    http_status=outcome.http_status,
                    api_code=outcome.api_code,
                )
            else:
                transaction.execute(_READS.delete_read, read=permit.number)
            now, boot = self._clock.monotonic(), self._clock.boot
            return apply_answer(transaction, rule, permit.slot, now, boot, left=outcome.was_sent)

        return await self._database.write(close)

    async def listing(self, name: ListingName, *, since: Epoch, until: Epoch) -> tuple[Epoch, str] | None:
        def find(reader: Reader) -> tuple[Epoch, str] | None:
            which = {"client": name.client, "host": name.host, "name": name.name}
            row = reader.execute(_READS.get_listing, since=since, until=until, **which).fetchone()
            return (row[0], row[1]) if row else None

        return await self._database.read(find)

    async def save_listing(self, name: ListingName, records: str, *, at: Epoch, since: Epoch) -> None:
        def save(transaction: Transaction) -> None:
            transaction.execute(_READS.delete_old_listings, since=since, until=at)
            which = {"client": name.client, "host": name.host, "name": name.name}
            transaction.execute(_READS.save_listing, made_at=at, records=records, **which)

        await self._database.write(save)

    async def delete_listings(self) -> None:
        await self._database.write(lambda transaction: transaction.execute(_READS.delete_listings))

    async def delete_old(self, *, reads_before: Epoch, listings_before: Epoch) -> None:
        def delete(transaction: Transaction) -> None:
            transaction.execute(_READS.delete_old_reads, then=reads_before)
            transaction.execute(_READS.delete_old_listings, since=listings_before, until=_ALL_TIME)

        await self._database.write(delete)

    async def save_fields(self, client: str, host: str, operation: str, fields: Sequence[SeenField]) -> None:
        def save(transaction: Transaction) -> None:
            which = {"client": client, "host": host, "operation": operation}
            for field in fields:
                transaction.execute(
                    _READS.save_field, field=field.path, types=field.types, seen_at=field.seen_at, **which
                )

        await self._database.write(save)

    async def fields(self, client: str, host: str, operation: str) -> list[SeenField]:
        def find(reader: Reader) -> list[SeenField]:
            which = {"client": client, "host": host, "operation": operation}
            return [SeenField(*row) for row in reader.execute(_READS.fields, **which)]

        return await self._database.read(find)


def _withdraw(transaction: Transaction, permit: ReadPermit) -> None:
    transaction.execute(_READS.delete_read, read=permit.number)
    cancel_slot(transaction, permit.slot)
