"""The coordinates of a job's chart of removals over time; the template draws it as SVG."""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.domain.event_names import EventName
from bulkremove.report import Timeline, duration

WIDTH, HEIGHT = 600, 120
"""Size of the drawing in SVG units; the page scales it."""
_WAIT_TEXTS: dict[str, str] = {
    EventName.LOCKED: "locked out by Zoho",
    EventName.FAILING: "Zoho failing",
    EventName.UNREACHABLE: "Zoho not reached",
    EventName.NO_TOKEN: "no access token",
}
"""What the chart says about a wait, by its event."""


@dataclass(frozen=True, slots=True)
class Band:
    """A wait of all rows, as a rectangle over the full height: left edge, width (SVG units) and description."""

    x: float
    width: float
    description: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart."""

    line: str
    """Points of an SVG polyline."""
    bands: tuple[Band, ...]
    description: str
    """The chart as text, for screen readers too."""
    duration_text: str
    """Duration from the first to the last removal or wait, as text."""
    removals: int
    """Removals in all."""


def chart(timeline: Timeline, nouns: str = "removals") -> Chart | None:
    """Draw the chart of a job; None when it has fewer than two removals, or enrolments: ``nouns``."""
    if len(timeline.points) < 2 or timeline.seconds <= 0:
        return None
    removals = timeline.points[-1][1]
    x_scale, y_scale = WIDTH / timeline.seconds, HEIGHT / removals
    line = " ".join(f"{at * x_scale:.1f},{HEIGHT - count * y_scale:.1f}" for at, count in timeline.points)
    bands = tuple(
        Band(
            round(wait.start * x_scale, 1),
            round(max(1.0, (wait.end - wait.start) * x_scale), 1),
            f"{_WAIT_TEXTS[wait.name]} for {duration(wait.end - wait.start)}",
        )
        for wait in timeline.silent_periods
    )
    text = f"{removals:,} {nouns} in {duration(timeline.seconds)}"
    if bands:
        text += "; " + ", ".join(band.description for band in bands)
    return Chart(line, bands, text, duration(timeline.seconds), removals)
