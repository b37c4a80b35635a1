"""The columns of a row in the journal, and the person that is kept with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from bulkremove.domain.job import Job
from bulkremove.domain.listing import Learner
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import RowState


def row_values(job: Job, position: int, planned: PlannedRow) -> Mapping[str, object]:
    """The values of a planned row by column.

    The person of an enrolment is kept with the learner id that they had, also where nothing is sent: it says whom
    somebody wanted to put back.
    """
    removal, exclusion, person = planned.removal, planned.exclusion, None
    if planned.person and (removal or job.is_enrolment):
        person = _person_json(planned.person, with_id=job.is_enrolment)
    return {
        "job": job.id,
        "position": position,
        "number": planned.row.number,
        "cells": json.dumps(planned.row.cells),  # ASCII with escapes: a lone surrogate survives it
        "course": removal.course if removal else None,
        "batch": removal.batch if removal else None,
        "learner": removal.learner if removal else None,
        "state": exclusion.status if exclusion else RowState.PENDING,
        "detail": exclusion.detail if exclusion else "",
        "person": person,
    }


def _person_json(person: Learner, *, with_id: bool) -> str:
    return json.dumps({name: value for name, value in asdict(person).items() if value and (name != "id" or with_id)})


def person_of(learner: str | None, kept: str | None) -> Learner | None:
    """The person that was kept with a row of this learner id; None if nobody was."""
    return Learner(**{"id": learner or "", **json.loads(kept)}) if kept else None
