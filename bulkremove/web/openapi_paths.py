"""The operations of the HTTP API, as its OpenAPI document describes them."""

from __future__ import annotations

from bulkremove.domain.job import MAX_KEY_LENGTH
from bulkremove.domain.row import UNPLANNED
from bulkremove.reading.options import Hidden, Match
from bulkremove.storage.interface.jobs import VISIBLE
from bulkremove.web.api_models import (
    ROW_STATES,
    Confirmation,
    JobEvents,
    JobRows,
    Jobs,
    PlannedRows,
    SupervisedJob,
    UploadedPlan,
)
from bulkremove.web.cursors import POSITION, TIME_AND_ID
from bulkremove.web.openapi_operations import (
    BINARY,
    BYTES,
    Operation,
    answer,
    created,
    in_path,
    in_query,
    json_body,
    one_of,
    whole,
)
from bulkremove.web.parameters import DEFAULT_LIMIT, MAX_LIMIT

TAGS = {
    "plans": "From a file to a plan, which removes nothing, and to its confirmation.",
    "jobs": "Confirmed plans: how far they are, what became of each row, and what is done about them.",
    "document": "This document.",
}
_PLAN, _JOB = in_path("plan", "The plan's `id`."), in_path("job", "The job's id.")
_LIMIT = in_query("limit", f"How many at most; {DEFAULT_LIMIT} if it is left out.", whole(1, MAX_LIMIT))
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A text of your own, for one request and its repetitions.",
    "schema": {"type": "string", "maxLength": MAX_KEY_LENGTH},
}


def _cursor(pattern: str) -> dict[str, object]:
    return in_query("cursor", "The `next` of the page before.", {"type": "string", "pattern": f"^{pattern}$"})


_JOB_ANSWER = answer(SupervisedJob, "The job and its counts.")
_REPORT = {
    "description": "The report. Who accepts `application/octet-stream` gets it as that.",
    "content": {
        kind: {"schema": BINARY}
        for kind in (
            BYTES,
            "text/csv",
            "application/jsonl",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        )
    },
}

_OF_PLANS = (
    Operation(
        "makePlan",
        "plans",
        "post",
        "/plans",
        "Make a plan from a file (CSV, TSV, .xlsx, .xls or .ods, detected by content). Removes nothing.",
        {201: created(UploadedPlan, "The plan.")},
        (
            in_query("name", "The file's name in messages."),
            in_query("account", "The account that it is for; else that of the settings, or the only one of the token."),
            in_query("sheet", "The sheet to read, where there are several."),
            in_query("columns", "The id columns by heading or letter: course=A,batch=B,learner=C."),
            in_query(
                "only",
                "Which rows are meant, if a column says who stays: COLUMN=VALUE, or all. It may be repeated.",
                {"type": "array", "items": {"type": "string"}},
            ),
            in_query(
                "header_row",
                "The row with the headings; 0: there are none.",
                whole(0),
            ),
            in_query(
                "hidden", "What is done with hidden and struck-through rows.", one_of([one.value for one in Hidden])
            ),
            in_query("open", "Rows that another job may still send.", one_of(["leave_out", "include"])),
            in_query(
                "match",
                "The learners are named by these, and courses and batches may be names: ask Zoho for the ids. "
                "It takes two seconds for each call.",
                one_of([one.value for one in Match]),
            ),
            in_query(
                "check",
                "Ask Zoho who the learners are; it takes two seconds for each call.",
                one_of(["no", "yes"]),
            ),
        ),
        {"content": {BYTES: {"schema": BINARY}}, "required": True},
        (404, 408, 409, 413, 422, 503),
    ),
    Operation(
        "getPlan",
        "plans",
        "get",
        "/plans/{plan}",
        "An unconfirmed plan.",
        {200: answer(UploadedPlan, "The plan.")},
        (_PLAN,),
        problems=(404, 409, 422),
    ),
    Operation(
        "listPlanRows",
        "plans",
        "get",
        "/plans/{plan}/rows",
        "Rows of a plan, in file order.",
        {200: answer(PlannedRows, "Some rows.")},
        (
            _PLAN,
            _cursor(POSITION),
            _LIMIT,
            in_query(
                "status",
                "Only rows that are not sent for this reason, or that are sent (`remove`).",
                one_of([*(status.value for status in UNPLANNED), "remove"]),
            ),
            in_query("q", "Only rows with this text in a cell."),
        ),
        problems=(404, 422),
    ),
    Operation(
        "confirmPlan",
        "plans",
        "post",
        "/plans/{plan}/confirm",
        "Confirm exactly this plan and start its job. A second request returns the same job, with an "
        "Idempotency-Key also after a restart of the server.",
        {
            201: created(SupervisedJob, "The new job."),
            200: answer(SupervisedJob, "The job that the plan became before."),
        },
        (_PLAN, _KEY),
        json_body(Confirmation),
        (404, 408, 409, 413, 415, 422, 503),
    ),
)

