"""The parts of which the OpenAPI document's operations are made: parameters, bodies, responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bulkremove.domain.job import MAX_KEY_LENGTH
from bulkremove.web.parameters import DEFAULT_LIMIT, MAX_LIMIT
from bulkremove.web.problems import CONTENT_TYPE, Problem

SCHEMAS = "#/components/schemas/"
TEXT: Mapping[str, object] = {"type": "string"}
BINARY: Mapping[str, object] = {"type": "string", "format": "binary"}
"""The bytes of a file. OpenAPI 3.1 needs no schema for them, but makers of clients look for this one."""
MAX_NUMBER = 99_999_999
"""The largest number that a parameter may be."""
BYTES = "application/octet-stream"
_COMMON_PROBLEMS = (400, 401, 403, 421, 429)
"""Statuses that every operation may answer with which needs a token."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as the document describes it."""

    id: str
    tag: str
    method: str
    path: str
    summary: str
    responses: Mapping[int, object]
    parameters: Sequence[Mapping[str, object]] = ()
    body: Mapping[str, object] | None = None
    problems: Sequence[int] = ()
    """Status codes of problems beside those that every operation may answer with."""
    is_public: bool = False
    """Whether it needs no token."""

    @property
    def query_names(self) -> frozenset[str]:
        """The names of its query parameters."""
        return frozenset(str(one["name"]) for one in self.parameters if one["in"] == "query")

    def as_json(self) -> dict[str, object]:
        """The OpenAPI operation object."""
        codes = (400, 403, 421, *self.problems) if self.is_public else (*_COMMON_PROBLEMS, *self.problems)
        problems = {code: answer(Problem, "What went wrong, and what to do.", CONTENT_TYPE) for code in codes}
        made: dict[str, object] = {
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "responses": {str(code): response for code, response in sorted({**problems, **self.responses}.items())},
        }
        if self.parameters:
            made["parameters"] = [*self.parameters]
        if self.body:
            made["requestBody"] = self.body
        if self.is_public:
            made["security"] = []
        return made


def answer(model: type, description: str, content_type: str = "application/json") -> dict[str, object]:
    """A response with an object of this class."""
    return {"description": description, "content": {content_type: {"schema": _reference(model)}}}


def created(model: type, description: str) -> dict[str, object]:
    """A response with an object that was just made, and its address."""
    location = {
        "description": "The path of what was made.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    }
    return {**answer(model, description), "headers": {"Location": location}}


def json_body(model: type) -> dict[str, object]:
    """A request body that is an object of this class."""
    return {"required": True, "content": {"application/json": {"schema": _reference(model)}}}


def in_path(name: str, description: str, schema: Mapping[str, object] = TEXT) -> dict[str, object]:
    """A parameter in the path."""
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def in_query(name: str, description: str, schema: Mapping[str, object] = TEXT) -> dict[str, object]:
    """A query parameter, which may be left out."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def one_of(values: Sequence[str]) -> dict[str, object]:
    """The schema of a text that is one of some values."""
    return {"type": "string", "enum": [*values]}


def whole(least: int, most: int = MAX_NUMBER) -> dict[str, object]:
    """The schema of a whole number."""
    return {"type": "integer", "minimum": least, "maximum": most}


def cursor_like(pattern: str) -> dict[str, object]:
    """The parameter with the cursor of a list, which this regular expression describes."""
    return in_query("cursor", "The `next` of the page before.", {"type": "string", "pattern": f"^{pattern}$"})


def _reference(model: type) -> dict[str, str]:
    return {"$ref": f"{SCHEMAS}{model.__name__.removesuffix('Json')}"}


JOB = in_path("job", "The job's id.")
LIMIT = in_query("limit", f"How many at most; {DEFAULT_LIMIT} if it is left out.", whole(1, MAX_LIMIT))
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A text of your own, for one request and its repetitions.",
    "schema": {"type": "string", "maxLength": MAX_KEY_LENGTH},
}
