"""Whether a reply answers a read, and its JSON with every number as the text that stood there. Pure.

Which members an answer has is hardly documented (``domain/operation.py``). What reports a failure is taken from the
members around the data alone, by the rules for removals: a course may be called "Too many requests".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from bulkremove.domain.attempt import Reply
from bulkremove.domain.clock import Epoch
from bulkremove.zoho import response_parser
from bulkremove.zoho.contradictions import normalized, text_of
from bulkremove.zoho.response_body import parse_body
from bulkremove.zoho.response_kind import Response, ResponseKind

Tree = Mapping[str, object] | list[object]
"""A JSON object or list, whose numbers are of the class ``Number``."""


class Number(str):
    """A JSON number, as the text that stood there."""

    __slots__ = ()


_AROUND = frozenset({"code", "statuscode", "errorcode", "message", "status", "error", "errors", "uri", "details"})
"""Members that stand around the data, at the top level or in a ``response``."""
_WRAPPER = "response"
_SUCCESS = {"code": {"200"}, "statuscode": {"200"}, "status": {"0", "200", "success", "ok", "true"}}
"""What these members may say around an answer; any other value makes it none."""
_FAILURE_WORDS = re.compile(
    r"fail|error|denied|invalid|exceed|block|wrong|missing|unable|can('|no)t|not ", re.IGNORECASE
)
_NO_RECORDS = "7024"
"""Zoho People's general code for "no records found", which is an empty list and no fault."""
_MAX_ERROR_BYTES = 2000
"""A body that is cut off is searched for a failure up to this size; a longer one is a cut-off list."""


class ReadKind(StrEnum):
    """What came of a read, beside the failures of ``ResponseKind``. The values are stored in the journal."""

    ANSWERED = "answered"
    NO_RECORDS = "no_records"
    """Zoho says that there are none, by a code."""
    UNREADABLE = "unreadable"
    """A success that can't be read, or contradicts itself: nothing follows from it."""


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """A parsed reply to a read. ``tree``: its whole body, if the read was answered."""

    kind: ReadKind | ResponseKind
    response: Response
    tree: Tree | None = None


def parse_read(reply: Reply, *, now: Epoch) -> ReadResponse:
    """Parse a reply to a read. ``now``: for a Retry-After that is a date. One that a cache has kept is not read."""
    read = _parse(reply, now=now)
    return replace(read, kind=ReadKind.UNREADABLE, tree=None) if reply.age and isinstance(read.kind, ReadKind) else read


def _parse(reply: Reply, *, now: Epoch) -> ReadResponse:
    tree = parse_exactly(reply.body)
    if tree is None:
        response = response_parser.parse(reply, now=now)
        is_cut_list = reply.status == 200 and reply.body.lstrip()[:1] in (b"{", b"[")
        if response.kind is ResponseKind.CONTRADICTORY or (is_cut_list and len(reply.body) > _MAX_ERROR_BYTES):
            return ReadResponse(ReadKind.UNREADABLE, response)
        return ReadResponse(response.kind, response)
    around = _around(json.loads(reply.body))  # with its numbers: a code 404 is none of Zoho's, and "404" is
    body = json.dumps(around).encode()
    response, parsed = response_parser.parse(replace(reply, body=body), now=now), parse_body(body)
    is_limit = response.kind in (ResponseKind.LIMITED, ResponseKind.LIMITED_UNPROVEN)
    if parsed is not None and _NO_RECORDS in parsed.codes and not is_limit and reply.status < 500:
        has_data = isinstance(tree, list) or len(tree) > len(around)
        return ReadResponse(ReadKind.UNREADABLE if has_data else ReadKind.NO_RECORDS, response)
    if reply.status == 200 and _is_success(around):
        return ReadResponse(ReadKind.ANSWERED, response, tree)
    if response.kind in (ResponseKind.REMOVED, ResponseKind.OTHER_WORDING, ResponseKind.CONTRADICTORY):
        return ReadResponse(ReadKind.UNREADABLE, response)
    return ReadResponse(response.kind, response)


def parse_exactly(raw: bytes) -> Tree | None:
    """Parse a JSON object or list with numbers as texts; None for anything else, and where a name is repeated.

    An id of 18 digits is a bare number in some answers, and a float would lose its last digits.
    """
    repeated: list[str] = []

    def build_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            repeated.append("a name")
        return members

    try:
        parsed = json.loads(
            raw, object_pairs_hook=build_object, parse_int=Number, parse_float=Number, parse_constant=Number
        )
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict | list) and not repeated else None


def _around(tree: Tree) -> dict[str, object]:
    """The members around the data."""
    if isinstance(tree, list):
        return {}
    members = {name: value for name, value in tree.items() if normalized(name) in _AROUND}
    wrapper = tree.get(_WRAPPER)
    return {**members, _WRAPPER: _around(wrapper)} if isinstance(wrapper, dict) else members


def _is_success(around: Mapping[str, object]) -> bool:
    for name, value in around.items():
        match normalized(name):
            case "error" | "errors" | "errorcode":
                if value not in (None, "", [], {}, False):
                    return False
            case "message":
                if value is not None and (not isinstance(value, str) or _FAILURE_WORDS.search(value)):
                    return False
            case "code" | "statuscode" | "status" as member:
                if value is not None and (text_of(value) or "").lower() not in _SUCCESS[member]:
                    return False
            case "response":
                if isinstance(value, dict) and not _is_success(value):
                    return False
    return True
