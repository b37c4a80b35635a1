"""Nightly runs against a sandbox: they do all that a real one does, with copies, and leave what is real as it was."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from datetime import time as daytime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from openpyxl import load_workbook

from bulkremove.app import Consent, Stop, metrics
from bulkremove.app.caps import removals_today
from bulkremove.app.nightly import Scheduler
from bulkremove.cli.exit_codes import of_nightly_run
from bulkremove.config import DEFAULT_NIGHT
from bulkremove.domain.errors import JobUnsuitable, SettingsError
from bulkremove.domain.job import APPROVAL_SECONDS, FrontEnd, JobState
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.domain.row import Status
from bulkremove.reading.options import ReadOptions
from tests.nightly_fixtures import NightlySite, nightly_site
from tests.web_fixtures import free_port, triples

LOOPBACK: dict[str, Any] = {"api_url": "http://127.0.0.1:9", "accounts_url": "http://127.0.0.1:9"}
SANDBOXES = pytest.mark.parametrize("sandbox", [{"sandbox": True}, LOOPBACK], ids=["bundled", "loopback"])
"""Settings for the bundled sandbox, and for one that is a process of its own."""


def tree(folder: Path) -> Mapping[str, bytes | None]:
    """The content of all files below a folder by their paths; None for a folder."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


@SANDBOXES
async def test_a_sandbox_night_runs_copies_and_leaves_the_source_as_it_was(
    tmp_path: Path, sandbox: dict[str, Any]
) -> None:
    async with nightly_site(tmp_path, **sandbox) as one:
        one.drop("leavers.csv", triples(5))
        one.drop("fresh.csv", triples(2, first=10), age=5.0)
        one.drop("damaged.csv", "a,b\n1,2\n")
        before = tree(one.folder)
        result = await one.run()
        assert before == tree(one.folder)
        assert [("leavers.csv", JobState.FINISHED, True)] == [
            (job.source, job.state, job.is_sandbox) for job in result.ran
        ]
        assert 5 == (await one.app.jobs.tally(await one.job()))[Status.REMOVED]
        assert ["fresh.csv"] == result.unfinished
        assert "no column for the course id" in result.held[0]
        assert 4 == of_nightly_run(result)
        copies = tmp_path / "home" / "sandbox"
        assert ["damaged.csv"] == [path.name for path in (copies / "held").iterdir()]
        (report,) = (path for path in (copies / "done").iterdir() if "report" in path.name)
        assert 0o700 == copies.stat().st_mode & 0o777
        sheet = load_workbook(report).active
        assert sheet is not None
        assert ["course", "batch", "learner", "reason"] == [cell.value for cell in sheet[1][5:9]]


@SANDBOXES
async def test_the_same_content_runs_normally_in_the_real_night_after_a_sandbox_night(
    tmp_path: Path, sandbox: dict[str, Any]
) -> None:
    async with nightly_site(tmp_path, **sandbox) as rehearsed:
        rehearsed.drop("leavers.csv", triples(5))
        assert 1 == len((await rehearsed.run()).ran)
    async with nightly_site(tmp_path) as one:
        result = await one.run()
        assert ([], ["leavers.csv"]) == (result.held, [job.source for job in result.ran])
        assert 5 == (await one.app.jobs.tally(result.ran[0]))[Status.REMOVED]
        assert ["leavers.csv"] == one.where()["done"]


@SANDBOXES
async def test_a_sandbox_night_writes_down_nothing_that_a_real_night_reads(
    tmp_path: Path, sandbox: dict[str, Any]
) -> None:
    pings: list[str] = []

    async def record_ping(request: web.Request) -> web.Response:
        pings.append(request.path)
        return web.Response()

    switch = web.Application()
    switch.router.add_get("/{rest:.*}", record_ping)
    runner, port = web.AppRunner(switch), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    figures = tmp_path / "bulkremove.prom"
    async with nightly_site(tmp_path, retention_days=90) as one:
        one.drop("old.csv", triples(1, first=20))
        (old,) = (await one.run()).ran
        before = await records(one)
        notices = one.notices()
    settings: dict[str, Any] = {
        "ping_url": f"http://127.0.0.1:{port}/uuid",
        "metrics_file": str(figures),
        "retention_days": 90,
    }
    async with nightly_site(tmp_path, **settings, **sandbox) as one:
        one.clock.ahead = 100 * 86_400.0
        one.drop("leavers.csv", triples(5))
        one.drop("damaged.csv", "")
        assert 1 == len((await one.run()).ran)
    await runner.cleanup()
    async with nightly_site(tmp_path) as one:
        assert before == await records(one)
        assert notices == one.notices()
        assert not (await one.app.jobs.find(old.id)).rows_deleted, "the sandbox's clock proves nothing"
    assert [] == pings
    assert not figures.exists()


