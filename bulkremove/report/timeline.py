"""A job's removals over time, with the stretches in which nobody could send: what a small chart shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_POINTS = 120
"""Points of the line; more can't be told apart on a page."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """A stretch without calls, in seconds after the start, and the event that began it (``locked``, ``failing``...)."""

    start: float
    end: float
    name: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """``points``: (seconds after the start, removals so far), ascending. ``seconds``: from the first to the last."""

    began_at: float
    """Epoch seconds; 0 when nothing happened."""
    seconds: float
    points: tuple[tuple[float, int], ...]
    quiet: tuple[Quiet, ...]


def timeline(removed_at: Sequence[float], waits: Iterable[tuple[float, float | None, str]]) -> Timeline:
    """From the times of removals (epoch seconds, ascending) and of waits: their begin, the first call after it, a name.

    A wait with no call after it is left out: nothing shows how long it kept anybody.
    """
    over = [(begin, end, name) for begin, end, name in waits if end is not None]
    times = [*removed_at, *(time for begin, end, _ in over for time in (begin, end))]
    if not times:
        return Timeline(0.0, 0.0, (), ())
    start, total = min(times), len(removed_at)
    step = max(1, -(-total // MAX_POINTS))
    counted = [n for n in range(1, total + 1) if n % step == 0 or n in (1, total)]
    points = tuple((removed_at[n - 1] - start, n) for n in counted)
    quiet = tuple(Quiet(begin - start, end - start, name) for begin, end, name in over)
    return Timeline(start, max(times) - start, points, quiet)
