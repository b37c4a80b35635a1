"""Another success than the documented one counts only after a person has accepted it, word for word, on evidence."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from bulkremove.app import App, SandboxOptions
from bulkremove.app.doctor import checks
from bulkremove.config import Settings
from bulkremove.domain.attempt import LookupResult, Reply
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ConsentMissing, PlanOutdated, WordingRejected
from bulkremove.domain.job import Job, JobState
from bulkremove.domain.permissions import EVERY_ACCOUNT
from bulkremove.domain.row import Status
from bulkremove.domain.wording import Wording, is_acceptable
from bulkremove.reading.options import ReadOptions
from bulkremove.zoho import response_body, response_parser
from bulkremove.zoho.response_kind import ResponseKind
from tests.application_fixtures import run, stored
from tests.cli_fixtures import Bulkremove, crowd, environment
from tests.nightly_fixtures import nightly_site
from tests.web_fixtures import running_site, triples, until

WORDS = "Learner removed successfully"
WORDING = Wording(200, "200", WORDS)
OTHER = "other_wording_after_effect"


def learner(index: int) -> str:
    return str(478346000019558000 + index)


def site(tmp_path: Path, rows: int = 8, faults: dict[int, list[str]] | None = None, *, four_eyes: bool = False) -> App:
    """An account whose Zoho reports every removal in other words, but for the rows in ``faults``."""
    met = {learner(i): [OTHER] * 9 for i in range(rows)} | {learner(i): f for i, f in (faults or {}).items()}
    world, _ = crowd(tmp_path, rows, missing=0, faults={"learners": met})
    settings = Settings(tmp_path / "home", concurrency=2, four_eyes=four_eyes)
    return App(settings, environ={}, sandbox=SandboxOptions(world, 200.0))


async def planned(app: App, folder: Path, count: int, first: int = 0) -> Job:
    name = f"from-{first}.csv"
    (folder / name).write_text(triples(count, first=first))
    return await stored(app, await app.plans.preview(folder / name, name=name, options=ReadOptions()), folder)


async def unanswered(app: App, folder: Path, count: int = 4) -> Job:
    """A job that paused at its second unfamiliar answer and was cancelled, so that two rows are unknown."""
    job = await planned(app, folder, count)
    ended = await run(app, job)
    assert JobState.PAUSED is ended.job.state
    assert "in words that nobody has accepted" in ended.job.reason
    job = await app.jobs.cancel(job.id, by="jo")
    assert [Status.UNKNOWN] * 2 == [one.status for one in await app.reports.outcomes(job, Status.UNKNOWN)]
    return job


async def note(app: App, job: Job, row: int, result: LookupResult = LookupResult.GONE) -> None:
    await app.jobs.add_note(job.id, row, "", result=result, by="kim")


async def test_accepted_words_prove_the_removals_of_plans_made_after_that(tmp_path: Path) -> None:
    with closing(site(tmp_path)) as app:
        job = await unanswered(app, tmp_path)
        (tmp_path / "f.csv").write_text(triples(3, first=4))
        before = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        older = await planned(app, tmp_path, 1, first=7)
        await note(app, job, 2)
        assert [("", 2)] == [(why, one.number) for one, why in await app.wordings.candidates(job)]
        accepted = await app.wordings.accept(job.id, 2, by="kim")
        assert (WORDING, "kim", job.client, job.host) == (
            accepted.wording,
            accepted.by,
            accepted.client,
            accepted.host,
        )
        assert accepted == await app.wordings.accept(job.id, 2, by="jo"), "an earlier acceptance stays"
        assert [] == await app.wordings.candidates(job)
        assert 1 == sum(entry.act == "wording_accepted" for entry in await app.audit.newest(50, EVERY_ACCOUNT))
        after = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        assert (WORDING,) == after.plan.accepted_wordings
        assert [{"http_status": 200, "code": "200", "message": WORDS}] == after.as_json()["accepted_wordings"]
        assert before.plan.hash != after.plan.hash
        with pytest.raises(PlanOutdated, match="was changed since this plan was made"):
            await stored(app, before, tmp_path)
        ended = await run(app, await stored(app, after, tmp_path))
        assert (3, JobState.FINISHED) == (ended.tally[Status.REMOVED], ended.job.state)
        details = [one.detail for one in await app.reports.outcomes(ended.job)]
        assert all(WORDS in detail and "which a person has accepted" in detail for detail in details)
        assert 0 == (await run(app, older)).tally[Status.REMOVED], "its plan was made before"


async def test_accepted_words_prove_the_removals_of_nights_after_that(tmp_path: Path) -> None:
    faults: dict[str, object] = {"learners": {learner(i): [OTHER] * 9 for i in range(12)}}
    async with nightly_site(tmp_path, count=12, faults=faults, concurrency=2) as night:
        night.drop("first.csv", triples(4))
        await night.run()
        job = await night.job()
        assert "in words that nobody has accepted" in job.reason
        await night.app.jobs.cancel(job.id, by="jo")
        row = (await night.app.reports.outcomes(job, Status.UNKNOWN))[0].number
        await note(night.app, job, row)
        await night.app.wordings.accept(job.id, row, by="kim")
        night.clock.ahead += 86_400.0
        night.drop("second.csv", triples(3, first=6))
        (ended,) = (await night.run()).ended
        assert (3, JobState.FINISHED) == (ended.tally[Status.REMOVED], ended.job.state)


async def test_doctor_and_audit_log_name_it_and_withdrawing_ends_it_for_stored_jobs_too(tmp_path: Path) -> None:
    with closing(site(tmp_path)) as app:
        words = {check.name: check.message for check in await checks(app.context)}
        assert "Only Zoho's documented success proves a removal." == words["answers"]
        job = await unanswered(app, tmp_path)
        await note(app, job, 2)
        accepted = await app.wordings.accept(job.id, 2, by="kim")
        words = {check.name: check.message for check in await checks(app.context)}
        assert words["answers"].startswith(f"kim accepted {WORDING} on ")
        waiting = await planned(app, tmp_path, 2, first=4)
        assert (WORDING,) == (await app.jobs.find(waiting.id)).accepted_wordings
        await app.wordings.withdraw(accepted.number, job=None, by="jo")
        assert [] == await app.wordings.all()
        with pytest.raises(WordingRejected, match="no accepted wording"):
            await app.wordings.withdraw(accepted.number, job=None, by="jo")
        assert "wording_withdrawn" in [entry.act for entry in await app.audit.newest(5, EVERY_ACCOUNT)]
        ended = await run(app, waiting)
        assert (JobState.PAUSED, 0) == (ended.job.state, ended.tally[Status.REMOVED])


async def test_without_a_person_who_found_the_learner_gone_nothing_is_accepted(tmp_path: Path) -> None:
    with closing(site(tmp_path)) as app:
        job = await unanswered(app, tmp_path)
        for row, why in ((2, "note that they are gone"), (5, "can't be accepted as a removal"), (99, "can't be")):
            with pytest.raises(WordingRejected, match=why):
                await app.wordings.accept(job.id, row, by="kim")
        await app.jobs.add_note(job.id, 2, "gone", by="kim")  # a text is no result
        with pytest.raises(WordingRejected, match="note that they are gone"):
            await app.wordings.accept(job.id, 2, by="kim")
        await note(app, job, 2)
        await note(app, job, 2, LookupResult.STILL_THERE)
        with pytest.raises(WordingRejected, match=f"row 2 of job {job.id} got the same answer and was still there"):
            await app.wordings.accept(job.id, 2, by="kim")
        assert [] == await app.wordings.all()


async def test_who_was_found_still_there_and_taken_off_by_hand_later_is_no_evidence(tmp_path: Path) -> None:
    """The words were sent, the learner stayed: who is gone afterwards was not removed by them."""
    with closing(site(tmp_path)) as app:
        job = await unanswered(app, tmp_path)
        await note(app, job, 2, LookupResult.STILL_THERE)
        await note(app, job, 2)
        await note(app, job, 3)
        for row in (2, 3):
            with pytest.raises(WordingRejected, match=f"row 2 of job {job.id} got the same answer and was still there"):
                await app.wordings.accept(job.id, row, by="kim")


async def test_a_removal_that_another_job_may_have_made_is_no_evidence(tmp_path: Path) -> None:
    with closing(site(tmp_path, faults={0: ["500_after_effect", "500", "500"]})) as app:
        assert 1 == (await run(app, await planned(app, tmp_path, 1))).tally[Status.UNKNOWN]
    with closing(site(tmp_path)) as app:
        (tmp_path / "again.csv").write_text(triples(4))
        plan = await app.plans.preview(tmp_path / "again.csv", name="again.csv", options=ReadOptions())
        job = await stored(app, plan, tmp_path)
        await run(app, job)
        job = await app.jobs.cancel(job.id, by="jo")
        await note(app, job, 2)
        with pytest.raises(WordingRejected, match="Another attempt for row 2 was answered differently"):
            await app.wordings.accept(job.id, 2, by="kim")


async def test_a_report_that_was_written_before_a_withdrawal_proves_nothing_any_more(tmp_path: Path) -> None:
    with closing(site(tmp_path)) as app:
        job = await unanswered(app, tmp_path)
        await note(app, job, 2)
        accepted = await app.wordings.accept(job.id, 2, by="kim")
        ended = await run(app, await planned(app, tmp_path, 2, first=4))
        assert ended.report is not None
        report = await app.plans.preview(ended.report, name="report.csv", options=ReadOptions())
        assert all(": removed." in exclusion.detail for exclusion in report.plan.excluded.values())
        await app.wordings.withdraw(accepted.number, job=None, by="jo")
        for preview in (app.plans.preview, partial(app.plans.preview_in_subprocess, seen=EVERY_ACCOUNT)):
            plan = (await preview(ended.report, name="report.csv", options=ReadOptions())).plan
            assert 0 == plan.removals
            assert [f"Unknown in job {ended.job.id}: look this learner up in Zoho People"] * 2 == [
                exclusion.detail.partition(",")[0] for exclusion in plan.excluded.values()
            ]
            assert f"Job {ended.job.id} calls 2 of these rows unknown by now" in " ".join(plan.table.reading_notes)


async def test_an_erased_row_that_only_the_words_proved_becomes_unknown_with_the_others(tmp_path: Path) -> None:
    with closing(site(tmp_path)) as app:
        job = await unanswered(app, tmp_path)
        await note(app, job, 2)
        accepted = await app.wordings.accept(job.id, 2, by="kim")
        ended = await run(app, await planned(app, tmp_path, 2, first=4))
        await app.retention.forget(await app.retention.find_learner(learner(4)), by="kim")
        await app.wordings.withdraw(accepted.number, job=None, by="jo")
        assert 2 == (await app.jobs.tally(ended.job))[Status.UNKNOWN]


async def test_a_learner_who_is_still_there_withdraws_it_at_once(tmp_path: Path) -> None:
    with closing(site(tmp_path)) as app:
        job = await unanswered(app, tmp_path)
        await note(app, job, 2)
        await app.wordings.accept(job.id, 2, by="kim")
        ended = await run(app, await planned(app, tmp_path, 2, first=4))
        assert 2 == ended.tally[Status.REMOVED]
        await note(app, ended.job, 3)
        assert 1 == len(await app.wordings.all())
        await note(app, ended.job, 2, LookupResult.STILL_THERE)  # a row that only these words proved
        assert [] == await app.wordings.all()
        assert 2 == (await app.jobs.tally(ended.job))[Status.UNKNOWN], "nothing proves the other row either"
        details = [one.detail for one in await app.reports.outcomes(ended.job)]
        assert all(detail.startswith("What proved this removal was withdrawn later") for detail in details)
        why = f"The learner of row 2 of job {ended.job.id} is still there, as kim noted"
        (event,) = [text for _, name, text in await app.jobs.events(ended.job) if name == "wording_withdrawn"]
        assert event.startswith(why)
        assert event.endswith("Rows that have become unknown: 2.")
        assert ("kim", "wording_withdrawn") in [
            (entry.actor, entry.act) for entry in await app.audit.newest(2, EVERY_ACCOUNT)
        ]
        with pytest.raises(WordingRejected, match="still there"):
            await app.wordings.accept(job.id, 2, by="kim")


async def test_why_it_was_withdrawn_names_no_job_to_another_name_of_the_account(tmp_path: Path) -> None:
    with closing(site(tmp_path)) as app:
        job = await unanswered(app, tmp_path)
        await note(app, job, 2)
        await app.wordings.accept(job.id, 2, by="kim")
        ended = await run(app, await planned(app, tmp_path, 2, first=4))
        connection = sqlite3.connect(tmp_path / "home" / "journal.db")
        with contextlib.closing(connection), connection:
            connection.execute("UPDATE job SET account = 'another' WHERE id = ?", (ended.job.id,))
        await note(app, job, 3, LookupResult.STILL_THERE)
        (event,) = [text for _, name, text in await app.jobs.events(ended.job) if name == "wording_withdrawn"]
        assert event.startswith("kim noted for another account that a learner with this answer is still there, so ")
        assert job.id not in event


async def test_still_there_counts_whatever_the_clock_said(tmp_path: Path) -> None:
    with closing(site(tmp_path)) as app:
        job = await unanswered(app, tmp_path)
        await note(app, job, 2)
        connection = sqlite3.connect(tmp_path / "home" / "journal.db")
        with contextlib.closing(connection), connection:  # the calls were made before the clock was set back by an hour
            connection.execute("UPDATE attempt SET sent_at = sent_at + 3600")
        await note(app, job, 3, LookupResult.STILL_THERE)
        with pytest.raises(WordingRejected, match="row 3 of job"):
            await app.wordings.accept(job.id, 2, by="kim")


async def test_under_four_eyes_another_person_accepts_the_words(tmp_path: Path) -> None:
    with closing(site(tmp_path)) as app:
        job = await unanswered(app, tmp_path)
    with closing(site(tmp_path, four_eyes=True)) as app:
        await note(app, job, 2)
        with pytest.raises(ConsentMissing, match="Two people must agree"):
            await app.wordings.accept(job.id, 2, by="kim")
        assert "jo" == (await app.wordings.accept(job.id, 2, by="jo")).by


async def test_who_was_found_gone_is_not_sent_again(tmp_path: Path) -> None:
    with closing(site(tmp_path)) as app:
        job = await unanswered(app, tmp_path)
        await note(app, job, 2)
        await note(app, job, 3, LookupResult.STILL_THERE)
        plan = (await app.plans.retry(job.id, unknown_checked=True)).plan
        assert 2 not in plan.table.numbers, "whoever is there now was enrolled anew"
        assert 3 in plan.table.numbers
        await note(app, job, 2, LookupResult.STILL_THERE)
        assert 2 in (await app.plans.retry(job.id, unknown_checked=True)).plan.table.numbers


async def test_words_for_one_learner_only_and_rows_with_other_answers_are_no_evidence(tmp_path: Path) -> None:
    mixed = {0: ["500_after_effect", "other_wording", "other_wording"], 1: ["empty_200"] * 9}
    with closing(site(tmp_path, faults=mixed)) as app:
        job = await planned(app, tmp_path, 2)
        for _ in range(5):  # the other row may pause the job before the second attempt
            await run(app, job)
            job = await app.jobs.find(job.id)
            if job.state.is_over or (await app.reports.outcomes(job))[0].attempts >= 2:
                break
        job = job if job.state.is_over else await app.jobs.cancel(job.id, by="jo")
        await note(app, job, 2)
        with pytest.raises(WordingRejected, match="Another attempt for row 2 was answered differently"):
            await app.wordings.accept(job.id, 2, by="kim")
    alone = tmp_path / "alone"
    alone.mkdir()
    with closing(site(alone, faults={0: ["other_wording"] * 9})) as app:
        job = await planned(app, alone, 1)
        await run(app, job)
        job = await app.jobs.cancel(job.id, by="jo") if not (await app.jobs.find(job.id)).state.is_over else job
        await note(app, job, 2)
        with pytest.raises(WordingRejected, match="one learner only"):
            await app.wordings.accept(job.id, 2, by="kim")


async def test_a_restored_journal_accepts_nothing_and_a_forgotten_learner_is_no_evidence(tmp_path: Path) -> None:
    with closing(site(tmp_path)) as app:
        job = await unanswered(app, tmp_path)
        await note(app, job, 2)
        await app.wordings.accept(job.id, 2, by="kim")
        assert [] == await app.retention.forget(await app.retention.find_learner(learner(0)), by="kim")
        assert [] == await app.wordings.candidates(job)
        assert [WORDING] == [one.wording for one in await app.wordings.all()], "it is about nobody"
        await app.backups.make(tmp_path / "backup.zip", by="kim")
        await app.backups.restore(tmp_path / "backup.zip", await app.backups.inspect(tmp_path / "backup.zip"), by="kim")
        losses = await app.backups.restored()
        assert losses is not None
        await app.backups.accept(losses, by="kim")
        assert [] == await app.wordings.all()


def kind(body: dict[str, object], status: int = 200) -> ResponseKind:
    return response_parser.parse(Reply(status, json.dumps(body).encode()), now=Epoch(1.7e9)).kind


@pytest.mark.parametrize(
    ("words", "acceptable"),
    [
        ("Removal postponed", False),
        ("Removal impossible", False),
        ("Removal prohibited by admin", False),
        ("Insufficient rights for removal", False),
        ("Removed on approval", False),
        ("Learner has been removed before", False),
        (WORDS, True),
        ("The learner has been removed from the batch.", True),
        ("1 learner removed", True),
        ("Learner unenrolled successfully!", True),
        ("Deleted", True),
        *((no, False) for no in ("Learner not removed", "Unable to complete", "Removal denied", "Deletion failed")),
        *((no, False) for no in ("Error: removed", "Could not be deleted", "The learner isn't removed", "No success")),
        *((no, False) for no in ("Removal request accepted", "Deletion queued", "Will be removed", "Already removed")),
        *((no, False) for no in ("0 learners removed", "2 learners removed", "Nobody was removed", "Unsuccessful")),
        *(
            (no, False)
            for no in ("Removal limit exceeded", "Invalid scope, removed", "Removed, try again after some time")
        ),
        *(
            (no, False)
            for no in ('Learner "Jo" removed', "Learner 478346000019558000 removed", "jo@example.com removed")
        ),
        *((no, False) for no in ("Removed <b>", "Teilnehmer wurde nicht removed", "supprim\u00e9, removed")),
        *(
            (no, False)
            for no in ("Success", "Done", "ok", "Course completed", "Logged in successfully", "Operation done")
        ),
        *(
            (no, False)
            for no in ("Dry run: removed", "Removed (simulated)", "Removed in preview mode", "Partly removed")
        ),
        *(
            (no, False)
            for no in ("Removed in part", "Removed with problems", "Removed, rolled back", "Removed, reinstated")
        ),
        *(
            (no, False)
            for no in ("Removed and reenrolled", "Removed, joined", "Absent learner deleted", "Hardly removed")
        ),
        *(
            (no, False)
            for no in ("Nonexistent learner removed", "Validation ok, removed", "Removed one of two learners")
        ),
        *(
            (no, False)
            for no in ("Removed from waitlist", "Removed from favourites", "Deleted from cache", "Unremoved")
        ),
        *((no, False) for no in ("", "Hello", "Learner added successfully", "removed\nok", "Completed with warnings")),
        ("Removed " + "very " * 60 + "successfully", False),
    ],
)
def test_only_plain_words_about_a_removal_are_acceptable(words: str, acceptable: bool) -> None:
    expected = ResponseKind.OTHER_WORDING if acceptable else None
    found = kind({"code": "200", "learnerId": "5", "message": f" {words} "})
    assert (found is ResponseKind.OTHER_WORDING) == acceptable, expected
    assert len(words) > response_body.MAX_TEXT_LENGTH or is_acceptable(words) == acceptable


@pytest.mark.parametrize(
    ("status", "more"),
    [
        *((status, {}) for status in (202, 204, 206, 302, 400, 404, 500)),
        *((200, {"code": code}) for code in ("201", "404", "INVALID_INPUT", None, True)),
        *((200, {"error": error}) for error in ("x", {"code": 7209}, {"code": 7213}, {"message": "no"})),
        *((200, {name: no}) for name, no in (("status", "failed"), ("success", False), ("failedLearners", ["5"]))),
        (200, {"data": {"message": "still enrolled"}}),
        (200, {"Message": "Not removed"}),
    ],
)
def test_any_other_member_that_speaks_against_it_makes_it_another_answer(status: int, more: dict[str, object]) -> None:
    assert kind({"code": "200", "message": WORDS} | more, status) is not ResponseKind.OTHER_WORDING


async def test_the_page_notes_accepts_and_withdraws(tmp_path: Path) -> None:
    world, _ = crowd(tmp_path, 4, missing=0, faults={"learners": {learner(i): [OTHER] * 9 for i in range(4)}})
    async with running_site(tmp_path / "home", world=world, concurrency=2) as one, one.visitor() as visitor:
        job = (await visitor.confirm(await visitor.upload(triples(4)))).url.rpartition("/")[2]
        await until(lambda: one.supervisor.running(job) is None)
        await visitor.post(f"/jobs/{job}/cancel")
        assert "gone from the batch</option>" in (await visitor.get(f"/jobs/{job}")).text
        await visitor.post(f"/jobs/{job}/notes", row="2", result="gone", text="asked the trainer")
        shown = await visitor.get(f"/jobs/{job}")
        assert "gone: asked the trainer" in shown.text
        assert "Accept this answer" in shown.text
        await visitor.post(f"/jobs/{job}/wordings", row="2")
        (accepted,) = await one.app.wordings.all()
        shown = await visitor.get(f"/jobs/{job}")
        assert f"accepted by {accepted.by}" in shown.text
        assert "Accept this answer" not in shown.text
        await visitor.post(f"/jobs/{job}/wordings/withdraw", number=str(accepted.number))
        assert [] == await one.app.wordings.all()
        await visitor.post(f"/jobs/{job}/wordings", row="2")
        plan = await visitor.upload(triples(1, first=3))
        assert "has accepted this answer of Zoho as the proof of a removal" in plan.text
        later = (await visitor.confirm(plan)).url.rpartition("/")[2]
        await until(lambda: one.supervisor.running(later) is None)
        assert "Row whose learner is still there" not in shown.text, "no row of this job was proved by these words"
        assert "Row whose learner is still there" in (await visitor.get(f"/jobs/{later}")).text
        await visitor.post(f"/jobs/{later}/notes", row="2", result="still_there")
        assert [] == await one.app.wordings.all()


@pytest.mark.slow
def test_the_command_line_notes_accepts_lists_and_withdraws(tmp_path: Path) -> None:
    world, file = crowd(tmp_path, 4, missing=0, faults={"learners": {learner(i): [OTHER] * 9 for i in range(4)}})
    program = Bulkremove(tmp_path / "home", environment())
    here = ("--sandbox", str(world), "--speed", "200")
    assert 5 == program("run", str(file), "--yes", "--concurrency", "2", *here).returncode
    (job,) = [line.split()[0] for line in program("jobs").stdout.splitlines()]
    assert 0 == program("cancel", job).returncode
    assert 2 == program("note", job, "2", "--gone", "--still-there").returncode
    assert 4 == program("wordings", "accept", job, "2").returncode
    assert "Noted" in program("note", job, "2", "--gone").stdout
    assert "noted: gone" in program("show", job).stdout
    assert f"Accepted: {WORDING}." in program("wordings", "accept", job, "2").stdout
    assert str(WORDING) in program("wordings").stdout
    assert WORDS == json.loads(program("wordings", "--json").stdout)[0]["message"]
    assert f"Accepted  {WORDING}" in program("preview", str(file), *here).stdout
    assert "Withdrawn: 1." in program("wordings", "withdraw", "1").stdout
    assert "None is accepted" in program("wordings").stdout
