"""The first run of an account sends one row alone, and a person says whether that learner is gone."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkremove.app import App, SandboxOptions
from bulkremove.app.doctor import checks
from bulkremove.config import Settings
from bulkremove.domain.attempt import LookupResult
from bulkremove.domain.clock import Clock, Epoch
from bulkremove.domain.errors import ActionRefused, CanaryPending, JobBusy, JobUnsuitable
from bulkremove.domain.job import EndReason, Job, JobState
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.permissions import EVERY_ACCOUNT, Role
from bulkremove.domain.row import Status
from bulkremove.reading.options import ReadOptions
from bulkremove.zoho.accounts import client_hash
from tests.application_fixtures import LateClock, run, stored
from tests.cli_fixtures import Bulkremove, crowd, environment
from tests.nightly_fixtures import nightly_site
from tests.web_fixtures import running_site, triples, until


def careful(tmp_path: Path, rows: int = 6, clock: Clock | None = None, **settings: Any) -> App:
    world, _ = crowd(tmp_path, rows, missing=0)
    made = Settings(tmp_path / "home", canary="always", **settings)
    return App(made, environ={}, sandbox=SandboxOptions(world, 60.0), clock=clock)


async def planned(app: App, folder: Path, text: str, name: str = "f.csv") -> Job:
    (folder / name).write_text(text)
    return await stored(app, await app.plans.preview(folder / name, name=name, options=ReadOptions()), folder)


async def test_one_row_is_sent_alone_and_the_others_follow_a_persons_word(tmp_path: Path) -> None:
    with closing(careful(tmp_path)) as app:
        (tmp_path / "f.csv").write_text(triples(6))
        preview = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        assert preview.is_canary
        job = await stored(app, preview, tmp_path)
        ended = await run(app, job)
        assert (JobState.PAUSED, EndReason.CANARY) == (ended.job.state, ended.job.reason_code)
        assert (1, 5) == (ended.tally[Status.REMOVED], (await app.jobs.tally(job)).open)
        question = await app.canaries.question(ended.job)
        assert "row 2, learner 478346000019558000 in batch 478346000019502001" in question
        assert "Zoho answered HTTP 200, code 200" in question
        (recorded,) = [text for _, name, text in await app.jobs.events(job) if name == "canary"]
        assert f"row 2 of job {job.id}. Zoho answered HTTP 200, code 200." in recorded
        assert "478346" not in recorded
        with pytest.raises(CanaryPending, match="are they gone from the batch"):
            await run(app, job)
        assert 5 == (await app.jobs.tally(job)).open
        await app.canaries.confirm(job, by="kim")
        with pytest.raises(JobUnsuitable, match="waits to be confirmed"):
            await app.canaries.confirm(job, by="kim")
        assert 6 == (await run(app, job)).tally[Status.REMOVED]
        assert not (await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())).is_canary


async def test_no_other_job_of_the_account_sends_a_row_meanwhile(tmp_path: Path) -> None:
    with closing(careful(tmp_path, 12)) as app:
        first = await planned(app, tmp_path, triples(3))
        second = await planned(app, tmp_path, triples(3, first=6), "second.csv")
        await run(app, first)
        with pytest.raises(CanaryPending, match=f"bulkremove canary {first.id} --gone"):
            await run(app, second)
        assert 3 == (await app.jobs.tally(second)).open
        with pytest.raises(CanaryPending, match="for another account with the same client") as refused:
            await app.canaries.must_send_one_row(replace(second, account="another"))
        assert first.id not in f"{refused.value} {refused.value.page_text}", "its people may not see that job"
        with pytest.raises(CanaryPending, match="are they gone from the batch"):
            await planned(app, tmp_path, triples(2, first=9), "third.csv")
        await app.jobs.cancel(first.id, by="jo")  # the learner was not gone
        with pytest.raises(ActionRefused):
            await run(app, second)


async def test_a_row_that_was_not_removed_confirms_nothing(tmp_path: Path) -> None:
    with closing(careful(tmp_path, 3)) as app:
        job = await planned(app, tmp_path, triples(1, first=50) + "\n".join(triples(2).splitlines()[1:]))
        ended = await run(app, job)
        assert (1, 2) == (ended.tally[Status.NOT_FOUND], (await app.jobs.tally(job)).open)
        assert await app.canaries.question(job) == ""
        with pytest.raises(ActionRefused):
            await app.canaries.confirm(job, by="kim")
        ended = await run(app, job)
        assert (1, 1, 1) == tuple(ended.tally[s] for s in (Status.NOT_FOUND, Status.REMOVED, Status.NOT_SENT))
        assert await app.canaries.question(job)


@pytest.mark.parametrize("fault", ["reset_after_effect", "silence_after_effect", "500_after_effect"])
async def test_a_first_row_whose_fate_is_unknown_is_asked_about(tmp_path: Path, fault: str) -> None:
    world, _ = crowd(tmp_path, 3, faults={"learners": {"478346000019558000": [fault] * 3}})
    settings = Settings(tmp_path / "home", canary="always", read_timeout=0.5)
    with closing(App(settings, environ={}, sandbox=SandboxOptions(world, 60.0))) as app:
        job = await planned(app, tmp_path, triples(3))
        for _ in range(3):
            try:
                ended = await run(app, job)
            except ActionRefused:
                break
        tally = await app.jobs.tally(await app.jobs.find(job.id))
        assert tally.open >= 2, "no second row is sent unasked"
        assert 0 == tally[Status.REMOVED]
        assert JobState.PAUSED is ended.job.state
        if tally[Status.UNKNOWN]:
            assert "row 2, learner 478346000019558000" in await app.canaries.question(job)


async def test_a_first_row_that_was_noted_as_still_there_is_not_confirmed(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3, missing=0, faults={"learners": {"478346000019558000": ["other_wording"] * 3}})
    settings = Settings(tmp_path / "home", canary="always")
    with closing(App(settings, environ={}, sandbox=SandboxOptions(world, 60.0))) as app:
        job = await planned(app, tmp_path, triples(3))
        await run(app, job)
        await app.jobs.cancel(job.id, by="jo")
        (unknown,) = await app.reports.outcomes(job, Status.UNKNOWN)
        await app.jobs.add_note(job.id, unknown.number, "", result=LookupResult.STILL_THERE, by="kim")
        with pytest.raises(CanaryPending, match=f"Row {unknown.number} of job {job.id} was noted as still there"):
            await app.canaries.confirm(job, by="jo")
        assert await app.canaries.question(job)
        await app.jobs.add_note(job.id, unknown.number, "", result=LookupResult.GONE, by="kim")
        await app.canaries.confirm(job, by="jo")
        (unknown,) = await app.reports.outcomes(job, Status.UNKNOWN)
        assert ["kim", "kim"] == [note.author for note in unknown.notes], "what was noted is not noted once more"


async def test_the_answer_about_an_unknown_first_row_is_noted_beside_it(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3, missing=0, faults={"learners": {"478346000019558000": ["other_wording"] * 3}})
    settings = Settings(tmp_path / "home", canary="always")
    with closing(App(settings, environ={}, sandbox=SandboxOptions(world, 60.0))) as app:
        job = await planned(app, tmp_path, triples(3))
        await run(app, job)
        await app.jobs.cancel(job.id, by="jo")
        await app.canaries.confirm(job, by="jo")
        (unknown,) = await app.reports.outcomes(job, Status.UNKNOWN)
        assert [("jo", LookupResult.GONE)] == [(note.author, note.result) for note in unknown.notes]
        assert 0 == await app.jobs.unknown_without_note(job)
        assert "" == await app.canaries.question(job)


async def test_a_limited_first_row_yields_to_no_other(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3, faults={"learners": {"478346000019558000": ["429"] * 9}})
    settings = Settings(tmp_path / "home", canary="always", lock=300.0)
    with closing(App(settings, environ={}, sandbox=SandboxOptions(world, 200.0))) as app:
        job = await planned(app, tmp_path, triples(3))
        ended = await run(app, job)
        outcomes = {outcome.number: outcome.attempts for outcome in await app.reports.outcomes(ended.job)}
        assert (0, 0) == (outcomes[3], outcomes[4])


async def test_two_runs_at_once_send_one_first_row(tmp_path: Path) -> None:
    with closing(careful(tmp_path, 12)) as app:
        first = await planned(app, tmp_path, triples(3))
        second = await planned(app, tmp_path, triples(3, first=6), "second.csv")
        results = await asyncio.gather(run(app, first), run(app, second), return_exceptions=True)
        removed = [(await app.jobs.tally(await app.jobs.find(job.id)))[Status.REMOVED] for job in (first, second)]
        assert 1 == sum(removed)
        assert 1 == sum(isinstance(result, ActionRefused | JobBusy) for result in results)


async def test_each_client_and_host_has_a_canary_of_its_own_and_a_sandbox_none(tmp_path: Path) -> None:
    with closing(careful(tmp_path, 1)) as app:
        job = await planned(app, tmp_path, triples(1))
        ended = await run(app, job)
        assert JobState.FINISHED is ended.job.state
        await app.canaries.confirm(job, by="kim")
        assert not await app.canaries.is_due(job.client, job.host, job.operation)
        assert await app.canaries.is_due("another", job.host, job.operation)
        assert await app.canaries.is_due(job.client, "people.zoho.com", job.operation)
    live = Settings(tmp_path / "live")
    with closing(App(live, environ={})) as app:
        assert await app.canaries.is_due(client_hash("c"), "people.zoho.com", REMOVE_LEARNER.name)
        assert not await app.canaries.is_due(client_hash("c"), "127.0.0.1:8030", REMOVE_LEARNER.name)


async def test_a_night_waits_for_the_first_removal_by_hand(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, canary="always", has_past=False) as one:
        one.drop("leavers.csv", triples(4))
        result = await one.run()
        assert ([], True) == (result.ran, "the first one is made by hand" in result.held[0])
        job = await one.job()
        await one.app.jobs.approve(job.id, by="kim")
        (ended,) = (await one.run()).ended
        assert (EndReason.CANARY, 1) == (ended.job.reason_code, ended.tally[Status.REMOVED])
        assert [] == (await one.run()).ran
        await one.app.canaries.confirm(ended.job, by="kim")
        assert 4 == (await run(one.app, job, rows_reviewed=3)).tally[Status.REMOVED]
        one.drop("more.csv", triples(2, first=10))
        assert 1 == len((await one.run()).ran)


FIRST = "478346000019558000"


async def test_an_erased_first_learner_is_never_confirmed_and_one_row_is_sent_alone_again(tmp_path: Path) -> None:
    with closing(careful(tmp_path)) as app:
        job = await planned(app, tmp_path, triples(6))
        job = (await run(app, job)).job
        with pytest.raises(CanaryPending, match="can still be looked up"):
            await app.canaries.give_up(job, by="kim")
        found = await app.retention.find_learner(FIRST)
        assert any("Nobody has confirmed the first removal" in sentence for sentence in found.manual_steps)
        await app.retention.forget(found, by="kim")
        assert "nobody can look them up" in await app.canaries.question(job)
        with pytest.raises(CanaryPending, match="Nothing was confirmed"):
            await app.canaries.confirm(job, by="kim")
        with pytest.raises(CanaryPending, match=f"bulkremove canary {job.id} --again"):
            await run(app, job)
        await app.canaries.give_up(job, by="kim")
        assert ("canary_given_up", "kim") == ((entry := (await app.audit.newest(1, EVERY_ACCOUNT))[0]).act, entry.actor)
        assert await app.canaries.is_due(job.client, job.host, job.operation)
        ended = await run(app, job)
        assert (2, 4) == (ended.tally[Status.REMOVED], (await app.jobs.tally(job)).open)
        assert "row 3, learner 478346000019558001" in await app.canaries.question(job)
        await app.canaries.confirm(job, by="kim")
        assert 6 == (await run(app, job)).tally[Status.REMOVED]


@pytest.mark.parametrize("is_over", [True, False], ids=["cancelled", "finished"])
async def test_a_first_removal_whose_rows_retention_deleted_is_not_begun_anew_unasked(
    tmp_path: Path, *, is_over: bool
) -> None:
    clock = LateClock(60.0)
    with closing(careful(tmp_path, clock=clock, retention_days=30)) as app:
        job = await planned(app, tmp_path, triples(2 if is_over else 1))
        job = (await run(app, job)).job
        if is_over:
            await app.jobs.cancel(job.id, by="jo")
        clock.ahead = 31 * 86_400.0
        assert 1 == (await app.retention.delete_expired()).jobs
        with pytest.raises(CanaryPending, match="its rows were deleted after their time"):
            await planned(app, tmp_path, triples(3, first=3), "second.csv")
        with pytest.raises(CanaryPending, match="Nothing was confirmed"):
            await app.canaries.confirm(job, by="kim")
        await app.canaries.give_up(job, by="kim")
        second = await planned(app, tmp_path, triples(3, first=3), "second.csv")
        ended = await run(app, second)
        assert (1, EndReason.CANARY) == (ended.tally[Status.REMOVED], ended.job.reason_code)
        assert "learner 478346000019558003" in await app.canaries.question(second)


async def test_a_canary_that_was_given_up_asks_whatever_the_clock_was(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    with closing(careful(tmp_path, clock=clock)) as app:
        clock.ahead = 400 * 86_400.0
        first = await planned(app, tmp_path, triples(2))
        await run(app, first)
        await app.retention.forget(await app.retention.find_learner(FIRST), by="kim")
        await app.canaries.give_up(first, by="kim")
        clock.ahead = 0.0
        second = await planned(app, tmp_path, triples(3, first=3), "second.csv")
        await run(app, second)
        with pytest.raises(CanaryPending, match="are they gone from the batch"):
            await run(app, second)
        assert 1 == (await app.jobs.tally(second))[Status.REMOVED]


async def test_a_first_removal_that_a_restored_journal_lost_is_asked_about(tmp_path: Path) -> None:
    with closing(careful(tmp_path)) as app:
        job = await planned(app, tmp_path, triples(6))
        await app.backups.make(tmp_path / "b.zip", by="jo")
        await run(app, job)
        await app.backups.restore(tmp_path / "b.zip", await app.backups.inspect(tmp_path / "b.zip"), by="jo")
        restored = await app.backups.restored()
        assert restored is not None
        await app.backups.accept(restored, by="jo")
        with pytest.raises(CanaryPending, match="are they gone from the batch"):
            await run(app, job, rows_reviewed=5)
        assert "row 2, learner 478346000019558000" in await app.canaries.question(job)


async def test_page_and_api_ask_for_the_first_removal(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 5)
    async with running_site(tmp_path / "home", world=world, canary="always") as one, one.visitor() as visitor:
        plan = await visitor.upload(triples(5))
        assert "one row is sent alone" in plan.text
        job = (await visitor.confirm(plan)).url.rpartition("/")[2]
        await until(lambda: one.supervisor.running(job) is None)
        shown = await visitor.get(f"/jobs/{job}")
        assert "are they gone from the batch?" in shown.text
        assert "<button>Resume</button>" not in shown.text
        program = await one.program(Role.APPROVER)
        refused = await visitor.ask("POST", f"/api/v1/jobs/{job}/resume", headers=program)
        assert refused.status in (200, 409)
        await until(lambda: one.supervisor.running(job) is None)
        assert 1 == (await one.app.jobs.tally(await one.app.jobs.find(job)))[Status.REMOVED]
        await visitor.post(f"/jobs/{job}/canary")
        await until(lambda: one.supervisor.running(job) is None)
        assert 5 == (await one.app.jobs.tally(await one.app.jobs.find(job)))[Status.REMOVED]
        assert 409 == (await visitor.ask("POST", f"/api/v1/jobs/{job}/canary?answer=gone", headers=program)).status


async def test_the_page_confirms_an_old_first_removal_and_then_asks_for_the_number_of_rows_left(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 5)
    clock = LateClock(60.0)
    async with (
        running_site(tmp_path / "home", world=world, canary="always", clock=clock) as one,
        one.visitor() as visitor,
    ):
        job = (await visitor.confirm(await visitor.upload(triples(5)))).url.rpartition("/")[2]
        await until(lambda: one.supervisor.running(job) is None)
        assert "this learner is gone from the batch: send the other rows" in (await visitor.get(f"/jobs/{job}")).text
        clock.ahead = 30 * 86_400.0
        assert "send the other rows" not in (await visitor.get(f"/jobs/{job}")).text
        shown = await visitor.post(f"/jobs/{job}/canary")
        await until(lambda: one.supervisor.running(job) is None)
        assert (200, True) == (shown.status, 'data-wanted="4"' in shown.text)
        assert 4 == (await one.app.jobs.tally(await one.app.jobs.find(job))).open
        await visitor.post(f"/jobs/{job}/resume", rows="4")
        await until(lambda: one.supervisor.running(job) is None)
        assert 0 == (await one.app.jobs.tally(await one.app.jobs.find(job))).open


@pytest.mark.parametrize("way", ["page", "api"])
async def test_page_and_api_send_one_row_alone_again(tmp_path: Path, way: str) -> None:
    world, _ = crowd(tmp_path, 5)
    async with running_site(tmp_path / "home", world=world, canary="always") as one, one.visitor() as visitor:
        job = (await visitor.confirm(await visitor.upload(triples(5)))).url.rpartition("/")[2]
        await until(lambda: one.supervisor.running(job) is None)
        program = await one.program(Role.APPROVER)
        again = f"/api/v1/jobs/{job}/canary?answer=again"
        assert 409 == (await visitor.ask("POST", again, headers=program)).status
        await one.app.retention.forget(await one.app.retention.find_learner(FIRST), by="kim")
        shown = await visitor.get(f"/jobs/{job}")
        assert "this learner is gone" not in shown.text
        assert "Confirm nothing: send one row alone again" in shown.text
        assert 409 == (await visitor.post(f"/jobs/{job}/canary")).status
        if way == "page":
            assert 200 == (await visitor.post(f"/jobs/{job}/canary", answer="again")).status
        else:
            assert 200 == (await visitor.ask("POST", again, headers=program)).status
        await visitor.post(f"/jobs/{job}/resume")
        await until(lambda: one.supervisor.running(job) is None)
        assert 2 == (await one.app.jobs.tally(await one.app.jobs.find(job)))[Status.REMOVED]
        assert "row 3, learner 478346000019558001" in (await visitor.get(f"/jobs/{job}")).text


async def test_the_doctor_says_who_confirmed_it(tmp_path: Path) -> None:
    with closing(careful(tmp_path, 1)) as app:
        job = await planned(app, tmp_path, triples(1))
        await run(app, job)
        words = {check.name: check.message for check in await checks(app.context)}
        assert "Not confirmed yet: the first run sends one row alone." == words["first removal"]
        await app.canaries.confirm(job, by="kim")
        words = {check.name: check.message for check in await checks(app.context)}
        assert words["first removal"].startswith("kim confirmed it on ")
        assert words["first removal"].endswith(f"in job {job.id}.")
        assert Epoch(0.0) < (await app.context.storage.canaries.find(job.client, job.host, job.operation)).passed_at  # type: ignore[union-attr] # it is there


@pytest.mark.slow
def test_the_command_line_asks_for_the_first_removal(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 4)
    program = Bulkremove(tmp_path / "home", environment(BULKREMOVE_CANARY="always"))
    here = ("--sandbox", str(world), "--speed", "60")
    assert "One row is sent alone" in program("preview", str(file), *here).stdout
    done = program("run", str(file), "--yes", *here)
    (job,) = [line.split()[0] for line in program("jobs").stdout.splitlines()]
    assert (5, True) == (done.returncode, f"canary {job} --gone" in done.stderr), done.stderr
    assert "are they gone from the batch?" in program("canary", job).stdout
    assert 4 == program("resume", job, *here).returncode
    assert "Confirmed" in program("canary", job, "--gone").stdout
    assert 4 == program("canary", job, "--gone").returncode
    assert 0 == program("resume", job, *here).returncode
