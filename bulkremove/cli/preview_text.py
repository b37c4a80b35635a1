"""The preview in words and as JSON: what would be removed, what not and why, how long it takes."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from bulkremove.cli.screen import shown
from bulkremove.model import Plan, Status

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
    ids = ", ".join(
        f"{role}: {table.header[i]!r}" for role, i in zip(("course", "batch", "learner"), table.roles, strict=True)
    )
    yield f"File      {shown(table.source)} ({table.kind}{sheet}), {len(table):,} rows"
    yield f"Columns   {shown(ids)}"
    yield f"Account   {plan.account} on {where}"
    counts = Counter(exclusion.status for exclusion in plan.excluded.values())
    yield f"Remove    {plan.removals:,} learners from {len(plan.batches):,} batches"
    courses = _courses(plan)
    for course, count in list(courses.items())[:_SHOWN]:
        yield f"          {count:>7,}  course {course}"
    if len(courses) > _SHOWN:
        yield f"          ... and {len(courses) - _SHOWN:,} more courses"
    for (course, batch), count in list(plan.batches.items())[:_SHOWN]:
        yield f"          {count:>7,}  course {course}, batch {batch}"
    if len(plan.batches) > _SHOWN:
        yield f"          ... and {len(plan.batches) - _SHOWN:,} more batches"
    for status in (Status.DUPLICATE, Status.INVALID, Status.DONE_BEFORE):
        if counts[status]:
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
    ends = datetime.fromtimestamp(preview.ends_at).astimezone()
    takes = f"{plan.removals:,} calls at the limit take about {_duration(preview.seconds)}"
    yield f"Time      {takes}, until {ends:%Y-%m-%d %H:%M %Z}"
    yield f"Plan      {plan.fingerprint}"
    if preview.refusal:
        yield f"Refused   A run would be refused: {preview.refusal}"
    if command is not None:
        yield "To run exactly this plan:"
        yield f"  {command}"
        yield DRY_RUN


def as_json(preview: Preview, command: str) -> Mapping[str, object]:
    """The same for machines; seconds and epoch seconds."""
    plan, table = preview.plan, preview.plan.table
    counts = Counter(exclusion.status for exclusion in plan.excluded.values())
    return {
        "dry_run": True,
        "account": plan.account,
        "host": plan.host,
        "sandbox": plan.sandbox,
        "source": table.source,
        "kind": table.kind,
        "sheet": table.sheet,
        "header": list(table.header),
        "columns": {"course": table.roles.course, "batch": table.roles.batch, "learner": table.roles.learner},
        "rows": len(table),
        "removals": plan.removals,
        **{status.value: counts[status] for status in (Status.DUPLICATE, Status.INVALID, Status.DONE_BEFORE)},
        "empty_rows": table.empty_rows,
        "hidden_rows": table.hidden_rows,
        "notes": list(table.notes),
        "refusal": str(preview.refusal) if preview.refusal else None,
        "courses": [{"course": course, "removals": n} for course, n in _courses(plan).items()],
        "batches": [{"course": c, "batch": b, "removals": n} for (c, b), n in plan.batches.items()],
        "excluded": [
            {"row": table.numbers[i], "status": e.status.value, "detail": e.detail}
            for i, e in sorted(plan.excluded.items())
        ],
        "calls": plan.removals,
        "seconds": round(preview.seconds, 1),
        "ends_at": round(preview.ends_at, 1),
        "plan_hash": plan.fingerprint,
        "command": command,
    }


def _courses(plan: Plan) -> Counter[str]:
    """Removals by course."""
    courses: Counter[str] = Counter()
    for (course, _), count in plan.batches.items():
        courses[course] += count
    return courses


def _duration(seconds: float) -> str:
    from bulkremove.report import duration

    return duration(seconds)
