"""What must hold at every moment of a history, checked from outside: on the wire, at the server and in the journal.

The witness counts for itself. It reads the journal through a connection of its own, which sees what is committed and
nothing else, and it knows the files' rows from the history, never from the product.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bulkremove.domain.row import Removal
from bulkremove.platform.system_clock import SystemClock
from bulkremove.sandbox.zoho import Treatment
from bulkremove.storage.sqlite import SqliteStorage
from tests.proofs.simulated_machine import Process

INVARIANTS = {
    "I1": "what is removed, and every call, stands in the plan",
    "I2": "every call on the wire has an earlier attempt in the journal, and none leaves once a commit failed",
    "I3": "the statuses sum to the rows of the file",
    "I4": "no row is told as removed without a whole answer that says so",
    "I5": "no row that is told as untouched was removed",
    "I6": "never more calls than the limit in any window, at the server",
    "I7": "no call leaves while a lock is known",
    "I8": "at most 3 attempts a row",
    "I9": "a settled status never changes",
    "I10": "the audit chain holds",
}
UNTOUCHED = frozenset({"not_sent", "invalid", "duplicate", "refused", "not_found"})
SETTLED = UNTOUCHED | {"removed", "removed_inferred", "unknown", "done_before"}
NOT_COUNTED = ("limited", "never_sent", "unauthorised", "scope_missing", "wrong_data_centre", "redirected")
"""Attempts that Zoho is known to have turned away at the door."""
MAX_ATTEMPTS = 3
HEARD_AFTER = 0.01
"""Seconds that a process is given to take in what it was told."""


@dataclass(frozen=True)
class Violation:
    """Which invariant broke first, when (seconds of the machine), and how."""

    invariant: str
    at: float
    words: str

    def __str__(self) -> str:
        return f"{self.invariant} ({INVARIANTS.get(self.invariant, 'the harness')}) at {self.at:.3f} s: {self.words}"


@dataclass
class Witness:
    """Sees everything and does nothing. ``files``: the valid triples of each process' file; ``rows``: its rows."""

    home: Path
    calls: int
    window: float
    lock: float
    files: Mapping[str, Sequence[Removal | None]]
    """By name of the process: each row's triple, None where it is invalid."""
    now: Callable[[], float]
    later: Callable[[float, Callable[[], None]], None]
    violation: Violation | None = None
    trace: list[str] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    """Job id by name of its process."""
    _removed: set[tuple[str, Removal]] = field(default_factory=set)
    _confirmed: set[tuple[str, Removal]] = field(default_factory=set)
    _wire: Counter[tuple[str, Removal]] = field(default_factory=Counter)
    _arrivals: deque[float] = field(default_factory=deque)
    _locked_until: float = 0.0
    _untold: list[tuple[Process, tuple[str, Removal], float, bool]] = field(default_factory=list)
    """Locks that were told a moment ago: to whom, for which row, when, and whether it was a probe."""
    _accused: tuple[str, Removal] | None = None
    """The row that was refused last."""
    _probe: tuple[str, Removal] | None = None
    """The call that left last, if none had passed since a lock."""
    _rumour: bool = False
    """Whether a lock was told to a process that may have written it down before it died."""
    _passed: list[Process] = field(default_factory=list)
    """Whose probe passed a moment ago."""
    _waited: bool = False
    """Whether no call has passed since the last lock that was told."""
    _tried: tuple[str, Removal] | None = None
    """The other row, while its answer is awaited."""
    _trial: bool = False
    """Whether one other row may be tried although the account is locked."""
    _settled: dict[tuple[str, int], str] = field(default_factory=dict)
    _version: int = -1
    _reader: sqlite3.Connection | None = None

    # On the wire and at the server

    def leaves(self, process: Process, method: str, path: str, now: float) -> None:
        self.note(f"{process.name} sends {method} {path}")
        if method == "POST" and path == "/oauth/v2/token":
            return
        name = process.name.partition("/")[0]
        removal = next((one for one in self.files[name] if one and _path(one) == path), None)
        if method != "DELETE" or removal is None:
            self.fail("I1", f"{method} {path} stands in no row")
            return
        self._heed_the_lock((name, removal), now)
        if process.disk_failed:
            self.fail("I2", "a call left after a commit had failed")
        self._wire[name, removal] += 1
        kept = self._ask(
            "SELECT count(*), count(*) FILTER (WHERE response_kind IS NULL) FROM attempt JOIN row USING (job, position)"
            " WHERE job = ? AND course = ? AND batch = ? AND row.learner = ? AND response_kind IS NOT 'never_sent'",
            *(self.jobs[name], removal.course, removal.batch, removal.learner),
        )[0]
        if kept[0] < self._wire[name, removal] or not kept[1]:
            self.fail(
                "I2", f"call {self._wire[name, removal]} for {removal.learner}, {kept[0]} attempts in the journal"
            )

    def _heed_the_lock(self, row: tuple[str, Removal], now: float) -> None:
        """One exception: when the probe after a full wait is refused again, one other row is tried."""
        just_told = bool(self._untold)
        self._tell()
        self._pass()
        if now >= self._locked_until:
            self._probe, self._trial = (row if self._waited else None), False
        elif self._trial and row != self._accused:
            self._trial, self._tried = False, row
        elif not just_told:
            self.fail("I7", f"a call left {self._locked_until - now:.1f} s before the end of a lock that was told")

    def arrives(self, process: Process, treatment: Treatment, now: float) -> None:
        self.note(f"of {process.name} arrives: {treatment.status} {treatment.fault.kind} effect={treatment.effect}")
        name, removal = process.name.partition("/")[0], treatment.removal
        if treatment.alarm:
            self.fail("I1", treatment.alarm)
        if treatment.counted:
            while self._arrivals and self._arrivals[0] <= now - self.window:
                self._arrivals.popleft()
            self._arrivals.append(now)
            if len(self._arrivals) > self.calls:
                self.fail("I6", f"{len(self._arrivals)} calls within {self.window:g} s")
        if treatment.effect and removal:
            self._removed.add((name, removal))
            if removal not in self.files[name]:
                self.fail("I1", f"{removal} was removed")
            self._compare_all()

    def delivered(self, process: Process, treatment: Treatment, now: float) -> None:
        self.note(f"{process.name} is told {treatment.answer.status}")
        removal = treatment.removal
        if removal is None:
            return
        row = process.name.partition("/")[0], removal
        if treatment.effect and treatment.answer.status == 200 and treatment.fault.kind in _SUCCESS:
            self._confirmed.add(row)
        if treatment.locked or treatment.fault.kind in _LOCK_TOLD:
            self._untold.append((process, row, now, row == self._probe))
            self._waited, self._probe, self._tried = True, None, None
            self._passed.clear()
            self.later(HEARD_AFTER, self._tell)
        elif treatment.fault.kind in _OF_THE_ROW and treatment.answer.status in (200, 400, 403, 404):
            if row == self._probe:
                self._passed.append(process)
                self.later(HEARD_AFTER, self._pass)
            elif row == self._tried:
                self._locked_until, self._tried, self._waited = now, None, False  # the probe's row has its own limit

    def _pass(self) -> None:
        """As ``_tell``: the next process may wait for a probe that has passed, when nobody could write that down."""
        if any(map(_understood, self._passed)):
            self._waited = False
        self._passed.clear()

    def _tell(self) -> None:
        """Whoever lives and can write has understood by now; a process that died took the news along."""
        for process, row, at, probe in self._untold:
            if _understood(process):
                self._trial, self._accused = self._rumour or probe, row
                self._locked_until, self._rumour = max(self._locked_until, at + self.lock), False
            else:
                self._rumour = True
        self._untold.clear()

    # In the journal

    def committed(self) -> None:
        """Something may have been written: compare the journal with the truth."""
        if not self.violation and self._changed():
            self._compare_all()

    def _compare_all(self) -> None:
        for name, job in list(self.jobs.items()):
            states = self._ask("SELECT position, state FROM row WHERE job = ? ORDER BY position", job)
            if states:  # not before the job is stored
                self._compare(name, states)
        for position, attempts in self._ask(
            "SELECT position, count(*) FROM attempt"
            " WHERE response_kind IS NULL OR response_kind NOT IN (?, ?, ?, ?, ?, ?)"
            " GROUP BY job, position HAVING count(*) > ?",
            *(*NOT_COUNTED, MAX_ATTEMPTS),
        ):
            self.fail("I8", f"{attempts} attempts for position {position}")

    def _compare(self, name: str, states: Sequence[tuple[int, str]]) -> None:
        rows = self.files[name]
        if [position for position, _ in states] != list(range(len(rows))):
            return self.fail("I3", f"{len(states)} rows in the journal, {len(rows)} in the file of {name}")
        for position, state in states:
            before = self._settled.get((name, position))
            if before is not None and before != state:
                self.fail("I9", f"position {position} of {name} was {before} and is {state}")
            if state not in SETTLED:
                continue
            self._settled[name, position] = state
            removal = rows[position]
            if removal is None and state != "invalid":
                self.fail("I3", f"position {position} of {name} can't be read and is {state}")
            if removal is None or (state == "duplicate" and removal in rows[:position]):
                continue  # what happened to the triple is told by the row before
            if state == "removed" and (name, removal) not in self._confirmed:
                self.fail("I4", f"{removal.learner} is told as removed, and nobody said so")
            if state in UNTOUCHED and (name, removal) in self._removed:
                self.fail("I5", f"{removal.learner} was removed and is told as {state}")
        return None

    def ended(self, report: Sequence[Mapping[str, str]], name: str) -> None:
        """A process has ended and left a report: one line a row, telling what the journal tells."""
        rows, told = self.files[name], [line["status"] for line in report]
        if len(told) != len(rows) or not set(told) <= SETTLED:
            self.fail("I3", f"a report of {len(told)} rows for a file of {len(rows)}: {Counter(told)}")
        for position, status in enumerate(told):
            settled, removal = self._settled.get((name, position)), rows[min(position, len(rows) - 1)]
            if settled not in (None, status):
                self.fail("I9", f"position {position} is {settled} and reported as {status}")
            if removal and settled is None and status in UNTOUCHED and (name, removal) in self._removed:
                self.fail("I5", f"{removal.learner} was removed and is reported as {status}")

    async def verify(self) -> None:
        """Check the audit log."""
        storage = SqliteStorage(self.home, SystemClock(), databases={})
        found = await storage.audit.verify()
        storage.close()
        if found.broken or found.entries < len(self.jobs):
            self.fail("I10", f"{found}")

    def fail(self, invariant: str, words: str) -> None:
        if self.violation is None:
            self.violation = Violation(invariant, self.now(), words)
            self.note(f"BROKEN: {self.violation}")

    def note(self, words: str) -> None:
        self.trace.append(f"{self.now():12.4f} {words}".replace(str(self.home.parent), "~"))

    def close(self) -> None:
        if self._reader:
            self._reader.close()

    def _changed(self) -> bool:
        version = int(self._ask("PRAGMA data_version")[0][0])
        changed, self._version = version != self._version, version
        return changed

    def _ask(self, sql: str, *values: object) -> list[tuple[int, str]]:
        if self._reader is None:
            self._reader = sqlite3.Connection(self.home / "journal.db", isolation_level=None)
        return self._reader.execute(sql, values).fetchall()


def _understood(process: Process) -> bool:
    return not process.over.is_set() and not process.disk_failed


def _path(removal: Removal) -> str:
    """Written once more than in the product, so that a mistake there shows."""
    return f"/api/v1/courses/{removal.course}/batches/{removal.batch}/learners/{removal.learner}"


_SUCCESS = frozenset({"ok", "slow", "number_code", "other_learner"})
_OF_THE_ROW = _SUCCESS | {"400", "403"}
_LOCK_TOLD = frozenset({"429", "422", "limit_text_502"})
"""Faults that speak of a lock although there is none: it is to be believed all the same."""