_OF_JOBS = (
    Operation(
        "listJobs",
        "jobs",
        "get",
        "/jobs",
        "The jobs of the token's accounts, the newest first.",
        {200: answer(Jobs, "Some jobs.")},
        (
            _cursor(TIME_AND_ID),
            _LIMIT,
            in_query("state", "Only jobs in this state.", one_of([state.value for state in VISIBLE])),
            in_query("who", "Only jobs that this person or program prepared or confirmed."),
            in_query("account", "Only jobs of this account."),
            in_query("since", "Only jobs made at this time or later.", {"type": "string", "format": "date-time"}),
            in_query("q", "Only jobs with this text in the name of their file."),
        ),
    ),
    Operation(
        "getJob",
        "jobs",
        "get",
        "/jobs/{job}",
        "A job and its counts.",
        {200: _JOB_ANSWER},
        (_JOB,),
        problems=(404,),
    ),
    Operation(
        "listJobRows",
        "jobs",
        "get",
        "/jobs/{job}/rows",
        "Rows of a job, in file order: what became of each, also while the job runs.",
        {200: answer(JobRows, "Some rows.")},
        (
            _JOB,
            _cursor(POSITION),
            _LIMIT,
            in_query("state", "Only rows in this state.", one_of(ROW_STATES)),
            in_query("q", "Only rows with this text in a cell."),
        ),
        problems=(404,),
    ),
    Operation(
        "listJobEvents",
        "jobs",
        "get",
        "/jobs/{job}/events",
        "The events of a job, the oldest first.",
        {200: answer(JobEvents, "Some events.")},
        (
            _JOB,
            in_query("after", "The `id` of the last event that is known.", whole(0)),
            _LIMIT,
        ),
        problems=(404,),
    ),
    Operation(
        "downloadReport",
        "jobs",
        "get",
        "/jobs/{job}/report.{ending}",
        "The report: one line for each row of the file.",
        {200: _REPORT},
        (_JOB, in_path("ending", "The format of the file.", one_of(["csv", "xlsx", "jsonl"]))),
        problems=(404, 409),
    ),
    Operation(
        "pauseJob",
        "jobs",
        "post",
        "/jobs/{job}/pause",
        "Pause a job, and return it once its rows in flight are finished.",
        {200: _JOB_ANSWER},
        (_JOB,),
        problems=(404, 409),
    ),
    Operation(
        "resumeJob",
        "jobs",
        "post",
        "/jobs/{job}/resume",
        "Resume a job. One that has not run for an hour needs review: `rows` is the number of rows left.",
        {200: _JOB_ANSWER},
        (
            _JOB,
            in_query(
                "rows",
                "The number of rows left, which a person has looked at.",
                whole(0),
            ),
        ),
        problems=(404, 409),
    ),
    Operation(
        "answerCanary",
        "jobs",
        "post",
        "/jobs/{job}/canary",
        "Confirm that the learner of an account's first removal is `gone`, or that the first person who is put "
        "back is `enrolled`, so that other rows may be sent; or send one row alone `again`, where the "
        "learner's data were erased or deleted, so that nobody can tell.",
        {200: _JOB_ANSWER},
        (
            _JOB,
            {**in_query("answer", "What a person has seen.", one_of(["gone", "enrolled", "again"])), "required": True},
        ),
        problems=(404, 409),
    ),
    Operation(
        "cancelJob",
        "jobs",
        "post",
        "/jobs/{job}/cancel",
        "Cancel a job for good.",
        {200: _JOB_ANSWER},
        (_JOB,),
        problems=(404, 409),
    ),
)

OPERATIONS = (
    Operation(
        "getDocument",
        "document",
        "get",
        "/openapi.json",
        "This document, for everybody.",
        {
            200: {
                "description": "The document.",
                "content": {"application/json": {"schema": {"type": "object", "additionalProperties": True}}},
            }
        },
        is_public=True,
    ),
    *_OF_PLANS,
    *_OF_JOBS,
)
