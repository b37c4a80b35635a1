"""Who has left: the rule by which employees, as Zoho's employee form lists them, count as leavers. Pure.

Somebody is a leaver by what Zoho says of them, never by being missing from its answer. In doubt nobody is one
(docs/decisions/0022-leavers.md): whoever is left out is named with the reason.
"""

from __future__ import annotations

import re
import unicodedata
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
    UNREADABLE_JOINING = "the joining date can't be read"
    TYPE_ACTIVE = "the type of the status says active"
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
    ended, joined = readings(one.exit_date), readings(one.joining_date)
    passed = bool(ended) and today > ended[-1] + timedelta(days=exit_days or 0)
    by_date = (
        exit_days is not None and passed and not (joined and joined[-1] > ended[0])
    )  # else of an earlier employment
    if folded(one.status) not in statuses and not by_date:
        return None
    if one.status_type == "1":
        return KeptReason.TYPE_ACTIVE
    if one.joining_date and not joined:
        return KeptReason.UNREADABLE_JOINING
    if joined and joined[-1] > today:
        return KeptReason.JOINS_LATER
    if one.exit_date and not ended:
        return KeptReason.UNREADABLE_DATE
    return KeptReason.EXIT_AHEAD if ended and not passed else True


def _keys(one: Employee) -> set[tuple[str, str]]:
    return {(name, key) for name, text in (("e-mail", one.email), ("id", one.employee_id)) if (key := folded(text))}


def status_words(employees: Iterable[Employee]) -> str:
    """Which statuses there are, each with its number of employees; they name nobody."""
    counts = Counter(one.status or "none" for one in employees)
    return ", ".join(f"{status!r} ({count:,})" for status, count in counts.most_common(20))


def unknown_names(names: Iterable[str], texts: Iterable[str]) -> list[str]:
    """Those of the names of a setting that are none of these texts, which are statuses or departments."""
    known = set(map(folded, texts))
    return [name for name in names if folded(name) not in known]


def folded(text: str) -> str:
    """A text as it is compared: its form, unseen characters, letters' case and the number of blanks aside.

    Two that are not equal by this are of different people, and two that are may be.
    """
    seen = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold()).split())


def is_same_address(one: str, other: str) -> bool:
    """Whether two e-mail addresses are surely the same: of one spelling, letters' case and blanks around it aside."""
    return bool(one.strip()) and one.strip().lower() == other.strip().lower()


_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WITH_MONTH = re.compile(r"(\d{1,2})[-/. ]+([a-z]{3,})[-/., ]+(\d{4})|([a-z]{3,}) +(\d{1,2}),? +(\d{4})", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_NUMBERS = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})", re.ASCII)


def readings(text: str) -> list[date]:
    """The days that a text may mean, the earliest first: two where day and month may be either way; else one or none.

    Zoho writes dates in the organisation's own form, such as 31-Dec-2026 (documented for other dates). A month's word
    is the English name, or its beginning of three letters or more: other languages have other months that begin so. A
    year before 1950 or after 2100 is none.
    """
    plain = text.strip().lower()
    candidates: list[tuple[str, str | int, str]]
    if match := _WITH_MONTH.fullmatch(plain):
        day, word, year = match.groups()[:3] if match[1] else (match[5], match[4], match[6])
        candidates = [(year, month, day) for month, name in enumerate(_MONTHS, 1) if name.startswith(word)]
    elif match := _ISO.fullmatch(plain):
        candidates = [(match[1], match[2], match[3])]
    elif match := _NUMBERS.fullmatch(plain):
        candidates = [(match[3], match[2], match[1]), (match[3], match[1], match[2])]
    else:
        return []
    return sorted({found for one in candidates if (found := _date(*map(int, one)))})


def _date(year: int, month: int, day: int) -> date | None:
    if not 1950 <= year <= 2100:  # of another calendar, or with digits lost: 0026 is 2026
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None
