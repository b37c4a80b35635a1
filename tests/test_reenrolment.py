"""People are put back whom a job removed: those and nobody else, each told, and nothing undoes that unasked."""

from __future__ import annotations

import asyncio
import csv
import json
import sqlite3
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from bulkremove.app import App, Consent, Preview, RunResult, Stop
from bulkremove.app.reenrolments import NO_RECORD_NUMBER
from bulkremove.config import Settings
from bulkremove.domain.attempt import Attempt, LookupResult, Outcome, PendingRow, Permit, Reply
from bulkremove.domain.clock import Epoch, Monotonic
from bulkremove.domain.errors import (
    ActionRefused,
    CanaryPending,
    CapExceeded,
    FileRefused,
    JobBusy,
    JobUnsuitable,
    LearnerNotFound,
    WordingRejected,
)
from bulkremove.domain.job import EndReason, FrontEnd, Job, JobState
from bulkremove.domain.operation import ENROLL_LEARNER, Call
from bulkremove.domain.permissions import Role
from bulkremove.domain.row import Removal, Status
from bulkremove.engine.responses import response_of
from bulkremove.platform.system_clock import SystemClock
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from bulkremove.report import RowSelection
from bulkremove.report.tables import select
from bulkremove.sandbox import build_sandbox
from bulkremove.zoho.client import Admission, Exchange
from bulkremove.zoho.response_kind import ResponseKind
from tests.cli_fixtures import Bulkremove, environment, sandbox
from tests.test_enrolment_check import leavers
from tests.test_find_pages import looked_up, removed, site_of
from tests.test_reads import BATCH, COURSE, learner, world
from tests.web_fixtures import CREDENTIALS, until

IN_BACK_OFF = """SELECT 1 FROM attempt JOIN row USING (job, position)
    WHERE job = ? AND row.state = 'sending' AND response_kind IS NOT NULL"""
NEW_LEARNER = "47834600002900000"
"""What the ids begin with that the sandbox gives to people who are put back."""


def record(index: int) -> str:
    return f"47834600000200{index:04}"


class Home:
    """A home folder whose runs all send to one sandbox."""

    def __init__(self, app: App, folder: Path, enrolled: set[Removal]) -> None:
        self.app, self.folder, self.enrolled = app, folder, enrolled

    async def planned(self, *indexes: int, name: str = "leavers.csv", check: bool = True) -> Job:
        """The job of a file with these learners, confirmed and not run."""
        file = leavers(self.folder, indexes)
        preview = await self.app.plans.preview(file, name=name, options=ReadOptions(), include_open=True)
        if check:
            preview = await self.app.enrolment_checks.check(preview, is_asked=True)
        return await self.submit(preview)

    async def submit(self, preview: Any) -> Job:
        consent = Consent(yes=True)
        facts: dict[str, Any] = {"folder": self.folder, "prepared_by": ("jo",), "by": "jo"}
        return await self.app.confirmations.submit(preview, consent=consent, front_end=FrontEnd.COMMAND, **facts)

    async def run(self, job: Job) -> RunResult:
        runs = self.app.runs
        return await runs.run(job.id, stop=Stop(), on_progress=lambda _: None, by="jo", front_end=FrontEnd.COMMAND)

    async def put_back(self, job: Job, numbers: Collection[int] | None = None, *, check: bool = True) -> Job:
        """The job that puts the people of some rows of a job back, confirmed and not run."""
        preview = await self.app.reenrolments.preview(job.id, numbers)
        if check:
            preview = await self.app.enrolment_checks.check(preview, is_asked=True)
        return await self.submit(preview)

    def _listed(self, *learners: str) -> Path:
        """A file of these learner ids, all in one batch."""
        path = self.folder / "ids.csv"
        rows = "".join(f"{COURSE},{BATCH},{one}\n" for one in learners)
        path.write_text(f"course,batch,learner\n{rows}", encoding="utf-8")
        return path

    async def checked_ids(self, *learners: str) -> Preview:
        """The checked plan of these learner ids."""
        file = self._listed(*learners)
        preview = await self.app.plans.preview(file, name=file.name, options=ReadOptions(), include_open=True)
        return await self.app.enrolment_checks.check(preview, is_asked=True)

    async def planned_ids(self, *learners: str) -> Job:
        """The job of these learner ids, confirmed and not run."""
        return await self.submit(await self.checked_ids(*learners))

    async def cut_off(self, job: Job) -> Job:
        """Run a job until a row waits in its back-off after an attempt that may have worked, and cancel it there."""
        stop, runs = Stop(), self.app.runs
        run = asyncio.create_task(
            runs.run(job.id, stop=stop, on_progress=lambda _: None, by="jo", front_end=FrontEnd.COMMAND)
        )

        async def waits() -> bool:
            with closing(sqlite3.connect(self.folder / "home" / "journal.db")) as journal:
                return bool(journal.execute(IN_BACK_OFF, (job.id,)).fetchall())

        await until(waits)
        stop.request("pause", EndReason.PAUSED)
        await run
        return await self.app.jobs.cancel(job.id, by="jo")

    async def undo_list(self, job: Job) -> list[Outcome]:
        """The rows of the list of removed people."""
        return select(await self.app.reports.outcomes(await self.app.jobs.find(job.id)), RowSelection.UNDO)

    async def statuses(self, job: Job) -> list[str]:
        return [row.status.value for row in await self.app.reports.outcomes(job)]

    def here(self) -> set[str]:
        return {removal.learner for removal in self.enrolled}


