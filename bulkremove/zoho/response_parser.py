"""Parse replies: determine the response kind from status and body, in all the formats that Zoho uses.

A success needs more than its status, since Zoho's products report failures inside HTTP 200 (the success body is
documented by Zoho People; the error formats are from public recordings). Pure.
"""

from __future__ import annotations

import re

from bulkremove.domain.attempt import Reply
from bulkremove.domain.clock import Epoch
from bulkremove.zoho import error_codes
from bulkremove.zoho.error_codes import HTTP_CODES
from bulkremove.zoho.limit_signs import reports_limit, seconds_to_wait
from bulkremove.zoho.response_body import Body, parse_body, shorten
from bulkremove.zoho.response_kind import Response, ResponseKind

_JSON_BEGIN = re.compile(rb"\s*([\[{\"]|null\b|true\b|false\b|-?\d)")
"""What JSON begins with: such a body is unknown or cut-off JSON, and no page of a proxy."""
_SCOPE_TEXT = re.compile(
    r"\b(invalid|missing|insufficient|wrong)\b[^.]{0,30}(?<!course )(?<!batch )\bscopes?\b|"
    r"(?<!course )(?<!batch )\bscopes? (is |are )?(invalid|missing|insufficient|mismatch|not\b)|\bOAUTH_?SCOPE",
    re.IGNORECASE,
)
_SERVER_FAILURE = re.compile(
    r"\b(internal (server )?error|server error|timed out|(request|gateway|connection) time-?out|"
    r"(service|temporarily) (is )?unavailable)\b",
    re.IGNORECASE,
)
_NAMES_LEARNER = frozenset({ResponseKind.REMOVED, ResponseKind.OTHER_WORDING, ResponseKind.NOT_FOUND})
"""Kinds of which it matters whom they name."""
_FROM_CACHE = {
    ResponseKind.REMOVED: ResponseKind.CONTRADICTORY,
    ResponseKind.OTHER_WORDING: ResponseKind.CONTRADICTORY,
    ResponseKind.NOT_FOUND: ResponseKind.NOT_FOUND_FOREIGN,
    ResponseKind.BAD_REQUEST: ResponseKind.UNEXPECTED,
    ResponseKind.REFUSED_BY_RULE: ResponseKind.UNEXPECTED,
    ResponseKind.FORBIDDEN: ResponseKind.UNEXPECTED,
    ResponseKind.SCOPE_MISSING: ResponseKind.UNEXPECTED,
    ResponseKind.WRONG_DATA_CENTER: ResponseKind.UNEXPECTED,
    ResponseKind.UNAUTHORIZED: ResponseKind.UNAUTHORIZED_UNPROVEN,
    ResponseKind.LIMITED: ResponseKind.LIMITED_UNPROVEN,
}
"""What these kinds become in an answer that a cache has kept: one to another request, so it proves nothing of this one,
which may have had its effect."""
_SERVER_FAILURE_CODE = re.compile(r"5\d\d|TIME_?OUT")


def parse(reply: Reply, *, now: Epoch) -> Response:
    """Parse a reply. ``now``: for a Retry-After that is a date."""
    body = parse_body(reply.body)
    response_kind = _classify(reply, body)
    if reply.age:
        response_kind = _FROM_CACHE.get(response_kind, response_kind)
    if body is None:
        text = "" if response_kind is ResponseKind.REMOVED else shorten(_plain(reply.body))
        code = error_code = None
    else:
        text = shorten("; ".join(dict.fromkeys(body.texts)))
        code = next((c for c in body.error_codes if c), body.code)
        error_code = error_codes.find(body.codes)
    if reply.age:
        text = shorten(f"An answer from a cache, {reply.age:,} seconds old. {text}".rstrip())
    return Response(
        response_kind,
        reply.status,
        shorten(code)[:100] if code else None,
        text,
        shorten(body.learner) if body and body.learner is not None and response_kind in _NAMES_LEARNER else None,
        seconds_to_wait(reply.retry_after, text if body is None else body.words, now),
        error_code.meaning if error_code is not None and error_code.kind is response_kind else "",
        is_json=body is not None and body.is_object,
    )


