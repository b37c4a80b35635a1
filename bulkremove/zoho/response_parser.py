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
from bulkremove.zoho.response_kind import Response, ResponseKind

MAX_TEXT_LENGTH = 300
"""Characters of Zoho's message that are stored."""

_LIMIT_TEXT = re.compile(
    r"threshold|throttl|too many requests|access blocked|try again after|try after some ?time|"
    r"URL_ROLLING_THROTTLES_LIMIT_EXCEEDED|URL_FIXED_",
    re.IGNORECASE,
)
_SCOPE_TEXT = re.compile(r"scope", re.IGNORECASE)
_AFTER = re.compile(r"try again after (\d{1,6}) ?(second|minute|hour)s?", re.IGNORECASE)
_UNIT = {"second": 1.0, "minute": 60.0, "hour": 3600.0}

_BAD_REQUEST_CODES = frozenset(
    {"INVALID_INPUT", "INPUT_PARAMETER_MISSING", "UNSUPPORTED_OPERATION", "COURSE_ALREADY_COMPLETED"}
)
"""Codes that Zoho's LMS error page lists with status 400 and that a removal can meet."""
_FORBIDDEN_CODES = frozenset({"7037", "7038", "7039", "7040", "9000", "9009"})
"""Zoho People's codes for a missing permission."""


@dataclass(frozen=True, slots=True)
class _Body:
    """The relevant parts of a JSON body: its code, codes and texts of its errors, whether it reports a failure."""

    code: str | None
    error_codes: tuple[str, ...]
    texts: tuple[str, ...]
    failed: bool
    learner: str | None

    @property
    def codes(self) -> frozenset[str]:
        return frozenset({*self.error_codes, self.code or ""} - {""})


def parse(reply: Reply, *, now: Epoch) -> Response:
    """Parse a reply. ``now``: for a Retry-After that is a date."""
    body = _parse_body(reply.body)
    response_kind = _classify(reply, body)
    if body is None:
        text = "" if response_kind is ResponseKind.REMOVED else _shorten(_plain(reply.body))
        code = None
    else:
        text = _shorten("; ".join(dict.fromkeys(body.texts)))
        code = next((c for c in body.error_codes if c), body.code)
    return Response(
        response_kind,
        reply.status,
        code[:100] if code else None,
        text,
        body.learner if body and response_kind is ResponseKind.REMOVED else None,
        _wait(reply, text, now),
    )


def _classify(reply: Reply, body: _Body | None) -> ResponseKind:
    status = reply.status
    codes = body.codes if body else frozenset[str]()
    text = " ".join((*body.texts, *codes)) if body else _plain(reply.body)
    success = 200 <= status <= 299
    reports_success = body is not None and body.code == "200" and not body.failed
    limit_text = _LIMIT_TEXT.search(text) and not reports_success and (body is not None or not 300 <= status <= 399)
    if status in (422, 429) or "7209" in codes or limit_text:
        contradicts = body is not None and body.code == "200"
        proven = status < 500 and (body is not None or not success) and not contradicts
        return ResponseKind.LIMITED if proven else ResponseKind.LIMITED_UNPROVEN
    if status >= 500:
        return ResponseKind.SERVER_ERROR
    if 300 <= status <= 399:
        if status == 303:
            return ResponseKind.SEE_OTHER
        return ResponseKind.REDIRECTED if status in (301, 302, 307, 308) else ResponseKind.UNEXPECTED
    if success and body is None:
        empty = not reply.body.strip() or status in (202, 204)
        return ResponseKind.CONTRADICTORY if empty else ResponseKind.NOT_JSON
    if success and (reports_success or not (body and body.failed)):
        done = reports_success and status not in (202, 204)
        return ResponseKind.REMOVED if done else ResponseKind.CONTRADICTORY
    if body is not None and body.code == "200":
        return ResponseKind.CONTRADICTORY if success else ResponseKind.UNEXPECTED
    return _classify_refusal(status, success, codes, text, body)


def _classify_refusal(status: int, success: bool, codes: frozenset[str], text: str, body: _Body | None) -> ResponseKind:
    """Classify a 4xx, or a 2xx whose body reports an error."""
    if "7201" in codes:
        return ResponseKind.WRONG_DATA_CENTER
    if "7218" in codes or ((body is not None or status in (401, 403)) and _SCOPE_TEXT.search(text)):
        return ResponseKind.SCOPE_MISSING
    if status == 401 or "7213" in codes or "7202" in codes or (success and "401" in codes):
        return ResponseKind.UNAUTHORIZED
    if status == 403 or (success and (codes & _FORBIDDEN_CODES or "403" in codes)):
        return ResponseKind.FORBIDDEN
    if status == 404 or (success and "404" in codes):
        return ResponseKind.NOT_FOUND if body is not None and codes else ResponseKind.NOT_FOUND_FOREIGN
    if status == 400 or (success and (codes & _BAD_REQUEST_CODES or "400" in codes)):
        return ResponseKind.BAD_REQUEST
    return ResponseKind.CONTRADICTORY if success else ResponseKind.UNEXPECTED


def _parse_body(raw: bytes) -> _Body | None:
    """Parse a JSON object; None for anything else. A repeated name in it counts as a failure."""
    has_repeated_name = False

    def build_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal has_repeated_name
        members = dict(pairs)
        has_repeated_name |= len(members) < len(pairs)
        return members

    try:
        tree = json.loads(raw, object_pairs_hook=build_object)
    except (ValueError, RecursionError):
        return None
    if not isinstance(tree, dict):
        return None
    errors = list(_errors(tree))
    code = _text(tree.get("code"))
    learner = _text(tree.get("learnerId"))
    error_codes = tuple(_text(e.get(name)) or "" for e in errors for name in ("code", "status_code", "title"))
    texts = [_text(tree.get("message")) or ""]
    for error in errors:
        details = error.get("details")
        texts += [_text(error.get(name)) or "" for name in ("message", "title", "description")]
        texts += [_text(details.get("message")) or ""] if isinstance(details, dict) else []
    failed = bool(errors) or has_repeated_name or _reports_failure(tree) or code not in (None, "200")
    return _Body(code, error_codes, tuple(t for t in texts if t), failed, learner)


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
                    yield {"message": _text(error) or "an error of unknown form"}


def _reports_failure(tree: dict[str, object]) -> bool:
    response = tree.get("response")
    if isinstance(response, dict) and _text(response.get("status")) not in (None, "0", "success"):
        return True
    return _text(tree.get("status")) not in (None, "0", "200", "success")


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value).strip()
    return None


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
