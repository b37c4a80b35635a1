"""Each file of a sandbox run says so in its name and in each row, and none of its rows counts in reality."""

from __future__ import annotations

import csv
import json
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import App, SandboxOptions
from bulkremove.config import Settings
from bulkremove.domain.errors import FileRefused
from bulkremove.domain.job import EndReason
from bulkremove.engine.progress import Progress, Stop
from bulkremove.reading.options import ReadOptions
from bulkremove.report import RowSelection, write_plan
from tests.application_fixtures import run, stored
from tests.cli_fixtures import crowd
from tests.web_fixtures import running_site, triples, until


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


async def sandbox_files(folder: Path) -> dict[str, Path]:
    """A report, a retry file, an undo list and a plan file of a sandbox run, and another report as JSON Lines."""
    world, file = crowd(folder, 6, missing=1)
    stop, settings = Stop(), Settings(folder / "home", concurrency=1)

    def pause(progress: Progress) -> None:
        if progress.tally.open == 1:
            stop.request("Paused.", EndReason.PAUSED)

    with closing(App(settings, environ={}, sandbox=SandboxOptions(world, 200.0))) as app:
        preview = await app.plans.preview(file, name="crowd.csv", options=ReadOptions())
        write_plan(folder / "plan.csv", preview.plan)
        job = await stored(app, preview, folder)
        ended = await run(app, job, on_progress=pause, stop=stop)
        await app.jobs.cancel(job.id, by="jo")
        report = await app.reports.write(job.id, folder / "report.csv", by="jo")
        retry = await app.reports.write(job.id, folder / "retry.csv", rows=RowSelection.RETRY, by="jo")
        undo = await app.reports.write(job.id, folder / "undo.csv", rows=RowSelection.UNDO, by="jo")
        lines = await app.reports.write(job.id, folder / "report.jsonl", by="jo")
        assert report
        assert retry
        assert undo
        assert lines
        assert ended.report is not None
        assert (f"{job.id}-report.csv", True) == (ended.report.name, "-SANDBOX-" in job.id)
    found = {"report": report, "retry": retry, "undo": undo, "lines": lines}
    return {**found, "plan": folder / "plan.csv"}


async def test_each_row_of_a_file_of_a_sandbox_run_is_marked(tmp_path: Path) -> None:
    files = await sandbox_files(tmp_path)
    for name in ("report", "retry", "undo", "plan"):
        rows = read_rows(files[name])
        assert rows, name
        assert {"SANDBOX"} == {row["sandbox"] for row in rows}, name
    for line in files["lines"].read_text().splitlines():
        assert ["sandbox", "SANDBOX"] in json.loads(line)["cells"]


async def test_no_file_of_a_sandbox_run_is_a_list_in_reality(tmp_path: Path) -> None:
    files = await sandbox_files(tmp_path)
    changed = files["report"].read_text("utf-8-sig").replace("SANDBOX", "", 1).replace("SANDBOX", "real", 1)
    (tmp_path / "changed.csv").write_text(changed)
    (tmp_path / "emptied.csv").write_text(changed.replace("SANDBOX", ""))
    rows = read_rows(files["report"])
    with (tmp_path / "cut.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [name for name in rows[0] if name != "sandbox"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    with closing(App(Settings(tmp_path / "real"), environ={})) as app:
        for path in (
            files["report"],
            files["retry"],
            *(tmp_path / f"{name}.csv" for name in ("changed", "emptied", "cut")),
        ):
            with pytest.raises(FileRefused, match="written by a sandbox run"):
                await app.plans.preview(path, name=path.name, options=ReadOptions())
        with pytest.raises(FileRefused, match="undo list"):
            await app.plans.preview(files["undo"], name="undo.csv", options=ReadOptions())


async def test_a_retry_file_of_a_sandbox_run_is_read_in_the_sandbox(tmp_path: Path) -> None:
    files = await sandbox_files(tmp_path)
    world, _ = crowd(tmp_path, 6)
    with closing(App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world, 200.0))) as app:
        preview = await app.plans.preview(files["retry"], name="retry.csv", options=ReadOptions())
        assert (1, ("course", "batch", "learner")) == (preview.plan.removals, preview.plan.table.header)


async def test_a_report_of_a_sandbox_run_is_known_in_the_sandbox(tmp_path: Path) -> None:
    files = await sandbox_files(tmp_path)
    world, _ = crowd(tmp_path, 6)
    with closing(App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world, 200.0))) as app:
        preview = await app.plans.preview(files["report"], name="report.csv", options=ReadOptions())
        assert (1, ("course", "batch", "learner")) == (preview.plan.removals, preview.plan.table.header)
        erasure = await app.retention.find_learner("478346000019558001")
        assert not [sentence for sentence in erasure.manual_steps if "can't be searched" in sentence]


async def test_files_of_real_runs_have_no_mark(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(triples(2))
    with closing(App(Settings(tmp_path / "home"), environ={})) as app:
        preview = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        write_plan(tmp_path / "plan.csv", preview.plan)
    assert all("sandbox" not in row for row in read_rows(tmp_path / "plan.csv"))


async def test_downloads_of_the_page_are_marked_too(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3)
    async with running_site(tmp_path / "home", world=world, speed=100.0) as one, one.visitor() as visitor:
        plan = await visitor.upload(triples(3))
        names = [(await visitor.get(f"{plan.url}/plan.csv")).headers["Content-Disposition"]]
        job = (await visitor.confirm(plan)).url.rpartition("/")[2]

        async def is_over() -> bool:
            return (await one.app.jobs.find(job)).state.is_over

        await until(is_over)
        for file in ("report.csv", "report.xlsx", "undo.csv"):
            names.append((await visitor.get(f"/jobs/{job}/{file}")).headers["Content-Disposition"])
    assert 4 == sum("SANDBOX" in name for name in names)
