"""The operations of jobs, as the OpenAPI document describes them."""

from __future__ import annotations

from bulkremove.storage.interface.jobs import VISIBLE
from bulkremove.web.api_models import ROW_STATES, Approval, FirstRow, JobEvents, JobRows, Jobs, NewNote, SupervisedJob
from bulkremove.web.cursors import POSITION, TIME_AND_ID
from bulkremove.web.openapi_operations import (
    BINARY,
    BYTES,
    JOB,
    LIMIT,
    Operation,
    answer,
    cursor_like,
    in_path,
    in_query,
    json_body,
    one_of,
    whole,
)

_JOB_ANSWER = answer(SupervisedJob, "The job and its counts.")
EVENT_STREAM = "text/event-stream"
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

JOB_OPERATIONS = (
    Operation(
        "listJobs",
        "jobs",
        "get",
        "/jobs",
        "The jobs of the token's accounts, the newest first.",
        {200: answer(Jobs, "Some jobs.")},
        (
            cursor_like(TIME_AND_ID),
            LIMIT,
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
        (JOB,),
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
            JOB,
            cursor_like(POSITION),
            LIMIT,
            in_query("state", "Only rows in this state.", one_of(ROW_STATES)),
            in_query("q", "Only rows with this text in a cell, or in what is known of their learner."),
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
            JOB,
            in_query("after", "The `id` of the last event that is known.", whole(0)),
            LIMIT,
        ),
        problems=(404,),
    ),
    Operation(
        "streamJobEvents",
        "jobs",
        "get",
        "/jobs/{job}/events/stream",
        "The events of a job as server-sent events, as they come: `event` has one of `listJobEvents`, `job` the job "
        "whenever it has changed, and the last one, `end`, the job at rest. Then close it.",
        {
            200: {
                "description": "The events. The `id` of each `event` is that of `listJobEvents`.",
                "content": {EVENT_STREAM: {}},
            }
        },
        (
            JOB,
            in_query("after", "The `id` of the last event that is known; else it begins with the first one.", whole(0)),
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The same, as a browser sends it after a broken connection; it counts before `after`.",
                "schema": {"type": "string", "pattern": "^[0-9]{1,8}$"},
            },
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
        (JOB, in_path("ending", "The format of the file.", one_of(["csv", "xlsx", "jsonl"]))),
        problems=(404, 409),
    ),
    Operation(
        "downloadRows",
        "jobs",
        "get",
        "/jobs/{job}/{rows}.csv",
        "The file's own columns of rows that were not sent (`retry`), or of those that were removed (`undo`).",
        {
            200: {
                "description": "The rows. Who accepts `application/octet-stream` gets them as that.",
                "content": {kind: {"schema": BINARY} for kind in (BYTES, "text/csv")},
            }
        },
        (JOB, in_path("rows", "Which rows.", one_of(["retry", "undo"]))),
        problems=(404, 409),
    ),
    Operation(
        "pauseJob",
        "jobs",
        "post",
        "/jobs/{job}/pause",
        "Pause a job, and return it once its rows in flight are finished.",
        {200: _JOB_ANSWER},
        (JOB,),
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
            JOB,
            in_query(
                "rows",
                "The number of rows left, which a person has looked at.",
                whole(0),
            ),
            in_query(
                "expect_missing",
                "Go on even if Zoho knows none of the first learners, since they may be gone already.",
                one_of(["no", "yes"]),
            ),
        ),
        problems=(404, 409),
    ),
    Operation(
        "getFirstRow",
        "jobs",
        "get",
        "/jobs/{job}/canary",
        "What a person must look up in Zoho People before anything more is sent for the job's account.",
        {200: answer(FirstRow, "The question.")},
        (JOB,),
        problems=(404,),
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
            JOB,
            {**in_query("answer", "What a person has seen.", one_of(["gone", "enrolled", "again"])), "required": True},
        ),
        problems=(404, 409),
    ),
    Operation(
        "approveJob",
        "jobs",
        "post",
        "/jobs/{job}/approve",
        "Approve a held or scheduled job, and start it.",
        {200: _JOB_ANSWER},
        (JOB,),
        json_body(Approval),
        (404, 408, 409, 413, 415),
    ),
    Operation(
        "addNote",
        "jobs",
        "post",
        "/jobs/{job}/notes",
        "Note what a person found out about an unknown row. `listJobRows` shows it.",
        {204: {"description": "It is stored."}},
        (JOB,),
        json_body(NewNote),
        (404, 408, 409, 413, 415),
    ),
    Operation(
        "cancelJob",
        "jobs",
        "post",
        "/jobs/{job}/cancel",
        "Cancel a job for good.",
        {200: _JOB_ANSWER},
        (JOB,),
        problems=(404, 409),
    ),
)
