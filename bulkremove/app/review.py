"""Review: a person looks at what is left of an old job before it goes on (docs/decisions/0011-consent.md)."""

from __future__ import annotations

from bulkremove.app.consent import check_four_eyes
from bulkremove.config import Settings
from bulkremove.domain.clock import Epoch, seconds_between
from bulkremove.domain.errors import ConsentMissing
from bulkremove.domain.job import Job
from bulkremove.report.summary import duration


def check_reviewed(
    job: Job, rows_left: int, *, rows_reviewed: int | None, by: str, settings: Settings, now: Epoch
) -> None:
    """Check that a person has looked at an old job before it goes on. Raises ConsentMissing.

    ``rows_reviewed``: the number of rows left that the person ``by`` saw; None if nobody looked. Under ``four_eyes``
    who prepared the plan can't renew the consent alone.
    """
    if rows_reviewed not in (None, rows_left):
        raise ConsentMissing(f"{rows_reviewed:,} is not the number of rows left ({rows_left:,}). Nothing was sent.")
    if not rows_left or not job.needs_review(now):
        return
    if rows_reviewed is not None:
        check_four_eyes(job.prepared_by.split(", "), by, settings)
        return
    raise ConsentMissing(
        f"Job {job.id} needs review. {review_text(job, rows_left, now)} Nothing was sent.",
        hint=f"Look at its rows, then `bulkremove resume {job.id} --rows {rows_left}`, or cancel it.",
        page_hint=f"Look at its rows, then resume it with the number of rows left, {rows_left:,}, or cancel it.",
    )


def review_text(job: Job, rows_left: int, now: Epoch) -> str:
    """What a person must know before an old job goes on: its age, the rows left, and the danger."""
    age = seconds_between(job.driven_at, now)
    when = f"was driven last {lasted(age)} ago" if age >= 0 else "was driven last at a time that lies ahead"
    rows = "1 row is" if rows_left == 1 else f"{rows_left:,} rows are"
    return f"It {when}, and {rows} left. Learners who were enrolled anew since would be removed too."


def lasted(seconds: float) -> str:
    """Format a duration of up to months: ``30 days``, or as ``report.summary.duration`` below two days."""
    return f"{seconds / 86_400:.0f} days" if seconds >= 2 * 86_400 else duration(seconds)
