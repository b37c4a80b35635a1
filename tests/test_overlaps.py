"""Two jobs with the same rows: nobody is removed twice by a retry file, a second plan or a resumed job."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from bulkremove.app import App
from bulkremove.domain.errors import ConsentMissing, ReportFailed
from bulkremove.domain.job import EndReason, Job, JobState
from bulkremove.domain.permissions import Role
from bulkremove.domain.row import Status
from bulkremove.engine.progress import Progress, Stop
from bulkremove.reading.options import ReadOptions
from bulkremove.report import Rows
from tests.application_fixtures import account, application, run, stored
from tests.cli_fixtures import Bulkremove, crowd, environment, sandbox
from tests.nightly_fixtures import nightly_site
from tests.web_fixtures import running_site, triples, until


async def planned(app: App, folder: Path, rows: int, *, include_open: bool = False, name: str = "f.csv") -> Job:
    file = folder / name
    file.write_text(triples(rows))
    preview = await app.plans.preview(file, name=name, options=ReadOptions(), include_open=include_open)
    return await stored(app, preview, folder)


async def paused(app: App, folder: Path, rows: int) -> Job:
    """A job that was paused after its first removal."""
    job, stop = await planned(app, folder, rows), Stop()

    def pause(progress: Progress) -> None:
        if progress.tally[Status.REMOVED]:
            stop.ask("Paused.", EndReason.PAUSED)

    ended = await run(app, job, on_progress=pause, stop=stop)
    assert JobState.PAUSED is ended.job.state
    assert ended.retry is None
    return ended.job


async def test_a_job_that_can_be_resumed_has_no_retry_file(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        job = await paused(app, tmp_path, 30)
        with pytest.raises(ReportFailed, match="can still send its rows"):
            await app.jobs.report(job.id, tmp_path / "retry.csv", rows=Rows.RETRY, by="jo")
        await app.jobs.cancel(job.id, by="jo")
        assert await app.jobs.report(job.id, tmp_path / "retry.csv", rows=Rows.RETRY, by="jo")


async def test_rows_that_another_job_may_still_send_are_left_out(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        job = await paused(app, tmp_path, 30)
        left = (await app.jobs.tally(job)).open
        (tmp_path / "f.csv").write_text(triples(35))
        preview = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        assert left == preview.plan.not_sent()[Status.DUPLICATE]
        assert {f"This row is still to be sent by job {job.id}."} == {
            one.detail for one in preview.plan.excluded.values()
        }
        wanted = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions(), include_open=True)
        assert 35 == wanted.plan.removals


async def test_a_plan_that_another_one_overtook_is_refused_with_the_other_job(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        (tmp_path / "f.csv").write_text(triples(5))
        preview = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        job = await stored(app, preview, tmp_path)
        with pytest.raises(ConsentMissing, match=job.id):
            await stored(app, preview, tmp_path)
        assert [job.id] == [one.id for one in await app.jobs.all()]


async def test_a_resumed_job_leaves_out_what_another_one_has_settled(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        job = await paused(app, tmp_path, 30)
        left = (await app.jobs.tally(job)).open
        again = await planned(app, tmp_path, 30, include_open=True, name="again.csv")
        ended = await run(app, again)
        assert left == ended.tally[Status.REMOVED]
        ended = await run(app, job)
        assert JobState.FINISHED is ended.job.state
        assert (left, 30 - left) == (ended.tally[Status.DONE_BEFORE], ended.tally[Status.REMOVED])
        (outcome, *_) = await app.jobs.outcomes(job, Status.DONE_BEFORE)
        assert (f"Job {again.id} settled this row meanwhile: removed.", 0) == (
            outcome.detail.removesuffix(" Not sent."),
            outcome.attempts,
        )
        assert any(name == "left_out" and str(outcome.number) in text for _, name, text in await app.jobs.events(job))


async def test_a_plan_that_waited_leaves_out_what_another_job_settled_meanwhile(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        (tmp_path / "f.csv").write_text(triples(5))
        waiting = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        await run(app, await planned(app, tmp_path, 3, name="first.csv"))
        ended = await run(app, await stored(app, waiting, tmp_path))
        assert (3, 2) == (ended.tally[Status.DONE_BEFORE], ended.tally[Status.REMOVED])


async def test_the_same_file_confirmed_twice_over_http_makes_one_job(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 60)
    async with running_site(tmp_path / "home", world=world, speed=1.0) as one, one.visitor(known=False) as program:
        headers = await one.program(Role.APPROVER)

        async def post(path: str, data: object) -> tuple[int, dict[str, object]]:
            kind = {"Content-Type": "application/json" if path.endswith("confirm") else "text/csv"}
            reply = await program.ask("POST", f"/api/v1{path}", data=data, headers={**headers, **kind})
            return reply.status, reply.json

        first, second = [(await post("/plans?name=f.csv", triples(60)))[1] for _ in range(2)]
        assert first["plan_hash"] == second["plan_hash"]
        status, job = await post(f"/plans/{first['id']}/confirm", json.dumps({"plan_hash": first["plan_hash"]}))
        assert 201 == status
        status, refused = await post(f"/plans/{second['id']}/confirm", json.dumps({"plan_hash": second["plan_hash"]}))
        assert (409, True) == (status, str(job["job"]) in str(refused["error"]))
        _, third = await post("/plans?name=f.csv", triples(60))
        assert 60 > int(str(third["removals"]))
        _, wanted = await post("/plans?name=f.csv&open=include", triples(60))
        assert 60 == wanted["removals"]
        assert 1 == len(await one.app.jobs.all())


async def test_the_page_says_which_rows_another_job_may_still_send(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 60)
    async with running_site(tmp_path / "home", world=world, speed=1.0) as one, one.visitor() as visitor:
        await visitor.confirm(await visitor.upload(triples(60)))
        await until(lambda: one.app.jobs.all())
        plan = await visitor.upload(triples(60))
        assert "still to be sent by job" in plan.text
        assert "left out, since another job may still send them" in plan.text
        assert 'data-wanted="60"' not in plan.text
        again = await visitor.post(plan.url, open="include")
        assert 'data-wanted="60"' in again.text


def test_a_dry_run_makes_no_home_folder(tmp_path: Path) -> None:
    _, file = crowd(tmp_path, 3)
    program = Bulkremove(tmp_path / "home", environment())
    assert 0 == program("preview", str(file)).returncode
    assert not (tmp_path / "home").exists()


# Caps hold for a day


async def test_the_cap_holds_for_all_files_of_a_day(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=3) as one:
        for number in range(5):
            one.drop(f"leavers-{number}.csv", triples(3, first=3 * number))
        result = await one.run()
        assert (1, 4) == (len(result.ran), len(result.held))
        assert all("3 were removed or confirmed already" in why for why in result.held)
        one.clock.ahead = 86_400.0
        one.drop("tomorrow.csv", triples(3, first=20))
        assert 1 == len((await one.run()).ran)


async def test_the_cap_counts_what_people_confirmed_on_the_same_day(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application({**environ, "BULKREMOVE_MAX_REMOVALS": "5"})) as app:
        await planned(app, tmp_path, 4, name="confirmed.csv")
        (tmp_path / "f.csv").write_text(triples(2, first=10))
        preview = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        assert preview.refusal is not None
        assert "today 4 were removed or confirmed already, and the cap is 5 a day" in preview.refusal.message
        with pytest.raises(ConsentMissing):
            await stored(app, preview, tmp_path)


@pytest.mark.slow
def test_a_second_run_of_the_same_file_names_the_job_that_is_open(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 4)
    with sandbox(world, tmp_path / "log.jsonl") as variables:
        program = Bulkremove(tmp_path / "home", environment(**variables))
        with closing(application({**variables, "BULKREMOVE_HOME": str(tmp_path / "home")})) as app:
            import asyncio

            job = asyncio.run(planned(app, tmp_path, 4))
        preview = program("preview", str(file))
        assert f"still to be sent by job {job.id}" in preview.stdout
        assert "Remove    0 learners" in preview.stdout
        assert "Remove    4 learners" in program("preview", str(file), "--include-open").stdout
