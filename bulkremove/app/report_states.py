"""Reports of earlier jobs that are given as input, against what the journal knows of their rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from bulkremove.app.unsent_rows import NEW_LIST, UnsentRows
from bulkremove.domain.attempt import Outcome
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import FileRefused, JobNotFound
from bulkremove.domain.ids import TRIMMED_CHARACTERS
from bulkremove.domain.job import Job
from bulkremove.domain.permissions import AccountSet
from bulkremove.domain.plural import pluralize
from bulkremove.domain.row import Exclusion, Roles, Status
from bulkremove.domain.table import Table
from bulkremove.reading.previous_report import SETTLED, unknown_in
from bulkremove.storage import Storage

_MISMATCHED = "In job {} the person in Zoho was another than in the file."


async def with_present_states(table: Table, storage: Storage, seen: AccountSet) -> Table:
    """Return the table without the rows to send that the journal has settled since its report was written.

    Rows that the journal calls unknown are so whatever the report says: what proved them may have been withdrawn. Else
    a row that the report calls settled stays so: where the journal was put back from a backup, the report knows more.
    A row of somebody whom a later job was made to put back is not sent, nor one that the job left out on purpose: its
    report is no newer decision. Notes say how many such rows there are. A job of an account that is not in ``seen`` is
    as one that the journal does not know: whoever gave the file may have made the report up to learn what became of its
    rows.

    Raises FileRefused for a row with other ids than the job had sent it with, or would have: somebody sorted or shifted
    a column without the others. And for rows to send of a job whose rows were deleted.
    """
    indexes: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, (job_id, number) in table.report_rows.items():
        indexes[job_id][number].append(index)
    if not indexes or not storage.exists:
        return table
    settled, notes = dict(table.settled), []
    for job_id, index_of in indexes.items():
        try:
            job = await storage.jobs.get(job_id)
        except JobNotFound:
            continue
        if job.account not in seen:
            continue
        if job.rows_deleted and not settled.keys() >= {index for same in index_of.values() for index in same}:
            raise FileRefused(
                f"{table.source} is a report of job {job_id}, whose rows were deleted after their time. So what became "
                "of them, and who was put back, since the report is not known.",
                hint="Nothing was sent. Make the list anew.",
            )

        unsent = await UnsentRows.of(job, storage)

        def compare(
            rows: Iterator[Outcome], job: Job = job, index_of: dict[int, list[int]] = index_of
        ) -> dict[int, Outcome]:
            found = {}
            for row in rows:
                for index in index_of.get(row.number, ()):
                    _check_ids(table, index, row, job)
                    found[index] = row
            return found

        found = await storage.rows.export(job, compare)
        statuses = {index: row.status for index, row in found.items()}
        unknown = [index for index, status in statuses.items() if status is Status.UNKNOWN]
        settled_later = [
            index for index, status in statuses.items() if status in SETTLED and index not in table.settled
        ]
        mismatched = [index for index, status in statuses.items() if status is Status.IDENTITY_MISMATCH]
        settled |= {
            index: replace(exclusion, detail=f"{exclusion.detail} {row.undone}")
            for index, row in found.items()
            if (exclusion := table.settled.get(index)) and exclusion.status is Status.DONE_BEFORE
            if row.undone not in exclusion.detail  # a plan is made again of the same table after its enrolment check
        }
        settled |= {index: Exclusion(Status.IDENTITY_MISMATCH, _MISMATCHED.format(job_id)) for index in mismatched}
        settled |= {index: unknown_in(job_id) for index in unknown}
        settled |= {index: _settled_since(job_id, found[index]) for index in settled_later}
        not_wanted = {
            index: exclusion
            for index, row in found.items()
            if index not in settled and (exclusion := unsent.why_not(row))
        }
        settled |= not_wanted
        if conflicting := [index for index in unknown if table.settled.get(index) != unknown_in(job_id)]:
            notes.append(
                f"Job {job_id} calls {len(conflicting):,} of these rows unknown by now, whatever this report says. "
                "They are not sent; look these learners up in Zoho People."
            )
        if settled_later:
            notes.append(
                f"Job {job_id} settled {len(settled_later):,} of these rows since this report. They are not sent."
            )
        if not_wanted:
            count = pluralize(len(not_wanted), "row is", "rows are")
            notes.append(
                f"{count} not sent again: job {job_id} left the people out, or a later job was made to put them back. "
                f"{NEW_LIST}"
            )
    return replace(table, settled=settled, reading_notes=(*table.reading_notes, *notes))


async def first_planned_at(table: Table, storage: Storage, seen: AccountSet) -> Epoch | None:
    """When the plans were made of whose jobs a report tells, the oldest of them; None for a table that is no report.

    A plan of a report counts from then, as a retry does: it is no newer decision about people whom another job removed
    since. Jobs are known as to ``with_present_states``.
    """
    times = []
    for job_id in {job_id for job_id, _ in table.report_rows.values()} if storage.exists else ():
        with suppress(JobNotFound):
            job = await storage.jobs.get(job_id)
            times += [job.planned_at] * (job.account in seen)
    return min(times, default=None)


def _settled_since(job_id: str, row: Outcome) -> Exclusion:
    detail = f"Job {job_id} settled this row since the report was written: {row.status.value}. {row.undone}"
    return Exclusion(Status.DONE_BEFORE, detail.rstrip())


def _check_ids(table: Table, index: int, row: Outcome, job: Job) -> None:
    """Check that a row of the report has the ids of the job's row, unless that one has none or was erased."""
    ids = _ids(row.cells, job.roles)
    is_checked = row.status not in (Status.INVALID, Status.DUPLICATE) and all(ids)
    if is_checked and _ids(table.row(index).cells, table.roles) != ids:
        # Without the ids: at night this is kept as a reason and sent in a notice.
        raise FileRefused(
            f"{table.source}, row {table.numbers[index]}: it has other ids than row {row.number} of job {job.id}, of "
            "which it tells. A column was changed, sorted or moved without the others.",
            hint="Nothing was sent. Give the report as it was written, or the original file.",
        )


def _ids(cells: Sequence[str], roles: Roles) -> list[str]:
    return [cells[column].strip(TRIMMED_CHARACTERS) if column < len(cells) else "" for column in roles]
