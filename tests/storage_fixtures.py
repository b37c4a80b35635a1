"""Jobs, rows, a clock and rules for slots, for tests of any store."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace

from bulkremove.domain.attempt import PendingRow, Permit
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch, Monotonic, later
from bulkremove.domain.job import EndReason, Job, JobState
from bulkremove.domain.ledger import Ledger
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import Removal, Roles, Row
from bulkremove.storage import Storage
from bulkremove.storage.interface.attempts import SlotDecision
from bulkremove.storage.interface.jobs import JobEnd
from bulkremove.storage.interface.records import Act

CELLS = ("1", "2", "3", "\ud800 \x00 'x'")
ACT = Act("jo", AuditAct.ROSTER, {"n": 1}, Epoch(1.0))


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    now: float = 1000.0
    boot: str = "boot-1"
    speed: float = 1.0

    def monotonic(self) -> Monotonic:
        return Monotonic(self.now)

    def wall(self) -> Epoch:
        return Epoch(1e9 + self.now)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def planned(count: int = 1, *, learner: str | None = None) -> list[PlannedRow]:
    return [
        PlannedRow(Row(i + 2, ("1", "2", learner or str(i), CELLS[3])), Removal("1", "2", learner or str(i)), None)
        for i in range(count)
    ]


def job(name: str = "job", state: JobState = JobState.RUNNING, at: float = 1.0) -> Job:
    return Job(name, "a", "h", "f", "", None, ("c", "b", "l", "n"), Roles(0, 1, 2), "hash", state, created_at=Epoch(at))


def end(state: JobState = JobState.PAUSED, reason: str = "Stopped.") -> JobEnd:
    return JobEnd(state, reason, EndReason.INTERRUPTED, Epoch(9.0), seconds=2.0, peak=3, auto_resumable=True)


async def rows(storage: Storage, name: str = "job") -> list[PendingRow]:
    found = storage.rows.open_rows(name)
    async with aclosing(found):
        return [row async for row in found]


@dataclass(frozen=True)
class Rule:
    """A rule for slots that takes one whenever ``allowed`` are not taken, and releases a slot at a given time."""

    key: str = "ledger"
    window: float = 60.0
    daily: int | None = None
    allowed: int = 1
    free_at: Monotonic = Monotonic(2000.0)

    def restarted(self, ledger: Ledger, now: Monotonic) -> tuple[Ledger, Monotonic]:
        return replace(ledger, next_at=now), later(now, 50.0)

    def slots(self, ledger: Ledger, now: Monotonic) -> int:
        return self.allowed

    def decide(
        self,
        ledger: Ledger,
        now: Monotonic,
        *,
        full_until: Monotonic | None,
        wall: Epoch,
        nth_last_call: Epoch | None,
    ) -> SlotDecision[tuple[Monotonic | None, Epoch | None]]:
        if full_until is not None or nth_last_call is not None:
            return SlotDecision((full_until, nth_last_call), None)
        return SlotDecision(None, replace(ledger, last_at=now), self.free_at)


@dataclass(frozen=True)
class Answered(Rule):
    """Releases the slot at a given time, and says how many calls were counted."""

    released: Monotonic = Monotonic(1100.0)

    def released_at(self, now: Monotonic) -> Monotonic:
        return self.released

    def recent_since(self) -> Monotonic | None:
        return Monotonic(0.0)

    def answered(self, ledger: Ledger, now: Monotonic, *, recent: int) -> tuple[Ledger, int]:
        return replace(ledger, budget=8), recent


async def taken(storage: Storage, pending_row: PendingRow, rule: Rule | None = None) -> Permit:
    found = await storage.attempts.take(pending_row, rule or Rule())
    assert isinstance(found, Permit)
    return found


async def calls(storage: Storage, key: str = "ledger") -> tuple[int, int]:
    """How many slots were ever taken, and how many calls made."""
    return await storage.rate_limit.calls(key, since=Monotonic(0.0), wall_since=Epoch(0.0))
