"""Maintenance at night: a web page in place of Zoho's answer is tried again every hour before a person is called."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from bulkremove.app.nightly import NightlyResult, NightlyRunEnd
from bulkremove.domain.job import EndReason, JobState, Tally
from bulkremove.domain.row import Status
from tests.nightly_fixtures import nightly_site
from tests.virtual_time import VirtualClock, run
from tests.web_fixtures import triples

pytestmark = pytest.mark.slow


def night(
    tmp_path: Path, faults: dict[str, object], window: tuple[time, time] | None
) -> tuple[NightlyResult, Tally, float, list[str]]:
    """A night from 01:00 on; the tally of its job, the hours that it took, and the files that were left."""

    async def play() -> tuple[NightlyResult, Tally, float, list[str]]:
        today = datetime.now(UTC).replace(hour=1, minute=0)  # the sandbox's answers carry the real date
        clock = VirtualClock(epoch=today.timestamp())
        async with nightly_site(tmp_path, clock=clock, faults=faults, window=window) as one:
            one.drop("first.csv", triples(10))
            one.drop("second.csv", triples(2, first=20))
            started = clock.wall()
            result = await one.run()
            tally = await one.app.jobs.tally(result.ran[0])
            return result, tally, (clock.wall() - started) / 3600.0, one.where()[""]

    return run(play, wire=0.0005)


def test_maintenance_that_ends_within_the_window_costs_no_more_than_a_row_an_hour(tmp_path: Path) -> None:
    pages: dict[str, object] = {"calls": {"1": "html_200", "2": "html_200"}}
    result, tally, hours, left = night(tmp_path, pages, (time(0), time(6)))
    assert (8, 2) == (tally[Status.REMOVED], tally[Status.UNKNOWN])
    assert [JobState.FINISHED] * 2 == [job.state for job in result.ran]
    assert 2.0 <= hours < 2.2
    assert [] == left


@pytest.mark.parametrize(("window", "tries"), [(None, 4), ((time(0), time(3, 30)), 3)])
def test_a_person_is_called_when_it_lasts_and_no_other_file_meets_the_same_page(
    tmp_path: Path, window: tuple[time, time] | None, tries: int
) -> None:
    result, tally, hours, left = night(tmp_path, {"every": {"1": "html_200"}}, window)
    (job,) = result.ran
    assert (JobState.PAUSED, EndReason.WEB_PAGE) == (job.state, job.reason_code)
    assert NightlyRunEnd.NEEDS_PERSON is result.end
    assert (tries - 1, 10 - tries + 1) == (tally[Status.UNKNOWN], tally.open), "the last one may still be sent"
    assert tries - 1.0 <= hours < tries - 0.8
    assert ["second.csv"] == left
