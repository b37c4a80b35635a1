"""The storage as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from bulkremove.storage.interface.attempts import AttemptStore, RateLimitStore
from bulkremove.storage.interface.audit import AuditLog
from bulkremove.storage.interface.claims import Claims
from bulkremove.storage.interface.erasure import ErasureStore
from bulkremove.storage.interface.jobs import JobStore
from bulkremove.storage.interface.nightly import NightlyStore
from bulkremove.storage.interface.records import Record
from bulkremove.storage.interface.restore import RestoreCheck
from bulkremove.storage.interface.rows import RowStore
from bulkremove.storage.interface.users import UserStore


class Storage(Protocol):
    """The storage of one home folder, by consumer."""

    @property
    def jobs(self) -> JobStore: ...
    @property
    def rows(self) -> RowStore: ...
    @property
    def attempts(self) -> AttemptStore: ...
    @property
    def rate_limit(self) -> RateLimitStore: ...
    @property
    def claims(self) -> Claims: ...
    @property
    def users(self) -> UserStore: ...
    @property
    def audit(self) -> AuditLog: ...
    @property
    def nightly(self) -> NightlyStore: ...
    @property
    def erasure(self) -> ErasureStore: ...
    @property
    def restore(self) -> RestoreCheck: ...

    async def record(self, *records: Record) -> None:
        """Write these together."""
        ...

    async def backup(self, path: Path) -> None:
        """A consistent copy, also while it is written to. Raises JournalFailed when the file exists."""
        ...

    async def shrink(self) -> None:
        """Return the space of what was deleted to the file system, in short transactions."""
        ...

    async def overwrite_deleted(self) -> bool:
        """See to it that what was deleted or erased stands nowhere on the disk; False when that can't be yet."""
        ...

    async def damage(self) -> str:
        """What is wrong with the stored content, in a technical word; empty when nothing is."""
        ...

    def close(self) -> None:
        """End this use of the storage."""
        ...
