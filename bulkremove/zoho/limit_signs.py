"""Signs in a reply that the account's allowance is used up, and for how long it is locked.

How the LMS API says so is not documented, so each form seen at one of Zoho's products counts, in codes and in words. A
limit that isn't recognized would refuse the rows for good, and make calls inside the lock. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bulkremove.domain.clock import Epoch, seconds_between
from bulkremove.domain.http_date import parse_http_date

_CALLS = r"(api )?(calls?|requests?)"
_REACHED = r"(is |was |has been |have been )?(exceeded|reached|crossed|exhausted)"
_TEXT = re.compile(
    rf"\bthreshold\b[^.]{{0,40}}\b(exceeded|reached|crossed|limit)\b|\b(exceeded|reached|crossed)\b[^.]{{0,40}}\bthreshold\b|"
    rf"\bthrottl(ed|ing|es)\b|\bthrottle\b[^.]{{0,30}}\blimit\b|\btoo many {_CALLS}\b|\brate limit(ed)?\b|"
    rf"\baccess (is |has been )?blocked\b|\blimits? (is |was |has been )?exceeded\b|"
    rf"\b(api|calls?|requests?|usage|daily|hourly|quota) limits? {_REACHED}\b|\b{_CALLS} quota\b|\bquota {_REACHED}\b|"
    rf"\bmax(imum)?\b[^.]{{0,20}}\b{_CALLS}\b|\bmore than \d+ {_CALLS}\b|\bexceeded\b[^.]{{0,40}}\b{_CALLS}\b|"
    r"\b(try again|retry) (after|in) \d|\btry (again )?after some ?time\b",
    re.IGNORECASE,
)
"""Whole phrases, since "threshold" alone may be in the name of a course."""
_QUOTED_NAME = re.compile(
    r"\b(course|batch|class|program(me)?|training|module|learner|user|name[d]?|called|titled)s?:? "
    r"(\"[^\"]{1,200}\"|'[^']{1,200}'(?!\w)|\u201c[^\u201d]{1,200}\u201d)",
    re.IGNORECASE,
)
_AFTER = re.compile(r"\b(?:try again|retry) (?:after|in) (\d{1,6}) ?(second|minute|hour)s?", re.IGNORECASE)
_UNIT = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


def without_quoted_names(texts: Iterable[str]) -> str:
    """The texts without the names that they quote after a noun, since a course may be called anything."""
    return " ".join(_QUOTED_NAME.sub(" ", text) for text in texts)


def reports_limit(text: str) -> bool:
    """Whether a text, or a code in words, says that too many calls were made."""
    return bool(_TEXT.search(text.replace("_", " ")))


def seconds_to_wait(retry_after: str | None, text: str, now: Epoch) -> float | None:
    """Return the seconds to wait from Retry-After (seconds or a date, one a line) or the text; the longest of all."""
    waits: list[float] = []
    for header in (retry_after or "").split("\n"):
        if re.fullmatch(r"[0-9]{1,9}", header.strip()):
            waits.append(float(header))
        elif (date := parse_http_date(header)) is not None:
            waits.append(max(0.0, seconds_between(now, date)))
    if match := _AFTER.search(text):
        waits.append(float(match[1]) * _UNIT[match[2].lower()])
    return max(waits, default=None)
