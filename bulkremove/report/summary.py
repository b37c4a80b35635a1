"""The summary of a job, whose counts always add up to the rows of the file, and the warning shown before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from bulkremove.domain.attempt import LookupResult
from bulkremove.domain.job import Job, Tally
from bulkremove.domain.row import Status
from bulkremove.report.json_types import JobJson
from bulkremove.report.tables import utc

_ORDER = (Status.REFUSED, Status.UNKNOWN, Status.NOT_SENT, Status.DUPLICATE, Status.INVALID)
_SELDOM = (Status.IDENTITY_MISMATCH, Status.NOT_ENROLLED, Status.ALREADY_ENROLLED, Status.DONE_BEFORE)
"""Named only where there are any."""


def summary(job: Job, tally: Tally, *, report: str | None = None) -> str:
    """Summarize a job in one line whose counts add up to the file's rows. ``report``: its path, if it was written."""
    line = (
        f"{format_counts(job, tally)} of {tally.total:,} rows in {duration(job.seconds)}; "
        f"at most {job.peak_calls} of {job.options.get('calls', '?')} calls in a window, {job.lockouts} lock-outs."
    )
    return ("SANDBOX: " if job.is_sandbox else "") + line + (f" Report: {report}" if report else "")


def format_counts(job: Job, tally: Tally) -> str:
    """The rows by status as text, such as ``Removed 3 (0 inferred), not found 1, ...``; they add up to all rows."""
    inferred = tally[Status.REMOVED_INFERRED]
    parts = [
        f"Removed {tally[Status.REMOVED] + inferred:,} ({inferred:,} inferred)",
        f"not found {tally[Status.NOT_FOUND]:,}",
    ]
    if job.is_enrolment:
        parts = [f"Enrolled {tally[Status.ENROLLED]:,}"]
    parts += [f"{status.value.replace('_', ' ')} {tally[status]:,}" for status in _ORDER]
    parts += [f"{status.value.replace('_', ' ')} {tally[status]:,}" for status in _SELDOM if tally[status]]
    if tally.open:
        parts.append(f"still open {tally.open:,}")
    return ", ".join(parts)


def counts_without_zeros(tally: Tally) -> str:
    """The rows by status as text, without those that no row has, such as ``removed 3, unknown 1``."""
    statuses = (Status.REMOVED, Status.REMOVED_INFERRED, Status.ENROLLED, Status.NOT_FOUND, *_ORDER, *_SELDOM)
    counts = {**{status.value: tally[status] for status in statuses}, "still open": tally.open}
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items() if count) or "no rows"


def warning_text(job: Job, tally: Tally, *, looked_up: Collection[LookupResult] = ()) -> str | None:
    """The warning to show first: Zoho named a wrong learner, or rows are unknown. None without either.

    ``looked_up``: what people saw last of the learners of unknown rows.
    """
    warnings = []
    if job.mismatched:
        warnings.append(
            f"WARNING: Zoho named another learner than the one that was sent in {job.mismatched:,} answers. "
            "Look at these batches in Zoho People before you go on."
        )
    if (unknown := tally[Status.UNKNOWN]) and unknown == len(looked_up):
        seen = Counter(result.value.replace("_", " ") for result in looked_up)
        counts = ", ".join(f"{count:,} {words}" for words, count in sorted(seen.items()))
        warnings.append(
            f"{unknown:,} unknown, and somebody has looked each of them up: {counts}. They stay unknown in the report, "
            "with what was noted."
        )
    elif unknown:
        warnings.append(
            f"{unknown:,} unknown: it is not known whether these learners were {job.words.done}. They stand in the "
            "report as unknown; look each of them up in Zoho People."
        )
    return " ".join(warnings) or None


def as_json(job: Job, tally: Tally) -> JobJson:
    """The job for programs."""
    return {
        "job": job.id,
        "state": job.state,
        "reason": job.reason,
        "end_reason": job.reason_code or None,
        "account": job.account,
        "operation": job.operation,
        "night": job.night,
        "host": job.host,
        "sandbox": job.is_sandbox,
        "source": job.source,
        "plan_hash": job.plan_hash,
        "rows": tally.total,
        "counts": {status: tally[status] for status in Status},
        "open": tally.open,
        "seconds": round(job.seconds, 3),
        "peak_calls": job.peak_calls,
        "lockouts": job.lockouts,
        "other_learner_answers": job.mismatched,
        "created_at": utc(job.created_at),
        "finished_at": utc(job.finished_at) or None,
        "due_at": utc(job.due_at) or None,
    }


def duration(seconds: float) -> str:
    """Format seconds as ``8 s``, ``14 min 12 s`` or ``3 h 20 min``."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
