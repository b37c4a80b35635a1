"""What the rate limiter and the journal cost: our rows a second with the limit lifted, against a bare aiohttp loop.

Both call the same sandbox process on loopback, in the same run; ours writes every row durably.
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
from bulkremove.storage import SqliteStorage
from bulkremove.storage.sqlite.attempts import SqliteRateLimit
from bulkremove.storage.sqlite.high_water import HighWaterMark, Mark
from bulkremove.zoho.client import connected
from tests.cli_fixtures import crowd, sandbox

SUBJECT = (
    "bulkremove/engine/rate_limiter.py",
    "bulkremove/engine/admission.py",
    "bulkremove/engine/attempts.py",
    "bulkremove/zoho/client.py",
    "bulkremove/storage",
)
"""The code that the figures speak of."""

ROWS = 2000


class FixedToken:
    """The one token, fetched beforehand."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def ensure(self) -> None:
        pass

    async def token(self) -> str:
        return self._token

    async def renew(self, refused: str) -> str:
        return refused


async def _token(url: str) -> str:
    form = {"grant_type": "refresh_token", "refresh_token": "r", "client_id": "c", "client_secret": "s"}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/oauth/v2/token", data=form) as reply:
        members: Mapping[str, str] = await reply.json()
        return members["access_token"]


async def _bare(url: str, token: str, removals: list[Removal], at_once: int, *, keep: bool) -> float:
    headers = {"Authorization": f"Zoho-oauthtoken {token}"}
    left = iter(removals)
    start = time.perf_counter()

    async def worker(session: aiohttp.ClientSession) -> None:
        for removal in left:
            async with session.delete(url + REMOVE_LEARNER.path_of(removal.ids)) as reply:
                await reply.json()

    connector = aiohttp.TCPConnector(force_close=not keep)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        await asyncio.gather(*(worker(session) for _ in range(at_once)))
    return len(removals) / (time.perf_counter() - start)


class MemoryMark(HighWaterMark):
    """A mark that is never written."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._mark = Mark()

    def read(self) -> Mark:
        return self._mark

    def name(self, journal: str) -> None:
        self._mark = Mark((journal,))

    def write(self, journal: str) -> None:
        pass


class NoLook(SqliteRateLimit):
    """Nobody looks at the journal once more before a request leaves."""

    async def ledger(self, key: str) -> tuple[Ledger, bool]:
        return Ledger(), True


async def _ours(
    url: str, token: str, removals: list[Removal], home: Path, *, guarded: bool = True
) -> tuple[float, float]:
    clock, host = SystemClock(), URL(url).authority
    storage = SqliteStorage(home, clock)
    if not guarded:
        storage._database.mark = MemoryMark(home)
        storage.rate_limit = NoLook(storage._database, clock)
    rows = (PlannedRow(Row(i + 2, ("1", "2", "3")), removal, None) for i, removal in enumerate(removals))
    job = Job("job", "a", host, "f", "", None, ("c", "b", "l"), Roles(0, 1, 2), "h", JobState.READY)
    await storage.jobs.create(job, rows)
    start, cpu = time.perf_counter(), time.process_time()
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
    async with connected(settings, base=URL(url)) as client:
        ended = await run.run(client, FixedToken(token))
    taken, burnt = time.perf_counter() - start, time.process_time() - cpu
    assert ended.state is JobState.FINISHED, ended.reason
    storage.close()
    return len(removals) / taken, 1000 * burnt / len(removals)


def measure() -> list[dict[str, object]]:
    """Rows a second, durable, beside bare loops with a new connection for each call, and with one that is kept."""
    course, batch = "478346000019501001", "478346000019502001"
    loops = [(at_once, keep) for at_once in (1, 4) for keep in (False, True)]
    removals = [Removal(course, batch, str(478346000019558000 + i)) for i in range((len(loops) + 2) * ROWS)]
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).absolute()
        world, _ = crowd(folder, len(removals))
        with sandbox(world, folder / "log.jsonl", "--limit", "100000/1s") as variables:
            url = variables["BULKREMOVE_API_URL"]
            token = asyncio.run(_token(url))
            bare = [
                asyncio.run(_bare(url, token, removals[i * ROWS : (i + 1) * ROWS], at_once, keep=keep))
                for i, (at_once, keep) in enumerate(loops)
            ]
            rest = removals[len(loops) * ROWS :]
            ours, cpu = asyncio.run(_ours(url, token, rest[:ROWS], folder / "home"))
            faster, less = asyncio.run(_ours(url, token, rest[ROWS:], folder / "unguarded", guarded=False))
    rows: list[dict[str, object]] = [
        {"what": "bulkremove, 4 at once, durable", "rows/s": round(ours), "share": 1.0, "CPU ms a row": round(cpu, 2)},
        {
            "what": "the same without its guards against a restored journal",
            "rows/s": round(faster),
            "share": round(ours / faster, 2),
            "CPU ms a row": round(less, 2),
        },
    ]
    for (at_once, keep), rate in zip(loops, bare, strict=True):
        what = f"bare loop, {at_once} at once, {'one kept connection' if keep else 'a new connection for each call'}"
        rows.append({"what": what, "rows/s": round(rate), "share": round(ours / rate, 2), "CPU ms a row": "-"})
    return rows
