"""The storage in one SQLite file on one machine. ``schema`` and ``queries`` hold its SQL."""

from bulkremove.storage.sqlite.storage import SqliteStorage

__all__ = ["SqliteStorage"]
