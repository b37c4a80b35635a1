"""The JSON of plans, rows, jobs and events: one definition for the command line, the API and its OpenAPI document.

Times are UTC as RFC 3339 writes them (``2026-11-23T02:30:00.000Z``, made by ``report.utc``), durations seconds.
"""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from bulkremove.domain.doubts import DoubtCode
from bulkremove.domain.flags import Flag
from bulkremove.domain.job import EndReason, JobState
from bulkremove.domain.row import Status

Timestamp = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""A time of RFC 3339."""
Always = Annotated[bool, Meta(extra_json_schema={"const": True})]
"""True in every such object."""


class ColumnsJson(TypedDict):
    """The columns of the ids, from 0."""

    course: int
    batch: int
    learner: int


class CourseJson(TypedDict):
    """How many learners are to be removed from a course."""

    course: str
    removals: int


class BatchJson(CourseJson):
    """How many learners are to be removed from a batch. ``name``: empty where nobody asked Zoho for it."""

    batch: str
    name: str


class ExcludedJson(TypedDict):
    """A row that is not sent; ``row``: its number as the spreadsheet shows it."""

    row: int
    status: Status
    detail: str


class PersonJson(TypedDict):
    """Who the learner of a row is, by Zoho's list of the batch."""

    row: int
    name: str
    email: str
    progress: str
    flags: list[Flag]


class DoubtJson(TypedDict):
    """A sign that the file was damaged, and how many different ids show it."""

    code: DoubtCode
    ids: int
    text: str


class WordingJson(TypedDict):
    """An answer of Zoho's, word for word, that a person has accepted as the proof of a removal."""

    http_status: int
    code: str
    message: str


class PlanJson(TypedDict):
    """A plan; ``calls`` are made when each row is answered at once. ``protected_list``: its number of entries.

    ``operation``: as in a job; ``removals`` counts the enrolments of a plan that puts people back.

    ``checked``: whether there was an enrolment check, which says who the ``people`` are that Zoho lists.
    ``doubtful_ids``: the sum of the doubts' ids; who confirms the plan must have compared them with Zoho.
    ``open_in``: the jobs that may still send rows which are left out, of those that whoever asks may see.
    """

    dry_run: Always
    operation: str
    account: str
    host: str
    sandbox: bool
    source: str
    kind: str
    sheet: str | None
    header: list[str]
    columns: ColumnsJson
    rows: int
    removals: int
    duplicate: int
    invalid: int
    done_before: int
    not_sent: int
    not_enrolled: int
    already_enrolled: int
    identity_mismatch: int
    checked: bool
    people: list[PersonJson]
    protected_list: int
    first_row_alone: bool
    accepted_wordings: list[WordingJson]
    empty_rows: int
    hidden_rows: int
    notes: list[str]
    doubts: list[DoubtJson]
    doubtful_ids: int
    refusal: str | None
    courses: list[CourseJson]
    batches: list[BatchJson]
    excluded: list[ExcludedJson]
    open_in: list[str]
    calls: int
    seconds: float
    ends_at: Timestamp
    plan_hash: str


class ValueJson(TypedDict):
    """A value of a column, and how many rows have it; ``*``: any that is not blank."""

    value: str
    rows: int


class ColumnValuesJson(TypedDict):
    """A column that seems to say who stays."""

    column: str
    values: list[ValueJson]


class ChoicesJson(TypedDict):
    """What must be decided about a file, each by the query parameter of that name (``header``: by ``columns``).

    ``header_row``: where the headings seem to stand; 0: there seem to be none.
    """

    sheet: list[str]
    header: list[str]
    header_row: int | None
    only: list[ColumnValuesJson]
    hidden: bool


class PlannedRowJson(TypedDict):
    """A row of a plan; ``planned``: ``remove`` or ``enrol``, or why it is not sent."""

    row: int
    planned: str
    detail: str
    cells: list[str]


class JobJson(TypedDict):
    """A job and its counts. ``night``: that made it, or empty; ``due_at``: from when on a scheduled one runs.

    ``operation``: what it does, ``remove learner from batch`` or ``enrol learner in batch``.
    ``end_reason``: why its last run ended early; None while it runs, and where every row has its status.
    ``other_learner_answers``: how many of Zoho's answers named another learner than the one that was sent.
    """

    job: str
    state: JobState
    reason: str
    end_reason: EndReason | None
    account: str
    operation: str
    night: str
    host: str
    sandbox: bool
    source: str
    plan_hash: str
    rows: int
    counts: dict[Status, int]
    open: int
    seconds: float
    peak_calls: int
    lockouts: int
    other_learner_answers: int
    created_at: Timestamp
    finished_at: Timestamp | None
    due_at: Timestamp | None


class EventJson(TypedDict):
    """What happened to a job."""

    at: Timestamp
    name: str
    text: str
