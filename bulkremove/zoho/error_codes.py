"""The codes in the bodies of Zoho's responses: which kind of response each makes, and what it means for a row.

A new code is one line in ``ROW_CODES`` or ``ACCOUNT_CODES``. Sources: Zoho People's LMS error page (codes in words),
its general error page (70xx), and public recordings (7201 to 7218, the throttles). What a kind does to the row and to
the run is in ``engine/decision_table.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.zoho.response_kind import ResponseKind


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A code. ``meaning``: a sentence about the row for the report; empty if Zoho's own text has to do."""

    kind: ResponseKind
    meaning: str = ""


_REFUSED = ResponseKind.REFUSED_BY_RULE
_FORBIDDEN = ErrorCode(ResponseKind.FORBIDDEN, "The user who made the grant code may not do this.")
_UNAUTHORIZED = ErrorCode(ResponseKind.UNAUTHORIZED)
_SCOPE_MISSING = ErrorCode(ResponseKind.SCOPE_MISSING)
_LIMITED = ErrorCode(ResponseKind.LIMITED)

ROW_CODES: dict[str, ErrorCode] = {
    "INVALID_INPUT": ErrorCode(ResponseKind.BAD_REQUEST, "Zoho says that an id is wrong."),
    "INPUT_PARAMETER_MISSING": ErrorCode(ResponseKind.BAD_REQUEST, "Zoho says that an id is missing."),
    "COURSE_ALREADY_COMPLETED": ErrorCode(
        _REFUSED, "The course or batch is completed, so its learners can't be changed."
    ),
    "UNSUPPORTED_OPERATION": ErrorCode(_REFUSED, "Zoho does not support this for this course or batch."),
    "UNABLE_TO_UNPUBLISH_WITH_MEMBERS": ErrorCode(_REFUSED),
    "BATCH_DATE_AND_SESSION_DATE_MISMATCH": ErrorCode(_REFUSED),
    "NO_SESSION_FOUND_TO_PUBLISH": ErrorCode(_REFUSED),
    "NO_MANDATORY_FILES_OR_LINK_FOUND_TO_PUBLISH": ErrorCode(_REFUSED),
    "UNSUPPORTED_OPERATION_BL_COURSE_PUBLISH_VIA_COURSE_API": ErrorCode(_REFUSED),
    "UNSUPPORTED_OPERATION_BL_COURSE_UNPUBLISH_VIA_COURSE_API": ErrorCode(_REFUSED),
    "UNSUPPORTED_OPERATION_EL_COURSE_PUBLISH": ErrorCode(_REFUSED),
    "UNSUPPORTED_OPERATION_EL_COURSE_UNPUBLISH": ErrorCode(_REFUSED),
    "UNABLE_TO_DISABLE_COURSE_BEFORE_PUBLISH": ErrorCode(_REFUSED),
    "UNABLE_TO_SUGGEST_COURSE_BEFORE_PUBLISH": ErrorCode(_REFUSED),
    "UNABLE_TO_ADD_LEARNERS_BEFORE_PUBLISH": ErrorCode(
        _REFUSED, "The course or batch is not published, so nobody can be enrolled in it."
    ),
    "UNABLE_TO_MARK_AS_COMPLETE_AS_FILE_LOCKED": ErrorCode(_REFUSED),
    "UNABLE_TO_MARK_AS_COMPLETE_AS_CONTENT_LOCKED": ErrorCode(_REFUSED),
}
"""Codes that concern one row. Of several in one body, the one listed last counts."""

ACCOUNT_CODES: dict[str, ErrorCode] = {
    **dict.fromkeys(("7037", "7038", "7039", "7040", "9000", "9009"), _FORBIDDEN),
    **dict.fromkeys(("7202", "7213", "INVALID_OAUTHTOKEN"), _UNAUTHORIZED),
    **dict.fromkeys(("7218", "OAUTH_SCOPE_MISMATCH", "INVALID_OAUTHSCOPE"), _SCOPE_MISSING),
    "7201": ErrorCode(ResponseKind.WRONG_DATA_CENTER),
    **dict.fromkeys(("7209", "URL_ROLLING_THROTTLES_LIMIT_EXCEEDED", "URL_FIXED_THROTTLES_LIMIT_EXCEEDED"), _LIMITED),
}
"""Codes that concern the whole account. Each counts before all of ``ROW_CODES``; of several, the one listed last."""

HTTP_CODES: dict[str, ResponseKind] = {
    "400": ResponseKind.BAD_REQUEST,
    "401": ResponseKind.UNAUTHORIZED,
    "403": ResponseKind.FORBIDDEN,
    "404": ResponseKind.NOT_FOUND,
    "422": ResponseKind.LIMITED,
    "429": ResponseKind.LIMITED,
}
"""HTTP statuses that Zoho may put into a body with another status."""


def find(codes: frozenset[str]) -> ErrorCode | None:
    """Return the known code of a body; of several, one of the account's, since a row's refusal may follow from it."""
    tables = (ACCOUNT_CODES, ROW_CODES)
    return next((table[code] for table in tables for code in reversed(table) if code in codes), None)
