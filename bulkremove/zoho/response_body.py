"""The parts of a JSON body that decide what kind of response it makes; in all the formats that Zoho uses. Pure.

The success body is documented by Zoho People; the error formats are from public recordings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from bulkremove.domain.wording import is_acceptable
from bulkremove.zoho.contradictions import is_name, normalized, reports_failure, text_of
from bulkremove.zoho.limit_signs import without_quoted_names
from bulkremove.zoho.not_found import is_zoho_not_found
from bulkremove.zoho.success_claims import claims_success

MAX_TEXT_LENGTH = 300
"""Characters of Zoho's message that are stored."""
_CODE_NAMES = frozenset({"code", "statuscode", "errorcode"})


@dataclass(frozen=True, slots=True)
class Body:
    """A body that is a JSON object or a list."""

    is_object: bool
    code: str | None
    """That at the top level."""
    error_codes: tuple[str, ...]
    """Those of its errors."""
    inner_codes: frozenset[str]
    """Those at any depth, which may name a limit."""
    texts: tuple[str, ...]
    """The message and those of its errors."""
    words: str
    """All its texts at whatever depth, without names that somebody chose: what phrases are looked for in."""
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
        """The codes at the top level and of the errors: what decides which kind of response it is."""
        return frozenset({*self.error_codes, self.code or ""} - {""})


def parse_body(raw: bytes) -> Body | None:
    """Parse a JSON object or list; None for anything else. A repeated name in it counts as a failure."""
    repeated: list[object] = []

    def build_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            repeated.extend({name: value} for name, value in pairs)
        return members

    try:
        parsed = json.loads(raw, object_pairs_hook=build_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict | list):
        return None
    tree: dict[str, object] = parsed if isinstance(parsed, dict) else {}
    errors = list(_errors(tree))
    message, code = text_of(tree.get("message")) or "", text_of(tree.get("code"))
    is_200 = type(tree.get("code")) in (str, int) and tree.get("code") in ("200", 200)
    texts = [message]
    for error in errors:
        details = error.get("details")
        texts += [text_of(error.get(name)) or "" for name in ("message", "title", "description")]
        texts += [text_of(details.get("message")) or ""] if isinstance(details, dict) else []
    members = list(_members(parsed))
    words = without_quoted_names(value for name, value in members if isinstance(value, str) and name != "uri")
    is_not_the_message = {name: value for name, value in tree.items() if name != "message"}
    return Body(
        isinstance(parsed, dict),
        code,
        tuple(text_of(e.get(name)) or "" for e in errors for name in ("code", "status_code", "title")),
        frozenset(text_of(value) or "" for name, value in members if name in _CODE_NAMES),
        tuple(text for text in texts if text),
        words,
        bool(repeated)
        or not (code is None or is_200)
        or isinstance(tree.get("message"), list | dict)
        or reports_failure(tree),
        text_of(tree.get("learnerId")),
        claims_success([parsed, *repeated]),
        is_200 and not repeated and _is_other_wording(tree.get("message")) and not reports_failure(is_not_the_message),
        not repeated and is_zoho_not_found(tree, errors, words),
    )


def _refuse_constant(name: str) -> object:
    """Refuse NaN and infinity, which no JSON holds. Raises ValueError."""
    raise ValueError(name)


def shorten(text: str) -> str:
    """The text as it is stored: on one line, of at most MAX_TEXT_LENGTH characters."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= MAX_TEXT_LENGTH else text[: MAX_TEXT_LENGTH - 1] + "…"


def _is_other_wording(message: object) -> bool:
    """Whether the message may be accepted as a success, and is stored whole and unchanged."""
    return isinstance(message, str) and shorten(message.strip()) == message.strip() and is_acceptable(message.strip())


def _errors(tree: dict[str, object]) -> Iterator[dict[str, object]]:
    """Iterate over all errors, whether the member is an object, a list of objects or a plain text."""
    response = tree.get("response")
    for holder in (tree, response if isinstance(response, dict) else {}):
        for name in ("error", "errors"):
            value = holder.get(name)
            for error in value if isinstance(value, list) else [value]:
                if isinstance(error, dict):
                    yield error
                elif error not in (None, "", False) and text_of(error) not in ("0", "false"):
                    yield {"message": text_of(error) or "an error of unknown form"}


def _members(tree: object) -> Iterator[tuple[str, object]]:
    """Iterate over all scalars with their normalized names, but for those that are names somebody chose.

    A title is one of these unless it stands at the top level or in an error.
    """
    pending: list[tuple[str, object, bool]] = [("", tree, True)]
    while pending:
        name, value, may_have_title = pending.pop()
        if isinstance(value, dict):
            inside = may_have_title if not name else "error" in name
            pending += [(normalized(inner), member, inside) for inner, member in reversed(value.items())]
        elif isinstance(value, list):
            pending += [(name, item, may_have_title) for item in reversed(value)]
        elif not is_name(name) or (name == "title" and may_have_title):
            yield name, value