@asynccontextmanager
async def home(folder: Path, *, faults: dict[str, Sequence[str]] | None = None, **settings: Any) -> AsyncIterator[Home]:
    path = world(folder)
    tree = json.loads(path.read_text())
    path.write_text(json.dumps({**tree, "faults": {"learners": faults or {}}}))
    clock = SystemClock(60.0)
    async with build_sandbox(path, clock=clock) as running:
        options = {"api_url": running.url, "accounts_url": running.url, "canary": "live", **settings}
        with closing(App(Settings(folder / "home", **options), environ=CREDENTIALS, clock=clock)) as app:
            yield Home(app, folder, running.enrolled)


# --- who is put back -----------------------------------------------------------------------------------------


def test_the_call_is_the_documented_one_for_one_person() -> None:
    call = ENROLL_LEARNER.call((COURSE, BATCH, record(3)))
    assert f"/api/v1/courses/{COURSE}/batches/{BATCH}/enroll" == call.path
    assert ((("erecnosList", f"[{record(3)}]"),), "POST") == (call.query, call.operation.method)
    assert call.is_made_by("POST", call.path, call.query)
    for other in ((("erecnosList", f"[{record(3)},{record(4)}]"),), (), (*call.query, ("more", "1"))):
        assert not call.is_made_by("POST", call.path, other)
    assert not call.is_made_by("DELETE", call.path, call.query)
    assert not Call(ENROLL_LEARNER, (COURSE, BATCH)).is_made_by("POST", call.path, call.query)


async def test_those_and_nobody_else_are_enrolled_again(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1, 2, 3)
        await one.run(job)
        before = one.here()
        ended = await one.run(await one.put_back(job, {3, 5}))
        assert (2, JobState.FINISHED) == (ended.tally[Status.ENROLLED], ended.job.state), ended.summary
        assert {f"{NEW_LEARNER}{n}" for n in (1, 2)} == one.here() - before, "they have new learner ids"
        async with one.app.listings.open(is_fresh=True) as lists:
            people = {person.record_number for person in (await lists.roster(COURSE, BATCH)).learners}
        assert {record(1), record(3)} <= people
        assert not {record(0), record(2)} & people
        assert "Enrolled 2" in ended.summary
        assert "as many learners more as were enrolled" in str(await one.app.jobs.events(ended.job))
        assert f"Job {ended.job.id} was made to put 2 of these people back." in str(await one.app.jobs.events(job))


