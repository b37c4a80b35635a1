"""Zoho's threshold as arithmetic: which call is one too many, and how long the account is locked then.

Nobody outside knows how Zoho counts its minute, so there are five ways. Pure: the time comes in with each call, so
the sandbox's server and a benchmark on a virtual clock use the very same counters. Never waits, never answers.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Protocol

from bulkremove.domain.errors import SandboxError

_ROUNDING = 1e-9
"""Calls; so that an even pace of exactly the limit is not refused over the last bit of a float."""


class Rule(StrEnum):
    """How a window is told from the next."""

    ROLLING = "rolling"
    """The last ``window`` seconds, at any time."""
    FIXED = "fixed"
    """Minutes of the server's clock."""
    FIRST_CALL = "first-call"
    """A window begins with the first call after the last one ended."""
    TWO_BUCKET = "two-bucket"
    """A rolling window guessed from this minute's and the last one's counts, as many proxies do."""
    TOKEN_BUCKET = "token-bucket"  # noqa: S105 - the name of an algorithm, not a secret
    """``calls`` tokens, refilled evenly; each call takes one."""


class Counter(Protocol):
    """Counts calls; ``full`` tells whether the one that arrives now is too many. Times never go back."""

    def __init__(self, calls: int, window: float) -> None: ...

    def full(self, now: float) -> bool: ...


class Rolling:
    """At most ``calls`` in any ``window`` seconds, the older end excluded."""

    def __init__(self, calls: int, window: float) -> None:
        self._calls = calls
        self._recent = Recent(window)

    def full(self, now: float) -> bool:
        return self._recent.add(now) > self._calls


class Fixed:
    """At most ``calls`` in each ``window`` seconds of the clock."""

    def __init__(self, calls: int, window: float) -> None:
        self._calls, self._window = calls, window
        self._index, self._count = -1, 0

    def full(self, now: float) -> bool:
        index = int(now // self._window)
        if index != self._index:
            self._index, self._count = index, 0
        self._count += 1
        return self._count > self._calls


class FirstCall:
    """At most ``calls`` in the ``window`` seconds that a first call begins."""

    def __init__(self, calls: int, window: float) -> None:
        self._calls, self._window = calls, window
        self._ends, self._count = float("-inf"), 0

    def full(self, now: float) -> bool:
        if now >= self._ends:
            self._ends, self._count = now + self._window, 0
        self._count += 1
        return self._count > self._calls


class TwoBucket:
    """This minute's count plus the share of the last one's that a rolling window would still cover."""

    def __init__(self, calls: int, window: float) -> None:
        self._calls, self._window = calls, window
        self._index, self._count, self._last = -1, 0, 0

    def full(self, now: float) -> bool:
        index, into = divmod(now, self._window)
        if index != self._index:
            self._last = self._count if index == self._index + 1 else 0
            self._index, self._count = int(index), 0
        self._count += 1
        return self._last * (1 - into / self._window) + self._count > self._calls + _ROUNDING


class TokenBucket:
    """``calls`` tokens at the start, ``calls / window`` new ones a second, never more than ``calls``."""

    def __init__(self, calls: int, window: float) -> None:
        self._calls, self._rate = calls, calls / window
        self._tokens, self._at = float(calls), float("-inf")

    def full(self, now: float) -> bool:
        self._tokens = min(self._calls, self._tokens + (now - self._at) * self._rate)
        self._at = now
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
        """Take a call in; how many there are now, this one included."""
        while self._times and self._times[0] <= now - self._window:
            self._times.popleft()
        self._times.append(now)
        return len(self._times)


_COUNTERS: dict[Rule, type[Counter]] = {
    Rule.ROLLING: Rolling,
    Rule.FIXED: Fixed,
    Rule.FIRST_CALL: FirstCall,
    Rule.TWO_BUCKET: TwoBucket,
    Rule.TOKEN_BUCKET: TokenBucket,
}


class Threshold:
    """``calls`` a ``window``, then a ``lock`` (seconds), and what happened so far.

    A call counts when it arrives. The first one too many is refused and begins the lock; a lock clears the count.
    ``extend``: each of our calls during a lock begins it anew; those of others don't, or it would never end.
    Raises SandboxError for figures that make no sense.
    """

    def __init__(
        self,
        calls: int = 30,
        window: float = 60.0,
        lock: float = 300.0,
        rule: Rule | str = Rule.ROLLING,
        *,
        extend: bool = False,
    ) -> None:
        if rule not in tuple(Rule):
            raise SandboxError(f"{rule!r} is no rule of the sandbox.", hint=f"There are: {', '.join(Rule)}.")
        if calls < 1 or not window > 0 or not lock >= 0:
            raise SandboxError(
                f"The sandbox can't keep a limit of {calls} calls in {window:g} s with a lock of {lock:g} s.",
                hint="Give at least 1 call, more than 0 seconds and a lock of 0 seconds or more.",
            )
        self.calls, self.window, self.lock, self.extend = calls, window, lock, extend
        self.rule = Rule(rule)
        self.locked_until = float("-inf")
        self.lockouts = 0
        """Locks that began, whoever's call was one too many."""
        self.refused = 0
        """Our calls that a lock refused, the one that began it included."""
        self.peak_calls = 0
        """Most calls that arrived in any rolling window, whoever made them, refused or not."""
        self._counter = _COUNTERS[self.rule](calls, window)
        self._record = Recent(window)

    def locked(self, now: float) -> bool:
        return now < self.locked_until

    def arrive(self, now: float, *, foreign: bool = False) -> bool:
        """A call arrives at ``now`` (seconds, never less than before); False when it is refused."""
        self.peak_calls = max(self.peak_calls, self._record.add(now))
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


class Foreign:
    """Calls of others that spend the same allowance, evenly, from the first look on."""

    def __init__(self, per_minute: float) -> None:
        self._gap = 60.0 / per_minute if per_minute else float("inf")
        self._next: float | None = None

    def until(self, now: float) -> list[float]:
        """The times of those calls that arrived since the last look."""
        if self._next is None:
            self._next = now + self._gap
        times = []
        while self._next <= now:
            times.append(self._next)
            self._next += self._gap
        return times
