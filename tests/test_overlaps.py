"""Two jobs with the same rows: nobody is removed twice by a retry file, a second plan or a resumed job."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bulkremove.app import App
from bulkremove.domain.errors import ActionRefused, PlanOutdated, ReportFailed
from bulkremove.domain.job import APPROVAL_SECONDS, EndReason, FrontEnd, Job, JobState
from bulkremove.domain.permissions import Role
from bulkremove.domain.plan import OtherJob
from bulkremove.domain.row import Status
from bulkremove.engine.progress import Progress, Stop
from bulkremove.platform import local_time
from bulkremove.reading.options import ReadOptions
from bulkremove.report import RowSelection
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
            stop.request("Paused.", EndReason.PAUSED)

    ended = await run(app, job, on_progress=pause, stop=stop)
    assert JobState.PAUSED is ended.job.state
    assert ended.retry is None
    return ended.job


async def test_a_job_that_can_be_resumed_has_no_retry_file(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        job = await paused(app, tmp_path, 30)
        with pytest.raises(ReportFailed, match="can still send its rows"):
            await app.reports.write(job.id, tmp_path / "retry.csv", rows=RowSelection.RETRY, by="jo")
        await app.jobs.cancel(job.id, by="jo")
        assert await app.reports.write(job.id, tmp_path / "retry.csv", rows=RowSelection.RETRY, by="jo")


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
        with pytest.raises(PlanOutdated, match=job.id):
            await stored(app, preview, tmp_path)
        assert [job.id] == [one.id for one in await app.jobs.all()]


async def test_a_resumed_job_leaves_out_what_another_one_has_settled(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        job = await paused(app, tmp_path, 30)
        left = (await app.jobs.tally(job)).open
        again = await planned(app, tmp_path, 30, include_open=True, name="again.csv")
        ended = await run(app, again)
        assert left == ended.tally[Status.REMOVED]
        ended = await run(app, job, rows_reviewed=left)
        assert JobState.FINISHED is ended.job.state
        assert (left, 30 - left) == (ended.tally[Status.DONE_BEFORE], ended.tally[Status.REMOVED])
        (outcome, *_) = await app.reports.outcomes(job, Status.DONE_BEFORE)
        words = f"Job {again.id} settled this meanwhile: removed. Not sent."
        assert (words, 0) == (outcome.detail, outcome.attempts)


async def test_a_plan_that_waited_leaves_out_what_another_job_settled_meanwhile(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        (tmp_path / "f.csv").write_text(triples(5))
        waiting = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        await run(app, await planned(app, tmp_path, 3, name="first.csv"))
        ended = await run(app, await stored(app, waiting, tmp_path))
        assert (3, 2) == (ended.tally[Status.DONE_BEFORE], ended.tally[Status.REMOVED])


async def test_a_running_job_leaves_out_what_another_one_settles_meanwhile(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        job = await planned(app, tmp_path, 30)
        other = await planned(app, tmp_path, 30, include_open=True, name="other.csv")
        yields, over = asyncio.Event(), asyncio.Event()

        def give_way(progress: Progress) -> None:
            if progress.tally[Status.REMOVED] >= 5 and not over.is_set():
                yields.set()

        task = asyncio.create_task(
            app.runs.run(
                job.id,
                stop=Stop(),
                on_progress=give_way,
                by="jo",
                must_yield=yields.is_set,
                front_end=FrontEnd.COMMAND,
            )
        )
        await yields.wait()
        await run(app, other)
        over.set()
        yields.clear()
        ended = await task
        removed = ended.tally[Status.REMOVED] + ended.tally[Status.NOT_FOUND]
        assert removed <= 5 + app.settings.concurrency, "and those that were under way"
        assert 30 == removed + ended.tally[Status.DONE_BEFORE]


async def test_a_retry_leaves_out_what_another_job_has_settled_since(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application(environ)) as app:
        job = await planned(app, tmp_path, 6)
        await app.jobs.cancel(job.id, by="jo")
        await run(app, await planned(app, tmp_path, 6, name="again.csv"))
        preview = await app.plans.retry(job.id, unknown_checked=False)
        ended = await run(app, await stored(app, preview, tmp_path))
        assert (6, 0) == (ended.tally[Status.DONE_BEFORE], ended.tally[Status.REMOVED])


async def test_two_account_names_of_one_client_are_one_account(tmp_path: Path) -> None:
    with account(tmp_path) as environ:
        with closing(application({**environ, "BULKREMOVE_ACCOUNT": "first"})) as app:
            job = await planned(app, tmp_path, 6)
        with closing(application({**environ, "BULKREMOVE_ACCOUNT": "second"})) as app:
            preview = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
            assert ({OtherJob(job.id, "first"): 6}, 0) == (preview.plan.open_in, preview.plan.removals)


async def test_a_held_plan_that_has_expired_keeps_no_rows(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=4) as one:
        one.drop("leavers.csv", triples(5))
        await one.run()
        (tmp_path / "f.csv").write_text(triples(4))

        async def plan() -> Mapping[str, int]:
            preview = await one.app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
            return {job.id: rows for job, rows in preview.plan.open_in.items()}

        assert {(await one.job()).id: 4} == await plan()
        one.clock.ahead = APPROVAL_SECONDS + 60.0
        assert {} == await plan()


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
        assert (409, True) == (status, str(job["job"]) in str(refused["detail"]))
        _, third = await post("/plans?name=f.csv", triples(60))
        assert 60 > int(str(third["removals"]))
        _, wanted = await post("/plans?name=f.csv&open=include", triples(60))
        assert 60 == wanted["removals"]
        assert 1 == len(await one.app.jobs.all())


async def test_a_confirmation_with_a_key_is_known_after_a_restart(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 5)
    body = {"Content-Type": "application/json", "Idempotency-Key": "leavers-2026-11"}
    async with running_site(tmp_path / "home", world=world) as one, one.visitor(known=False) as program:
        headers = await one.program(Role.APPROVER)
        made = (await program.ask("POST", "/api/v1/plans", data=triples(3), headers=headers)).json
        path, confirmed = f"/api/v1/plans/{made['id']}/confirm", json.dumps({"plan_hash": made["plan_hash"]})
        first = await program.ask("POST", path, data=confirmed, headers={**headers, **body})
        assert 201 == first.status
        await until(lambda: one.supervisor.running(str(first.json["job"])) is None)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor(known=False) as program:
        again = await program.ask("POST", path, data=confirmed, headers={**headers, **body})
        assert (200, first.json["job"]) == (again.status, again.json["job"])
        made = (await program.ask("POST", "/api/v1/plans", data=triples(3), headers=headers)).json
        path = f"/api/v1/plans/{made['id']}/confirm"
        again = await program.ask("POST", path, data=confirmed, headers={**headers, **body})
        assert (200, first.json["job"]) == (again.status, again.json["job"])
        made = (await program.ask("POST", "/api/v1/plans", data=triples(4), headers=headers)).json
        path, other = f"/api/v1/plans/{made['id']}/confirm", json.dumps({"plan_hash": made["plan_hash"]})
        refused = await program.ask("POST", path, data=other, headers={**headers, **body})
        assert (409, True) == (refused.status, str(first.json["job"]) in refused.text)
        long = {**headers, **body, "Idempotency-Key": "x" * 256}
        assert 400 == (await program.ask("POST", path, data=other, headers=long)).status
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


async def test_announced_plans_keep_to_the_cap_of_the_day_they_run_on(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=5, delay_days=2) as one:
        one.drop("first.csv", triples(4))
        one.drop("second.csv", triples(4, first=10))
        await one.run()
        one.clock.ahead = 2 * 86_400.0 + 60.0
        result = await one.run()
        assert (1, 1) == (len(result.ran), len(result.held))
        assert "It removes 4 learners and 4 count for today already; the cap is 5 a day." in result.held[0]


async def test_what_was_confirmed_before_midnight_counts_for_the_day_it_is_sent_on(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, max_removals=5) as one:
        (tmp_path / "f.csv").write_text(triples(4))
        await stored(
            one.app, await one.app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions()), tmp_path
        )
        one.clock.ahead = 86_400.0
        (tmp_path / "g.csv").write_text(triples(4, first=10))
        preview = await one.app.plans.preview(tmp_path / "g.csv", name="g.csv", options=ReadOptions())
        assert preview.refusal is not None
        assert "4 were removed or confirmed already" in preview.refusal.message


async def test_a_day_of_25_hours_is_one_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_time, "machine_zone", lambda: ZoneInfo("Europe/Berlin"))
    async with nightly_site(tmp_path, max_removals=5) as one:
        one.clock.ahead = datetime(2027, 10, 30, 22, 30, tzinfo=UTC).timestamp() - time.time()  # 00:30 there
        (tmp_path / "f.csv").write_text(triples(4))
        preview = await one.app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        await run(one.app, await stored(one.app, preview, tmp_path))
        one.clock.ahead += 12 * 3600.0  # 11:30 of the same day
        preview = await one.app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        assert preview.refusal is not None


async def test_the_cap_counts_what_people_confirmed_on_the_same_day(tmp_path: Path) -> None:
    with account(tmp_path) as environ, closing(application({**environ, "BULKREMOVE_MAX_REMOVALS": "5"})) as app:
        await planned(app, tmp_path, 4, name="confirmed.csv")
        (tmp_path / "f.csv").write_text(triples(2, first=10))
        preview = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        assert preview.refusal is not None
        assert "today 4 were removed or confirmed already, and the cap is 5 a day" in preview.refusal.message
        with pytest.raises(ActionRefused):
            await stored(app, preview, tmp_path)


@pytest.mark.slow
def test_a_second_run_of_the_same_file_names_the_job_that_is_open(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 4)
    with sandbox(world, tmp_path / "log.jsonl") as variables:
        program = Bulkremove(tmp_path / "home", environment(**variables))
        with closing(application({**variables, "BULKREMOVE_HOME": str(tmp_path / "home")})) as app:
            job = asyncio.run(planned(app, tmp_path, 4))
        preview = program("preview", str(file))
        assert f"still to be sent by job {job.id}" in preview.stdout
        assert "Remove    0 learners" in preview.stdout
        assert "Remove    4 learners" in program("preview", str(file), "--include-open").stdout
