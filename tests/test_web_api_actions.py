"""What a program does about plans and jobs by the HTTP API: the same rules hold as on the page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bulkremove.domain.job import JobState
from bulkremove.domain.permissions import EVERY_ACCOUNT, Access, Role
from bulkremove.domain.row import Status
from bulkremove.reading.options import ReadOptions
from tests.application_fixtures import stored
from tests.cli_fixtures import crowd
from tests.test_enrolment_check import leavers
from tests.test_find_pages import site_of
from tests.test_web_api import Program, ended
from tests.web_fixtures import Reply, RunningSite, running_site, triples

KEY = "Idempotency-Key"
UNANSWERED: dict[str, object] = {"learners": {"478346000019558000": ["html_200"]}}
"""The first learner of the world gets no usable answer, and the run ends early."""


async def confirmed(program: Program, plan: Reply) -> str:
    """The id of the job that a plan becomes."""
    reply = await program.post(f"/plans/{plan.data['id']}/confirm", {"plan_hash": plan.data["plan_hash"]})
    assert 201 == reply.status, reply.text
    return str(reply.data["job"])


async def cancelled(one: RunningSite, program: Program, count: int) -> str:
    """The id of a job that has ended early, with an unknown row and others that were not sent, and was cancelled."""
    job = await confirmed(program, await program.post("/plans", triples(count)))
    await ended(program, job)
    await program.post(f"/jobs/{job}/cancel")
    tally = await one.app.jobs.tally(await one.app.jobs.find(job))
    assert (1, count - 1) == (tally[Status.UNKNOWN], tally[Status.NOT_SENT] + tally[Status.REMOVED])
    return job


async def test_drafts_are_listed_shown_and_discarded(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.PREPARER))
        plan = (await program.post("/plans?name=leavers.csv", triples(2))).data
        refused = await program.post("/plans?name=odd.csv", "a,b,c\n1,2,3\n")
        assert 422 == refused.status
        drafts: list[dict[str, Any]] = (await program.get("/plans")).data["plans"]
        assert [("odd.csv", "needs_choice", 0), ("leavers.csv", "planned", 2)] == [
            (draft["name"], draft["state"], draft["removals"]) for draft in drafts
        ]
        odd = await program.get(f"/plans/{drafts[0]['id']}")
        assert (422, ["a", "b", "c"]) == (odd.status, odd.data["choices"]["header"])
        again = (await program.get(f"/plans/{plan['id']}")).data
        assert {**plan, "ends_at": ""} == {**again, "ends_at": ""}
        gone = await program.delete(f"/plans/{plan['id']}")
        assert (204, b"") == (gone.status, gone.body)
        assert 404 == (await program.delete(f"/plans/{plan['id']}")).status
        assert ["odd.csv"] == [draft["name"] for draft in (await program.get("/plans")).data["plans"]]
        newest = (await one.app.audit.newest(1, EVERY_ACCOUNT))[0]
        assert ("discarded", "leavers.csv") == (newest.act, newest.facts["name"])


async def test_a_draft_of_another_account_is_neither_listed_nor_discarded(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        plan = (await Program(visitor, await one.program(Role.PREPARER)).post("/plans", triples(2))).data
        stranger = Program(visitor, await one.program(Access()))
        assert 403 == (await stranger.get("/plans")).status
        assert 403 == (await stranger.delete(f"/plans/{plan['id']}")).status


async def test_a_confirmed_plan_is_not_discarded(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        plan = await program.post("/plans", triples(2))
        await confirmed(program, plan)
        refused = await program.delete(f"/plans/{plan.data['id']}")
        assert (409, "already_confirmed") == (refused.status, refused.data["code"])
        assert [] == (await program.get("/plans")).data["plans"]


async def test_a_request_for_a_plan_that_is_repeated_with_its_key_makes_no_second_plan(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.PREPARER))
        first, second = await asyncio.gather(
            *(program.post("/plans?name=a.csv", triples(2), **{KEY: "one"}) for _ in range(2))
        )
        assert [200, 201] == sorted([first.status, second.status])
        assert first.data == second.data
        assert ("Location" in first.headers) is not ("Location" in second.headers)
        for path, body in (("/plans?name=a.csv", triples(3)), ("/plans?name=b.csv", triples(2))):
            reused = await program.post(path, body, **{KEY: "one"})
            assert (422, "key_reused") == (reused.status, reused.data["code"])
        assert 201 == (await program.post("/plans?name=a.csv", triples(2), **{KEY: "two"})).status
        assert 201 == (await program.post("/plans?name=a.csv", triples(2))).status
        assert 400 == (await program.post("/plans?name=a.csv", triples(2), **{KEY: "x" * 256})).status
        assert 3 == len((await program.get("/plans")).data["plans"])
        assert 6 == len([*(tmp_path / "uploads").iterdir()])  # a file and what is known of it, each
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:  # also after a restart
        program = Program(visitor, await one.program(Role.PREPARER))
        again = await program.post("/plans?name=a.csv", triples(2), **{KEY: "one"})
        assert (200, first.data["id"], first.data["plan_hash"]) == (
            again.status,
            again.data["id"],
            again.data["plan_hash"],
        )


async def test_the_key_of_one_program_finds_no_plan_of_another(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        headers = await one.program(Role.PREPARER)
        _, secret = await one.app.tokens.add("another", Access.everywhere(Role.PREPARER), by="a test", owner="")
        programs = Program(visitor, headers), Program(visitor, {"Authorization": f"Bearer {secret}"})
        first, second = [await program.post("/plans", triples(2), **{KEY: "one"}) for program in programs]
        assert [201, 201] == [first.status, second.status]
        assert first.data["id"] != second.data["id"]


async def test_unknown_rows_are_planned_again_once_each_was_looked_up(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3, faults=UNANSWERED)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        job = await cancelled(one, program, 3)
        unchecked = await program.post(f"/jobs/{job}/retry", {"unknown_checked": True})
        assert (409, "consent_missing") == (unchecked.status, unchecked.data["code"])
        for note in ({"row": 3, "text": "x"}, {"row": 99, "text": "x"}, {"row": 2, "text": " "}):
            rejected = await program.post(f"/jobs/{job}/notes", note)
            assert (409, "note_rejected") == (rejected.status, rejected.data["code"])
        for body in (
            {"row": 2, "result": "left"},
            {"row": 0, "text": "x"},
            {"row": 10**30, "text": "x"},
            {"text": "x"},
        ):
            assert "bad_request" == (await program.post(f"/jobs/{job}/notes", body)).data["code"]
        noted = await program.post(f"/jobs/{job}/notes", {"row": 2, "text": "seen", "result": "still_there"})
        assert (204, b"") == (noted.status, noted.body)
        (row,) = (await program.get(f"/jobs/{job}/rows?state=unknown")).data["rows"]
        assert ("seen", "still_there") == (row["notes"][0]["text"], row["notes"][0]["result"])
        made = await program.post(f"/jobs/{job}/retry", {"unknown_checked": True}, **{KEY: "again"})
        assert (201, f"/api/v1/plans/{made.data['id']}") == (made.status, made.headers["Location"])
        rows = (await program.get(f"/plans/{made.data['id']}/rows?status=remove")).data["rows"]
        assert 2 in [row["row"] for row in rows]
        repeated = await program.post(f"/jobs/{job}/retry", {"unknown_checked": True}, **{KEY: "again"})
        assert (200, made.data["id"]) == (repeated.status, repeated.data["id"])
        other = await program.post(f"/jobs/{job}/retry", {}, **{KEY: "again"})
        assert "key_reused" == other.data["code"]
        retried = await confirmed(program, made)
        assert JobState.CANCELLED is (await one.app.jobs.find(job)).state
        assert job == (await one.app.jobs.find(retried)).retry_of


async def test_a_retry_under_four_eyes_has_its_first_preparer_too(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 2, faults=UNANSWERED)
    access = {"jo": Access.everywhere(Role.APPROVER), "kim": Access.everywhere(Role.APPROVER)}
    settings = {"world": world, "access": access, "four_eyes": True}
    async with running_site(tmp_path / "home", **settings) as one, one.visitor(known=False) as visitor:  # type: ignore[arg-type] # by name
        jo, kim = [Program(visitor, await one.program(Role.APPROVER, owner=name)) for name in ("jo", "kim")]
        job = await confirmed(kim, await jo.post("/plans", triples(2)))
        await ended(kim, job)
        await kim.post(f"/jobs/{job}/cancel")
        await kim.post(f"/jobs/{job}/notes", {"row": 2, "result": "still_there"})
        plan = (await kim.post(f"/jobs/{job}/retry", {"unknown_checked": True})).data
        for program in (jo, kim):
            refused = await program.post(f"/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"]})
            assert (409, "consent_missing") == (refused.status, refused.data["code"])


async def test_a_held_job_is_approved_by_somebody_else_who_names_plan_and_number(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 2)
    access = {name: Access.everywhere(Role.APPROVER) for name in ("jo", "kim")}
    settings = {"world": world, "access": access, "four_eyes": True}
    async with running_site(tmp_path / "home", **settings) as one, one.visitor(known=False) as visitor:  # type: ignore[arg-type] # by name
        jo, kim = [Program(visitor, await one.program(Role.APPROVER, owner=name)) for name in ("jo", "kim")]
        (tmp_path / "leavers.csv").write_text(triples(2))
        preview = await one.app.plans.preview(tmp_path / "leavers.csv", name="leavers.csv", options=ReadOptions())
        job = await stored(one.app, preview, tmp_path)
        assert JobState.HELD is job.state
        path, right = f"/jobs/{job.id}/approve", {"plan_hash": job.plan_hash, "removals": 2}
        for program, body in ((kim, right | {"removals": 3}), (kim, right | {"plan_hash": "x"}), (jo, right)):
            refused = await program.post(path, body)
            assert (409, "consent_missing") == (refused.status, refused.data["code"])
        assert 400 == (await kim.post(path, {"plan_hash": job.plan_hash})).status
        assert JobState.HELD is (await one.app.jobs.find(job.id)).state
        approved = await kim.post(path, right)
        assert 200 == approved.status, approved.text
        assert 2 == (await ended(kim, job.id))["counts"]["removed"]
        assert "job_unsuitable" == (await kim.post(path, right | {"removals": 0})).data["code"]


async def test_people_are_put_back_by_a_plan_of_their_own(tmp_path: Path) -> None:
    async with site_of(tmp_path) as (one, visitor):
        program = Program(visitor, await one.program(Role.APPROVER))
        made = await program.post("/plans?check=yes", leavers(tmp_path, [0, 1, 2]).read_text())
        job = await confirmed(program, made)
        await ended(program, job)
        people: list[dict[str, Any]] = (await program.get(f"/jobs/{job}/put-back")).data["people"]
        assert [(2, True, ""), (3, True, ""), (4, True, "")] == [
            (one["row"], one["can_be_put_back"], one["put_back"]) for one in people
        ]
        assert "learner0002@example.com" == people[2]["learner"]["email"]
        path = f"/jobs/{job}/put-back"
        bodies: list[dict[str, object]] = [{}, {"rows": []}, {"rows": [99]}]
        assert [400, 400, 409] == [(await program.post(path, body)).status for body in bodies]
        assert 3 == (await program.post(path, {"rows": None})).data["removals"]
        chosen = await program.post(path, {"rows": [2, 4]})
        assert (201, "enrol learner in batch", 2) == (chosen.status, chosen.data["operation"], chosen.data["removals"])
        back = await confirmed(program, chosen)
        assert 2 == (await ended(program, back))["counts"]["enrolled"]
        people = (await program.get(path)).data["people"]
        assert [False, True, False] == [one["can_be_put_back"] for one in people]
        assert back in people[0]["put_back"]
        assert "job_unsuitable" == (await program.get(f"/jobs/{back}/put-back")).data["code"]


@pytest.mark.parametrize("path", ["retry", "notes", "approve"])
async def test_a_preparer_does_not_decide_by_the_api_either(tmp_path: Path, path: str) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        approver, preparer = [Program(visitor, await one.program(role)) for role in (Role.APPROVER, Role.PREPARER)]
        job = await confirmed(approver, await preparer.post("/plans", triples(1)))
        refused = await preparer.post(f"/jobs/{job}/{path}", {})
        assert (403, "not_permitted") == (refused.status, refused.data["code"])


async def test_rows_of_another_person_are_planned_once_a_person_has_decided_so(tmp_path: Path) -> None:
    content = leavers(tmp_path, [0, 1, 2], i1="else@example.com", i2="wrong@example.com").read_text()
    async with site_of(tmp_path) as (one, visitor):
        program = Program(visitor, await one.program(Role.APPROVER))
        plan = (await program.post("/plans?check=yes", content)).data
        assert (1, 2, False) == (plan["removals"], plan["identity_mismatch"], plan["lookup_under_way"])
        changed = await program.post(f"/plans/{plan['id']}/mismatched", {"rows": [3]})
        assert (200, 2, 1) == (changed.status, changed.data["removals"], changed.data["identity_mismatch"])
        assert plan["plan_hash"] != changed.data["plan_hash"]
        old = await program.post(f"/plans/{plan['id']}/confirm", {"plan_hash": plan["plan_hash"]})
        assert "plan_outdated" == old.data["code"]
        job = await confirmed(program, changed)
        counts = (await ended(program, job))["counts"]
        assert (2, 1) == (counts["removed"], counts["identity_mismatch"])
        newest = [entry.act for entry in await one.app.audit.newest(20, EVERY_ACCOUNT)]
        assert "included_mismatched" in newest


async def test_a_program_sees_what_a_person_must_look_up_first(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3)
    async with (
        running_site(tmp_path / "home", world=world, canary="always") as one,
        one.visitor(known=False) as visitor,
    ):
        program = Program(visitor, await one.program(Role.APPROVER))
        job = await confirmed(program, await program.post("/plans", triples(3)))
        assert "canary" == (await ended(program, job))["end_reason"]
        question = (await program.get(f"/jobs/{job}/canary")).data["question"]
        assert "row 2, learner 478346000019558000" in question
        assert 200 == (await program.post(f"/jobs/{job}/canary?answer=gone")).status
        assert {"question": None} == (await program.get(f"/jobs/{job}/canary")).data


async def test_the_rows_to_retry_and_those_to_undo_are_files_and_unknown_rows_a_warning(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3, faults={"learners": {"478346000019558001": ["html_200"]}})
    async with running_site(tmp_path / "home", world=world, concurrency=1) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        job = await confirmed(program, await program.post("/plans", triples(3)))
        await ended(program, job)
        assert "report_failed" == (await program.get(f"/jobs/{job}/retry.csv")).data["code"]  # it can still be resumed
        cancelled = (await program.post(f"/jobs/{job}/cancel")).data
        assert "1 unknown" in cancelled["warning"]
        assert (1, 1) == (cancelled["counts"]["removed"], cancelled["counts"]["not_sent"])
        retry, undo = [await program.get(f"/jobs/{job}/{rows}.csv") for rows in ("retry", "undo")]
        assert [True, False] == ["478346000019558002" in file.text for file in (retry, undo)]
        assert [False, True] == ["478346000019558000" in file.text for file in (retry, undo)]
        assert 404 == (await program.get(f"/jobs/{job}/all.csv")).status


async def test_there_is_no_file_and_no_warning_without_rows_for_it(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 1)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        job = await confirmed(program, await program.post("/plans", triples(1)))
        assert (await ended(program, job))["warning"] is None
        nothing = await program.get(f"/jobs/{job}/retry.csv")
        assert (404, "not_found") == (nothing.status, nothing.data["code"])


async def test_a_key_leads_to_no_plan_that_was_confirmed_when_its_server_died(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        made = await program.post("/plans", triples(2), **{KEY: "one"})
        files = {path: path.read_bytes() for path in (tmp_path / "uploads").iterdir()}
        job = await confirmed(program, made)
    for path, content in files.items():  # as if it had died before it deleted them
        path.touch(0o600)
        path.write_bytes(content)
    async with running_site(tmp_path) as one, one.visitor(known=False) as visitor:
        again = await Program(visitor, program.headers).post("/plans", triples(2), **{KEY: "one"})
        assert (409, "already_confirmed") == (again.status, again.data["code"])
        assert job in again.data["detail"]


async def test_learners_who_may_be_gone_already_are_expected_when_confirming_or_resuming(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 24, missing=24)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor(known=False) as visitor:
        program = Program(visitor, await one.program(Role.APPROVER))
        job = await confirmed(program, await program.post("/plans", triples(12)))
        stopped = await ended(program, job)
        assert ("paused", "answers") == (stopped["state"], stopped["end_reason"])
        assert 400 == (await program.post(f"/jobs/{job}/resume?expect_missing=perhaps")).status
        assert 200 == (await program.post(f"/jobs/{job}/resume?expect_missing=yes")).status
        assert ("finished", 12) == ((told := await ended(program, job))["state"], told["counts"]["not_found"])
        plan = (await program.post("/plans", triples(12, first=12))).data
        consent = {"plan_hash": plan["plan_hash"], "expect_missing": True}
        other = (await program.post(f"/plans/{plan['id']}/confirm", consent)).data["job"]
        assert "finished" == (await ended(program, other))["state"]
