"""Outcomes of rows, as a report written now would show them, from the rows of their table."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence

from bulkremove.domain.attempt import LookupResult, Note, Outcome
from bulkremove.domain.job import Job
from bulkremove.domain.roster_notes import mismatch_text
from bulkremove.domain.row import UNSETTLED, RowState, Status
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.row_values import person_of
from bulkremove.storage.sqlite.tallies import SETTLED_BY_END
from bulkremove.storage.sqlite.transaction import Reader
from bulkremove.storage.sqlite.undone import LaterChange, later_changes

_DONE = frozenset({Status.REMOVED, Status.REMOVED_INFERRED, Status.ENROLLED})
_JOBS = Queries("jobs.sql")


def notes_of(reader: Reader, job_id: str) -> Mapping[int, Sequence[Note]]:
    """The notes about rows of a job, by position."""
    notes = defaultdict[int, list[Note]](list)
    for position, at, author, text, result in reader.execute(_JOBS.list_notes, job=job_id):
        notes[position].append(Note(at, author, text, LookupResult(result) if result else None))
    return notes


def shown(state: Status | RowState, job: Job, as_reported: bool) -> Status | RowState:
    """How a row in this state is shown. ``as_reported``: as a report written now would show a row that is open."""
    if as_reported or job.state.is_over or state not in SETTLED_BY_END:
        return _reported(state, "", job)[0]
    return state


def outcomes_of(
    reader: Reader, rows: Sequence[sqlite3.Row], job: Job, notes: Mapping[int, Sequence[Note]]
) -> Sequence[Outcome]:
    """The outcomes of some rows of a job. ``notes``: those of the job, by position."""
    later = later_changes(reader, job, [row["position"] for row in rows])
    return [_outcome(row, job, notes.get(row["position"], ()), later.get(row["number"])) for row in rows]


def _outcome(row: sqlite3.Row, job: Job, notes: Sequence[Note], change: LaterChange | None) -> Outcome:
    """The outcome of a row. ``change``: what became of its person since."""
    status, detail = _reported(row["state"], row["detail"], job)
    person = person_of(row["learner"], row["person"])
    if person and person.other_email and not job.is_enrolment:
        sent = "sent" if row["attempts"] else "to be sent"
        detail = f"{detail} {mismatch_text(person)}; it was {sent} as a person decided.".lstrip()
    if change and status in _DONE:
        detail = f"{detail} {change.text}".lstrip()
    is_open = row["state"] in SETTLED_BY_END
    return Outcome(
        row["position"],
        row["number"],
        tuple(json.loads(row["cells"])),
        status,
        detail,
        row["http_status"],
        row["api_code"],
        row["attempts"],
        row["first_sent_at"],
        job.finished_at if is_open and job.state.is_over else row["finished_at"],
        tuple(notes),
        person,
        change.text if change and change.is_undone else "",
        RowState(row["state"]) if is_open and not job.state.is_over else None,
    )


def _reported(state: str, detail: str, job: Job) -> tuple[Status, str]:
    """Return the status and detail that a report written now would show for a row."""
    if state == RowState.PENDING:
        return Status.NOT_SENT, job.reason or "Not sent yet."
    if state == RowState.SENDING:
        if job.state.is_over:
            return Status.UNKNOWN, UNSETTLED
        return Status.UNKNOWN, f"An attempt got no response. {job.reason or 'The job has not ended yet.'}"
    return Status(state), detail