async def records(one: NightlySite) -> tuple[object, ...]:
    """What a real night reads of earlier ones."""
    nightly, client, host = (
        one.app.context.storage.nightly,
        one.app.accounts.client(one.app.settings),
        "people.zoho.com",
    )
    newest = await one.app.context.storage.jobs.newest_nightly(client, host, night=DEFAULT_NIGHT, now=one.clock.wall())
    return (
        await one.app.nightly_runs(one.app.supervisor()).last_date(),
        await nightly.last_good(night=DEFAULT_NIGHT, sandbox=""),
        await nightly.sizes(client, host, night=DEFAULT_NIGHT, before=one.clock.wall(), count=10),
        newest and newest.id,
        await removals_today(one.app.context, client, host),
        replace(await metrics.figures(one.app.context, EVERY_ACCOUNT), accounts={}),
    )


@SANDBOXES
async def test_real_jobs_are_left_alone_by_a_sandbox_night_and_its_jobs_by_a_real_one(
    tmp_path: Path, sandbox: dict[str, Any]
) -> None:
    async with nightly_site(tmp_path, max_removals=4, delay_days=1) as one:
        one.drop("announced.csv", triples(2))
        one.drop("held.csv", triples(6, first=5))
        await one.run()
        real = {job.id: (job.state, job.reason) for job in await one.jobs()}
    async with nightly_site(tmp_path, max_removals=4, **sandbox) as one:
        one.clock.ahead = 1.5 * 86_400.0
        await one.run()
        one.clock.ahead = APPROVAL_SECONDS + 86_400.0
        await one.run()
        assert real == {job.id: (job.state, job.reason) for job in await one.jobs() if not job.is_sandbox}
        one.clock.ahead = 0.0
        one.drop("larger.csv", triples(7, first=12))
        await one.run()
        (job,) = (job for job in await one.jobs() if job.source == "larger.csv")
        await one.app.jobs.approve(job.id, by="kim")
    async with nightly_site(tmp_path, max_removals=4) as one:
        result = await one.run()
        assert [] == result.failures
        assert JobState.READY == (await one.app.jobs.find(job.id)).state
    async with nightly_site(tmp_path, max_removals=4, **sandbox) as one:
        assert [job.id] == [ran.id for ran in (await one.run()).ran]


async def test_a_sandbox_night_and_a_real_one_may_run_at_the_same_time(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, sandbox=True) as rehearsed, nightly_site(tmp_path) as one:
        async with rehearsed.app.context.storage.claims.hold("nightly-nightly"):
            assert [] == (await rehearsed.run()).failures
        async with one.app.context.storage.claims.hold("nightly-nightly.sandbox"):
            assert [] == (await one.run()).failures


@SANDBOXES
async def test_each_content_is_run_once_in_the_sandbox_until_it_is_asked_for_anew(
    tmp_path: Path, sandbox: dict[str, Any]
) -> None:
    async with nightly_site(tmp_path, enrolment_check="never", **sandbox) as one:  # else nobody is left the second time
        one.drop("leavers.csv", triples(5))
        (one.folder / "held").mkdir()
        (one.folder / "held" / "earlier.csv").write_text(triples(3, first=7))
        await one.run()
        again = await one.run()
        assert ([], [], []) == (again.ran, again.held, again.failures)
        assert "leavers.csv: Its content was taken before" in again.unchanged[0]
        assert ["leavers.csv"] == [job.source for job in (await one.run(again="leavers.csv")).ran]
        assert ["earlier.csv"] == [job.source for job in (await one.run(again="earlier.csv")).ran]
        assert ["earlier.csv"] == [path.name for path in (one.folder / "held").iterdir()]
        assert "There is no file 'none.csv'" in (await one.run(again="none.csv")).failures[0]