def _classify(reply: Reply, body: Body | None) -> ResponseKind:
    """A proven success; limits; a success that is claimed beside anything else; codes; whole phrases; the status."""
    status, is_success = reply.status, 200 <= reply.status <= 299
    if body is None:
        return _classify_other(reply)
    if is_success and body.code == "200" and not body.failed:
        return ResponseKind.REMOVED if status in (200, 201) else ResponseKind.CONTRADICTORY
    error_code = error_codes.find(body.codes)
    is_not_found = status == 404 and body.is_zohos_not_found and error_code is None and not body.claims_success
    if _is_limited(status, body) or (error_code is None and not is_not_found and reports_limit(body.words)):
        is_unproven = body.claims_success or status >= 500 or status == 303
        return ResponseKind.LIMITED_UNPROVEN if is_unproven else ResponseKind.LIMITED
    if status >= 500:
        return _classify_status(status)
    if body.claims_success:
        if body.is_other_wording and status in (200, 201) and error_code is None:
            return ResponseKind.OTHER_WORDING
        return ResponseKind.CONTRADICTORY if is_success else ResponseKind.UNEXPECTED
    if 300 <= status <= 399:
        return _classify_status(status)
    if is_success and status not in (200, 201):
        return ResponseKind.CONTRADICTORY
    if error_code is not None:
        return error_code.kind
    if not is_not_found and _SCOPE_TEXT.search(body.words):
        return ResponseKind.SCOPE_MISSING
    if status in (400, 403) and _reports_server_failure(body):
        return ResponseKind.SERVER_ERROR
    if is_success:
        kind = next((kind for code, kind in HTTP_CODES.items() if code in body.codes), ResponseKind.CONTRADICTORY)
        is_foreign = kind is ResponseKind.NOT_FOUND and not body.is_zohos_not_found
        return ResponseKind.CONTRADICTORY if is_foreign else kind
    if status == 404 and not is_not_found:
        return ResponseKind.NOT_FOUND_FOREIGN
    if status == 400 and (codes := body.codes & {"401", "403"}):
        return HTTP_CODES[min(codes)]
    return _classify_status(status) if body.is_object else _classify_foreign(status)


def _is_limited(status: int, body: Body) -> bool:
    """Whether the status or a code, which may stand at any depth, says that too many calls were made."""
    is_unknown = error_codes.find(body.codes) is None
    if status == 429 or (is_unknown and (status == 422 or body.codes & {"422", "429"})):
        return True
    error_code = error_codes.find(body.codes | body.inner_codes)
    return error_code is not None and error_code.kind is ResponseKind.LIMITED


def _reports_server_failure(body: Body) -> bool:
    """Whether a code or a text tells of a failure of the server, before which it may have had its effect."""
    if any(map(_SERVER_FAILURE_CODE.fullmatch, body.codes)):
        return True
    return bool(_SERVER_FAILURE.search(" ".join([*body.codes, body.words]).replace("_", " ")))


def _classify_other(reply: Reply) -> ResponseKind:
    """Classify a reply whose body is no JSON object."""
    status, text = reply.status, _plain(reply.body)
    is_success = 200 <= status <= 299
    if status in (422, 429) or (reports_limit(text) and not 300 <= status <= 399):
        return ResponseKind.LIMITED_UNPROVEN if is_success or status >= 500 else ResponseKind.LIMITED
    if is_success:
        is_unknown_json = not reply.body.strip() or status in (202, 204) or _JSON_BEGIN.match(reply.body)
        return ResponseKind.CONTRADICTORY if is_unknown_json else ResponseKind.NOT_JSON
    return ResponseKind.NOT_FOUND_FOREIGN if status == 404 else _classify_foreign(status)


def _classify_foreign(status: int) -> ResponseKind:
    """Classify by a status whose body is not of Zoho People, which then refused nothing that it may have done."""
    kind = _classify_status(status)
    if kind is ResponseKind.UNAUTHORIZED:
        return ResponseKind.UNAUTHORIZED_UNPROVEN
    return ResponseKind.UNEXPECTED if kind in (ResponseKind.BAD_REQUEST, ResponseKind.FORBIDDEN) else kind


def _classify_status(status: int) -> ResponseKind:
    """Classify by the HTTP status alone."""
    if status >= 500:
        return ResponseKind.SERVER_ERROR
    if status in (301, 302, 307, 308):
        return ResponseKind.REDIRECTED
    if status == 303:
        return ResponseKind.SEE_OTHER
    return HTTP_CODES.get(str(status), ResponseKind.UNEXPECTED)


def _plain(raw: bytes) -> str:
    return re.sub(r"<[^>]{0,200}>", " ", raw[:20_000].decode("utf-8", "replace"))
