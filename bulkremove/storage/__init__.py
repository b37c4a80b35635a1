"""The storage of everything that outlives a process: jobs, rows, attempts, rate limit, users, audit log, nightly runs.

The storage decides nothing and never calls Zoho. ``interface`` declares what the rest of the program may call, and
``sqlite`` implements it. All guarantees (no row is lost, no call exceeds the limit) depend on its commits.
"""

from bulkremove.storage.interface.storage import Storage
from bulkremove.storage.sqlite import SqliteStorage

__all__ = ["SqliteStorage", "Storage"]
