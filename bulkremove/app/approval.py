"""Checks before a held job is approved: a person has seen what it would do, and its plan is neither old nor changed."""

from __future__ import annotations

from bulkremove.app.consent import check_four_eyes
from bulkremove.app.protected_list import shrunk_list_text
from bulkremove.config import Settings
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ConsentMissing, PlanOutdated
from bulkremove.domain.job import APPROVAL_DAYS, APPROVAL_SECONDS, Job, JobState, is_recent


def check_rows_left(job: Job, rows_left: int | None, present: int, *, was_released: bool) -> None:
    """Check the number of rows left that a person saw, which a job needs that was approved or run before.

    ``rows_left``: None if the person gave none. Raises ConsentMissing.
    """
    if rows_left not in (None, present):
        raise ConsentMissing(f"{rows_left:,} is not the number of rows left ({present:,}). Nothing was approved.")
    if was_released and rows_left is None:
        raise ConsentMissing(
            f"Job {job.id} was approved or run before, so neither its hash nor a yes renews that. {job.reason}",
            hint=f"Look at its rows, then `bulkremove approve {job.id} --rows {present}`, or cancel it.",
            page_hint=f"Look at its rows, then approve it with the number of rows left, {present:,}, or cancel it.",
        )


def check_approval(job: Job, *, by: str, compared: int | None, at: Epoch, settings: Settings) -> None:
    """Check that a person may let a held job run. ``compared``: how many doubtful ids they compared with Zoho.

    Raises ActionRefused.
    """
    since, waits = max(job.last_run_at, job.due_at or Epoch(0.0)), job.due_at is not None and job.due_at > at
    if job.state in (JobState.HELD, JobState.SCHEDULED) and not waits and not is_recent(since, at, APPROVAL_SECONDS):
        raise PlanOutdated(
            f"The plan of job {job.id} has waited for more than {APPROVAL_DAYS} days, so it has expired.",
            hint=f"Preview the file again, and `bulkremove cancel {job.id}`.",
            page_hint="Preview the file again, and cancel this job.",
        )
    check_four_eyes(job.prepared_by, by, settings)
    if job.doubtful_ids and compared != job.doubtful_ids:
        raise ConsentMissing(
            f"The plan of job {job.id} has doubtful ids ({job.doubtful_ids:,}), so it was not approved. {job.reason}",
            hint=f"Compare them with Zoho People. If they are right, give --compared {job.doubtful_ids}.",
            page_hint="Compare them with Zoho People. If they are right, say so beside the number of "
            f"{job.words.nouns}.",
        )
    if shrunk := shrunk_list_text(job, settings):
        raise PlanOutdated(
            f"{shrunk} Job {job.id} was not approved.",
            hint=f"Put the list back; or preview the file again, and `bulkremove cancel {job.id}`.",
            page_hint="Put the list back; or preview the file again, and cancel this job.",
        )
