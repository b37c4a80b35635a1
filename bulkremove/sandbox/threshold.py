"""Zoho's rate limit as arithmetic: which call is one too many, and how long the account is locked then.

Zoho does not document how it counts a minute, so there are five rules. Pure: the time is an argument of each call, so
that the sandbox's server and a benchmark on a virtual clock use the same counters.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Protocol

from bulkremove.domain.errors import SandboxError

_ROUNDING = 1e-9
"""Calls; a tolerance, so that an even pace of exactly the limit is not refused over a rounding error."""


class CountingRule(StrEnum):
    """How calls are counted in windows."""

    ROLLING = "rolling"
    """The last ``window`` seconds, at any time."""
    FIXED = "fixed"
    """Consecutive windows of the server's clock, such as its full minutes."""
    FIRST_CALL = "first-call"
    """A window begins with the first call after the previous window ended."""
    TWO_BUCKET = "two-bucket"
    """A rolling window estimated from the counts of this minute and the previous one, as many proxies do."""
    TOKEN_BUCKET = "token-bucket"  # noqa: S105 - the name of an algorithm, not a secret
    """``calls`` tokens, refilled evenly; each call takes one."""


class Counter(Protocol):
    """Counts calls, at most ``calls`` in ``window`` seconds. Times are seconds that never go back."""

    def __init__(self, calls: int, window: float) -> None: ...

    def full(self, now: float) -> bool:
        """Count a call that arrives at ``now``; True when it is one too many."""
        ...


class Rolling:
    """At most ``calls`` in any ``window`` seconds; a call exactly ``window`` seconds ago no longer counts."""

    def __init__(self, calls: int, window: float) -> None:
        self._calls = calls
        self._recent = Recent(window)

    def full(self, now: float) -> bool:
        """Count a call; True when more than ``calls`` arrived in the last ``window`` seconds."""
        return self._recent.add(now) > self._calls


