"""Whether a body that says "not found" is Zoho People's own, and not that of a gateway in front of it. Pure.

How the LMS API writes a 404 is not documented. The formats of its other answers are, and none of them has what the
bodies of gateways and frameworks (Kong, AWS, Spring, WSO2, gRPC, RFC 9457) have: no code, a code that is the number
404, or members of their own. A foreign 404 that is taken for Zoho's tells a row's fate wrongly; one of Zoho's that is
taken for foreign costs a pause. So whatever isn't recognized is foreign (docs/decisions/0002-careful-readings.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_MEMBERS = frozenset(
    {"code", "message", "status", "details", "data", "uri", "error", "errors", "response"}
    | {"courseId", "batchId", "learnerId"}
)
"""Members at the top level of Zoho's documented and observed bodies."""
_STATUS = frozenset({"error", "failure", "failed", "1"})
_SUBJECT = r"(COURSE_|BATCH_)?(LEARNER|TRAINEE|MEMBER|EMPLOYEE|COURSE|BATCH)"
"""Who or what must be absent. USER is not among them: in front of an API it is as often the one who calls."""
_CODE_IN_WORDS = re.compile(
    rf"(NO_SUCH_{_SUBJECT}|{_SUBJECT}_(NOT_FOUND|NOT_ENROLLED|(DOES_|DO_)?NOT_EXISTS?))(_IN_(COURSE|BATCH))?"
)
"""A code in words, as the LMS error page lists them, that is about the row."""
_ABOUT_ADDRESS = re.compile(
    r"\b(urls?|uri|routes?|path|pattern|method|api|endpoint|services?|host|domain|page|site|server|upstream|gateway|proxy|"
    r"nginx|apache|https?|deployment|application|tenant|org(ani[sz]ation)?|portal|policy|too many requests|"
    r"access (blocked|denied)|try again|unavailable|session|tokens?|(api|access|client) ?(key|id)|credentials?|"
    r"clients?|(log|sign)[ -]?in|authenticat\w+|authori[sz]\w+)\b|"
    r"^(?!.*\b(batch|course)\b).*\b(users?|accounts?)\b",
    re.IGNORECASE | re.DOTALL,
)
"""Words of a text that is about the address of the call or its caller, or comes from a gateway, not about the learner.
A user who is not in a batch or course is the learner."""
_PEOPLE_CODES = frozenset({"7024", "7049"})
"""Zoho People's general codes for no records and no such record; these come inside of an error, in whatever type. Its
other codes are about the call (7011: invalid form name), or may be about its caller (7048: no such user)."""


def is_zoho_not_found(body: Mapping[str, object], errors: Iterable[Mapping[str, object]], words: str) -> bool:
    """Whether a JSON object that came as "not found" has the form of Zoho People.

    ``errors``: the errors in it; ``words``: all its texts, without names that somebody chose.
    """
    if not body.keys() <= _MEMBERS or isinstance(body.get("error"), str):
        return False
    if body.get("status") is not None and str(body["status"]).lower() not in _STATUS:
        return False
    if _ABOUT_ADDRESS.search(words):
        return False
    inner = [_text(error.get(name)) for error in errors for name in ("code", "status_code")]
    outer = body.get("code")
    if any(code is not None and not (_CODE_IN_WORDS.fullmatch(code) or code in _PEOPLE_CODES) for code in inner):
        return False
    if outer is None:
        return any(inner)
    return isinstance(outer, str) and (outer.strip() == "404" or bool(_CODE_IN_WORDS.fullmatch(outer.strip())))


def _text(code: object) -> str | None:
    return None if code is None else str(code).strip()
