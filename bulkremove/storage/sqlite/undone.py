"""Rows that another job undoes: of a removal by an enrolment, or the reverse."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from bulkremove.domain.job import Job
from bulkremove.domain.plan import OtherJob
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.transaction import Reader

_ROWS = Queries("rows.sql")


def undone_rows(reader: Reader, job_id: str) -> Sequence[sqlite3.Row]:
    """Return the rows of a job that other jobs undo: number, and the undoing job, its account, row state and time."""
    queries = (_ROWS.rows_put_back_since, _ROWS.rows_removed_since)
    return [row for query in queries for row in reader.execute(query, job=job_id)]


def find_undone_texts(reader: Reader, job: Job) -> Mapping[int, str]:
    """Return, by row number, a sentence on which job undid the row of this job; the newest one counts."""
    words = {"enrolled": "put this person back", "removed": "removed this person again"}
    texts = {}
    for number, other, account, state, at in sorted(
        undone_rows(reader, job.id), key=lambda row: row["finished_at"] or 0.0
    ):
        if state in words:
            name, when = OtherJob(other, account).named_for(job.account), datetime.fromtimestamp(at, UTC)
            texts[number] = f"{name[0].upper()}{name[1:]} {words[state]} on {when:%Y-%m-%d at %H:%M} UTC."
    return texts
