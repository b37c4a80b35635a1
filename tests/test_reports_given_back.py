"""A report that is given as input, against what the journal knows of its job's rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from bulkremove.app import App, Preview, SandboxOptions
from bulkremove.config import Settings
from bulkremove.domain.errors import FileRefused
from bulkremove.domain.job import EndReason, Job
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.domain.row import Status
from bulkremove.engine.progress import Stop
from bulkremove.reading.options import ReadOptions
from tests.application_fixtures import run, stored
from tests.cli_fixtures import crowd
from tests.web_fixtures import triples


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    world, _ = crowd(tmp_path, 8, missing=0)
    with closing(App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world, 60.0))) as one:
        yield one


async def stopped(app: App, folder: Path) -> tuple[Job, Path]:
    """A job of six rows that was stopped before its first call, and its report."""
    (folder / "f.csv").write_text(triples(6))
    preview = await app.plans.preview(folder / "f.csv", name="f.csv", options=ReadOptions())
    job, stop = await stored(app, preview, folder), Stop()
    stop.request("Ctrl-C", EndReason.INTERRUPTED)
    ended = await run(app, job, stop=stop)
    assert ended.report is not None
    return job, ended.report.rename(folder / "old.csv")


async def given_back(app: App, report: Path) -> Preview:
    """Its plan, which does not depend on where it was read."""
    preview = await app.plans.preview(report, name="old.csv", options=ReadOptions())
    other = await app.plans.preview_in_subprocess(report, name="old.csv", options=ReadOptions(), seen=EVERY_ACCOUNT)
    assert preview.plan.hash == other.plan.hash
    return preview


async def test_rows_that_were_settled_since_the_report_are_not_sent(app: App, tmp_path: Path) -> None:
    job, report = await stopped(app, tmp_path)
    await run(app, job)
    plan = (await given_back(app, report)).plan
    assert (0, {Status.DONE_BEFORE: 6}) == (plan.removals, plan.not_sent())
    assert {f"Job {job.id} settled this row since the report was written: removed."} == {
        exclusion.detail for exclusion in plan.excluded.values()
    }
    assert f"Job {job.id} settled 6 of these rows since this report." in " ".join(plan.table.reading_notes)


async def test_rows_that_the_job_did_not_send_are_sent(app: App, tmp_path: Path) -> None:
    job, report = await stopped(app, tmp_path)
    await app.jobs.cancel(job.id, by="jo")
    assert 6 == (await given_back(app, report)).plan.removals


@pytest.mark.parametrize("column", ["learner", "batch", "row"])
async def test_a_column_that_was_moved_without_the_others_is_refused(app: App, tmp_path: Path, column: str) -> None:
    job, report = await stopped(app, tmp_path)
    await app.jobs.cancel(job.id, by="jo")
    with report.open(newline="", encoding="utf-8-sig") as file:
        heading, *lines = list(csv.reader(file))
    moved = heading.index(column)
    if column == "batch":
        lines[2][moved] = "478346000019502999"
    else:  # shifted by one from the third row on
        cells = [line[moved] for line in lines]
        for line, cell in zip(lines[2:], [*cells[3:], cells[2]], strict=True):
            line[moved] = cell
    with report.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([heading, *lines])
    for read in (app.plans.preview, partial(app.plans.preview_in_subprocess, seen=EVERY_ACCOUNT)):
        with pytest.raises(FileRefused, match=f"it has other ids than row [45] of job {job.id}") as refused:
            await read(report, name="old.csv", options=ReadOptions())
        assert "478346" not in str(refused.value), "at night it is kept as a reason and sent in a notice"


async def test_who_was_erased_meanwhile_makes_no_report_unusable(app: App, tmp_path: Path) -> None:
    job, report = await stopped(app, tmp_path)
    await app.jobs.cancel(job.id, by="jo")
    await app.retention.forget(await app.retention.find_learner("478346000019558002"), by="jo")
    assert 6 == (await given_back(app, report)).plan.removals


async def test_rows_to_send_of_a_job_whose_rows_were_deleted_are_refused(app: App, tmp_path: Path) -> None:
    """They may have been sent after the report, and their people have been put back."""
    job, report = await stopped(app, tmp_path)
    ended = await run(app, job)
    assert ended.report is not None
    await app.context.storage.erasure.delete_rows(job.id)
    with pytest.raises(FileRefused, match=f"job {job.id}, whose rows were deleted after their time"):
        await app.plans.preview(report, name="old.csv", options=ReadOptions())
    assert 0 == (await given_back(app, ended.report)).plan.removals
