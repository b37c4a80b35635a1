"""The storage on one SQLite file of one machine. ``schema`` and ``queries`` hold its SQL."""

from bulkremove.storage.sqlite.storage import SqliteStorage

__all__ = ["SqliteStorage"]
