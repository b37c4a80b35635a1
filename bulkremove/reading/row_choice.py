"""Recognize a column that says who stays and who goes, such as Action; a person must say which rows are meant.

A roster with such a column names people who keep their place, so reading all its rows would remove them too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import TRIMMED_CHARACTERS, all_ids, is_id
from bulkremove.domain.row import Roles
from bulkremove.domain.table import Choices, column_letter
from bulkremove.reading.columns import headings, named
from bulkremove.reading.previous_report import are_statuses

ANY = "*"
"""The value of a choice that means any cell that is not blank, unless a cell holds just this."""
ALL = "all"
"""The choice of ``ReadOptions.only`` that means every row, or every row that the other choices leave."""
MAX_VALUES = 5
"""A column with more different values says something else, such as a reason or a date."""
MAX_MIXED = 50
"""The same for a column among whose values one plainly means staying or going."""
_GOING_OR_STAYING = re.compile(
    "actions?|(?:in)?activ(?:e|ity)|changes?|decision|delet(?:e|ed|ing|ion)|drop(?:ped)?|(?:un)?enroll?(?:ed|ment)?|"
    "exclu(?:de|ded|sion)|exit|kee?pt?|leav(?:er|ing)|operation|remov(?:e|ed|al|ing)|retain(?:ed)?|skip|state|status|"
    "stays?|terminat(?:ed|ion)|withdrawn?|"
    "aktiv|aktion|(?:aus|ein)treten|austritt|ausgetreten|austragen|ausgetragen|behalten|bleib(?:t|en)|entfern(?:en|t)|"
    "gel\u00f6scht|l(?:\u00f6|oe)schen|"
    "(?:in)?acti(?:f|ve|vo|va)|acci[o\u00f3]n|baja|conserv(?:er|ar)|d[e\u00e9]part|eliminar|estado|garder|mantener|retirer|"
    "statut|supprim(?:er|[e\u00e9])"
)
"""Words of a heading under which values may say who stays."""
_FLAG = re.compile("approved|confirmed|done|included?|processed|selected")
"""Words of a heading under which yes and no, or a mark, may say who stays; other values say something else."""
_STAYING = re.compile(
    "active|current|done|enroll?(?:ed|ment)?|exclu(?:de|ded|sion)|kee?pt?|processed|retain(?:ed)?|skip|stays?|"
    "acti(?:f|vo|va)|aktiv|behalten|bleib(?:t|en)|conserv(?:er|ar)|garder|mantener"
)
"""Words of a heading under which yes means staying; a negation turns that round."""
_NEGATION = re.compile("dont|doesnt|no|non|not|never|ne|nicht|pas")
_STAYING_VALUE = re.compile(
    "active.*|add(?:ed)?|current.*|enroll?(?:ed)?|kee?pt?\\b.*|present|retain(?:ed)?|stay(?:s|ing)?|"
    "acti(?:f|vo|va)|aktiv|behalten|bleib(?:t|en)|conserv(?:er|ar)|garder|mantener"
)
_GOING_VALUE = re.compile(
    "del(?:ete|eted)?|drop(?:ped)?|exit(?:ed)?|inactive|left|remov(?:e|al)|terminated|unenroll?(?:ed)?|withdrawn|"
    "baja|eliminar|eliminado|entfern(?:en|t)|ausgetreten|austragen|gel\u00f6scht|inakti(?:v|f)|inactivo|"
    "l(?:\u00f6|oe)schen|retirer|supprim(?:er|[e\u00e9])"
)
_STAYING_REMARK = re.compile(
    r"\b(?:do not|don['\u2019]?t|never|not to be|not be) (?:delete|drop|remove|unenroll?)d?\b|"
    r"\b(?:please|must|should) (?:keep|stay)\b|\bkeep (?:enroll?ed|her|him|them)\b"
)
"""A remark that somebody stays, wherever it stands."""
_YES, _NO = re.compile("1|true|x|y|yes|ja|oui|s[i\u00ed]|[\u2713\u2714\u2611]"), re.compile("0|false|n|no|nein|non")


def rows_left_out(
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    roles: Roles,
    numbers: Sequence[int],
    only: Sequence[str],
    name: str,
) -> tuple[frozenset[int], str]:
    """Return the rows (by index) that the user did not mean, and the note that says so.

    ``cells``: by column. ``only``: ``COLUMN=VALUE`` for each column that somebody decided on, several times for several
    values; and ``all``, if the other columns do not matter. FileRefused offers the values of the columns that seem to
    say who stays in the rows that are left, and that nobody has decided on.
    """
    wanted = _wanted(header, only, name)
    left_out, note = _chosen(header, cells, roles, numbers, wanted, name) if wanted else (frozenset[int](), "")
    if ALL in only:
        return left_out, note
    ids = [cells[column] for column in roles]
    asked: Sequence[int] = range(len(numbers))
    if left_out or not all(map(all_ids, ids)):  # a footer says nothing about anybody
        asked = [
            i for i in asked if i not in left_out and all(is_id(column[i].strip(TRIMMED_CHARACTERS)) for column in ids)
        ]
    undecided = {}
    for column, heading in enumerate(header):
        if column not in roles and column not in wanted:
            texts = cells[column]
            if counts := _values(heading, texts if len(asked) == len(texts) else [texts[i] for i in asked]):
                undecided[_label(header, column)] = counts
    if undecided:
        raise _asked(undecided, only, name)
    return left_out, note


def _asked(undecided: Mapping[str, Mapping[str, int]], only: Sequence[str], name: str) -> FileRefused:
    """The question which rows are meant. ``undecided``: by column, the values and how many rows have each."""
    holds = {
        label: ", ".join(f"{_shown(value)} ({count:,})" for value, count in counts.items())
        for label, counts in undecided.items()
    }
    columns = " and ".join(map(repr, undecided))
    if len(undecided) == 1:
        says = f"column {columns} seems to say who stays and who goes; it holds {next(iter(holds.values()))}"
    else:
        values = "; ".join(f"{label!r} holds {shown}" for label, shown in holds.items())
        says = f"columns {columns} seem to say who stays and who goes; {values}"
    options = " ".join(f'--only "{choice}"' for choice in (*only, *(f"{label}=VALUE" for label in undecided)))
    every = "every row that is left" if only else "every row"
    return FileRefused(
        f"{name}: {says}.",
        hint=f"Say which rows are meant: {options}, or --only {ALL} for {every}; for nightly runs set nightly_only.",
        choices=Choices(only=tuple((label, tuple(counts.items())) for label, counts in undecided.items())),
    )


def _wanted(header: Sequence[str], only: Sequence[str], name: str) -> Mapping[int, Sequence[str]]:
    """The values that were chosen, by column. Raises FileRefused for a choice that fits no column."""
    wanted: dict[int, list[str]] = {}
    for choice in only:
        if choice == ALL:
            continue
        splits = ((choice[:place], choice[place + 1 :]) for place, mark in enumerate(choice) if mark == "=")
        found = [(named(header, heading.strip()), value.strip()) for heading, value in splits]
        columns = [(columns[0], value) for columns, value in found if len(columns) == 1]
        if not columns:
            raise FileRefused(
                f"{name}: {choice!r} names no column of this file. Headings found: {headings(header)}.",
                hint="Write COLUMN=VALUE.",
            )
        column, value = columns[-1]
        wanted.setdefault(column, []).append(value)
    return wanted


def _chosen(
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    roles: Roles,
    numbers: Sequence[int],
    wanted: Mapping[int, Sequence[str]],
    name: str,
) -> tuple[frozenset[int], str]:
    """The rows that were not meant, and the note. Raises FileRefused for nobody, and for one who stays and goes."""
    left_out: set[int] = set()
    reasons = []
    for column, values in wanted.items():
        found = set(map(_normal, cells[column]))
        spelled = set(map(_normal, values))
        if ANY in spelled and ANY not in found:
            spelled |= found - {""}
        shown = " or ".join(repr(value) if value else "blank" for value in values)
        if found.isdisjoint(spelled):
            raise FileRefused(f"{name}: no row has {shown} in column {header[column]!r}.", hint="Check the choice.")
        left_out.update(index for index, cell in enumerate(cells[column]) if _normal(cell) not in spelled)
        others = "blank" if found - spelled == {""} else f"not {shown}"
        reasons.append(f"{_label(header, column)!r} is {others}")
    if len(left_out) == len(numbers):
        raise FileRefused(f"{name}: no row has all the values that were chosen.", hint="Check the choice.")
    triples = list(zip(*(map(str.strip, cells[column]) for column in roles), strict=True))
    staying = {triples[index]: numbers[index] for index in left_out}
    for index, triple in enumerate(triples):
        if index not in left_out and triple in staying:
            raise FileRefused(
                f"{name}: rows {staying[triple]} and {numbers[index]} name the same learner, but only one of them is "
                f"meant by {' and '.join(repr(_label(header, column)) for column in wanted)}.",
                hint="Nothing was sent. Correct one of the two rows.",
            )
    rows = "1 row is" if len(left_out) == 1 else f"{len(left_out):,} rows are"
    return frozenset(left_out), f"{rows} left out, since {' or '.join(reasons)} there."


def _shown(value: str) -> str:
    return "any value: *" if value == ANY else value or "blank"


def _label(header: Sequence[str], column: int) -> str:
    """What names a column to ``--only``: its heading, or its letter where no or several columns have this heading."""
    heading = header[column].strip()
    return heading if heading and named(header, heading) == [column] else column_letter(column)


def _values(heading: str, cells: Sequence[str]) -> Mapping[str, int]:
    """The values of a column that seems to say who stays, with how many rows have each; empty for other columns."""
    plain = re.sub("(?<=[a-z])(?=[A-Z])", " ", heading.replace("'", "").replace("\u2019", "")).casefold()
    words = re.findall(r"[^\W\d_]+", plain)
    is_named = any(map(_GOING_OR_STAYING.fullmatch, words))
    raw = Counter(cells)
    if len(raw) > 4 * MAX_MIXED:
        return _filled_or_blank(raw) if is_named else {}
    spelled: dict[str, str] = {}
    counts = Counter[str]()
    for cell, count in raw.items():
        counts[spelled.setdefault(_normal(cell), cell.strip())] += count
    stays, goes = (any(map(pattern.fullmatch, spelled)) for pattern in (_STAYING_VALUE, _GOING_VALUE))
    if not is_named:
        return counts if _says_so_itself(words, spelled, stays and goes) else {}
    if len(counts) == 1:
        return {} if _all_go(words, *spelled) else counts
    return counts if len(counts) <= (MAX_MIXED if stays or goes else MAX_VALUES) else _filled_or_blank(counts)


def _filled_or_blank(counts: Mapping[str, int]) -> Mapping[str, int]:
    """How many cells are blank and how many are not, as of a date that only those have who leave; empty without blanks.

    ``counts``: the cells, and how many rows have each.
    """
    blank = sum(count for cell, count in counts.items() if not cell.strip())
    return {"": blank, ANY: sum(counts.values()) - blank} if blank else {}


def _says_so_itself(words: Sequence[str], spelled: Collection[str], is_mixed: bool) -> bool:
    """Whether the values of a column say who stays, whatever its heading: as words, as a remark, or as marks.

    ``spelled``: the values in lower case; ``is_mixed``: one plainly means staying, and one going.
    """
    if not spelled or len(spelled) > MAX_MIXED:
        return False
    if is_mixed or are_statuses(set(spelled) - {""}) or any(map(_STAYING_REMARK.search, spelled)):
        return True
    if not all(value == "" or _YES.fullmatch(value) or _NO.fullmatch(value) for value in spelled):
        return False
    if any(map(_FLAG.fullmatch, words)):
        return len(spelled) > 1 or not _all_go(words, *spelled)
    return len(spelled) == 2 and "" in spelled and not any(map(_NO.fullmatch, spelled))


def _all_go(words: Sequence[str], value: str) -> bool:
    """Whether the only value of a column plainly means going, or nothing at all."""
    means_staying = any(map(_STAYING.fullmatch, words)) != any(map(_NEGATION.fullmatch, words))
    return not value or bool((_NO if means_staying else _YES).fullmatch(value)) or bool(_GOING_VALUE.fullmatch(value))


def _normal(cell: str) -> str:
    return cell.strip().casefold()