class Fixed:
    """At most ``calls`` between two multiples of ``window`` seconds of the clock."""

    def __init__(self, calls: int, window: float) -> None:
        self._calls, self._window = calls, window
        self._index, self._count = -1, 0

    def full(self, now: float) -> bool:
        """Count a call; True when the window of ``now`` has more than ``calls``."""
        index = int(now // self._window)
        if index != self._index:
            self._index, self._count = index, 0
        self._count += 1
        return self._count > self._calls


class FirstCall:
    """At most ``calls`` in ``window`` seconds, which begin with the first call after the previous window."""

    def __init__(self, calls: int, window: float) -> None:
        self._calls, self._window = calls, window
        self._end, self._count = float("-inf"), 0

    def full(self, now: float) -> bool:
        """Count a call; True when the window that a first call began has more than ``calls``."""
        if now >= self._end:
            self._end, self._count = now + self._window, 0
        self._count += 1
        return self._count > self._calls


class TwoBucket:
    """The count of the current window, plus the share of the previous one that a rolling window would still cover."""

    def __init__(self, calls: int, window: float) -> None:
        self._calls, self._window = calls, window
        self._index, self._count, self._previous = -1, 0, 0

    def full(self, now: float) -> bool:
        """Count a call; True when the estimate for the last ``window`` seconds exceeds ``calls``."""
        index, elapsed = divmod(now, self._window)
        if index != self._index:
            self._previous = self._count if index == self._index + 1 else 0
            self._index, self._count = int(index), 0
        self._count += 1
        return self._previous * (1 - elapsed / self._window) + self._count > self._calls + _ROUNDING


class TokenBucket:
    """``calls`` tokens at the start, ``calls / window`` new ones a second, never more than ``calls``."""

    def __init__(self, calls: int, window: float) -> None:
        self._calls, self._rate = calls, calls / window
        self._tokens, self._refilled_at = float(calls), float("-inf")

    def full(self, now: float) -> bool:
        """Take a token for a call; True when there is none."""
        self._tokens = min(self._calls, self._tokens + (now - self._refilled_at) * self._rate)
        self._refilled_at = now
        if self._tokens < 1 - _ROUNDING:
            return True
        self._tokens -= 1
        return False


class Recent:
    """The calls of the last ``window`` seconds."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._times: deque[float] = deque()

    def add(self, now: float) -> int:
        """Add a call that arrives at ``now``; return how many are in the window, this one included."""
        while self._times and self._times[0] <= now - self._window:
            self._times.popleft()
        self._times.append(now)
        return len(self._times)


_COUNTERS: dict[CountingRule, type[Counter]] = {
    CountingRule.ROLLING: Rolling,
    CountingRule.FIXED: Fixed,
    CountingRule.FIRST_CALL: FirstCall,
    CountingRule.TWO_BUCKET: TwoBucket,
    CountingRule.TOKEN_BUCKET: TokenBucket,
}


class Threshold:
    """A limit of ``calls`` in ``window`` seconds, then a lock of ``lock`` seconds, with counts of what happened.

    A call counts when it arrives. The first one too many is refused and begins the lock, which clears the count.
    ``extend``: each of our calls during a lock begins it anew; those of other clients don't, or it would never end.
    Raises SandboxError for an unknown rule and for values out of range.
    """

    def __init__(
        self,
        calls: int = 30,
        window: float = 60.0,
        lock: float = 300.0,
        rule: CountingRule | str = CountingRule.ROLLING,
        *,
        extend: bool = False,
    ) -> None:
        if rule not in tuple(CountingRule):
            raise SandboxError(f"{rule!r} is not a rule of the sandbox.", hint=f"There are: {', '.join(CountingRule)}.")
        if calls < 1 or not window > 0 or not lock >= 0:
            raise SandboxError(
                f"The sandbox can't keep a limit of {calls} calls in {window:g} s with a lock of {lock:g} s.",
                hint="Give at least 1 call, more than 0 seconds and a lock of 0 seconds or more.",
            )
        self.calls, self.window, self.lock, self.extend = calls, window, lock, extend
        self.rule = CountingRule(rule)
        self.locked_until = float("-inf")
        self.lockouts = 0
        """Locks that began, by a call of any client."""
        self.refused = 0
        """Our calls that were refused, those that began a lock included."""
        self.peak_calls = 0
        """The most calls of all clients that arrived in any rolling window, refused ones included."""
        self._counter = _COUNTERS[self.rule](calls, window)
        self._arrivals = Recent(window)

    def locked(self, now: float) -> bool:
        """Whether the account is locked at ``now``."""
        return now < self.locked_until

    def arrive(self, now: float, *, foreign: bool = False) -> bool:
        """Count a call that arrives at ``now`` (seconds, never less than before); False when it is refused."""
        self.peak_calls = max(self.peak_calls, self._arrivals.add(now))
        if self.locked(now):
            if self.extend and not foreign:
                self.locked_until = now + self.lock
        elif self._counter.full(now):
            self.lockouts += 1
            self.locked_until = now + self.lock
            self._counter = _COUNTERS[self.rule](self.calls, self.window)
        else:
            return True
        self.refused += not foreign
        return False


class ForeignCalls:
    """Calls of other clients that spend the same limit, evenly spaced, from the first ``until`` on."""

    def __init__(self, per_minute: float) -> None:
        if not 0.0 <= per_minute <= 100_000.0:
            raise SandboxError(f"{per_minute:g} calls of others a minute is not a number from 0 to 100,000.")
        self._gap = 60.0 / per_minute if per_minute else float("inf")
        self._next: float | None = None

    def until(self, now: float) -> list[float]:
        """The times of the calls that arrived since the previous ``until``; none at the first."""
        if self._next is None:
            self._next = now + self._gap
        times = []
        while self._next <= now:
            times.append(self._next)
            self._next += self._gap
        return times
