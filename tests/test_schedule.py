"""Nightly runs over the year: one on every date in every zone, caught up once, never outside the window."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.domain.clock import Epoch, later
from bulkremove.domain.schedule import Schedule, Window

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Santiago",
    "UTC",
    "Africa/Cairo",
]
zones = st.sampled_from(ZONES).map(ZoneInfo)
times = st.times(max_value=time(23, 59)).map(lambda at: at.replace(second=0, microsecond=0))
nows = st.floats(1_767_225_600.0, 1_830_297_600.0).map(Epoch)


def local(text: str, zone: str = "Europe/Berlin") -> Epoch:
    return Epoch(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).timestamp())


@given(zones, times)
def test_a_year_has_one_night_on_every_date(zone: ZoneInfo, at: time) -> None:
    schedule, last, now, ran = Schedule(at, zone), None, local("2026-01-01T00:00", "UTC"), list[date]()
    for _ in range(366 * 12):
        now = later(now, 7200.0)
        night = schedule.due(last, now)
        if night is not None:
            last = night
            ran.append(night)
    assert [ran[0] + timedelta(days=i) for i in range(len(ran))] == ran
    assert len(ran) >= 365


@pytest.mark.parametrize(
    ("day", "at", "wanted"),
    [
        ("2026-03-29", time(2, 30), "2026-03-29T01:30:00+00:00"),  # 02:30 is skipped: it comes at 03:30
        ("2026-10-25", time(2, 30), "2026-10-25T00:30:00+00:00"),  # 02:30 comes twice: the first
        ("2026-07-01", time(2, 30), "2026-07-01T00:30:00+00:00"),
    ],
)
def test_clock_changes_move_a_start_and_lose_none(day: str, at: time, wanted: str) -> None:
    start = Schedule(at, ZoneInfo("Europe/Berlin")).start_of(date.fromisoformat(day))
    assert datetime.fromisoformat(wanted).timestamp() == start


def test_missed_nights_are_due_once() -> None:
    now = local("2026-06-10T12:00")
    zone = ZoneInfo("Europe/Berlin")
    last = date(2026, 6, 5)
    assert date(2026, 6, 10) == Schedule(time(2), zone).due(last, now)
    assert Schedule(time(2), zone).due(date(2026, 6, 10), now) is None


def test_a_night_that_started_while_the_clock_was_wrong_keeps_none_from_running() -> None:
    schedule, now = Schedule(time(2), ZoneInfo("Europe/Berlin")), local("2026-06-10T12:00")
    assert date(2026, 6, 10) == schedule.due(date(2036, 1, 1), now)
    assert schedule.due(date(2026, 6, 11), now) is None, "as it was in a zone further east"


@given(zones, times, nows)
def test_the_next_starts_lie_ahead_one_a_date(zone: ZoneInfo, at: time, now: Epoch) -> None:
    found = Schedule(at, zone).next_starts(now, 10)
    assert all(start > now for _, start in found)
    assert [found[0][0] + timedelta(days=i) for i in range(10)] == [day for day, _ in found]
    assert found[0][1] - now <= 25 * 3600 + 1


@given(zones, times, times, nows)
def test_a_window_is_open_between_its_times_and_closes_at_its_end(
    zone: ZoneInfo, begin: time, end: time, now: Epoch
) -> None:
    schedule = Schedule(begin, zone, window=Window(begin, end))
    until = schedule.open_until(now)
    clock = datetime.fromtimestamp(now, zone).time()
    changes = {datetime.fromtimestamp(now + hours * 3600.0, zone).utcoffset() for hours in range(-30, 31)}
    if len(changes) == 1:  # on days without a clock change the local time alone says it
        inside = begin <= clock < end if begin < end else clock >= begin or clock < end
        assert inside == (until is not None)
    if until is not None:
        assert now < until <= now + 25 * 3600
        assert end == datetime.fromtimestamp(until, zone).time() or len(changes) > 1


def test_without_a_window_it_is_always_open() -> None:
    assert Schedule(time(2), ZoneInfo("UTC")).open_until(Epoch(0.0)) is not None
