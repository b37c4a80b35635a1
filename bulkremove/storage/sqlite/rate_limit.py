"""The rate limit of each account, in SQLite: its ledger, its slots, its calls, and the last calls of a day.

The clock is read within the transaction, after the wait for other writers.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TypeVar

from bulkremove.domain.clock import DAY_SECONDS, Clock, Epoch, Monotonic, later, seconds_between
from bulkremove.domain.ledger import Ledger, Suspension, SuspensionReason
from bulkremove.storage.interface.attempts import AnswerRule, LedgerChange, RestartRule, SlotRule
from bulkremove.storage.sqlite.database import Database
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.transaction import Reader, Transaction

_LOST_SECONDS = 2 * DAY_SECONDS
"""Seconds after its acceptance in which the calls that a journal has lost are looked at; rules look at one day."""

_LIMIT = Queries("rate_limit.sql")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class TakenSlot:
    """A slot that was taken: its number and when."""

    number: int
    at: Monotonic
    wall: Epoch


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
            return int(recent), int(reader.execute(_LIMIT.count_since, ledger=key, then=wall_since).fetchone()[0])

        return await self._database.read(count)

    async def send_times(self, key: str, *, since: Monotonic) -> list[Monotonic]:
        def find(reader: Reader) -> list[Monotonic]:
            times = reader.execute(_LIMIT.send_times, ledger=key, boot=self._clock.boot, since=since)
            return [at for (at,) in times]

        return await self._database.read_long(lambda: self._database.read_now(find))


def take_slot(transaction: Transaction, rule: SlotRule[R], clock: Clock) -> TakenSlot | R:
    """Take a slot, or return the rule's refusal."""
    now, wall, boot = clock.monotonic(), clock.wall(), clock.boot
    ledger = current_ledger(transaction, rule.key, rule, boot, now)
    slots = rule.slots(ledger, now)
    full_until = transaction.execute(_LIMIT.full_until, key=rule.key, now=now, calls=slots).fetchone()
    decision = rule.decide(
        ledger,
        now,
        full_until=full_until[0] if full_until else None,
        wall=wall,
        nth_last_call=None if rule.daily is None else nth_last_call(transaction, rule.key, rule.daily, wall, clock),
    )
    if decision.ledger is not None:
        save_ledger(transaction, rule.key, boot, decision.ledger)
    if decision.refusal is not None:
        return decision.refusal
    assert decision.free_at is not None  # noqa: S101 - narrows the type; a rule refuses or gives a time
    transaction.execute(_LIMIT.delete_old_slots, key=rule.key, then=later(now, -rule.window))
    slot = transaction.execute(_LIMIT.take_slot, key=rule.key, now=now, free_at=decision.free_at).lastrowid
    return TakenSlot(int(slot or 0), now, wall)


def apply_answer(
    transaction: Transaction, rule: AnswerRule[R], slot: int, now: Monotonic, boot: str, *, left: bool
) -> LedgerChange[R]:
    """Schedule the release of a slot, or delete that of a call of which no byte ``left``; and change the ledger."""
    if left:
        transaction.execute(_LIMIT.release_early, slot=slot, free_at=rule.released_at(now))
    else:
        cancel_slot(transaction, slot)
    before = current_ledger(transaction, rule.key, rule, boot, now)
    since, recent = rule.recent_since(), 0
    if since is not None:
        (recent,) = transaction.execute(_LIMIT.count_taken_since, key=rule.key, then=since).fetchone()
    after, result = rule.answered(before, now, recent=recent)
    if after != before:
        save_ledger(transaction, rule.key, boot, after)
    return LedgerChange(before, after, result)


def cancel_slot(transaction: Transaction, slot: int) -> None:
    """Delete a slot whose call was never made."""
    transaction.execute(_LIMIT.cancel_slot, slot=slot)


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

    A call whose time is in the future was made while the wall clock was wrong: it counts from when it was made by the
    monotonic clock, or from the start of the machine at the latest.
    """
    now = clock.monotonic()
    ahead = [
        later(wall, -(seconds_between(sent_mono, now) if boot == clock.boot else now) / clock.speed)
        for sent_mono, boot in reader.execute(_LIMIT.calls_ahead, ledger=key, then=wall)
    ]

    def recorded(n: int) -> Epoch | None:
        if not ahead:
            row = reader.execute(_LIMIT.nth_last_call, ledger=key, n=n, until=wall).fetchone()
            return row[0] if row else None
        calls = sorted([*ahead, *(at for (at,) in reader.execute(_LIMIT.last_calls, ledger=key, n=n, until=wall))])
        return calls[-n] if len(calls) >= n else None

    accepted_at, _, lost = reader.execute(_LIMIT.get_lost_calls, since=later(wall, -_LOST_SECONDS)).fetchone()
    nth = recorded(n)
    if not lost:
        return nth
    earlier = accepted_at if n <= lost else recorded(n - lost)
    with_lost = None if earlier is None else min(earlier, accepted_at)
    return max((time for time in (nth, with_lost) if time is not None), default=None)
