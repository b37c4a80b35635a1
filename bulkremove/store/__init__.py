"""The journal on disk: jobs, rows, attempts, the shared allowance and events, in one SQLite file.

It stores and gives back; it decides nothing and never speaks to Zoho. ``schema.sql`` is its documentation.
It stands alone because every other promise (no row lost, no call over the limit) rests on its commits.
"""

from bulkremove.store.driver import driven
from bulkremove.store.journal import Journal

__all__ = ["Journal", "driven"]
