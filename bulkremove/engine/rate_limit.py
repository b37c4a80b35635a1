"""When the next call may be sent: slots, pace, suspensions and budget, as pure functions.

A slot that is released ``window + margin`` after the *response* to its call allows at most one call in any window, so
``calls`` slots allow at most ``calls``, whatever the latency; docs/decisions/0001-limiter.md has the proof. Nothing
here waits, reads a clock or stores anything: functions take ``now`` and return the new ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bulkremove.domain.clock import Monotonic, later, seconds_between
from bulkremove.domain.ledger import Ledger, Quota, Suspension, SuspensionReason
from bulkremove.engine.slot_decisions import (
    Postponed,
    RowLimited,
    Signal,
    SlotGranted,
    Wait,
    Waiting,
    WaitsExhausted,
    YieldToOtherRow,
)

MIN_BUDGET = 8
"""Minimum of a lowered budget, in calls per window (measured: the best minimum beside other traffic)."""

MAX_REQUESTED_WAIT_SECONDS = 3600.0
"""Maximum seconds that a server's request to wait is honored for."""

FULL_WAITS = {SuspensionReason.LOCKED: 3, SuspensionReason.FAILING: 3, SuspensionReason.UNREACHABLE: 2}
"""After so many waits without a successful call in between, the run ends and the job is paused."""

FIRST_PROBE_SECONDS = 2.0
"""Seconds after a wait in which only the row that began it may be sent."""

SLOW_RESPONSE_SECONDS = 2.0
"""Seconds from slot to response beyond which a call may have arrived late, close to the calls after it."""
SLOW_RESPONSE_PENALTY = 0.2
"""Share of the pace that is then added to the wait for the next call. Measured against a two-bucket counter with a tail
of slow responses: 3 lockouts in 36 runs of 3,000 rows instead of 14 (docs/decisions/0001-limiter.md)."""

UNREACHABLE_WAIT_SECONDS = (5.0, 30.0)
"""Seconds between the three attempts to connect."""


