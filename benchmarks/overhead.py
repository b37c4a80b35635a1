"""What the rate limiter and the journal cost: rows a second with the limit lifted, against bare aiohttp loops.

All call the same sandbox process on loopback, in the same run; our engine writes every row durably.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from yarl import URL

from bulkremove.config import Settings
from bulkremove.domain.job import Job, JobState
from bulkremove.domain.ledger import Ledger, Quota
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import Removal, Roles, Row
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.job_run import JobRun
from bulkremove.engine.progress import Stop
from bulkremove.platform.system_clock import SystemClock
from bulkremove.storage.sqlite import SqliteStorage
from bulkremove.storage.sqlite.high_water import HighWaterMark, Mark
from bulkremove.storage.sqlite.rate_limit import SqliteRateLimit
from bulkremove.zoho.client import open_client
from tests.cli_fixtures import crowd, sandbox

SUBJECT = (
    "bulkremove/engine/rate_limiter.py",
    "bulkremove/engine/admission.py",
    "bulkremove/engine/attempts.py",
    "bulkremove/engine/responses.py",
    "bulkremove/zoho/client.py",
    "bulkremove/storage",
)
"""The code that is measured."""

ROWS = 2000


class FixedToken:
    """A TokenProvider with one token that was fetched beforehand."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def ensure(self) -> None:
        """Do nothing: the token is there."""

    async def token(self) -> str:
        """Return the token."""
        return self._token

    async def renew(self, refused: str) -> str:
        """Return the same token again."""
        return refused


async def _token(url: str) -> str:
    form = {"grant_type": "refresh_token", "refresh_token": "r", "client_id": "sandbox", "client_secret": "s"}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/oauth/v2/token", data=form) as reply:
        members: Mapping[str, str] = await reply.json()
        return members["access_token"]


async def _bare(url: str, token: str, removals: list[Removal], concurrency: int, *, keep_alive: bool) -> float:
    """Calls a second of a bare aiohttp loop."""
    headers = {"Authorization": f"Zoho-oauthtoken {token}"}
    remaining = iter(removals)
    start = time.perf_counter()

    async def worker(session: aiohttp.ClientSession) -> None:
        for removal in remaining:
            async with session.delete(url + REMOVE_LEARNER.path_of(removal.ids)) as reply:
                await reply.json()

    connector = aiohttp.TCPConnector(force_close=not keep_alive)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        await asyncio.gather(*(worker(session) for _ in range(concurrency)))
    return len(removals) / (time.perf_counter() - start)


class MemoryMark(HighWaterMark):
    """A high-water mark in memory only."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._mark = Mark()

    def read(self) -> Mark:
        """Return the mark in memory."""
        return self._mark

    def name(self, journal: str) -> None:
        """Name the journal in memory."""
        self._mark = Mark((journal,))

    def write(self, journal: str) -> None:
        """Write nothing."""


class NoLook(SqliteRateLimit):
    """A rate limit store without the look at the journal just before a request leaves."""

    async def ledger(self, key: str) -> tuple[Ledger, bool]:
        """Return an empty ledger of this boot, without reading the journal."""
        return Ledger(), True


async def _job_run(
    url: str, token: str, removals: list[Removal], home: Path, *, guarded: bool = True
) -> tuple[float, float]:
    """Rows a second and CPU milliseconds a row of a job run; ``guarded``: notices a journal restored from a copy."""
    clock, host = SystemClock(), URL(url).authority
    storage = SqliteStorage(home, clock)
    if not guarded:
        storage._database.mark = MemoryMark(home)
        storage.rate_limit = NoLook(storage._database, clock)
    rows = (PlannedRow(Row(i + 2, ("1", "2", "3")), removal, None) for i, removal in enumerate(removals))
    job = Job("job", "a", host, "f", "", None, ("c", "b", "l"), Roles(0, 1, 2), "h", JobState.READY)
    await storage.jobs.create(job, rows)
    start, cpu_start = time.perf_counter(), time.process_time()
    settings = Settings(home, limit=(100_000, 1.0))
    run = JobRun(
        storage,
        job,
        settings=settings,
        clock=clock,
        random=random.random,
        ledger="ledger",
        queue=FairQueue(Quota(100_000, 1.0)),
        stop=Stop(),
        on_progress=lambda progress: None,
    )
    async with open_client(settings, base=URL(url)) as client:
        end = await run.run(client, FixedToken(token))
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    assert end.state is JobState.FINISHED, end.reason
    storage.close()
    return len(removals) / seconds, 1000 * cpu_seconds / len(removals)


def measure() -> list[dict[str, object]]:
    """Return rows of a job run, with and without guards, and of bare loops with new and with kept connections."""
    course, batch = "478346000019501001", "478346000019502001"
    loops = [(concurrency, keep_alive) for concurrency in (1, 4) for keep_alive in (False, True)]
    removals = [Removal(course, batch, str(478346000019558000 + i)) for i in range((len(loops) + 2) * ROWS)]
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).absolute()
        world, _ = crowd(folder, len(removals))
        with sandbox(world, folder / "log.jsonl", "--limit", "100000/1s") as variables:
            url = variables["BULKREMOVE_API_URL"]
            token = asyncio.run(_token(url))
            bare_rates = [
                asyncio.run(_bare(url, token, removals[i * ROWS : (i + 1) * ROWS], concurrency, keep_alive=keep_alive))
                for i, (concurrency, keep_alive) in enumerate(loops)
            ]
            rest = removals[len(loops) * ROWS :]
            rate, cpu = asyncio.run(_job_run(url, token, rest[:ROWS], folder / "home"))
            unguarded = asyncio.run(_job_run(url, token, rest[ROWS:], folder / "unguarded", guarded=False))
    rows: list[dict[str, object]] = [
        {"what": "bulkremove, 4 at once, durable", "rows/s": round(rate), "share": 1.0, "CPU ms a row": round(cpu, 2)},
        {
            "what": "the same without its guards against a restored journal",
            "rows/s": round(unguarded[0]),
            "share": round(rate / unguarded[0], 2),
            "CPU ms a row": round(unguarded[1], 2),
        },
    ]
    for (concurrency, keep_alive), bare in zip(loops, bare_rates, strict=True):
        connections = "one kept connection" if keep_alive else "a new connection for each call"
        what = f"bare loop, {concurrency} at once, {connections}"
        rows.append({"what": what, "rows/s": round(bare), "share": round(rate / bare, 2), "CPU ms a row": "-"})
    return rows
