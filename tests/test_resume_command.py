"""`resume` without a job goes on with nothing that somebody else drove or paused, and not for another account."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

from bulkremove.app import App, Consent
from bulkremove.domain.job import EndReason, FrontEnd, Job
from bulkremove.domain.row import Status
from bulkremove.engine.progress import Stop
from bulkremove.reading.options import ReadOptions
from tests.application_fixtures import account, application, run, stored
from tests.cli_fixtures import Bulkremove, environment
from tests.web_fixtures import triples


async def stopped(app: App, folder: Path, text: str, code: EndReason) -> Job:
    """A job of a command whose first run ended before its first row."""
    (folder / "f.csv").write_text(text)
    job = await stored(app, await app.plans.preview(folder / "f.csv", name="f.csv", options=ReadOptions()), folder)
    stop = Stop()
    stop.request("eva paused it." if code is EndReason.PAUSED else "Ctrl-C", code)
    return (await run(app, job, stop=stop)).job


async def paused_on_the_page(app: App, folder: Path, text: str) -> Job:
    (folder / "g.csv").write_text(text)
    job = await app.confirmations.submit(
        await app.plans.preview(folder / "g.csv", name="g.csv", options=ReadOptions()),
        consent=Consent(yes=True),
        folder=folder,
        prepared_by=["eva"],
        by="eva",
        front_end=FrontEnd.PAGE,
    )
    supervisor = app.supervisor()
    supervisor.start(job, by="eva")
    await supervisor.pause(job.id, by="eva")
    return await app.jobs.find(job.id)


def test_resume_without_a_job_leaves_jobs_of_the_page_alone(tmp_path: Path) -> None:
    with account(tmp_path) as environ:
        program = Bulkremove(tmp_path / "home", environment(**environ))
        with closing(application(environ)) as app:
            mine = asyncio.run(stopped(app, tmp_path, triples(5), EndReason.INTERRUPTED))
            hers = asyncio.run(paused_on_the_page(app, tmp_path, triples(20, first=10)))
            left = asyncio.run(app.jobs.tally(hers)).open
            assert left
            done = program("resume")
            assert (0, True) == (done.returncode, mine.id in done.stdout), done.stderr
            assert left == asyncio.run(app.jobs.tally(hers)).open
            assert (2, True) == ((done := program("resume")).returncode, "no unfinished job" in done.stderr)
            refused = program("resume", hers.id)
            assert (4, True) == (refused.returncode, "eva paused it. It last ran" in refused.stderr)
            assert f"resume {hers.id} --rows {left}" in refused.stderr
            assert 0 == program("resume", hers.id, "--rows", str(left)).returncode
            assert 20 == asyncio.run(app.jobs.tally(hers))[Status.REMOVED]


def test_resume_without_a_job_leaves_what_a_person_paused_alone(tmp_path: Path) -> None:
    with account(tmp_path) as environ:
        program = Bulkremove(tmp_path / "home", environment(**environ))
        with closing(application(environ)) as app:
            job = asyncio.run(stopped(app, tmp_path, triples(5), EndReason.PAUSED))
            assert [2, 4, 0] == [
                program("resume", *words).returncode for words in ([], [job.id], [job.id, "--rows", "5"])
            ]


def test_resume_without_a_job_leaves_another_account_alone(tmp_path: Path) -> None:
    with account(tmp_path) as environ:
        other = {**environ, "BULKREMOVE_ACCOUNT": "other"}
        with closing(application(other)) as app:
            asyncio.run(stopped(app, tmp_path, triples(5), EndReason.INTERRUPTED))
        assert 2 == Bulkremove(tmp_path / "home", environment(**environ))("resume").returncode
        assert 0 == Bulkremove(tmp_path / "home", environment(**other))("resume").returncode


def test_the_summary_names_the_widest_limit_that_a_job_ran_under(tmp_path: Path) -> None:
    with account(tmp_path) as environ:
        narrow = {**environ, "BULKREMOVE_LIMIT": "3/60s"}
        with closing(application(narrow)) as app:
            job = asyncio.run(stopped(app, tmp_path, triples(5), EndReason.INTERRUPTED))
        show = Bulkremove(tmp_path / "home", environment(**narrow))
        assert "of 3 calls in a window" in show("show", job.id).stdout
        wide = Bulkremove(tmp_path / "home", environment(**{**environ, "BULKREMOVE_LIMIT": "30/60s"}))
        assert 0 == wide("resume", job.id).returncode
        assert "of 30 calls in a window" in show("show", job.id).stdout
