"""Where the small chart's line and bands go. Numbers only; the template draws them, and nothing here is measured."""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.report import Timeline, duration

WIDTH, HEIGHT = 600, 120
"""Units of the drawing; the page scales it."""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch in which nobody could send."""

    x: float
    width: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """``line``: points of an SVG polyline. ``words``: what a person who can't see it must know."""

    line: str
    bands: tuple[Band, ...]
    words: str
    lasts: str
    most: int


def chart(timeline: Timeline) -> Chart | None:
    """The chart of a job with at least two removals; None for others."""
    if len(timeline.points) < 2 or timeline.seconds <= 0:
        return None
    most = timeline.points[-1][1]
    across, up = WIDTH / timeline.seconds, HEIGHT / most
    line = " ".join(f"{at * across:.1f},{HEIGHT - count * up:.1f}" for at, count in timeline.points)
    bands = tuple(
        Band(
            round(one.start * across, 1),
            round(max(1.0, (one.end - one.start) * across), 1),
            f"{_NAMES[one.name]} for {duration(one.end - one.start)}",
        )
        for one in timeline.quiet
    )
    words = f"{most:,} removals in {duration(timeline.seconds)}"
    if bands:
        words += "; " + ", ".join(band.words for band in bands)
    return Chart(line, bands, words, duration(timeline.seconds), most)


_NAMES = {
    "locked": "locked out by Zoho",
    "failing": "Zoho failing",
    "unreachable": "Zoho not reached",
    "no_token": "no access token",
}
