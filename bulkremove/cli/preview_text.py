"""The preview in words: what would be removed, what not and why, how long it takes."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bulkremove.cli.console import shown
from bulkremove.domain.row import UNPLANNED
from bulkremove.platform.local_time import local

if TYPE_CHECKING:
    from bulkremove.app import Preview

DRY_RUN = "DRY RUN - nothing has been removed"
_SHOWN = 20


def lines(preview: Preview, command: str | None) -> Iterator[str]:
    """Line by line; with ``command`` as a dry run, whose first and last line say so."""
    plan, table = preview.plan, preview.plan.table
    if command is not None:
        yield DRY_RUN
    where = f"{'SANDBOX ' if plan.sandbox else ''}{plan.host}"
    sheet = f", sheet {table.sheet!r}" if table.sheet else ""
    ids = ", ".join(f"{role}: {table.header[i]!r}" for role, i in zip(plan.operation.roles, table.roles, strict=True))
    yield f"File      {shown(table.source)} ({table.kind}{sheet}), {len(table):,} rows"
    yield f"Columns   {shown(ids)}"
    yield f"Account   {plan.account} on {where}"
    counts = plan.not_sent()
    learners, batches = _many(plan.removals, "learner", "learners"), _many(len(plan.batches), "batch", "batches")
    yield f"Remove    {learners} from {batches}"
    courses = preview.courses()
    for course, count in list(courses.items())[:_SHOWN]:
        yield f"          {count:>7,}  course {course}"
    if len(courses) > _SHOWN:
        yield f"          ... and {len(courses) - _SHOWN:,} more courses"
    for (course, batch), count in list(plan.batches.items())[:_SHOWN]:
        yield f"          {count:>7,}  course {course}, batch {batch}"
    if len(plan.batches) > _SHOWN:
        yield f"          ... and {len(plan.batches) - _SHOWN:,} more batches"
    for status in UNPLANNED:
        if counts.get(status):
            yield f"Not sent  {counts[status]:,} {status.value.replace('_', ' ')}"
            for index in heapq.nsmallest(_SHOWN, (i for i, e in plan.excluded.items() if e.status is status)):
                yield f"          row {table.numbers[index]}: {shown(plan.excluded[index].detail)}"
            if counts[status] > _SHOWN:
                yield f"          ... and {counts[status] - _SHOWN:,} more"
    if table.empty_rows:
        yield f"Empty     {table.empty_rows:,} rows are skipped"
    if table.hidden_rows:
        yield f"Hidden    {table.hidden_rows:,} hidden or filtered rows are left out"
    for note in table.notes:
        yield f"Note      {shown(note)}"
    ends = local(preview.ends_at)
    takes = f"{plan.removals:,} calls at the limit take about {_duration(preview.seconds)}"
    yield f"Time      {takes}, until {ends:%Y-%m-%d %H:%M %Z}"
    yield f"Plan      {plan.fingerprint}"
    if preview.refusal:
        yield f"Refused   A run would be refused: {preview.refusal}"
    if command is not None:
        yield "To run exactly this plan:"
        yield f"  {command}"
        yield DRY_RUN


def _many(number: int, one: str, more: str) -> str:
    from bulkremove.report import many

    return many(number, one, more)


def _duration(seconds: float) -> str:
    from bulkremove.report import duration

    return duration(seconds)
