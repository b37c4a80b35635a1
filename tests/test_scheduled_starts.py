"""Jobs that people confirm on the page for a later time: they start then, or a person must look at them first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bulkremove.app import Stop
from bulkremove.domain.clock import DAY_SECONDS, Epoch
from bulkremove.domain.job import CONSENT_SECONDS, EndReason, Job, JobState
from bulkremove.domain.permissions import EVERY_ACCOUNT, Role
from bulkremove.domain.row import Status
from tests.application_fixtures import LateClock
from tests.cli_fixtures import crowd
from tests.web_fixtures import RunningSite, Visitor, running_site, triples, until

HOUR = 3600.0
ROWS = 3


@asynccontextmanager
async def site(tmp_path: Path, clock: LateClock, **settings: object) -> AsyncIterator[tuple[RunningSite, Visitor]]:
    if not (tmp_path / "world.json").exists():
        crowd(tmp_path, 40)
    world = tmp_path / "world.json"
    async with running_site(tmp_path / "home", world=world, clock=clock, **settings) as one, one.visitor() as person:  # type: ignore[arg-type] # names of settings
        yield one, person


def at(clock: LateClock, hours: float) -> str:
    return datetime.fromtimestamp(clock.wall() + hours * HOUR, UTC).isoformat(timespec="seconds")


async def scheduled(one: RunningSite, person: Visitor, clock: LateClock, hours: float, rows: int = ROWS) -> Job:
    plan = await person.upload(triples(rows))
    answer = await person.post(
        f"{plan.url}/confirm", plan=plan.field("plan"), number=str(rows), start_at=at(clock, hours)
    )
    assert 200 == answer.status
    return await one.app.jobs.find(answer.url.rpartition("/")[2])


async def start_due(one: RunningSite) -> None:
    await one.app.scheduled_starts(one.supervisor).start_due()


async def ended(one: RunningSite, job: Job) -> Job:
    async def is_over() -> bool:
        return (await one.app.jobs.find(job.id)).state.is_over

    await until(is_over)
    return await one.app.jobs.find(job.id)


async def test_a_job_starts_at_its_time_and_not_before(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    async with site(tmp_path, clock) as (one, person):
        job = await scheduled(one, person, clock, 5)
        assert JobState.SCHEDULED is job.state
        await start_due(one)
        assert (JobState.SCHEDULED, None) == ((await one.app.jobs.find(job.id)).state, one.supervisor.running(job.id))
        for page in ("/", "/jobs", f"/jobs/{job.id}"):
            assert "by itself" in (await person.get(page)).text
        clock.ahead = 5 * HOUR + 5
        await start_due(one)
        assert JobState.FINISHED is (await ended(one, job)).state
        assert ROWS == (await one.app.jobs.tally(job))[Status.REMOVED]
        assert "due" in [name for _, name, _ in await one.app.jobs.events(job)]
        acts = [entry for entry in await one.app.audit.newest(50, EVERY_ACCOUNT) if entry.facts.get("job") == job.id]
        assert ["confirmed", "run"] == [entry.act for entry in reversed(acts)]
        assert "starts_at" in acts[-1].facts


async def test_a_job_whose_time_nobody_served_waits_for_a_person(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    async with site(tmp_path, clock) as (one, person):
        job = await scheduled(one, person, clock, 5)
    clock.ahead = 5 * HOUR + CONSENT_SECONDS + 5
    async with site(tmp_path, clock) as (one, person):
        await start_due(one)
        held = await one.app.jobs.find(job.id)
        assert (JobState.HELD, None) == (held.state, one.supervisor.running(job.id))
        assert "the page was not served then" in held.reason
        assert held.reason in (await person.get("/")).text
        await start_due(one)
        assert JobState.HELD is (await one.app.jobs.find(job.id)).state
        await person.post(f"/jobs/{job.id}/approve", plan=job.plan_hash, number=str(ROWS))
        assert ROWS == (await one.app.jobs.tally(await ended(one, job)))[Status.REMOVED]


async def test_a_server_that_was_away_starts_what_is_less_than_an_hour_late(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    async with site(tmp_path, clock) as (one, person):
        job = await scheduled(one, person, clock, 5)
    clock.ahead = 5 * HOUR + CONSENT_SECONDS - 60
    async with site(tmp_path, clock) as (one, person):
        await start_due(one)
        assert JobState.FINISHED is (await ended(one, job)).state


@pytest.mark.parametrize(("hours", "words"), [(-0.5, "has passed"), (24.5, "within 24 hours")])
async def test_a_time_that_is_not_within_the_next_day_is_refused(tmp_path: Path, hours: float, words: str) -> None:
    clock = LateClock(60.0)
    async with site(tmp_path, clock) as (one, person):
        plan = await person.upload(triples(ROWS))
        fields = {"plan": plan.field("plan"), "number": str(ROWS)}
        answer = await person.post(f"{plan.url}/confirm", start_at=at(clock, hours), **fields)
        assert (409, True) == (answer.status, words in answer.text)
        for odd in ({"start_at": "tonight"}, {"start": "20:00"}, {"start": "2026-13-01T20:00"}):
            assert 400 == (await person.post(f"{plan.url}/confirm", **fields, **odd)).status
        assert [] == await one.app.jobs.all()


async def test_a_time_without_a_script_is_one_of_this_machine(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    async with site(tmp_path, clock) as (one, person):
        plan = await person.upload(triples(ROWS))
        soon = datetime.fromtimestamp(clock.wall() + HOUR).replace(second=0, microsecond=0)  # noqa: DTZ006 - as a form has it
        fields = {"plan": plan.field("plan"), "number": str(ROWS), "start": f"{soon:%Y-%m-%dT%H:%M}"}
        await person.post(f"{plan.url}/confirm", **fields)
        (job,) = await one.app.jobs.all(JobState.SCHEDULED)
        assert job.due_at == soon.timestamp()


async def test_a_scheduled_job_can_be_cancelled_or_approved_before(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    async with site(tmp_path, clock) as (one, person):
        first = await scheduled(one, person, clock, 5)
        await person.post(f"/jobs/{first.id}/cancel")
        second = await scheduled(one, person, clock, 5)
        await person.post(f"/jobs/{second.id}/approve", plan=second.plan_hash, number=str(ROWS))
        assert JobState.FINISHED is (await ended(one, second)).state
        clock.ahead = 6 * HOUR
        await start_due(one)
        assert JobState.CANCELLED is (await one.app.jobs.find(first.id)).state


async def test_scheduled_jobs_count_for_the_cap_of_the_day(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    async with site(tmp_path, clock, max_removals=5) as (one, person):
        await scheduled(one, person, clock, 5)
        other = await person.upload(triples(ROWS, first=10))
        assert f"{ROWS} were removed or confirmed already" in other.text


async def test_a_job_that_would_exceed_the_cap_of_its_day_is_held(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    async with site(tmp_path, clock) as (one, person):
        job = await scheduled(one, person, clock, 5)
    async with site(tmp_path, clock, max_removals=ROWS - 1) as (one, person):
        clock.ahead = 5 * HOUR + 5
        await start_due(one)
        held = await one.app.jobs.find(job.id)
        assert (JobState.HELD, True) == (held.state, "the cap is 2 a day" in held.reason)


async def test_a_start_that_a_wrong_clock_chose_waits_for_a_person(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    async with site(tmp_path, clock) as (one, person):
        job = await scheduled(one, person, clock, 5)
        clock.ahead = -400 * DAY_SECONDS
        await start_due(one)
        held = await one.app.jobs.find(job.id)
        assert (JobState.HELD, True) == (held.state, "clock was ahead" in held.reason)


async def test_what_refuses_the_start_stands_in_the_job(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    async with site(tmp_path, clock) as (one, person):
        job = await scheduled(one, person, clock, 5)
    clock.ahead = 5 * HOUR + 5
    (tmp_path / "home" / "reports").rename(tmp_path / "elsewhere")
    (tmp_path / "home" / "reports").write_text("no folder")
    async with site(tmp_path, clock) as (one, person):
        await start_due(one)
        over = await ended(one, job)
        assert (JobState.CANCELLED, True) == (over.state, "before its first row. The report" in over.reason)


async def test_a_program_says_when_a_job_starts(tmp_path: Path) -> None:
    clock = LateClock(60.0)
    async with site(tmp_path, clock) as (one, person):
        program = await one.program(Role.ADMIN)
        plan = (await person.ask("POST", "/api/v1/plans?name=f.csv", data=triples(ROWS), headers=program)).json
        path, body = f"/api/v1/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"]}
        assert 400 == (await person.ask("POST", path, json=body | {"start_at": "20:00"}, headers=program)).status
        naive = body | {"start_at": at(clock, 5).partition("+")[0]}
        assert 400 == (await person.ask("POST", path, json=naive, headers=program)).status
        answer = await person.ask("POST", path, json=body | {"start_at": at(clock, 5)}, headers=program)
        assert (201, "scheduled") == (answer.status, answer.json["standing"])
        (job,) = await one.app.jobs.all(JobState.SCHEDULED)
        assert job.due_at == Epoch(datetime.fromisoformat(str(answer.json["due_at"])).timestamp())


async def test_a_server_looks_for_starts_by_itself_until_it_is_stopped(tmp_path: Path) -> None:
    clock = LateClock(600.0)
    async with site(tmp_path, clock) as (one, person):
        job, stop = await scheduled(one, person, clock, 5), Stop()
        clock.ahead = 5 * HOUR + 5
        async with _running(one, stop):
            assert JobState.FINISHED is (await ended(one, job)).state


@asynccontextmanager
async def _running(one: RunningSite, stop: Stop) -> AsyncIterator[None]:
    task = asyncio.create_task(one.app.scheduled_starts(one.supervisor).run(stop))
    yield
    stop.request("The server was stopped.", EndReason.SERVER_STOPPED)
    await task
