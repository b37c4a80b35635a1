"""The shared allowance on disk: one ledger and its slots an account, obeyed by every process of the machine.

It keeps what ``pacing`` computes and computes nothing itself. Slots are written as if no answer ever came and
pulled forward at the answer, so that a crash, a kill or a reboot needs no further code.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from bulkremove.model import Hold, HoldReason, Ledger
from bulkremove.store.database import Database


class Ledgers:
    """All ledgers of the journal, by key. Times are monotonic seconds of the boot that a ledger names."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def load(self, key: str, boot: str) -> tuple[Ledger, str]:
        """The ledger and the boot its times belong to; a new one belongs to ``boot``."""
        found = self._db.execute(
            "SELECT boot, next_at_mono, burst, last_at_mono, hold, blamed, budget, budget_mono FROM ledger"
            " WHERE key = ?",
            key,
        ).fetchone()
        if found is None:
            return Ledger(), boot
        written, next_at, burst, last_at, hold, blamed, budget, budget_at = found
        return Ledger(next_at, burst, last_at, _hold(hold), blamed, budget, budget_at), written

    def save(self, key: str, boot: str, ledger: Ledger) -> None:
        hold = None if ledger.hold is None else json.dumps(asdict(ledger.hold))
        self._db.execute(
            "INSERT INTO ledger (key, boot, next_at_mono, burst, last_at_mono, hold, blamed, budget, budget_mono)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET boot = excluded.boot,"
            " next_at_mono = excluded.next_at_mono, burst = excluded.burst, last_at_mono = excluded.last_at_mono,"
            " hold = excluded.hold, blamed = excluded.blamed, budget = excluded.budget,"
            " budget_mono = excluded.budget_mono",
            *(key, boot, ledger.next_at, ledger.burst, ledger.last_at, hold),
            *(ledger.blamed, ledger.budget, ledger.budget_at),
        )

    def full_until(self, key: str, now: float, calls: int) -> float | None:
        """When fewer than ``calls`` slots will be taken; None if that is so now."""
        found = self._db.execute(
            "SELECT free_mono FROM slot WHERE ledger = ? AND free_mono > ? ORDER BY free_mono DESC LIMIT 1 OFFSET ?",
            *(key, now, calls - 1),
        ).fetchone()
        return None if found is None else float(found[0])

    def take(self, key: str, now: float, free_at: float) -> int:
        """Take a slot that is reborn at ``free_at`` unless it is pulled forward; its id."""
        taken = self._db.execute("INSERT INTO slot (ledger, taken_mono, free_mono) VALUES (?, ?, ?)", key, now, free_at)
        return int(taken.lastrowid or 0)

    def pull_forward(self, slot: int, free_at: float) -> None:
        """The slot's call was answered; it is reborn at ``free_at``, never later than it was written for."""
        self._db.execute("UPDATE slot SET free_mono = min(free_mono, ?) WHERE id = ?", free_at, slot)

    def give_back(self, slot: int) -> None:
        """The slot's connection was never made."""
        self._db.execute("DELETE FROM slot WHERE id = ?", slot)

    def forget_before(self, key: str, then: float) -> None:
        """Drop slots that were reborn before ``then``."""
        self._db.execute("DELETE FROM slot WHERE ledger = ? AND free_mono < ?", key, then)

    def taken_since(self, key: str, then: float) -> int:
        """How many calls left since ``then``."""
        found = self._db.execute("SELECT count(*) FROM slot WHERE ledger = ? AND taken_mono > ?", key, then)
        return int(found.fetchone()[0])

    def clamp(self, key: str, now: float, free_at: float) -> None:
        """After a reboot: no slot is held longer than ``free_at``, and none counts as taken in the future."""
        self._db.execute(
            "UPDATE slot SET free_mono = min(free_mono, ?), taken_mono = min(taken_mono, ?) WHERE ledger = ?",
            *(free_at, now, key),
        )


def _hold(text: str | None) -> Hold | None:
    if text is None:
        return None
    facts = json.loads(text)
    return Hold(**{**facts, "reason": HoldReason(facts["reason"])})
