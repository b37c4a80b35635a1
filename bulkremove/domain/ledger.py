"""Values of the rate limit: the quota of an account, and the ledger that all processes of a machine share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bulkremove.domain.clock import Monotonic


@dataclass(frozen=True, slots=True)
class Quota:
    """The account's rate limit and its safety margins. All times in seconds.

    More than ``calls`` in ``window`` lock the account for ``lock`` (Zoho People's LMS pages: "threshold 30 requests,
    lock period 5 minutes"). The other figures are measured; docs/decisions/0001-limiter.md has the reasons.
    """

    calls: int = 30
    window: float = 60.0
    lock: float = 300.0
    daily: int | None = None
    """Calls in any 24 hours; None for no limit."""
    margin: float = 1.1
    """Added to the window: covers whole-second time stamps, servers 250 ms apart and a clock drift of 500 ppm."""
    grace: float = 60.0
    """How long after its time-out a proxy may still deliver a request."""
    slack: float = 1.055
    """The time between two calls is ``window / calls * slack``: a little slower than the limit."""
    exchange: float = 45.0
    """Longest time from taking a slot until the call times out."""


EMPLOYEE_CALLS = 100
"""Calls of the employee form in a minute: documented are 400, which an organisation's other programs use, too."""


class SuspensionReason(StrEnum):
    """Why all rows of an account wait."""

    LOCKED = "locked"
    """Zoho reported that the limit was exceeded."""
    FAILING = "failing"
    """Zoho returns server errors repeatedly, or asked for a wait."""
    UNREACHABLE = "unreachable"
    """No connection can be made."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """A wait of all rows of an account; after it one row is sent alone as a probe."""

    reason: SuspensionReason
    until: Monotonic
    seconds: float
    """The length that was set; after a reboot it lasts that long at most."""
    rounds: int = 1
    """Full waits so far, this one included."""
    limited_row: str | None = None
    """Key of the row whose response began it; that row is the first probe."""
    retesting_row: str | None = None
    """Key of a row whose probe was refused; one other row is tried before the next full wait."""
    probe: str | None = None
    """Key of the row that is being sent as the probe."""
    probe_until: Monotonic = Monotonic(0.0)
    """When a probe without a response, whose process may have died, no longer blocks other rows."""
    budget_before: int | None = None
    """The budget to restore if the retesting row turns out to have a limit of its own."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The state of one account's rate limit, shared by all processes of the machine."""

    next_at: Monotonic = Monotonic(0.0)
    """No call that is not part of a burst is made before this time."""
    burst: int = 0
    """Calls that may still be made without a pause."""
    last_at: Monotonic | None = None
    """When a call was last sent or answered; None before the first, and then the ledger proves nothing."""
    suspension: Suspension | None = None
    individually_limited_row: str | None = None
    """Key of a row that hit a limit of its own, not the account's."""
    budget: int | None = None
    """Lowered number of calls per window while other programs use the same limit; None: not lowered."""
    budget_at: Monotonic = Monotonic(0.0)
    """From when on time without lockouts raises the budget again."""
