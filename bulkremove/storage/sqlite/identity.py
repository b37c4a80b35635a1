"""The identity of a journal: its id, and whether the mark beside it names it as the one that was used last."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass

from bulkremove.storage.sqlite.high_water import Mark
from bulkremove.storage.sqlite.queries import Queries

_IDENTITY = Queries("identity.sql")


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a journal, as stored in it.

    ``state``: ``new`` (no mark names it yet), ``marked``, or ``restored`` (put back from a backup, not accepted yet).
    ``changes``: its counter of calls and audit entries.
    """

    id: str
    state: str
    changes: int

    def difference(self, mark: Mark) -> str | None:
        """How this differs from the journal that was used last, as the end of a sentence; None if it does not."""
        if self.state == "restored":
            return "was put back from a backup, and nobody has accepted that yet."
        if mark.ids[-1:] != (self.id,) and (self.state == "marked" or mark.ids):
            return "is not the one that was used last in this folder, or the file journal.mark was lost."
        if self.changes < mark.changes:
            return (
                f"was replaced by an older copy: {mark.changes - self.changes:,} calls and audit entries made since "
                "are not in it."
            )
        return None


def identity_of(connection: sqlite3.Connection) -> Identity:
    """The identity of an open journal. Raises sqlite3.Error."""
    return Identity(*connection.execute(_IDENTITY.get).fetchone())


def generation_of(connection: sqlite3.Connection) -> str:
    """The generation of an open journal. Raises sqlite3.Error."""
    return str(connection.execute(_IDENTITY.get_generation).fetchone()[0])


def begin_generation(connection: sqlite3.Connection) -> None:
    """Begin a new generation, as part of a transaction. Raises sqlite3.Error."""
    connection.execute(_IDENTITY.set_generation, {"id": secrets.token_hex(8)})
