"""The rate limit's values: an account's quota, and the ledger that all processes of a machine share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Quota:
    """The account's allowance and how carefully it is kept. All times in seconds.

    ``calls`` in ``window``, then ``lock``: Zoho People's LMS pages ("threshold 30 requests, lock period
    5 minutes"). The other figures are measured; docs/decisions/ has the reasons.
    """

    calls: int = 30
    window: float = 60.0
    lock: float = 300.0
    daily: int | None = None
    """Calls in any 24 hours; None for no cap."""
    margin: float = 1.1
    """Covers whole-second time stamps, nodes 250 ms apart and clocks that drift by 500 ppm."""
    grace: float = 60.0
    """How much later than our giving up a proxy may still deliver a request."""
    slack: float = 1.055
    """The pace is ``window / calls * slack``: a little slower than the limit."""
    exchange: float = 45.0
    """Longest time from taking a slot to giving the exchange up."""


class SuspensionReason(StrEnum):
    """Why nobody may send for a while."""

    LOCKED = "locked"
    """Zoho said that the allowance is used up."""
    FAILING = "failing"
    """Zoho's own errors pile up, or it asked for a wait."""
    UNREACHABLE = "unreachable"
    """No connection can be made."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """A wait for everybody on the account; after it one row goes as the probe. Monotonic seconds."""

    reason: SuspensionReason
    until: float
    seconds: float
    """How long it was set for; after a reboot it lasts that long at most."""
    rounds: int = 1
    """Full waits so far, this one included."""
    limited_row: str | None = None
    """Key of the row whose answer began it; that row is the first probe."""
    retesting_row: str | None = None
    """Key of a row whose probe was refused; one other row is tried before the next full wait."""
    probe: str | None = None
    """Key of the row that is on its way as the probe."""
    probe_until: float = 0.0
    """When a probe whose process died is given up."""
    budget_before: int | None = None
    """The budget to go back to, should the retesting row turn out to have a limit of its own."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What all processes of the machine share about one account's allowance. Monotonic seconds."""

    next_at: float = 0.0
    """The pace: no paced call before this."""
    burst: int = 0
    """Calls that may still go at once."""
    last_at: float | None = None
    """When a call last left or was answered; None before the first."""
    suspension: Suspension | None = None
    individually_limited_row: str | None = None
    """Key of a row that hit a limit of its own, not the account's."""
    budget: int | None = None
    """Lowered number of calls a window while somebody else uses the allowance too; None when full."""
    budget_at: float = 0.0
    """When the quiet time began that raises the budget again."""
