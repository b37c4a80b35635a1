"""The OpenAPI document of the HTTP API. Tests compare it with the routes and send generated requests to a server."""

from __future__ import annotations

import re
from typing import Any, NotRequired, TypedDict

from msgspec.json import schema_components

from bulkremove.domain.row import UNPLANNED
from bulkremove.domain.standing import Standing
from bulkremove.domain.version import __version__
from bulkremove.reading.options import Hidden, Match
from bulkremove.report.json_types import ChoicesJson, EventJson, JobJson, PlanJson, RowJson
from bulkremove.storage.interface.jobs import VISIBLE

PREFIX = "/api/v1"

_TEXT = {"type": "string"}


class UploadedPlan(PlanJson):
    """A plan that waits for its confirmation; ``id``: in its address."""

    id: str
    prepared_by: str


class RowsPage(TypedDict):
    """A page of a plan's rows; ``more``: there is another page."""

    rows: list[RowJson]
    more: bool


class SupervisedJob(JobJson):
    """A job; ``standing``: how it stands, as the page tells it; one whose rows wait is told as ``running``.

    ``needs_review``: it has not run for an hour; ``failure``: why this server could not run it.
    """

    standing: Standing
    needs_review: bool
    running: bool
    failure: str | None


class JobsPage(TypedDict):
    """A page of jobs; ``more``: there is another page."""

    jobs: list[SupervisedJob]
    more: bool


class JobEvents(TypedDict):
    """The events of a job, the oldest first."""

    events: list[EventJson]


class Error(TypedDict):
    """What went wrong, and what to do; ``choices``: of a file that can be read in more than one way."""

    error: str
    choices: NotRequired[ChoicesJson]


_MODELS = (UploadedPlan, RowsPage, SupervisedJob, JobsPage, JobEvents, Error)


