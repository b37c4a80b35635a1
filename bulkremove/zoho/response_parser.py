"""Parse replies: determine the response kind from status and body, in all the formats that Zoho uses.

A success needs more than its status, since Zoho's products report failures inside HTTP 200 (the success body is
documented by Zoho People; the error formats are from public recordings). Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from bulkremove.domain.attempt import Reply
from bulkremove.domain.clock import Epoch, seconds_between
from bulkremove.domain.wording import is_acceptable
from bulkremove.zoho import error_codes
from bulkremove.zoho.contradictions import reports_failure, text_of
from bulkremove.zoho.error_codes import HTTP_CODES
from bulkremove.zoho.not_found import is_zoho_not_found
from bulkremove.zoho.response_kind import Response, ResponseKind
from bulkremove.zoho.success_claims import claims_success

_JSON_BEGIN = re.compile(rb"\s*([\[{\"]|null\b|true\b|false\b|-?\d)")
"""What JSON begins with: such a body is unknown or cut-off JSON, and no page of a proxy."""
MAX_TEXT_LENGTH = 300
"""Characters of Zoho's message that are stored."""

_LIMIT_TEXT = re.compile(
    r"\bthreshold\b[^.]{0,40}\b(exceeded|reached|crossed|limit)\b|\b(exceeded|reached|crossed)\b[^.]{0,40}\bthreshold\b|"
    r"\bthrottl(ed|ing|es)\b|\btoo many requests\b|\bapi access (is )?blocked\b|\baccess blocked\b|\brate limit\b|"
    r"\btry again after \d|\btry (again )?after some ?time\b|\bURL_(ROLLING|FIXED)_",
    re.IGNORECASE,
)
"""Whole phrases, since "threshold" alone may stand in the name of a course."""
_SCOPE_TEXT = re.compile(
    r"\b(invalid|missing|insufficient|wrong)\b[^.]{0,30}\bscopes?\b|\bscopes? (is |are )?"
    r"(invalid|missing|insufficient|mismatch|not\b)|\bOAUTH_?SCOPE",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"\"[^\"]{1,200}\"|(?<!\w)'[^']{1,200}'(?!\w)|\u201c[^\u201d]{1,200}\u201d")
"""Names that a message quotes are not its own words."""
_AFTER = re.compile(r"try again after (\d{1,6}) ?(second|minute|hour)s?", re.IGNORECASE)
_UNIT = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


@dataclass(frozen=True, slots=True)
class _Body:
    """The relevant parts of a JSON body: its code, codes and texts of its errors, whether it reports a failure."""

    code: str | None
    error_codes: tuple[str, ...]
    texts: tuple[str, ...]
    failed: bool
    """A member says that the call failed, or the message is another one than "success"."""
    learner: str | None
    claims_success: bool
    """Something in it claims that the learner was removed, whatever the rest says."""
    is_other_wording: bool
    """Nothing but the message speaks against a success, and it reports one in words that a person may accept."""
    is_zohos_not_found: bool
    """If it came as "not found", it has the form of Zoho People."""

    @property
    def codes(self) -> frozenset[str]:
        return frozenset({*self.error_codes, self.code or ""} - {""})


def parse(reply: Reply, *, now: Epoch) -> Response:
    """Parse a reply. ``now``: for a Retry-After that is a date."""
    body = _parse_body(reply.body)
    response_kind = _classify(reply, body)
    if body is None:
        text = "" if response_kind is ResponseKind.REMOVED else _shorten(_plain(reply.body))
        code = known = None
    else:
        text = _shorten("; ".join(dict.fromkeys(body.texts)))
        code = next((c for c in body.error_codes if c), body.code)
        known = error_codes.find(body.codes)
    return Response(
        response_kind,
        reply.status,
        code[:100] if code else None,
        text,
        body.learner if body and response_kind in (ResponseKind.REMOVED, ResponseKind.OTHER_WORDING) else None,
        _wait(reply, text, now),
        known.meaning if known is not None and known.kind is response_kind else "",
        is_json=body is not None,
    )


def _classify(reply: Reply, body: _Body | None) -> ResponseKind:
    """A proven success; limits; a success that is claimed beside anything else; codes; whole phrases; the status."""
    status, is_success = reply.status, 200 <= reply.status <= 299
    if body is None:
        return _classify_other(reply)
    if is_success and body.code == "200" and not body.failed:
        return ResponseKind.REMOVED if status in (200, 201) else ResponseKind.CONTRADICTORY
    known = error_codes.find(body.codes)
    text = _QUOTED.sub(" ", " ".join((*body.texts, *body.codes)))
    is_not_found = status == 404 and body.is_zohos_not_found and known is None and not body.claims_success
    is_limited = known is not None and known.kind is ResponseKind.LIMITED
    if status == 429 or (known is None and status == 422):
        is_limited = True
    if is_limited or (known is None and not is_not_found and _LIMIT_TEXT.search(text)):
        is_unproven = body.claims_success or status >= 500 or status == 303
        return ResponseKind.LIMITED_UNPROVEN if is_unproven else ResponseKind.LIMITED
    if status >= 500:
        return _classify_status(status)
    if body.claims_success:
        if body.is_other_wording and status in (200, 201) and known is None:
            return ResponseKind.OTHER_WORDING
        return ResponseKind.CONTRADICTORY if is_success else ResponseKind.UNEXPECTED
    if 300 <= status <= 399:
        return _classify_status(status)
    if is_success and status not in (200, 201):
        return ResponseKind.CONTRADICTORY
    if known is not None:
        return known.kind
    if not is_not_found and _SCOPE_TEXT.search(text):
        return ResponseKind.SCOPE_MISSING
    if is_success:
        kind = next((kind for code, kind in HTTP_CODES.items() if code in body.codes), ResponseKind.CONTRADICTORY)
        is_foreign = kind is ResponseKind.NOT_FOUND and not body.is_zohos_not_found
        return ResponseKind.CONTRADICTORY if is_foreign else kind
    if status == 404 and not is_not_found:
        return ResponseKind.NOT_FOUND_FOREIGN
    return _classify_status(status)


