"""The audit log in SQLite. Entries are only appended and read; triggers in the schema refuse any change.

Somebody who can write to the file could still replace the whole chain; docs/decisions/0006-audit.md discusses that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from bulkremove.domain.permissions import AccountSet
from bulkremove.storage.interface.audit import AuditCheck, AuditEntry
from bulkremove.storage.interface.records import Act
from bulkremove.storage.sqlite.account_filter import account_values
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.records import AUDIT_START, entry_hash, write_records
from bulkremove.storage.sqlite.transaction import Reader

_AUDIT = Queries("audit.sql")
_PAGE = 1000
"""Entries that are verified in one read."""


class SqliteAudit:
    """``AuditLog`` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, *acts: Act) -> None:
        await self._database.write(lambda transaction: write_records(transaction, acts))

    async def newest(
        self, limit: int, accounts: AccountSet, *, act: str = "", text: str = "", offset: int = 0
    ) -> list[AuditEntry]:
        filters = {"act": act, "text": text.casefold(), "limit": limit, "offset": offset, **account_values(accounts)}

        def find(reader: Reader) -> Sequence[AuditEntry]:
            rows = reader.execute(_AUDIT.newest_entries, **filters)
            return [
                AuditEntry(number, at, actor, act, json.loads(facts), stored_hash)
                for number, at, actor, act, facts, stored_hash in rows
            ]

        return [*await self._database.read_long(lambda: self._database.read_now(find))]

    async def verify(self, *, expected_hash: str = "") -> AuditCheck:
        before, count, has_known = AUDIT_START, 0, not expected_hash

        def page(reader: Reader) -> tuple[Sequence[str], tuple[int, str] | None]:
            """The hashes of the next entries up to the first bad one, and that entry's number with the reason."""
            hashes: list[str] = []
            (total,) = reader.execute(_AUDIT.get_counter, name="audit_entries").fetchone()
            entries = reader.execute(_AUDIT.page_of_entries, after=count, limit=_PAGE)
            for number, at, actor, act, facts, stored_hash in entries:
                expected = count + len(hashes) + 1
                if number != expected:
                    return hashes, (expected, "it is missing")
                if entry_hash(hashes[-1] if hashes else before, number, at, actor, act, facts) != stored_hash:
                    return hashes, (number, "it was changed, or the one before it was")
                hashes.append(stored_hash)
            if not hashes and count < total:
                return hashes, (count + 1, "it is missing, and so are all after it")
            return hashes, None

        while True:
            hashes, broken = await self._database.read(page)
            count, before = count + len(hashes), hashes[-1] if hashes else before
            has_known = has_known or expected_hash in hashes
            if broken or not hashes:
                return AuditCheck(count, before, broken, has_known)
