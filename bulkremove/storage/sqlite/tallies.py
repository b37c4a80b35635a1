"""Tallies of jobs in SQLite: how many of their rows have which status."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from bulkremove.domain.job import JobState, Tally
from bulkremove.domain.row import RowState, Status
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.transaction import Reader

_JOBS, _ROWS = Queries("jobs.sql"), Queries("rows.sql")


SETTLED_BY_END = {RowState.PENDING.value: Status.NOT_SENT.value, RowState.SENDING.value: Status.UNKNOWN.value}
"""The status of an open row when its job is over: the state of the job settles it, without a write."""


def tally_of(reader: Reader, job_id: str, *, as_reported: bool = False) -> Tally:
    """The tally of one job."""
    return tallies_of(reader, [job_id], as_reported=as_reported).get(job_id, Tally())


def tallies_of(reader: Reader, job_ids: Collection[str], *, as_reported: bool = False) -> Mapping[str, Tally]:
    """The tallies of several jobs, by job id."""
    jobs = json.dumps(list(job_ids))
    tallies: dict[str, Tally] = {}
    counts = defaultdict[str, Counter[str]](Counter)
    for job_id, state, count in reader.execute(_ROWS.count_by_state, jobs=jobs):
        counts[job_id][state] = count
    for job_id, totals, state in reader.execute(_JOBS.get_totals, jobs=jobs):
        if totals is not None:
            tallies[job_id] = Tally({Status(status): count for status, count in json.loads(totals).items()})
            continue
        job_counts, unsettled = counts[job_id], 0
        if not as_reported and not JobState(state).is_over:
            unsettled = sum(job_counts.pop(state.value, 0) for state in RowState)
        settled = Counter[Status]()
        for name, count in job_counts.items():
            settled[Status(SETTLED_BY_END.get(name, name))] += count
        tallies[job_id] = Tally(dict(settled), unsettled)
    return tallies
