"""Zoho's count of a batch's learners before a run and after it: a difference from what was removed is reported.

The count before is that of the plan's enrolment check. Somebody may have been enrolled meanwhile, so a difference
proves nothing; it tells a person where to look.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from bulkremove.domain.attempt import Outcome
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import BulkremoveError, ReadFailed
from bulkremove.domain.event_names import EventName
from bulkremove.domain.ids import TRIMMED_CHARACTERS
from bulkremove.domain.job import Job
from bulkremove.domain.operation import GET_BATCH, Call
from bulkremove.domain.row import Status
from bulkremove.engine.progress import Stop
from bulkremove.engine.reads import Reads
from bulkremove.storage import Storage
from bulkremove.storage.interface.records import JobEvent
from bulkremove.zoho.listings import batch_in

OPTION = "learner_counts"
"""The option of a job that holds the counts before it, as JSON: lists of course, batch, count and its time."""
MAX_BATCHES = 30
"""Batches that are counted after a run, with a call each; of a job with more batches none is."""

_Batch = tuple[str, str]
_Count = tuple[int, Epoch]
"""How many learners Zoho counted, and when."""


def as_option(counts: Mapping[_Batch, _Count]) -> dict[str, str]:
    """The option of a job for these counts; none where they are too many to be compared."""
    if not 0 < len(counts) <= MAX_BATCHES:
        return {}
    return {OPTION: json.dumps([[*batch, *count] for batch, count in counts.items()])}


def counts_before(job: Job) -> Mapping[_Batch, _Count]:
    """Zoho's counts before a job, by course and batch; empty where they are not known.

    One without its time, as an older version kept it, is taken to be of when the job was planned.
    """
    counts = json.loads(job.options.get(OPTION, "[]"))
    return {(course, batch): (count, at[0] if any(at) else job.planned_at) for course, batch, count, *at in counts}


async def compare(
    job: Job,
    before: Mapping[_Batch, _Count],
    reads: Reads,
    storage: Storage,
    at: Epoch,
    *,
    stop: Stop,
    has_daily_limit: bool,
) -> str:
    """Compare the counts with those before a job, as an event of it; returns the differences in words, if any.

    ``stop`` ends it. With a daily limit no call is made, since the removals of other jobs need them.
    """
    not_compared = "Zoho's counts of learners were not compared with those before the run"
    differences: list[str] | None = None
    try:
        if has_daily_limit:
            text = f"{not_compared}, since daily_limit leaves the calls to removals."
        else:
            differences = await stop.cancelling(_differences(job, before, reads, storage))
            text = f"{not_compared}. {stop.reason}"
    except BulkremoveError as error:
        text = f"Zoho's counts of learners could not be compared with those before the run. {error.message}"
    if differences is not None:
        more = "more" if job.is_enrolment else "less"
        unknown = (await storage.rows.tally(job.id, as_reported=True))[Status.UNKNOWN]
        done = f"{job.words.done} or may have been" if unknown else job.words.done
        text = f"Zoho counts as many learners {more} as were {done}, in each batch."
    if differences:
        hint = "Others may have enrolled or removed people meanwhile; if not, look at these batches in Zoho People."
        text = " ".join([*differences, hint])
    await storage.record(JobEvent(job.id, EventName.COUNTS_COMPARED, text, at))
    return text if differences else ""


async def _differences(job: Job, before: Mapping[_Batch, _Count], reads: Reads, storage: Storage) -> list[str]:
    """The batches, in sentences, whose counts are others than before a job and what it and other jobs have changed."""
    differences = []
    changes, unknowns = await storage.rows.export(job, lambda rows: _changes_by_batch(job, rows))
    names = job.batch_names
    others = await storage.rows.changes_since(job.id, {batch: at for batch, (_, at) in before.items()})
    for (course, batch), (count, _) in before.items():
        tree = await reads.read(Call(GET_BATCH, (course, batch)))
        now = batch_in(tree if tree is not None else {}, course, batch).learners
        change = changes.get((course, batch), 0)
        by_others, unknown = others.get((course, batch), 0), unknowns.get((course, batch), 0)
        expected = count + by_others + (change if job.is_enrolment else -change)
        if now is None:
            raise ReadFailed("Zoho does not say how many a batch has.")
        least, most = (expected, expected + unknown) if job.is_enrolment else (expected - unknown, expected)
        if not least <= now <= most:
            called = f" ({names[course, batch]})" if (course, batch) in names else ""
            differences.append(
                f"Batch {batch}{called} had {count:,} learners, {change:,} were {job.words.done}, "
                f"{f'{unknown:,} unknown, ' if unknown else ''}{_by_others(by_others)}and Zoho counts {now:,} now "
                f"instead of {f'{least:,} to {most:,}' if unknown else f'{expected:,}'}."
            )
    return differences


def _by_others(change: int) -> str:
    """By how many learners other jobs have changed a batch, in words; empty for none."""
    return f"other jobs here made it {abs(change):,} {'more' if change > 0 else 'less'}, " if change else ""


def _changes_by_batch(job: Job, outcomes: Iterator[Outcome]) -> tuple[Mapping[_Batch, int], Mapping[_Batch, int]]:
    """How many learners a job has removed from each batch, or enrolled in it, and how many it may have."""
    changes, unknowns = Counter[_Batch](), Counter[_Batch]()
    for row in outcomes:
        is_change = row.status in (Status.REMOVED, Status.REMOVED_INFERRED, Status.ENROLLED)
        if is_change or row.status is Status.UNKNOWN:
            course, batch, _ = (row.cells[column].strip(TRIMMED_CHARACTERS) for column in job.roles)
            (changes if is_change else unknowns)[course, batch] += 1
    return changes, unknowns
