"""DataFrames of plans and results: ids as text, so that they merge with the rows that were given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from bulkremove.domain.attempt import Outcome
from bulkremove.domain.job import Job
from bulkremove.domain.plan import Plan
from bulkremove.domain.row import Roles
from bulkremove.domain.table import REPORT_COLUMNS
from bulkremove.report import tables

_NUMBERS = ("row", "http_status", "attempts")
_TIMES = ("first_sent_at", "finished_at")


def plan_frame(plan: Plan) -> pd.DataFrame:
    """The rows of a plan: the three ids, the row's number, what is planned, and why."""
    act, header = plan.operation.words.act, _id_headings(plan.table.header, plan.table.roles)
    rows = (
        (
            *_ids(row.row.cells, plan.table.roles),
            str(row.row.number),
            row.exclusion.status.value if row.exclusion else act,
            row.exclusion.detail if row.exclusion else "",
        )
        for row in plan.rows()
    )
    return _frame([*header, "row", "planned", "detail"], rows)


def result_frame(job: Job, outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """The rows of a job: the three ids, and the report's own columns."""
    header = _id_headings(job.header, job.roles)
    rows = (
        (*_ids(outcome.cells, job.roles), *tables.cells(job, outcome)[-len(REPORT_COLUMNS) :]) for outcome in outcomes
    )
    return _frame([*header, *REPORT_COLUMNS], rows)


def _id_headings(header: Sequence[str], roles: Roles) -> list[str]:
    return [header[column] for column in roles]


def _ids(cells: Sequence[str], roles: Roles) -> list[str]:
    return [cells[column] for column in roles]


def _frame(header: Sequence[str], rows: Iterable[Sequence[str]]) -> pd.DataFrame:
    """A DataFrame of texts, in which numbers and times of the report are such; what is empty there is missing."""
    frame = pd.DataFrame(list(rows), columns=list(header), dtype="string")
    for index, heading in enumerate(header[3:], start=3):
        column = frame.iloc[:, index].replace("", pd.NA)
        if heading in _NUMBERS:
            frame.isetitem(index, column.astype("Int64").array)
        elif heading in _TIMES:
            frame.isetitem(index, pd.to_datetime(column, utc=True, format="ISO8601").array)
    return frame
