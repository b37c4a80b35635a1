"""The OpenAPI document of the HTTP API. Tests compare it with the routes and send generated requests to a server."""

from __future__ import annotations

import inspect
import json
import re
from functools import cache
from typing import Any

from msgspec.json import schema_components

from bulkremove.web import api_models
from bulkremove.web.openapi_jobs import JOB_OPERATIONS
from bulkremove.web.openapi_operations import SCHEMAS, Operation
from bulkremove.web.openapi_plans import PLAN_OPERATIONS
from bulkremove.web.problems import Problem

PREFIX = "/api/v1"
VERSION = "1"
"""Of the API. That of the program is told to nobody who has no token, and the document is for everybody."""
TAGS = {
    "plans": "From a file to a plan, which removes nothing, and to its confirmation.",
    "jobs": "Confirmed plans: how far they are, what became of each row, and what is done about them.",
    "document": "This document.",
}
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
    *PLAN_OPERATIONS,
    *JOB_OPERATIONS,
)
_MODELS = (
    api_models.UploadedPlan,
    api_models.PlannedRows,
    api_models.SupervisedJob,
    api_models.Jobs,
    api_models.JobRows,
    api_models.JobEvents,
    api_models.Drafts,
    api_models.RemovedPeople,
    api_models.FirstRow,
    api_models.Confirmation,
    api_models.Approval,
    api_models.Mismatched,
    api_models.Retry,
    api_models.PutBack,
    api_models.NewNote,
    Problem,
)


@cache
def document_text() -> str:
    """Return the document as JSON text."""
    return json.dumps(document())


def document() -> dict[str, object]:
    """Return the document as a JSON object (OpenAPI 3.1)."""
    paths: dict[str, dict[str, object]] = {}
    for operation in OPERATIONS:
        methods = paths.setdefault(f"{PREFIX}{operation.path}", {})
        methods[operation.method] = operation.as_json()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bulkremove",
            "version": VERSION,
            "description": "Takes learners off Zoho People training batches in bulk. A plan is made from a file and "
            "removes nothing; confirming it by its hash makes it a job. Times are UTC (RFC 3339), durations seconds. "
            "A list has `next`, the `cursor` of its next page. "
            "An error is a problem of RFC 9457 with a `code` that never changes.",
        },
        "security": [{"token": []}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of this server; an admin makes it.",
                }
            },
            "schemas": _schemas(),
        },
    }


def query_names(method: str, path: str) -> frozenset[str]:
    """Return the query parameters of a path (without the prefix); others are refused, as they may be typing errors."""
    return _operation(method, path).query_names


def _operation(method: str, path: str) -> Operation:
    plain = re.sub(r":[^}]+", "", path)
    return next(one for one in OPERATIONS if (one.method.upper(), one.path) == (method, plain))


def _schemas() -> dict[str, Any]:
    """The schemas of all objects by name, without the ending that tells them from the values in the code."""
    made = schema_components(_MODELS, ref_template=f"{SCHEMAS}{{name}}")[1]
    schemas: dict[str, Any] = json.loads(json.dumps(made).replace('Json"', '"'))
    schemas["EndReason"]["enum"].remove("")  # that is null
    schemas["JobState"]["enum"].remove("storing")  # nobody sees such a job
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return schemas
