"""Members of a body that take a success back: it failed, it is not done yet, or it was a trial.

Zoho documents a success body of three members and none of these. The names and values are those by which other APIs
report such a thing beside a success; a member that isn't listed says nothing (docs/decisions/0002-careful-readings.md).
Pure.
"""

from __future__ import annotations

import re

from bulkremove.domain.wording import casts_doubt

_YES = frozenset({"true", "success", "ok", "1", "yes"})
_ALLOWED = {
    "code": frozenset({"200"}),
    "message": frozenset({"success"}),  # or there is none; an empty one is no documented success
    "success": _YES,
    "issuccess": _YES,
    "successful": _YES,
    "succeeded": _YES,
    "ok": _YES,
    "isremoved": _YES,
    "isdeleted": _YES,
    "removed": _YES,
    "deleted": _YES,
    "status": _YES - {"1"} | {"0", "200"},  # 0 is a success of the legacy envelope, and 1 a failure
    "statuscode": frozenset({"200"}),
    "result": _YES | {"removed", "deleted", ""},
    "state": _YES | {"removed", "deleted", "done", "completed"},
    "outcome": _YES | {"removed", "deleted", "done", "completed"},
}
"""What members may say beside a success, at whatever depth; their names as ``normalized`` makes them."""
FAILURE_NAME = re.compile(
    "error|fail|exception|unsuccess|denied|refused|reject|skipped|pending|unprocessed|^not(removed|deleted|done)|"
    "^un(removed|deleted)|warning|dryrun|simulat|testmode|queued|partial|ignored|nochange|unchanged|"
    "async|(?<!un)enrolled$"
)
"""Members that say a failure, or that nothing was done yet, unless they are empty."""
_NOT_DONE = re.compile(
    "pending|queued|scheduled|accepted|in[ _]?progress|processing|initiated|failed|failure|error|skipped|ignored|"
    "rejected|refused|denied|partial|not[ _]?(removed|deleted|done|found|enrolled)"
)
"""Values that say so, whatever their member is called, unless it is a name or title; sentences may cast doubt too."""
_EMPTY: tuple[object, ...] = (None, "", False, 0, [], {})
_EMPTY_TEXTS = frozenset({"0", "false", "none", "null"})
MAX_DEPTH = 20
"""Levels of a body that are searched for a failure; a deeper one counts as one."""


def reports_failure(value: object, depth: int = 0) -> bool:
    """Whether a member says that the call failed, at whatever depth."""
    if depth > MAX_DEPTH:
        return True
    if isinstance(value, list):
        return any(reports_failure(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return False
    return any(
        _says_failure(normalized(name), member) or reports_failure(member, depth + 1) for name, member in value.items()
    )


def _says_failure(name: str, value: object) -> bool:
    if FAILURE_NAME.search(name):
        return value not in _EMPTY and (text_of(value) or "x").lower() not in _EMPTY_TEXTS
    if re.search("removed|deleted|affected|successcount", name) and value in (False, 0, "0", []):
        return True  # so many, or these: none
    if value is None:
        return name == "message"
    values = value if isinstance(value, list) else [value]
    texts = [(text_of(item) or "").lower() for item in values if not isinstance(item, dict | list)]
    if not is_name(name) and name not in ("message", "uri"):
        sentences = [text for text in texts if " " in text]
        if any(map(_NOT_DONE.fullmatch, texts)) or any(map(casts_doubt, sentences)):
            return True
    allowed = _ALLOWED.get(name)
    return allowed is not None and any(text not in allowed for text in texts)


def normalized(name: str) -> str:
    """The name of a member, letters' case, blanks and punctuation aside."""
    return re.sub(r"[\W_]+", "", name.lower())


def is_name(name: str) -> bool:
    """Whether a member (its normalized name) is a name or title that somebody chose, such as that of a course."""
    return name.endswith(("name", "title"))


def text_of(value: object) -> str | None:
    """A scalar as text without blanks around it; None for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value).strip()
    return None
