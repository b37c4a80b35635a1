"""The columns of a row in the journal, and the person that is kept with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bulkremove.domain.ids import TRIMMED_CHARACTERS
from bulkremove.domain.job import Job
from bulkremove.domain.listing import Learner
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import RowState, Status


def row_values(job: Job, position: int, planned: PlannedRow) -> Mapping[str, object]:
    """The values of a planned row by column.

    The person of an enrolment is kept with the learner id that they had, also where nothing is sent: it says whom
    somebody wanted to put back. The ids of a row that is not sent are kept if the job's report would send it as an
    input, so that it is known then who was put back since.
    """
    removal, exclusion, person = planned.removal, planned.exclusion, None
    ids: Sequence[str | None] = removal.ids if removal else (None, None, None)
    if exclusion and exclusion.status is Status.NOT_ENROLLED:
        ids = [planned.row.cells[column].strip(TRIMMED_CHARACTERS) for column in job.roles]
    course, batch, learner = ids
    if planned.person and (removal or job.is_enrolment):
        person = _person_json(planned.person, with_id=job.is_enrolment)
    return {
        "job": job.id,
        "position": position,
        "number": planned.row.number,
        "cells": json.dumps(planned.row.cells),  # ASCII with escapes: a lone surrogate survives it
        "course": course,
        "batch": batch,
        "learner": learner,
        "state": exclusion.status if exclusion else RowState.PENDING,
        "detail": exclusion.detail if exclusion else "",
        "person": person,
    }


def _person_json(person: Learner, *, with_id: bool) -> str:
    return json.dumps({name: value for name, value in asdict(person).items() if value and (name != "id" or with_id)})


def person_of(learner: str | None, kept: str | None) -> Learner | None:
    """The person that was kept with a row of this learner id; None if nobody was."""
    return Learner(**{"id": learner or "", **json.loads(kept)}) if kept else None
