"""When the next call may leave: the slots, the pace, the lock and the budget, as arithmetic.

A slot that is released ``window + margin`` after the *answer* of its call puts at most one call into any
window, so ``calls`` slots put at most ``calls``, whatever the latency; docs/decisions/0001-limiter.md has the
proof. Nothing here waits, reads a clock or stores anything: ``now`` comes in, the changed ledger goes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bulkremove.domain.ledger import Ledger, Quota, Suspension, SuspensionReason

MIN_BUDGET = 8
"""Calls a window that a lowered budget keeps at least (measured: the best floor with foreign traffic)."""

MAX_WAIT = 3600.0
"""Seconds; what a server asks for beyond this is not believed."""

FULL_WAITS = {SuspensionReason.LOCKED: 3, SuspensionReason.FAILING: 3, SuspensionReason.UNREACHABLE: 2}
"""After so many waits with no way through in between, the job pauses."""

HEAD_START = 2.0
"""Seconds after a wait that are kept for the row that began it."""

SLOW_RESPONSE = 2.0
"""Seconds from slot to answer beyond which a call may have arrived late, close to the ones behind it."""
SLOW_RESPONSE_PENALTY = 0.2
"""Share of the pace by which the next call waits longer then. Measured against a two-bucket counter with a tail of
slow answers: 3 lock-outs in 36 runs of 3,000 rows instead of 14 (docs/decisions/0001-limiter.md)."""

UNREACHABLE_WAITS = (5.0, 30.0)
"""Seconds between the three tries to connect."""


class Waiting(StrEnum):
    """What a row waits for."""

    PACE = "pace"
    WINDOW = "window"
    LOCKED = "locked"
    FAILING = "failing"
    UNREACHABLE = "unreachable"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Go:
    """The call may leave now. ``free_at``: when its slot is released if no answer ever comes."""

    ledger: Ledger
    free_at: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before ``until`` (monotonic seconds); ask again then."""

    until: float
    reason: Waiting


@dataclass(frozen=True, slots=True)
class Postponed:
    """Another full wait has begun; ask again."""

    ledger: Ledger


@dataclass(frozen=True, slots=True)
class YieldToOtherRow:
    """The row's probe was refused: one other row is tried before it may ask again."""


@dataclass(frozen=True, slots=True)
class OwnLimit:
    """The refusals were this row's own limit, not the account's: another row went through meanwhile."""

    ledger: Ledger


@dataclass(frozen=True, slots=True)
class WaitsExhausted:
    """All the full waits are over and every probe was refused: the job pauses."""

    ledger: Ledger
    reason: SuspensionReason


@dataclass(frozen=True, slots=True)
class Signal:
    """What an answer says about the account: a wait for everybody, and how long the server asked for."""

    reason: SuspensionReason
    seconds: float | None = None


