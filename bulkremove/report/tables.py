"""What stands in each cell of a report, and how a cell is made safe for a spreadsheet.

A cell that a spreadsheet could run is led by an apostrophe; an id is led by a tab in CSV, since Excel turns bare
18-digit numbers into others (and our reader trims the tab). The same input gives the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum

from bulkremove.domain.attempt import Outcome
from bulkremove.domain.job import Job
from bulkremove.domain.row import Status
from bulkremove.domain.table import REPORT_COLUMNS

_ID = re.compile(r"[ \t\xa0]*([0-9]+)[ \t\xa0]*", re.ASCII)
_RUNS = re.compile(r"[=+\-@\x00-\x1f\x7f-\x9f\uff1d\uff0b\uff0d\uff20]")
"""First characters that make some spreadsheet run the cell (OWASP, "CSV injection"), full-width forms included."""
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What XML or UTF-8 can't hold, or what would act on a terminal."""


def columns(job: Job) -> tuple[str, ...]:
    """The report's header: the file's own columns, then ours."""
    return (*job.header, *REPORT_COLUMNS)


def cells(job: Job, outcome: Outcome) -> tuple[str, ...]:
    """One row of the report, raw: nothing neutralised. Times are UTC (ISO 8601); what is not known is empty."""
    return (
        *outcome.cells,
        str(outcome.number),
        outcome.status.value,
        " ".join([outcome.detail, *(f"{one.author} noted on {utc(one.at)}: {one.text}" for one in outcome.notes)]),
        "" if outcome.http_status is None else str(outcome.http_status),
        outcome.api_code or "",
        str(outcome.attempts),
        utc(outcome.first_sent_at),
        utc(outcome.finished_at),
        job.id,
        job.plan_hash,
    )


class Rows(StrEnum):
    """Which rows of a job a file is about."""

    ALL = "all"
    RETRY = "retry"
    """Worth another try: those that were not sent. An ``unknown`` row is not among them: a person must look first, and
    ``retry --unknown-checked`` sends it then."""
    UNDO = "undo"
    """Gone by this job, for whoever must put them back."""


_OF = {
    Rows.ALL: frozenset(Status),
    Rows.RETRY: frozenset({Status.NOT_SENT}),
    Rows.UNDO: frozenset({Status.REMOVED, Status.REMOVED_INFERRED}),
}


def original_cells(outcomes: Iterable[Outcome], rows: Rows) -> Iterator[tuple[str, ...]]:
    """The cells that the file had, of the rows that are meant."""
    return (outcome.cells for outcome in outcomes if outcome.status in _OF[rows])


def utc(seconds: float | None) -> str:
    """Epoch seconds as ISO 8601 with milliseconds and Z; empty for None."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def readable(text: str) -> str:
    """The text without what a file or a screen can't hold; each such character becomes U+FFFD."""
    return _UNWRITABLE.sub("\ufffd", text)


def harmless(text: str) -> str:
    """The text as a cell that no spreadsheet runs."""
    safe = readable(text)
    return f"'{safe}" if _RUNS.match(text) else safe


def id_cell(text: str) -> str:
    """An id as Excel keeps it when it opens a CSV: led by a tab. Whatever is no id is made harmless instead."""
    found = _ID.fullmatch(text)
    return f"\t{found[1]}" if found else harmless(text)
