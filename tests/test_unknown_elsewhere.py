"""Rows that are unknown in another job: what a person found decides whether they are sent, else they are unknown."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import App, Preview, RunResult, SandboxOptions
from bulkremove.cli.exit_codes import of_job
from bulkremove.config import Settings
from bulkremove.domain.attempt import LookupResult
from bulkremove.domain.job import Job
from bulkremove.domain.row import Status
from bulkremove.reading.options import ReadOptions
from tests.application_fixtures import run, stored
from tests.cli_fixtures import crowd
from tests.web_fixtures import triples

LEARNER = "478346000019558000"
GONE, STILL_THERE = LookupResult.GONE, LookupResult.STILL_THERE


def application(folder: Path, *, failures: int) -> App:
    """An application whose sandbox answers the first calls about one learner with a failure."""
    world, _ = crowd(folder, 8, faults={"learners": {LEARNER: ["500"] * failures + ["ok"]}})
    return App(Settings(folder / "home"), environ={}, sandbox=SandboxOptions(world, 200.0))


async def preview(app: App, folder: Path, name: str = "f.csv") -> Preview:
    (folder / name).write_text(triples(2))
    return await app.plans.preview(folder / name, name=name, options=ReadOptions())


async def unknown_job(app: App, folder: Path) -> Job:
    """A job whose row 2 is unknown."""
    ended = await run(app, await stored(app, await preview(app, folder), folder))
    assert (1, 1) == (ended.tally[Status.UNKNOWN], ended.tally[Status.REMOVED])
    return ended.job


async def retried(app: App, job: Job, folder: Path, *notes: LookupResult) -> RunResult:
    """The run of a retry; the notes are written after its preview."""
    made = await app.plans.retry(job.id, unknown_checked=True)
    for note in notes:
        await app.jobs.add_note(job.id, 2, "", result=note, by="kim")
    return await run(app, await stored(app, made, folder))


@pytest.mark.parametrize("notes", [[], [STILL_THERE], [GONE, STILL_THERE]])
async def test_a_retry_sends_unknown_rows_whose_learners_are_still_there(
    tmp_path: Path, notes: Sequence[LookupResult]
) -> None:
    with closing(application(tmp_path, failures=3)) as app:
        async with app.connections.in_sandbox():
            ended = await retried(app, await unknown_job(app, tmp_path), tmp_path, *notes)
            (outcome,) = await app.reports.outcomes(ended.job)
            assert (Status.REMOVED, 1) == (outcome.status, outcome.attempts)


async def test_a_retry_does_not_send_a_row_whose_learner_was_found_gone_after_its_preview(tmp_path: Path) -> None:
    with closing(application(tmp_path, failures=3)) as app:
        async with app.connections.in_sandbox():
            job = await unknown_job(app, tmp_path)
            ended = await retried(app, job, tmp_path, STILL_THERE, GONE)
            (outcome,) = await app.reports.outcomes(ended.job)
            words = f"A person saw in Zoho People that this is done (row 2 of job {job.id}). Not sent."
            assert (Status.DONE_BEFORE, 0, words) == (outcome.status, outcome.attempts, outcome.detail)


async def test_a_retry_of_a_retry_sends_the_row_once_more(tmp_path: Path) -> None:
    with closing(application(tmp_path, failures=6)) as app:
        async with app.connections.in_sandbox():
            second = await retried(app, await unknown_job(app, tmp_path), tmp_path, STILL_THERE)
            assert 1 == second.tally[Status.UNKNOWN]
            assert 1 == (await retried(app, second.job, tmp_path)).tally[Status.REMOVED]


async def test_a_row_that_is_unknown_in_another_job_is_unknown(tmp_path: Path) -> None:
    with closing(application(tmp_path, failures=3)) as app:
        async with app.connections.in_sandbox():
            waiting = await preview(app, tmp_path, "waiting.csv")
            other = await unknown_job(app, tmp_path)
            ended = await run(app, await stored(app, waiting, tmp_path))
            (outcome,) = await app.reports.outcomes(ended.job, Status.UNKNOWN)
            assert (2, 0, True) == (outcome.number, outcome.attempts, f"row 2 of job {other.id}" in outcome.detail)
            assert (3, "Look up 1 unknown") == (of_job(ended.job, ended.tally), ended.next_step)


async def test_a_removal_that_another_job_proved_outweighs_one_that_is_unknown(tmp_path: Path) -> None:
    with closing(application(tmp_path, failures=3)) as app:
        async with app.connections.in_sandbox():
            waiting = await preview(app, tmp_path, "waiting.csv")
            await retried(app, await unknown_job(app, tmp_path), tmp_path)
            ended = await run(app, await stored(app, waiting, tmp_path))
            assert 2 == ended.tally[Status.DONE_BEFORE]
