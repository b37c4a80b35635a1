"""The JSON objects of the HTTP API: bodies of requests, and answers. The OpenAPI document has a schema of each."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypedDict

import msgspec

from bulkremove.domain.attempt import LookupResult
from bulkremove.domain.row import RowState, Status
from bulkremove.domain.standing import Standing
from bulkremove.report.json_types import EventJson, JobJson, PlanJson, PlannedRowJson, Timestamp
from bulkremove.web.upload import DraftState

ROW_STATES = [state.value for state in (*RowState, *Status)]
"""How a row of a job may stand: open, or settled with a status."""
RowNumber = Annotated[int, msgspec.Meta(ge=1, le=99_999_999)]
"""The number of a row, as the spreadsheet shows it."""
ShownState = Annotated[str, msgspec.Meta(title="RowState", extra_json_schema={"enum": ROW_STATES})]


class UploadedPlan(PlanJson):
    """A plan that waits for its confirmation; ``id``: in its address.

    ``lookup_under_way``: Zoho is being asked who the learners are; it can't be confirmed before that has ended.
    """

    id: str
    prepared_by: list[str]
    uploaded_at: Timestamp
    lookup_under_way: bool


class Remark(TypedDict):
    """What a person said about a plan; ``text`` may be empty."""

    by: str
    text: str


class Draft(TypedDict):
    """A plan that nobody has confirmed, or a file that is still to become one; ``id``: in its address.

    ``state``: what it waits for; ``removals``: the calls of its plan, as it was shown last. ``asked``: who asks for its
    approval; ``returned``: who returned it, and why, so that it can't be confirmed; null if nobody did.
    """

    id: str
    name: str
    account: str
    prepared_by: list[str]
    uploaded_at: Timestamp
    state: DraftState
    removals: int
    asked: Remark | None
    returned: Remark | None


class Drafts(TypedDict):
    """All plans that nobody has confirmed, the newest first."""

    plans: list[Draft]


class PlannedRows(TypedDict):
    """Some rows of a plan, in file order; ``next``: the cursor of those after them, null where there are none."""

    rows: list[PlannedRowJson]
    next: str | None


class SupervisedJob(JobJson):
    """A job; ``standing``: how it stands, as the page tells it; one whose rows wait is told as ``running``.

    ``needs_review``: it has not run for an hour; ``failure``: why this server could not run it; ``warning``: what a
    person must look at, null where there is nothing.
    """

    prepared_by: list[str]
    confirmed_by: str
    standing: Standing
    needs_review: bool
    running: bool
    failure: str | None
    warning: str | None


class FirstRow(TypedDict):
    """What a person must look up before anything more is sent for the job's account.

    ``question``: it, in sentences that name the learner; null where nothing is to be looked up.
    """

    question: str | None


class Jobs(TypedDict):
    """Some jobs, the newest first; ``next``: the cursor of those before them, null where there are none."""

    jobs: list[SupervisedJob]
    next: str | None


class LearnerJson(TypedDict):
    """Who a learner was when the plan was made, by Zoho's list of the batch. What it does not tell is empty."""

    name: str
    email: str
    employee_id: str
    progress: str


class NoteJson(TypedDict):
    """What a person found out about an unknown row, who looked its learner up; ``result``: null if the text says it."""

    at: Timestamp
    author: str
    text: str
    result: LookupResult | None


class JobRow(TypedDict):
    """A row of a job; ``row``: its number as the spreadsheet shows it; ``cells``: those of the file.

    ``state``: its status, as in the report; or ``pending`` or ``sending``, while the job can still send it and nothing
    is settled. ``learner``: null where Zoho was not asked. ``undone``: which later job did the opposite; may be empty.
    """

    row: int
    state: ShownState
    detail: str
    cells: list[str]
    http_status: int | None
    api_code: str | None
    attempts: int
    first_sent_at: Timestamp | None
    finished_at: Timestamp | None
    learner: LearnerJson | None
    notes: list[NoteJson]
    undone: str


class JobRows(TypedDict):
    """Some rows of a job, in file order; ``header``: the headings of their cells.

    ``next``: the cursor of those after them, null where there are none.
    """

    header: list[str]
    rows: list[JobRow]
    next: str | None


class JobEvent(EventJson):
    """What happened to a job; ``id``: larger than those of its events before."""

    id: int


class JobEvents(TypedDict):
    """Some events of a job, the oldest first; ``more``: there are others after them."""

    events: list[JobEvent]
    more: bool


class RemovedPerson(TypedDict):
    """A person whom a job removed; ``row``: the number of the row in the job.

    ``can_be_put_back``: whether the number is known by which Zoho enrols them. ``put_back``: by which job that was done
    already, or why it is not known; may be empty.
    """

    row: int
    learner: LearnerJson | None
    can_be_put_back: bool
    put_back: str


class RemovedPeople(TypedDict):
    """The people whom a job removed, in file order."""

    people: list[RemovedPerson]


class Confirmation(msgspec.Struct, forbid_unknown_fields=True):
    """The consent to exactly one plan, by its hash.

    ``removals``: its number of calls, needed to confirm once more what was confirmed before. ``compared``: the plan's
    ``doubtful_ids``, once a person has compared them with Zoho People. ``expect_missing``: go on even if Zoho knows
    none of the first learners, since they may be gone already; else the job stops there, as the ids may be wrong.
    ``start_at``: when the job starts by itself, within 24 hours; at once without it.
    """

    plan_hash: str
    removals: int | None = None
    compared: int | None = None
    expect_missing: bool = False
    start_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class Approval(msgspec.Struct, forbid_unknown_fields=True):
    """The consent to let a held job run. ``removals``: how many rows it would send, as a person has seen.

    ``compared``: the number of its doubtful ids, once a person has compared them with Zoho People.
    """

    plan_hash: str
    removals: int
    compared: int | None = None


class Mismatched(msgspec.Struct, forbid_unknown_fields=True):
    """The numbers of the rows that are planned too, although Zoho has another e-mail address for their learners."""

    rows: Annotated[list[RowNumber], msgspec.Meta(min_length=1)]


class Retry(msgspec.Struct, forbid_unknown_fields=True):
    """Which rows of a job are planned again. ``unknown_checked``: the unknown ones too, since all were looked up.

    ``check``: ask Zoho who the learners are.
    """

    unknown_checked: bool = False
    check: bool = False


class PutBack(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to put back, by the numbers of their rows; null for everybody. ``check``: ask Zoho who they are."""

    rows: Annotated[list[RowNumber], msgspec.Meta(min_length=1)] | None
    check: bool = False


class NewNote(msgspec.Struct, forbid_unknown_fields=True):
    """What a person found out about the unknown row with this number. ``result``: what they saw in Zoho People."""

    row: RowNumber
    text: str = ""
    result: LookupResult | None = None
