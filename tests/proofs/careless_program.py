"""The program as it must not be, for the controls of the power-loss proof: its commits and files are not synced.

It runs as a program of its own, in place of `python -m bulkremove`; nothing of it reaches the product.
"""

from __future__ import annotations

import functools
import os
import sqlite3

from bulkremove.cli import main


class CarelessConnection(sqlite3.Connection):
    """Syncs at a checkpoint only."""

    def execute(self, sql: str, *rest: object) -> sqlite3.Cursor:
        return super().execute(sql.replace("synchronous = FULL", "synchronous = NORMAL"), *rest)  # type: ignore[arg-type] # passed on


if __name__ == "__main__":
    sqlite3.connect = functools.partial(sqlite3.connect, factory=CarelessConnection)  # type: ignore[assignment] # same call
    os.fsync = lambda fd: None
    main()
