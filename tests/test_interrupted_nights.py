"""Nights that did not end, or not as planned: killed, stopped, by a clock that was wrong, with plans that expired."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from datetime import time as daytime
from pathlib import Path

import pytest
from aiohttp import web

from bulkremove.app import Stop
from bulkremove.app.doctor import checks
from bulkremove.app.nightly import NightlyRunEnd, Scheduler
from bulkremove.cli.exit_codes import of_nightly_run
from bulkremove.config import DEFAULT_NIGHT
from bulkremove.domain.clock import later
from bulkremove.domain.errors import JournalFailed
from bulkremove.domain.job import APPROVAL_SECONDS, EndReason, JobState
from tests.nightly_fixtures import NightlySite, nightly_site
from tests.web_fixtures import free_port, triples, until

DAY = 86_400.0


async def begin_and_die(one: NightlySite) -> None:
    """Record the start of a run whose process is killed."""
    nightly = one.app.context.storage.nightly
    await nightly.begin("2026-11-29", night=DEFAULT_NIGHT, sandbox="", at=one.clock.wall())


async def test_the_next_run_says_that_the_last_one_was_killed(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        await begin_and_die(one)
        night = next(check for check in await checks(one.app.context) if check.name == "night nightly")
        assert (False, True) == (night.ok, "and did not end" in night.message)
        dry = await one.app.nightly_runs(one.app.supervisor()).dry_run()
        result = await one.run()
        assert "did not end: it was killed" in result.killed
        assert result.killed == dry.killed
        assert NightlyRunEnd.DONE is result.end, "it is told, and there is nothing else to do"
        assert ["the last nightly run was killed. Find out why"] == one.notices()
        assert "" == (await one.run()).killed
        assert 1 == len(one.notices())


async def test_a_dry_run_does_not_take_a_run_under_way_for_a_killed_one(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        await begin_and_die(one)
        async with one.app.context.storage.claims.hold("nightly-nightly"):
            assert "" == (await one.app.nightly_runs(one.app.supervisor()).dry_run()).killed


@pytest.mark.parametrize(("hours", "held"), [(1, 1), (25, 0)])
async def test_the_files_of_a_killed_run_count_for_the_night_that_goes_on(
    tmp_path: Path, hours: int, held: int
) -> None:
    async with nightly_site(tmp_path, count=60, max_removals=400) as one:
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db", isolation_level=None)) as journal:
            journal.execute("UPDATE job SET totals = json_object('removed', 5)")
            for number in range(2):
                one.drop(f"{number}.csv", triples(7, first=7 * number))
            assert 2 == len((await one.run()).ran), "14 are less than three times 5"
            journal.execute("UPDATE nightly_run SET ended_at = NULL, good = 0, end_code = ''")
        one.clock.ahead += 3600.0 * hours
        one.drop("late.csv", triples(4, first=30))
        dry = await one.app.nightly_runs(one.app.supervisor()).dry_run()
        result = await one.run()
        assert held == len(result.held)
        assert result.held == dry.held
        if held:
            assert "4 learners, after 14 of the files before it in this night; the median" in result.held[0]
            assert result.held[0].endswith(" is 5."), "what the killed run removed is no baseline"


async def test_a_source_that_hangs_does_not_keep_a_night_from_stopping(tmp_path: Path) -> None:
    started = tmp_path / "started"
    script = tmp_path / "export.sh"
    script.write_text(f"sleep 600 & echo $! > {started}; wait\n")
    async with nightly_site(tmp_path, source=f"command sh {script}") as one:
        stop = Stop()
        night = asyncio.create_task(one.run(stop=stop))
        await until(lambda: started.exists() and started.read_text().strip())
        stop.request("The system asked the nightly run to stop.", EndReason.TERMINATED, auto_resumable=True)
        result = await asyncio.wait_for(night, 60)
        assert (NightlyRunEnd.GOES_ON, 5) == (result.end, of_nightly_run(result))
        assert "The system asked the nightly run to stop." == result.stopped
        await until(lambda: not Path(f"/proc/{started.read_text().strip()}/cmdline").is_file() or is_zombie(started))


def is_zombie(started: Path) -> bool:
    """Whether the process whose id stands in the file has ended, and only waits for its parent."""
    return ") Z " in Path(f"/proc/{started.read_text().strip()}/stat").read_text()


async def test_a_night_that_is_stopped_before_its_files_does_not_say_that_there_were_none(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(3))
        stop = Stop()
        stop.request("kim paused it.", EndReason.PAUSED)
        result = await one.run(stop=stop)
        assert ("kim paused it.", NightlyRunEnd.GOES_ON) == (result.stopped, result.end)
        assert {"": ["leavers.csv"], "working": [], "done": [], "held": []} == one.where()


async def test_a_run_by_hand_before_its_time_does_not_take_the_place_of_the_night(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, at=daytime(2, 30)) as one:
        worker = Scheduler(one.app.context, one.app.nightly_runs(one.app.supervisor()), Stop())
        one.clock.ahead = datetime(2030, 1, 2, 1, 0, tzinfo=UTC).timestamp() - time.time()
        await one.run()
        one.drop("leavers.csv", triples(3), age=60.0)
        one.clock.ahead += 2 * 3600.0
        await worker.run_due()
        assert ["leavers.csv"] == [job.source for job in await one.jobs()]
        one.clock.ahead += 3600.0
        one.drop("more.csv", triples(3, first=5), age=60.0)
        await worker.run_due()
        assert 1 == len(await one.jobs()), "the night has had its run"


async def test_a_plan_that_expired_is_told_where_it_is_looked_for(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=4) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        one.clock.ahead = APPROVAL_SECONDS + 60.0
        dry = await one.app.nightly_runs(one.app.supervisor()).dry_run()
        result = await one.run()
        (told,) = result.expired
        assert (
            "so it was cancelled. `bulkremove nightly --night nightly --again leavers.csv` plans the file anew" in told
        )
        assert (dry.expired, dry.waiting, 4) == (result.expired, [], of_nightly_run(result))
        again = await one.run(again="leavers.csv")
        assert 1 == len(again.held)


async def test_what_was_held_or_announced_by_a_clock_that_was_ahead_does_not_wait_for_years(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=4) as held:
        held.clock.ahead = 6 * 365 * DAY
        held.drop("held.csv", triples(5))
        await held.run()
    async with nightly_site(tmp_path, delay_days=1) as one:
        one.clock.ahead = 6 * 365 * DAY
        one.drop("announced.csv", triples(3, first=10))
        await one.run()
        one.clock.ahead = 0.0
        result = await one.run()
        assert ["held.csv"] == [text.partition(" of ")[2].partition(" ")[0] for text in result.expired]
        assert "announced.csv: It needs review. It last ran at a time that lies ahead" in result.held[0]
        assert [] == result.scheduled


async def test_the_last_good_night_is_the_last_one_whatever_the_clock_said(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.clock.ahead = 6 * 365 * DAY
        await one.run()
        one.clock.ahead = 0.0
        night = {check.name: check for check in await checks(one.app.context)}["night nightly"]
        assert not night.ok, "nobody knows when that one was"
        await one.run()
        night = {check.name: check for check in await checks(one.app.context)}["night nightly"]
        assert night.ok


async def test_what_a_clock_that_was_ahead_took_is_not_the_newest_for_years(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        nightly, now = one.app.context.storage.nightly, one.clock.wall()
        key = {"night": DEFAULT_NIGHT, "sandbox": ""}
        await nightly.record_taken("ahead", "a.csv", "1~a.csv", **key, at=later(now, 6 * 365 * DAY))
        await nightly.record_taken("right", "b.csv", "2~b.csv", **key, at=now)
        assert "right" == await nightly.newest_taken(**key, now=now)
        one.clock.ahead = 6 * 365 * DAY
        one.drop("other-columns.csv", "course,batch,learner,name\n1234567890123,2234567890123,3234567890123,x\n")
        await one.run()
        (job,) = await one.jobs()
        await one.app.jobs.approve(job.id, by="kim") if job.state is JobState.HELD else None
        whose = one.app.accounts.client(one.app.settings), one.app.settings.host
        newest = await one.app.context.storage.jobs.newest_nightly(*whose, night=DEFAULT_NIGHT, now=now)
        assert newest is not None
        assert "usual.csv" == newest.source


async def test_the_dead_man_s_switch_hears_of_a_journal_that_can_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.Response(text="ok")

    async def full(*_: object, **__: object) -> None:
        raise JournalFailed("The disk is full.")

    server = web.Application()
    server.router.add_get("/{rest:.*}", hear)
    runner, port = web.AppRunner(server), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with nightly_site(tmp_path, ping_url=f"http://127.0.0.1:{port}/uuid") as one:
        one.drop("leavers.csv", triples(3))
        monkeypatch.setattr(one.app.context.storage, "record", full)
        monkeypatch.setattr(one.app.context.storage.jobs, "create", full)
        with pytest.raises(JournalFailed):
            await one.run()
    await runner.cleanup()
    assert ["/uuid/start", "/uuid/fail"] == heard


async def test_what_stops_one_job_for_the_account_s_sake_is_not_tried_with_each_other_one(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, faults={"token": ["invalid_client", "ok"]}) as one:
        for number in range(3):
            one.drop(f"{number}.csv", triples(4, first=4 * number))
        result = await one.run()
        assert [EndReason.NOT_AUTHORIZED] == [job.reason_code for job in result.ran]
        assert ["1.csv", "2.csv"] == [text.split()[0] for text in result.put_off]
        assert 8 == of_nightly_run(result)
        assert [JobState.READY, JobState.READY, JobState.PAUSED] == [job.state for job in await one.jobs()]
        result = await one.run()
        assert ["1.csv", "2.csv"] == [job.source for job in result.ran], (
            "planned when they came, run when it is possible"
        )
        assert [JobState.FINISHED] * 2 == [job.state for job in result.ran]
        assert ["0.csv"] == [text.split()[0] for text in result.waiting]


async def test_a_file_that_no_plan_could_be_made_of_is_named_until_somebody_takes_it_away(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("damaged.csv", "x")
        assert 1 == len((await one.run()).held)
        assert [] == (await one.run()).held
        dry = await one.app.nightly_runs(one.app.supervisor()).dry_run()
        result = await one.run()
        (told,) = result.waiting
        assert told.startswith("damaged.csv: damaged.csv has only one column")
        assert told.endswith(f"Deal with it, then take it out of {one.folder / 'held'}.")
        assert (result.waiting, 4) == (dry.waiting, of_nightly_run(result))
        one.clock.ahead = APPROVAL_SECONDS + 60.0
        assert NightlyRunEnd.DONE is (await one.run()).end, "as a plan waits for seven days"
        one.clock.ahead = 0.0
        (one.folder / "held" / "damaged.csv").unlink()
        assert NightlyRunEnd.DONE is (await one.run()).end
