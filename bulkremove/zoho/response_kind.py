"""Response kinds, and the parsed response."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ResponseKind(StrEnum):
    """The result of one attempt. The values are stored in the journal."""

    REMOVED = "removed"
    OTHER_WORDING = "other_wording"
    """All of a proven success but the message, which reports one in other words; text and wording are the same."""
    ACCEPTED_WORDING = "accepted_wording"
    """The same, and a person has accepted exactly this wording for the account; never made from a reply alone."""
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    REFUSED_BY_RULE = "refused_by_rule"
    """A rule of Zoho's forbids it for this course or batch: final for the row, and no sign of a mistake in the file."""
    FORBIDDEN = "forbidden"
    UNAUTHORIZED = "unauthorised"
    UNAUTHORIZED_UNPROVEN = "unauthorised_unproven"
    """A 401 that is no JSON object, perhaps of a proxy instead of Zoho: the attempt stays open."""
    SCOPE_MISSING = "scope_missing"
    WRONG_DATA_CENTER = "wrong_data_centre"
    LIMITED = "limited"
    LIMITED_UNPROVEN = "limited_unproven"
    """A limit reported perhaps by a proxy instead of Zoho: all rows wait, and the attempt stays open."""
    REDIRECTED = "redirected"
    SEE_OTHER = "see_other"
    NOT_JSON = "not_json"
    CONTRADICTORY = "muddled"
    """A 2xx that is empty, contradictory or of unknown form."""
    NOT_FOUND_FOREIGN = "not_found_elsewhere"
    """A 404 that is not in Zoho's JSON form."""
    SERVER_ERROR = "server_error"
    UNEXPECTED = "strange"
    """Anything that no other kind describes."""
    UNANSWERED = "unanswered"
    NEVER_SENT = "never_sent"


@dataclass(frozen=True, slots=True)
class Response:
    """A parsed reply: its kind, and the parts of it that the journal and the report store."""

    kind: ResponseKind
    http_status: int | None = None
    api_code: str | None = None
    text: str = ""
    """Zoho's message, shortened; untrusted, so only ever shown as plain text."""
    learner: str | None = None
    """The learner that a success or a "not found" names."""
    wait: float | None = None
    """Seconds to wait, as the server asked."""
    meaning: str = ""
    """What the code means, in a sentence of ours, where ``error_codes`` has one."""
    is_json: bool = True
    """Whether the body was a JSON object; a page is not from Zoho People itself."""
