"""How jobs stand: every state has a line in the table, and nothing that is not known is told as finished."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import Job, JobState, Tally
from bulkremove.domain.row import Roles, Status
from bulkremove.domain.standing import STANDINGS, Standing, standing_of
from bulkremove.domain.status_words import STATUS_WORDS
from bulkremove.web.filters import about, pill, tab_icon

NOW = Epoch(100_000.0)
JOB = Job("j", "a", "h", "f.csv", "", None, ("c",), Roles(0, 0, 0), "x", JobState.PAUSED, last_run_at=NOW)


def stands(state: JobState, tally: Tally, *, now: Epoch = NOW, is_running: bool = False) -> Standing:
    return standing_of(replace(JOB, state=state), tally, now=now, is_running=is_running)


def test_every_standing_and_every_status_has_words_and_an_icon_that_is_there() -> None:
    assert [*Standing] == [*STANDINGS]
    assert [*Status] == [*STATUS_WORDS]
    for standing in Standing:
        assert standing.label in pill(standing)
        assert any(shape in pill(standing) for shape in ("<path", "<circle", "<rect"))
        assert tab_icon(standing).startswith("icon")


@pytest.mark.parametrize("state", JobState)
def test_only_a_finished_job_without_open_rows_and_problems_is_finished(state: JobState) -> None:
    removed = Tally({Status.REMOVED: 3})
    assert (state is JobState.FINISHED) is (stands(state, removed) is Standing.FINISHED)
    for odd in (Tally({Status.REMOVED: 3}, open=1), Tally({Status.UNKNOWN: 1}), Tally({Status.NOT_SENT: 1})):
        assert Standing.FINISHED is not stands(state, odd)
    assert state.is_over is (stands(state, removed, is_running=True) is not Standing.RUNNING)


def test_what_is_left_of_a_job_is_told_by_its_age_and_by_whether_it_runs() -> None:
    left = Tally({Status.REMOVED: 3}, open=2)
    assert Standing.PAUSED is stands(JobState.PAUSED, left)
    assert Standing.INTERRUPTED is stands(JobState.RUNNING, left)
    assert Standing.NEEDS_REVIEW is stands(JobState.RUNNING, left, now=Epoch(NOW + 3700))
    assert Standing.CANCELLED is stands(JobState.CANCELLED, Tally({Status.NOT_SENT: 2}))
    running = replace(JOB, state=JobState.RUNNING)
    assert Standing.WAITING is standing_of(running, left, now=NOW, is_running=True, is_waiting=True)
    assert Standing.LOCKED is standing_of(running, left, now=NOW, is_running=True, is_waiting=True, is_locked=True)


def test_durations_are_no_more_exact_than_what_is_known() -> None:
    expected = ["less than a minute", "about 3 min", "about 2 h 10 min", "about 1 h", "about 2 h"]
    assert expected == [about(seconds) for seconds in (20, 180, 7800, 3600, 7170)]