async def test_what_a_command_prints_is_run_in_the_sandbox_without_the_real_inbox(tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_text(triples(3))
    source = f"command cat {tmp_path / 'export.csv'}"
    async with nightly_site(tmp_path, sandbox=True, source=source) as one:
        assert 3 == (await one.app.jobs.tally((await one.run()).ran[0]))[Status.REMOVED]
        assert [] == (await one.run()).ran
    assert not (tmp_path / "home" / "nightly").exists()
    async with nightly_site(tmp_path, source=source) as one:
        assert 1 == len((await one.run()).ran)


@pytest.mark.parametrize("sandbox", [{}, {"sandbox": True}, LOOPBACK], ids=["real", "bundled", "loopback"])
async def test_a_dry_run_makes_no_folders_and_says_what_was_taken_before(
    tmp_path: Path, sandbox: dict[str, Any]
) -> None:
    async with nightly_site(tmp_path, **sandbox) as one:
        one.drop("leavers.csv", triples(5))
        before = tree(one.folder)
        nightly_runs = one.app.nightly_runs(one.app.supervisor())
        assert [5] == [preview.plan.removals for preview in (await nightly_runs.dry_run()).plans]
        assert before == tree(one.folder)
        await one.run()
        one.drop("leavers.csv", triples(5))
        result = await nightly_runs.dry_run()
        assert [] == result.plans
        assert "Its content was taken before, as leavers.csv" in (result.held + result.unchanged)[0]


async def test_the_schedule_of_a_sandbox_counts_its_own_dates(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"at": daytime(2, 30)}
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp() - time.time()
    async with nightly_site(tmp_path, sandbox=True, **settings) as rehearsed, nightly_site(tmp_path, **settings) as one:
        workers = []
        for site in (rehearsed, one):
            site.clock.ahead = noon
            workers.append(Scheduler(site.app.context, site.app.nightly_runs(site.app.supervisor()), Stop()))
        one.drop("leavers.csv", triples(2))
        for worker in workers:
            await worker.run_due()
        assert [] == await one.jobs()
        for site in (rehearsed, one):
            site.clock.ahead = noon + 15 * 3600.0
            one.drop("leavers.csv", triples(2))
        for worker in (*workers, *workers):
            await worker.run_due()
        assert [True, False] == [job.is_sandbox for job in reversed(await one.jobs())]


async def test_a_test_notice_is_not_sent_from_a_sandbox(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, sandbox=True) as one:
        with pytest.raises(SettingsError, match="sandbox"):
            await one.app.nightly_runs(one.app.supervisor()).outbox.send_now("a test", "text")


@SANDBOXES
async def test_a_page_in_a_sandbox_neither_resumes_nor_approves_nor_ends_a_real_job(
    tmp_path: Path, sandbox: dict[str, Any]
) -> None:
    async with nightly_site(tmp_path, max_removals=4) as one:
        one.drop("held.csv", triples(6))
        await one.run()
        held = await one.job()
        file = tmp_path / "mine.csv"
        file.write_text(triples(2, first=10))
        shown = await one.app.plans.preview(file, name="mine.csv", options=ReadOptions())
        ready = await one.app.confirmations.submit(
            shown, consent=Consent(yes=True), folder=tmp_path, prepared_by=("jo",), by="kim", front_end=FrontEnd.PAGE
        )
    async with nightly_site(tmp_path, **sandbox) as one:
        supervisor = one.app.supervisor()
        assert ([], []) == await supervisor.resume_interrupted()
        with pytest.raises(JobUnsuitable, match="SANDBOX"):
            await supervisor.resume(ready.id, by="kim", rows_reviewed=2)
        with pytest.raises(JobUnsuitable, match="SANDBOX"):
            await one.app.jobs.approve(held.id, by="kim")
        with pytest.raises(JobUnsuitable, match="SANDBOX"):
            await supervisor.cancel(ready.id, by="kim")
        with pytest.raises(JobUnsuitable, match="SANDBOX"):
            await one.app.jobs.add_note(ready.id, 2, "gone", by="kim")
        with pytest.raises(JobUnsuitable, match="SANDBOX"):
            await one.app.wordings.accept(ready.id, 2, by="kim")
        assert JobState.READY == (await one.app.jobs.find(ready.id)).state
        assert JobState.HELD == (await one.app.jobs.find(held.id)).state
