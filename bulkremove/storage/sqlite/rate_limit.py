"""The rate limit of each account, in SQLite: its ledger, its calls, and the last calls of a day.

The clock is read within the transaction, after the wait for other writers.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from bulkremove.domain.clock import Clock, Epoch, Monotonic, later, seconds_between
from bulkremove.domain.ledger import Ledger, Suspension, SuspensionReason
from bulkremove.storage.interface.attempts import RestartRule
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.transaction import Reader, Transaction

_LOST_SECONDS = 2 * 86_400.0
"""Seconds after its acceptance in which the calls that a journal has lost are looked at; rules look at one day."""

_ATTEMPTS, _LIMIT = Queries("attempts.sql"), Queries("rate_limit.sql")


class SqliteRateLimit:
    """``RateLimitStore`` on a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def ledger(self, key: str) -> tuple[Ledger, bool]:
        def look(reader: Reader) -> tuple[Ledger, str]:
            self._database.check_current(reader)
            return _ledger(reader, key, self._clock.boot)

        ledger, boot = await self._database.read(look)
        return ledger, boot == self._clock.boot

    async def calls(self, key: str, *, since: Monotonic, wall_since: Epoch) -> tuple[int, int]:
        def count(reader: Reader) -> tuple[int, int]:
            recent = reader.execute(_LIMIT.count_taken_since, key=key, then=since).fetchone()[0]
            return int(recent), int(reader.execute(_ATTEMPTS.count_since, ledger=key, then=wall_since).fetchone()[0])

        return await self._database.read(count)

    async def send_times(self, key: str, *, since: Monotonic) -> list[Monotonic]:
        def find(reader: Reader) -> list[Monotonic]:
            times = reader.execute(_ATTEMPTS.send_times, ledger=key, boot=self._clock.boot, since=since)
            return [at for (at,) in times]

        return await self._database.read_long(lambda: self._database.read_now(find))


def current_ledger(transaction: Transaction, key: str, rule: RestartRule, boot: str, now: Monotonic) -> Ledger:
    """The ledger with times of this boot; one of an earlier boot is adapted and saved first."""
    ledger, ledger_boot = _ledger(transaction, key, boot)
    if ledger_boot == boot:
        return ledger
    ledger, free_at = rule.restarted(ledger, now)
    transaction.execute(_LIMIT.clamp_slots, key=key, now=now, free_at=free_at)
    save_ledger(transaction, key, boot, ledger)
    return ledger


def _ledger(reader: Reader, key: str, boot: str) -> tuple[Ledger, str]:
    """The ledger and the boot that its times belong to; a new one belongs to ``boot``."""
    row = reader.execute(_LIMIT.get_ledger, key=key).fetchone()
    if row is None:
        return Ledger(), boot
    ledger_boot, next_at, burst, last_at, suspension, individually_limited_row, budget, budget_at = row
    return Ledger(
        next_at, burst, last_at, _suspension(suspension), individually_limited_row, budget, budget_at
    ), ledger_boot


def save_ledger(transaction: Transaction, key: str, boot: str, ledger: Ledger) -> None:
    """Write the ledger, whose times are those of ``boot``."""
    suspension = None if ledger.suspension is None else json.dumps(asdict(ledger.suspension))
    transaction.execute(
        _LIMIT.save_ledger,
        key=key,
        boot=boot,
        next_at=ledger.next_at,
        burst=ledger.burst,
        last_at=ledger.last_at,
        suspension=suspension,
        individually_limited_row=ledger.individually_limited_row,
        budget=ledger.budget,
        budget_at=ledger.budget_at,
    )


def _suspension(text: str | None) -> Suspension | None:
    if text is None:
        return None
    values = json.loads(text)
    return Suspension(**{**values, "reason": SuspensionReason(values["reason"])})


def nth_last_call(reader: Reader, key: str, n: int, wall: Epoch, clock: Clock) -> Epoch | None:
    """When the n-th last call was made, if those that a journal has lost were made at the time of its acceptance.

    A call whose time lies ahead was made while the wall clock was wrong: it counts from when it was made by the
    monotonic clock, or from the start of the machine at the latest.
    """
    now = clock.monotonic()
    ahead = [
        later(wall, -(seconds_between(sent_mono, now) if boot == clock.boot else now) / clock.speed)
        for sent_mono, boot in reader.execute(_ATTEMPTS.calls_ahead, ledger=key, then=wall)
    ]

    def recorded(n: int) -> Epoch | None:
        if not ahead:
            row = reader.execute(_ATTEMPTS.nth_last_call, ledger=key, n=n, until=wall).fetchone()
            return row[0] if row else None
        calls = sorted([*ahead, *(at for (at,) in reader.execute(_ATTEMPTS.last_calls, ledger=key, n=n, until=wall))])
        return calls[-n] if len(calls) >= n else None

    accepted_at, _, lost = reader.execute(_LIMIT.get_lost_calls, since=later(wall, -_LOST_SECONDS)).fetchone()
    nth = recorded(n)
    if not lost:
        return nth
    earlier = accepted_at if n <= lost else recorded(n - lost)
    with_lost = None if earlier is None else min(earlier, accepted_at)
    return max((time for time in (nth, with_lost) if time is not None), default=None)
