"""The operations of plans, as the OpenAPI document describes them."""

from __future__ import annotations

from bulkremove.domain.row import UNPLANNED
from bulkremove.reading.options import Hidden, Match
from bulkremove.web.api_models import (
    Confirmation,
    Drafts,
    Mismatched,
    PlannedRows,
    PutBack,
    RemovedPeople,
    Retry,
    SupervisedJob,
    UploadedPlan,
)
from bulkremove.web.cursors import POSITION
from bulkremove.web.openapi_operations import (
    BINARY,
    BYTES,
    JOB,
    KEY,
    LIMIT,
    Operation,
    answer,
    created,
    cursor_like,
    in_path,
    in_query,
    json_body,
    one_of,
    whole,
)

_PLAN = in_path("plan", "The plan's `id`.")
_PLAN_MADE = {
    201: created(UploadedPlan, "The plan."),
    200: answer(UploadedPlan, "The plan that was made with this Idempotency-Key before."),
}

PLAN_OPERATIONS = (
    Operation(
        "makePlan",
        "plans",
        "post",
        "/plans",
        "Make a plan from a file (CSV, TSV, .xlsx, .xls or .ods, detected by content). Removes nothing.",
        _PLAN_MADE,
        (
            KEY,
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
        "listPlans",
        "plans",
        "get",
        "/plans",
        "The plans that nobody has confirmed, the newest first. They are kept for a day.",
        {200: answer(Drafts, "The plans.")},
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
            cursor_like(POSITION),
            LIMIT,
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
        "discardPlan",
        "plans",
        "delete",
        "/plans/{plan}",
        "Delete an unconfirmed plan and its file.",
        {204: {"description": "It is deleted."}},
        (_PLAN,),
        problems=(404, 409),
    ),
    Operation(
        "includeMismatched",
        "plans",
        "post",
        "/plans/{plan}/mismatched",
        "Plan rows too that are left out as `identity_mismatch`, as a person decided who has looked at each. The plan "
        "has another hash then.",
        {200: answer(UploadedPlan, "The plan.")},
        (_PLAN,),
        json_body(Mismatched),
        (404, 408, 409, 413, 415, 422),
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
        (_PLAN, KEY),
        json_body(Confirmation),
        (404, 408, 409, 413, 415, 422, 503),
    ),
    Operation(
        "retryJob",
        "jobs",
        "post",
        "/jobs/{job}/retry",
        "Make a plan of the rows that a job did not send. Sends nothing; the plan is confirmed like that of a file.",
        _PLAN_MADE,
        (JOB, KEY),
        json_body(Retry),
        (404, 408, 409, 413, 415, 422, 503),
    ),
    Operation(
        "listRemovedPeople",
        "jobs",
        "get",
        "/jobs/{job}/put-back",
        "Whom a job removed, and who of them can be put back.",
        {200: answer(RemovedPeople, "The people.")},
        (JOB,),
        problems=(404, 409),
    ),
    Operation(
        "putBack",
        "jobs",
        "post",
        "/jobs/{job}/put-back",
        "Make a plan that enrols people again whom a job removed. Sends nothing; the plan is confirmed like that of a "
        "file.",
        _PLAN_MADE,
        (JOB, KEY),
        json_body(PutBack),
        (404, 408, 409, 413, 415, 422, 503),
    ),
)
