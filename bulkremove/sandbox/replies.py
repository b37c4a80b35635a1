"""The sandbox's answers: those that Zoho documents, those seen in practice, and those of a proxy or a sign-in page.

Pure values, each with its source. Zoho does not document how the LMS API of Zoho People reports a lock, so there are
six variants. ``zoho`` decides which answer a request gets.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

JSON = "application/json"
HTML = "text/html"


@dataclass(frozen=True, slots=True)
class CannedResponse:
    """An HTTP response of the sandbox."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def _json_answer(status: int, members: Mapping[str, object]) -> CannedResponse:
    return CannedResponse(status, json.dumps(members).encode())


class LockResponse(StrEnum):
    """The form of the answer to a call while the account is locked."""

    STATUS_422 = "422"
    """As documented on the LMS pages ("maximum limit exceeded")."""
    STATUS_429 = "429"
    RETRY_AFTER = "429-retry-after"
    TITLE_400 = "400-title"
    """Zoho's shared throttle, seen on Zoho Projects."""
    CODE_7209 = "200-7209"
    """HTTP 200 with code 7209, the one first-hand report for Zoho People."""
    HTML_400 = "400-html"
    """A web page instead of JSON, seen on Zoho CRM."""


def locked(form: LockResponse, *, calls: int, window: float, remaining: float) -> CannedResponse:
    """The answer of an account that allows ``calls`` in ``window`` seconds and is locked for ``remaining`` seconds."""
    remaining = round(remaining, 6)  # a rounding error of a float would become one more second, or minute
    match form:
        case LockResponse.STATUS_422:
            return plain(422, "422", "Maximum limit exceeded")
        case LockResponse.STATUS_429:
            return plain(429, "429", "Too many requests")
        case LockResponse.RETRY_AFTER:
            answer = plain(429, "429", "Too many requests")
            return CannedResponse(429, answer.body, headers={"Retry-After": str(math.ceil(remaining))})
        case LockResponse.TITLE_400:
            wait = f"{math.ceil(remaining)} seconds" if remaining < 60 else f"{math.ceil(remaining / 60)} minutes"
            text = f"Cannot execute more than {calls} requests per API in {window:g} seconds. Try again after {wait}."
            title = "URL_ROLLING_THROTTLES_LIMIT_EXCEEDED"
            return _json_answer(400, {"error": {"status_code": 400, "title": title, "details": {"message": text}}})
        case LockResponse.CODE_7209:
            text = "API access blocked since threshold limit exceeded. Please try after some time"
            return envelope(200, 7209, text)
        case LockResponse.HTML_400:
            return page(400, "Too many requests. Please try again after some time.")


def removed(learner: str) -> CannedResponse:
    """The documented success (Zoho People, "Remove learner from batch"), whose code is a string."""
    return CannedResponse(200, b'{"code": "200", "learnerId": "%s", "message": "success"}' % learner.encode())


def enrolled() -> CannedResponse:
    """The answer to an enrolment, as inferred from the documented successes of other calls."""
    return CannedResponse(200, b'{"code": "200", "message": "success"}')


def plain(status: int, code: str, message: str) -> CannedResponse:
    """An error as the LMS pages document it: a code and a message at the top level."""
    return _json_answer(status, {"code": code, "message": message})


def envelope(status: int, code: int, message: str) -> CannedResponse:
    """An error in the older format of Zoho People's gateway, with a numeric code inside an envelope."""
    errors = {"code": code, "message": message}
    return _json_answer(status, {"response": {"message": "Error occurred", "errors": errors, "status": 1}})


def page(status: int, heading: str) -> CannedResponse:
    """A web page instead of JSON, as a proxy, a sign-in or a maintenance mode sends it."""
    html = f"<!DOCTYPE html><html><head><title>{status}</title></head><body><h1>{heading}</h1></body></html>"
    return CannedResponse(status, html.encode(), HTML)


def token_refused(error: str) -> CannedResponse:
    """A refusal of the token endpoint, which comes with HTTP 200 (documented in Kaizen 43)."""
    return _json_answer(200, {"error": error})