def budget(ledger: Ledger, quota: Quota, now: Monotonic) -> int:
    """Calls that are allowed per window now: the quota, or the lowered budget plus one for every two quiet windows."""
    if ledger.budget is None:
        return quota.calls
    quiet = max(0.0, seconds_between(ledger.budget_at, now))
    return min(quota.calls, ledger.budget + int(quiet // (2 * quota.window)))


def pace(calls: int, quota: Quota) -> float:
    """Seconds between two paced calls at ``calls`` per window."""
    return quota.window / calls * quota.slack


def released_at(quota: Quota, answered_at: Monotonic) -> Monotonic:
    """When the slot of a call may be used again whose response came at ``answered_at``."""
    return later(answered_at, quota.window + quota.margin)


def released_at_without_response(quota: Quota, taken_at: Monotonic) -> Monotonic:
    """The same for a call without a response: time-out, the latest delivery by a proxy, then a window."""
    return released_at(quota, later(taken_at, quota.exchange + quota.grace))


def decide_slot(
    ledger: Ledger, quota: Quota, now: Monotonic, *, key: str, is_only_row: bool, full_until: Monotonic | None
) -> SlotGranted | Wait | Postponed | YieldToOtherRow | RowLimited | WaitsExhausted:
    """Decide whether the row ``key`` may be sent now.

    ``is_only_row``: no other row of the job is left, so none can be tried in its place. ``full_until``: when a slot is
    released, if all slots of the present budget are taken; None if one is free.
    """
    if ledger.individually_limited_row == key:
        return RowLimited(replace(ledger, individually_limited_row=None))
    suspension = ledger.suspension
    if suspension is not None:
        if now < suspension.until:
            return Wait(suspension.until, Waiting(suspension.reason.value))
        if suspension.probe is not None and now < suspension.probe_until:
            return Wait(suspension.probe_until, Waiting.PROBE)
        probe_lost = suspension.retesting_row is not None and suspension.probe not in (None, suspension.retesting_row)
        if suspension.retesting_row == key or probe_lost:
            if not probe_lost and not is_only_row:
                return YieldToOtherRow()
            # No other row can be tried, or the process of the one that was tried died before it recorded a response.
            ledger, exhausted = _wait_again(ledger, suspension, quota, now, Signal(suspension.reason))
            return exhausted or Postponed(ledger)
        if (
            suspension.retesting_row is None
            and suspension.limited_row not in (None, key)
            and now < later(suspension.until, FIRST_PROBE_SECONDS)
        ):
            # The row that began the wait is the first probe, which shows whether the limit is its own or the account's.
            return Wait(later(suspension.until, FIRST_PROBE_SECONDS), Waiting.PROBE)
    return _decide_by_pace(ledger, quota, now, key=key, full_until=full_until)


def decide_read_slot(
    ledger: Ledger, quota: Quota, now: Monotonic, *, key: str, full_until: Monotonic | None
) -> SlotGranted | Wait:
    """Decide whether a read may be made now. ``key``: a new one for each read.

    The first call after a wait is a removal's as long as one may ask: Zoho may count each kind of call by itself, and
    then a read that gets through proves nothing about removals. If none has asked in a window, the read is the probe.
    """
    suspension = ledger.suspension
    if suspension is not None:
        until = later(suspension.until, quota.window)
        if suspension.probe is not None:
            until = max(until, suspension.probe_until)
        if now < until:
            return Wait(until, Waiting(suspension.reason.value))
        ledger = replace(ledger, suspension=replace(suspension, limited_row=None, retesting_row=None))
    return _decide_by_pace(ledger, quota, now, key=key, full_until=full_until)


def _decide_by_pace(
    ledger: Ledger, quota: Quota, now: Monotonic, *, key: str, full_until: Monotonic | None
) -> SlotGranted | Wait:
    """Decide by slots and pace alone; after a wait the call is its probe."""
    suspension = ledger.suspension
    if full_until is not None and full_until > now:
        return Wait(full_until, Waiting.WINDOW)
    calls = budget(ledger, quota, now)
    # A ledger that was never used proves nothing: its home may be new, and the account's calls be those of another.
    idle = ledger.last_at is not None and seconds_between(ledger.last_at, now) >= 2 * quota.window
    burst = calls if idle else min(ledger.burst, calls)
    if burst <= 0 and now < ledger.next_at:
        return Wait(ledger.next_at, Waiting.PACE)
    free_at = released_at_without_response(quota, now)
    if suspension is not None:
        suspension = replace(suspension, probe=key, probe_until=later(now, quota.exchange + quota.grace))
    return SlotGranted(
        replace(
            ledger,
            next_at=later(now, pace(calls, quota)),
            burst=max(0, burst - 1),
            last_at=now,
            suspension=suspension,
        ),
        free_at,
    )


def is_suspended_since(ledger: Ledger, now: Monotonic, *, key: str) -> bool:
    """Whether a wait has begun, for this row too, since the row ``key`` got its slot."""
    suspension = ledger.suspension
    return suspension is not None and (now < suspension.until or suspension.probe != key)


def after_response(
    ledger: Ledger,
    quota: Quota,
    now: Monotonic,
    *,
    key: str,
    signal: Signal | None,
    proves_reachable: bool,
    recent: int,
    took: float = 0.0,
) -> tuple[Ledger, WaitsExhausted | None]:
    """Return the ledger after the response to row ``key``, or after its attempt failed.

    ``signal``: all rows must wait because of it. ``proves_reachable``: it shows that calls get through again, as any
    response of Zoho's own about the row does. ``recent``: our own calls from one window before this one's slot until
    now. ``took``: seconds from the slot to the response.
    """
    ledger = replace(ledger, last_at=now)
    if took > SLOW_RESPONSE_SECONDS:
        penalty = SLOW_RESPONSE_PENALTY * pace(quota.calls, quota)
        ledger = replace(ledger, next_at=later(max(ledger.next_at, now), penalty))
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
        # The other row was refused or got no response: the account's lock may well be still in force.
        next_signal = Signal(suspension.reason, signal.seconds if signal else None)
        return _wait_again(ledger, suspension, quota, now, next_signal)
    if signal is None:
        if suspension is None or not (probing and proves_reachable) or now < suspension.until:
            return ledger, None  # an older call's response may have extended the wait meanwhile
        if suspension.retesting_row not in (None, key):
            # Another row got through at once: the retesting row has a limit of its own, and no other traffic uses ours.
            return replace(
                ledger,
                suspension=None,
                individually_limited_row=suspension.retesting_row,
                budget=suspension.budget_before,
            ), None
        return replace(ledger, suspension=None), None
    new_reason = suspension is not None and suspension.reason is not signal.reason
    if suspension is None or (new_reason and (probing or signal.reason is SuspensionReason.LOCKED)):
        return _first_wait(ledger, quota, now, key, signal, recent), None
    if not probing:
        until = max(suspension.until, later(now, _wait_seconds(quota, signal, suspension.rounds)))
        suspension = replace(suspension, until=until, seconds=seconds_between(now, until))
        return replace(ledger, suspension=suspension), None
    if signal.reason is SuspensionReason.LOCKED and suspension.retesting_row is None and suspension.limited_row == key:
        return replace(ledger, suspension=replace(suspension, retesting_row=key)), None
    if suspension.retesting_row is None:
        suspension = replace(suspension, limited_row=key)
    return _wait_again(ledger, suspension, quota, now, signal)


def after_reboot(ledger: Ledger, quota: Quota, now: Monotonic) -> Ledger:
    """Adapt the ledger of an earlier boot, whose monotonic times mean nothing any more, to this one."""
    suspension = ledger.suspension
    if suspension is not None:
        suspension = replace(suspension, until=min(suspension.until, later(now, suspension.seconds)), probe=None)
    return replace(
        ledger,
        next_at=min(ledger.next_at, later(now, pace(budget(ledger, quota, now), quota))),
        last_at=None if ledger.last_at is None else now,
        burst=0,
        suspension=suspension,
        budget_at=min(ledger.budget_at, now),
    )


def shared_ends(row_counts: Sequence[int], quota: Quota) -> list[float]:
    """Seconds until each of several jobs with so many remaining rows ends, if they take turns; in the order given."""
    ends, elapsed, sent_of_each = [0.0] * len(row_counts), 0.0, 0
    by_length = sorted(range(len(row_counts)), key=lambda i: row_counts[i])
    for ended, i in enumerate(by_length):
        elapsed += (row_counts[i] - sent_of_each) * (len(row_counts) - ended) * pace(quota.calls, quota)
        ends[i], sent_of_each = elapsed, row_counts[i]
    return ends


def forecast(calls: int, quota: Quota, *, is_new: bool) -> float:
    """Seconds that ``calls`` removals take at the limit without other traffic: one burst, then the pace.

    ``is_new``: the ledger was never used, so there is no burst.
    """
    if is_new:
        return max(0, calls - 1) * pace(quota.calls, quota)
    if calls <= quota.calls:
        return 0.0
    return quota.window + quota.margin + (calls - quota.calls - 1) * pace(quota.calls, quota)


def peak_calls(sent: Sequence[float], window: float) -> int:
    """The largest number of calls in any ``window`` seconds. ``sent``: their times in ascending order."""
    peak = first = 0
    for last, time in enumerate(sent):
        while time - sent[first] >= window:
            first += 1
        peak = max(peak, last - first + 1)
    return peak


def _wait_seconds(quota: Quota, signal: Signal, rounds: int) -> float:
    requested = min(signal.seconds or 0.0, MAX_REQUESTED_WAIT_SECONDS)
    match signal.reason:
        case SuspensionReason.LOCKED:
            return max(quota.lock, requested) + quota.margin
        case SuspensionReason.FAILING:
            return quota.lock if signal.seconds is None else requested
        case SuspensionReason.UNREACHABLE:
            return UNREACHABLE_WAIT_SECONDS[min(rounds, len(UNREACHABLE_WAIT_SECONDS)) - 1]


def _first_wait(ledger: Ledger, quota: Quota, now: Monotonic, key: str, signal: Signal, recent: int) -> Ledger:
    until = later(now, _wait_seconds(quota, signal, 1))
    if ledger.suspension is not None:
        until = max(until, ledger.suspension.until)
    seconds = seconds_between(now, until)
    suspension = Suspension(signal.reason, until, seconds, limited_row=key, budget_before=ledger.budget)
    if signal.reason is SuspensionReason.LOCKED and recent < quota.calls:
        # Our own calls can't have filled the window: other traffic uses the same allowance.
        lowered = max(min(MIN_BUDGET, quota.calls), budget(ledger, quota, now) // 2)
        ledger = replace(ledger, budget=lowered, budget_at=suspension.until)
    return replace(ledger, suspension=suspension, burst=0, individually_limited_row=None)


def _wait_again(
    ledger: Ledger, suspension: Suspension, quota: Quota, now: Monotonic, signal: Signal
) -> tuple[Ledger, WaitsExhausted | None]:
    """Begin the next full wait, which is the first of a new series if all that are allowed are over."""
    exhausted = suspension.rounds >= FULL_WAITS[suspension.reason]
    rounds = 1 if exhausted else suspension.rounds + 1
    until = max(suspension.until, later(now, _wait_seconds(quota, signal, rounds)))
    seconds = seconds_between(now, until)
    wait = replace(suspension, until=until, seconds=seconds, rounds=rounds, retesting_row=None, probe=None)
    ledger = replace(ledger, suspension=wait)
    return ledger, WaitsExhausted(ledger, suspension.reason) if exhausted else None
