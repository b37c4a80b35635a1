"""What is left of a job goes on only under the cap of the day on which it goes on."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bulkremove.app import App, SandboxOptions
from bulkremove.app.caps import removals_today, start_of_today
from bulkremove.config import Settings
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ActionRefused, CapExceeded
from bulkremove.domain.job import EndReason, FrontEnd, Job
from bulkremove.domain.row import Status
from bulkremove.engine.progress import Stop
from bulkremove.platform import local_time
from bulkremove.platform.local_time import day_begin
from bulkremove.reading.options import ReadOptions
from tests.application_fixtures import LateClock, run, stored
from tests.cli_fixtures import crowd
from tests.nightly_fixtures import nightly_site
from tests.web_fixtures import triples, until

DAY = 86_400.0


class NoonClock(LateClock):
    """A clock that begins at noon: what ran in the last hour before midnight may count for the next day, too."""

    begins_ahead = day_begin(Epoch(time.time())) + DAY / 2 - time.time()

    def wall(self) -> Epoch:
        return Epoch(time.time() + self.begins_ahead + self.ahead)


async def planned(app: App, folder: Path, text: str, name: str) -> Job:
    (folder / name).write_text(text)
    return await stored(app, await app.plans.preview(folder / name, name=name, options=ReadOptions()), folder)


def application(tmp_path: Path, clock: LateClock, max_removals: int) -> App:
    world, _ = crowd(tmp_path, 40)
    settings = Settings(tmp_path / "home", max_removals=max_removals)
    return App(settings, environ={}, sandbox=SandboxOptions(world, 100.0), clock=clock)


async def test_a_resumed_job_waits_while_others_have_used_the_cap_of_the_day(tmp_path: Path) -> None:
    clock = NoonClock(100.0)
    with closing(application(tmp_path, clock, 10)) as app:
        async with app.connections.in_sandbox():
            job, stop = await planned(app, tmp_path, triples(8), "a.csv"), Stop()
            stop.request("Ctrl-C", EndReason.INTERRUPTED)
            await run(app, job, stop=stop)
            clock.ahead = DAY
            assert (
                8 == (await run(app, await planned(app, tmp_path, triples(8, first=10), "b.csv"))).tally[Status.REMOVED]
            )
            with pytest.raises(CapExceeded, match="removes 8 learners and 8 count for today already; the cap is 10"):
                await run(app, job, rows_reviewed=8)
            assert 8 == (await app.jobs.tally(job)).open
            clock.ahead = 2 * DAY
            assert 8 == (await run(app, job, rows_reviewed=8)).tally[Status.REMOVED]


def test_every_process_of_the_machine_has_the_same_day_whatever_its_tz(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begins = set()
    try:
        with closing(application(tmp_path, NoonClock(100.0), 10)) as app:
            for zone in ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kolkata", "nonsense"):
                monkeypatch.setenv("TZ", zone)
                time.tzset()
                begins.add(start_of_today(replace(app.context, counted_from=Epoch(0.0))))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert 1 == len(begins)


@pytest.mark.parametrize(
    ("zone", "at", "begin"),
    [
        ("Europe/Berlin", "2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00"),
        ("Europe/Berlin", "2026-03-29T23:59+02:00", "2026-03-29T00:00+01:00"),
        ("Asia/Kolkata", "2026-03-29T00:00+05:30", "2026-03-29T00:00+05:30"),
        ("UTC", "2026-03-29T23:59+00:00", "2026-03-29T00:00+00:00"),
    ],
)
def test_a_day_begins_at_midnight_of_the_machines_zone(
    zone: str, at: str, begin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_time, "machine_zone", lambda: ZoneInfo(zone))
    assert datetime.fromisoformat(begin).timestamp() == day_begin(Epoch(datetime.fromisoformat(at).timestamp()))


async def test_the_rows_of_the_resumed_job_count_once(tmp_path: Path) -> None:
    clock = NoonClock(100.0)
    with closing(application(tmp_path, clock, 10)) as app:
        async with app.connections.in_sandbox():
            job, stop = await planned(app, tmp_path, triples(10), "a.csv"), Stop()
            await run(
                app,
                job,
                on_progress=lambda progress: (
                    stop.request("Ctrl-C", EndReason.INTERRUPTED) if progress.tally[Status.REMOVED] >= 3 else None
                ),
                stop=stop,
            )
            assert 0 < (await app.jobs.tally(job)).open < 10
            assert 10 == (await run(app, job)).tally[Status.REMOVED]


async def test_a_cap_that_was_lowered_holds_for_a_resumed_job(tmp_path: Path) -> None:
    clock = NoonClock(100.0)
    with closing(application(tmp_path, clock, 10)) as app:
        async with app.connections.in_sandbox():
            job, stop = await planned(app, tmp_path, triples(8), "a.csv"), Stop()
            stop.request("Ctrl-C", EndReason.INTERRUPTED)
            await run(app, job, stop=stop)
    with closing(application(tmp_path, clock, 5)) as app:
        async with app.connections.in_sandbox():
            with pytest.raises(CapExceeded, match="give --max-removals 8"):
                await run(app, job)


async def test_a_night_holds_what_is_left_of_a_job_while_others_have_used_the_cap(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=40, max_removals=10, clock=NoonClock(60.0)) as one:
        one.drop("leavers.csv", triples(10))
        stop = Stop()
        night = asyncio.create_task(one.run(stop=stop))

        async def has_begun() -> bool:
            return await one.removed() > 0

        await until(has_begun)
        stop.request("The window is over.", EndReason.WINDOW_CLOSED, auto_resumable=True)
        await night
        job = await one.job()
        left = (await one.app.jobs.tally(job)).open
        assert left
        one.clock.ahead = DAY
        await run(one.app, await planned(one.app, tmp_path, triples(10, first=20), "b.csv"))
        result = await one.run()
        assert ([], True) == (result.ran, "10 count for today already; the cap is 10 a day" in result.held[0])
        await one.app.jobs.approve(job.id, by="kim", rows_left=left)
        assert 1 == len((await one.run()).ran), "an approval is a person's word for the run that follows it"


async def test_an_approval_over_the_cap_ends_with_its_day_unless_the_plan_announced_a_wait(tmp_path: Path) -> None:
    clock = NoonClock(100.0)
    with closing(application(tmp_path, clock, 10)) as app:
        async with app.connections.in_sandbox():
            job = await planned(app, tmp_path, triples(10), "a.csv")
            await app.context.storage.jobs.hold(job.id, "Look at it.", check=lambda job: None, at=clock.wall())
            assert "" == await app.plans.cap_problem(await app.jobs.find(job.id), 10)
            await app.jobs.approve(job.id, by="kim")
            await app.context.storage.jobs.start(job.id)  # and its process dies
            clock.ahead = DAY
            assert (
                10
                == (await run(app, await planned(app, tmp_path, triples(10, first=10), "b.csv"))).tally[Status.REMOVED]
            )
            told = await app.plans.cap_problem(await app.jobs.find(job.id), 10)
            assert "It removes 10 learners and 10 count for today already; the cap is 10 a day." == told
            with pytest.raises(CapExceeded, match="removes 10 learners and 10 count for today already; the cap is 10"):
                await run(app, job, rows_reviewed=10)


async def test_jobs_that_are_resumed_at_once_do_not_pass_the_cap_together(tmp_path: Path) -> None:
    clock = NoonClock(100.0)
    with closing(application(tmp_path, clock, 10)) as app:
        async with app.connections.in_sandbox():
            jobs = []
            for index in range(3):
                clock.ahead = index * DAY
                job, stop = await planned(app, tmp_path, triples(8, first=8 * index), f"{index}.csv"), Stop()
                stop.request("Ctrl-C", EndReason.INTERRUPTED)
                await run(app, job, stop=stop)
                jobs.append(job)
            clock.ahead = 5 * DAY
            results = await asyncio.gather(*(run(app, job, rows_reviewed=8) for job in jobs), return_exceptions=True)
            assert 2 == sum(isinstance(result, ActionRefused) for result in results), results
            assert [0, 8, 8] == sorted([(await app.jobs.tally(job)).open for job in jobs])


async def test_rows_of_a_job_that_died_count_on_its_own_day_only(tmp_path: Path) -> None:
    clock = NoonClock(100.0)
    with closing(application(tmp_path, clock, 10)) as app:
        dead = await planned(app, tmp_path, triples(8), "a.csv")
        await app.context.storage.jobs.start(dead.id)  # and its process dies
        assert 8 == await removals_today(app.context, dead.client, dead.host)
        clock.ahead = DAY
        assert 0 == await removals_today(app.context, dead.client, dead.host)


async def test_the_page_names_no_option_of_the_command_line(tmp_path: Path) -> None:
    clock = NoonClock(100.0)
    with closing(application(tmp_path, clock, 10)) as app:
        async with app.connections.in_sandbox():
            job, stop = await planned(app, tmp_path, triples(8), "a.csv"), Stop()
            stop.request("Ctrl-C", EndReason.INTERRUPTED)
            await run(app, job, stop=stop)
            clock.ahead = DAY
            await run(app, await planned(app, tmp_path, triples(8, first=10), "b.csv"))
            supervisor = app.supervisor()
            await supervisor.resume(job.id, by="jo", rows_reviewed=8)
            await until(lambda: supervisor.running(job.id) is None)
            assert "let an admin confirm what it has not sent" in supervisor.failures[job.id]
            assert "--" not in supervisor.failures[job.id]


async def test_the_rows_of_an_old_job_count_from_the_moment_at_which_it_passed_the_cap(tmp_path: Path) -> None:
    clock = NoonClock(100.0)
    with closing(application(tmp_path, clock, 10)) as app:
        async with app.connections.in_sandbox():
            job, stop = await planned(app, tmp_path, triples(8), "a.csv"), Stop()
            stop.request("Ctrl-C", EndReason.INTERRUPTED)
            await run(app, job, stop=stop)
            clock.ahead = DAY
            assert 0 == await removals_today(app.context, job.client, job.host)
            await app.context.storage.jobs.record_run(
                job.id, by=FrontEnd.COMMAND, at=clock.wall()
            )  # it starts after that
            assert 8 == await removals_today(app.context, job.client, job.host)