def token_throttled(status: int) -> CannedResponse:
    """The answer to too many token requests in ten minutes; HTTP 200 is documented, 400 was seen."""
    description = "You have made too many requests continuously. Please try again after some time."
    return _json_answer(status, {"error_description": description, "error": "Access Denied", "status": "failure"})


def token_granted(members: Mapping[str, object]) -> CannedResponse:
    """A success of the token endpoint, with these JSON members."""
    return _json_answer(200, members)


NOT_FOUND = plain(404, "404", "Not found")
BAD_INPUT = plain(400, "INVALID_INPUT", "Invalid input")
FORBIDDEN = plain(403, "403", "Not authorised to do this")
NO_CREDENTIAL = envelope(400, 7202, "Missing or blank credential")
INVALID_TOKEN = envelope(401, 7213, "The provided OAuth token is invalid")
NO_SCOPE = envelope(401, 7218, "Invalid OAuth scope")
WRONG_DATA_CENTER = envelope(400, 7201, "URL Rule is not configured")


def canned(kind: str, *, learner: str, path: str, seconds: float | None) -> CannedResponse | None:
    """The answer that a fault of this kind sends instead of the regular one; None for a kind that replaces none.

    ``seconds``: the Retry-After of a 429 or 5xx. A redirect points back to ``path``, so that the log shows whether the
    client follows it.
    """
    headers = {} if seconds is None else {"Retry-After": f"{seconds:.0f}"}
    if kind in REDIRECTS:
        return CannedResponse(int(kind), b"", HTML, {"Location": path})
    if kind in SERVER_ERRORS:
        return CannedResponse(int(kind), plain(int(kind), kind, "Internal server error").body, headers=headers)
    if kind == "429":
        return CannedResponse(429, plain(429, "429", "Too many requests").body, headers=headers)
    if kind == "contradictory":
        body = {"code": "200", "learnerId": learner, "message": "success", "errors": {"code": 500, "message": "failed"}}
        return _json_answer(200, body)
    return CANNED.get(kind)


REDIRECTS = ("301", "302", "303", "307", "308")
SERVER_ERRORS = ("500", "502", "503", "504")
CANNED: dict[str, CannedResponse] = {
    "202": CannedResponse(202, b'{"code": "202", "message": "accepted"}'),
    "204": CannedResponse(204),
    "400": BAD_INPUT,
    "401": INVALID_TOKEN,
    "403": FORBIDDEN,
    "422": plain(422, "422", "Maximum limit exceeded"),
    "blocked_page": page(403, "Access blocked"),
    "completed": plain(400, "COURSE_ALREADY_COMPLETED", "Course already completed"),
    "failed_learners": CannedResponse(200, b'{"code": "200", "message": "success", "failedLearners": ["1"]}'),
    "failure_in_200": CannedResponse(200, b'{"code": "200", "message": "failure"}'),
    "null": CannedResponse(200, b"null"),
    "blank_credential": NO_CREDENTIAL,
    "empty_200": CannedResponse(200),
    "expired_token": INVALID_TOKEN,
    "forbidden_in_200": envelope(200, 9009, "Permission denied"),
    "gateway_404": _json_answer(404, {"code": 404, "message": "Not Found"}),
    "from_cache": CannedResponse(200, b'{"code": "200", "message": "success"}', headers={"Age": "42"}),
    "html_200": page(200, "Please sign in"),
    "html_401": page(401, "Please sign in"),
    "html_403": page(403, "Access denied by corporate policy"),
    "html_404": page(404, "This page does not exist"),
    "html_502": page(502, "Bad gateway"),
    "internal_error_400": plain(400, "INTERNAL_ERROR", "Internal error"),
    "limit_text_502": page(502, "Too many requests, try again after some time"),
    "other_wording": plain(200, "200", "Learner removed successfully"),
    "scope_missing": NO_SCOPE,
    "unknown_json": CannedResponse(200, b'{"result": "done"}'),
    "wrong_data_centre": WRONG_DATA_CENTER,
}
