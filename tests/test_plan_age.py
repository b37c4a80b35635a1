"""Consent to a plan is given for one run, within a day: a hash that was used, or a prompt that waited, is refused."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import App, Consent, Preview, SandboxOptions
from bulkremove.config import Settings
from bulkremove.domain.errors import ConsentMissing
from bulkremove.domain.job import FrontEnd, Job
from bulkremove.domain.row import Status
from bulkremove.reading.options import ReadOptions
from tests.application_fixtures import LateClock, run
from tests.cli_fixtures import crowd

DAY = 86_400.0


def application(tmp_path: Path, clock: LateClock) -> tuple[App, Path]:
    world, file = crowd(tmp_path, 5)
    return App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world, 600.0), clock=clock), file


async def preview(app: App, file: Path) -> Preview:
    return await app.plans.preview(file, name=file.name, options=ReadOptions())


async def confirmed(app: App, made: Preview, consent: Consent) -> Job:
    return await app.plans.submit(
        made, consent=consent, folder=app.settings.home, prepared_by=["jo"], by="jo", front_end=FrontEnd.COMMAND
    )


async def test_a_hash_is_consent_to_one_job(tmp_path: Path) -> None:
    app, file = application(tmp_path, LateClock(600.0))
    with closing(app):
        async with app.runs.in_sandbox():
            made = await preview(app, file)
            by_hash = Consent(plan_hash=made.plan.fingerprint)
            await app.jobs.withdraw((await confirmed(app, made, by_hash)).id, by="jo")  # refused before its first row
            job = await confirmed(app, made, by_hash)
            assert 5 == (await run(app, job)).tally[Status.REMOVED]
            with pytest.raises(ConsentMissing, match=f"confirmed before, as job {job.id}"):
                await confirmed(app, await preview(app, file), by_hash)
            assert await confirmed(app, await preview(app, file), Consent(number=5))


async def test_a_plan_that_was_shown_more_than_a_day_ago_is_refused(tmp_path: Path) -> None:
    clock = LateClock(600.0)
    app, file = application(tmp_path, clock)
    with closing(app):
        made = await preview(app, file)
        clock.ahead = DAY + 60.0
        with pytest.raises(ConsentMissing, match="more than a day ago"):
            await confirmed(app, made, Consent(number=5))
        job = await confirmed(app, await preview(app, file), Consent(number=5))
        await app.jobs.cancel(job.id, by="jo")
        clock.ahead = 3 * DAY
        assert await confirmed(app, await app.plans.retry(job.id, unknown_checked=False), Consent(number=5))
