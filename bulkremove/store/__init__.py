"""The journal on disk: jobs, rows, attempts, the shared allowance and events, in one SQLite file.

It stores and gives back; it decides nothing and never speaks to Zoho. ``schema/`` is its documentation.
It stands alone because every other promise (no row lost, no call over the limit) rests on its commits.
"""

from bulkremove.store.audit import Entry, Verified
from bulkremove.store.driver import driven, is_driven
from bulkremove.store.journal import Journal
from bulkremove.store.nights import Notice, Taken
from bulkremove.store.people import Token, User

__all__ = ["Entry", "Journal", "Notice", "Taken", "Token", "User", "Verified", "driven", "is_driven"]
