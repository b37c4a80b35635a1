"""The page as a person uses it, request by request: from a file to a report, and what can go wrong between."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bulkremove.app.job_supervisor import CLOSED
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import Job, JobState
from bulkremove.domain.permissions import EVERY_ACCOUNT, Role
from bulkremove.domain.row import Roles, Status
from bulkremove.platform.system_clock import SystemClock
from bulkremove.reading.options import ReadOptions
from bulkremove.web import incoming_files, uploads
from tests.application_fixtures import run, stored
from tests.cli_fixtures import Bulkremove, crowd, environment
from tests.web_fixtures import Reply, RunningSite, Visitor, running_site, triples, until
from tests.workbooks import Book, Cell, Sheet

DRY_RUN = "DRY RUN - nothing has been removed"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"{{7*7}}"


async def ended(one: RunningSite, job: str) -> JobState:
    """Wait until a job does not run any more."""
    for _ in range(600):
        if one.supervisor.running(job) is None:
            break
        await asyncio.sleep(0.05)
    assert one.supervisor.running(job) is None
    return (await one.app.jobs.find(job)).state


async def removed(one: RunningSite, job: str, least: int) -> None:
    """Wait until a job has removed so many."""
    for _ in range(1200):
        if (await one.app.jobs.tally(await one.app.jobs.find(job)))[Status.REMOVED] >= least:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it does not get on")


def job_of(reply: Reply) -> str:
    assert reply.url.startswith("/jobs/"), reply.text
    return reply.url.removeprefix("/jobs/")


async def confirmed(visitor: Visitor, content: str) -> str:
    return job_of(await visitor.confirm(await visitor.upload(content)))


async def test_the_whole_way_from_a_file_to_the_downloads(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 20, missing=2)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        assert "There are no jobs yet" in (await visitor.get("/jobs")).text
        plan = await visitor.upload(triples(20) + triples(1).splitlines()[1] + "\nx,1,2,bad\n")
        assert 2 == plan.text.count(DRY_RUN)
        assert "Remove 20 learners" in plan.text
        assert "is no course id" in plan.text
        job = job_of(await visitor.confirm(plan))
        assert JobState.FINISHED == await ended(one, job)
        page = (await visitor.get(f"/jobs/{job}")).text
        assert "Removed 18 (0 inferred), not found 2" in page
        report = await visitor.get(f"/jobs/{job}/report.csv")
        rows = list(csv.DictReader(io.StringIO(report.body.decode("utf-8-sig"))))
        assert 22 == len(rows)
        assert "attachment" in report.headers["Content-Disposition"]
        assert "text/csv; charset=utf-8" == report.headers["Content-Type"]
        assert (await visitor.get(f"/jobs/{job}/report.xlsx")).body.startswith(b"PK")
        undo = (await visitor.get(f"/jobs/{job}/undo.csv")).body.decode("utf-8-sig").splitlines()
        assert 18 == len(undo) - 1
        assert 404 == (await visitor.get(f"/jobs/{job}/retry.csv")).status
        assert "polyline" in page
        assert job in (await visitor.get("/jobs")).text


async def test_a_second_confirmation_leads_to_the_same_job(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        plan = await visitor.upload(triples(3))
        twice = await asyncio.gather(visitor.confirm(plan), visitor.confirm(plan), visitor.confirm(plan))
        assert 1 == len({job_of(reply) for reply in twice})
        assert 1 == len(await one.app.jobs.all())


async def test_another_plan_than_the_one_shown_is_refused(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        plan = await visitor.upload(triples(3))
        for fields, words in (
            ({"plan": "0" * 64, "number": "3"}, "not the plan that was previewed"),
            ({"plan": plan.field("plan"), "number": "4"}, "4 is not the number of removals"),
            ({"plan": plan.field("plan"), "number": ""}, "is not the number"),
            ({"plan": plan.field("plan"), "number": "\uff13"}, "is not the number"),
            ({"number": "3"}, "not the plan"),
        ):
            reply = await visitor.post(f"{plan.url}/confirm", **fields)
            assert 409 == reply.status
            assert words in reply.text
        assert [] == await one.app.jobs.all()


async def test_whatever_a_cell_or_a_name_holds_is_shown_as_text(tmp_path: Path) -> None:
    async with running_site(tmp_path, max_invalid=100.0) as one, one.visitor() as visitor:
        quoted = '"' + HOSTILE.replace('"', '""') + '"'
        plan = await visitor.upload(
            f"course,batch,learner,{quoted}\n1,2,3,{quoted}\n{quoted},2,3,x\n", f"{HOSTILE}.csv"
        )
        refused = await visitor.upload(f"{quoted},b,c\n1,2,3\n", "<script>alert(1)</script><img src=x>.csv")
        job = job_of(await visitor.confirm(plan))
        for reply in (plan, refused, await visitor.get("/"), await visitor.get(f"/jobs/{job}/rows")):
            assert "<script>alert" not in reply.text
            assert "<img" not in reply.text
            assert "&lt;script&gt;alert(1)" in reply.text
            assert "49" not in reply.text.replace(job, "") or "{{7*7}}" in reply.text


async def test_a_file_over_the_cap_is_refused_while_it_comes(tmp_path: Path) -> None:
    async with running_site(tmp_path, largest_upload=1) as one, one.visitor() as visitor:
        reply = await visitor.upload(b"x" * (1024 * 1024 + 1))
        assert 413 == reply.status
        assert "larger than 1 MB" in reply.text
        assert [] == list((tmp_path / "uploads").iterdir())


async def test_a_slow_upload_is_given_up_and_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming_files, "UPLOAD_SECONDS", 0.2)

    async def trickle() -> object:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\n'
        await asyncio.sleep(0.6)
        yield b"late\r\n--b--\r\n"

    async with running_site(tmp_path) as one, one.visitor() as slow, one.visitor(known=False) as other:
        headers = {"Origin": one.url, "Content-Type": "multipart/form-data; boundary=b"}
        waiting = asyncio.create_task(slow.ask("POST", "/uploads", data=trickle(), headers=headers))
        assert 403 == (await other.get("/")).status
        assert 408 == (await waiting).status
        assert [] == list((tmp_path / "uploads").iterdir())


async def test_too_many_uploads_at_once_are_told_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming_files, "MAX_UPLOADS_AT_ONCE", 0)
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        assert 503 == (await visitor.upload(triples(1))).status


async def test_an_upload_lies_in_a_private_file_under_a_name_of_our_own(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        await visitor.upload(triples(1), "../../etc/passwd.csv")
        stored = [*(tmp_path / "uploads").iterdir()]  # the file, and what is known of it
        assert 2 == len(stored)
        assert all(0o600 == path.stat().st_mode & 0o777 and "passwd" not in path.name for path in stored)


async def test_a_form_without_a_file_is_told(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        headers = {"Origin": one.url, "Content-Type": "multipart/form-data; boundary=b"}
        other = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n--b--\r\n'
        for body in (b"--b--\r\n", other, b"nonsense"):
            assert 400 == (await visitor.ask("POST", "/uploads", data=body, headers=headers)).status


async def test_columns_are_chosen_from_the_headings_with_the_first_rows_beside_them(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        refused = await visitor.upload("B,C,learner,course\n1,2,3,4\n")
        assert 422 == refused.status
        assert "<td>4</td>" in refused.text
        assert '<option value="2" data-values="3" selected>C: learner' in refused.text
        plan = await visitor.post(refused.url, course="3", batch="0", learner="2")
        assert "course <code>4</code>, batch <code>1</code>" in plan.text  # the column headed B is column A
        again = await visitor.post(refused.url, course="3", batch="1", learner="2")
        assert "course <code>4</code>, batch <code>2</code>" in again.text


async def test_a_sheet_is_chosen_and_hidden_rows_are_decided_on(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        one_sheet: list[list[Cell]] = [["course", "batch", "learner"], ["1", "2", "3"]]
        two = Sheet([*one_sheet, ["1", "2", "4"], ["1", "2", "5"]], "Two", hidden_rows=(3,))
        book = Book([Sheet(one_sheet, "One"), two]).as_bytes("xlsx")
        refused = await visitor.upload(book, "book.xlsx")
        assert 'Two <span class="soft">4 rows, the first: course, batch, learner</span>' in refused.text
        hidden = await visitor.post(refused.url, sheet="Two")
        assert "1 hidden, filtered, struck-through or commented row" in hidden.text
        plan = await visitor.post(refused.url, hidden="leave_out")
        assert "Remove 2 learners" in plan.text
        assert "sheet <strong>Two</strong>" in plan.text


async def test_columns_that_were_chosen_before_are_chosen_already_the_next_time(tmp_path: Path) -> None:
    odd = triples(2).replace("learner", "person")
    async with running_site(tmp_path / "home", world=crowd(tmp_path, 4)[0]) as one, one.visitor() as visitor:
        first = await visitor.upload(odd)
        assert ("is a guess" in first.text, "in the last job" in first.text) == (True, False)
        await visitor.confirm(await visitor.post(first.url, course="0", batch="1", learner="2"))
        again = await visitor.upload(odd.replace("left", "gone"))
        assert ("is a guess" in again.text, "in the last job" in again.text) == (False, True)
        assert re.search(r'value="2" data-values="[^"]*" selected>C: person', again.text)
        assert "in the last job" not in (await visitor.upload(odd.replace("reason", "why"))).text


async def test_damage_is_told_with_the_cell_and_how_to_mend_it(tmp_path: Path) -> None:
    samples = Path(__file__).parent.parent / "sample_data"
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        refused = await visitor.upload((samples / "damaged.xlsx").read_bytes(), "damaged.xlsx")
        assert 422 == refused.status
        assert "Text" in refused.text
        assert "Continue" not in refused.text


async def test_every_row_can_be_searched_filtered_and_paged(tmp_path: Path) -> None:
    async with running_site(tmp_path, max_invalid=100.0, max_removals=1000) as one, one.visitor() as visitor:
        lines = "".join(f"1,2,{i},Person{i}\n" for i in range(1, 121)) + "x,2,3,Bad\n1,2,7,Again\n"
        plan = await visitor.upload(f"course,batch,learner,name\n{lines}")
        assert 50 == plan.text.count(">would be removed</td>")
        last = await visitor.get(f"{plan.url}?page=3")
        assert "Person120" in last.text
        assert "Later rows" not in last.text
        assert 1 == (await visitor.get(f"{plan.url}?q=PERSON99")).text.count("Person99")
        invalid = await visitor.get(f"{plan.url}?status=invalid")
        assert "Bad" in invalid.text
        assert "<td>Person1</td>" not in invalid.text
        assert "Again" not in (await visitor.get(f"{plan.url}?status=remove&page=3")).text
        for odd in ("?page=0", "?page=x", "?page=99999999999", "?status=odd", "?q=%00", "?q=nobody"):
            assert 200 == (await visitor.get(plan.url + odd)).status
        assert "No row matches" in (await visitor.get(f"{plan.url}?q=nobody")).text


async def test_a_plan_that_left_memory_is_made_again_the_same(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        first = await visitor.upload(triples(3))
        await visitor.upload(triples(4))
        again = await visitor.get(first.url)
        assert first.field("plan") == again.field("plan")
        assert 200 == (await visitor.get(f"{first.url}/plan.csv")).status


async def test_a_job_is_paused_resumed_and_cancelled(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 200)
    async with running_site(tmp_path / "home", world=world, speed=20.0) as one, one.visitor() as visitor:
        job = await confirmed(visitor, triples(200))
        running = await visitor.get(f"/jobs/{job}")
        assert "sse-connect" in running.text
        paused = await visitor.post(f"/jobs/{job}/pause")
        assert JobState.PAUSED == (await one.app.jobs.find(job)).state
        assert "paused it" in paused.text
        await visitor.post(f"/jobs/{job}/resume")
        assert one.supervisor.running(job) is not None
        cancelled = await visitor.post(f"/jobs/{job}/cancel")
        assert JobState.CANCELLED == (await one.app.jobs.find(job)).state
        assert 409 == (await visitor.post(f"/jobs/{job}/resume")).status
        plan = await visitor.post(f"/jobs/{job}/retry")
        left = (await one.app.jobs.tally(await one.app.jobs.find(job)))[Status.NOT_SENT]
        assert f"Remove {left} learners" in plan.text
        assert f"Retry {left} rows that were not sent" in cancelled.text


async def test_the_events_tell_the_progress_and_then_that_it_is_done(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 40)
    async with running_site(tmp_path / "home", world=world, speed=60.0) as one, one.visitor() as visitor:
        job = await confirmed(visitor, triples(40))
        stream = await visitor.get(f"/jobs/{job}/events")
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert "event: panel" in stream.text
        assert "row" in stream.text
        assert "event: done" in stream.text
        assert "40 of 40 rows" in stream.text


async def test_whoever_watches_right_after_a_pause_sees_it_go_on(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 40)
    async with running_site(tmp_path / "home", world=world, speed=60.0) as one, one.visitor() as visitor:
        job = await confirmed(visitor, triples(40))
        await visitor.post(f"/jobs/{job}/pause")
        assert "event: done" in (await visitor.get(f"/jobs/{job}/events")).text
        await visitor.post(f"/jobs/{job}/resume")
        assert "40 of 40 rows" in (await visitor.get(f"/jobs/{job}/events")).text


async def test_two_who_watch_see_the_same(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 20)
    async with (
        running_site(tmp_path / "home", world=world, roles=(Role.ADMIN,)) as one,
        one.visitor(known=False) as first,
        one.visitor(known=False) as second,
    ):
        for visitor in (first, second):
            await visitor.sign_in("admin")
        job = await confirmed(first, triples(20))
        both = await asyncio.gather(first.get(f"/jobs/{job}/events"), second.get(f"/jobs/{job}/events"))
        assert all("20 of 20 rows" in reply.text for reply in both)


async def test_a_restarted_server_goes_on_by_itself(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 120)
    home = tmp_path / "home"
    async with running_site(home, world=world, speed=20.0) as one, one.visitor() as visitor:
        job = await confirmed(visitor, triples(120))
        await removed(one, job, 1)
    async with running_site(home, world=world, speed=60.0) as one:
        assert CLOSED == (await one.app.jobs.find(job)).reason
        assert [job] == [taken.id for taken in (await one.supervisor.resume_interrupted())[0]]
        assert JobState.FINISHED == await ended(one, job)
        assert 120 == sum((await one.app.jobs.tally(await one.app.jobs.find(job))).counts.values())


async def test_the_jobs_are_shown_a_page_at_a_time_and_by_state_and_file(tmp_path: Path) -> None:
    async with running_site(tmp_path / "home") as one, one.visitor() as visitor:
        for number in range(60):
            state = JobState.HELD if number == 3 else JobState.FINISHED
            job = Job(
                f"job-{number:02}", "a", "h", f"file{number % 2}.csv", "", None, ("c",), Roles(0, 0, 0), "x", state
            )
            await one.app.context.storage.jobs.create(replace(job, created_at=Epoch(number)), [])
        first = await visitor.get("/jobs")
        assert ("job-59" in first.text, "job-10" in first.text, "job-09" in first.text) == (True, True, False)
        assert "Older jobs" in first.text
        second = await visitor.get("/jobs?page=2")
        assert ("job-59" in second.text, "job-09" in second.text, "Newer jobs" in second.text) == (False, True, True)
        held = await visitor.get("/jobs?state=held")
        assert ("job-03" in held.text, "job-59" in held.text) == (True, False)
        assert "No job matches" in (await visitor.get("/jobs?state=held&q=file0")).text
    program = Bulkremove(tmp_path / "home", environment())
    assert ["job-03"] == [line.split()[0] for line in program("jobs", "--state", "held").stdout.splitlines()]
    page = program("jobs", "-n", "10", "--page", "6")
    assert ["job-09", "job-00"] == [page.stdout.split()[0], page.stdout.splitlines()[-1].split()[0]]
    assert "job-01" not in program("jobs", "--file", "FILE0").stdout


async def test_a_plan_whose_storing_is_cut_off_leaves_nothing_that_can_run(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 3)
    async with running_site(tmp_path / "home", world=world) as one:
        shown = await one.app.plans.preview(file, name="crowd.csv", options=ReadOptions())
        for turns in range(0, 60, 3):
            storing = asyncio.ensure_future(stored(one.app, shown, tmp_path))
            for _ in range(turns):
                await asyncio.sleep(0.0005)
            if storing.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await storing
                assert [] == await one.app.jobs.all(JobState.READY)
            else:
                await one.app.jobs.cancel((await storing).id, by="jo")
        assert ([], []) == await one.app.supervisor().resume_interrupted()


async def test_a_server_leaves_a_job_to_the_command_that_has_just_stored_it(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 3)
    async with running_site(tmp_path / "home", world=world) as one:
        shown = await one.app.plans.preview(file, name="crowd.csv", options=ReadOptions())
        async with AsyncExitStack() as claim:
            job = await stored(one.app, shown, tmp_path, claim=claim)
            assert JobState.READY is job.state
            assert ([], []) == await one.app.supervisor().resume_interrupted()
            ended_ = await run(one.app, job, claimed=True)
        assert JobState.FINISHED is ended_.job.state


async def test_a_finding_about_an_unknown_row_is_kept_with_name_and_time(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 2, faults={"learners": {"478346000019558000": ["html_200"]}})
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        job = await confirmed(visitor, triples(2))
        await ended(one, job)
        await visitor.post(f"/jobs/{job}/cancel")
        page = await visitor.get(f"/jobs/{job}")
        assert "Rows to look up in Zoho People" in page.text
        noted = await visitor.post(f"/jobs/{job}/notes", row="2", text=f"gone {HOSTILE}")
        assert "noted, " in noted.text
        assert "&lt;script&gt;" in noted.text
        for path in (f"/jobs/{job}/rows", "/people?q=478346000019558000"):
            assert " noted, <time" in (await visitor.get(path)).text, path
        report = (await visitor.get(f"/jobs/{job}/report.csv")).text
        assert "noted on" in report
        for row, text in (("3", "x"), ("99", "x"), ("", "x"), ("2", "  ")):
            assert 409 == (await visitor.post(f"/jobs/{job}/notes", row=row, text=text)).status


async def test_a_short_job_does_not_wait_behind_a_long_one(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 400)
    async with running_site(tmp_path / "home", world=world, speed=60.0) as one, one.visitor() as visitor:
        long = await confirmed(visitor, triples(300))
        await removed(one, long, 15)
        short = await confirmed(visitor, triples(10, first=300))
        before = (await one.app.jobs.tally(await one.app.jobs.find(long)))[Status.REMOVED]
        home = (await visitor.get("/")).text
        assert "each gets its turn" in home
        order = home[home.index('id="order"') :]
        assert order.index(short) < order.index(long)
        assert JobState.FINISHED == await ended(one, short)
        meanwhile = (await one.app.jobs.tally(await one.app.jobs.find(long)))[Status.REMOVED] - before
        assert meanwhile <= 25, "the short job got less than its share"


async def test_four_eyes_are_two_people(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 3)
    roles = (Role.PREPARER, Role.APPROVER, Role.ADMIN)
    async with (
        running_site(tmp_path / "home", world=world, roles=roles, four_eyes=True) as one,
        one.visitor(known=False) as own,
        one.visitor(known=False) as other,
    ):
        await own.sign_in("admin")
        await other.sign_in("approver")
        plan = await own.upload(triples(3))
        assert "somebody else must confirm" in plan.text
        assert 'id="decision"></div>\n<p class="note">You prepared' in plan.text, "the link at the top leads here"
        assert "discard it" in plan.text
        assert "data-wanted" not in plan.text
        seen = await other.get(plan.url)
        fields = {"plan": seen.field("plan"), "number": "3"}
        assert 409 == (await own.post(f"{plan.url}/confirm", **fields)).status
        assert plan.url in (await other.get("/")).text
        job = job_of(await other.confirm(seen))
        found = await one.app.jobs.find(job)
        assert (("admin",), "approver") == (found.prepared_by, found.confirmed_by)


@pytest.mark.parametrize("by_token", [True, False])
async def test_a_token_and_its_owner_are_one_person_under_four_eyes(tmp_path: Path, *, by_token: bool) -> None:
    world, _ = crowd(tmp_path, 3)
    async with (
        running_site(tmp_path / "home", world=world, roles=(Role.APPROVER, Role.ADMIN), four_eyes=True) as one,
        one.visitor(known=False) as visitor,
    ):
        await visitor.sign_in("approver")
        token = await one.program(Role.APPROVER, owner="Approver")
        other = await one.program(Role.APPROVER, owner="admin")
        if by_token:  # the token's owner confirms on the page what the token has uploaded
            told = await visitor.ask("POST", "/api/v1/plans?name=f.csv", data=triples(3), headers=token)
            upload = json.loads(told.text)["id"]
        else:  # the token confirms what its owner has uploaded
            upload = (await visitor.upload(triples(3))).url.rpartition("/")[2]
        page, path = f"/uploads/{upload}", f"/api/v1/plans/{upload}"
        plan = json.loads((await visitor.ask("GET", path, headers=token)).text)["plan_hash"]
        assert "somebody else must confirm" in (await visitor.get(page)).text
        if by_token:
            refused = await visitor.post(f"{page}/confirm", plan=plan, number="3")
        else:
            refused = await visitor.ask("POST", f"{path}/confirm", json={"plan_hash": plan}, headers=token)
        assert (409, True) == (refused.status, "agree to it too" in refused.text), refused.text
        assert 400 > (await visitor.ask("POST", f"{path}/confirm", json={"plan_hash": plan}, headers=other)).status


async def test_who_says_how_a_file_is_read_shapes_its_plan_too(tmp_path: Path) -> None:
    roles = (Role.PREPARER, Role.APPROVER)
    async with running_site(tmp_path, roles=roles, four_eyes=True) as one, one.strangers() as (own, other):
        await own.sign_in("preparer")
        await other.sign_in("approver")
        plan = await own.upload("course,batch,learner,manager\n1,2,3,4\n")
        changed = await other.post(plan.url, course="0", batch="1", learner="3")
        assert "manager" in changed.text
        fields = {"plan": changed.text.partition('name="plan" value="')[2][:64] or "x", "number": "1"}
        assert "somebody else must confirm" in changed.text
        assert 409 == (await other.post(f"{plan.url}/confirm", **fields)).status
        acts = [entry.act for entry in await one.app.audit.newest(10, EVERY_ACCOUNT)]
        assert ["confirmation_refused", "read", "read", "uploaded"] == [act for act in acts if "sign" not in act][:4]


async def test_rows_are_tried_again_in_one_job_only(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 200)
    async with running_site(tmp_path / "home", world=world, speed=20.0) as one, one.visitor() as visitor:
        job = await confirmed(visitor, triples(200))
        await visitor.post(f"/jobs/{job}/cancel")
        first, second = await visitor.post(f"/jobs/{job}/retry"), await visitor.post(f"/jobs/{job}/retry")
        retried = job_of(await visitor.confirm(first))
        refused = await visitor.confirm(second)
        assert 409 == refused.status
        assert f"rows of it are still to be sent by job {retried}" in refused.text


async def test_unknown_rows_are_sent_again_only_when_each_was_looked_up(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 2, faults={"learners": {"478346000019558000": ["html_200"]}})
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        job = await confirmed(visitor, triples(2))
        await ended(one, job)
        page = await visitor.post(f"/jobs/{job}/cancel")
        assert "I looked each of them up" not in page.text
        assert 409 == (await visitor.post(f"/jobs/{job}/retry", unknown="checked")).status
        noted = await visitor.post(f"/jobs/{job}/notes", row="2", text="still enrolled")
        assert ("I looked each of them up" in noted.text, "it is not known whether" in noted.text) == (True, True)
        seen = await visitor.post(f"/jobs/{job}/notes", row="2", result="still_there")
        assert "1 unknown, and somebody has looked each of them up: 1 still there." in seen.text
        assert "it is not known whether" not in seen.text
        assert "DRY RUN" in (await visitor.post(f"/jobs/{job}/retry", unknown="checked")).text


async def test_the_very_same_plan_is_warned_of(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 2)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        job = await confirmed(visitor, triples(2))
        await ended(one, job)
        assert f'confirmed before: <a href="/jobs/{job}"' in (await visitor.upload(triples(2))).text


async def test_the_address_of_a_plan_that_was_confirmed_leads_to_its_job_for_good(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 2)
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        plan = await visitor.upload(triples(2))
        job = job_of(await visitor.confirm(plan))
        await ended(one, job)
        assert job == job_of(await visitor.get(plan.url))
    async with running_site(tmp_path / "home", world=world) as one, one.visitor() as visitor:
        assert job == job_of(await visitor.get(plan.url)), "the server has forgotten its uploads"
        assert 404 == (await visitor.get("/uploads/other")).status


async def test_a_plan_that_sends_nothing_waits_for_nobody(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        await visitor.upload("course,batch,learner\nx,1,2\n", name="nobody.csv")
        await visitor.upload(triples(2), name="two.csv")
        shown = (await visitor.get("/")).text
        assert ("two.csv" in shown, "nobody.csv" in shown) == (True, False)


async def test_a_replaced_journal_is_told_on_the_page(tmp_path: Path) -> None:
    words, backup = "The journal was replaced by an older copy", tmp_path / "backup.zip"
    async with running_site(tmp_path / "home", clock=SystemClock(60.0)) as one, one.visitor() as visitor:
        job = job_of(await visitor.confirm(await visitor.upload(triples(2))))
        await ended(one, job)
        assert words not in (await visitor.get("/")).text
        await one.app.backups.make(backup, by="jo")
        await one.app.record("jo", AuditAct.READ)
        await one.app.backups.restore(backup, await one.app.backups.inspect(backup), by="jo")
        for path in ("/", "/jobs", f"/jobs/{job}"):
            assert words in (await visitor.get(path)).text


async def test_a_job_of_another_account_changes_nothing_for_the_next_file(tmp_path: Path) -> None:
    async with running_site(tmp_path, account="other", clock=SystemClock(60.0)) as one, one.visitor() as visitor:
        job = job_of(await visitor.confirm(await visitor.upload(triples(3))))
        await ended(one, job)
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        assert "other" == (await one.app.jobs.find(job)).account
        plan = await visitor.upload(triples(2, first=10))
        await visitor.post(f"/jobs/{job}/resume")
        assert "default" == one.app.settings.account
        assert plan.field("plan") == (await visitor.upload(triples(2, first=10))).field("plan")


async def test_a_name_that_is_no_text_harms_no_page(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="M\xfcller.csv"\r\n\r\n'
        body = head + triples(1).encode() + b"\r\n--b--\r\n"
        headers = {"Origin": one.url, "Content-Type": "multipart/form-data; boundary=b"}
        assert 200 == (await visitor.ask("POST", "/uploads", data=body, headers=headers)).status
        assert 200 == (await visitor.get("/")).status
        assert 200 == (await visitor.get("/audit")).status


async def test_a_form_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    async with running_site(tmp_path, roles=(Role.ADMIN,)) as one, one.visitor(known=False) as visitor:
        for kind, body in (("; charset=nonsense", b"name=x"), ("", b"name=\xff\xfe")):
            headers = {"Origin": one.url, "Content-Type": f"application/x-www-form-urlencoded{kind}"}
            got = await visitor.ask("POST", "/sign-in", data=body, headers=headers)
            assert got.status in (400, 403)


async def test_rows_of_a_job_are_found_whatever_the_case_of_their_letters(tmp_path: Path) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        job = await confirmed(visitor, "course,batch,learner,name\n1,2,3,MÜLLER\n")
        assert "MÜLLER" in (await visitor.get(f"/jobs/{job}/rows?q=m%C3%BCller")).text
        assert "No row matches" in (await visitor.get(f"/jobs/{job}/rows?q=u00")).text


async def test_a_file_waits_a_day_and_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        plan = await visitor.upload(triples(1))
        monkeypatch.setattr(uploads, "MAX_AGE_SECONDS", -1.0)
        assert 404 == (await visitor.get(plan.url)).status
        assert [] == list((tmp_path / "uploads").iterdir())


async def test_what_another_process_drives_is_not_taken_up_but_can_be_paused(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 200)
    async with running_site(tmp_path / "home", world=world, speed=20.0) as one, one.visitor() as visitor:
        job = await confirmed(visitor, triples(200))
        await removed(one, job, 1)
        other = one.app.supervisor()
        assert ([], []) == await other.resume_interrupted()
        await other.pause(job, by="jo")
        paused = await one.app.jobs.find(job)
        assert (JobState.PAUSED, "jo paused it.") == (paused.state, paused.reason)


async def test_nothing_that_the_person_did_is_missing_from_the_audit_log(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 100)
    async with running_site(tmp_path / "home", world=world, speed=20.0) as one, one.visitor() as visitor:
        job = await confirmed(visitor, triples(100))

        async def acts() -> list[str]:
            return [entry.act for entry in reversed(await one.app.audit.newest(100, EVERY_ACCOUNT))]

        async def runs() -> bool:
            return (await acts())[-1] == "run"

        for act in ("pause", "resume", "cancel"):
            if act != "resume":
                await until(runs)  # a run begins in the background
            await visitor.post(f"/jobs/{job}/{act}")
        await visitor.get(f"/jobs/{job}/report.csv")
        assert ["uploaded", "read", "confirmed", "run", "paused", "run", "cancelled", "reported"] == await acts()
        assert "cancelled" in (await visitor.get("/audit")).text
        assert (await one.app.audit.verify()).broken is None


async def test_an_unexpected_error_shows_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_site(tmp_path) as one, one.visitor() as visitor:
        monkeypatch.setattr(one.app, "jobs", lambda: 1 / 0)
        reply = await visitor.get("/jobs")
        assert 500 == reply.status
        assert "Something unexpected happened" in reply.text
        assert "ZeroDivision" not in reply.text


async def test_signing_out_ends_the_session(tmp_path: Path) -> None:
    async with running_site(tmp_path, roles=(Role.ADMIN,)) as one, one.visitor(known=False) as visitor:
        assert "wrong" in (await visitor.sign_in("admin", "not the password")).text
        assert "wrong" in (await visitor.sign_in("nobody")).text
        assert "/" == (await visitor.sign_in("admin")).url
        origin = {"Origin": one.url, "Content-Type": "application/x-www-form-urlencoded"}
        out = await visitor.ask("POST", "/sign-out", headers=origin, allow_redirects=False)
        assert (303, "/sign-in", '"cache", "storage"') == (
            out.status, out.headers["Location"], out.headers["Clear-Site-Data"]
        )  # fmt: skip
        assert "/sign-in" == (await visitor.get("/")).url


async def test_a_removed_user_and_one_with_a_new_password_are_out_at_once(tmp_path: Path) -> None:
    async with (
        running_site(tmp_path, roles=(Role.APPROVER, Role.PREPARER)) as one,
        one.visitor(known=False) as first,
        one.visitor(known=False) as second,
    ):
        await first.sign_in("approver")
        await second.sign_in("preparer")
        await one.app.users.remove_user("approver", by="a test")
        await one.app.users.set_password("preparer", "another long password", by="a test")
        assert "/sign-in" == (await first.get("/")).url
        assert "/sign-in" == (await second.get("/")).url
