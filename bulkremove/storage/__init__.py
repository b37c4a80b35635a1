"""The storage of everything that outlives a process: jobs, rows, attempts, rate limit, users, audit log, nightly runs.

The storage decides nothing and never calls Zoho. ``interface`` declares what the rest of the program may call, and
``sqlite`` implements it. All guarantees (no row is lost, no call exceeds the limit) depend on its commits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkremove.storage.interface.storage import Storage
from bulkremove.storage.sqlite import SqliteStorage

if TYPE_CHECKING:
    from bulkremove.config import Settings
    from bulkremove.domain.clock import Clock

__all__ = ["Storage", "open_storage"]


def open_storage(settings: Settings, clock: Clock) -> Storage:
    """The store of a home folder. Only here is it chosen: two programs with other ledgers would exceed one limit."""
    return SqliteStorage(settings.home, clock)
