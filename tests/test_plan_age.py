"""Consent to a plan is given for one run, within a day: a hash that was used, or a prompt that waited, is refused."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import App, Consent, Preview, SandboxOptions
from bulkremove.config import Settings
from bulkremove.domain.errors import AlreadyConfirmed, PlanOutdated
from bulkremove.domain.job import FrontEnd, Job
from bulkremove.domain.row import Status
from bulkremove.reading.options import ReadOptions
from tests.application_fixtures import LateClock, run
from tests.cli_fixtures import crowd

DAY = 86_400.0


def application(tmp_path: Path, clock: LateClock) -> tuple[App, Path]:
    world, file = crowd(tmp_path, 5)
    return App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world, 100.0), clock=clock), file


async def preview(app: App, file: Path) -> Preview:
    made = await app.plans.preview(file, name=file.name, options=ReadOptions())
    await app.plans.record_shown(made)
    return made


async def confirmed(app: App, made: Preview, consent: Consent) -> Job:
    return await app.confirmations.submit(
        made, consent=consent, folder=app.settings.home, prepared_by=["jo"], by="jo", front_end=FrontEnd.COMMAND
    )


async def test_a_hash_is_consent_to_one_job(tmp_path: Path) -> None:
    app, file = application(tmp_path, LateClock(100.0))
    with closing(app):
        async with app.connections.in_sandbox():
            made = await preview(app, file)
            by_hash = Consent(plan_hash=made.plan.hash)
            await app.jobs.withdraw((await confirmed(app, made, by_hash)).id, by="jo")  # refused before its first row
            job = await confirmed(app, made, by_hash)
            assert 5 == (await run(app, job)).tally[Status.REMOVED]
            with pytest.raises(AlreadyConfirmed, match=f"confirmed before, as job {job.id}"):
                await confirmed(app, await preview(app, file), by_hash)
            assert await confirmed(app, await preview(app, file), Consent(removals=5))


async def test_a_hash_that_was_used_stays_so_when_a_later_job_of_the_plan_is_cancelled(tmp_path: Path) -> None:
    app, file = application(tmp_path, LateClock(100.0))
    with closing(app):
        async with app.connections.in_sandbox():
            made = await preview(app, file)
            by_hash = Consent(plan_hash=made.plan.hash)
            job = await confirmed(app, made, by_hash)
            await run(app, job)
            await app.jobs.cancel((await confirmed(app, await preview(app, file), Consent(removals=5))).id, by="jo")
            with pytest.raises(AlreadyConfirmed, match=f"confirmed before, as job {job.id}"):
                await confirmed(app, await preview(app, file), by_hash)


async def test_a_hash_is_consent_to_the_plan_as_it_was_shown(tmp_path: Path) -> None:
    clock = LateClock(100.0)
    app, file = application(tmp_path, clock)
    with closing(app):
        async with app.connections.in_sandbox():
            never_shown = await app.plans.preview(file, name=file.name, options=ReadOptions())
            by_hash = Consent(plan_hash=never_shown.plan.hash)
            with pytest.raises(PlanOutdated, match="was not shown here within the last day"):
                await confirmed(app, never_shown, by_hash)
            shown = await preview(app, file)
            clock.ahead = DAY + 60.0
            read_again = await app.plans.preview(file, name=file.name, options=ReadOptions())
            with pytest.raises(PlanOutdated, match="more than a day ago"):
                await confirmed(app, read_again, by_hash)
            await preview(app, file)
            clock.ahead += 60.0
            (tmp_path / "one.csv").write_text("".join(file.read_text().splitlines(keepends=True)[:2]))
            one = await app.plans.preview(tmp_path / "one.csv", name="one.csv", options=ReadOptions())
            await run(app, await confirmed(app, one, Consent(removals=1)))
            clock.ahead += 60.0
            job = await confirmed(app, await app.plans.preview(file, name=file.name, options=ReadOptions()), by_hash)
            tally = (await run(app, job)).tally
            assert (4, 1) == (tally[Status.REMOVED], tally[Status.DONE_BEFORE]), "settled since the person saw the plan"
            assert shown.plan.hash == job.plan_hash


async def test_an_erasure_ends_the_consent_by_a_hash(tmp_path: Path) -> None:
    app, file = application(tmp_path, LateClock(100.0))
    with closing(app):
        await app.jobs.cancel((await confirmed(app, await preview(app, file), Consent(removals=5))).id, by="jo")
        made = await preview(app, file)
        learner = file.read_text().splitlines()[1].split(",")[2]
        await app.retention.forget(await app.retention.find_learner(learner), by="jo")
        read_again = await app.plans.preview(file, name=file.name, options=ReadOptions())
        with pytest.raises(PlanOutdated, match="were erased since this plan was made"):
            await confirmed(app, read_again, Consent(plan_hash=made.plan.hash))


async def test_a_plan_that_was_shown_more_than_a_day_ago_is_refused(tmp_path: Path) -> None:
    clock = LateClock(100.0)
    app, file = application(tmp_path, clock)
    with closing(app):
        made = await preview(app, file)
        clock.ahead = DAY + 60.0
        with pytest.raises(PlanOutdated, match="more than a day ago"):
            await confirmed(app, made, Consent(removals=5))
        job = await confirmed(app, await preview(app, file), Consent(removals=5))
        await app.jobs.cancel(job.id, by="jo")
        clock.ahead = 3 * DAY
        assert await confirmed(app, await app.plans.retry(job.id, unknown_checked=False), Consent(removals=5))
