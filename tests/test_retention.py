"""Retention beside jobs that are open, and a journal that is put back: nobody goes twice, and no cap is passed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkremove.app import App
from bulkremove.app.caps import removals_today
from bulkremove.app.retention import DeletionCounts
from bulkremove.config import Settings, load
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import CapExceeded
from bulkremove.domain.job import EndReason, Job, JobState
from bulkremove.domain.row import Status
from bulkremove.engine.progress import Progress, Stop
from bulkremove.reading.options import ReadOptions
from tests.application_fixtures import LateClock, account, run, stored
from tests.nightly_fixtures import nightly_site
from tests.web_fixtures import triples

DAY = 86_400.0


def application(environ: dict[str, str], clock: LateClock, **settings: Any) -> App:
    loaded: Settings = load({}, environ)
    return App(replace(loaded, **settings), environ=environ, clock=clock)


async def planned(app: App, folder: Path, rows: int, *, first: int = 0, name: str = "f.csv") -> Job:
    (folder / name).write_text(triples(rows, first=first))
    preview = await app.plans.preview(folder / name, name=name, options=ReadOptions(), include_open=True)
    return await stored(app, preview, folder)


# A row that another job has settled


async def test_a_job_that_waited_for_a_month_leaves_out_what_another_one_settled_whose_time_is_over(
    tmp_path: Path,
) -> None:
    clock = LateClock()
    with account(tmp_path) as environ, closing(application(environ, clock, retention_days=10)) as app:
        waiting = await planned(app, tmp_path, 6)
        settled = await planned(app, tmp_path, 3, name="other.csv")
        await run(app, settled)
        clock.ahead = 30 * DAY
        assert DeletionCounts(0, 0) == await app.retention.delete_expired(), "the rows are still needed"
        ended = await run(app, waiting, rows_reviewed=6)
        assert (3, 3) == (ended.tally[Status.DONE_BEFORE], ended.tally[Status.REMOVED])
        clock.ahead = 41 * DAY
        assert 2 == (await app.retention.delete_expired()).jobs


async def test_a_retry_after_a_month_leaves_out_what_another_job_settled_whose_time_is_over(tmp_path: Path) -> None:
    clock = LateClock()
    with account(tmp_path) as environ, closing(application(environ, clock, retention_days=10)) as app:
        given_up = await planned(app, tmp_path, 6)
        await run(app, await planned(app, tmp_path, 3, name="other.csv"))
        clock.ahead = 5 * DAY
        await app.jobs.cancel(given_up.id, by="jo")
        clock.ahead = 12 * DAY
        assert 0 == (await app.retention.delete_expired()).jobs
        ended = await run(app, await stored(app, await app.plans.retry(given_up.id, unknown_checked=False), tmp_path))
        assert (3, 3) == (ended.tally[Status.DONE_BEFORE], ended.tally[Status.REMOVED])
        clock.ahead = 16 * DAY
        assert 2 == (await app.retention.delete_expired()).jobs, "both, but not the retry"


async def test_an_announced_plan_leaves_out_what_a_job_whose_time_is_over_settled(
    tmp_path: Path,
) -> None:
    async with nightly_site(tmp_path, retention_days=1, delay_days=5) as one:
        one.drop("leavers.csv", triples(4))
        await one.run()
        announced = await one.job()
        await run(one.app, await planned(one.app, tmp_path, 2, name="other.csv"))
        one.clock.ahead = 3 * DAY
        await one.app.retention.delete_expired()
        one.clock.ahead = 5 * DAY + 60.0
        (ended,) = (await one.run()).ended
        assert (announced.id, 2, 2) == (ended.job.id, ended.tally[Status.DONE_BEFORE], ended.tally[Status.REMOVED])


async def test_a_job_that_shares_no_removal_keeps_no_rows_of_others(tmp_path: Path) -> None:
    clock = LateClock()
    with account(tmp_path) as environ, closing(application(environ, clock, retention_days=10)) as app:
        await planned(app, tmp_path, 3)
        await run(app, await planned(app, tmp_path, 3, first=10, name="other.csv"))
        clock.ahead = 11 * DAY
        assert 1 == (await app.retention.delete_expired()).jobs


@pytest.mark.parametrize("ahead", [-40 * DAY, 40 * DAY], ids=["behind", "ahead"])
async def test_a_wrong_clock_does_not_hide_what_a_later_job_has_settled(tmp_path: Path, ahead: float) -> None:
    """The clock was wrong while one of the two jobs was made and run."""
    clock = LateClock()
    with account(tmp_path) as environ, closing(application(environ, clock)) as app:
        clock.ahead = max(ahead, 0.0)
        waiting = await planned(app, tmp_path, 6)
        clock.ahead = min(ahead, 0.0)
        await run(app, await planned(app, tmp_path, 3, name="other.csv"))
        clock.ahead = 0.0
        ended = await run(app, waiting, rows_reviewed=6)
        assert (3, 3) == (ended.tally[Status.DONE_BEFORE], ended.tally[Status.REMOVED])


# What a restored journal has lost


async def put_back(app: App, path: Path) -> None:
    await app.backups.restore(path, await app.backups.inspect(path), by="jo")
    restored = await app.backups.restored()
    assert restored is not None
    await app.backups.accept(restored, by="jo")


async def refusal(app: App, folder: Path, rows: int, *, first: int) -> str:
    """Why a plan of so many rows would be refused; empty if it would not be."""
    (folder / "next.csv").write_text(triples(rows, first=first))
    preview = await app.plans.preview(folder / "next.csv", name="next.csv", options=ReadOptions())
    return preview.refusal.message if preview.refusal else ""


async def test_the_cap_counts_what_a_restored_journal_may_have_lost_until_the_day_is_over(tmp_path: Path) -> None:
    clock = LateClock(20.0)
    with account(tmp_path) as environ, closing(application(environ, clock, max_removals=5)) as app:
        await app.record("jo", AuditAct.ROSTER)
        await app.backups.make(tmp_path / "b.zip", by="jo")
        await run(app, await planned(app, tmp_path, 4))
        await put_back(app, tmp_path / "b.zip")
        assert "4 more may have been (the journal was restored" in await refusal(app, tmp_path, 2, first=10)
        assert "" == await refusal(app, tmp_path, 1, first=10)
        await put_back(app, tmp_path / "b.zip")
        assert "more may have been" in await refusal(app, tmp_path, 2, first=10), "it is put back once more"
        clock.ahead = DAY
        assert "" == await refusal(app, tmp_path, 5, first=10)


async def test_rows_that_become_unknown_by_a_restore_count_for_the_cap_too(tmp_path: Path) -> None:
    clock = LateClock(20.0)
    with account(tmp_path) as environ, closing(application(environ, clock, max_removals=5)) as app:
        job = await planned(app, tmp_path, 4)
        await app.backups.make(tmp_path / "b.zip", by="jo")
        await run(app, job)
        await put_back(app, tmp_path / "b.zip")
        assert 4 == (await app.jobs.tally(job))[Status.UNKNOWN]
        assert "today 4 were removed or confirmed already, and" in await refusal(app, tmp_path, 2, first=10)


async def test_the_cap_of_a_journal_in_another_folder_counts_as_used_up_for_that_day(tmp_path: Path) -> None:
    clock = LateClock(20.0)
    with account(tmp_path) as environ:
        with closing(application(environ, clock, max_removals=5)) as app:
            await app.record("jo", AuditAct.ROSTER)
            await app.backups.make(tmp_path / "b.zip", by="jo")
        moved = {**environ, "BULKREMOVE_HOME": str(tmp_path / "moved")}
        with closing(application(moved, clock, max_removals=5)) as app:
            await put_back(app, tmp_path / "b.zip")
            assert "0 were removed or confirmed already, 5 more may have been" in await refusal(
                app, tmp_path, 1, first=0
            )
            with pytest.raises(CapExceeded, match="5 more may have been"):
                await planned(app, tmp_path, 1)
        with closing(application(moved, clock, max_removals=6)) as app:
            assert 1 == (await run(app, await planned(app, tmp_path, 1))).tally[Status.REMOVED], "a person's word"
        clock.ahead = DAY
        with closing(application(moved, clock, max_removals=5)) as app:
            assert "" == await refusal(app, tmp_path, 5, first=10)


async def test_the_daily_limit_counts_the_calls_that_a_restored_journal_has_lost(tmp_path: Path) -> None:
    clock = LateClock(20.0)
    with account(tmp_path) as environ, closing(application(environ, clock, daily_limit=20)) as app:
        await app.record("jo", AuditAct.ROSTER)
        await app.backups.make(tmp_path / "b.zip", by="jo")
        await run(app, await planned(app, tmp_path, 8))
        await put_back(app, tmp_path / "b.zip")
        lost = (await app.accounts.allowance()).today
        assert 8 <= lost < 20, "entries of the audit log may have been calls, for all that is known"
        job = await planned(app, tmp_path, 20, first=10)
        ended = await run(app, job)
        assert (20 - lost, EndReason.DAY_USED_UP) == (ended.tally[Status.REMOVED], ended.job.reason_code)
        clock.ahead = DAY + 60.0
        ended = await run(app, job, rows_reviewed=lost)
        assert JobState.FINISHED is ended.job.state


async def test_the_daily_limit_of_a_journal_in_another_folder_counts_as_used_up(tmp_path: Path) -> None:
    clock = LateClock(20.0)
    with account(tmp_path) as environ:
        with closing(application(environ, clock)) as app:
            await app.record("jo", AuditAct.ROSTER)
            await app.backups.make(tmp_path / "b.zip", by="jo")
        moved = {**environ, "BULKREMOVE_HOME": str(tmp_path / "moved")}
        with closing(application(moved, clock, max_removals=50, daily_limit=20)) as app:
            await put_back(app, tmp_path / "b.zip")
        with closing(application(moved, clock, max_removals=90, daily_limit=20)) as app:
            ended = await run(app, await planned(app, tmp_path, 3))
            assert (0, EndReason.DAY_USED_UP) == (ended.tally[Status.REMOVED], ended.job.reason_code)


async def test_a_backup_of_the_same_moment_counts_nothing(tmp_path: Path) -> None:
    clock = LateClock(20.0)
    with account(tmp_path) as environ, closing(application(environ, clock, max_removals=5)) as app:
        job = await planned(app, tmp_path, 4)
        stop = Stop()

        def pause(progress: Progress) -> None:
            if progress.tally[Status.REMOVED]:
                stop.request("Paused.", EndReason.PAUSED)

        await run(app, job, on_progress=pause, stop=stop)
        await app.backups.make(tmp_path / "b.zip", by="jo")
        today = await removals_today(app.context, job.client, job.host)
        await put_back(app, tmp_path / "b.zip")
        assert 1 <= today <= 4
        assert today == await removals_today(app.context, job.client, job.host)
        assert Epoch(0.0) < job.created_at
