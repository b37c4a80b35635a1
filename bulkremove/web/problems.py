"""Problems: the errors of the HTTP API as RFC 9457 describes them, each with a code that never changes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import NotRequired, TypedDict

from aiohttp import web

from bulkremove.domain import errors
from bulkremove.domain.errors import BulkremoveError, FileRefused
from bulkremove.domain.table import Choices
from bulkremove.report.json_types import ChoicesJson, ColumnValuesJson

CONTENT_TYPE = "application/problem+json"


class ProblemCode(StrEnum):
    """What kind of problem it is. The values are part of the HTTP API; ``MEANINGS`` says what they mean."""

    BAD_REQUEST = "bad_request"
    NOT_AUTHENTICATED = "not_authenticated"
    NOT_PERMITTED = "not_permitted"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TOO_SLOW = "too_slow"
    TOO_LARGE = "too_large"
    WRONG_CONTENT_TYPE = "wrong_content_type"
    WRONG_HOST = "wrong_host"
    TOO_MANY_REQUESTS = "too_many_requests"
    UNEXPECTED = "unexpected"
    PROXY_MISCONFIGURED = "proxy_misconfigured"
    BUSY = "busy"
    FILE_REFUSED = "file_refused"
    PLAN_NOT_FOUND = "plan_not_found"
    KEY_REUSED = "key_reused"
    CONSENT_MISSING = "consent_missing"
    PLAN_NOT_READY = "plan_not_ready"
    PLAN_OUTDATED = "plan_outdated"
    ALREADY_CONFIRMED = "already_confirmed"
    CAP_EXCEEDED = "cap_exceeded"
    CANARY_PENDING = "canary_pending"
    WORDING_REJECTED = "wording_rejected"
    ACTION_REFUSED = "action_refused"
    JOB_NOT_FOUND = "job_not_found"
    JOB_UNSUITABLE = "job_unsuitable"
    JOB_BUSY = "job_busy"
    NOTE_REJECTED = "note_rejected"
    REPORT_FAILED = "report_failed"
    ACCOUNT_NOT_AUTHORIZED = "account_not_authorized"
    OTHER_HOME_SENDS = "other_home_sends"
    ZOHO_NOT_READ = "zoho_not_read"
    TOKEN_DELAYED = "token_delayed"  # noqa: S105 - a code, not a secret
    JOURNAL_FAILED = "journal_failed"
    REFUSED = "refused"


MEANINGS: Mapping[ProblemCode, str] = MappingProxyType(
    {
        ProblemCode.BAD_REQUEST: "The request is not as the document says: a parameter, a header or the body.",
        ProblemCode.NOT_AUTHENTICATED: "There is no token, or it is not valid any more.",
        ProblemCode.NOT_PERMITTED: "The token's role does not allow it, or the request came from another site.",
        ProblemCode.NOT_FOUND: "There is nothing at this address, or not for this token.",
        ProblemCode.METHOD_NOT_ALLOWED: "The address knows other methods; `Allow` names them.",
        ProblemCode.TOO_SLOW: "The body came too slowly, or the answer took too long.",
        ProblemCode.TOO_LARGE: "The body is too large.",
        ProblemCode.WRONG_CONTENT_TYPE: "The body has another content type, or is compressed.",
        ProblemCode.WRONG_HOST: "The host of the address is not one that this server answers for.",
        ProblemCode.TOO_MANY_REQUESTS: "Too many requests of this token are in progress.",
        ProblemCode.UNEXPECTED: "An error of this program; nothing was sent because of it.",
        ProblemCode.PROXY_MISCONFIGURED: "The proxy in front of this server does not say who asks.",
        ProblemCode.BUSY: "Too many files are being uploaded at the moment.",
        ProblemCode.FILE_REFUSED: "The file is damaged or ambiguous. `choices`: what can be decided by a parameter.",
        ProblemCode.PLAN_NOT_FOUND: "There is no such plan, or it is not kept any more.",
        ProblemCode.KEY_REUSED: "The Idempotency-Key was used to make another plan.",
        ProblemCode.CONSENT_MISSING: "Nobody who may has agreed to exactly this.",
        ProblemCode.PLAN_NOT_READY: "The plan's file was refused, or Zoho is still asked who its learners are.",
        ProblemCode.PLAN_OUTDATED: "The plan is too old, or something has changed since it was made.",
        ProblemCode.ALREADY_CONFIRMED: "The plan, its rows or its Idempotency-Key are in a job already.",
        ProblemCode.CAP_EXCEEDED: "More removals than the cap, or too many invalid rows.",
        ProblemCode.CANARY_PENDING: "The first row of the account was not confirmed.",
        ProblemCode.WORDING_REJECTED: "An answer can't be accepted as the proof of a removal.",
        ProblemCode.ACTION_REFUSED: "It is not done for another reason, which `detail` names.",
        ProblemCode.JOB_NOT_FOUND: "There is no such job, or not for this token.",
        ProblemCode.JOB_UNSUITABLE: "The job's state, rows or kind do not allow it.",
        ProblemCode.JOB_BUSY: "Another process runs the job, and it did not stop in time.",
        ProblemCode.NOTE_REJECTED: "The note is empty, or its row is not unknown.",
        ProblemCode.REPORT_FAILED: "The report can't be written, or its rows were deleted after their time.",
        ProblemCode.ACCOUNT_NOT_AUTHORIZED: "Zoho does not accept the account's credentials, or there are none.",
        ProblemCode.OTHER_HOME_SENDS: "Another home folder sends to the same organization right now.",
        ProblemCode.ZOHO_NOT_READ: "Zoho's lists can't be read now.",
        ProblemCode.TOKEN_DELAYED: "Zoho gives no access token right now; try again later.",
        ProblemCode.JOURNAL_FAILED: "The journal can't be read or written, or is busy for too long.",
        ProblemCode.REFUSED: "The request can't be carried out; `detail` says why.",
    }
)


class Problem(TypedDict):
    """What went wrong, and what to do: a problem of RFC 9457.

    ``code``: the kind of problem, for programs; ``detail``: sentences for people; ``choices``: of a file that can be
    read in more than one way.
    """

    type: str
    title: str
    status: int
    detail: str
    code: ProblemCode
    choices: NotRequired[ChoicesJson]


class PlanNotFound(web.HTTPNotFound):
    """There is no such plan, it is not kept any more, or nobody may tell that there is one."""


class KeyReused(web.HTTPUnprocessableEntity):
    """An idempotency key was used for another request before."""


_BY_STATUS: Mapping[int, ProblemCode] = MappingProxyType(
    {
        400: ProblemCode.BAD_REQUEST,
        401: ProblemCode.NOT_AUTHENTICATED,
        403: ProblemCode.NOT_PERMITTED,
        404: ProblemCode.NOT_FOUND,
        405: ProblemCode.METHOD_NOT_ALLOWED,
        408: ProblemCode.TOO_SLOW,
        413: ProblemCode.TOO_LARGE,
        415: ProblemCode.WRONG_CONTENT_TYPE,
        421: ProblemCode.WRONG_HOST,
        429: ProblemCode.TOO_MANY_REQUESTS,
        500: ProblemCode.UNEXPECTED,
        502: ProblemCode.PROXY_MISCONFIGURED,
        503: ProblemCode.BUSY,
    }
)
_BY_ERROR: Mapping[type[BulkremoveError], tuple[int, ProblemCode]] = MappingProxyType(
    {
        errors.FileRefused: (422, ProblemCode.FILE_REFUSED),
        errors.ConsentMissing: (409, ProblemCode.CONSENT_MISSING),
        errors.PlanNotReady: (409, ProblemCode.PLAN_NOT_READY),
        errors.PlanOutdated: (409, ProblemCode.PLAN_OUTDATED),
        errors.AlreadyConfirmed: (409, ProblemCode.ALREADY_CONFIRMED),
        errors.CapExceeded: (409, ProblemCode.CAP_EXCEEDED),
        errors.CanaryPending: (409, ProblemCode.CANARY_PENDING),
        errors.WordingRejected: (409, ProblemCode.WORDING_REJECTED),
        errors.JobUnsuitable: (409, ProblemCode.JOB_UNSUITABLE),
        errors.ActionRefused: (409, ProblemCode.ACTION_REFUSED),
        errors.JobNotFound: (404, ProblemCode.JOB_NOT_FOUND),
        errors.JobBusy: (409, ProblemCode.JOB_BUSY),
        errors.NoteRejected: (409, ProblemCode.NOTE_REJECTED),
        errors.ReportFailed: (409, ProblemCode.REPORT_FAILED),
        errors.NotAuthorized: (409, ProblemCode.ACCOUNT_NOT_AUTHORIZED),
        errors.OtherHomeSends: (409, ProblemCode.OTHER_HOME_SENDS),
        errors.ReadFailed: (503, ProblemCode.ZOHO_NOT_READ),
        errors.TokenDelayed: (503, ProblemCode.TOKEN_DELAYED),
        errors.JournalFailed: (503, ProblemCode.JOURNAL_FAILED),
        BulkremoveError: (400, ProblemCode.REFUSED),
    }
)
"""HTTP status and code of each kind of error; a subclass stands before its base."""


def status_of(error: BulkremoveError) -> int:
    """Return the HTTP status of an error, of a page or of the API."""
    return _of_error(error)[0]


def problem(error: Exception, status: int, detail: str) -> Problem:
    """Return an error as a problem. ``detail``: what happened and what to do next, in sentences."""
    if isinstance(error, BulkremoveError):
        code = _of_error(error)[1]
    elif isinstance(error, (PlanNotFound, KeyReused)):
        code = ProblemCode.PLAN_NOT_FOUND if isinstance(error, PlanNotFound) else ProblemCode.KEY_REUSED
    else:
        code = _BY_STATUS.get(status, ProblemCode.REFUSED)
    found: Problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if isinstance(error, FileRefused) and error.choices:
        found["choices"] = _as_json(error.choices)
    return found


def _of_error(error: BulkremoveError) -> tuple[int, ProblemCode]:
    return next(found for kind, found in _BY_ERROR.items() if isinstance(error, kind))


def _as_json(choices: Choices) -> ChoicesJson:
    only: list[ColumnValuesJson] = [
        {"column": column, "values": [{"value": value, "rows": rows} for value, rows in values]}
        for column, values in choices.only
    ]
    return {
        "sheet": [sheet.name for sheet in choices.sheets],
        "header": [*choices.header],
        "header_row": choices.header_row,
        "only": only,
        "hidden": choices.hidden,
    }