def _classify_other(reply: Reply) -> ResponseKind:
    """Classify a reply whose body is no JSON object."""
    status, text = reply.status, _plain(reply.body)
    is_success = 200 <= status <= 299
    if status in (422, 429) or (_LIMIT_TEXT.search(text) and not 300 <= status <= 399):
        return ResponseKind.LIMITED_UNPROVEN if is_success or status >= 500 else ResponseKind.LIMITED
    if status in (401, 403) and _SCOPE_TEXT.search(text):
        return ResponseKind.SCOPE_MISSING
    if is_success:
        is_unknown_json = not reply.body.strip() or status in (202, 204) or _JSON_BEGIN.match(reply.body)
        return ResponseKind.CONTRADICTORY if is_unknown_json else ResponseKind.NOT_JSON
    return ResponseKind.NOT_FOUND_FOREIGN if status == 404 else _classify_status(status)


def _classify_status(status: int) -> ResponseKind:
    """Classify by the HTTP status alone."""
    if status >= 500:
        return ResponseKind.SERVER_ERROR
    if status in (301, 302, 307, 308):
        return ResponseKind.REDIRECTED
    if status == 303:
        return ResponseKind.SEE_OTHER
    return HTTP_CODES.get(str(status), ResponseKind.UNEXPECTED)


def _parse_body(raw: bytes) -> _Body | None:
    """Parse a JSON object; None for anything else. A repeated name in it counts as a failure."""
    repeated: list[object] = []

    def build_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            repeated.extend({name: value} for name, value in pairs)
        return members

    try:
        tree = json.loads(raw, object_pairs_hook=build_object)
    except (ValueError, RecursionError):
        return None
    if not isinstance(tree, dict):
        return None
    errors = list(_errors(tree))
    code = text_of(tree.get("code"))
    learner = text_of(tree.get("learnerId"))
    error_codes = tuple(text_of(e.get(name)) or "" for e in errors for name in ("code", "status_code", "title"))
    texts = [text_of(tree.get("message")) or ""]
    for error in errors:
        details = error.get("details")
        texts += [text_of(error.get(name)) or "" for name in ("message", "title", "description")]
        texts += [text_of(details.get("message")) or ""] if isinstance(details, dict) else []
    failed = (
        bool(repeated)
        or code not in (None, "200")
        or isinstance(tree.get("message"), list | dict)
        or reports_failure(tree)
    )
    is_not_found = not repeated and is_zoho_not_found(tree, errors)
    is_other_wording = code == "200" and not repeated and _is_other_wording(tree)
    return _Body(
        code,
        error_codes,
        tuple(t for t in texts if t),
        failed,
        learner,
        claims_success([tree, *repeated]),
        is_other_wording,
        is_not_found,
    )


def _is_other_wording(tree: dict[str, object]) -> bool:
    """Whether the message alone speaks against a success, may be accepted, and is stored whole and unchanged."""
    message = tree.get("message")
    if not isinstance(message, str) or _shorten(message.strip()) != message.strip():
        return False
    others = {name: value for name, value in tree.items() if name != "message"}
    return is_acceptable(message.strip()) and not reports_failure(others)


def _errors(tree: dict[str, object]) -> Iterator[dict[str, object]]:
    """Iterate over all errors, whether the member is an object, a list of objects or a plain text."""
    response = tree.get("response")
    for holder in (tree, response if isinstance(response, dict) else {}):
        for name in ("error", "errors"):
            value = holder.get(name)
            for error in value if isinstance(value, list) else [value]:
                if isinstance(error, dict):
                    yield error
                elif error not in (None, "", False):
                    yield {"message": text_of(error) or "an error of unknown form"}


def _plain(raw: bytes) -> str:
    return re.sub(r"<[^>]{0,200}>", " ", raw[:20_000].decode("utf-8", "replace"))


def _shorten(text: str) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= MAX_TEXT_LENGTH else text[: MAX_TEXT_LENGTH - 1] + "…"


def _wait(reply: Reply, text: str, now: Epoch) -> float | None:
    """Return the seconds to wait from Retry-After (seconds or a date) or the text; the longer of the two."""
    waits: list[float] = []
    header = (reply.retry_after or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", header):
        waits.append(float(header))
    elif header:
        try:
            date: datetime = parsedate_to_datetime(header)
            waits.append(max(0.0, seconds_between(now, Epoch(date.timestamp()))))
        except (ValueError, OverflowError):
            pass
    if match := _AFTER.search(text):
        waits.append(float(match[1]) * _UNIT[match[2].lower()])
    return max(waits, default=None)