def budget(ledger: Ledger, quota: Quota, now: float) -> int:
    """Calls that may be made in one window now: full, or lowered and raised by one for two quiet windows."""
    if ledger.budget is None:
        return quota.calls
    quiet = max(0.0, now - ledger.budget_at)
    return min(quota.calls, ledger.budget + int(quiet // (2 * quota.window)))


def pace(calls: int, quota: Quota) -> float:
    """Seconds between two paced calls with ``calls`` a window."""
    return quota.window / calls * quota.slack


def released_at(quota: Quota, answered_at: float) -> float:
    """When the slot of a call that was answered at ``answered_at`` may be used again."""
    return answered_at + quota.window + quota.margin


def released_unanswered(quota: Quota, taken_at: float) -> float:
    """The same for a call that is never answered: given up, delivered as late as a proxy may, then a window."""
    return released_at(quota, taken_at + quota.exchange + quota.grace)


def ask(
    ledger: Ledger, quota: Quota, now: float, *, key: str, alone: bool, full_until: float | None
) -> Go | Wait | Postponed | YieldToOtherRow | OwnLimit | WaitsExhausted:
    """May the row ``key`` be sent now?

    ``alone``: no other row of the job is left, so none can be tried in its place. ``full_until``: when a slot
    is released, if all slots of the present budget are taken; None if one is free.
    """
    if ledger.individually_limited_row == key:
        return OwnLimit(replace(ledger, individually_limited_row=None))
    suspension = ledger.suspension
    if suspension is not None:
        if now < suspension.until:
            return Wait(suspension.until, Waiting(suspension.reason.value))
        if suspension.probe is not None and now < suspension.probe_until:
            return Wait(suspension.probe_until, Waiting.PROBE)
        lost_trial = suspension.retesting_row is not None and suspension.probe not in (None, suspension.retesting_row)
        if suspension.retesting_row == key or lost_trial:
            if not lost_trial and not alone:
                return YieldToOtherRow()
            # No other row can be tried, or nobody knows what the one that was tried was told.
            again, over = _wait_again(suspension, quota, now, Signal(suspension.reason))
            ledger = replace(ledger, suspension=again)
            return WaitsExhausted(ledger, suspension.reason) if over else Postponed(ledger)
        if (
            suspension.retesting_row is None
            and suspension.limited_row not in (None, key)
            and now < suspension.until + HEAD_START
        ):
            # The row that began the wait goes first, so that a limit of its own is told from the account's.
            return Wait(suspension.until + HEAD_START, Waiting.PROBE)
    if full_until is not None and full_until > now:
        return Wait(full_until, Waiting.WINDOW)
    calls = budget(ledger, quota, now)
    idle = ledger.last_at is None or now - ledger.last_at >= 2 * quota.window
    burst = calls if idle else min(ledger.burst, calls)
    if burst <= 0 and now < ledger.next_at:
        return Wait(ledger.next_at, Waiting.PACE)
    free_at = released_unanswered(quota, now)
    if suspension is not None:
        suspension = replace(suspension, probe=key, probe_until=now + quota.exchange + quota.grace)
    return Go(
        replace(ledger, next_at=now + pace(calls, quota), burst=max(0, burst - 1), last_at=now, suspension=suspension),
        free_at,
    )


def overtaken(ledger: Ledger, now: float, *, key: str) -> bool:
    """Whether everybody waits since the row ``key`` was given its slot, this row too."""
    suspension = ledger.suspension
    return suspension is not None and (now < suspension.until or suspension.probe != key)


def answered(
    ledger: Ledger,
    quota: Quota,
    now: float,
    *,
    key: str,
    signal: Signal | None,
    proves_reachable: bool,
    recent: int,
    took: float = 0.0,
) -> tuple[Ledger, WaitsExhausted | None]:
    """The ledger after the answer to row ``key``, or after it was given up.

    ``signal``: the answer asks everybody to wait. ``proves_reachable``: it shows that calls get through again (anything
    that Zoho itself said about the row). ``recent``: our own calls from a window before this one left until now.
    ``took``: seconds from the slot to the answer.
    """
    ledger = replace(ledger, last_at=now)
    if took > SLOW_RESPONSE:
        ledger = replace(ledger, next_at=max(ledger.next_at, now) + SLOW_RESPONSE_PENALTY * pace(quota.calls, quota))
    suspension = ledger.suspension
    probing = suspension is not None and suspension.probe == key
    if suspension is not None and probing:
        suspension = replace(suspension, probe=None)
        ledger = replace(ledger, suspension=suspension)
    if (
        suspension is not None
        and probing
        and suspension.retesting_row not in (None, key)
        and not (signal is None and proves_reachable)
    ):
        # The other row did not pass, be it refused or unanswered: it may well have been inside the lock.
        again, over = _wait_again(suspension, quota, now, Signal(suspension.reason, signal.seconds if signal else None))
        ledger = replace(ledger, suspension=again)
        return ledger, WaitsExhausted(ledger, suspension.reason) if over else None
    if signal is None:
        if suspension is None or not (probing and proves_reachable) or now < suspension.until:
            return ledger, None  # an older call may have told of a lock while the probe was under way
        if suspension.retesting_row not in (None, key):
            # Another row went through at once: the retesting row has a limit of its own, and nobody shares ours.
            return replace(
                ledger,
                suspension=None,
                individually_limited_row=suspension.retesting_row,
                budget=suspension.budget_before,
            ), None
        return replace(ledger, suspension=None), None
    another = suspension is not None and suspension.reason is not signal.reason
    if suspension is None or (another and (probing or signal.reason is SuspensionReason.LOCKED)):
        return _first_wait(ledger, quota, now, key, signal, recent), None
    if not probing:
        until = max(suspension.until, now + _wait_seconds(quota, signal, suspension.rounds))
        return replace(ledger, suspension=replace(suspension, until=until, seconds=until - now)), None
    if signal.reason is SuspensionReason.LOCKED and suspension.retesting_row is None and suspension.limited_row == key:
        return replace(ledger, suspension=replace(suspension, retesting_row=key)), None
    if suspension.retesting_row is None:
        suspension = replace(suspension, limited_row=key)
    again, over = _wait_again(suspension, quota, now, signal)
    ledger = replace(ledger, suspension=again)
    return ledger, WaitsExhausted(ledger, suspension.reason) if over else None


def after_reboot(ledger: Ledger, quota: Quota, now: float) -> Ledger:
    """The ledger of an earlier boot, whose monotonic times mean nothing any more, made safe for this one."""
    suspension = ledger.suspension
    if suspension is not None:
        suspension = replace(suspension, until=min(suspension.until, now + suspension.seconds), probe=None)
    return replace(
        ledger,
        next_at=min(ledger.next_at, now + pace(budget(ledger, quota, now), quota)),
        last_at=None if ledger.last_at is None else now,
        burst=0,
        suspension=suspension,
        budget_at=min(ledger.budget_at, now),
    )


def shared_ends(lefts: Sequence[int], quota: Quota) -> list[float]:
    """In how many seconds jobs with so many rows left end, each getting its turn; in the order given."""
    ends, at, before = [0.0] * len(lefts), 0.0, 0
    by_length = sorted(range(len(lefts)), key=lambda i: lefts[i])
    for done, i in enumerate(by_length):
        at += (lefts[i] - before) * (len(lefts) - done) * pace(quota.calls, quota)
        ends[i], before = at, lefts[i]
    return ends


def forecast(calls: int, quota: Quota) -> float:
    """Seconds that ``calls`` removals take at the limit when nobody else uses it: one burst, then the pace."""
    if calls <= quota.calls:
        return 0.0
    return quota.window + quota.margin + (calls - quota.calls - 1) * pace(quota.calls, quota)


def peak_calls(sent: Sequence[float], window: float) -> int:
    """The most calls in any ``window`` seconds; ``sent`` holds their times in ascending order."""
    worst = first = 0
    for last, time in enumerate(sent):
        while time - sent[first] >= window:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


def _wait_seconds(quota: Quota, signal: Signal, rounds: int) -> float:
    asked = min(signal.seconds or 0.0, MAX_WAIT)
    match signal.reason:
        case SuspensionReason.LOCKED:
            return max(quota.lock, asked) + quota.margin
        case SuspensionReason.FAILING:
            return quota.lock if signal.seconds is None else asked
        case SuspensionReason.UNREACHABLE:
            return UNREACHABLE_WAITS[min(rounds, len(UNREACHABLE_WAITS)) - 1]


def _first_wait(ledger: Ledger, quota: Quota, now: float, key: str, signal: Signal, recent: int) -> Ledger:
    seconds = _wait_seconds(quota, signal, 1)
    until = max(now + seconds, ledger.suspension.until if ledger.suspension else 0.0)
    suspension = Suspension(signal.reason, until, until - now, limited_row=key, budget_before=ledger.budget)
    if signal.reason is SuspensionReason.LOCKED and recent < quota.calls:
        # Our own calls can't have filled the window: somebody else spends the same allowance.
        lowered = max(min(MIN_BUDGET, quota.calls), budget(ledger, quota, now) // 2)
        ledger = replace(ledger, budget=lowered, budget_at=suspension.until)
    return replace(ledger, suspension=suspension, burst=0, individually_limited_row=None)


def _wait_again(suspension: Suspension, quota: Quota, now: float, signal: Signal) -> tuple[Suspension, bool]:
    """The next full wait, and whether the last one allowed is over already."""
    over = suspension.rounds >= FULL_WAITS[suspension.reason]
    rounds = 1 if over else suspension.rounds + 1
    until = max(suspension.until, now + _wait_seconds(quota, signal, rounds))
    return replace(suspension, until=until, seconds=until - now, rounds=rounds, retesting_row=None, probe=None), over
