"""Everything that outlives a process: jobs, rows, attempts, the rate limit, users, the audit log, nightly runs.

It stores and gives back; it decides nothing and never speaks to Zoho. ``interface`` says what the rest of the program
may ask, ``sqlite`` does it. It stands alone because every other promise (no row lost, no call over the limit) rests on
its commits.
"""

from bulkremove.storage.interface.storage import Storage
from bulkremove.storage.sqlite import SqliteStorage

__all__ = ["SqliteStorage", "Storage"]
