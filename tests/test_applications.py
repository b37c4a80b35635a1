"""Several applications on one home in one process: in one event loop, one in each thread, one for each request."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import App, RunResult, SandboxOptions
from bulkremove.config import Settings
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.errors import JobUnsuitable
from bulkremove.domain.job import JobState
from bulkremove.domain.row import Status
from bulkremove.reading.options import ReadOptions
from bulkremove.sandbox import read_log, replies
from tests.application_fixtures import JOBS, ROWS, account, application, run, stored
from tests.cli_fixtures import crowd
from tests.web_fixtures import triples


async def run_job(app: App, folder: Path, number: int) -> RunResult:
    file = folder / f"{number}.csv"
    file.write_text(triples(ROWS, first=number * ROWS))
    shown = await app.plans.preview(file, name=file.name, options=ReadOptions())
    job = await stored(app, shown, folder)
    return await run(app, job)


def check(folder: Path, ended: list[RunResult]) -> None:
    """Each row was sent once and is reported as removed."""
    assert [JobState.FINISHED] * len(ended) == [one.job.state for one in ended]
    assert [ROWS] * len(ended) == [one.tally[Status.REMOVED] for one in ended]
    calls = [entry.removal.learner for entry in read_log(folder / "log.jsonl") if entry.removal]
    assert (len(ended) * ROWS, len(ended) * ROWS) == (len(calls), len(set(calls)))


async def test_applications_in_one_event_loop_run_their_jobs_side_by_side(tmp_path: Path) -> None:
    with account(tmp_path) as environ:
        apps = [application(environ) for _ in range(JOBS)]
        ended = await asyncio.gather(*(run_job(app, tmp_path, number) for number, app in enumerate(apps)))
        assert JOBS == len(await apps[0].jobs.all())
        for app in apps:
            app.close()
    check(tmp_path, ended)


def test_applications_in_threads_of_their_own_run_their_jobs_side_by_side(tmp_path: Path) -> None:
    with account(tmp_path) as environ:

        def run(number: int) -> RunResult:
            with closing(application(environ)) as app:
                return asyncio.run(run_job(app, tmp_path, number))

        with ThreadPoolExecutor(JOBS) as pool:
            ended = list(pool.map(run, range(JOBS)))
    check(tmp_path, ended)


async def test_an_application_for_each_request_leaves_a_running_job_alone(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        running = asyncio.create_task(run_job(app, tmp_path, 0))
        requests = 0
        while not running.done():
            with closing(application(environ)) as other:
                assert len(await other.jobs.all()) <= 1
                await other.record("jo", AuditAct.ROSTER)
                assert (await other.audit.verify()).broken is None
            requests += 1
        assert requests > 1
        check(tmp_path, [await running])
        assert requests <= (await app.audit.verify()).entries


async def test_a_retry_of_a_job_whose_rows_are_all_settled_makes_no_job(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        ended = await run_job(app, tmp_path, 0)
        with pytest.raises(JobUnsuitable, match="no rows to send again"):
            await app.plans.retry(ended.job.id, unknown_checked=True)
        assert [ended.job.id] == [job.id for job in await app.jobs.all()]


async def test_a_date_of_zohos_that_is_none_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = replies.CANNED["completed"].body
    headers = {"Date": "Mon, 14 Nov 2023 22:14:20 +99999999999999"}
    monkeypatch.setitem(replies.CANNED, "completed", replies.CannedResponse(400, body, headers=headers))
    world, file = crowd(tmp_path, 2, missing=0, faults={"learners": {str(478346000019558000): ["completed"]}})
    with closing(App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world, 200.0))) as app:
        preview = await app.plans.preview(file, name="a.csv", options=ReadOptions())
        ended = await run(app, await stored(app, preview, tmp_path))
    assert (1, 1) == (ended.tally[Status.REFUSED], ended.tally[Status.REMOVED])
