"""What the small chart is drawn from: every removal is in it, and a wait lasts from its event to the next call."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bulkremove.domain.clock import Epoch
from bulkremove.report import SilentPeriod, Timeline, timeline
from bulkremove.report.timeline import MAX_POINTS
from bulkremove.web.chart import HEIGHT, WIDTH, chart


def made(removed_at: list[float], *waits: tuple[float, float | None, str]) -> Timeline:
    return timeline(
        [Epoch(at) for at in removed_at],
        [(Epoch(begin), None if end is None else Epoch(end), name) for begin, end, name in waits],
    )


@given(st.lists(st.floats(0, 1e6), max_size=500))
def test_the_line_climbs_to_the_last_removal_in_few_points(times: list[float]) -> None:
    found = made(sorted(times))
    assert len(found.points) <= MAX_POINTS + 2
    assert sorted(found.points) == list(found.points)
    assert len(times) == (found.points[-1][1] if found.points else 0)


def test_a_wait_lasts_until_the_next_call_and_one_without_is_left_out() -> None:
    found = made([100.0, 500.0], (110.0, 410.0, "locked"), (510.0, None, "failing"))
    assert (SilentPeriod(10.0, 310.0, "locked"),) == found.silent_periods
    assert (100.0, 400.0) == (found.began_at, found.seconds)


def test_the_drawing_fills_its_frame_and_is_told_in_words() -> None:
    drawn = chart(made([100.0, 500.0], (110.0, 410.0, "locked")))
    assert drawn is not None
    assert f"{WIDTH:.1f},0.0" == drawn.line.split()[-1]
    assert f"0.0,{HEIGHT / 2:.1f}" == drawn.line.split()[0]
    assert "2 removals in 6 min 40 s; locked out by Zoho for 5 min 0 s" == drawn.description
    assert (15.0, 450.0) == (drawn.bands[0].x, drawn.bands[0].width)


def test_one_removal_makes_no_line() -> None:
    assert chart(made([100.0])) is None
    assert chart(made([])) is None
