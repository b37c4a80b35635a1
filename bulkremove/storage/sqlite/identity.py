"""Which journal a file is, and whether it is the one that was used here last, as the mark beside it says."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from bulkremove.storage.sqlite.high_water import Mark
from bulkremove.storage.sqlite.queries import Queries

_IDENTITY = Queries("identity.sql")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a journal says of itself. ``state``: `new` (no mark names it yet), `marked`, or `restored` (put back from a
    backup, and not accepted yet); ``changes``: its counter."""

    id: str
    state: str
    changes: int

    def difference(self, mark: Mark) -> str | None:
        """Why this is not the journal that was used last, in the rest of a sentence; None if it is."""
        if self.state == "restored":
            return "was put back from a backup, and nobody has accepted that yet."
        if mark.ids[-1:] != (self.id,) and (self.state == "marked" or mark.ids):
            return "is not the one that was used last in this folder, or the file journal.mark was lost."
        if self.changes < mark.changes:
            return (
                f"was replaced by an older copy: {mark.changes - self.changes:,} attempts and audit entries made since "
                "are not in it."
            )
        return None


def identity_of(connection: sqlite3.Connection) -> Identity:
    """The identity of an open journal. Raises sqlite3.Error."""
    return Identity(*connection.execute(_IDENTITY.get).fetchone())
