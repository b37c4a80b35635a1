"""How close rate limiters come to the limit, and how often they exceed it: 3,000 rows, six kinds of servers.

On a virtual clock, with the product's own limiter and ledger; only the network is replaced by a latency, and a call
counts halfway through it. Efficiency is the ideal time (99 minutes for 3,000 rows) divided by the time taken.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from random import Random

from aiolimiter import AsyncLimiter

from bulkremove.domain.attempt import Attempt, PendingRow, Permit
from bulkremove.domain.job import Job, JobState
from bulkremove.domain.ledger import Quota, SuspensionReason
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import Removal, Roles, Row, RowState, Status
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.rate_limiter import AttemptEnd, RateLimiter
from bulkremove.engine.slot_decisions import Signal
from bulkremove.sandbox import CountingRule, Threshold
from bulkremove.storage.interface.attempts import AttemptOutcome
from bulkremove.storage.sqlite import SqliteStorage
from tests.virtual_time import VirtualClock, run

SUBJECT = ("bulkremove/engine/rate_limiter.py", "bulkremove/engine/rate_limit.py", "bulkremove/storage")
"""The code that is measured."""

ROWS = 3000
IDEAL = (ROWS - 30) / 30 * 60.0
"""Seconds for ``ROWS``: the first 30 calls leave at once, then 30 a minute."""
SERVERS = [*((rule, False) for rule in CountingRule), (CountingRule.ROLLING, True)]
"""How each server counts, and whether calls during a lock extend it."""


def latency(kind: str, random: Random) -> float:
    """Draw the seconds of a call: always 50 ms or 300 ms, or a median of 300 ms with a tail up to 8 s."""
    if kind.endswith("tail 8 s"):
        return min(8.0, 0.3 * math.exp(1.06 * random.gauss(0, 1)))
    return float(kind.removesuffix(" ms")) / 1000


class Server:
    """A server that counts each call halfway through its latency."""

    def __init__(self, threshold: Threshold, kind: str, clock: VirtualClock, seed: int) -> None:
        self.threshold, self._kind, self._clock = threshold, kind, clock
        self._random = Random(seed)

    async def call(self) -> bool:
        """Wait for one call's latency; False when the call was refused."""
        seconds = latency(self._kind, self._random)
        await self._clock.sleep(seconds / 2)
        passed = self.threshold.arrive(self._clock.monotonic())
        await self._clock.sleep(seconds / 2)
        return passed


