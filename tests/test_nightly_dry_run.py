"""A dry run of nights says what the night then does: each is compared with the real one that follows it."""

from __future__ import annotations

import asyncio
import shutil
import time
from datetime import UTC, datetime, timedelta
from datetime import time as daytime
from pathlib import Path
from typing import Any

import pytest

from bulkremove.app import Stop
from bulkremove.app.nightly import NightlyResult, NightlyRunEnd
from bulkremove.cli.exit_codes import of_nightly_run
from bulkremove.domain.job import EndReason
from bulkremove.reading.options import ReadOptions
from tests.application_fixtures import LateClock, run, stored
from tests.cli_fixtures import Bulkremove, environment
from tests.nightly_fixtures import NightlySite, nightly_site
from tests.test_sandbox_nights import tree
from tests.web_fixtures import CREDENTIALS, triples, until

DAY = 86_400.0


async def dry_run(one: NightlySite) -> NightlyResult:
    """The dry run, once it was seen that it has changed no file and no job."""
    before = (
        tree(one.folder),
        await one.jobs(),
        one.notices(),
        await one.app.context.storage.nightly.last(night="nightly", sandbox=""),
    )
    result = await one.app.nightly_runs(one.app.supervisor()).dry_run()
    after = (
        tree(one.folder),
        await one.jobs(),
        one.notices(),
        await one.app.context.storage.nightly.last(night="nightly", sandbox=""),
    )
    assert before == after
    return result


def names(sentences: list[str]) -> list[str]:
    return [sentence.partition(":")[0] for sentence in sentences]


async def test_all_files_of_a_night_are_counted_together_against_the_day_s_cap(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=10) as one:
        for number, count in enumerate((4, 4, 4, 2)):
            one.drop(f"{number}.csv", triples(count, first=5 * number))
        dry, real = await dry_run(one), await one.run()
        assert ["2.csv"] == names(dry.held) == names(real.held)
        assert dry.held == real.held
        assert 4 == of_nightly_run(dry) == of_nightly_run(real)


async def test_approved_delayed_paused_and_waiting_jobs_are_told_as_the_night_treats_them(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=60, max_removals=20) as one:
        one.drop("approved.csv", triples(30))
        one.drop("waiting.csv", triples(21, first=31))
        await one.run()
        approved, waiting = sorted(await one.jobs(), key=lambda job: job.source)
        await one.app.jobs.approve(approved.id, by="kim")
        dry = await dry_run(one)
        assert [(approved.id, 30)] == [(job.id, rows) for job, rows in dry.would_run]
        assert [waiting.id in sentence for sentence in dry.waiting] == [True]
        stop = Stop()
        night = asyncio.create_task(one.run(stop=stop))

        async def has_begun() -> bool:
            return (await one.app.jobs.tally(approved)).open < 30

        await until(has_begun)
        stop.request("The window is over.", EndReason.WINDOW_CLOSED, auto_resumable=True)
        (paused,) = (await night).ran
        assert 4 == of_nightly_run(dry)
        dry = await dry_run(one)
        rows = (await one.app.jobs.tally(paused)).open
        assert [(paused.id, rows)] == [(job.id, rows) for job, rows in dry.would_run]
        real = await one.run()
        assert (dry.waiting, of_nightly_run(dry)) == (real.waiting, of_nightly_run(real))


async def test_a_delayed_plan_is_scheduled_and_runs_on_its_day(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, delay_days=2) as one:
        one.drop("leavers.csv", triples(5))
        dry = await dry_run(one)
        assert (1, [], 0) == (len(dry.scheduled), dry.would_run, of_nightly_run(dry))
        await one.run()
        job = await one.job()
        assert job.id in (await dry_run(one)).scheduled[0]
        one.clock.ahead = 2 * DAY + 60.0
        dry = await dry_run(one)
        assert [(job.id, 5)] == [(one.id, rows) for one, rows in dry.would_run]
        assert [job.id] == [ran.id for ran in (await one.run()).ran]


async def test_the_day_s_allowance_counts_over_all_files(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, daily_limit=8) as one:
        for number in range(2):
            one.drop(f"{number}.csv", triples(6, first=6 * number))
        dry = await dry_run(one)
        assert "About 8 of 12 removals" in dry.remaining_text
        real = await one.run()
        assert NightlyRunEnd.GOES_ON is dry.end is real.end
        assert "About 0 of 4 removals" in (await dry_run(one)).remaining_text


