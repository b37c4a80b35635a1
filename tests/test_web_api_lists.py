"""The lists of the HTTP API: jobs, rows and events, by filters and cursors, with times as RFC 3339 writes them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkremove.domain.attempt import LookupResult, Note
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import JobState
from bulkremove.domain.permissions import Access, Role
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import Exclusion, Row, RowState, Status
from bulkremove.web.api_models import ROW_STATES
from tests.cli_fixtures import crowd
from tests.storage_fixtures import ACT, end, job, planned, rows, taken
from tests.test_web_api import Program, ended
from tests.web_fixtures import RunningSite, running_site, triples

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


async def listed(program: Program, path: str, member: str) -> list[dict[str, Any]]:
    """All entries of a list, page after page."""
    found, cursor, joint = list[dict[str, Any]](), "", "&" if "?" in path else "?"
    while cursor is not None:
        reply = await program.get(f"{path}{joint}cursor={cursor}" if cursor else path)
        assert 200 == reply.status, reply.text
        found += reply.data[member]
        cursor = reply.data["next"]
    return found


async def stored_jobs(one: RunningSite, count: int) -> None:
    """Jobs without rows, the oldest first, two at a time made at the same moment."""
    for number in range(count):
        stored = replace(
            job(f"20261123-{number:04}", JobState.HELD if number % 2 else JobState.CANCELLED, at=1e9 + number // 2),
            account="school" if number % 3 else "bureau",
            prepared_by=("kim", "ann") if number == 4 else ("bo",),
            confirmed_by="kim" if number == 5 else "kimberly",
        )
        await one.app.context.storage.jobs.create(stored, [])


def ids(*numbers: int) -> list[str]:
    return [f"20261123-{number:04}" for number in numbers]


async def test_a_list_of_jobs_goes_on_where_it_was_while_new_jobs_come(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.PREPARER))
        await stored_jobs(one, 7)
        first = (await program.get("/jobs?limit=3")).data
        await one.app.context.storage.jobs.create(job("20261124-0000", JobState.HELD, at=2e9), [])
        second = (await program.get(f"/jobs?limit=3&cursor={first['next']}")).data
        third = (await program.get(f"/jobs?limit=3&cursor={second['next']}")).data
        found = [entry["job"] for page in (first, second, third) for entry in page["jobs"]]
        assert (ids(6, 5, 4, 3, 2, 1, 0), None) == (found, third["next"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=held", ids(5, 3, 1)),
        ("account=bureau", ids(6, 3, 0)),
        ("account=nowhere", []),
        ("who=kim", ids(5, 4)),
        ("who=ki", []),
        ("since=2001-09-09T01:46:42Z", ids(6, 5, 4)),
        ("since=2001-09-09T03:46:42.5%2B02:00", ids(6)),
        ("since=2001-09-09T01:46:42Z&state=held&account=school", ids(5)),
    ],
)
async def test_jobs_are_filtered_by_state_account_person_and_time(tmp_path: Path, query: str, found: list[str]) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.PREPARER))
        await stored_jobs(one, 7)
        assert found == [entry["job"] for entry in await listed(program, f"/jobs?limit=2&{query}", "jobs")]


async def test_the_filter_by_account_shows_no_job_of_an_account_that_the_token_may_not_see(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        await stored_jobs(one, 3)
        program = Program(visitor, await one.program(Access.parse(["preparer@school"])))
        assert ids(2, 1) == [entry["job"] for entry in await listed(program, "/jobs?account=school", "jobs")]
        assert [] == await listed(program, "/jobs?account=bureau", "jobs")


@pytest.mark.parametrize(
    "query",
    [
        "cursor=",
        "cursor=7",  # that of a row
        "cursor=now:20261123-0001",
        "cursor=1e9:20261123-0001",
        "limit=0",
        "limit=1001",
        "since=yesterday",
        "since=2026-11-23",
        "since=2026-11-23T02:30:00",
        "since=2026-11-23T02:30:00+02:00",  # a blank, not a plus
        "since=2026-13-23T02:30:00Z",
        "state=storing",
    ],
)
async def test_a_filter_that_is_none_is_refused(tmp_path: Path, query: str) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.PREPARER))
        reply = await program.get(f"/jobs?{query}")
        assert (400, "bad_request") == (reply.status, reply.data["code"])
        assert query.partition("=")[0] in str(reply.data["detail"])


async def test_a_row_that_can_still_be_sent_has_no_status_yet(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        program, storage = Program(visitor, await one.program(Role.PREPARER)), one.app.context.storage
        invalid = PlannedRow(Row(9, ("x", "2", "3", "")), None, Exclusion(Status.INVALID, "No id."))
        await storage.jobs.create(job(), [*planned(3), invalid])
        (first, *_) = await rows(storage)
        await taken(storage, first)
        path = "/jobs/job/rows"
        states = ["sending", "pending", "pending", "invalid"]
        assert states == [row["state"] for row in await listed(program, f"{path}?limit=2", "rows")]
        expected = {"pending": [3, 4], "sending": [2], "invalid": [9], "not_sent": [], "unknown": []}
        for state, numbers in expected.items():
            found = await listed(program, f"{path}?state={state}&limit=1", "rows")
            assert numbers == [row["row"] for row in found], state
        assert 9 in [row["row"] for row in await listed(program, f"{path}?q=X", "rows")]
        await storage.jobs.cancel("job", lambda one: None, end(JobState.CANCELLED, "Cancelled."))
        states = ["unknown", "not_sent", "not_sent", "invalid"]
        assert states == [row["state"] for row in await listed(program, path, "rows")]
        assert [3, 4] == [row["row"] for row in await listed(program, f"{path}?state=not_sent", "rows")]
        note = Note(Epoch(1e9), "jo", "seen", LookupResult.GONE)
        assert await storage.rows.add_note("job", 2, note, ACT)
        (unknown,) = await listed(program, f"{path}?state=unknown", "rows")
        told = {"at": "2001-09-09T01:46:40.000Z", "author": "jo", "text": "seen", "result": "gone"}
        assert (["1", "2", "0"], [told]) == (unknown["cells"][:3], unknown["notes"])
        assert {*RowState, *Status} == {*ROW_STATES}


async def test_rows_and_events_of_a_job_that_was_run(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3, missing=1)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        plan = (await program.post("/plans?name=leavers.csv", triples(3))).data
        confirmed = await program.post(f"/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"]})
        name = str(confirmed.data["job"])
        done = await ended(program, name)
        found = (await program.get(f"/jobs/{name}/rows")).data
        assert ["course", "batch", "learner", "reason"] == found["header"]
        states = {str(row["state"]): row for row in found["rows"]}
        assert {"removed", "not_found"} == {*states}
        assert (200, 1) == (states["removed"]["http_status"], states["removed"]["attempts"])
        assert states["removed"]["first_sent_at"] <= states["removed"]["finished_at"]
        times = [plan["ends_at"], plan["uploaded_at"], done["created_at"], done["finished_at"]]
        times += [states["removed"]["first_sent_at"]]
        events = (await program.get(f"/jobs/{name}/events")).data["events"]
        assert [True] * 5 == [TIME.fullmatch(str(time)) is not None for time in times]
        assert all(TIME.fullmatch(event["at"]) for event in events)
        assert (None, None, "finished") == (done["end_reason"], done["due_at"], done["standing"][:8])
        first = (await program.get(f"/jobs/{name}/events?limit=1")).data
        after = (await program.get(f"/jobs/{name}/events?after={events[0]['id']}")).data
        assert ([events[0]], True) == (first["events"], first["more"])
        assert (events[1:], False) == (after["events"], after["more"])
