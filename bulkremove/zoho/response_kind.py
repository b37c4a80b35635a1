"""The kinds of responses, and a response as it was read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ResponseKind(StrEnum):
    """What one attempt came to. The value is what the journal keeps."""

    REMOVED = "removed"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    FORBIDDEN = "forbidden"
    UNAUTHORIZED = "unauthorised"
    SCOPE_MISSING = "scope_missing"
    WRONG_DATA_CENTER = "wrong_data_centre"
    LIMITED = "limited"
    LIMITED_UNPROVEN = "limited_unproven"
    """A limit told by something that need not be Zoho: everybody waits, and the attempt stays open."""
    REDIRECTED = "redirected"
    SEE_OTHER = "see_other"
    NOT_JSON = "not_json"
    MUDDLED = "muddled"
    NOT_FOUND_ELSEWHERE = "not_found_elsewhere"
    SERVER_ERROR = "server_error"
    STRANGE = "strange"
    UNANSWERED = "unanswered"
    NEVER_SENT = "never_sent"


@dataclass(frozen=True, slots=True)
class Response:
    """A reply as it was read: what it comes to, and what the journal and the report keep of it."""

    kind: ResponseKind
    http_status: int | None = None
    api_code: str | None = None
    text: str = ""
    """Zoho's own words, shortened; shown as text, never trusted."""
    learner: str | None = None
    """The learner that a success names."""
    wait: float | None = None
    """Seconds that the server asked for."""
