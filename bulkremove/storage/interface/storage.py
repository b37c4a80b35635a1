"""The interface of the storage as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from bulkremove.storage.interface.attempts import AttemptStore, RateLimitStore
from bulkremove.storage.interface.audit import AuditLog
from bulkremove.storage.interface.canaries import CanaryStore
from bulkremove.storage.interface.claims import Claims
from bulkremove.storage.interface.erasure import ErasureStore
from bulkremove.storage.interface.jobs import JobStore
from bulkremove.storage.interface.leavers import LeaverStore
from bulkremove.storage.interface.nightly import NightlyStore
from bulkremove.storage.interface.reads import ReadStore
from bulkremove.storage.interface.records import Record
from bulkremove.storage.interface.restore import RestoreStore
from bulkremove.storage.interface.rows import RowStore
from bulkremove.storage.interface.users import UserStore
from bulkremove.storage.interface.wordings import WordingStore


class Storage(Protocol):
    """The storage of one home folder: one store for each consumer, and what concerns all of them."""

    @property
    def jobs(self) -> JobStore:
        """Jobs and their events."""
        ...

    @property
    def rows(self) -> RowStore:
        """Rows of jobs, and notes about them."""
        ...

    @property
    def attempts(self) -> AttemptStore:
        """Attempts and their slots."""
        ...

    @property
    def reads(self) -> ReadStore:
        """Reads and their slots, and listings."""
        ...

    @property
    def leavers(self) -> LeaverStore:
        """What is remembered of employees."""
        ...

    @property
    def rate_limit(self) -> RateLimitStore:
        """Rate limit of each account, to be read."""
        ...

    @property
    def canaries(self) -> CanaryStore:
        """Confirmed first removals."""
        ...

    @property
    def wordings(self) -> WordingStore:
        """Accepted wordings."""
        ...

    @property
    def claims(self) -> Claims:
        """Locks between processes."""
        ...

    @property
    def users(self) -> UserStore:
        """Users and API tokens."""
        ...

    @property
    def audit(self) -> AuditLog:
        """Audit log."""
        ...

    @property
    def nightly(self) -> NightlyStore:
        """Nightly runs and the outbox of notices."""
        ...

    @property
    def erasure(self) -> ErasureStore:
        """Deletion and erasure of rows."""
        ...

    @property
    def restore(self) -> RestoreStore:
        """Restore of the journal from a copy."""
        ...

    @property
    def exists(self) -> bool:
        """Whether anything was ever stored. A dry run stores nothing, and makes no empty storage either."""
        ...

    async def generation(self) -> str:
        """The generation of the storage, a random id: erasing a learner or accepting a restored copy begins a new one.

        A plan of another generation must be made again: it may hold the learner, or what a lost job has settled since.
        """
        ...

    async def record(self, *records: Record) -> None:
        """Write these records in one transaction."""
        ...

    async def backup(self, path: Path) -> None:
        """Write a consistent copy to a new file; others may write to the storage meanwhile. Raises JournalFailed."""
        ...

    def kept_copies(self) -> list[Path]:
        """The copies of the journal in the home folder that were kept before newer versions changed it."""
        ...

    async def shrink(self) -> None:
        """Return the space of deleted data to the file system, in short transactions."""
        ...

    async def overwrite_deleted(self) -> bool:
        """Remove deleted and erased data from all files of the storage; False when a reader prevents it for now."""
        ...

    async def damage(self) -> str:
        """The first damage of the stored content, in technical words; empty if there is none."""
        ...

    def close(self) -> None:
        """End this use of the storage. Other uses in the same process continue."""
        ...
