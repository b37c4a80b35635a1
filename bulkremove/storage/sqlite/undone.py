"""What other jobs did later with the people of a job's rows: a removal is undone by an enrolment, or the reverse."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bulkremove.domain.attempt import LookupResult
from bulkremove.domain.job import Job
from bulkremove.domain.operation import ENROLL_LEARNER
from bulkremove.domain.plan import OtherJob
from bulkremove.domain.row import Status
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.transaction import Reader

_ROWS = Queries("rows.sql")


def undone_rows(reader: Reader, job_id: str) -> Sequence[sqlite3.Row]:
    """Return the rows of a job that other jobs undo: number, and the undoing job, its account, row state and time."""
    queries = (_ROWS.rows_put_back_since, _ROWS.rows_removed_since)
    return [row for query in queries for row in reader.execute(query, job=job_id)]


@dataclass(frozen=True, slots=True)
class LaterChange:
    """What became last of the person of a row, in a sentence; ``is_undone``: by which the row's own effect is gone."""

    text: str
    is_undone: bool


def later_changes(reader: Reader, job: Job, positions: Sequence[int]) -> Mapping[int, LaterChange]:
    """The last change that another job made, or may have, after each of some rows of a job, by their numbers."""
    changes, values = {}, {"job": job.id, "positions": json.dumps(positions)}
    for number, other, account, operation, state, at, found in reader.execute(_ROWS.rows_of_people_since, **values):
        is_back = operation == ENROLL_LEARNER.name
        if state == Status.UNKNOWN and found and (found == LookupResult.STILL_THERE) is not is_back:
            continue  # a person saw that it had no effect
        name, when = OtherJob(other, account).named_for(job.account), datetime.fromtimestamp(at, UTC)
        words = "put this person back" if is_back else "removed this person again"
        if state == Status.ALREADY_ENROLLED:
            words = "found this person in the batch again"
        is_known = state != Status.UNKNOWN or bool(found)
        end = "" if is_known else ", or may have: its row is unknown"
        text = f"{name[0].upper()}{name[1:]} {words} on {when:%Y-%m-%d at %H:%M} UTC{end}."
        changes[number] = LaterChange(text, is_known and is_back is not job.is_enrolment)
    return changes
