"""Erasing a learner beside everything else: plans that wait, jobs that are planned, texts, files that move or fail."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import App
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ActionRefused, JobUnsuitable, LearnerNotFound, PlanOutdated
from bulkremove.domain.event_names import EventName
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.domain.row import Status
from bulkremove.platform.open_folder import OpenFolder
from bulkremove.reading.options import ReadOptions
from bulkremove.storage.interface.records import JobEvent, Notice
from tests.application_fixtures import account, application, run, stored
from tests.cli_fixtures import Bulkremove, crowd, environment
from tests.nightly_fixtures import nightly_site
from tests.web_fixtures import RunningSite, Visitor, running_site, triples, until
from tests.workbooks import Book, Cell, Sheet

LEARNER = "478346000019558000"


def forget(home: Path, learner: str = LEARNER) -> str:
    """What another process prints that erases the learner."""
    done = Bulkremove(home, environment())("forget", learner, "--yes")
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


async def forgotten(app: App, learner: str = LEARNER) -> list[str]:
    return await app.retention.forget(await app.retention.find_learner(learner), by="kim")


# Plans that wait


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_a_plan_that_waits_on_the_page_can_not_send_an_erased_learner(tmp_path: Path, kind: str) -> None:
    world, _ = crowd(tmp_path, 3)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        content: str | bytes = triples(3)
        if kind == "xlsx":
            rows: list[list[Cell]] = [list(line.split(",")) for line in triples(3).splitlines()]
            content = Book([Sheet(rows)]).as_bytes("xlsx")
        plan = await visitor.upload(content, f"leavers.{kind}")
        said = await asyncio.to_thread(forget, tmp_path / "home")
        assert "the upload is deleted" in said
        refused = await visitor.confirm(plan)
        assert 404 == refused.status
        assert [] == await one.app.jobs.all()
        assert "Make it again: upload the file" in (await visitor.get(plan.url)).text
        assert [] == list((tmp_path / "home" / "uploads").iterdir())
        assert LEARNER not in str(await one.app.audit.newest(50, EVERY_ACCOUNT))


async def test_a_plan_without_the_erased_learner_is_looked_at_again_and_confirmed(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 9)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        await finished(one, visitor, triples(3))
        plan = await visitor.upload(triples(3, first=5))
        await asyncio.to_thread(forget, tmp_path / "home")
        refused = await visitor.confirm(plan)
        assert (409, True) == (refused.status, "erased since this plan was made" in refused.text)
        shown = await visitor.get(plan.url)
        assert 200 == (await visitor.confirm(shown)).status
        assert 2 == len(await one.app.jobs.all())


async def test_a_plan_that_another_one_pushed_out_of_memory_is_looked_at_again_too(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 9)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        await finished(one, visitor, triples(1))
        plan = await visitor.upload(triples(3, first=3))
        await asyncio.to_thread(forget, tmp_path / "home")
        await visitor.upload(triples(2, first=7))
        assert 409 == (await visitor.confirm(plan)).status
        assert 1 == len(await one.app.jobs.all())


async def test_a_retry_that_waits_does_not_bring_an_erased_learner_back(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3)
    async with running_site(tmp_path / "home", world=world, speed=1.0) as one, one.visitor() as visitor:
        (tmp_path / "f.csv").write_text(triples(3))
        preview = await one.app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        job = await stored(one.app, preview, tmp_path)
        await one.app.jobs.cancel(job.id, by="jo")
        plan = await visitor.post(f"/jobs/{job.id}/retry", unknown="")
        assert LEARNER in plan.text
        await forgotten(one.app)
        assert 409 == (await visitor.confirm(plan)).status
        shown = await visitor.get(plan.url)
        assert LEARNER not in shown.text
        assert 'data-wanted="2"' in shown.text


async def test_a_command_that_waits_for_its_answer_does_not_send_an_erased_learner(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        (tmp_path / "f.csv").write_text(triples(3))

        async def preview() -> object:
            return await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())

        first = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        await run(app, await stored(app, first, tmp_path))
        waiting = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        await forgotten(app)
        with pytest.raises(PlanOutdated, match="erased since this plan was made"):
            await stored(app, waiting, tmp_path)
        assert 1 == len(await app.jobs.all())


async def test_a_plan_made_before_there_was_a_journal_is_confirmed(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        (tmp_path / "f.csv").write_text(triples(3))
        preview = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        assert not (tmp_path / "home").exists()
        assert 3 == (await run(app, await stored(app, preview, tmp_path))).tally[Status.REMOVED]


# Jobs that are planned at the same moment


async def test_a_job_that_was_stored_since_the_search_is_not_passed_over(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        (tmp_path / "f.csv").write_text(triples(3))

        async def job() -> str:
            made = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
            return (await stored(app, made, tmp_path)).id

        await run(app, await app.jobs.find(await job()))
        found = await app.retention.find_learner(LEARNER)
        second = await job()
        with pytest.raises(JobUnsuitable, match="still to be sent"):
            await app.retention.forget(found, by="kim")
        assert "forgot" not in [entry.act for entry in await app.audit.newest(9, EVERY_ACCOUNT)]
        assert 3 == (await app.jobs.tally(await app.jobs.find(second))).open
        assert LEARNER in str(await app.reports.outcomes(await app.jobs.find(second)))


async def test_an_erasure_and_a_confirmation_at_once_never_both_succeed(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        (tmp_path / "f.csv").write_text(triples(30))

        async def preview() -> object:
            return await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())

        first = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        await run(app, await stored(app, first, tmp_path))
        for delay in (0.0, 0.001, 0.003, 0.01, 0.03):
            waiting = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
            found = await app.retention.find_learner(LEARNER)

            async def erase(delay: float = delay, found: object = found) -> list[str]:
                await asyncio.sleep(delay)
                return await app.retention.forget(found, by="kim")  # type: ignore[arg-type] # bound above

            results = await asyncio.gather(stored(app, waiting, tmp_path), erase(), return_exceptions=True)
            assert [True] == [isinstance(one, ActionRefused) for one in results if isinstance(one, Exception)], results
            if isinstance(results[0], ActionRefused):
                break  # the learner is erased now
            await app.jobs.cancel(results[0].id, by="jo")  # type: ignore[union-attr] # it is a job


async def test_what_a_killed_confirmation_left_keeps_nobody_from_being_erased(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        (tmp_path / "f.csv").write_text(triples(3))
        for _ in range(2):
            made = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions(), include_open=True)
            job = await stored(app, made, tmp_path)
            if _ == 0:
                await run(app, job)
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as db, db:
            db.execute("UPDATE job SET state = 'storing' WHERE id = ?", (job.id,))
        assert [] == await forgotten(app)
        assert LEARNER.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "home").glob("journal.db*"))


# Texts


async def test_no_text_of_the_journal_names_an_erased_learner(tmp_path: Path) -> None:
    """As older versions wrote them, or as Zoho or a person did."""
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        job, storage = await one.job(), one.app.context.storage
        text, other = f"Row 2, learner {LEARNER} in batch 1.", f"Learner 1{LEARNER}2 is another."
        for number, said in enumerate((text, other)):
            await storage.record(JobEvent(job.id, EventName.HALTED, said, Epoch(1.0)))
            await storage.record(Notice(f"key-{number}", said, said, None, Epoch(1.0), "nightly"))
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as db, db:
            db.execute("UPDATE job SET reason = ? WHERE id = ?", (text, job.id))
            db.execute("UPDATE taken SET held = ?", (text,))
            db.execute("UPDATE row SET detail = ? WHERE job = ? AND position = 3", (text, job.id))
            db.execute(
                "UPDATE attempt SET text = ?, learner = ? WHERE job = ? AND position = 3", (text, LEARNER, job.id)
            )
            db.execute("INSERT INTO note (job, position, at, author, text) VALUES (?, 3, 1.0, 'jo', ?)", (job.id, text))
        assert [] == await forgotten(one.app)
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as db:
            said = "\n".join(db.iterdump())
        assert LEARNER not in said.replace(f"1{LEARNER}2", "")
        assert 3 == said.count(other), "an event, and the two texts of a notice"
        assert "Row 2, learner (erased) in batch 1." in said
        with pytest.raises(LearnerNotFound, match="knows the learner id"):
            await one.app.retention.find_learner(LEARNER)


async def test_an_answer_of_zoho_that_may_name_the_learner_leaves_all_texts(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        job = await finished(one, visitor, triples(3))
        answer = "Kim Example is not in this batch"
        said = f'Zoho refused it (HTTP 400: "{answer}").'
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as db, db:
            db.execute("UPDATE attempt SET text = ? WHERE job = ? AND position = 0", (answer, job))
            db.execute("UPDATE job SET reason = ? WHERE id = ?", (said, job))
        notice = Notice("key", f"{job} paused", f"{said} Job {job}.", None, Epoch(0.0), "nightly")
        other = Notice("other", "another job", f"{answer}, as somebody wrote", None, Epoch(0.0), "nightly")
        await one.app.context.storage.record(JobEvent(job, EventName.PAUSED, said, Epoch(0.0)), notice, other)
        await forgotten(one.app)
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as db:
            found = [line for line in db.iterdump() if answer in line]
        assert 1 == len(found), found
        assert "another job" in found[0]
        assert 'Zoho refused it (HTTP 400: "(erased)").' == (await one.app.jobs.find(job)).reason


async def test_a_learner_whom_only_a_text_names_is_erased_from_it(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(1))
        await one.run()
        job = await one.job()
        await one.app.jobs.add_event(job.id, EventName.HALTED, "Learner 4711 in batch 1.")
        assert [] == await forgotten(one.app, "4711")
        assert "4711" not in str(await one.app.jobs.events(job))


async def test_neither_reason_event_report_notice_nor_audit_entry_names_a_learner(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 4, faults={"learners": {LEARNER: ["html_200"]}})
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        plan = await visitor.upload(triples(4))
        job_id = (await visitor.confirm(plan)).url.rpartition("/")[2]
        await until(lambda: one.supervisor.running(job_id) is None)
        job = await one.app.jobs.find(job_id)
        assert "This was row 2; look the learner up in Zoho People." in job.reason
        said = [job.reason, str(await one.app.jobs.events(job)), str(await one.app.audit.newest(50, EVERY_ACCOUNT))]
        said += [outcome.detail for outcome in await one.app.reports.outcomes(job)]
        assert "478346000019558" not in "".join(said)


# Files


async def test_a_file_that_fails_is_named_and_the_rest_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        found = await one.app.retention.find_learner(LEARNER)
        assert 2 == len(found.files)
        rename, failed = os.replace, list[str]()

        def fails_once(source: str, target: str, **folders: int) -> None:
            if not failed:
                failed.append(target)
                raise OSError(5, "Input/output error")
            rename(source, target, **folders)

        monkeypatch.setattr(os, "replace", fails_once)
        (sentence,) = await one.app.retention.forget(found, by="kim")
        assert f"/{failed[0]} can't be changed" in sentence
        left = [path for path in found.files if path.exists() and LEARNER in path.read_text()]
        assert failed == [path.name for path in left]
        entry, *_ = await one.app.audit.newest(1, EVERY_ACCOUNT)
        assert ("forgot_files", {"files": 1, "failed": 1}) == (entry.act, entry.facts)


async def test_an_error_of_the_disk_after_the_journal_ends_in_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        found = await one.app.retention.find_learner(LEARNER)

        def fails(*_: object, **__: object) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(Path, "lstat", fails)
        for change in ("_replace", "remove"):
            monkeypatch.setattr(OpenFolder, change, fails)
        sentences = await one.app.retention.forget(found, by="kim")
        monkeypatch.undo()
        assert len(sentences) >= 2
        assert all("Input/output error" in sentence for sentence in sentences)
        assert {} == (await one.app.retention.find_learner(LEARNER)).rows


async def test_an_erasure_leaves_a_running_backup_alone_and_says_so(tmp_path: Path) -> None:
    from filelock import FileLock

    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        copy = tmp_path / "home" / ".copy-running"
        copy.mkdir()
        (copy / "copy.db").write_text("people")
        with FileLock(tmp_path / "home" / "copies.lock"):
            (sentence,) = await forgotten(one.app)
        assert "backup is being made or put back right now" in sentence
        assert (copy / "copy.db").exists()


async def test_the_reports_of_the_pages_jobs_are_searched_and_not_said_to_be_left_out(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        plan = await visitor.upload(triples(3))
        await visitor.confirm(plan)
        (job,) = await one.app.jobs.all()
        await until(lambda: one.supervisor.running(job.id) is None)
        found = await one.app.retention.find_learner(LEARNER)
        assert any(path.parent == tmp_path / "home" / "reports" for path in found.files), found
        assert () == found.manual_steps


async def test_a_report_that_was_written_meanwhile_is_named(tmp_path: Path) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        found = await one.app.retention.find_learner(LEARNER)
        late = one.folder / "done" / "late-report.csv"
        late.write_text(triples(2))
        (sentence,) = await one.app.retention.forget(found, by="kim")
        assert f"{late} names this learner" in sentence


async def test_a_file_that_is_gone_by_now_stops_no_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        (one.folder / "done" / "gone.csv").write_text(triples(1))
        listed = os.scandir

        found_before = await one.app.retention.find_learner(LEARNER)
        assert 3 == len(found_before.files)
        lstat = Path.lstat

        def vanishes(self: Path) -> os.stat_result:
            result = lstat(self)
            if self.name == "gone.csv":
                self.unlink()
            return result

        monkeypatch.setattr(Path, "lstat", vanishes)
        found = await one.app.retention.find_learner(LEARNER)
        assert 2 == len(found.files)
        assert listed is os.scandir


async def finished(one: RunningSite, visitor: Visitor, content: str) -> str:
    """The id of a job that ran to its end."""
    job = (await visitor.confirm(await visitor.upload(content))).url.rpartition("/")[2]
    await until(lambda: one.supervisor.running(job) is None)
    return job
