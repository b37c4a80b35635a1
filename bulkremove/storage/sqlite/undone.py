"""What other jobs did with people: later with those of a job's rows, or before with those whom a plan removes.

A removal is undone by an enrolment, or the reverse.
"""

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
from bulkremove.domain.row import Removal, Status
from bulkremove.storage.interface.records import PastRemoval
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


def past_removals(reader: Reader, client: str, host: str, removals: Sequence[Removal]) -> Mapping[Removal, PastRemoval]:
    """Which of some removals a job of the client's organisation has made, each as the newest of them made it.

    Where that one did not keep the person's record number, it is that which an older one has kept.
    """
    values = {"client": client, "host": host, "removals": json.dumps([removal.ids for removal in removals])}
    found = dict[Removal, PastRemoval]()
    for *ids, job, account, at, record_number, state in reader.execute(_ROWS.removed_before, **values):
        removal = Removal(*ids)
        number = record_number or (found[removal].record_number if removal in found else "")
        found[removal] = PastRemoval(OtherJob(job, account), at, number, state == Status.REMOVED)
    return found


def people_put_back(
    reader: Reader, client: str, host: str, removals: Mapping[Removal, str]
) -> Mapping[Removal, OtherJob]:
    """Whom of some removals the newest decision of a job wants in the batch; see ``RowStore.people_put_back``."""
    wanted = json.dumps([[*removal.ids, record_number or None] for removal, record_number in removals.items()])
    rows = reader.execute(_ROWS.people_put_back, client=client, host=host, removals=wanted)
    return {Removal(*ids): OtherJob(job, account) for *ids, job, account in rows}
