"""Plans of nights that ask Zoho who has left: earlier ones, lists that were left behind, and what a dry run says."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bulkremove.app import App
from bulkremove.app.nightly import NightlyResult, NightlyRunEnd
from bulkremove.domain.job import EndReason, JobState
from bulkremove.domain.row import Status
from tests.leaver_fixtures import BATCHES, LeaverSite, enrolment
from tests.test_leavers_nights import DAY, play
from tests.web_fixtures import CREDENTIALS

pytestmark = pytest.mark.slow


async def dry_run(one: LeaverSite) -> NightlyResult:
    return await one.app.nightly_runs(one.app.supervisor()).dry_run()


def with_folder(one: LeaverSite, folder: Path) -> None:
    """Let the night take files from a folder from now on."""
    folder.mkdir(mode=0o700)
    night = replace(one.app.settings.nights[0], source=str(folder))
    app = App(replace(one.app.settings, nights=(night,), night=None, top=None), environ=CREDENTIALS, clock=one.clock)
    app._shared = one.app._shared
    one.app = app.for_night(app.settings.nights[0])


def test_a_plan_of_a_night_whose_source_was_changed_waits_for_a_person(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        await one.run()
        one.change(3, status="Active", status_type=1)
        await one.clock.sleep(2 * DAY)
        with_folder(one, tmp_path / "drop")
        assert "who has come back is not known" in (await dry_run(one)).held[0]
        result = await one.run()
        assert "who has come back is not known" in result.held[0]
        assert set() == one.sandbox.removed
        (job,) = await one.jobs()
        await one.app.jobs.approve(job.id, by="kim")
        await one.clock.sleep(DAY)
        await one.run()
        assert {enrolment(3, 0)} == one.sandbox.removed, "a person has said so"

    play(tmp_path, scene, delay_days=1)


def test_a_dry_run_holds_a_plan_in_which_somebody_has_come_back(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        one.leave(4)
        await one.run()
        one.change(4, status="Active", status_type=1)
        await one.clock.sleep(DAY)
        one.employees.coming = ["500"]
        assert [] == (await dry_run(one)).would_run, "who has come back is not known"
        dry, real = await dry_run(one), await one.run()
        assert ([], real.held, 1) == (dry.would_run, dry.held, len(dry.held))

    play(tmp_path, scene, delay_days=1)


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_dry_run_says_what_becomes_of_a_list_that_was_left_behind(tmp_path: Path, is_taken: bool) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        one.leave(4)
        intake = one.app.nightly_runs(one.app.supervisor())._intake
        intake.incoming.inbox.path.mkdir(mode=0o700)
        intake.incoming.inbox.prepare()
        (file,) = await intake.incoming.leavers.fetch(intake.incoming.inbox.path)
        await intake.incoming.leavers.remember()
        if is_taken:
            intake.incoming.inbox.take(file.path)
        one.change(4, status="Active", status_type=1)
        await one.clock.sleep(DAY)
        dry, real = await dry_run(one), await one.run()
        assert [1] == [preview.plan.removals for preview in dry.plans]
        assert (real.unchanged, 1) == (dry.unchanged, len(dry.unchanged))
        assert {enrolment(3, 0)} == one.sandbox.removed

    play(tmp_path, scene)


def test_a_person_s_own_list_with_a_like_name_is_no_list_of_an_earlier_night(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        folder = one.app.settings.home / "nightly"
        folder.mkdir(mode=0o700)
        path = folder / "my-zoho-leavers.csv"
        path.write_text("Course ID,Batch ID,Learner ID\n{},{},{}\n".format(*enrolment(3, 0).ids))
        os.utime(path, (one.clock.wall() - DAY / 2,) * 2)
        result = await one.run()
        assert [] == result.unchanged
        assert result.held[0].startswith("my-zoho-leavers.csv: It has other columns")
        (job,) = await one.jobs()
        assert JobState.HELD == job.state

    play(tmp_path, scene)


def test_a_plan_that_nobody_approved_in_time_is_no_person_s_no(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        await one.run()
        await one.clock.sleep(8 * DAY)
        result = await one.run()
        assert (1, 1) == (len(result.expired), len(result.held))
        assert "was cancelled" not in result.held[0]
        (job, expired) = await one.jobs()
        assert (JobState.CANCELLED, EndReason.EXPIRED) == (expired.state, expired.reason_code)
        await one.app.jobs.cancel(job.id, by="kim")
        await one.clock.sleep(8 * DAY)
        assert f"Job {job.id} of the same content was cancelled" in (await one.run()).held[0]

    play(tmp_path, scene, has_past=False)


def test_what_zoho_calls_people_and_courses_says_of_nobody_that_they_stay(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3, name="Keep Smith", employee_id="active")
        one.leave(4, name="Ann Stays")
        one.sandbox._zoho._world = replace(one.sandbox.world, courses={BATCHES[0][0]: "Training on parental leave"})
        result = await one.run()
        assert NightlyRunEnd.DONE == result.end, result.held
        assert {enrolment(3, 0), enrolment(4, 0)} == one.sandbox.removed

    play(tmp_path, scene)


def test_a_leaver_without_a_learner_id_holds_no_other_row_and_is_told(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        for person in (2, 3, 4):
            one.leave(person)
        one.change(4, email="other@example.com")
        result = await one.run()
        assert NightlyRunEnd.ROWS_NEED_PERSON == result.end, result.held
        assert {enrolment(2, 0), enrolment(3, 0)} == one.sandbox.removed
        (ended,) = result.ended
        assert 1 == ended.tally[Status.INVALID]
        (row,) = await one.app.reports.outcomes(ended.job, Status.INVALID)
        assert "name different e-mail addresses" in row.cells[-1]
        with closing(sqlite3.connect(one.app.settings.home / "journal.db")) as journal:
            assert any("invalid 1" in subject for (subject,) in journal.execute("SELECT subject FROM notice"))

    play(tmp_path, scene)


def test_a_leaver_whose_plan_still_waits_is_in_no_second_plan(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        told = list[int]()
        for day in range(14):
            result = await one.run()
            assert [] == result.held, day
            told += [day for note in result.notes if "by other plans" in note]
            await one.clock.sleep(DAY)
        assert 1 == len(told)
        assert (1, {enrolment(3, 0)}) == (len(await one.jobs()), one.sandbox.removed)

    play(tmp_path, scene, delay_days=10)
