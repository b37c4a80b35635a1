"""Use case: put people back whom a job removed, as a plan of enrolments (docs/decisions/0023-reenrolment.md).

A removal names a learner id, and Zoho enrols an employee by another number. So only those can be put back of whom that
number was kept: Zoho's list gave it when the plan of their removal was checked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.plans import Plans, check_has_rows
from bulkremove.app.reports import Reports
from bulkremove.app.results import Preview
from bulkremove.domain.attempt import Outcome
from bulkremove.domain.errors import JobUnsuitable
from bulkremove.domain.ids import TRIMMED_CHARACTERS
from bulkremove.domain.job import Job
from bulkremove.domain.listing import Learner
from bulkremove.domain.plan import Plan
from bulkremove.domain.row import Exclusion, Roles, Status
from bulkremove.domain.table import UNDO_COLUMN, Table

HEADER = (
    "Course ID",
    "Batch ID",
    "Record number",
    "Learner ID before",
    "Name",
    "E-mail",
    "Employee ID",
    "Progress before",
    UNDO_COLUMN,  # so that no report of such a job is ever read as a list of people to remove
)
_ROLES = Roles(0, 1, 2)
UNCERTAIN = (
    "Zoho does not say whether progress and marks come back with an enrolment, nor whether it sends these people a "
    "message. Each of them may get a new learner id."
)
"""What nobody outside Zoho knows about an enrolment of somebody who was removed."""
NO_RECORD_NUMBER = (
    "This person's record number was not kept, since Zoho's list of the batch was not read before the removal or does "
    "not give it. Enrol this person by hand in Zoho People."
)


_LOOK_UP = "look this person up in Zoho People, and note there what you find."


class Reenrolments:
    """Plans that put people back, for one context's account."""

    def __init__(self, context: Context, jobs: Jobs, reports: Reports, plans: Plans) -> None:
        self._context, self._jobs, self._reports, self._plans = context, jobs, reports, plans

    async def removed(self, job: Job) -> list[Outcome]:
        """The rows whose learner the job removed, or whom a person found gone, without erased ones; in file order.

        Raises JobUnsuitable for a job that removes nobody, and one whose rows were deleted.
        """
        check_has_rows(job)
        if job.is_enrolment:
            raise JobUnsuitable(f"Job {job.id} puts people back itself; it removed nobody.")
        statuses = (Status.REMOVED, Status.REMOVED_INFERRED, Status.UNKNOWN)
        return [
            row
            for row in await self._reports.outcomes(job, *statuses)
            if any(row.cells) and (row.status is not Status.UNKNOWN or row.last_seen is job.proving)
        ]

    async def preview(self, job_id: str, numbers: Collection[int] | None) -> Preview:
        """Plan to put back whom a job removed. ``numbers``: those of the rows, as in its report; None for all.

        Raises JobUnsuitable where nobody can be put back.
        """
        job = await self._jobs.find(job_id)
        removed = await self.removed(job)
        if not job.state.is_over:
            raise JobUnsuitable(
                f"Job {job.id} is {job.state.value} and may still remove people, so nobody is put back.",
                hint=f"`bulkremove cancel {job.id}` ends it for good.",
                page_hint="Cancel it first, or wait for its end.",
            )
        rows = [row for row in removed if numbers is None or row.number in numbers]
        if missing := sorted({*(numbers or ())} - {row.number for row in rows}):
            raise JobUnsuitable(
                f"Job {job.id} removed nobody in row {missing[0]}, so nothing was made or sent.",
                hint=f"`bulkremove report {job.id} --rows undo -o removed.csv` lists whom it removed.",
                page_hint="Choose among the people whom it removed.",
            )
        if not rows:
            raise JobUnsuitable(f"Job {job.id} has removed nobody who could be put back.")
        people = {index: _person(row, job) for index, row in enumerate(rows)}
        return await self._plans.enrolments(_table(job, rows, await self.put_back(job)), job, people)

    async def put_back(self, job: Job) -> Mapping[int, str]:
        """Why rows are left out that other jobs were to put back, also those that tried it again; by their numbers.

        Whom a later job removed again can be put back again.
        """
        details, before = dict[int, str](), [job.id]
        while before:
            others = [one for one in await self._context.storage.jobs.retries(before.pop(0)) if one.is_enrolment]
            before += [other.id for other in others]
            for other in others:
                removed_again = await self._context.storage.rows.rows_undone_by_later_jobs(other.id)
                for row in await self._reports.outcomes(other):
                    if row.number in removed_again:
                        details.pop(row.number, None)
                    elif row.status is Status.ENROLLED or row.last_seen is other.proving:
                        details[row.number] = f"Job {other.id} put this person back."
                    elif row.status is Status.UNKNOWN and row.last_seen is None:
                        details[row.number] = f"Unknown in job {other.id}: {_LOOK_UP}"
                    elif row.status in (Status.REFUSED, Status.UNKNOWN):
                        details.pop(row.number, None)
        return details | {row.number: row.undone for row in await self._reports.outcomes(job) if row.undone}


def _table(job: Job, rows: Sequence[Outcome], put_back: Mapping[int, str]) -> Table:
    """The rows of a job as a table of enrolments, with the numbers that they have in the job."""
    cells, settled = [], {}
    for index, row in enumerate(rows):
        course, batch = (row.cells[column].strip(TRIMMED_CHARACTERS) for column in (job.roles.course, job.roles.batch))
        one = _person(row, job)
        about = one.id, one.name, one.email, one.employee_id, one.progress
        cells.append((course, batch, one.record_number, *about, job.id))
        if row.number in put_back:
            settled[index] = Exclusion(Status.DONE_BEFORE, put_back[row.number])
        elif not one.record_number:
            settled[index] = Exclusion(Status.INVALID, NO_RECORD_NUMBER)
    columns = tuple(zip(*cells, strict=True))
    numbers = [row.number for row in rows]
    return Table(
        f"Put back: {job.source}", "job", HEADER, _ROLES, numbers, columns, reading_notes=(UNCERTAIN,), settled=settled
    )


def _person(row: Outcome, job: Job) -> Learner:
    """Who the learner of a row is; the id alone where no list was read before: they are to be enrolled by hand."""
    return row.person or Learner(row.cells[job.roles.learner].strip(TRIMMED_CHARACTERS))


def undo_text(plan: Plan, way: str) -> str:
    """Whether a plan's removals could be undone afterwards, by which ``way``, and what is not known about that."""
    known = sum(bool(one.record_number) for index, one in plan.people.items() if index not in plan.excluded)
    if not known:
        return "Only by hand in Zoho People: Zoho was not asked who these learners are, or gives no record numbers."
    return (
        f"{way} can put back {known:,} of {plan.removals:,} learners later. Whether their progress and "
        "marks come back is not known."
    )
