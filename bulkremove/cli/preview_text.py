"""The text of a preview: what would be removed, what would not and why, and how long it takes."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bulkremove.cli import exit_codes
from bulkremove.cli.console import Screen, printable
from bulkremove.domain.operation import ENROLL_LEARNER, Words
from bulkremove.domain.plural import pluralize
from bulkremove.domain.roster_notes import mismatch_text
from bulkremove.domain.row import UNPLANNED, Status
from bulkremove.platform.local_time import local

if TYPE_CHECKING:
    from bulkremove.app import Preview
    from bulkremove.domain.enrolment_check import EnrolmentCheck
    from bulkremove.domain.plan import Plan

_MISMATCHED = ("learner is somebody else in Zoho, and is", "learners are somebody else in Zoho, and are")
_MAX_ITEMS = 20
"""Courses, batches, and rows of each status that are listed."""


def show(screen: Screen, preview: Preview, command: str, *, as_json: bool) -> int:
    """Print a preview that nobody is asked about, with the command that runs its plan; returns the exit code."""
    if as_json:
        screen.print_result(json.dumps({**preview.as_json(), "command": None if preview.refusal else command}))
    else:
        for line in lines(preview, command):
            screen.print_result(line)
    return exit_codes.of_error(preview.refusal) if preview.refusal else 0


def lines(preview: Preview, command: str | None) -> Iterator[str]:
    """Yield the text line by line. With ``command``, which would run the plan, the first and last line say DRY RUN."""
    from bulkremove.app.matching import has_names
    from bulkremove.app.reenrolments import undo_text
    from bulkremove.report import duration

    plan, table, words = preview.plan, preview.plan.table, preview.plan.operation.words
    if command is not None:
        yield dry_run(words)
    host = f"{'SANDBOX ' if plan.is_sandbox else ''}{plan.host}"
    sheet = f", sheet {table.sheet!r}" if table.sheet else ""
    ids = ", ".join(f"{role}: {table.header[i]!r}" for role, i in zip(plan.operation.roles, table.roles, strict=True))
    yield f"File      {printable(table.source)} ({table.kind}{sheet}), {len(table):,} rows"
    yield f"Columns   {printable(ids)}"
    yield f"Account   {plan.account} on {host}"
    counts = plan.not_sent()
    learners, batches = (
        pluralize(plan.removals, "learner", "learners"),
        pluralize(len(plan.batches), "batch", "batches"),
    )
    yield f"{words.act.capitalize():<9} {learners} {words.preposition} {batches}"
    courses = preview.courses()
    for course, count in list(courses.items())[:_MAX_ITEMS]:
        yield f"          {count:>7,}  course {course}"
    if len(courses) > _MAX_ITEMS:
        yield f"          ... and {len(courses) - _MAX_ITEMS:,} more courses"
    for (course, batch), count in list(plan.batches.items())[:_MAX_ITEMS]:
        name = plan.batch_names.get((course, batch), "")
        yield f"          {count:>7,}  course {course}, batch {batch}{f' ({printable(name)})' if name else ''}"
    if len(plan.batches) > _MAX_ITEMS:
        yield f"          ... and {len(plan.batches) - _MAX_ITEMS:,} more batches"
    for status in UNPLANNED:
        if counts.get(status):
            yield f"Not sent  {counts[status]:,} {status.value.replace('_', ' ')}"
            for index in heapq.nsmallest(_MAX_ITEMS, (i for i, e in plan.excluded.items() if e.status is status)):
                yield f"          row {table.numbers[index]}: {printable(plan.excluded[index].detail)}"
            if counts[status] > _MAX_ITEMS:
                yield f"          ... and {counts[status] - _MAX_ITEMS:,} more"
            if status is Status.INVALID and has_names(plan):
                yield "          If courses or batches are names, give --match learner-id: Zoho is asked for their ids"
            if status is Status.IDENTITY_MISMATCH and preview.check is not None and preview.check.mismatched:
                yield "          Compare the file with its source. If they are right, give --include-mismatched"
    if plan.operation == ENROLL_LEARNER:
        yield from _put_back(plan)
    elif preview.check is not None:
        yield from _people(preview.plan, preview.check)
    for job in plan.open_in:
        if job.account != plan.account:  # the details above don't name it: they are stored and go out in reports
            yield f"Open      in job {job.id} of account {job.account}, too"
    if plan.operation != ENROLL_LEARNER:
        if plan.removals:
            yield f"Undo      {undo_text(plan, '`bulkremove reenroll`')}"
        yield f"Protected list of {pluralize(preview.protected, 'entry', 'entries')}"
    if preview.is_canary and plan.removals:
        yield "First     One row is sent alone; the others wait until somebody has confirmed it in Zoho People"
    for wording in plan.accepted_wordings:
        yield f"Accepted  {wording} counts as the proof of a removal"
    if table.empty_rows:
        yield f"Empty     {pluralize(table.empty_rows, 'row is', 'rows are')} skipped"
    if table.hidden_rows:
        yield f"Hidden    {table.hidden_rows:,} hidden, filtered, struck-through or commented rows are left out"
    if table.unchosen_rows:
        yield f"Unchosen  {pluralize(table.unchosen_rows, 'row is', 'rows are')} left out"
    for note in filter(None, [*table.reading_notes, preview.check_note]):
        yield f"Note      {printable(note)}"
    calls = f"{pluralize(plan.removals, 'call', 'calls')} at the limit: about {duration(preview.seconds)}"
    yield f"Time      {calls}, until {local(preview.ends_at):%Y-%m-%d %H:%M %Z}"
    yield f"Plan      {plan.hash}"
    if mismatched := [] if preview.is_enrolment else plan.sent_mismatched:
        yield f"Another   {pluralize(len(mismatched), *_MISMATCHED)} sent as a person decided"
        for index in mismatched[:_MAX_ITEMS]:
            yield f"          row {table.numbers[index]}: {printable(mismatch_text(plan.people[index]))}"
        if len(mismatched) > _MAX_ITEMS:
            yield f"          ... and {len(mismatched) - _MAX_ITEMS:,} more"
    for doubt in plan.doubts:
        yield f"Doubt     {printable(doubt.text)}"
    if preview.refusal:
        yield f"Refused   A run would be refused: {preview.refusal}"
    if command is None:
        return
    if preview.refusal:
        yield "Nothing of this plan can be run as it is."
    else:
        if plan.doubts:
            yield (
                f"To run exactly this plan, compare the doubtful ids with Zoho People, and add --compared "
                f"{plan.doubtful_ids}:"
            )
        else:
            yield "To run exactly this plan:"
        yield f"  {command}"
    yield dry_run(words)


def dry_run(words: Words) -> str:
    """The first and last line of a preview that nobody is asked about."""
    return f"DRY RUN - {words.untouched}"


def _put_back(plan: Plan) -> Iterator[str]:
    """Who is put back, up to ``_MAX_ITEMS`` of them."""
    people = [index for index in sorted(plan.people) if index not in plan.excluded]
    for index in people[:_MAX_ITEMS]:
        learner = plan.people[index]
        about = ", ".join(filter(None, [learner.name, learner.email, learner.employee_id]))
        yield f"          row {plan.table.numbers[index]}: {printable(about or 'no name')}"
    if len(people) > _MAX_ITEMS:
        yield f"          ... and {len(people) - _MAX_ITEMS:,} more"


def _people(plan: Plan, check: EnrolmentCheck) -> Iterator[str]:
    """Who the learners are by Zoho's lists: those to look at first, up to ``_MAX_ITEMS`` of them."""
    people = {index: learner for index, learner in check.people.items() if index not in plan.excluded}
    yield f"People    {len(people):,} of {plan.removals:,} learners are in Zoho's lists"
    for _, text in check.flag_texts(plan):
        yield f"          {text}"
    first = sorted(people, key=lambda index: (check.urgency(index), index))
    for index in first[:_MAX_ITEMS]:
        learner = people[index]
        about = ", ".join(
            filter(None, [learner.name, learner.email, learner.progress and f"progress {learner.progress}"])
        )
        flags = "".join(f"; {flag.words}" for flag in check.flags.get(index, ()))
        yield f"          row {plan.table.numbers[index]}: {printable(about or 'no name')}{flags}"
    if len(people) > _MAX_ITEMS:
        yield f"          ... and {len(people) - _MAX_ITEMS:,} more"
