"""Recognize dates of leaving that have not surely passed: whoever leaves in the future has a place until then."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from bulkremove.domain.leavers import readings
from bulkremove.reading.staying_words import PLACEHOLDERS, plain

PASSED, AHEAD = "*passed", "*ahead"
"""The values of a choice that mean any date before today, and any other cell but a blank; not if a cell holds them."""

_DATE_WORD = re.compile(
    r"date|day|on|from|until|till|end|ending|lwd|dol|\w*datum|(?:arbeits)?tag|ab|bis|am|zum|\w*ende|jour|d[e\u00e9]s|le|au|fin|"
    r"fecha|d[i\u00ed]a|desde|hasta|el"
)
"""Words that make a heading about leaving one of a date."""
_DATE_PHRASE = re.compile(
    r"\b(?:effective|lwd|dol|vertragsende|letzter (?:arbeits)?tag|dernier jour|[u\u00fa]ltimo d[i\u00ed]a|"
    r"(?:date|end|last day) of (?:contract|employment|notice|service)|"
    r"(?:contract|employment|notice|service) (?:period )?ends?|"
    r"last (?:\w+ )?da(?:y|te)|releas(?:e|ed|ing) (?:date|on)|fin de contrat|fin (?:de|del) contrato)\b|"
    r"^(?:date|datum|fecha|end|ende|until)$"
)
"""Headings of such a date without a word about leaving."""
_OF_COURSE = re.compile("batch|class|cohort|courses?|program(?:me)?|session|training|kurs|schulung|cours|curso")
"""Words of a heading whose date is that of a course."""
_NUMBER = re.compile(r"\d\D*\d")
"""What some cell of a column of dates has."""
_TIME = re.compile(
    r"[ t]+\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[ap]\.?m\.?)?(?: ?(?:z|utc|gmt|[+-]\d\d(?::?\d\d)?))?$", re.ASCII
)
"""A time of day that ends the cell: text behind it may be a later date."""
_OF_YEAR = re.compile(
    r"(?:(?:\d{1,2}(?:\.|st|nd|rd|th)?(?: de)?|q[1-4]|[1-4]\. quartal)[ -]+)?"
    r"(?:(?:jan(?:uar(?:y)?|vier)?|j[\u00e4a]nner|ene(?:ro)?|feb(?:ruar(?:y)?|rero)?|f[e\u00e9]v(?:rier)?|"
    r"mar(?:ch|s|zo)?|m[\u00e4a]rz|apr(?:il)?|avr(?:il)?|abr(?:il)?|ma[iy]o?|juni?o?|june|juin|jul(?:[iy]o?)?|juillet|"
    r"aug(?:ust)?|ao[u\u00fb]t|ago(?:sto)?|sep(?:t|tembre|tember|tiembre)?|o[ck]t(?:ober|obre|ubre)?|"
    r"nov(?:ember|embre|iembre)?|de[cz](?:ember)?|d[e\u00e9]c(?:embre)?|dic(?:iembre)?)[.,]?(?: de)?[ -]+)?"
    r"((?:19|20)\d\d)",
    re.ASCII,
)
"""A year with nothing beside it but a day, a month in words or a quarter, such as "31 décembre 2024", "Q3 2024"."""
_COMPACT = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)", re.ASCII)
_SHORT_YEAR = re.compile(r"(\d{1,2})([-/. ]+)(\d{1,2}|[a-z]{3,})([-/., ]+)(\d{2})", re.ASCII)
_SERIAL = re.compile(r"[34]\d{4}", re.ASCII)
"""How a spreadsheet stores a day between 1982 and 2036 (1900 date system) or 1986 and 2040 (1904)."""
_SERIAL_ZEROS = date(1899, 12, 30), date(1904, 1, 1)
"""The days from which a spreadsheet counts, the second one in workbooks of a Mac; a number does not say from which."""


def counts(words: Sequence[str], *, is_about_leaving: bool, cells: Mapping[str, int], today: date) -> Mapping[str, int]:
    """How many cells are dates that have passed, are not surely, and are blank; empty if none is in the future.

    Under the heading of a date of leaving, all but a date that has passed counts as ahead. Under another one about
    leaving, and under none at all, only what is surely a date does. ``words``: of the heading; ``cells``: with how many
    rows have each.
    """
    heading = " ".join(words)
    has_heading = len(heading) > 1  # in a file without headings there are letters in their place
    is_date = bool(_DATE_PHRASE.search(heading)) or (is_about_leaving and any(map(_DATE_WORD.fullmatch, words)))
    if any(map(_OF_COURSE.fullmatch, words)) or (has_heading and not is_date and not is_about_leaving):
        return {}
    if not any(map(_NUMBER.search, cells)):
        return {}  # such as yes and no under "On leave"
    passed = ahead = 0
    blank: dict[str, int] = {}
    for cell, count in cells.items():
        if is_blank(cell):
            blank[cell.strip()] = blank.get(cell.strip(), 0) + count
        elif has_passed(cell, today):
            passed += count
        elif is_date or _days(_day_text(cell)):
            ahead += count
        else:
            return {}  # other words than dates: they are asked about as such
    return {**({PASSED: passed} if passed else {}), AHEAD: ahead, **blank} if ahead else {}


def is_blank(cell: str) -> bool:
    """Whether the cell is blank, or holds what some programs write instead."""
    return not cell.strip() or plain(cell) in PLACEHOLDERS or cell.strip() in PLACEHOLDERS


def has_passed(cell: str, today: date) -> bool:
    """Whether the cell is a date, in whatever way it may be read, that is before today."""
    text = _day_text(cell)
    if days := _days(text):
        return days[-1] < today
    if match := _SHORT_YEAR.fullmatch(text):
        day, _, month, _, year = match.groups()
        days = [*readings(f"{day}-{month}-20{year}"), *readings(f"20{day:0>2}-{month}-{year}")]
        return bool(days) and max(days) < today
    match = _OF_YEAR.fullmatch(text)
    return match is not None and int(match[1]) < today.year


def _day_text(cell: str) -> str:
    return _TIME.sub("", plain(cell))


def _days(text: str) -> list[date]:
    """The days that a text may mean, earliest first; none if it is not a date with a day, a month and a full year."""
    if match := _COMPACT.fullmatch(text):
        return readings("-".join(match.groups()))
    if _SERIAL.fullmatch(text):
        return [zero + timedelta(days=int(text)) for zero in _SERIAL_ZEROS]
    return readings(text)
