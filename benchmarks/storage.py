"""The journal under load: what a large plan costs a running job, the event loop and other writers; a thousand jobs."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.reading import best
from bulkremove.domain.attempt import PendingRow, Permit
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch, Monotonic, later
from bulkremove.domain.job import EndReason, Job, JobState
from bulkremove.domain.ledger import Ledger
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import Removal, Roles, Row, RowState
from bulkremove.platform.system_clock import SystemClock
from bulkremove.storage.interface.attempts import AttemptOutcome, SlotDecision
from bulkremove.storage.interface.jobs import JobEnd
from bulkremove.storage.interface.records import Act
from bulkremove.storage.sqlite import SqliteStorage
from tests.cli_fixtures import PROGRAM, environment
from tests.web_fixtures import running_site

ROWS = 200_000
JOBS, ROWS_EACH = 1_000, 200
PACE = 0.05
"""Seconds between two rows of the job that runs meanwhile; at Zoho's limit it would be 2.1."""
SUBJECT = ("bulkremove/storage", "bulkremove/app/jobs.py", "bulkremove/app/plans.py", "bulkremove/web/plan_pages.py")
ABOUT = f"""While a plan of {ROWS:,} rows is stored, searched, ended and deleted, a job of the same home takes a slot
and closes its attempt every {PACE * 1000:.0f} ms. The first row is the same job with nothing beside it. The stall is
how late a timer of the event loop comes, the wait that of another writer. The last rows: {JOBS:,} jobs of {ROWS_EACH}
rows."""


class _UnlimitedRule:
    """A slot and answer rule that gives every row a slot at once."""

    key, window, daily = "ledger", 60.0, None

    def restarted(self, ledger: Ledger, now: Monotonic) -> tuple[Ledger, Monotonic]:
        return ledger, now

    def slots(self, ledger: Ledger, now: Monotonic) -> int:
        return 1_000_000

    def decide(
        self,
        ledger: Ledger,
        now: Monotonic,
        *,
        full_until: Monotonic | None,
        wall: Epoch,
        nth_last_call: Epoch | None,
    ) -> SlotDecision[str]:
        return SlotDecision(None, ledger, later(now, 1.0))

    def released_at(self, now: Monotonic) -> Monotonic:
        return now

    def recent_since(self) -> Monotonic | None:
        return Monotonic(0.0)

    def answered(self, ledger: Ledger, now: Monotonic, *, recent: int) -> tuple[Ledger, int]:
        return ledger, recent


def measure() -> list[dict[str, object]]:
    """Return rows of the stalls and waits beside a large plan, and of the time that lists of many jobs take."""
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).absolute()
        return [*asyncio.run(_large_plan(folder / "large")), *asyncio.run(_many_jobs(folder / "many"))]


async def _large_plan(home: Path) -> list[dict[str, object]]:
    storage = SqliteStorage(home, SystemClock())
    with closing(storage):
        await storage.jobs.create(_job("runs"), _rows(5_000))
        large, positions = _job("large"), count()
        end = JobEnd(JobState.CANCELLED, "Cancelled.", EndReason.CANCELLED, Epoch(1.0))

        async def search() -> None:
            await storage.rows.search(large, status=None, text="nobody has this", offset=0, limit=50)

        operations: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            ("nothing", lambda: asyncio.sleep(5.0)),
            ("stored", lambda: storage.jobs.create(large, _rows(ROWS))),
            ("searched", search),
            ("tallied", lambda: storage.rows.tally("large")),
            ("ended", lambda: storage.jobs.cancel("large", lambda job: None, end)),
            ("deleted", lambda: storage.erasure.delete_rows("large")),
            ("space returned", storage.shrink),
        ]
        return [await _beside(storage, label, operation, positions) for label, operation in operations]


async def _beside(
    storage: SqliteStorage, label: str, operation: Callable[[], Awaitable[object]], positions: Iterator[int]
) -> dict[str, object]:
    """Run an operation beside a job, a timer and another writer; return its row."""
    done = asyncio.Event()
    stalls, waits, rows = [0.0], [0.0], [0.0]

    async def tick() -> None:
        while not done.is_set():
            due = time.perf_counter() + 0.005
            await asyncio.sleep(0.005)
            stalls.append(time.perf_counter() - due)

    async def write() -> None:
        while not done.is_set():
            start = time.perf_counter()
            await storage.audit.append(Act("bench", AuditAct.ROSTER, {}, Epoch(1.0)))
            waits.append(time.perf_counter() - start)
            await asyncio.sleep(0.02)

    async def run() -> None:
        while not done.is_set():
            start = time.perf_counter()
            position = next(positions)
            pending_row = PendingRow("runs", position, position + 2, Removal("1", "2", f"{position}"))
            permit = await storage.attempts.take(pending_row, _UnlimitedRule())
            assert isinstance(permit, Permit)
            await storage.attempts.close(permit, AttemptOutcome(permit.attempt, RowState.PENDING), _UnlimitedRule())
            rows.append(time.perf_counter() - start)
            await asyncio.sleep(max(0.0, PACE - rows[-1]))

    tasks = [asyncio.create_task(work()) for work in (tick, write, run)]
    start = time.perf_counter()
    await operation()
    seconds = time.perf_counter() - start
    done.set()
    await asyncio.gather(*tasks)
    return {
        "a plan of 200,000 rows is": label,
        "seconds": round(seconds, 2),
        "rows a second of the other job": round((len(rows) - 1) / max(seconds, 0.05), 1),
        "its slowest row (ms)": round(1000 * max(rows)),
        "longest stall (ms)": round(1000 * max(stalls)),
        "longest wait to write (ms)": round(1000 * max(waits)),
    }


async def _many_jobs(home: Path) -> list[dict[str, object]]:
    storage = SqliteStorage(home, SystemClock())
    for number in range(JOBS):
        await storage.jobs.create(_job(f"job-{number:04}", at=Epoch(number)), _rows(ROWS_EACH))
    storage.close()
    program = [*PROGRAM, "--home", str(home)]
    rows = []
    for label, arguments in (("jobs", ["jobs"]), ("show", ["show", "job-0500"]), ("(--version)", ["--version"])):
        command = partial(subprocess.run, [*program, *arguments], env=environment(), check=True, capture_output=True)
        seconds = await asyncio.to_thread(best, command)
        rows.append({"with 1,000 jobs": label, "seconds": round(seconds, 2)})
    async with running_site(home) as site, site.visitor() as visitor:
        await visitor.get("/")
        start = time.perf_counter()
        assert "job-0999" in (await visitor.get("/")).text
        rows.append({"with 1,000 jobs": "the start page", "seconds": round(time.perf_counter() - start, 3)})
    return rows


def _job(name: str, at: Epoch = Epoch(1.0)) -> Job:
    header = ("course", "batch", "learner", "note")
    return Job(name, "a", "h", "f", "", None, header, Roles(0, 1, 2), "hash", JobState.RUNNING, created_at=at)


def _rows(count: int) -> list[PlannedRow]:
    return [PlannedRow(Row(i + 2, ("1", "2", f"{i}", "left")), Removal("1", "2", f"{i}"), None) for i in range(count)]
