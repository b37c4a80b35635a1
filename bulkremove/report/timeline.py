"""A job's removals over time, and the waits in which no row could be sent, for the chart on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bulkremove.domain.clock import Epoch, seconds_between

MAX_POINTS = 120
"""Points of the line besides its first and last; more can't be told apart on a page."""


@dataclass(frozen=True, slots=True)
class SilentPeriod:
    """A wait without calls, in seconds after the start, and the event that began it (``locked``, ``failing``...)."""

    start: float
    end: float
    name: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A job over time. ``points``: (seconds after the start, removals so far), ascending; ``seconds``: its length."""

    began_at: Epoch
    """The start: the first removal or wait; 0 without either."""
    seconds: float
    points: tuple[tuple[float, int], ...]
    silent_periods: tuple[SilentPeriod, ...]


def timeline(removed_at: Sequence[Epoch], waits: Iterable[tuple[Epoch, Epoch | None, str]]) -> Timeline:
    """Build the timeline. ``removed_at``: ascending; ``waits``: begin, first call after it, event name.

    A wait with no call after it is left out, because its length is not known.
    """
    ended_waits = [(begin, end, name) for begin, end, name in waits if end is not None]
    times = [*removed_at, *(time for begin, end, _ in ended_waits for time in (begin, end))]
    if not times:
        return Timeline(Epoch(0.0), 0.0, (), ())
    start, total = min(times), len(removed_at)
    step = max(1, -(-total // MAX_POINTS))
    counts = [n for n in range(1, total + 1) if n % step == 0 or n in (1, total)]
    points = tuple((seconds_between(start, removed_at[n - 1]), n) for n in counts)
    quiet = tuple(
        SilentPeriod(seconds_between(start, begin), seconds_between(start, end), name)
        for begin, end, name in ended_waits
    )
    return Timeline(start, seconds_between(start, max(times)), points, quiet)
