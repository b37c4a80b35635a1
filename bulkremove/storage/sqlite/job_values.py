"""Jobs as rows of their table: how each value is stored, and read again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import astuple

from bulkremove.domain.job import EndReason, FrontEnd, Job, JobState
from bulkremove.domain.row import Roles
from bulkremove.domain.wording import Wording
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.transaction import Transaction

_JOBS = Queries("jobs.sql")
_NAME_SEPARATOR = ", "
"""Separates the names of the people who prepared a plan. No person's or program's name contains it."""


def insert_job(transaction: Transaction, job: Job) -> None:
    """Add a job, which is not visible before its rows are stored."""
    transaction.execute(
        _JOBS.insert_job,
        id=job.id,
        account=job.account,
        host=job.host,
        source=job.source,
        folder=job.folder,
        sheet=job.sheet,
        header=json.dumps(job.header),
        roles=json.dumps(tuple(job.roles)),
        plan_hash=job.plan_hash,
        state=JobState.STORING,
        reason=job.reason,
        created_at=job.created_at,
        retry_of=job.retry_of,
        options=json.dumps(dict(job.options)),
        prepared_by=_NAME_SEPARATOR.join(job.prepared_by),
        confirmed_by=job.confirmed_by,
        origin=job.origin,
        due_at=job.due_at,
        operation=job.operation,
        planned_at=job.planned_at,
        client=job.client,
        night=job.night,
        accepted_wordings=json.dumps([astuple(wording) for wording in job.accepted_wordings]),
    )


def jobs_of(rows: sqlite3.Cursor) -> Iterator[Job]:
    """The jobs of some rows of the table."""
    for row in rows:
        values = dict(row)
        values["header"] = tuple(json.loads(values["header"]))
        values["roles"] = Roles(*json.loads(values["roles"]))
        values["accepted_wordings"] = tuple(Wording(*fields) for fields in json.loads(values["accepted_wordings"]))
        values["options"] = json.loads(values["options"])
        values["prepared_by"] = tuple(filter(None, values["prepared_by"].split(_NAME_SEPARATOR)))
        values["state"] = JobState(values["state"])
        if values["state"] is JobState.HELD and values["due_at"] is not None:
            values["state"] = JobState.SCHEDULED
        values["reason_code"] = EndReason(values["reason_code"])
        values["origin"], values["last_run_by"] = FrontEnd(values["origin"]), FrontEnd(values["last_run_by"])
        values["auto_resumable"] = bool(values["auto_resumable"])
        values["rows_deleted"] = values.pop("totals") is not None
        yield Job(**values)
