"""Files of a job whose people a later job put back: none of them removes these people again unasked."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import Preview
from bulkremove.app.nightly.repeated_content import skip_reason
from bulkremove.config import Night
from bulkremove.domain.job import Job
from bulkremove.domain.row import Removal, Status
from bulkremove.reading.options import ReadOptions
from bulkremove.report import RowSelection
from bulkremove.storage.interface.nightly import TakenFile
from tests.test_reads import BATCH, COURSE, learner
from tests.test_reenrolment import Home, home


async def planned(one: Home, file: Path, *, check: bool = False) -> Preview:
    """The plan of a file that is given as input."""
    preview = await one.app.plans.preview(file, name=file.name, options=ReadOptions())
    return await one.app.enrolment_checks.check(preview, is_asked=True) if check else preview


async def report_of(one: Home, job: Job, name: str) -> Path:
    path = await one.app.reports.write(job.id, one.folder / name, by="jo")
    assert path is not None
    return path


async def retry_file_of(one: Home, job: Job, name: str) -> Path | None:
    return await one.app.reports.write(job.id, one.folder / name, rows=RowSelection.RETRY, by="jo")


def learners_in(path: Path | None) -> Sequence[str]:
    assert path is not None
    return [line["learner"] for line in csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())]


async def removal_and_put_back(one: Home, *others: int) -> tuple[Job, Job]:
    """A removal of a learner and some others that waits, and a job that put the first one back since."""
    first = await one.planned(0)
    await one.run(first)
    waiting = await one.planned(0, *others, check=False)
    one.enrolled.add(Removal(COURSE, BATCH, learner(0)))  # Zoho keeps the learner id
    back = await one.put_back(first, check=False)
    await one.run(back)
    return waiting, back


async def test_no_retry_file_names_whom_a_later_job_put_back(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        waiting, _ = await removal_and_put_back(one, 1)
        ended = await one.run(waiting)
        assert ["not_sent", "removed"] == await one.statuses(ended.job)
        assert ended.retry is None
        assert await retry_file_of(one, waiting, "retry.csv") is None


async def test_a_retry_file_names_the_others_that_the_end_of_the_job_left(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        waiting, _ = await removal_and_put_back(one, 1, 2)
        await one.app.jobs.cancel(waiting.id, by="jo")
        assert ["not_sent"] * 3 == await one.statuses(waiting)
        assert [learner(1), learner(2)] == learners_in(await retry_file_of(one, waiting, "retry.csv"))


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_a_report_given_as_input_leaves_out_whom_a_later_job_put_back(tmp_path: Path, is_cancelled: bool) -> None:
    async with home(tmp_path) as one:
        waiting, back = await removal_and_put_back(one, 1)
        if is_cancelled:
            await one.app.jobs.cancel(waiting.id, by="jo")
        else:
            await one.run(waiting)
        plan = (await planned(one, await report_of(one, waiting, "report.csv"))).plan
        assert (int(is_cancelled), Status.NOT_SENT) == (plan.removals, plan.excluded[0].status)
        assert f"job {back.id} was made to put this person back" in plan.excluded[0].detail
        assert "give a new list" in plan.excluded[0].detail
        assert f"1 row is not sent again: job {waiting.id}" in " ".join(plan.table.reading_notes)


async def test_a_report_that_was_written_before_the_person_was_put_back_leaves_them_out_too(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        first = await one.planned(0)
        await one.run(first)
        waiting = await one.planned(0, 1, check=False)
        await one.app.jobs.cancel(waiting.id, by="jo")
        report = await report_of(one, waiting, "report.csv")
        one.enrolled.add(Removal(COURSE, BATCH, learner(0)))
        await one.run(await one.put_back(first, check=False))
        assert (1, [0]) == ((plan := (await planned(one, report)).plan).removals, [*plan.excluded])


async def test_nor_does_a_report_remove_who_was_not_enrolled_then_and_was_put_back_since(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        first = await one.planned(0)
        await one.run(first)
        second = await one.planned(0, 1)
        assert ["not_enrolled", "not_sent"] == await one.statuses(second)
        await one.app.jobs.cancel(second.id, by="jo")
        report = await report_of(one, second, "report.csv")
        one.enrolled.add(Removal(COURSE, BATCH, learner(0)))
        back = await one.put_back(first, check=False)
        await one.run(back)
        plan = (await planned(one, report)).plan
        assert (1, Status.NOT_SENT) == (plan.removals, plan.excluded[0].status)
        assert f"job {back.id} was made to put this person back" in plan.excluded[0].detail
        needed_by = await one.app.context.storage.erasure.jobs_with_open_removals_of(back.id)
        assert second.id in needed_by, "retention keeps the one as long as the other"


async def test_nor_do_the_files_of_a_job_that_was_made_of_such_a_report(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        waiting, back = await removal_and_put_back(one, 1)
        await one.app.jobs.cancel(waiting.id, by="jo")
        again = await one.submit(await planned(one, await report_of(one, waiting, "report.csv")))
        ended = await one.run(again)
        assert (["not_sent", "removed"], None) == (await one.statuses(again), ended.retry)
        plan = (await planned(one, await report_of(one, again, "again.csv"))).plan
        assert (0, Status.NOT_SENT) == (plan.removals, plan.excluded[0].status)
        assert f"job {back.id} was made to put this person back" in plan.excluded[0].detail
        assert learner(0) in one.here()


async def test_a_report_given_as_input_counts_from_its_job_s_plan_as_a_retry_does(tmp_path: Path) -> None:
    """Whom another job removed since may have been enrolled again by hand, of which only Zoho knows."""
    async with home(tmp_path) as one:
        older = await one.planned(0, 1, check=False)
        await one.app.jobs.cancel(older.id, by="jo")
        other = await one.planned(0, name="other.csv", check=False)
        await one.run(other)
        one.enrolled.add(Removal(COURSE, BATCH, learner(0)))
        again = await one.submit(await planned(one, await report_of(one, older, "report.csv"), check=True))
        await one.run(again)
        assert ["done_before", "removed"] == await one.statuses(again)
        assert f"Job {other.id} settled this meanwhile: removed." in str(await one.app.reports.outcomes(again))
        assert learner(0) in one.here()


async def test_whoever_is_in_the_batch_under_another_learner_id_is_in_no_retry_file(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        await one.run(await one.put_back(job, {2}))
        again = await one.planned(0, 2)
        ended = await one.run(again)
        assert (["not_sent", "removed"], None) == (await one.statuses(again), ended.retry)


async def test_a_new_list_may_name_whom_a_job_put_back(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        waiting, _ = await removal_and_put_back(one, 1)
        await one.run(waiting)
        later = await one.run(await one.planned(0, check=False))
        assert ["removed"] == await one.statuses(later.job)


@pytest.mark.parametrize("is_written_after", [True, False])
async def test_a_report_given_as_input_says_of_a_removed_person_that_they_were_put_back(
    tmp_path: Path, is_written_after: bool
) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        report = await report_of(one, job, "report.csv")
        back = await one.put_back(job, [2])
        await one.run(back)
        if is_written_after:
            report = await report_of(one, job, "later.csv")
        plan = (await planned(one, report, check=True)).plan
        assert 1 == plan.excluded[0].detail.count("put this person back")
        assert [Status.DONE_BEFORE] * 2 == [plan.excluded[index].status for index in (0, 1)]
        assert f"removed. Job {back.id} put this person back on " in plan.excluded[0].detail
        assert "put this person back" not in plan.excluded[1].detail


async def test_that_a_person_was_put_back_is_told_once_also_after_an_enrolment_check(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        await one.run(await one.put_back(job, [2]))
        one.enrolled.add(Removal(COURSE, BATCH, learner(1)))
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as journal, journal:
            journal.execute("UPDATE row SET state = 'pending' WHERE job = ? AND position = 1", (job.id,))
            journal.execute("UPDATE job SET state = 'cancelled' WHERE id = ?", (job.id,))
        preview = await planned(one, await report_of(one, job, "report.csv"), check=True)
        assert preview.check is not None
        assert (1, 1) == (preview.plan.removals, preview.plan.excluded[0].detail.count("put this person back"))


@pytest.mark.parametrize("is_all", [True, False])
async def test_a_night_s_export_is_not_planned_anew_only_for_whom_a_later_job_put_back(
    tmp_path: Path, is_all: bool
) -> None:
    async with home(tmp_path) as one:
        waiting, _ = await removal_and_put_back(one, 1)
        if is_all:
            await one.run(waiting)
        else:  # the other one is left to do
            await one.app.jobs.cancel(waiting.id, by="jo")
        context = one.app.for_night(Night("command list-leavers")).context
        at, key = context.clock.wall(), {"night": context.night.name, "sandbox": context.settings.sandbox_host}
        await context.storage.nightly.record_taken("digest", "leavers.csv", "leavers.csv", at=at, **key)
        taken = TakenFile("digest", "leavers.csv", at, "leavers.csv", waiting.id, "")
        why = await skip_reason(taken, context, is_export=True)
        assert is_all is ("Its content was taken before" in why)


async def test_no_chain_of_retries_names_whom_a_later_job_put_back(tmp_path: Path) -> None:
    """What a plan left out has no ids in the journal, so only that it was left out tells the next retry."""
    async with home(tmp_path) as one:
        first = await one.planned(0, 2)
        await one.run(first)
        older = await one.planned(0, 1, 3, check=False)
        await one.run(await one.put_back(first, [2]))
        await one.app.jobs.cancel(older.id, by="jo")
        for _ in range(3):
            preview = await one.app.plans.retry(older.id, unknown_checked=False)
            assert 2 == preview.plan.removals
            assert Status.NOT_SENT is preview.plan.excluded[0].status
            older = await one.submit(preview)
            await one.app.jobs.cancel(older.id, by="jo")