async def test_a_closed_window_and_a_missing_source_fail_as_the_night_does(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    window = ((now + timedelta(hours=2)).time().replace(second=0), (now + timedelta(hours=3)).time().replace(second=0))
    async with nightly_site(tmp_path, window=window) as one:
        one.drop("leavers.csv", triples(3))
        dry, real = await dry_run(one), await one.run()
        assert (dry.failures, 8) == (real.failures, of_nightly_run(dry))
    async with nightly_site(tmp_path) as one:
        shutil.rmtree(one.folder)
        dry = await one.app.nightly_runs(one.app.supervisor()).dry_run()
        assert (dry.failures, 8) == ((await one.run()).failures, of_nightly_run(dry))


async def test_with_a_time_of_its_own_the_window_counts_from_the_next_start(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"at": daytime(2, 30), "window": (daytime(2), daytime(2, 31))}
    async with nightly_site(tmp_path, count=60, **settings) as one:
        one.clock.ahead = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp() - time.time()
        one.drop("leavers.csv", triples(60))
        assert "About 28 of 60 removals" in (await dry_run(one)).remaining_text


async def test_what_a_killed_night_left_is_told_too(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        (one.folder / "working").mkdir()
        one.drop("leavers.csv", triples(3)).rename(one.folder / "working" / "abcd1234~leavers.csv")
        assert ["leavers.csv"] == [preview.plan.table.source for preview in (await dry_run(one)).plans]
        assert ["leavers.csv"] == [job.source for job in (await one.run()).ran]


async def test_a_command_that_fails_is_a_failure_and_one_that_works_leaves_nothing(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, source="command false") as one:
        dry = await dry_run(one)
        assert ("ended with code 1" in dry.failures[0], 8) == (True, of_nightly_run(dry))


def test_a_dry_run_before_the_first_night_makes_no_journal_and_names_a_command_that_exists(tmp_path: Path) -> None:
    home, drop = tmp_path / "home", tmp_path / "drop"
    home.mkdir()
    drop.mkdir()
    (home / "bulkremove.toml").write_text(f'[[nights]]\nsource = "{drop}"\n')
    (drop / "leavers.csv").write_text(triples(3))
    (drop / "leavers.csv.ready").touch()
    program = Bulkremove(home, environment(**CREDENTIALS))
    done = program("nightly", "--dry-run")
    assert 4 == done.returncode, done.stdout + done.stderr  # the first file ever is held
    assert f"To do it: bulkremove --home {home} nightly --night nightly\n" in done.stdout
    assert {"bulkremove.toml"} == {path.name for path in home.iterdir()}


@pytest.mark.parametrize("again", [False, True])
async def test_the_same_content_twice_in_one_night_is_held_once(tmp_path: Path, again: bool) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("first.csv", triples(3))
        one.drop("second.csv", triples(3))
        if again:
            await one.run()
            one.drop("third.csv", triples(3))
        dry, real = await dry_run(one), await one.run()
        assert names(dry.held) == names(real.held) == (["third.csv"] if again else ["second.csv"])


def noon() -> LateClock:
    """A clock at noon of tomorrow."""
    clock = LateClock(60.0)
    day = datetime.now(UTC).date() + timedelta(days=1)
    clock.ahead = datetime.combine(day, daytime(12), UTC).timestamp() - time.time()
    return clock


async def test_a_dry_run_decides_by_the_time_at_which_the_night_starts(tmp_path: Path) -> None:
    clock = noon()
    async with nightly_site(tmp_path, clock=clock, delay_days=2, max_removals=10, at=daytime(14), window=None) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        job = await one.job()
        clock.ahead += 2 * DAY - 1800.0  # half an hour before its day, and two and a half before the night
        dry = await dry_run(one)
        assert ([(job.id, 5)], []) == ([(found.id, rows) for found, rows in dry.would_run], dry.scheduled)


async def test_the_cap_of_today_is_not_that_of_a_night_tomorrow(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, clock=noon(), max_removals=10, at=daytime(2, 30)) as one:
        (tmp_path / "f.csv").write_text(triples(8))
        preview = await one.app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        await run(one.app, await stored(one.app, preview, tmp_path))
        one.drop("leavers.csv", triples(8, first=10))
        dry = await dry_run(one)
        assert ([], [8]) == (dry.held, [preview.plan.removals for preview in dry.plans])


async def test_a_job_that_was_paused_today_counts_once(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, clock=noon(), max_removals=10) as one:
        one.drop("leavers.csv", triples(7))
        stop = Stop()
        night = asyncio.create_task(one.run(stop=stop))

        async def has_begun() -> bool:
            return await one.removed() > 0

        await until(has_begun)
        stop.request("The window is over.", EndReason.WINDOW_CLOSED, auto_resumable=True)
        await night
        one.drop("more.csv", triples(3, first=10))
        dry = await dry_run(one)
        real = await one.run()
        assert ([], []) == (dry.held, real.held)


async def test_a_first_removal_that_waits_is_told_and_is_no_failure(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, has_past=False, canary="always") as one:
        for number in range(2):
            one.drop(f"{number}.csv", triples(3, first=10 * number))
        await one.run()
        first, second = sorted(await one.jobs(), key=lambda job: job.source)
        await one.app.jobs.approve(first.id, by="kim")
        dry = await dry_run(one)
        assert [(first.id, 1)] == [(job.id, rows) for job, rows in dry.would_run]
        assert "Only one row was sent" in dry.remaining_text
        await one.run()
        await one.app.jobs.approve(second.id, by="kim")
        dry, real = await dry_run(one), await one.run()
        for result in (dry, real):
            assert ([], True) == (result.failures, any("are they gone from the batch" in why for why in result.waiting))
            assert NightlyRunEnd.NEEDS_PERSON is result.end
            assert any(f"`bulkremove canary {first.id}`" in why for why in result.waiting)