async def test_the_report_of_a_removal_says_whom_another_job_put_back_and_the_reverse(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        back = await one.put_back(job, [2])
        assert not any("put this person back" in row.detail for row in await one.app.reports.outcomes(job))
        await one.run(back)
        told = [f"Job {back.id} put this person back on " in row.detail for row in await one.app.reports.outcomes(job)]
        assert [True, False] == told
        shown, _ = await one.app.reports.page(job, status=None, text="", page=1)
        assert told == ["put this person back" in row.detail for row in shown]
        one.enrolled.add(Removal(COURSE, BATCH, learner(0)))  # under the learner id that they had
        later = await one.planned(0, name="again.csv", check=False)
        await one.run(later)
        (detail,) = [row.detail for row in await one.app.reports.outcomes(back)]
        assert f"Job {later.id} removed this person again on " in detail


async def test_who_is_back_already_is_not_enrolled_twice(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1, 2)
        await one.run(job)
        first = await one.put_back(job, {2})
        await one.run(first)
        again = await one.run(await one.put_back(job))
        assert ["done_before", "enrolled", "enrolled"] == await one.statuses(again.job)
        other = await one.planned(4)
        await one.run(other)
        by_hand = next(removal for removal in one.enrolled)
        one.enrolled.add(Removal(by_hand.course, by_hand.batch, learner(4)))
        last = await one.run(await one.put_back(other))
        assert ["already_enrolled"] == await one.statuses(last.job)


async def test_who_was_removed_without_a_list_is_named_for_enrolment_by_hand(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1, check=False)
        await one.run(job)
        preview = await one.app.reenrolments.preview(job.id, None)
        assert (0, [NO_RECORD_NUMBER] * 2) == (
            preview.plan.removals,
            [exclusion.detail for exclusion in preview.plan.excluded.values()],
        )


async def test_a_retry_keeps_who_its_people_are_where_zoho_lists_them_no_more(tmp_path: Path) -> None:
    """Whoever has left may be in no list any more, and could be put back by the number of the first plan alone."""
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        await one.app.jobs.cancel(job.id, by="jo")
        one.enrolled.discard(Removal(COURSE, BATCH, learner(0)))
        async with one.app.listings.open(is_fresh=True) as lists:
            await lists.roster(COURSE, BATCH)
        preview = await one.app.plans.retry(job.id, unknown_checked=False)
        checked = (await one.app.enrolment_checks.check(preview, is_asked=True)).plan
        assert {0: record(0), 1: record(1)} == {index: person.record_number for index, person in checked.people.items()}


async def test_the_others_are_put_back_where_some_can_only_be_by_hand(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as journal, journal:
            journal.execute("UPDATE row SET person = NULL WHERE position = 0")
        assert ["invalid", "enrolled"] == await one.statuses((await one.run(await one.put_back(job))).job)


async def test_nobody_is_put_back_while_the_job_may_still_remove(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        with pytest.raises(JobUnsuitable, match="is ready and may still remove people") as refused:
            await one.app.reenrolments.preview(job.id, None)
        assert f"bulkremove cancel {job.id}" in refused.value.hint
        await one.run(job)
        with pytest.raises(JobUnsuitable, match="removed nobody in row 9"):
            await one.app.reenrolments.preview(job.id, {2, 9})
        back = await one.put_back(job)
        with pytest.raises(JobUnsuitable, match="puts people back itself"):
            await one.app.reenrolments.preview(back.id, None)


async def test_a_row_that_a_person_found_gone_can_be_put_back(tmp_path: Path) -> None:
    async with home(tmp_path, faults={learner(0): ["reset_after_effect", "400"]}) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        assert ["unknown", "removed"] == await one.statuses(job)
        assert 1 == (await one.app.reenrolments.preview(job.id, None)).plan.removals
        await one.app.jobs.add_note(job.id, 2, "", result=LookupResult.GONE, by="jo")
        assert 2 == (await one.app.reenrolments.preview(job.id, None)).plan.removals


# --- what an answer proves -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        (["ok"], "enrolled"),
        (["number_code"], "enrolled"),
        (["400"], "refused"),
        (["completed"], "refused"),
        (["gateway_404"], "unknown"),
        (["reset_before_effect", "ok"], "enrolled"),
        (["reset_after_effect", "ok"], "unknown"),
        (["other_wording"], "unknown"),
        (["failed_learners"], "unknown"),
        (["202"], "unknown"),
        (["contradictory"], "unknown"),
    ],
)
async def test_an_enrolment_is_told_only_where_zoho_proves_it(tmp_path: Path, answers: list[str], status: str) -> None:
    async with home(tmp_path, faults={record(0): answers}) as one:
        job = await one.planned(0)
        await one.run(job)
        ended = (await one.run(await one.put_back(job))).job
        if not ended.state.is_over:
            ended = await one.app.jobs.cancel(ended.id, by="jo")
        assert [status] == await one.statuses(ended)
        assert 0 == ended.mismatched, "a learner id in the answer is compared with nothing"


async def test_an_unknown_person_or_batch_is_refused_and_never_told_as_gone(tmp_path: Path) -> None:
    async with home(tmp_path, concurrency=1) as one:
        job = await one.planned(*range(12))
        await one.run(job)
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as journal, journal:
            journal.execute("UPDATE row SET person = json_set(person, '$.record_number', '47' || position)")
        ended = await one.run(await one.put_back(job))
        assert {"refused": 10, "not_sent": 2} == {
            status: (await one.statuses(ended.job)).count(status) for status in set(await one.statuses(ended.job))
        }
        assert "knew none of the first 10 people or their batches" in ended.job.reason


# --- consent -------------------------------------------------------------------------------------------------


async def test_the_first_enrolment_is_confirmed_apart_from_the_first_removal(tmp_path: Path) -> None:
    async with home(tmp_path, canary="always") as one:
        job = await one.planned(0, 1, 2)
        await one.run(job)
        await one.app.canaries.confirm(job, by="jo")
        await one.run(job)
        back = await one.put_back(job)
        ended = await one.run(back)
        assert (EndReason.CANARY, 1) == (ended.job.reason_code, ended.tally[Status.ENROLLED])
        assert 2 == (await one.app.jobs.tally(ended.job)).open
        question = await one.app.canaries.question(ended.job)
        assert f"Learner 0000, learner0000@example.com (employee record {record(0)}) in batch {BATCH}" in question
        assert "are they in the batch?" in question
        with pytest.raises(CanaryPending, match=r"If the learner is in the batch: `bulkremove canary .* --enrolled`"):
            await one.run(back)
        await one.app.canaries.confirm(back, by="jo")
        assert 3 == (await one.run(back)).tally[Status.ENROLLED]


async def test_caps_count_enrolments_and_removals_apart(tmp_path: Path) -> None:
    async with home(tmp_path, max_removals=3) as one:
        job = await one.planned(0, 1, 2)
        await one.run(job)
        await one.run(await one.put_back(job))
        with pytest.raises(CapExceeded, match="plan removes 1 learner, today 3 were removed"):
            await one.planned(5)


async def test_a_removal_planned_before_somebody_was_put_back_is_not_sent(tmp_path: Path) -> None:
    """Where Zoho keeps the learner id, the waiting removal would take them out again."""
    async with home(tmp_path) as one:
        job = await one.planned(0)
        await one.run(job)
        waiting = await one.planned(0, 1, check=False)
        one.enrolled.add(Removal(COURSE, BATCH, learner(0)))  # by the enrolment, under the old id
        back = await one.put_back(job, check=False)
        ended = await one.run(waiting)
        assert ["not_sent", "removed"] == await one.statuses(ended.job)
        assert f"job {back.id} was made to put this person back" in str(await one.app.reports.outcomes(ended.job))
        assert learner(0) in one.here()
        later = await one.run(await one.planned(0, check=False))
        assert ["removed"] == await one.statuses(later.job), "whoever decides it anew may remove them"


async def opposed(one: Home, *, how: str) -> tuple[Job, Job]:
    """A removal of two learners that waits, and a job made since to put the first one back, who is in the batch."""
    removed_by = await one.planned(0)
    if how != "planned before the removal":
        await one.run(removed_by)
    if how == "with one number for both":
        with closing(sqlite3.connect(one.folder / "home" / "journal.db")) as journal, journal:
            journal.execute("UPDATE row SET person = json_set(person, '$.record_number', ?)", (learner(0),))
    waiting = await one.planned(0, 1, check=False)
    if how == "planned before the removal":
        await one.run(removed_by)
    one.enrolled.add(Removal(COURSE, BATCH, learner(0)))  # by hand, under the old id
    if how == "by hand":
        with closing(sqlite3.connect(one.folder / "home" / "journal.db")) as journal, journal:
            journal.execute("UPDATE row SET person = NULL WHERE job = ?", (removed_by.id,))
    back = await one.put_back(removed_by, check=how == "already in the batch")
    if how in ("already in the batch", "refused"):
        await one.run(back)
    if how in ("stopped", "cancelled"):
        with closing(sqlite3.connect(one.folder / "home" / "journal.db")) as journal, journal:
            journal.execute("UPDATE job SET state = ? WHERE id = ?", (how, back.id))
            journal.execute(  # of another person, who was sent
                "INSERT INTO row (job, position, course, batch, learner, number, cells, state, attempts) "
                "SELECT job, 1, course, batch, '1', 3, '[]', 'refused', 1 FROM row WHERE job = ?",
                (back.id,),
            )
            journal.execute(
                "INSERT INTO attempt (job, position, number, ledger, sent_at, sent_mono, boot) "
                "VALUES (?, 1, 1, '', 1, 1, '')",
                (back.id,),
            )
    return waiting, back


@pytest.mark.parametrize(
    "how",
    [
        "not sent yet",
        "already in the batch",
        "refused",
        "with one number for both",
        "planned before the removal",
        "by hand",
        "stopped",
        "cancelled",
    ],
)
async def test_whoever_somebody_wants_back_is_not_removed_by_an_older_plan(tmp_path: Path, how: str) -> None:
    async with home(tmp_path) as one:
        waiting, back = await opposed(one, how=how)
        ended = await one.run(waiting)
        assert (["not_sent", "removed"], True) == (await one.statuses(ended.job), learner(0) in one.here())
        assert back.id in (await one.app.reports.outcomes(ended.job))[0].detail
        retry = await one.run(await one.submit(await one.app.plans.retry(waiting.id, unknown_checked=False)))
        assert (["not_sent"], True) == (await one.statuses(retry.job), learner(0) in one.here())
        assert f"job {back.id} was made to put this person back" in str(await one.app.reports.outcomes(retry.job))
        later = await one.run(await one.planned(0, check=False))
        assert ["removed"] == await one.statuses(later.job), "whoever decides it anew may remove them"


async def test_an_enrolment_that_was_cancelled_before_its_first_call_wants_nobody_back(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        waiting, back = await opposed(one, how="not sent yet")
        await one.app.jobs.cancel(back.id, by="jo")
        await one.run(waiting)
        assert ["removed", "removed"] == await one.statuses(waiting)


async def test_the_rows_that_keep_an_older_plan_from_a_person_outlive_retention(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        waiting, back = await opposed(one, how="already in the batch")
        needed_by = await one.app.context.storage.erasure.jobs_with_open_removals_of(back.id)
        assert [waiting.id] == needed_by


@pytest.mark.parametrize("check", [True, False])
async def test_whoever_was_removed_since_is_not_put_back_by_an_older_plan(tmp_path: Path, check: bool) -> None:
    """By the learner id that they had, or, under a new one, by the record number that Zoho's list gives."""
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        back = await one.put_back(job, check=False)
        new = learner(7) if check else learner(0)
        one.enrolled.add(Removal(COURSE, BATCH, new))
        later = await one.planned(7 if check else 0, check=check)
        if check:
            with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as journal, journal:
                journal.execute(
                    "UPDATE row SET person = json_set(person, '$.record_number', ?) WHERE job = ?",
                    (record(0), later.id),
                )
        await one.run(later)
        ended = await one.run(back)
        assert ["not_sent", "enrolled"] == await one.statuses(ended.job)
        assert f"job {later.id} was made to remove this person, so they are not put back" in str(
            await one.app.reports.outcomes(ended.job)
        )


async def test_whoever_a_retry_put_back_or_a_person_saw_is_left_out_the_next_time(tmp_path: Path) -> None:
    async with home(tmp_path, faults={record(0): ["202"]}, concurrency=1) as one:
        job = await one.planned(0, 1, 2)
        await one.run(job)
        back = (await one.run(await one.put_back(job))).job
        back = await one.app.jobs.cancel(back.id, by="jo")
        again = (await one.app.reenrolments.preview(job.id, None)).plan
        assert (2, {0: Status.DONE_BEFORE}) == (again.removals, {i: one.status for i, one in again.excluded.items()})
        assert f"Unknown in job {back.id}: look this person up" in again.excluded[0].detail
        await one.app.jobs.add_note(back.id, 2, "", result=LookupResult.STILL_THERE, by="jo")
        await one.run(await one.submit(await one.app.plans.retry(back.id, unknown_checked=True)))
        assert 0 == (await one.app.reenrolments.preview(job.id, None)).plan.removals


async def test_a_list_that_was_kept_from_before_the_removal_says_of_nobody_that_they_are_in_the_batch(
    tmp_path: Path,
) -> None:
    """A run that is killed leaves the lists of its check behind."""
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        for index in (0, 1):
            one.enrolled.discard(Removal(COURSE, BATCH, learner(index)))
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as journal, journal:
            journal.execute("UPDATE row SET state = 'removed', attempts = 1")
            journal.execute("UPDATE job SET state = 'finished', finished_at = created_at")
        ended = await one.run(await one.put_back(job))
        assert ["enrolled", "enrolled"] == await one.statuses(ended.job)


@pytest.mark.parametrize(
    ("more", "is_proof"),
    [
        ({}, True),
        ({"learnerId": "478346000029000001"}, True),
        ({"enrolledCount": 0}, False),
        ({"notEnrolledErecnos": ["1"]}, False),
        ({"waitlisted": True}, False),
        ({"addedLearners": [], "duplicateLearners": ["1"]}, False),
        ({"learnerId": []}, False),
    ],
)
def test_only_the_bare_success_proves_an_enrolment(more: dict[str, object], is_proof: bool) -> None:
    body = json.dumps({"code": "200", "message": "success", **more}).encode()
    attempt = Attempt(1, Epoch(1.0), Monotonic(1.0), "boot")
    permit = Permit(PendingRow("job", 0, 2, Removal("1", "2", "3")), attempt, 1, Monotonic(1.0))
    kind = response_of(Exchange(Admission(permit, "token"), Reply(200, body)), ENROLL_LEARNER, now=Epoch(1.0)).kind
    assert is_proof is (kind is ResponseKind.REMOVED)


async def test_the_words_of_an_enrolment_prove_no_removal(tmp_path: Path) -> None:
    async with home(tmp_path, faults={record(i): ["other_wording"] for i in range(2)}, concurrency=1) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        back = (await one.run(await one.put_back(job))).job
        back = await one.app.jobs.cancel(back.id, by="jo")
        await one.app.jobs.add_note(back.id, 2, "", result=LookupResult.GONE, by="jo")
        assert [] == await one.app.wordings.candidates(back)
        with pytest.raises(WordingRejected, match="can't be accepted as a removal"):
            await one.app.wordings.accept(back.id, 2, by="kim")


async def test_a_program_confirms_a_first_row_by_the_word_of_its_operation(tmp_path: Path) -> None:
    async with site_of(tmp_path, settings={"canary": "always"}) as (one, visitor):
        plan = await visitor.upload(leavers(tmp_path, [0, 1]).read_text())
        job = (await visitor.confirm(plan)).url.rpartition("/")[2]
        headers = await one.program(Role.APPROVER)
        for answer, status in (("", 400), ("?answer=enrolled", 409)):
            refused = await visitor.ask("POST", f"/api/v1/jobs/{job}/canary{answer}", headers=headers)
            assert status == refused.status, "no answer is none, and nobody was enrolled"


async def test_who_prepared_the_removal_may_confirm_that_it_is_undone(tmp_path: Path) -> None:
    async with home(tmp_path, four_eyes=True) as one:
        job = await one.planned(0)
        assert JobState.HELD is job.state
        await one.app.jobs.approve(job.id, by="kim")
        await one.run(job)
        preview = await one.app.reenrolments.preview(job.id, None)
        facts: dict[str, Any] = {"consent": Consent(yes=True), "folder": tmp_path, "front_end": FrontEnd.PAGE}
        back = await one.app.confirmations.submit(preview, prepared_by=("kim",), by="jo", **facts)
        assert (("kim",), JobState.READY) == (back.prepared_by, back.state)


async def test_the_protected_list_keeps_nobody_out(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(1)
        await one.run(job)
        protected = tmp_path / "home" / "protected.csv"
        protected.write_text(f"learner\n{learner(1)}\n{record(1)}\n")
        assert ["enrolled"] == await one.statuses((await one.run(await one.put_back(job))).job)


async def test_rows_that_another_job_may_still_enrol_are_left_out(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        first = await one.put_back(job, {2}, check=False)
        preview = await one.app.reenrolments.preview(job.id, None)
        assert (1, {first.id: 1}) == (preview.plan.removals, {job.id: n for job, n in preview.plan.open_in.items()})


async def test_two_runs_of_one_enrolment_exclude_each_other(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0)
        await one.run(job)
        back = await one.put_back(job)
        async with one.app.context.storage.claims.hold(back.id):
            with pytest.raises(JobBusy):
                await one.run(back)


async def test_what_was_not_sent_can_be_retried_but_for_those_seen_in_the_batch(tmp_path: Path) -> None:
    async with home(tmp_path, faults={record(0): ["202"]}, concurrency=1) as one:
        job = await one.planned(0, 1, 2)
        await one.run(job)
        back = (await one.run(await one.put_back(job))).job
        back = await one.app.jobs.cancel(back.id, by="jo")
        assert ["unknown", "not_sent", "not_sent"] == await one.statuses(back)
        for seen, numbers in ((LookupResult.GONE, [2, 3, 4]), (LookupResult.STILL_THERE, [3, 4])):
            await one.app.jobs.add_note(back.id, 2, "", result=seen, by="jo")
            retry = await one.app.plans.retry(back.id, unknown_checked=True)
            assert (ENROLL_LEARNER, numbers) == (retry.plan.operation, [*retry.plan.table.numbers])


# --- files and erasure ---------------------------------------------------------------------------------------


async def test_no_file_of_an_enrolment_is_read_as_a_list_of_people_to_remove(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        ended = await one.run(await one.put_back(job))
        assert ended.report is not None
        assert ended.retry is None, "its rows are retried by the job's number"
        with pytest.raises(FileRefused, match="undo list"):
            read(ended.report, name="report.csv", options=ReadOptions())
        with pytest.raises(FileRefused, match="undo list"):
            read(ended.report, name="report.csv", options=ReadOptions(sandbox=True))


async def test_forget_erases_a_person_who_was_put_back_too(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        back = await one.put_back(job)
        with pytest.raises(ActionRefused):
            await one.app.retention.forget(await one.app.retention.find_learner(learner(0)), by="jo")
        await one.run(back)
        with pytest.raises(LearnerNotFound, match="knows the learner id"):
            await one.app.retention.find_learner(record(0))
        reports = tmp_path / "home" / "reports"
        reports.mkdir()
        kept = reports / f"{back.id}-report.csv"
        kept.write_bytes((tmp_path / f"{back.id}-report.csv").read_bytes())
        found = await one.app.retention.find_learner(learner(0))
        assert {job.id: 1, back.id: 1} == dict(found.rows)
        await one.app.retention.forget(found, by="jo")
        journal = (tmp_path / "home" / "journal.db").read_bytes()
        rows = str(await one.app.reports.outcomes(back)) + str(await one.app.reports.outcomes(job))
        for secret in (learner(0), record(0), "learner0000@example.com"):
            assert secret not in rows
        assert journal
        assert not kept.exists(), "the journal makes it again"


# --- by hand -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_line_puts_two_people_back(tmp_path: Path) -> None:
    file, log = leavers(tmp_path, [0, 1, 2]), tmp_path / "log.jsonl"
    with sandbox(world(tmp_path), log, "--speed", "60") as variables:
        program = Bulkremove(tmp_path / "home", environment(**variables))
        shown = program("preview", str(file), "--check")
        assert "`bulkremove reenroll` can put back 3 of 3 learners later" in shown.stdout
        assert 0 == program("run", str(file), "--check", "--yes").returncode
        job = program("jobs").stdout.split()[0]
        wrong = program("reenroll", job, "--rows", "2-x")
        assert (2, True) == (wrong.returncode, "neither a row nor a range" in wrong.stderr)
        dry = program("reenroll", job, "--rows", "2,4-4", "--dry-run")
        lines = dry.stdout.splitlines()
        assert ["DRY RUN - nobody has been enrolled"] * 2 == [lines[0], lines[-1]], dry.stderr
        assert "row 2: Learner 0000, learner0000@example.com" in dry.stdout
        assert "Learner 0001" not in dry.stdout
        assert "Zoho does not say whether progress and marks come back" in dry.stdout
        assert not any("enroll" in line for line in log.read_text().splitlines())
        plan = json.loads(program("reenroll", job, "--rows", "2,4", "--dry-run", "--json").stdout)
        assert ("enrol learner in batch", 2) == (plan["operation"], plan["removals"])
        done = program("reenroll", job, "--rows", "2,4", "--plan", plan["plan_hash"])
        assert (0, True) == (done.returncode, "Enrolled 2" in done.stdout), done.stderr
        sent = [json.loads(line) for line in log.read_text().splitlines()]
        enrolments = [one["enrolment"] for one in sent if one["method"] == "POST" and one["enrolment"]]
        assert [[COURSE, BATCH, record(0)], [COURSE, BATCH, record(2)]] == sorted(enrolments)
        assert all("?" not in one["path"] for one in sent)
    newest = max(tmp_path.glob("*-report.csv"), key=lambda path: path.stat().st_mtime)
    with newest.open(encoding="utf-8-sig", newline="") as report:
        rows = list(csv.DictReader(report))
    assert [("Learner 0000", "enrolled", job), ("Learner 0002", "enrolled", job)] == [
        (row["Name"], row["status"], row["undo_of"]) for row in rows
    ]


async def test_the_page_puts_two_people_back(tmp_path: Path) -> None:
    async with site_of(tmp_path) as (one, visitor):
        file = leavers(tmp_path, [0, 1, 2])
        uploaded = await visitor.upload(file.read_text())
        plan = await looked_up(visitor, await visitor.post(f"{uploaded.url}/lookup"))
        assert "can put back 3 of 3 learners later" in plan.text
        assert ["removed"] * 3 == await removed(one, plan, visitor)
        job = (await one.app.jobs.all())[0]

        async def is_offered() -> bool:
            return f'href="/jobs/{job.id}/put-back"' in (await visitor.get(f"/jobs/{job.id}")).text

        await until(is_offered)
        people = await visitor.get(f"/jobs/{job.id}/put-back")
        assert 3 == people.text.count('name="row"')
        assert "learner0002@example.com" in people.text
        nobody = await visitor.post(f"/jobs/{job.id}/put-back")
        assert 400 == nobody.status
        everybody = await looked_up(visitor, await visitor.post(f"/jobs/{job.id}/put-back", who="all"))
        assert "type the number of enrolments: 3" in everybody.text
        chosen = await visitor.post_all(f"/jobs/{job.id}/put-back", [("row", "2"), ("row", "4")])
        shown = await looked_up(visitor, chosen)
        assert 2 == shown.text.count("DRY RUN - nobody has been enrolled")
        assert "type the number of enrolments: 2" in shown.text
        assert "Enrol 2 learners" in shown.text
        assert "would be removed" not in shown.text
        assert ["enrolled", "enrolled"] == await removed(one, shown, visitor)
        back = (await one.app.jobs.all())[0]

        async def is_at_rest() -> bool:
            return "Enrolled 2, " in (await visitor.get(f"/jobs/{back.id}")).text

        await until(is_at_rest)
        told = (await visitor.get(f"/jobs/{back.id}")).text
        assert "put-back" not in told
        assert "removed</dt>" not in told
        assert "undo.csv" not in told


async def test_whoever_is_back_under_a_new_learner_id_is_not_told_as_gone(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        await one.run(await one.put_back(job, {2}))
        again = await one.planned(0, 1)
        assert ["not_sent", "not_enrolled"] == await one.statuses(again)
        back, gone = await one.app.reports.outcomes(again)
        assert "under another learner id, so they are in the batch" in back.detail
        assert "This learner was removed on" in gone.detail
        assert (await one.app.jobs.tally(again)).needs_person


async def test_whoever_a_later_job_removed_again_can_be_put_back_again(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        job = await one.planned(0, 1)
        await one.run(job)
        await one.run(await one.put_back(job))
        assert {2, 3} == set(await one.app.reenrolments.put_back(job))
        one.enrolled.add(Removal(COURSE, BATCH, learner(0)))
        await one.run(await one.planned(0, check=False))
        assert {3} == set(await one.app.reenrolments.put_back(job))


async def removed_and_put_back_twice(one: Home) -> list[Job]:
    """Four jobs: each person of the first is removed, put back, removed again, and one of them put back again."""
    first = await one.planned(0, 1)
    await one.run(first)
    back = await one.put_back(first)
    await one.run(back)
    new = sorted(removal.learner for removal in one.enrolled if removal.learner.startswith(NEW_LEARNER))
    file = one.folder / "again.csv"
    file.write_text("\n".join(["course,batch,learner", *(f"{COURSE},{BATCH},{one_id}" for one_id in new)]))
    preview = await one.app.plans.preview(file, name=file.name, options=ReadOptions(), include_open=True)
    again = await one.submit(await one.app.enrolment_checks.check(preview, is_asked=True))
    await one.run(again)
    last = await one.put_back(again, [2])
    await one.run(last)
    return [await one.app.jobs.find(job.id) for job in (first, back, again, last)]


async def test_a_report_tells_the_last_that_became_of_a_person(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        first, back, again, last = await removed_and_put_back_twice(one)
        details = {job.id: [row.detail for row in await one.app.reports.outcomes(job)] for job in (first, back, again)}
        for job in (first, back, again):
            assert f"Job {last.id} put this person back on " in details[job.id][0], job
            assert 1 == details[job.id][0].count(" on 20"), "one event is told"
        for job in (first, back):
            assert f"Job {again.id} removed this person again on " in details[job.id][1], job
            assert 1 == details[job.id][1].count(" on 20"), "one event is told"
        assert " on 20" not in details[again.id][1] + str(await one.app.reports.outcomes(last))


async def test_whoever_is_back_by_a_later_job_is_on_no_list_of_people_to_enrol(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        first, _, again, last = await removed_and_put_back_twice(one)
        for job in (first, again):
            path = tmp_path / f"{job.id}.csv"
            await one.app.reports.write(job.id, path, rows=RowSelection.UNDO, by="jo")
            rows = [*csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())]
            assert [record(1)] == [row["zoho_record_number"] for row in rows], job
            assert [2] == [*await one.app.reenrolments.put_back(job)]
            plan = (await one.app.reenrolments.preview(job.id, None)).plan
            assert (1, True) == (plan.removals, f"Job {last.id} put this person back" in plan.excluded[0].detail)


async def test_a_job_says_that_a_later_one_put_the_people_back_already(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        first = await one.planned(0, 1)
        await one.run(first)
        older = await one.app.reenrolments.preview(first.id, None)
        one.enrolled.add(Removal(COURSE, BATCH, learner(0)))  # by hand, under the learner id that they had
        async with one.app.listings.open(is_fresh=True):  # the lists of before are not kept
            again = await one.planned(0, name="again.csv")
        await one.run(again)
        last = await one.put_back(again)
        await one.run(last)
        ended = await one.run(await one.submit(older))
        rows = await one.app.reports.outcomes(ended.job)
        assert [Status.DONE_BEFORE, Status.ENROLLED] == [row.status for row in rows], rows[0]
        assert f"Job {last.id} put this person back meanwhile. Not sent." == rows[0].detail


async def test_the_plan_of_a_retry_says_that_its_people_were_to_be_put_back(tmp_path: Path) -> None:
    async with site_of(tmp_path) as (one, visitor):
        plan = await visitor.upload(leavers(tmp_path, [0, 1]).read_text())
        await removed(one, await looked_up(visitor, await visitor.post(f"{plan.url}/lookup")), visitor)
        job = (await one.app.jobs.all())[0]
        preview = await one.app.reenrolments.preview(job.id, None)
        facts: dict[str, Any] = {"folder": tmp_path, "prepared_by": ("jo",), "by": "jo"}
        consent = Consent(yes=True)
        back = await one.app.confirmations.submit(preview, consent=consent, front_end=FrontEnd.COMMAND, **facts)
        await one.app.jobs.cancel(back.id, by="jo")
        shown = (await looked_up(visitor, await visitor.post(f"/jobs/{back.id}/retry"))).text
        assert f'href="/jobs/{back.id}"' in shown
        assert "These people were removed by" not in shown
        assert "was to put these people back, and did not" in shown


# --- which decision is the later one ---------------------------------------------------------------------------


async def back_by_hand(one: Home, job: Job, number: int) -> str:
    """Enrol somebody whom a job removed again, of which the journal knows nothing; they get another learner id."""
    before = one.here()
    unknown = await one.put_back(job, [number])
    await one.run(unknown)
    with closing(sqlite3.connect(one.folder / "home" / "journal.db")) as journal, journal:
        journal.execute("DELETE FROM attempt WHERE job = ?", (unknown.id,))
        journal.execute("DELETE FROM row WHERE job = ?", (unknown.id,))
        journal.execute("DELETE FROM event WHERE job = ?", (unknown.id,))
        journal.execute("DELETE FROM job WHERE id = ?", (unknown.id,))
    (again,) = one.here() - before
    return again


async def test_who_came_back_with_another_id_is_not_removed_by_the_older_plan(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        first = await one.planned(0, 2)
        await one.run(first)
        again = await back_by_hand(one, first, 2)
        older = await one.planned_ids(again, learner(5))
        back = await one.put_back(first)
        await one.run(back)
        await one.run(older)
        assert again in one.here()
        assert ["not_sent", "removed"] == await one.statuses(older)


async def test_a_removal_in_the_back_off_when_its_job_was_cancelled_is_known_to_be_undone(tmp_path: Path) -> None:
    faults: dict[str, Sequence[str]] = {one: ["reset_after_effect", "500", "500"] for one in (learner(0), record(1))}
    async with home(tmp_path, faults=faults, concurrency=1) as one:
        cut_off = await one.cut_off(await one.planned(0, 1))
        await one.app.jobs.add_note(cut_off.id, 2, "", result=LookupResult.GONE, by="jo")
        back = await one.put_back(cut_off)
        await one.run(back)
        assert [] == [row.number for row in await one.undo_list(cut_off) if row.number == 2]
        other = await one.planned(1, name="other.csv")
        await one.run(other)
        await one.cut_off(await one.put_back(other, check=False))
        (row,) = await one.app.reports.outcomes(other)
        assert "put this person back" in row.undone or "put this person back" in row.detail
        assert "or may have" in f"{row.undone} {row.detail}"


async def test_people_whose_data_were_erased_are_not_taken_for_each_other(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        first = await one.planned(0, 1)
        await one.run(first)
        second = await one.planned(2, 3, name="second.csv")
        await one.run(second)
        for index in (0, 2):
            erasure = await one.app.retention.find_learner(learner(index))
            assert [] == await one.app.retention.forget(erasure, by="jo")
        assert not any("again" in f"{row.detail} {row.undone}" for row in await one.app.reports.outcomes(first))
        assert [3] == [row.number for row in await one.undo_list(first)]


async def test_a_removal_that_an_open_enrolment_must_know_of_is_kept(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        first = await one.planned(0, 1)
        await one.run(first)
        waiting = await one.put_back(first, check=False)
        one.enrolled.add(Removal(COURSE, BATCH, learner(0)))
        later = await one.planned(0, name="later.csv")
        await one.run(later)
        assert waiting.id in await one.app.context.storage.erasure.jobs_with_open_removals_of(later.id)


async def test_who_was_removed_after_they_were_found_in_the_batch_is_told_as_removed(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        first = await one.planned(0, 2)
        await one.run(first)
        waiting = await one.planned(0, 1, check=False)
        one.enrolled.add(Removal(COURSE, BATCH, learner(0)))  # by hand
        back = await one.put_back(first)
        await one.run(back)
        assert "already_enrolled" in await one.statuses(back)
        assert 2 not in [row.number for row in await one.undo_list(first)], "Zoho lists this person in the batch"
        newest = await one.planned(0, name="newest.csv", check=False)
        await one.run(newest)
        await one.run(waiting)
        assert ["done_before", "removed"] == await one.statuses(waiting)


async def test_who_was_removed_without_an_answer_and_has_another_id_now_is_not_told_as_gone(tmp_path: Path) -> None:
    async with home(tmp_path, faults={learner(0): ["reset_after_effect", "ok"]}) as one:
        first = await one.planned(0, 1)
        await one.run(first)
        assert ["removed_inferred", "removed"] == await one.statuses(first)
        await one.run(await one.put_back(first))
        preview = await one.checked_ids(learner(0), learner(1), learner(5))
        statuses = [preview.plan.excluded[index].status for index in (0, 1)]
        assert [Status.NOT_SENT, Status.NOT_SENT] == statuses, "both are in the batch under another learner id"


async def test_who_was_removed_again_without_a_list_and_has_another_id_now_is_not_told_as_gone(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        first = await one.planned(0, 2)
        await one.run(first)
        one.enrolled.add(Removal(COURSE, BATCH, learner(0)))  # by hand, under the learner id that they had
        await one.run(await one.planned(0, check=False))
        await one.run(await one.put_back(first, [2], check=False))
        preview = await one.checked_ids(learner(0), learner(1))
        assert {0: Status.NOT_SENT} == {index: one.status for index, one in preview.plan.excluded.items()}


async def test_a_job_that_undoes_another_is_the_later_one_whatever_the_clock_said(tmp_path: Path) -> None:
    async with home(tmp_path) as one:
        first = await one.planned(0, 1)
        await one.run(first)
        with closing(sqlite3.connect(tmp_path / "home" / "journal.db")) as journal, journal:
            journal.execute("UPDATE row SET finished_at = finished_at + 86400 WHERE job = ?", (first.id,))
            journal.execute(
                "UPDATE job SET finished_at = finished_at + 86400, created_at = created_at + 86400, "
                "planned_at = planned_at + 86400 WHERE id = ?",
                (first.id,),
            )
        back = await one.put_back(first)
        await one.run(back)
        assert ["enrolled", "enrolled"] == await one.statuses(back)
        assert [] == await one.undo_list(first)
        assert not any(row.undone for row in await one.app.reports.outcomes(back))
