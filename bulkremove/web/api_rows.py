"""Plans, jobs and rows as the JSON objects of the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping

from bulkremove.app import App
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.domain.attempt import Note, Outcome
from bulkremove.domain.job import Job, Tally
from bulkremove.domain.listing import Learner
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.standing import standing_of
from bulkremove.report import as_json, utc, warning_text
from bulkremove.report.json_types import PlannedRowJson
from bulkremove.storage.interface.records import StoredEvent
from bulkremove.web.api_models import (
    Draft,
    JobEvent,
    JobRow,
    LearnerJson,
    NoteJson,
    Remark,
    RemovedPerson,
    SupervisedJob,
)
from bulkremove.web.upload import Upload


def job_json(app: App, supervisor: JobSupervisor, job: Job, tally: Tally) -> SupervisedJob:
    """A job with its counts, and how it stands on this server."""
    running, now = supervisor.running(job.id) is not None, app.clock.wall()
    return {
        **as_json(job, tally),
        "prepared_by": [*job.prepared_by],
        "confirmed_by": job.confirmed_by,
        "standing": standing_of(job, tally, now=now, is_running=running),
        "needs_review": not running and job.needs_review(now),
        "running": running,
        "failure": supervisor.failures.get(job.id),
        "warning": None if running else warning_text(job, tally),
    }


def draft_json(upload: Upload) -> Draft:
    """A plan that nobody has confirmed."""
    return {
        "id": upload.id,
        "name": upload.name,
        "account": upload.account,
        "prepared_by": [*upload.prepared_by],
        "uploaded_at": utc(upload.uploaded_at),
        "state": upload.draft_state,
        "removals": upload.removals,
        "asked": _remark(upload.asked),
        "returned": _remark(upload.returned),
    }


def _remark(said: tuple[str, str] | None) -> Remark | None:
    return None if said is None else {"by": said[0], "text": said[1]}


def planned_row_json(row: PlannedRow, act: str) -> PlannedRowJson:
    """A row of a plan. ``act``: what is done with those that are sent, ``remove`` or ``enrol``."""
    planned, detail = (row.exclusion.status.value, row.exclusion.detail) if row.exclusion else (act, "")
    return {"row": row.row.number, "planned": planned, "detail": detail, "cells": list(row.row.cells)}


def row_json(outcome: Outcome) -> JobRow:
    """A row of a job."""
    return {
        "row": outcome.number,
        "state": outcome.open or outcome.status,
        "detail": outcome.detail,
        "cells": [*outcome.cells],
        "http_status": outcome.http_status,
        "api_code": outcome.api_code,
        "attempts": outcome.attempts,
        "first_sent_at": utc(outcome.first_sent_at) or None,
        "finished_at": utc(outcome.finished_at) or None,
        "learner": None if outcome.person is None else learner_json(outcome.person),
        "notes": [note_json(note) for note in outcome.notes],
        "undone": outcome.undone,
    }


def removed_person_json(row: Outcome, put_back: Mapping[int, str]) -> RemovedPerson:
    """A person whom a job removed. ``put_back``: why they are left out, by the numbers of their rows."""
    return {
        "row": row.number,
        "learner": None if row.person is None else learner_json(row.person),
        "can_be_put_back": row.person is not None and bool(row.person.record_number) and row.number not in put_back,
        "put_back": put_back.get(row.number, ""),
    }


def learner_json(learner: Learner) -> LearnerJson:
    """Who a learner is."""
    return {
        "name": learner.name,
        "email": learner.email,
        "employee_id": learner.employee_id,
        "progress": learner.progress,
    }


def note_json(note: Note) -> NoteJson:
    """A note about a row."""
    return {"at": utc(note.at), "author": note.author, "text": note.text, "result": note.result}


def event_json(event: StoredEvent) -> JobEvent:
    """An event of a job."""
    return {"id": event.number, "at": utc(event.at), "name": event.name, "text": event.text}
