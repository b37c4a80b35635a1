"""Nights with a daily allowance, in virtual time: no night without a call, and never more calls than it allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bulkremove.app.nightly import NightlyResult
from bulkremove.domain.clock import Monotonic
from bulkremove.domain.job import EndReason, JobState
from bulkremove.domain.row import Status
from bulkremove.domain.schedule import Schedule
from bulkremove.engine.rate_limit import peak_calls
from tests.nightly_fixtures import NightlySite, nightly_site
from tests.virtual_time import VirtualClock, run
from tests.web_fixtures import triples

DAY = 86_400.0
BERLIN = ZoneInfo("Europe/Berlin")
pytestmark = pytest.mark.slow


@dataclass
class Nights:
    """What some nights removed, and when all calls were made, in seconds since the boot."""

    removed: list[int]
    sent: Sequence[Monotonic]
    ends: list[NightlyResult]

    @property
    def peak_of_a_day(self) -> int:
        return peak_calls(self.sent, DAY)

    @property
    def peak_of_a_minute(self) -> int:
        return peak_calls(self.sent, 60.0)


def nights(tmp_path: Path, rows: int, *, most: int, starts: Schedule, first: datetime, **settings: Any) -> Nights:
    """Run nights by the schedule from a date on, until nothing is left or ``most`` are over."""

    async def play() -> Nights:
        clock = VirtualClock(epoch=first.timestamp())
        async with nightly_site(tmp_path, count=rows, clock=clock, max_removals=rows, **settings) as one:
            one.drop("leavers.csv", triples(rows))
            removed, ends = list[int](), list[NightlyResult]()
            while len(ends) < most and (not ends or (await one.job()).state is not JobState.FINISHED):
                ((_, start),) = starts.next_starts(clock.wall(), 1)
                await clock.sleep(start - clock.wall())
                before = await one.removed()
                ends.append(await one.run())
                removed.append(await one.removed() - before)
            return Nights(removed, await _sent(one), ends)

    return run(play, wire=0.0005)


async def _sent(one: NightlySite) -> Sequence[Monotonic]:
    accounts = one.app.accounts
    key = accounts.ledger_key(one.app.settings)
    return await one.app.context.storage.rate_limit.send_times(key, since=Monotonic(0.0))


def test_many_rows_take_as_many_nights_as_the_allowance_says(tmp_path: Path) -> None:
    """A hundredth of 5,000 rows at 1,000 a day, over a change of the clock; test_limiter.py has a year of nights."""
    found = nights(
        tmp_path, 50, most=12, starts=Schedule(time(2, 30), BERLIN), first=datetime(2026, 3, 27, tzinfo=UTC),
        daily_limit=10,
    )  # fmt: skip
    assert [10] * 5 == found.removed
    assert 10 == found.peak_of_a_day
    assert found.peak_of_a_minute <= 30
    assert [EndReason.DAY_USED_UP] * 4 + [EndReason.NONE] == [night.ran[0].reason_code for night in found.ends]


@pytest.mark.parametrize(("window", "expected"), [(None, [9, 0, 9]), ((time(1), time(6)), [9, 9, 9])])
def test_a_night_waits_for_its_calls_until_its_window_closes(
    tmp_path: Path, window: tuple[time, time] | None, expected: list[int]
) -> None:
    """The first night starts at 03:00, by hand; those after it at 01:00. Without a window none waits for hours."""

    async def play() -> list[int]:
        clock = VirtualClock(epoch=datetime(2026, 1, 5, 3, tzinfo=UTC).timestamp())
        settings: dict[str, Any] = {"daily_limit": 9, "max_removals": 30, "window": window}
        async with nightly_site(tmp_path, count=30, clock=clock, **settings) as one:
            one.drop("leavers.csv", triples(30))
            removed = list[int]()
            for _ in range(3):
                before = (await one.app.jobs.tally(await one.job()))[Status.REMOVED] if removed else 0
                await one.run()
                removed.append(await one.removed() - before)
                ((_, start),) = Schedule(time(1), ZoneInfo("UTC")).next_starts(clock.wall(), 1)
                await clock.sleep(start - clock.wall())
            return removed

    assert expected == run(play, wire=0.0005)
