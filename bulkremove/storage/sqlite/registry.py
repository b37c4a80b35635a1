"""The databases that this process has open: one object for each file, whoever asks for it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from bulkremove.storage.sqlite.database import Database

_databases: dict[Path, Database] = {}
_registry_lock = threading.Lock()


def open_database(path: Path, databases: dict[Path, Database] | None = None) -> Database:
    """The process's only ``Database`` for the file, new or shared; each caller ends its use with ``close_database``.

    ``databases``: the databases of the process, by real path; given only by tests that simulate several processes.
    """
    databases = _databases if databases is None else databases
    with _registry_lock:
        real = Path(os.path.realpath(path.parent)) / path.name
        database = databases.get(real)
        if database is None:
            database = databases[real] = Database(real)
        database.users += 1
        return database


def close_database(database: Database, databases: dict[Path, Database] | None = None) -> None:
    """End one use of the database; the end of the last use closes it."""
    databases = _databases if databases is None else databases
    with _registry_lock:
        database.users -= 1
        if database.users:
            return
        databases.pop(database.path, None)
    database.close()
