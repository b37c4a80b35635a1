"""Consent has an owner, an age and an end: what resumes a job by itself, and what a person must look at first."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkremove.app import App, Consent, SandboxOptions, Stop
from bulkremove.app.nightly.earlier_jobs import EarlierJobs
from bulkremove.config import Settings
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import (
    ConsentMissing,
    JobNotFound,
    NotAuthorized,
    PlanOutdated,
    ReportFailed,
    SettingsError,
)
from bulkremove.domain.job import APPROVAL_SECONDS, CONSENT_SECONDS, EndReason, FrontEnd, Job, JobState
from bulkremove.domain.permissions import EVERY_ACCOUNT, Role
from bulkremove.domain.row import Roles, Status
from bulkremove.engine.progress import Progress
from bulkremove.reading.options import ReadOptions
from bulkremove.zoho.accounts import VARIABLES, AccountStore, Credentials, client_hash
from tests import virtual_time
from tests.application_fixtures import LateClock, run, stored
from tests.cli_fixtures import Bulkremove, crowd, environment
from tests.nightly_fixtures import nightly_site
from tests.virtual_time import VirtualClock
from tests.web_fixtures import RunningSite, running_site, triples, until

MONTH = 30 * 86_400.0


async def interrupted(tmp_path: Path, *, rows: int = 40) -> str:
    """The id of a job that a server has driven, and that its end has interrupted."""
    world, _ = crowd(tmp_path, rows)
    async with running_site(tmp_path / "home", world=world, speed=20.0) as one, one.visitor() as visitor:
        await visitor.confirm(await visitor.upload(triples(rows)))
        (job,) = await one.app.jobs.all()

        async def has_begun() -> bool:
            return (await one.app.jobs.tally(job))[Status.REMOVED] > 0

        await until(has_begun)
    return job.id


async def later(tmp_path: Path, seconds: float, job_id: str) -> tuple[RunningSite, list[str], list[str], int]:
    clock = LateClock(60.0)
    clock.ahead = seconds
    async with running_site(tmp_path / "home", world=tmp_path / "world.json", clock=clock) as one:
        resumed, need_review = await one.supervisor.resume_interrupted()
        if resumed:
            await until(lambda: one.supervisor.running(job_id) is None)
        open_rows = (await one.app.jobs.tally(await one.app.jobs.find(job_id))).open
        return one, [job.id for job in resumed], [job.id for job in need_review], open_rows


@asynccontextmanager
async def a_month_later(tmp_path: Path) -> AsyncIterator[RunningSite]:
    clock = LateClock(60.0)
    clock.ahead = MONTH
    async with running_site(tmp_path / "home", world=tmp_path / "world.json", clock=clock) as one:
        yield one


async def test_a_server_resumes_its_own_job_within_the_hour_and_not_after_it(tmp_path: Path) -> None:
    job = await interrupted(tmp_path)
    _, resumed, need_review, rows_left = await later(tmp_path, MONTH, job)
    assert ([], [job], True) == (resumed, need_review, rows_left > 0)
    _, resumed, need_review, _ = await later(tmp_path, CONSENT_SECONDS + 120.0, job)
    assert ([], [job]) == (resumed, need_review)
    _, resumed, need_review, rows_left = await later(tmp_path, CONSENT_SECONDS - 300.0, job)
    assert ([job], [], 0) == (resumed, need_review, rows_left)


async def test_a_clock_that_was_set_back_makes_no_consent_young(tmp_path: Path) -> None:
    job = await interrupted(tmp_path)
    _, resumed, need_review, _ = await later(tmp_path, -86_400.0, job)
    assert ([], [job]) == (resumed, need_review)


async def test_a_server_leaves_a_job_to_the_command_that_drove_it(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 3)
    async with running_site(tmp_path / "home", world=world) as one:
        job = await stored(one.app, await one.app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
        assert ([], []) == await one.supervisor.resume_interrupted()
        assert JobState.READY is (await one.app.jobs.find(job.id)).state


async def test_a_reviewed_job_goes_on_only_with_the_number_of_rows_left(tmp_path: Path) -> None:
    job = await interrupted(tmp_path)
    async with a_month_later(tmp_path) as one, one.visitor() as person:
        left = (await one.app.jobs.tally(await one.app.jobs.find(job))).open
        assert "Needs review" in (await person.get("/jobs")).text
        shown = await person.get(f"/jobs/{job}")
        assert f"It last ran 30 days ago, and {left} rows are left." in shown.text
        assert f'data-wanted="{left}"' in shown.text
        assert 409 == (await person.post(f"/jobs/{job}/resume")).status
        assert 409 == (await person.post(f"/jobs/{job}/resume", rows=str(left + 1))).status
        program = await one.program(Role.ADMIN)
        answer = await person.ask("POST", f"/api/v1/jobs/{job}/resume", headers=program)
        assert (409, True) == (answer.status, "needs review" in answer.text)
        assert left == (await one.app.jobs.tally(await one.app.jobs.find(job))).open
        await person.post(f"/jobs/{job}/resume", rows=str(left))
        await until(lambda: one.supervisor.running(job) is None)
        assert JobState.FINISHED is (await one.app.jobs.find(job)).state


async def test_the_api_resumes_a_reviewed_job_with_the_number_of_rows_left(tmp_path: Path) -> None:
    job = await interrupted(tmp_path)
    async with a_month_later(tmp_path) as one, one.visitor() as person:
        program = await one.program(Role.ADMIN)
        stored_job = (await person.ask("GET", f"/api/v1/jobs/{job}", headers=program)).json
        assert stored_job["needs_review"] is True
        path = f"/api/v1/jobs/{job}/resume?rows={stored_job['open']}"
        assert 200 == (await person.ask("POST", path, headers=program)).status
        await until(lambda: one.supervisor.running(job) is None)
        assert JobState.FINISHED is (await one.app.jobs.find(job)).state


def site_app(tmp_path: Path, rows: int, clock: LateClock | VirtualClock) -> tuple[App, Path]:
    world, file = crowd(tmp_path, rows)
    return App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world, 60.0), clock=clock), file


async def test_a_process_that_stood_still_sends_no_further_row(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    app, file = site_app(tmp_path, 40, clock)
    with closing(app):
        job = await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
        at_the_step: list[int] = []

        def sleep(progress: Progress) -> None:
            if progress.settled is not None and progress.tally[Status.REMOVED] == 5 and not at_the_step:
                clock.ahead = 3 * 86_400.0  # the lid was closed over the weekend
                at_the_step.append(5)

        ended = await run(app, job, on_progress=sleep)
        assert (JobState.PAUSED, EndReason.STANDSTILL) == (ended.job.state, ended.job.reason_code)
        assert ended.tally[Status.REMOVED] <= 5 + app.settings.concurrency  # what was under way already
        assert "stood still for 3 days" in ended.job.reason
        with pytest.raises(ConsentMissing, match="needs review"):
            await run(app, await app.jobs.find(job.id))
        left = (await app.jobs.tally(ended.job)).open
        ended = await run(app, job, rows_reviewed=left)
        assert (JobState.FINISHED, 40) == (ended.job.state, ended.tally[Status.REMOVED])


def test_a_long_run_keeps_its_consent_while_a_process_drives_it(tmp_path: Path) -> None:
    async def drive() -> None:
        clock = VirtualClock()
        app, file = site_app(tmp_path, 100, clock)
        with closing(app):
            job = await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
            before = (await app.jobs.find(job.id)).last_run_at

            def pass_time(progress: Progress) -> None:
                if progress.settled is not None:
                    clock.step_wall(60.0)  # 100 rows: more than an hour and a half

            stop = Stop()
            result = await app.runs.run(job.id, stop=stop, on_progress=pass_time, by="jo", front_end=FrontEnd.COMMAND)
            assert JobState.FINISHED is result.job.state
            assert result.job.last_run_at > before

    virtual_time.run(drive, wire=0.0005)


@pytest.mark.parametrize(("reason", "hours", "needed"), [
    (EndReason.DAY_USED_UP, 24.5, False),
    (EndReason.DAY_USED_UP, 26.0, True),
    (EndReason.WINDOW_CLOSED, 24.5, False),
    (EndReason.PAUSED, 0.9, False),
    (EndReason.PAUSED, 1.1, True),
])  # fmt: skip
def test_an_announced_wait_belongs_to_the_run(reason: EndReason, hours: float, *, needed: bool) -> None:
    job = Job("j", "a", "h", "f.csv", "", None, ("c",), Roles(0, 0, 0), "x", JobState.PAUSED, reason_code=reason)
    assert needed == replace(job, last_run_at=Epoch(1e9)).needs_review(Epoch(1e9 + hours * 3600.0))


# A run that is refused before its first row


async def test_a_plan_that_could_not_run_is_not_stored(tmp_path: Path) -> None:
    async with running_site(tmp_path / "home") as one:
        environ = {"BULKREMOVE_HOME": str(tmp_path / "home")}
        app = App(Settings(tmp_path / "home"), environ=environ)
        file = tmp_path / "f.csv"
        file.write_text(triples(3))
        preview = await app.plans.preview(file, name="f.csv", options=ReadOptions())
        with pytest.raises(NotAuthorized):
            await stored(app, preview, tmp_path)
        preview = await one.app.plans.preview(file, name="f.csv", options=ReadOptions())
        with pytest.raises(ReportFailed):
            await stored(one.app, preview, tmp_path / "no such folder")
        assert [] == await one.app.jobs.all()
        app.close()


@pytest.mark.slow
def test_a_refused_run_leaves_no_job(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 12)
    program = Bulkremove(tmp_path / "home", environment())
    refused = program("run", str(file), "--yes", "--sandbox", str(world), "--report", "/nowhere/report.csv")
    assert (2, True) == (refused.returncode, "can't be written" in refused.stderr)
    refused = program("run", str(file), "--yes")
    assert 7 == refused.returncode, refused.stderr
    assert "There are no jobs yet" in program("jobs").stdout


@pytest.mark.slow
def test_a_command_resumes_an_old_job_only_with_the_number_of_rows_left(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    clock.ahead = -2 * 86_400.0
    app, file = site_app(tmp_path, 6, clock)

    async def begin() -> Job:
        return await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)

    job = asyncio.run(begin())
    app.close()
    program, world = Bulkremove(tmp_path / "home", environment()), str(tmp_path / "world.json")
    assert "Needs review" in program("jobs").stdout
    shown = program("show", job.id).stdout
    assert "It needs review. It last ran 2 days ago, and 6 rows are left." in shown
    refused = program("resume", job.id, "--sandbox", world, "--speed", "60")
    assert (4, True) == (refused.returncode, "--rows 6" in refused.stderr), refused.stderr
    assert 4 == program("resume", job.id, "--rows", "5", "--sandbox", world, "--speed", "60").returncode
    assert 0 == program("resume", job.id, "--rows", "6", "--sandbox", world, "--speed", "60").returncode


# The account that was confirmed


def logged_in(home: Path, client_id: str) -> None:
    AccountStore(home, None).add("default", Credentials("us", client_id, "secret", "refresh"))


async def test_a_job_runs_for_no_other_client_of_the_same_account_name(tmp_path: Path) -> None:
    file, home = tmp_path / "f.csv", tmp_path / "home"
    file.write_text(triples(3))
    logged_in(home, "client of one organisation")
    with closing(App(Settings(home), environ={})) as app:
        preview = await app.plans.preview(file, name="f.csv", options=ReadOptions())
        job = await stored(app, preview, tmp_path)
        file.write_text(triples(3, first=10))
        waiting = await app.plans.preview(file, name="f.csv", options=ReadOptions())
        file.write_text(triples(3))
        logged_in(home, "client of another organisation")
        again = await app.plans.preview(file, name="f.csv", options=ReadOptions())
        assert again.plan.hash != preview.plan.hash
        assert 3 == again.plan.removals, "another client's open rows are other people"
        with pytest.raises(SettingsError, match="another client of Zoho than account 'default' has now"):
            await run(app, job)
        with pytest.raises(SettingsError, match="another client"):
            await stored(app, waiting, tmp_path)
        assert 3 == (await app.jobs.tally(job)).open
        environ = dict(zip(VARIABLES.values(), ("client of a third", "s", "r"), strict=True))
        with (
            closing(App(Settings(home), environ=environ)) as third,
            pytest.raises(SettingsError, match="another client"),
        ):
            await run(third, job)


async def test_a_plan_that_was_made_without_credentials_can_not_be_run(tmp_path: Path) -> None:
    file, home = tmp_path / "f.csv", tmp_path / "home"
    file.write_text(triples(3))
    with closing(App(Settings(home), environ={})) as app:
        preview = await app.plans.preview(file, name="f.csv", options=ReadOptions())
        assert (3, "") == (preview.plan.removals, preview.plan.client)
        logged_in(home, "client")
        with pytest.raises(SettingsError, match="another client"):
            await stored(app, preview, tmp_path)


async def test_an_account_that_an_older_version_stored_has_its_client_too(tmp_path: Path) -> None:
    logged_in(tmp_path, "client")
    path = tmp_path / "accounts.json"
    fields = json.loads(path.read_text())
    del fields["default"]["client"]
    path.write_text(json.dumps(fields))
    with closing(App(Settings(tmp_path), environ={})) as app:
        assert client_hash("client") == app.accounts.client(app.settings)


# Nightly runs


async def test_a_nightly_job_that_no_run_went_on_with_is_held_after_its_days(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=30) as one:
        one.drop("leavers.csv", triples(30))
        stop = Stop()
        night = asyncio.create_task(one.run(stop=stop))

        async def has_begun() -> bool:
            return await one.removed() > 0

        await until(has_begun)
        stop.request("The machine was switched off.", EndReason.TERMINATED, auto_resumable=True)
        await night
        job = await one.job()
        left = (await one.app.jobs.tally(job)).open
        assert (JobState.PAUSED, True) == (job.state, left > 0)
        one.clock.ahead = APPROVAL_SECONDS + 86_400.0
        result = await one.run()
        assert ([], 1) == (result.ran, len(result.held))
        assert JobState.HELD is (await one.job()).state
        assert "needs review: leavers.csv. Approve or cancel it" in one.notices()
        one.clock.ahead += 86_400.0
        assert [] == (await one.run()).ran  # a person has not looked yet, and the plan has not expired
        await one.app.jobs.approve(job.id, by="kim", rows_left=left)
        assert 1 == len((await one.run()).ran)
        assert (JobState.FINISHED, 0) == ((await one.job()).state, (await one.app.jobs.tally(job)).open)


async def test_a_nightly_run_that_stood_still_sends_no_later_job(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=40) as one:
        one.drop("first.csv", triples(20))
        one.drop("second.csv", triples(20, first=20))
        night = asyncio.create_task(one.run())

        async def has_begun() -> bool:
            return await one.removed() > 0

        await until(has_begun)
        one.clock.ahead = 10 * 86_400.0
        result = await night
        (ended,) = result.ended
        assert EndReason.STANDSTILL is ended.job.reason_code
        result = await one.run()
        assert "first.csv: It needs review" in " ".join(result.held)
        assert "needs review: first.csv. Approve or cancel it" in one.notices()


async def test_what_a_person_drove_and_died_on_is_held_by_the_night_after_an_hour(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=4) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        job = await one.app.jobs.approve((await one.job()).id, by="kim")
        await one.app.context.storage.jobs.record_run(job.id, by=FrontEnd.COMMAND, at=one.clock.wall())
        await one.app.context.storage.jobs.start(job.id)  # and its process was killed
        assert ([], []) == ((result := await one.run()).ran, result.held), "theirs to resume for an hour"
        one.clock.ahead = 6 * 86_400.0
        result = await one.run()
        assert ([], 1) == (result.ran, len(result.held))
        assert JobState.HELD is (await one.job()).state


async def test_an_approved_announcement_runs_in_the_next_night_and_has_no_day_any_more(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, delay_days=20) as one:
        one.drop("leavers.csv", triples(3))
        await one.run()
        one.clock.ahead = 8 * 86_400.0
        job = await one.app.jobs.approve((await one.job()).id, by="kim")
        assert job.due_at is None
        assert 1 == len((await one.run()).ran)


async def test_an_announced_plan_can_be_approved_for_7_days_from_its_day(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, delay_days=9) as one:
        one.drop("leavers.csv", triples(3))
        one.drop("more.csv", triples(3, first=10))
        await one.run()
        first, second = await one.jobs()
        one.clock.ahead = 8 * 86_400.0
        assert JobState.READY is (await one.app.jobs.approve(first.id, by="kim")).state
        one.clock.ahead = 9 * 86_400.0 + APPROVAL_SECONDS + 120.0
        with pytest.raises(PlanOutdated, match="expired"):
            await one.app.jobs.approve(second.id, by="kim")


async def test_an_announced_plan_is_held_if_two_people_must_agree_by_then(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, delay_days=2) as one:
        one.drop("leavers.csv", triples(3))
        await one.run()
    async with nightly_site(tmp_path, delay_days=2, four_eyes=True) as one:
        one.clock.ahead = 2 * 86_400.0 + 60.0
        result = await one.run()
        assert ([], True) == (result.ran, "Two people must agree" in result.held[0])


async def test_who_prepared_a_plan_can_not_renew_its_consent_alone(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    world, file = crowd(tmp_path, 3)
    settings = Settings(tmp_path / "home", four_eyes=True)
    with closing(App(settings, environ={}, sandbox=SandboxOptions(world, 60.0), clock=clock)) as app:
        job = await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
        await app.jobs.approve(job.id, by="kim")
        clock.ahead = 6 * 86_400.0
        with pytest.raises(ConsentMissing, match="jo prepared this plan"):
            await run(app, job, rows_reviewed=3)
        assert 3 == (await app.jobs.tally(job)).open


async def test_who_retries_a_job_of_others_shares_its_preparation_with_them(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 3)
    settings = Settings(tmp_path / "home", four_eyes=True)
    with closing(App(settings, environ={}, sandbox=SandboxOptions(world, 60.0))) as app:
        job = await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
        for number in range(2):  # a retry of a retry, too
            await app.jobs.cancel(job.id, by="kim")
            again = await app.plans.retry(job.id, unknown_checked=False)
            for person in ("jo", "kim"):
                with pytest.raises(ConsentMissing, match=f"{person} prepared this plan"):
                    await app.confirmations.submit(
                        again,
                        consent=Consent(removals=3),
                        folder=tmp_path,
                        prepared_by=["kim"],
                        by=person,
                        front_end=FrontEnd.PAGE,
                    )
            job = await app.confirmations.submit(
                again,
                consent=Consent(removals=3),
                folder=tmp_path,
                prepared_by=["kim"],
                by=f"person {number}",
                front_end=FrontEnd.PAGE,
            )
            assert ("jo", "kim") == job.prepared_by


async def test_who_prepared_a_plan_goes_on_neither_after_a_pause_nor_with_a_shorter_protected_list(
    tmp_path: Path,
) -> None:
    world, file = crowd(tmp_path, 6)
    settings = Settings(tmp_path / "home", four_eyes=True)
    with closing(App(settings, environ={}, sandbox=SandboxOptions(world, 60.0))) as app:
        protected = tmp_path / "home" / "protected.csv"
        job = await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
        protected.write_text("Learner ID\n478346000019558901\n478346000019558902\n")
        await app.jobs.approve(job.id, by="kim")
        stop = Stop()
        stop.request("Ctrl-C", EndReason.INTERRUPTED)
        await run(app, job, stop=stop)
        protected.write_text("Learner ID\n478346000019558901\n")
        with pytest.raises(ConsentMissing, match="jo prepared this plan"):
            await run(app, job, rows_reviewed=6)
        protected.write_text("Learner ID\n478346000019558901\n478346000019558902\n")
        await app.stopping.pause(job.id, by="kim")
        for rows in (None, 6):
            with pytest.raises(ConsentMissing, match="jo prepared this plan"):
                await run(app, job, rows_reviewed=rows)
        assert 6 == (await app.jobs.tally(job)).open


async def test_a_pause_of_a_job_that_stopped_for_another_reason_is_kept_and_recorded(tmp_path: Path) -> None:
    app, file = site_app(tmp_path, 6, LateClock(60.0))
    with closing(app):
        job = await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
        stop = Stop()
        stop.request("Stopped by Ctrl-C.", EndReason.INTERRUPTED)
        await run(app, job, stop=stop)
        paused = await app.stopping.pause(job.id, by="kim")
        assert (EndReason.PAUSED, "kim paused it. Stopped by Ctrl-C.") == (paused.reason_code, paused.reason)
        assert "paused" == (await app.audit.newest(1, EVERY_ACCOUNT))[0].act
        with pytest.raises(JobNotFound):
            await app.jobs.newest_unfinished(job.account, job.client, job.host)


async def test_neither_hash_nor_yes_renews_an_approval(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, has_past=False) as one:
        one.drop("leavers.csv", triples(3))
        await one.run()
        job = await one.job()
        assert JobState.HELD is job.state
        await one.app.jobs.approve(job.id, by="kim")
        one.clock.ahead = APPROVAL_SECONDS + 3600.0
        await one.run()
        assert JobState.HELD is (await one.job()).state, "it needs review"
        with pytest.raises(ConsentMissing, match="was approved or run before"):
            await one.app.jobs.approve(job.id, by="kim")
        with pytest.raises(ConsentMissing, match="2 is not the number of rows left"):
            await one.app.jobs.approve(job.id, by="kim", rows_left=2)
        released = await one.app.jobs.approve(job.id, by="kim", rows_left=3)
        assert (JobState.READY, FrontEnd.NIGHTLY) == (released.state, released.last_run_by)


@pytest.mark.parametrize("name", ["jo", "Jo", "JO on this machine"])
async def test_one_person_under_two_names_is_one_person(tmp_path: Path, name: str) -> None:
    world, file = crowd(tmp_path, 3)
    settings = Settings(tmp_path / "home", four_eyes=True)
    with closing(App(settings, environ={}, sandbox=SandboxOptions(world, 60.0))) as app:
        job = await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
        with pytest.raises(ConsentMissing, match="prepared this plan"):
            await app.jobs.approve(job.id, by=name)
        assert JobState.HELD is (await app.jobs.find(job.id)).state


async def test_a_wrong_number_of_rows_is_refused_for_a_young_job_too(tmp_path: Path) -> None:
    app, file = site_app(tmp_path, 6, LateClock(60.0))
    with closing(app):
        job = await stored(app, await app.plans.preview(file, name="f.csv", options=ReadOptions()), tmp_path)
        with pytest.raises(ConsentMissing, match="3 is not the number of rows left"):
            await run(app, job, rows_reviewed=3)


def test_a_job_of_a_restored_backup_needs_review_whatever_its_age() -> None:
    job = Job("j", "a", "h", "f.csv", "", None, ("c",), Roles(0, 0, 0), "x", JobState.PAUSED, last_run_at=Epoch(1e9))
    assert replace(job, reason_code=EndReason.RESTORED).needs_review(Epoch(1e9))
    assert not replace(job, reason_code=EndReason.PAUSED).needs_review(Epoch(1e9))


async def test_an_announced_job_whose_day_is_long_past_is_held(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, delay_days=1) as one:
        one.drop("leavers.csv", triples(3))
        await one.run()
        assert JobState.SCHEDULED is (await one.job()).state
        one.clock.ahead = 86_400.0 + APPROVAL_SECONDS + 3600.0
        result = await one.run()
        assert ([], 1) == (result.ran, len(result.held))
        assert (JobState.HELD, None) == ((await one.job()).state, (await one.job()).due_at)


async def test_no_nightly_run_holds_what_a_person_has_begun_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nightly_site(tmp_path, has_past=False) as one, AsyncExitStack() as persons:
        one.drop("leavers.csv", triples(3))
        await one.run()
        job = await one.app.jobs.approve((await one.job()).id, by="kim")
        one.clock.ahead = APPROVAL_SECONDS + 3600.0
        why_hold = EarlierJobs.hold_reason

        async def meanwhile(self: EarlierJobs, job: Job, *args: Any, **options: Any) -> str | None:
            why = await why_hold(self, job, *args, **options)
            await persons.enter_async_context(one.app.context.storage.claims.hold(job.id))
            return why

        monkeypatch.setattr(EarlierJobs, "hold_reason", meanwhile)
        result = await one.run()
        assert ([], JobState.READY) == (result.held, (await one.app.jobs.find(job.id)).state)


def test_who_stops_a_nightly_run_with_ctrl_c_resumes_it_too(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 200, {"latency": 0.05})
    (tmp_path / "in").mkdir()
    file.replace(tmp_path / "in" / "leavers.csv")
    os.utime(tmp_path / "in" / "leavers.csv", (1e9, 1e9))
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "bulkremove.toml").write_text(f'[[nights]]\nsource = "{tmp_path / "in"}"\n')
    program = Bulkremove(tmp_path / "home", environment(PYTHONUNBUFFERED="1"))
    night = ("nightly", "--sandbox", str(world), "--speed", "10")
    assert 4 == program(*night).returncode
    (job,) = json.loads(program("jobs", "--json").stdout)
    assert 0 == program("approve", job["job"], "--yes").returncode
    process = program.start("-v", "--events", "text", *night)
    assert process.stderr is not None
    try:
        while " started " not in (line := process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert 130 == process.returncode
    finally:
        process.kill()
        process.communicate()
    before = json.loads(program("jobs", "--json").stdout)[0]
    again = program(*night)
    after = json.loads(program("jobs", "--json").stdout)[0]
    assert (4, before["counts"], "paused") == (again.returncode, after["counts"], after["state"])
    assert f"resume {job['job']} --sandbox " in again.stdout
