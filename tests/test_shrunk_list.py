"""A protected list that disappears or shrinks between two runs of a job: a person must look before it goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bulkremove.app import App, Consent, SandboxOptions
from bulkremove.config import Settings
from bulkremove.domain.errors import ConsentMissing, PlanOutdated
from bulkremove.domain.job import EndReason, FrontEnd, Job, JobState
from bulkremove.domain.row import Status
from bulkremove.engine.progress import Stop
from bulkremove.reading.options import ReadOptions
from tests.application_fixtures import run
from tests.cli_fixtures import crowd
from tests.nightly_fixtures import nightly_site
from tests.web_fixtures import running_site, triples

ONE, TWO = "Learner ID\n999\n", "Learner ID\n999\n998\n"
DAY = 86_400.0


def put(home: Path, content: str) -> None:
    """Write the list, or take it away if it is to have no content."""
    home.mkdir(exist_ok=True)
    if content:
        (home / "protected.csv").write_text(content)
    else:
        (home / "protected.csv").unlink()


@asynccontextmanager
async def begun(tmp_path: Path, front_end: FrontEnd) -> AsyncIterator[tuple[App, Job]]:
    """A job that was planned with one entry on the list, and begun with two; its run ended before its first row."""
    world, file = crowd(tmp_path, 6)
    app = App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world, 200.0))
    put(app.settings.home, ONE)
    async with app.connections.in_sandbox():
        job = await app.confirmations.submit(
            await app.plans.preview(file, name="f.csv", options=ReadOptions()),
            consent=Consent(yes=True),
            folder=tmp_path,
            prepared_by=["jo"],
            by="jo",
            front_end=front_end,
        )
        put(app.settings.home, TWO)
        supervisor = app.supervisor()
        if front_end is FrontEnd.PAGE:
            supervisor.start(job, by="jo")
            await supervisor.close()
        else:
            stop = Stop()
            stop.request("Ctrl-C", EndReason.INTERRUPTED)
            await run(app, job, stop=stop)
        yield app, await app.jobs.find(job.id)
    app.close()


@pytest.mark.parametrize("content", ["", ONE])
async def test_a_job_goes_on_with_a_shorter_list_only_with_the_number_of_rows_left(
    tmp_path: Path, content: str
) -> None:
    async with begun(tmp_path, FrontEnd.COMMAND) as (app, job):
        put(app.settings.home, content)
        with pytest.raises(ConsentMissing, match="it had 2 before"):
            await run(app, job)
        assert 6 == (await app.jobs.tally(job)).open
        ended = await run(app, job, rows_reviewed=6)
        assert 6 == ended.tally[Status.REMOVED]


async def test_a_server_does_not_resume_a_job_whose_list_is_gone(tmp_path: Path) -> None:
    async with begun(tmp_path, FrontEnd.PAGE) as (app, job):
        put(app.settings.home, "")
        left = (await app.jobs.tally(job)).open
        assert left
        resumed, need_review = await app.supervisor().resume_interrupted()
        assert ([], [job.id]) == (resumed, [one.id for one in need_review])


async def test_the_page_asks_for_the_number_of_rows_left(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 60)
    put(tmp_path / "home", TWO)
    async with running_site(tmp_path / "home", world=world, speed=1.0) as one, one.visitor() as visitor:
        job = (await visitor.confirm(await visitor.upload(triples(60)))).url.rpartition("/")[2]
        await one.supervisor.pause(job, by="jo")
        assert "<button>Resume</button>" in (await visitor.get(f"/jobs/{job}")).text
        put(tmp_path / "home", ONE)
        shown = (await visitor.get(f"/jobs/{job}")).text
        assert (True, False) == ("it had 2 before" in shown, "<button>Resume</button>" in shown)


@pytest.mark.parametrize("content", ["", ONE])
async def test_a_night_holds_an_announced_plan_whose_list_shrinks(tmp_path: Path, content: str) -> None:
    async with nightly_site(tmp_path, count=10, delay_days=1) as one:
        put(tmp_path / "home", TWO)
        one.drop("leavers.csv", triples(6))
        await one.run()
        put(tmp_path / "home", content)
        one.clock.ahead = DAY + 60.0
        result = await one.run()
        assert ([], True) == (result.ran, "it had 2 before" in result.held[0])
        job = await one.job()
        assert JobState.HELD is job.state
        await one.app.jobs.approve(job.id, by="kim")
        assert 1 == len((await one.run()).ran)


async def test_a_held_plan_is_not_approved_after_its_list_has_shrunk(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=4) as one:
        put(tmp_path / "home", TWO)
        one.drop("leavers.csv", triples(6))
        await one.run()
        put(tmp_path / "home", ONE)
        with pytest.raises(PlanOutdated, match="Put the list back"):
            await one.app.jobs.approve((await one.job()).id, by="kim")
        put(tmp_path / "home", TWO)
        assert JobState.READY is (await one.app.jobs.approve((await one.job()).id, by="kim")).state
