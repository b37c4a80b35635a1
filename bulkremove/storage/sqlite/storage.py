"""The storage of one home folder in one SQLite file."""

from __future__ import annotations

from pathlib import Path

from bulkremove.domain.clock import Clock
from bulkremove.storage.interface.records import Record
from bulkremove.storage.sqlite.attempts import SqliteAttempts
from bulkremove.storage.sqlite.audit import SqliteAudit
from bulkremove.storage.sqlite.canaries import SqliteCanaries
from bulkremove.storage.sqlite.claims import SqliteClaims
from bulkremove.storage.sqlite.copies import kept_versions
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.erasure import SqliteErasure
from bulkremove.storage.sqlite.identity import generation_of
from bulkremove.storage.sqlite.jobs import SqliteJobs
from bulkremove.storage.sqlite.leavers import SqliteLeavers
from bulkremove.storage.sqlite.nightly import SqliteNightly
from bulkremove.storage.sqlite.rate_limit import SqliteRateLimit
from bulkremove.storage.sqlite.reads import SqliteReads
from bulkremove.storage.sqlite.records import write_records
from bulkremove.storage.sqlite.registry import close_database, open_database
from bulkremove.storage.sqlite.restore import SqliteRestore
from bulkremove.storage.sqlite.rows import SqliteRows
from bulkremove.storage.sqlite.users import SqliteUsers
from bulkremove.storage.sqlite.wordings import SqliteWordings

FILE = "journal.db"
_SHRINK_PAGES = 500
"""Pages that are returned to the file system in one transaction."""


class SqliteStorage:
    """``Storage`` for a home folder. The file is opened at the first use, once for the whole process.

    ``clock``: that of the runs; its times are stored in the ledger. ``databases``: see ``open_database``.
    """

    def __init__(self, home: Path, clock: Clock, databases: dict[Path, Database] | None = None) -> None:
        self._databases, self._path = databases, home / FILE
        self._database = open_database(home / FILE, databases)
        self._closed = False
        self.jobs = SqliteJobs(self._database)
        self.rows = SqliteRows(self._database)
        self.attempts = SqliteAttempts(self._database, clock)
        self.reads = SqliteReads(self._database, clock)
        self.leavers = SqliteLeavers(self._database)
        self.rate_limit = SqliteRateLimit(self._database, clock)
        self.canaries = SqliteCanaries(self._database)
        self.wordings = SqliteWordings(self._database)
        self.claims = SqliteClaims(self._database, home / "driving", clock)
        self.users = SqliteUsers(self._database)
        self.audit = SqliteAudit(self._database)
        self.nightly = SqliteNightly(self._database)
        self.erasure = SqliteErasure(self._database)
        self.restore = SqliteRestore(self._database, clock)

    @property
    def exists(self) -> bool:
        return self._path.exists()

    async def generation(self) -> str:
        return await self._database.read(lambda reader: generation_of(reader.connection))

    async def record(self, *records: Record) -> None:
        await self._database.write(lambda transaction: write_records(transaction, records))

    async def backup(self, path: Path) -> None:
        await self._database.backup(path)

    def kept_copies(self) -> list[Path]:
        return kept_versions(self._path.parent)

    async def shrink(self) -> None:
        while await self._database.shrink(_SHRINK_PAGES):
            pass
        await self._database.checkpoint()  # only this shrinks the file

    async def overwrite_deleted(self) -> bool:
        return await self._database.checkpoint()

    async def damage(self) -> str:
        return await self._database.damage()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            close_database(self._database, self._databases)
