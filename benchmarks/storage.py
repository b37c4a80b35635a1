"""The journal under load: what a large plan costs a running job, the event loop and other writers; a thousand jobs."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

from bulkremove.domain.attempt import PendingRow, Permit
from bulkremove.domain.job import EndReason, Job, JobState
from bulkremove.domain.ledger import Ledger
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import Removal, Roles, Row, RowState
from bulkremove.platform.system_clock import SystemClock
from bulkremove.storage import SqliteStorage
from bulkremove.storage.interface.attempts import AttemptOutcome, SlotDecision
from bulkremove.storage.interface.jobs import JobEnd
from bulkremove.storage.interface.records import Act
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


class _Rule:
    """A slot for everybody."""

    key, window, daily = "ledger", 60.0, None

    def restarted(self, ledger: Ledger, now: float) -> tuple[Ledger, float]:
        return ledger, now

    def slots(self, ledger: Ledger, now: float) -> int:
        return 1_000_000

    def decide(
        self, ledger: Ledger, now: float, *, full_until: float | None, wall: float, nth_last_call: float | None
    ) -> SlotDecision[str]:
        return SlotDecision(None, ledger, now + 1.0)

    def released_at(self, now: float) -> float:
        return now

    def recent_since(self) -> float | None:
        return 0.0

    def answered(self, ledger: Ledger, now: float, *, recent: int) -> tuple[Ledger, int]:
        return ledger, recent


def measure() -> list[dict[str, object]]:
    """The stalls and waits beside a large plan, and how long lists of many jobs take."""
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).absolute()
        return [*asyncio.run(_beside(folder / "large")), *asyncio.run(_many(folder / "many"))]


async def _beside(home: Path) -> list[dict[str, object]]:
    storage = SqliteStorage(home, SystemClock())
    with closing(storage):
        await storage.jobs.create(_job("runs"), _rows(5_000))
        large, positions = _job("large"), count()
        ended = JobEnd(JobState.CANCELLED, "Cancelled.", EndReason.CANCELLED, 1.0)

        async def search() -> None:
            await storage.rows.search(large, status=None, text="nobody has this", offset=0, limit=50)

        acts: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            ("nothing", lambda: asyncio.sleep(5.0)),
            ("stored", lambda: storage.jobs.create(large, _rows(ROWS))),
            ("searched", search),
            ("tallied", lambda: storage.rows.tally("large")),
            ("ended", lambda: storage.jobs.cancel("large", lambda job: None, ended)),
            ("deleted", lambda: storage.erasure.delete_rows("large")),
            ("space returned", storage.shrink),
        ]
        return [await _watched(storage, what, act, positions) for what, act in acts]


async def _watched(
    storage: SqliteStorage, what: str, act: Callable[[], Awaitable[object]], positions: Iterator[int]
) -> dict[str, object]:
    over = asyncio.Event()
    stalls, waits, rows = [0.0], [0.0], [0.0]

    async def tick() -> None:
        while not over.is_set():
            due = time.perf_counter() + 0.005
            await asyncio.sleep(0.005)
            stalls.append(time.perf_counter() - due)

    async def write() -> None:
        while not over.is_set():
            begun = time.perf_counter()
            await storage.audit.append(Act("bench", "wrote", {}, 1.0))
            waits.append(time.perf_counter() - begun)
            await asyncio.sleep(0.02)

    async def run() -> None:
        while not over.is_set():
            begun = time.perf_counter()
            position = next(positions)
            pending_row = PendingRow("runs", position, position + 2, Removal("1", "2", f"{position}"))
            permit = await storage.attempts.take(pending_row, _Rule())
            assert isinstance(permit, Permit)
            await storage.attempts.close(permit, AttemptOutcome(permit.attempt, RowState.PENDING), _Rule())
            rows.append(time.perf_counter() - begun)
            await asyncio.sleep(max(0.0, PACE - rows[-1]))

    beside = [asyncio.create_task(one()) for one in (tick, write, run)]
    begun = time.perf_counter()
    await act()
    taken = time.perf_counter() - begun
    over.set()
    await asyncio.gather(*beside)
    return {
        "a plan of 200,000 rows is": what,
        "seconds": round(taken, 2),
        "rows a second of the other job": round((len(rows) - 1) / max(taken, 0.05), 1),
        "its slowest row (ms)": round(1000 * max(rows)),
        "longest stall (ms)": round(1000 * max(stalls)),
        "longest wait to write (ms)": round(1000 * max(waits)),
    }


async def _many(home: Path) -> list[dict[str, object]]:
    storage = SqliteStorage(home, SystemClock())
    for number in range(JOBS):
        await storage.jobs.create(_job(f"job-{number:04}", at=float(number)), _rows(ROWS_EACH))
    storage.close()
    program = [*PROGRAM, "--home", str(home)]
    found = []
    for what, words in (("jobs", ["jobs"]), ("show", ["show", "job-0500"]), ("(--version)", ["--version"])):
        taken = await asyncio.to_thread(_fastest, [*program, *words])
        found.append({"with 1,000 jobs": what, "seconds": round(taken, 2)})
    async with running_site(home) as one, one.visitor() as visitor:
        await visitor.get("/")
        begun = time.perf_counter()
        assert "job-0999" in (await visitor.get("/")).text
        found.append({"with 1,000 jobs": "the start page", "seconds": round(time.perf_counter() - begun, 3)})
    return found


def _fastest(command: list[str]) -> float:
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        subprocess.run(command, env=environment(), check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return min(times)


def _job(name: str, at: float = 1.0) -> Job:
    header = ("course", "batch", "learner", "note")
    return Job(name, "a", "h", "f", "", None, header, Roles(0, 1, 2), "hash", JobState.READY, created_at=at)


def _rows(count: int) -> list[PlannedRow]:
    return [PlannedRow(Row(i + 2, ("1", "2", f"{i}", "left")), Removal("1", "2", f"{i}"), None) for i in range(count)]
