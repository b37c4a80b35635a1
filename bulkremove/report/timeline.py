"""A job's removals over time, and the waits in which no row could be sent, for the chart on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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

    began_at: float
    """Epoch seconds of the start: the first removal or wait; 0 without either."""
    seconds: float
    points: tuple[tuple[float, int], ...]
    quiet: tuple[SilentPeriod, ...]


def timeline(removed_at: Sequence[float], waits: Iterable[tuple[float, float | None, str]]) -> Timeline:
    """Build the timeline. ``removed_at``: epoch seconds, ascending; ``waits``: begin, first call after it, event name.

    A wait with no call after it is left out, because its length is not known.
    """
    ended_waits = [(begin, end, name) for begin, end, name in waits if end is not None]
    times = [*removed_at, *(time for begin, end, _ in ended_waits for time in (begin, end))]
    if not times:
        return Timeline(0.0, 0.0, (), ())
    start, total = min(times), len(removed_at)
    step = max(1, -(-total // MAX_POINTS))
    counts = [n for n in range(1, total + 1) if n % step == 0 or n in (1, total)]
    points = tuple((removed_at[n - 1] - start, n) for n in counts)
    quiet = tuple(SilentPeriod(begin - start, end - start, name) for begin, end, name in ended_waits)
    return Timeline(start, max(times) - start, points, quiet)
