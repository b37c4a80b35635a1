"""Whether anything in a body claims that the learner was removed, whatever the status, the code and the rest say.

A refusal, a limit or a "not found" that claims a success beside it proves neither: the attempt may have had its effect
(docs/decisions/0002-careful-readings.md). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bulkremove.domain.wording import names_success
from bulkremove.zoho.contradictions import FAILURE_NAME, is_name, normalized, text_of

_SUCCESS_NAME = re.compile(
    "^(is|was|has)?(success(ful|fully)?|succeeded|ok)$|successcount|removed|deleted|unenrolled|affected"
)
"""Members that claim a success unless they are empty, zero or false."""
_NOT_SO = frozenset({"0", "0.0", "false", "no", "none", "null"})
_CODE_NAMES = frozenset({"code", "status", "statuscode"})
_SUCCESS_WORDS = re.compile(r"(success(ful|fully)?|ok|done|removed|deleted|unenrolled)[.!]?")
"""Values that claim a success, whatever their member is called, unless it is a name or title."""


def claims_success(tree: object) -> bool:
    """Whether a member at any depth is a sign of success, or a message that reports a removal in words."""
    pending: list[tuple[str, object]] = [("", tree)]
    while pending:
        name, value = pending.pop()
        if _is_claim(name, value):
            return True
        if isinstance(value, Mapping):
            pending += [(normalized(str(inner)), member) for inner, member in value.items()]
        elif isinstance(value, list):
            pending += [(name, item) for item in value]
    return False


def _is_claim(name: str, value: object) -> bool:
    if FAILURE_NAME.search(name) or is_name(name):
        return False
    text = (text_of(value) or "").lower()
    if _SUCCESS_NAME.search(name):
        return bool(value) and text not in _NOT_SO
    if name in _CODE_NAMES and (text == "200" or (name == "status" and text == "0")):
        return True  # 0 is the success of the legacy envelope
    return bool(_SUCCESS_WORDS.fullmatch(text)) or (isinstance(value, str) and names_success(value))
