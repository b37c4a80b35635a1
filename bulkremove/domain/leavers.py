"""Who has left: the rule by which employees, as Zoho's employee form lists them, count as leavers. Pure.

Somebody is a leaver by what Zoho says of them, never by being missing from its answer. In doubt nobody is one
(docs/decisions/0022-leavers.md): whoever is left out is named with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, slots=True)
class Employee:
    """A record of the employee form, with its texts as Zoho writes them; what it does not say is empty.

    ``id``: the record's number (erecno), which is no learner id. ``status_type``: Zoho's number beside the status;
    1 was seen beside "Active" and 0 beside "Inactive" (observed, its meaning is not documented).
    """

    id: str
    name: str = ""
    email: str = ""
    employee_id: str = ""
    status: str = ""
    status_type: str = ""
    exit_date: str = ""
    joining_date: str = ""
    department: str = ""


@dataclass(frozen=True, slots=True)
class LeaverRule:
    """Who counts as a leaver. ``statuses``: names of statuses of those who have left, letters' case aside.

    ``exit_days``: whoever has an exit date has left only after so many days since then, and whoever has none by status.
    None: an exit date alone makes nobody a leaver. ``departments``: whose people are left out.
    """

    statuses: tuple[str, ...] = ()
    exit_days: int | None = None
    departments: tuple[str, ...] = ()


class KeptReason(StrEnum):
    """Why somebody whom a status or date says to have left is left out, in words."""

    EMPLOYED_AGAIN = "another record with the same e-mail address or employee id is not one of a leaver"
    JOINS_LATER = "the joining date lies ahead"
    EXIT_AHEAD = "the exit date has not passed for long enough"
    UNREADABLE_DATE = "the exit date can't be read"
    TYPE_ACTIVE = "the status is one of leavers, and its type says active"
    DEPARTMENT = "the department is left out, or not known"


@dataclass(frozen=True, slots=True)
class Leavers:
    """Who has left, and who is left out all the same, with the reason."""

    leavers: tuple[Employee, ...]
    kept: tuple[tuple[Employee, KeptReason], ...]

    @property
    def kept_words(self) -> list[str]:
        """How many are left out for which reason, in sentences."""
        counts = Counter(reason for _, reason in self.kept)
        return [f"{count:,} left out: {reason}." for reason, count in counts.items()]


def find_leavers(employees: Collection[Employee], rule: LeaverRule, today: date) -> Leavers:
    """Find the leavers among all employees that Zoho lists."""
    statuses, departments = set(map(folded, rule.statuses)), set(map(folded, rule.departments))
    left, kept = list[Employee](), list[tuple[Employee, KeptReason]]()
    present = set[tuple[str, str]]()
    """E-mail addresses and employee ids of those who have not left."""
    for one in employees:
        verdict = _verdict(one, statuses, rule.exit_days, today)
        if verdict is None or isinstance(verdict, KeptReason):
            present |= _keys(one)
        if verdict is True and departments and (not one.department or folded(one.department) in departments):
            verdict = KeptReason.DEPARTMENT
        if verdict is True:
            left.append(one)
        elif verdict is not None:
            kept.append((one, verdict))
    again = [one for one in left if _keys(one) & present]
    kept += [(one, KeptReason.EMPLOYED_AGAIN) for one in again]
    return Leavers(tuple(one for one in left if one not in again), tuple(kept))


def _verdict(
    one: Employee, statuses: Collection[str], exit_days: int | None, today: date
) -> KeptReason | Literal[True] | None:
    """True for a leaver; a reason for somebody who only seems to be one; None for anybody else."""
    ended, joined = latest_date(one.exit_date), latest_date(one.joining_date)
    is_earlier_exit = ended is not None and joined is not None and joined > ended  # of an earlier employment
    by_status = folded(one.status) in statuses
    passed = ended is not None and not is_earlier_exit and today > ended + timedelta(days=exit_days or 0)
    if not by_status and not (exit_days is not None and passed):
        return None
    if by_status and one.status_type == "1":
        return KeptReason.TYPE_ACTIVE
    if joined is not None and joined > today:
        return KeptReason.JOINS_LATER
    if one.exit_date and ended is None:
        return KeptReason.UNREADABLE_DATE
    if one.exit_date and not is_earlier_exit and not passed:
        return KeptReason.EXIT_AHEAD
    return True


def _keys(one: Employee) -> set[tuple[str, str]]:
    return {(name, key) for name, text in (("e-mail", one.email), ("id", one.employee_id)) if (key := folded(text))}


def status_words(employees: Iterable[Employee]) -> str:
    """Which statuses there are, each with its number of employees; they name nobody."""
    counts = Counter(one.status or "none" for one in employees)
    return ", ".join(f"{status!r} ({count:,})" for status, count in counts.most_common(20))


def folded(text: str) -> str:
    """A text as it is compared: letters' case and the number of blanks aside."""
    return " ".join(text.split()).casefold()


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WITH_MONTH = re.compile(r"(\d{1,2})[-/. ]+([a-z]{3})[a-z]*[-/., ]+(\d{4})|([a-z]{3})[a-z]* +(\d{1,2}),? +(\d{4})")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_NUMBERS = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})")


def latest_date(text: str) -> date | None:
    """The day that a text means; the later one where day and month may be either way; None for any other text.

    Zoho writes dates in the organisation's own form, such as 31-Dec-2026 (documented for other dates).
    """
    plain = text.strip().lower()
    candidates: list[tuple[str, str | int, str]]
    if match := _WITH_MONTH.fullmatch(plain):
        day, month, year = match.groups()[:3] if match[1] else (match[5], match[4], match[6])
        candidates = [(year, _MONTHS.index(month) + 1 if month in _MONTHS else 0, day)]
    elif match := _ISO.fullmatch(plain):
        candidates = [(match[1], match[2], match[3])]
    elif match := _NUMBERS.fullmatch(plain):
        candidates = [(match[3], match[2], match[1]), (match[3], match[1], match[2])]
    else:
        return None
    return max((found for one in candidates if (found := _date(*map(int, one)))), default=None)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