async def ours(
    server: Server, clock: VirtualClock, home: Path, *, kills: int = 0, processes: int = 1, count: int = ROWS
) -> None:
    """Send ``count`` rows under our limiter: ``processes`` limiters on one ledger, all killed ``kills`` times."""
    quota = Quota()
    storage = SqliteStorage(home, clock)
    rows = (PlannedRow(Row(i + 2, ("1", "2", str(i))), Removal("1", "2", str(i)), None) for i in range(count))
    job = Job("job", "a", "h", "f", "", None, ("c", "b", "l"), Roles(0, 1, 2), "h", JobState.RUNNING)
    await storage.jobs.create(job, rows)
    positions = list(range(count - 1, -1, -1))
    attempts = defaultdict[int, list[Attempt]](list)
    random = Random(kills)
    kill_times = sorted(random.uniform(0, IDEAL) for _ in range(kills))

    async def worker(limiter: RateLimiter) -> None:
        while positions:
            position = positions.pop()
            earlier = tuple(attempts[position])
            pending_row = PendingRow("job", position, position + 2, Removal("1", "2", str(position)), earlier)
            try:
                permit = await limiter.acquire(pending_row, is_only_row=lambda: False, may_still_send=lambda: True)
                assert isinstance(permit, Permit)
                passed = await server.call()
            except asyncio.CancelledError:
                positions.append(position)
                raise
            attempt = replace(permit.attempt, response_kind="removed" if passed else "limited", http_status=200)
            attempts[position].append(attempt)
            if passed:
                await limiter.complete(
                    permit, AttemptEnd(AttemptOutcome(attempt, Status.REMOVED), proves_reachable=True)
                )
            else:
                locked = Signal(SuspensionReason.LOCKED)
                await limiter.complete(permit, AttemptEnd(AttemptOutcome(attempt, RowState.PENDING), locked))
                positions.append(position)

    def start() -> list[asyncio.Task[None]]:
        limiters = [
            RateLimiter(storage.attempts, storage.rate_limit, "ledger", quota, clock, queue=FairQueue(quota))
            for _ in range(processes)
        ]
        return [asyncio.ensure_future(worker(limiter)) for limiter in limiters for _ in range(4)]

    tasks = start()
    started = clock.monotonic()
    for kill_time in kill_times:
        await clock.sleep(max(0.0, started + kill_time - clock.monotonic()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # This benchmark sends rows in flight again, so their open attempts are deleted.
        await storage._database.write(
            lambda transaction: transaction.execute("DELETE FROM attempt WHERE response_kind IS NULL")
        )
        tasks = start()
    await asyncio.gather(*tasks)
    storage.close()


async def plain(server: Server, clock: VirtualClock, take: Callable[[], Awaitable[None]], concurrency: int = 4) -> None:
    """Send ``ROWS`` calls under another limiter, whose ``take`` waits for the right to one. Waits out locks as well."""
    remaining = ROWS
    locked_until = 0.0

    async def worker() -> None:
        nonlocal remaining, locked_until
        while remaining > 0:
            remaining -= 1
            passed = False
            while not passed:
                if clock.monotonic() < locked_until:
                    await clock.sleep(locked_until - clock.monotonic())
                await take()
                passed = await server.call()
                if not passed:
                    locked_until = max(locked_until, clock.monotonic() + 301.0)

    await asyncio.gather(*(worker() for _ in range(concurrency)))


class PyrateLike:
    """pyrate-limiter's in-memory bucket with 30 calls a minute, on the virtual clock."""

    def __init__(self, clock: VirtualClock) -> None:
        from pyrate_limiter import Duration, InMemoryBucket, Rate, RateItem

        self._clock, self._item = clock, RateItem
        self._bucket = InMemoryBucket([Rate(30, Duration.MINUTE)])

    async def take(self) -> None:
        """Wait until the bucket takes a call."""
        while True:
            now = int(self._clock.monotonic() * 1000)
            self._bucket.leak(now)
            if self._bucket.put(self._item("call", now)):
                return
            await self._clock.sleep(0.25)


def one(limiter: str, rule: CountingRule, extend: bool, kind: str, seed: int) -> dict[str, object]:
    """Run one limiter against one kind of server and return its row. ``extend``: calls during a lock extend it."""
    threshold = Threshold(rule=rule, extend=extend)

    async def main() -> float:
        clock = VirtualClock()
        await clock.sleep(17.0)
        server = Server(threshold, kind, clock, seed)
        started = clock.monotonic()
        if limiter.startswith("bulkremove"):
            kills, processes = 19 * ("kills" in limiter), 3 if "3 processes" in limiter else 1
            with tempfile.TemporaryDirectory() as home:
                await ours(server, clock, Path(home), kills=kills, processes=processes)
        elif limiter == "sleep(2)":
            await plain(server, clock, lambda: clock.sleep(2.0), concurrency=1)
        elif limiter == "pyrate-limiter 30/min":
            await plain(server, clock, PyrateLike(clock).take)
        else:
            calls, period = (30, 60) if "30" in limiter else (1, 2.2)
            await plain(server, clock, AsyncLimiter(calls, period).acquire)
        return clock.monotonic() - started

    seconds = run(main)
    server = f"{rule.value}{' extended' if extend else ''}"
    return {
        "limiter": limiter,
        "server": server,
        "latency": kind,
        "efficiency": round(IDEAL / seconds, 3),
        "lock-outs": threshold.lockouts,
        "refused": threshold.refused,
        "peak calls": threshold.peak_calls,
    }


def first_thirty() -> float:
    """Seconds from the start to the last answer of 30 rows, each answered after 300 ms."""

    async def main() -> float:
        clock = VirtualClock()
        server = Server(Threshold(), "300 ms", clock, 1)
        started = clock.monotonic()
        with tempfile.TemporaryDirectory() as home:
            await ours(server, clock, Path(home), count=30)
        return clock.monotonic() - started

    return run(main)


def measure() -> list[dict[str, object]]:
    """Return rows of our limiter against all servers, of others against three, and of ours with kills and processes."""
    rows = [
        one("bulkremove", rule, extend, kind, 1) for rule, extend in SERVERS for kind in ("50 ms", "300 ms tail 8 s")
    ]
    others = ("AsyncLimiter(30, 60)", "AsyncLimiter(1, 2.2)", "sleep(2)", "pyrate-limiter 30/min")
    for limiter in others:
        rows += [
            one(limiter, rule, False, "300 ms tail 8 s", 1)
            for rule in (CountingRule.ROLLING, CountingRule.FIXED, CountingRule.TWO_BUCKET)
        ]
    for limiter in ("bulkremove, 19 kills", "bulkremove, 3 processes"):
        rows.append(one(limiter, CountingRule.ROLLING, False, "300 ms tail 8 s", 1))
    runs = [one("bulkremove", CountingRule.TWO_BUCKET, False, "300 ms tail 8 s", seed) for seed in range(12)]
    minimum = min(float(str(run["efficiency"])) for run in runs)
    sums = {key: sum(int(str(run[key])) for run in runs) for key in ("lock-outs", "refused")}
    rows.append({**runs[0], "limiter": "bulkremove, 12 runs together", "efficiency": minimum, **sums})
    rows.append(
        {
            "limiter": "bulkremove, first 30 rows of a new ledger",
            "latency": "300 ms",
            "seconds": round(first_thirty(), 2),
        }
    )
    return rows