def document() -> dict[str, object]:
    """Return the document as a JSON object (OpenAPI 3.1)."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bulkremove",
            "version": __version__,
            "description": "Takes learners off Zoho People training batches in bulk. A plan is made from a file and "
            "removes nothing; confirming it by its hash makes it a job. Times are epoch seconds, durations seconds.",
        },
        "security": [{"token": []}],
        "paths": {f"{PREFIX}{path}": methods for path, methods in _paths().items()},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schema_components(_MODELS, ref_template="#/components/schemas/{name}")[1],
        },
    }


def query_names(method: str, path: str) -> frozenset[str]:
    """Return the query parameters of a path (without the prefix); others are refused, as they may be typing errors."""
    parameters = _paths()[re.sub(r":[^}]+", "", path)][method.lower()].get("parameters", ())
    return frozenset(parameter["name"] for parameter in parameters if parameter["in"] == "query")


def _paths() -> dict[str, Any]:
    plan, job = _in_path("plan"), _in_path("job")
    page = _query("page", {"type": "integer", "minimum": 1, "maximum": 99_999_999})
    planned = [*(status.value for status in UNPLANNED), "remove"]
    states = [state.value for state in VISIBLE]
    job_response, not_found = _json(SupervisedJob, "The job and its counts."), (404,)
    return {
        "/openapi.json": {
            "get": _operation(
                "This document.", {200: {"description": "The document.", "content": {"application/json": {}}}}
            )
        },
        "/plans": {
            "post": _operation(
                "Make a plan from a file (CSV, TSV, .xlsx, .xls or .ods, detected by content). Removes nothing.",
                {201: _json(UploadedPlan, "The plan.")},
                parameters=[
                    _query("name", _TEXT, "The file's name in messages."),
                    _query(
                        "account",
                        _TEXT,
                        "The account that it is for; else that of the settings, or the only one of the token.",
                    ),
                    _query("sheet", _TEXT, "The sheet to read, where there are several."),
                    _query("columns", _TEXT, "The id columns by heading or letter: course=A,batch=B,learner=C."),
                    _query(
                        "only",
                        {"type": "array", "items": _TEXT},
                        "Which rows are meant, if a column says who stays: COLUMN=VALUE, or all. It may be repeated.",
                    ),
                    _query(
                        "header_row",
                        {"type": "integer", "minimum": 0, "maximum": 99_999_999},
                        "The row with the headings; 0: there are none.",
                    ),
                    _query("hidden", {"type": "string", "enum": [option.value for option in Hidden]}),
                    _query(
                        "open",
                        {"type": "string", "enum": ["leave_out", "include"]},
                        "Rows that another job may still send.",
                    ),
                    _query(
                        "match",
                        {"type": "string", "enum": [match.value for match in Match]},
                        "The learners are named by these, and courses and batches may be names: ask Zoho for the ids. "
                        "It takes two seconds for each call.",
                    ),
                    _query(
                        "check",
                        {"type": "string", "enum": ["no", "yes"]},
                        "Ask Zoho who the learners are; it takes two seconds for each call.",
                    ),
                ],
                body={"content": {"application/octet-stream": {}}, "required": True},
                errors=(404, 408, 413, 422, 503),
            )
        },
        "/plans/{plan}": {
            "get": _operation(
                "An unconfirmed plan.", {200: _json(UploadedPlan, "The plan.")}, [plan], errors=(404, 409, 422)
            )
        },
        "/plans/{plan}/rows": {
            "get": _operation(
                "Rows of a plan, 50 a page.",
                {200: _json(RowsPage, "A page of rows.")},
                [plan, page, _query("status", {"type": "string", "enum": planned}), _query("q", _TEXT)],
                errors=(404, 422),
            )
        },
        "/plans/{plan}/confirm": {
            "post": _operation(
                "Confirm exactly this plan and start its job. A second request returns the same job, with an "
                "Idempotency-Key also after a restart of the server.",
                {
                    201: _json(SupervisedJob, "The new job."),
                    200: _json(SupervisedJob, "The job that the plan became before."),
                },
                [plan, {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 255}}],
                body={
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "plan_hash": _TEXT,
                                    "removals": {"type": ["integer", "null"]},
                                    "compared": {
                                        "type": ["integer", "null"],
                                        "description": "The plan's doubtful_ids, once a person has compared them.",
                                    },
                                },
                                "required": ["plan_hash"],
                            }
                        }
                    },
                },
                errors=(404, 409, 413, 415, 422),
            )
        },
        "/jobs": {
            "get": _operation(
                "The jobs of the token's accounts, the newest first, 100 a page. `q`: part of the file's name.",
                {200: _json(JobsPage, "A page of jobs.")},
                [page, _query("state", {"type": "string", "enum": states}), _query("q", _TEXT)],
            )
        },
        "/jobs/{job}": {"get": _operation("A job and its counts.", {200: job_response}, [job], errors=not_found)},
        "/jobs/{job}/events": {
            "get": _operation(
                "The events of a job, the oldest first.",
                {200: _json(JobEvents, "The events.")},
                [job],
                errors=not_found,
            )
        },
        "/jobs/{job}/report.{ending}": {
            "get": _operation(
                "The report: one line for each row of the file.",
                {
                    200: {
                        "description": "The report.",
                        "content": {
                            "text/csv": {},
                            "application/jsonl": {},
                            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {},
                        },
                    }
                },
                [job, _in_path("ending", {"type": "string", "enum": ["csv", "xlsx", "jsonl"]})],
                errors=not_found,
            )
        },
        "/jobs/{job}/pause": {"post": _operation("Pause a job.", {200: job_response}, [job], errors=not_found)},
        "/jobs/{job}/resume": {
            "post": _operation(
                "Resume a job. One that has not run for an hour needs review: `rows` is the number of rows left.",
                {200: job_response},
                [job, _query("rows", {"type": "integer", "minimum": 0, "maximum": 99_999_999})],
                errors=(404, 409),
            )
        },
        "/jobs/{job}/canary": {
            "post": _operation(
                "Confirm that the learner of an account's first removal is `gone`, or that the first person who is put "
                "back is `enrolled`, so that other rows may be sent; or send one row alone `again`, where the "
                "learner's data were erased or deleted, so that nobody can tell.",
                {200: job_response},
                [job, _query("answer", {"type": "string", "enum": ["gone", "enrolled", "again"]}) | {"required": True}],
                errors=(404, 409),
            )
        },
        "/jobs/{job}/cancel": {
            "post": _operation("Cancel a job for good.", {200: job_response}, [job], errors=(404, 409))
        },
    }


def _operation(
    summary: str,
    responses: dict[int, object],
    parameters: list[object] | None = None,
    *,
    body: dict[str, object] | None = None,
    errors: tuple[int, ...] = (),
) -> dict[str, object]:
    """Return an OpenAPI operation object. ``errors``: status codes beside those that every operation may return."""
    failures = {code: _json(Error, "What went wrong, and what to do.") for code in (400, 401, 403, 421, *errors)}
    operation: dict[str, object] = {
        "summary": summary,
        "responses": {str(code): response for code, response in sorted((responses | failures).items())},
    }
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = body
    return operation


def _json(model: type, description: str) -> dict[str, object]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _in_path(name: str, schema: dict[str, object] | None = None) -> dict[str, object]:
    return {"name": name, "in": "path", "required": True, "schema": schema or _TEXT}


def _query(name: str, schema: object, description: str = "") -> dict[str, object]:
    return {"name": name, "in": "query", "schema": schema, "description": description}
