"""What an answer comes to, whatever its shape; success is never read from the status alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.domain.attempt import Attempt, PendingRow, Permit, Reply
from bulkremove.domain.clock import Epoch, Monotonic, later
from bulkremove.domain.operation import ENROLL_LEARNER, OPERATIONS, REMOVE_LEARNER, PlannedOperation
from bulkremove.domain.row import Removal, Status
from bulkremove.engine import decision_table
from bulkremove.engine.circuit_breaker import MAX_LEADING_NOT_FOUND, Breaker, observe, resumed
from bulkremove.engine.decision_table import RULES, Step
from bulkremove.engine.events import RunEnd
from bulkremove.engine.responses import response_of
from bulkremove.zoho import response_parser
from bulkremove.zoho.client import Admission, Exchange
from bulkremove.zoho.error_codes import ACCOUNT_CODES, ROW_CODES, find
from bulkremove.zoho.response_kind import Response, ResponseKind

OK = {"code": "200", "learnerId": "5", "message": "success"}
NOW = Epoch(1_700_000_000.0)
MONO = Monotonic(1000.0)
NOT_DONE: list[Mapping[str, object]] = [
    {"message": "failure"},
    {"message": "Learner could not be removed"},
    {"success": False},
    {"success": "no"},
    {"status": "failed"},
    {"status": 1},
    {"result": "failure"},
    {"result": False},
    {"failedLearners": ["5"]},
    {"errorMessage": "no such learner"},
    {"data": [{"status": "error"}]},
    {"data": {"learners": [{"failed": 1}]}},
    *({"success": no} for no in (0, "0", "maybe")),
    *({"message": said} for said in (["Learner is not in this batch"], {"text": "failure"})),
    *({"data": said} for said in ({"message": "could not be removed"}, [{"code": "COURSE_ALREADY_COMPLETED"}])),
    *({"status": said} for said in ({"code": 1}, ["failure"])),
    *({name: no} for name, no in (("statusCode", 500), ("status_code", 404), ("Code", 400), ("Message", "Failed"))),
    *({name: no} for name, no in (("removedCount", 0), ("deleted_learners", []), ("removed", []), ("isDeleted", []))),
    *(
        {name: no}
        for name, no in (("code ", "400"), ("status-code", 500), ("not removed", ["5"]), ("Error.Message", "x"))
    ),
    *({name: no} for name, no in (("isSuccess", False), ("successful", "no"), ("ok", False), ("is_deleted", "false"))),
    *({name: ["5"]} for name in ("notRemoved", "undeleted", "unprocessed", "skippedLearners", "rejected", "pending")),
    *({name: True} for name in ("denied", "isRefused", "unsuccessful")),
    *({name: no} for name, no in (("exception", "NPE"), ("removed", False), ("result", "not removed"), ("result", 0))),
    *({name: True} for name in ("dryRun", "dry_run", "isSimulation", "queued", "testMode", "partial", "noChange")),
    *(
        {name: no}
        for name, no in (("state", "PENDING"), ("warnings", ["not enrolled"]), ("warning", "x"), ("ignored", 1))
    ),
    *({name: no} for name, no in (("state", ["SCHEDULED"]), ("removalStatus", "QUEUED"), ("jobState", "accepted"))),
    *({name: said} for name, said in (("isEnrolled", True), ("async", True), ("successCount", 0))),
    *({"data": said} for said in ({"state": "in progress"}, {"outcome": "none"}, [{"affected": 0}])),
]
"""Members beside a documented success that take it back."""


ZOHO_NOT_FOUND: list[object] = [
    *({"code": f"{who}_NOT_FOUND"} for who in ("LEARNER", "MEMBER", "EMPLOYEE", "COURSE", "BATCH", "BATCH_MEMBER")),
    *({"code": code} for code in ("LEARNER_NOT_ENROLLED", "LEARNER_DOES_NOT_EXIST", "COURSE_NOT_EXIST")),
    {"code": "404", "message": 'The learner is not in the course "Server and API policy"'},
    {"code": "LEARNER_NOT_FOUND", "message": "No such learner"},
    {"code": "404", "message": "Not found", "learnerId": "5"},
    {"code": "NO_SUCH_LEARNER", "message": "x", "details": {}, "status": "error"},
    {"response": {"message": "Error occurred", "uri": "/x", "errors": [{"code": 7049, "message": "x"}], "status": 1}},
    {"code": "404", "message": "This user is not in the batch"},
    {"code": "404", "message": "No such user in this course"},
    {"errors": {"code": "7049", "message": "x"}, "status": 1},
    {"error": {"code": 7049, "message": "x"}},
    {"error": {"code": 7024, "message": "No records found"}},
]
"""What a 404 of Zoho People may look like: its documented success and error formats, with a code of its own."""
FOREIGN_NOT_FOUND: list[object] = [
    *(
        {"code": code, "message": "x"}
        for code in (
            "INTERNAL_ERROR",
            "PERMISSION_DENIED",
            "NO_HEALTHY_UPSTREAM",
            "HTTP_404",
            "ERR_404",
            "UPSTREAM_NOT_FOUND",
            "TENANT_NOT_FOUND",
            "ORG_NOT_FOUND",
            "DEPLOYMENT_NOT_FOUND",
            "RESOURCE_NOT_FOUND",
            "SERVER_NOT_FOUND",
            "TEMPORARILY_UNAVAILABLE",
            "REQUEST_BLOCKED",
            "NOT_FOUND",
            "USER_NOT_FOUND",
            "LEARNER_API_NOT_FOUND",
            "COURSE_SESSION_NOT_FOUND",
            "LEARNER_LOCKED",
            "COURSE_UPDATE_FAILED",
            "learner_not_found",
        )
    ),
    *(
        {"error": {"code": code, "message": "x"}}
        for code in ("INTERNAL_ERROR", "DEPLOYMENT_NOT_FOUND", "TENANT_NOT_FOUND")
    ),
    *(
        {"code": "404", "message": text}
        for text in (
            "no Route matched with those values",
            "The requested URL was not found on this server",
            "no healthy upstream",
            "HTTP 404 Not Found",
            "Page not found",
            "Service unavailable",
            "Blocked by policy",
            "User not found",
            "Account not found",
            "Session not found",
            "Invalid token",
            "No such API key",
            "Sign in to see this batch",
        )
    ),
    {"code": "404", "errors": [{"message": "no such page"}]},
    {"code": "404", "errors": "no such page"},
    {"code": "LEARNER_NOT_FOUND", "message": "no Route matched with those values"},
    {"code": "404", "error": {"message": "no healthy upstream"}},
    {"message": "no Route matched with those values"},
    {"message": "Not Found"},
    {"code": 404, "message": "Not Found"},
    {"code": 404, "message": "HTTP 404 Not Found"},
    {"code": 5, "message": "Not Found", "details": []},
    {"status": 404, "error": "Not Found", "path": "/api/v1/courses"},
    {"timestamp": "2026-01-01", "status": 404, "error": "Not Found", "message": "", "code": "404", "path": "/x"},
    {"error": {"code": 404, "message": "Not found", "status": "NOT_FOUND"}},
    {"error": {"code": "ResourceNotFound", "message": "x"}},
    {"error": {"code": "404", "message": "Resource not found"}},
    {"errors": [{"code": "404", "title": "Not found"}]},
    {"statusCode": 404, "message": "Resource not found"},
    {"code": "404", "type": "Status report", "message": "Not Found", "description": "The resource is not available."},
    {"code": "not_found", "message": "x"},
    {"code": "404", "message": "x", "request_id": "abc"},
    {"code": "404", "status": 404, "message": "x"},
    {"code": "500", "message": "x"},
    {"code": "404", "errors": [{"code": 500, "message": "x"}]},
    b'{"code": "500", "code": "404", "message": "x"}',
    {"code": "INVALID_URL_PATTERN", "message": "Please check if the URL is a correct one", "status": "error"},
    {"error": {"code": 7011, "message": "Invalid form name"}},
    {"error": {"code": 7048, "message": "No such user"}},
    {"error": {"code": 7020, "message": "No such field"}},
    {"response": {"message": "Error occurred", "uri": "/x", "errors": [{"code": 9001, "message": "x"}], "status": 1}},
    {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "x"},
]
"""Bodies of gateways and frameworks in front of Zoho People, and codes that are about the address, not the learner."""
REMOVED_IN_WORDS = {"data": {"learnerId": "5"}, "message": "Learner removed successfully", "status": "success"}
CLAIMS: list[tuple[int, object]] = [
    *((status, REMOVED_IN_WORDS) for status in (302, 307, 400, 401, 403, 405)),
    *((status, {"message": "Learner 478346000019558000 was deleted."}) for status in (400, 401, 403)),
    *((403, {name: value}) for name, value in (("removed", True), ("isDeleted", "true"), ("removedLearners", ["5"]))),
    *((400, {name: value}) for name, value in (("success", True), ("status", "success"), ("status", 0), ("ok", 1))),
    *((404, {"code": "404", "message": text}) for text in ("Learner removed successfully", "removed.", "Success")),
    (404, {"code": "LEARNER_NOT_FOUND", "message": "The learner was removed successfully"}),
    (404, {"code": "404", "message": "x", "details": {"removed": 1}}),
    (404, {"code": "404", "data": {"success": True}}),
    (404, {"code": "404", "message": "x", "details": [{"status": "removed"}]}),
    (404, {"code": "404", "message": "x", "data": {"learner": {"removed": "true"}}}),
    (404, {"error": {"code": 7049}, "status": 0}),
    (400, {"code": "INVALID_INPUT", "message": "Learner removed successfully"}),
    (400, {"code": "COURSE_ALREADY_COMPLETED", "data": [{"code": 200}]}),
    (400, b'{"code": "200", "code": "INVALID_INPUT"}'),
    *((400, {"code": code, "status": "success"}) for code in ("7201", "7202", "7218", "COURSE_ALREADY_COMPLETED")),
]
"""Answers that claim a removal beside a status or a code that says otherwise."""
NO_CLAIMS: list[Mapping[str, object]] = [
    *({"message": text} for text in ("The learner was not removed", "Could not be deleted", "Already removed")),
    *({name: value} for name, value in (("removed", 0), ("success", "false"), ("deletedLearners", []), ("ok", None))),
    *({name: value} for name, value in (("courseName", "Removed"), ("notRemoved", ["5"]), ("unsuccessful", True))),
    *({"status": value} for value in ("error", 1, "failure", 404)),
]
"""Members of a refusal that claim nothing."""
BLOCKED = "API access blocked since threshold limit exceeded. Please try after some time"
LIMITS: list[object] = [
    {"response": {"message": BLOCKED, "uri": "/x", "status": 1}},
    *({name: BLOCKED} for name in ("reason", "msg", "errorMessage", "Message", "data", "details")),
    *({name: {"message": BLOCKED}} for name in ("data", "details", "message")),
    *({name: [BLOCKED]} for name in ("message", "details")),
    {"title": "Too Many Requests", "status": 429, "detail": "x"},
    {
        "error_description": "You have made too many requests continuously.",
        "error": "Access Denied",
        "status": "failure",
    },
    {
        "error": {
            "status_code": 400,
            "details": {"reason": "Cannot execute more than 100 requests per API in 2 minutes."},
        }
    },
    *(
        {"code": code, "message": "Please contact your admin"}
        for code in (
            *(
                "TOO_MANY_REQUESTS",
                "THRESHOLD_LIMIT_EXCEEDED",
                "RATE_LIMIT_EXCEEDED",
                "API_THROTTLED",
                "LIMIT_EXCEEDED",
            ),
            *("URL_CONCURRENCY_THROTTLES_LIMIT_EXCEEDED", "THROTTLES_LIMIT_EXCEEDED", "429", "422", 7209.0),
        )
    ),
    *({"error": {"code": code}} for code in (422, "429")),
    *({"message": text} for text in ("API throttle limit crossed", "Request limit reached, try again in 5 minutes")),
    *({"message": text} for text in ("Please retry after 300 seconds", "API call limit exceeded")),
    {"message": "You have exceeded the maximum number of API calls per day"},
    *({"message": text} for text in ('Failed: "Too many requests"', f"Error '{BLOCKED}'")),
    {"errorCode": 7209},
    [{"code": 7209}],
    *({name: {name: {"code": 7209}}} for name in ("error", "errors", "data")),
    {"response": {"result": {"code": 7209}}},
    {"response": {"errors": [[{"code": 7209}]]}},
]
"""Bodies that tell of the limit beside a status that does not."""
SERVER_FAILURES: list[object] = [
    *(
        {"code": code, "message": "x"}
        for code in ("500", 503, "INTERNAL_ERROR", "REQUEST_TIMED_OUT", "GATEWAY_TIMEOUT")
    ),
    *({"error": {"code": code}} for code in (504, "SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT")),
    *({"code": "X", "message": text} for text in ("Internal Server Error", "The request timed out", "Gateway timeout")),
]
"""Bodies that tell of a failure of the server beside another status: what was done before it is not known."""
NO_LIMITS: list[object] = [
    {"code": "NEW_CODE", "data": {"courseName": BLOCKED, "batch": {"title": "Too many requests"}}},
    {"code": "NEW_CODE", "message": "The batch \"Too many requests\" is over, and so is course 'Rate limit'"},
    {"code": "NEW_CODE", "message": "Throttle bodies of cars is over"},
    {"code": "NEW_CODE", "message": "Please try another batch"},
]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"code": "200", "message": "success"}, ResponseKind.CONTRADICTORY),
        (200, {"code": "200", "message": "Learner removed"}, ResponseKind.CONTRADICTORY),
        (404, {"code": "404", "message": "Not found"}, ResponseKind.NOT_FOUND_FOREIGN),
        (400, {"code": "INVALID_INPUT", "message": "x"}, ResponseKind.UNEXPECTED),
        (400, {"code": "COURSE_ALREADY_COMPLETED", "message": "x"}, ResponseKind.UNEXPECTED),
        (403, {"code": "403", "message": "x"}, ResponseKind.UNEXPECTED),
        (401, {"code": "7213", "message": "x"}, ResponseKind.UNAUTHORIZED_UNPROVEN),
        (429, {"code": "429", "message": "x"}, ResponseKind.LIMITED_UNPROVEN),
        (500, {"code": "500", "message": "x"}, ResponseKind.SERVER_ERROR),
    ],
)
def test_an_answer_from_a_cache_proves_nothing_about_this_call(
    status: int, body: object, expected: ResponseKind
) -> None:
    reply = Reply(status, json.dumps(body).encode(), age=42)
    response = response_parser.parse(reply, now=NOW)
    assert (expected, True) == (response.kind, response.text.startswith("An answer from a cache, 42 seconds old"))
    assert expected is not response_parser.parse(replace(reply, age=0), now=NOW).kind or status == 500
    assert RULES[response.kind].open, "the call may have had its effect"


def response_kind(status: int, body: object, **headers: Any) -> ResponseKind:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return response_parser.parse(Reply(status, raw, **headers), now=NOW).kind


def legacy(code: object, message: str = "x") -> object:
    return {"response": {"message": "Error occurred", "errors": {"code": code, "message": message}, "status": 1}}


@pytest.mark.parametrize(
    ("expected", "status", "body"),
    [
        (ResponseKind.REMOVED, 200, OK),
        (ResponseKind.REMOVED, 200, {**OK, "code": 200}),
        (ResponseKind.REMOVED, 201, OK),
        (ResponseKind.CONTRADICTORY, 202, OK),
        (ResponseKind.CONTRADICTORY, 204, b""),
        (ResponseKind.CONTRADICTORY, 200, b""),
        (ResponseKind.CONTRADICTORY, 200, {"message": "success"}),
        (ResponseKind.CONTRADICTORY, 200, {**OK, "code": "201"}),
        (ResponseKind.CONTRADICTORY, 200, {**OK, "error": "no"}),
        (ResponseKind.CONTRADICTORY, 200, {**OK, "errors": [{"code": 1}]}),
        (ResponseKind.CONTRADICTORY, 200, {**OK, "status": "failure"}),
        (ResponseKind.CONTRADICTORY, 200, {**OK, "response": {"status": 1}}),
        (ResponseKind.CONTRADICTORY, 200, b'{"code": "200", "code": "200"}'),
        (ResponseKind.CONTRADICTORY, 200, {"code": True}),
        *(
            (ResponseKind.CONTRADICTORY, 200, b'{"code": %s, "message": "success"}' % code)
            for code in (b"200.0", b"2e2", b'" 200 "', b'"200.0"', b"[200]")
        ),
        (ResponseKind.CONTRADICTORY, 200, b'{"code": "200", "message": "success", "removed": NaN}'),
        *((ResponseKind.SERVER_ERROR, status, body) for status in (400, 403) for body in SERVER_FAILURES),
        *((ResponseKind.CONTRADICTORY, 200, body) for body in SERVER_FAILURES),
        (ResponseKind.BAD_REQUEST, 400, {"code": "INVALID_INPUT", "message": "Internal error in the id"}),
        (
            ResponseKind.BAD_REQUEST,
            400,
            {"code": "X", "message": "The course Timeout is over", "courseName": "Server error"},
        ),
        (ResponseKind.NOT_JSON, 200, b"<html>sign in</html>"),
        (ResponseKind.NOT_FOUND_FOREIGN, 404, b"<html><script>run(function($rootScope){})</script>Not here</html>"),
        (ResponseKind.SEE_OTHER, 303, b"<html>please try again after some time</html>"),
        (ResponseKind.REDIRECTED, 302, b"<html>too many requests</html>"),
        (ResponseKind.LIMITED_UNPROVEN, 200, {**OK, "error": {"code": "X", "message": "threshold limit exceeded"}}),
        (ResponseKind.LIMITED_UNPROVEN, 200, {**OK, "message": "API access blocked since threshold limit exceeded"}),
        *((ResponseKind.CONTRADICTORY, 200, {**OK, **wrong}) for wrong in NOT_DONE),
        (ResponseKind.REMOVED, 200, {"code": 200}),
        *((ResponseKind.CONTRADICTORY, status, OK) for status in (206, 207)),
        (ResponseKind.CONTRADICTORY, 200, {"code": "404", "message": "success", "learnerId": "1"}),
        (ResponseKind.CONTRADICTORY, 200, {"code": "INVALID_INPUT", "message": "success"}),
        (ResponseKind.CONTRADICTORY, 202, {"code": "404"}),
        *((ResponseKind.LIMITED, 429, {"code": code}) for code in ("INVALID_INPUT", "7202")),
        (ResponseKind.REMOVED, 200, {**OK, "message": "Success", "success": True, "failedLearners": [], "result": {}}),
        (
            ResponseKind.REMOVED,
            200,
            {**OK, "state": "removed", "warnings": [], "dryRun": False, "batchStatus": "active"},
        ),
        (ResponseKind.REMOVED, 200, {**OK, "batchName": "Pending", "data": {"courseTitle": "Queued"}}),
        (ResponseKind.REMOVED, 200, {**OK, "batchName": "Threshold concepts", "courseName": "Telescope"}),
        *(
            (ResponseKind.REMOVED, 200, {**OK, **nothing})
            for nothing in (
                {"errorCode": "0"},
                {"hasErrors": "false"},
                {"errors": "false"},
                {"warning": "None"},
                {"isEnrolled": False},
                {"unenrolled": True},
            )
        ),
        *(
            (ResponseKind.CONTRADICTORY, 200, {**OK, name: text})
            for name, text in (
                ("info", "Learner is not in this batch"),
                ("description", "Request accepted; will be processed"),
                ("details", ["Learner could not be removed"]),
            )
        ),
        (ResponseKind.REMOVED, 200, {**OK, "info": "One learner removed", "batchName": "Not yet started"}),
        (ResponseKind.CONTRADICTORY, 200, b"[1]"),
        (ResponseKind.CONTRADICTORY, 200, b"[" * 100_000),
        (ResponseKind.CONTRADICTORY, 200, b"null"),
        (ResponseKind.CONTRADICTORY, 200, b'"success"'),
        (ResponseKind.CONTRADICTORY, 200, b'{"code": "200", "mess'),
        (ResponseKind.NOT_FOUND, 404, {"code": "404", "message": "No learner in the course Threshold limit"}),
        (ResponseKind.NOT_FOUND, 404, {"code": "404", "message": "The scope of Telescope is missing"}),
        (ResponseKind.REFUSED_BY_RULE, 400, {"code": "COURSE_ALREADY_COMPLETED", "message": "x"}),
        (ResponseKind.REFUSED_BY_RULE, 400, {"code": "UNSUPPORTED_OPERATION", "message": "Not found"}),
        (ResponseKind.REFUSED_BY_RULE, 200, {"code": "COURSE_ALREADY_COMPLETED"}),
        (ResponseKind.BAD_REQUEST, 400, {"code": "INVALID_INPUT", "message": "Invalid scope Telescope"}),
        (ResponseKind.BAD_REQUEST, 400, {"code": "INVALID_INPUT", "message": "threshold limit exceeded, as a name"}),
        (ResponseKind.BAD_REQUEST, 400, {"code": "NEW_CODE", "message": "Threshold concepts is over"}),
        (ResponseKind.BAD_REQUEST, 400, {"code": "NEW_CODE", "message": 'The course "Too many requests" is over'}),
        (
            ResponseKind.LIMITED,
            400,
            {"code": "NEW_CODE", "message": "Try again after 22 minutes."},
        ),
        (ResponseKind.LIMITED, 403, {"code": "NEW_CODE", "message": "API access blocked. Please try after some time"}),
        (ResponseKind.SCOPE_MISSING, 403, {"message": "Invalid OAuth scope"}),
        (ResponseKind.BAD_REQUEST, 400, {"code": "X", "message": "Course scope is not valid for this learner"}),
        (ResponseKind.BAD_REQUEST, 400, {"code": "X", "message": "Invalid course scope"}),
        (ResponseKind.FORBIDDEN, 403, {"code": "1", "message": "No access to Telescope"}),
        (ResponseKind.NOT_FOUND, 404, {"code": "404", "message": "Not found"}),
        (ResponseKind.NOT_FOUND, 404, legacy(7049)),
        (ResponseKind.NOT_FOUND, 200, {"code": "404"}),
        (ResponseKind.NOT_FOUND_FOREIGN, 404, b"<html>"),
        (ResponseKind.NOT_FOUND_FOREIGN, 404, {"message": "nothing here"}),
        *((ResponseKind.NOT_FOUND, 404, body) for body in ZOHO_NOT_FOUND),
        *((ResponseKind.NOT_FOUND_FOREIGN, 404, body) for body in FOREIGN_NOT_FOUND),
        *((ResponseKind.CONTRADICTORY, 200, body) for body in FOREIGN_NOT_FOUND),
        (ResponseKind.LIMITED, 404, {"code": 404, "message": "Too many requests"}),
        (ResponseKind.UNEXPECTED, 404, {"code": "404", "message": "success"}),
        (ResponseKind.UNEXPECTED, 400, {"code": "INVALID_INPUT", "message": "success"}),
        (ResponseKind.BAD_REQUEST, 400, {"code": "INVALID_INPUT"}),
        (ResponseKind.BAD_REQUEST, 200, {"code": "INVALID_INPUT"}),
        (ResponseKind.FORBIDDEN, 403, {"code": "403"}),
        (ResponseKind.FORBIDDEN, 200, legacy(9009)),
        *(
            (ResponseKind.UNAUTHORIZED_UNPROVEN, 401, body)
            for body in (
                b"",
                b"<html>Sign in</html>",
                b"<html>insufficient scope</html>",
                b'{"code": 72',
                [],
                [{"code": 7213}],
            )
        ),
        (ResponseKind.UNAUTHORIZED, 401, {"message": "Unauthorized"}),
        (ResponseKind.UNAUTHORIZED, 401, legacy(7213)),
        (ResponseKind.UNAUTHORIZED, 200, legacy(7213)),
        (ResponseKind.UNAUTHORIZED, 200, {"error": {"code": 7213, "message": "x"}}),
        (ResponseKind.UNAUTHORIZED, 400, legacy(7202)),
        (ResponseKind.SCOPE_MISSING, 401, legacy(7218)),
        (ResponseKind.SCOPE_MISSING, 403, {"code": "INVALID_OAUTHSCOPE"}),
        (ResponseKind.WRONG_DATA_CENTER, 400, legacy(7201)),
        (ResponseKind.LIMITED, 422, {"code": "422"}),
        (ResponseKind.LIMITED, 429, b""),
        (ResponseKind.LIMITED, 200, legacy(7209)),
        (ResponseKind.LIMITED, 200, {"error": "Too many requests"}),
        (ResponseKind.LIMITED, 400, {"error": {"title": "URL_ROLLING_THROTTLES_LIMIT_EXCEEDED"}}),
        (ResponseKind.LIMITED, 400, b"<html>Try again after 5 minutes</html>"),
        (ResponseKind.LIMITED_UNPROVEN, 503, b"<html>too many requests</html>"),
        (ResponseKind.LIMITED_UNPROVEN, 200, b"<html>access blocked</html>"),
        (ResponseKind.SERVER_ERROR, 500, legacy(7213)),
        (ResponseKind.SERVER_ERROR, 502, b"<html>"),
        (ResponseKind.REDIRECTED, 302, b""),
        *(
            (ResponseKind.UNEXPECTED, status, body)
            for status in (400, 403)
            for body in (b"", b"<html>Sorry</html>", b"null", b'{"code": "INVALID_INP', [], [{"code": "INVALID_INPUT"}])
        ),
        (ResponseKind.SEE_OTHER, 303, b""),
        (ResponseKind.UNEXPECTED, 418, b""),
        (ResponseKind.UNEXPECTED, 400, OK),
        (ResponseKind.UNEXPECTED, 304, b""),
        *((ResponseKind.UNEXPECTED, status, OK) for status in (301, 302, 303, 307, 308)),
        (ResponseKind.LIMITED_UNPROVEN, 303, {"code": "303", "message": "too many requests"}),
    ],
)
def test_each_response_has_its_kind(expected: ResponseKind, status: int, body: object) -> None:
    assert expected == response_kind(status, body)


@pytest.mark.parametrize(("status", "body"), CLAIMS)
def test_whatever_claims_a_removal_beside_something_else_stays_open(status: int, body: object) -> None:
    assert ResponseKind.UNEXPECTED is response_kind(status, body)
    assert ResponseKind.CONTRADICTORY is response_kind(200, body)
    assert ResponseKind.LIMITED_UNPROVEN is response_kind(429, body)


def test_a_limit_beside_a_claimed_success_is_a_limit_and_stays_open() -> None:
    for body in ({"status": "success", "error": {"code": 7209}}, {"message": "success", "error": "too many requests"}):
        assert ResponseKind.LIMITED_UNPROVEN is response_kind(200, body)
        assert ResponseKind.LIMITED_UNPROVEN is response_kind(400, body)
    for status in (422, 429):
        assert ResponseKind.LIMITED_UNPROVEN is response_kind(status, {"message": "success", "learnerId": "5"})


@pytest.mark.parametrize("body", LIMITS)
def test_a_limit_is_recognized_in_whatever_form_it_comes(body: object) -> None:
    for status in (200, 400, 403, 404):
        assert ResponseKind.LIMITED is response_kind(status, body)


@pytest.mark.parametrize("body", NO_LIMITS)
def test_what_a_course_is_called_tells_of_no_limit(body: object) -> None:
    assert ResponseKind.BAD_REQUEST is response_kind(400, body)


def test_codes_come_before_the_status_400() -> None:
    assert ResponseKind.UNAUTHORIZED is response_kind(400, {"code": "401", "message": "x"})
    assert ResponseKind.FORBIDDEN is response_kind(400, {"error": {"code": 403, "message": "x"}})
    assert ResponseKind.BAD_REQUEST is response_kind(400, {"code": "404", "message": "x"})


@pytest.mark.parametrize("more", NO_CLAIMS)
def test_what_claims_no_removal_leaves_a_refusal_a_refusal(more: Mapping[str, object]) -> None:
    assert ResponseKind.REFUSED_BY_RULE is response_kind(400, {"code": "COURSE_ALREADY_COMPLETED", **more})


@pytest.mark.parametrize(
    ("expected", "header", "text"),
    [
        (120.0, "120", ""),
        (60.0, "Tue, 14 Nov 2023 22:14:20 GMT", ""),
        (0.0, "Tue, 14 Nov 2000 22:14:20 GMT", ""),
        (None, "Mon, 14 Nov 2023 22:14:20 +99999999999999", ""),
        (1320.0, None, "Try again after 22 minutes."),
        (3000.0, "1\n3000", ""),
        (3000.0, "3000\n1", ""),
        (1320.0, "5", "Try again after 22 minutes."),
        (300.0, None, "Please retry in 300 seconds"),
        (None, "soon", ""),
    ],
)
def test_what_the_server_asks_for_is_read_from_header_and_text(
    expected: float | None, header: str | None, text: str
) -> None:
    body = json.dumps({"code": "429", "message": text}).encode()
    assert expected == response_parser.parse(Reply(429, body, retry_after=header), now=NOW).wait


NAMES = st.sampled_from([*OK, "error", "errors", "status", "response", "x"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["200", "success", 200])
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=8
)


@given(status=st.integers(100, 599), body=JSON.map(lambda tree: json.dumps(tree).encode()) | st.binary(max_size=80))
def test_nothing_raises_and_success_is_only_the_documented_one(status: int, body: bytes) -> None:
    if response_kind(status, body) is ResponseKind.REMOVED:
        tree = json.loads(body)
        assert 200 <= status <= 299
        assert status not in (202, 204)
        assert str(tree["code"]) == "200"
        assert not any(tree.get(name) for name in ("error", "errors"))


@given(text=st.text(st.characters(), max_size=12), status=st.sampled_from([200, 400, 404, 429, 500]))
def test_what_is_stored_of_an_answer_can_be_written_and_shown(text: str, status: int) -> None:
    bodies = [{"code": text, "message": text, "learnerId": text}, {**OK, "learnerId": text}, {"errors": {"code": text}}]
    for body in bodies:
        found = response_parser.parse(Reply(status, json.dumps(body).encode()), now=NOW)
        for stored in (found.api_code or "", found.learner or "", found.text):
            assert stored.encode().decode().isprintable()


def attempt(found: ResponseKind | None) -> Attempt:
    return Attempt(1, NOW, MONO, "boot", found.value if found else None)


OPEN = [None, *(found for found, rule in RULES.items() if rule.open)]


@pytest.mark.parametrize("before", OPEN)
@pytest.mark.parametrize("now", list(ResponseKind))
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_after_an_open_attempt_no_row_is_told_as_untouched(
    operation: PlannedOperation, before: ResponseKind | None, now: ResponseKind
) -> None:
    verdict = decision_table.judge(Response(now, 400), [attempt(before)], operation)
    assert verdict.status not in (Status.REFUSED, Status.NOT_FOUND, Status.NOT_SENT)


@pytest.mark.parametrize("now", [found for found, rule in RULES.items() if rule.step is Step.RETRY])
def test_the_third_open_attempt_is_unknown(now: ResponseKind) -> None:
    assert Step.RETRY is decision_table.judge(Response(now), [attempt(None)], REMOVE_LEARNER).step
    twice = [attempt(None), attempt(None)]
    assert Status.UNKNOWN is decision_table.judge(Response(now), twice, REMOVE_LEARNER).status


class Clock:
    boot = "boot"
    speed = 1.0

    def __init__(self, wall: Epoch, mono: Monotonic) -> None:
        self._wall, self._mono = wall, mono

    def wall(self) -> Epoch:
        return self._wall

    def monotonic(self) -> Monotonic:
        return self._mono

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


@pytest.mark.parametrize(
    ("late", "wall", "mono", "boot"),
    [
        (False, 900.0, 900.0, "boot"),
        (True, 901.0, 1.0, "boot"),
        (True, 1.0, 901.0, "boot"),
        (True, 1.0, 1.0, "another boot"),
        (False, -50.0, 20.0, "boot"),
    ],
)
def test_fifteen_minutes_count_by_the_more_pessimistic_clock(late: bool, wall: float, mono: float, boot: str) -> None:
    clock = Clock(later(NOW, wall), later(MONO, mono))
    clock.boot = boot
    assert late == (decision_table.too_late([attempt(None)], clock) is not None)


@pytest.mark.parametrize(
    ("named", "expected"),
    [("5", ResponseKind.NOT_FOUND), (None, ResponseKind.NOT_FOUND), ("6", ResponseKind.NOT_FOUND_FOREIGN)],
)
def test_a_404_that_names_another_learner_says_nothing_of_this_one(named: str | None, expected: ResponseKind) -> None:
    body = {"code": "LEARNER_NOT_FOUND", "message": "x", **({"learnerId": named} if named else {})}
    pending_row = PendingRow("job", 0, 2, Removal("1", "2", "5"))
    admission = Admission(Permit(pending_row, attempt(None), 1, MONO), "token")
    response = response_of(Exchange(admission, Reply(404, json.dumps(body).encode())), REMOVE_LEARNER, now=NOW)
    assert (expected, None) == (response.kind, response.learner)


def test_a_lock_in_between_neither_makes_nor_breaks_a_sequence() -> None:
    breaker, run_end = Breaker(), None
    for found in (
        ResponseKind.FORBIDDEN,
        ResponseKind.LIMITED,
        ResponseKind.FORBIDDEN,
        ResponseKind.UNAUTHORIZED,
        ResponseKind.FORBIDDEN,
    ):
        assert run_end is None
        breaker, run_end, _ = observe(breaker, Response(found, 403), inferred=False, sent_at=MONO, now=MONO)
    assert run_end is not None
    assert run_end.is_final


@given(repeat=st.integers(1, 9), dice=st.floats(0, 1, exclude_max=True))
def test_the_back_off_is_jittered_and_bounded(repeat: int, dice: float) -> None:
    assert 0 <= decision_table.back_off_seconds(repeat, dice) <= min(60.0, 4.0 * 2 ** (repeat - 1))


def observed(breaker: Breaker, kind: ResponseKind, *, inferred: bool = False) -> tuple[Breaker, RunEnd | None]:
    after, run_end, _ = observe(breaker, Response(kind, 404), inferred=inferred, sent_at=MONO, now=MONO)
    return after, run_end


def test_each_resume_allows_ten_more_missing_learners_and_no_resume_eleven_before() -> None:
    for before, allowed in ((0, 10), (9, 1), (10, 10), (20, 10)):
        breaker, run_end, seen = resumed({"not_found": before}, expect_missing=False), None, 0
        while run_end is None and seen < 30:
            breaker, run_end = observed(breaker, ResponseKind.NOT_FOUND)
            seen += 1
        assert allowed == seen, f"{before} were missing before"
    breaker, run_end = observed(resumed({"not_found": 9, "forbidden": 1}, expect_missing=False), ResponseKind.NOT_FOUND)
    assert run_end is None, "Zoho knew one of them"
    breaker = resumed({"not_found": 50}, expect_missing=True)
    assert observed(breaker, ResponseKind.NOT_FOUND)[1] is None


def test_five_refusals_in_the_same_unknown_words_end_a_run_wherever_they_come() -> None:
    def after(*responses: Response) -> RunEnd | None:
        breaker, run_end = observed(Breaker(), ResponseKind.REMOVED)
        for response in responses:
            assert run_end is None
            breaker, run_end, _ = observe(breaker, response, inferred=False, sent_at=MONO, now=MONO)
        return run_end

    unknown = Response(ResponseKind.BAD_REQUEST, 400, "NEW_CODE", "Please wait")
    removed, limited = Response(ResponseKind.REMOVED, 200), Response(ResponseKind.LIMITED, 429)
    assert after(*[unknown] * 4) is None
    run_end = after(*[unknown] * 2, limited, *[unknown] * 3)
    assert run_end is not None
    assert not run_end.is_final, "the rest can be resumed"
    assert after(*[unknown] * 4, removed, unknown) is None
    assert after(*[unknown] * 4, replace(unknown, text="Another"), unknown) is None
    assert after(*[replace(unknown, meaning="Zoho says that an id is wrong.")] * 9) is None, "a known code"


def test_a_404_that_proves_a_removal_is_no_missing_learner() -> None:
    breaker, run_end = Breaker(), None
    for _ in range(MAX_LEADING_NOT_FOUND + 2):
        breaker, run_end = observed(breaker, ResponseKind.NOT_FOUND, inferred=True)
        assert run_end is None
    for _ in range(MAX_LEADING_NOT_FOUND - 1):
        breaker, run_end = observed(breaker, ResponseKind.NOT_FOUND)
        assert run_end is None
    _, run_end = observed(breaker, ResponseKind.NOT_FOUND)
    assert run_end is not None, "a lost answer for a wrong id looks like a removal, so it doesn't prove the ids right"


def test_a_code_of_the_account_counts_before_one_of_a_row() -> None:
    """Two of one body: a row's refusal beside a throttle would settle a row that was only told to wait."""
    assert not ROW_CODES.keys() & ACCOUNT_CODES.keys()
    pairs = [(row, code, frozenset({row, code})) for row in ROW_CODES for code in ACCOUNT_CODES]
    assert [] == [(row, code) for row, code, both in pairs if find(both) is not ACCOUNT_CODES[code]]


def test_an_operation_that_nobody_has_described_is_never_a_removal_by_not_found() -> None:
    other = replace(ENROLL_LEARNER, name="another one")
    open_attempt = Attempt(1, NOW, MONO, "boot")
    for earlier in ([], [open_attempt]):
        verdict = decision_table.judge(Response(ResponseKind.NOT_FOUND, 404), earlier, other)
        assert verdict.status is (Status.UNKNOWN if earlier else Status.REFUSED)
