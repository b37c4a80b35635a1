"""The audit log: who did what and when, each entry bound to the one before it by a hash.

It is appended to and read, never changed; the schema refuses anything else. Whoever can write the file could still
make a whole new chain: docs/decisions/0006-audit.md says what that means.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bulkremove.store.database import Database

START = "bulkremove audit 1"
"""What stands in the place of the hash before the first entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. ``at``: epoch seconds; ``act``: a stable word; ``facts``: names, numbers and hashes."""

    id: int
    at: float
    actor: str
    act: str
    facts: Mapping[str, object]
    hash: str


@dataclass(frozen=True, slots=True)
class Verified:
    """How a check of the chain came out. ``broken``: the first entry that does not fit, and why."""

    entries: int
    head: str
    broken: tuple[int, str] | None = None


class Audit:
    """The audit log of the journal."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def append(self, actor: str, act: str, facts: Mapping[str, object], *, at: float) -> None:
        """Add an entry; to be called within the transaction of the act itself where it writes to the journal."""
        with self._db.transaction():
            last = self._db.execute("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetchone()
            number, before = (last[0] + 1, last[1]) if last else (1, START)
            text = json.dumps(facts, sort_keys=True)
            values = (number, at, actor, act, text)
            self._db.execute(
                "INSERT INTO audit (id, at, actor, act, facts, hash) VALUES (?, ?, ?, ?, ?, ?)",
                *values,
                _hash(before, *values),
            )

    def hash_of(self, entry: int) -> str | None:
        """The hash of an entry; None if there is none of that number."""
        found = self._db.execute("SELECT hash FROM audit WHERE id = ?", entry).fetchone()
        return None if found is None else str(found[0])

    def entries(self, *, newest: int) -> list[Entry]:
        """The newest entries, the newest first."""
        found = self._db.execute("SELECT id, at, actor, act, facts, hash FROM audit ORDER BY id DESC LIMIT ?", newest)
        return [Entry(number, at, actor, act, json.loads(facts), held) for number, at, actor, act, facts, held in found]

    def verify(self) -> Verified:
        """Compute the whole chain anew and compare it."""
        before, count = START, 0
        for number, at, actor, act, facts, held in self._all():
            count += 1
            if number != count:
                return Verified(count - 1, before, (count, "it is missing"))
            if _hash(before, number, at, actor, act, facts) != held:
                return Verified(count - 1, before, (count, "it was changed, or the one before it was"))
            before = held
        return Verified(count, before)

    def _all(self) -> Iterator[tuple[int, float, str, str, str, str]]:
        yield from self._db.execute("SELECT id, at, actor, act, facts, hash FROM audit ORDER BY id")


def _hash(before: str, number: int, at: float, actor: str, act: str, facts: str) -> str:
    return hashlib.sha256(json.dumps([before, number, at, actor, act, facts]).encode()).hexdigest()
