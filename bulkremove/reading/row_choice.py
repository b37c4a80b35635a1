"""Recognize a column that says who stays and who goes, such as Action; a person must say which rows are meant.

A roster with such a column names people who keep their place, so reading all its rows would remove them too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import TRIMMED_CHARACTERS, all_ids, is_id
from bulkremove.domain.leavers_list import OF_ZOHO, is_leavers_list
from bulkremove.domain.row import Roles
from bulkremove.domain.table import ROSTER_COLUMN, Choices
from bulkremove.reading import leaving_dates
from bulkremove.reading.chosen_rows import ALL, ANY, VALUE_WORDS, chosen_values, label_of, rows_not_chosen
from bulkremove.reading.columns import compared_columns
from bulkremove.reading.leaving_dates import AHEAD, PASSED
from bulkremove.reading.previous_report import are_statuses
from bulkremove.reading.staying_words import (
    DATE,
    FLAG,
    GOING_OR_STAYING,
    GOING_PHRASE,
    GOING_VALUE,
    NEGATION,
    NO,
    PLAINLY_STAYING_VALUE,
    STAYING,
    STAYING_REMARK,
    STAYING_VALUE,
    YES,
    plain,
    words_of,
)

MAX_VALUES = 5
"""A column with more different values says something else, such as a reason or a date."""
MAX_MIXED = 50
"""The same for a column among whose values one plainly means staying or going."""
MAX_REMARKS = 20_000
"""Different texts of a column among which a remark that somebody stays is looked for."""
_SHOWN = 5
"""Columns and values that a note names."""


def rows_left_out(
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    roles: Roles,
    numbers: Sequence[int],
    only: Sequence[str],
    name: str,
    today: date,
) -> tuple[frozenset[int], tuple[str, ...]]:
    """Return the rows (by index) that the user did not mean, and the notes for the preview.

    ``cells``: by column. ``only``: ``COLUMN=VALUE`` for each column that somebody decided on, several times for several
    values; and ``all``, if the other columns do not matter. FileRefused offers the values of the columns that seem to
    say who stays in the rows that are left, and that nobody has decided on.
    """
    wanted = chosen_values(header, only, name)
    left_out, note = (
        rows_not_chosen(header, cells, roles, numbers, wanted, name, today) if wanted else (frozenset[int](), "")
    )
    notes = (note,) if note else ()
    if ALL in only:
        return left_out, notes
    ids = [cells[column] for column in roles]
    asked: Sequence[int] = range(len(numbers))
    if left_out or not all(map(all_ids, ids)):  # a footer says nothing about anybody
        asked = [
            i for i in asked if i not in left_out and all(is_id(column[i].strip(TRIMMED_CHARACTERS)) for column in ids)
        ]
    undecided = {}
    # What Zoho calls a person or a course says of nobody in a list of leavers that they stay.
    names = OF_ZOHO if is_leavers_list(header) else ()
    for column, heading in enumerate(header):
        rows = cells[column] if len(asked) == len(numbers) else [cells[column][i] for i in asked]
        if ANY in wanted.get(column, ()):  # nobody has said that it means those too who leave some day
            if counts := _dates(heading, Counter(rows), today):
                undecided[label_of(header, column)] = counts
        elif column not in roles and column not in wanted and heading not in names:
            texts = cells[column]
            if plain(heading) == plain(ROSTER_COLUMN) and not any(map(str.strip, texts)):
                raise FileRefused(
                    f"{name}: this roster marks nobody in column {heading.strip()!r}.",
                    hint=f"Write x there for those who are to be removed, or give --only {ALL} for every row.",
                    choices=Choices(only=((label_of(header, column), (("", len(texts)),)),)),
                )
            if counts := _values(heading, rows, today):
                undecided[label_of(header, column)] = counts
    if undecided:
        raise _undecided_error(undecided, only, name)
    people = compared_columns(header, roles)
    of_zoho = (column for column, heading in enumerate(header) if heading in names)
    decided = {*roles, *wanted, people.email, *people.names, *of_zoho}
    others = {label_of(header, column): cells[column] for column in range(len(header)) if column not in decided}
    return left_out, (*notes, *_few_values(others))


def _few_values(columns: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The note about columns with few different values, one of which may say who stays in words that nobody knew.

    ``columns``: the cells, by what names the column.
    """
    shown = []
    for label, cells in columns.items():
        if len(set(islice(cells, 4 * MAX_MIXED))) <= MAX_VALUES and 1 < len(counts := Counter(cells)) <= MAX_VALUES:
            shown.append(
                f"{label!r}: {', '.join(f'{_display_value(value)[:40]} ({n:,})' for value, n in counts.items())}"
            )
    if shown:
        more = f"; and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
        columns_shown = f"{'; '.join(shown[:_SHOWN])}{more}"
        yield f"If one of these columns says who stays, leave these people out of the file. {columns_shown}."


def _undecided_error(undecided: Mapping[str, Mapping[str, int]], only: Sequence[str], name: str) -> FileRefused:
    """The question which rows are meant. ``undecided``: by column, the values and how many rows have each."""
    holds = {
        label: ", ".join(f"{_display_value(value)} ({count:,})" for value, count in counts.items())
        for label, counts in undecided.items()
    }
    columns = " and ".join(map(repr, undecided))
    if len(undecided) == 1:
        question = f"column {columns} seems to say who stays and who goes; it holds {next(iter(holds.values()))}"
    else:
        values = "; ".join(f"{label!r} holds {shown}" for label, shown in holds.items())
        question = f"columns {columns} seem to say who stays and who goes; {values}"
    kept = [choice for choice in only if not choice.endswith(f"={ANY}") or choice[: -len(ANY) - 1] not in undecided]
    options = " ".join(f'--only "{choice}"' for choice in (*kept, *(f"{label}=VALUE" for label in undecided)))
    every = "every row that is left" if only else "every row"
    return FileRefused(
        f"{name}: {question}.",
        hint=f"Say which rows are meant: {options}, or --only {ALL} for {every}; for a night, `only` in its block.",
        choices=Choices(only=tuple((label, tuple(counts.items())) for label, counts in undecided.items())),
    )


def _display_value(value: str) -> str:
    words = VALUE_WORDS.get(value, value)
    return f"{words}: {value}" if value in (ANY, PASSED, AHEAD) else words


def _is_named(words: Sequence[str]) -> bool:
    """Whether a heading of these words is about leaving or staying."""
    return any(map(GOING_OR_STAYING.fullmatch, words)) or bool(GOING_PHRASE.search(" ".join(words)))


def _dates(heading: str, raw: Mapping[str, int], today: date) -> Mapping[str, int]:
    """How many cells of a column of leaving dates have passed, are ahead or blank; empty where nobody leaves later."""
    words = words_of(heading)
    return leaving_dates.counts(words, is_about_leaving=_is_named(words), cells=raw, today=today)


def _values(heading: str, cells: Sequence[str], today: date) -> Mapping[str, int]:
    """The values of a column that seems to say who stays, with how many rows have each; empty for other columns."""
    words = words_of(heading)
    is_named = _is_named(words)
    if not is_named and len(set(islice(cells, 2 * MAX_REMARKS))) > MAX_REMARKS:
        return {}  # fast for a million rows
    raw = Counter(cells)
    if counts := _dates(heading, raw, today):
        return counts
    if len(raw) > 4 * MAX_MIXED:
        return (_filled_or_blank(raw) if is_named else {}) or _remarks(raw)
    spelled: dict[str, str] = {}
    counts = Counter[str]()
    for cell, count in raw.items():
        counts[spelled.setdefault(plain(cell), cell.strip())] += count
    stays, goes = (any(map(pattern.fullmatch, spelled)) for pattern in (STAYING_VALUE, GOING_VALUE))
    if not is_named:
        return counts if _says_so_itself(words, spelled, stays and goes) else _remarks(counts)
    if all(map(DATE.fullmatch, spelled)):
        return {} if not _means_staying(words) else _filled_or_blank(counts)  # everybody leaves on some day
    if len(counts) == 1:
        return {} if _means_all_leave(words, *spelled) else counts
    if len(counts) <= (MAX_MIXED if stays or goes else MAX_VALUES):
        return counts
    return _filled_or_blank(counts) or _remarks(counts)


def _filled_or_blank(counts: Mapping[str, int]) -> Mapping[str, int]:
    """How many cells are blank and how many are not, as of a date that only those have who leave; empty without blanks.

    ``counts``: the cells, and how many rows have each. What stands for a blank is counted by itself.
    """
    blank = Counter[str]()
    for cell, count in counts.items():
        if leaving_dates.is_blank(cell):
            blank[cell.strip()] += count
    return {**blank, ANY: sum(counts.values()) - blank.total()} if blank else {}


def _remarks(counts: Mapping[str, int]) -> Mapping[str, int]:
    """The remarks that somebody stays, of a column with too many different texts to choose from all of them."""
    if len(counts) > MAX_REMARKS:
        return {}
    return {cell: count for cell, count in counts.items() if STAYING_REMARK.search(plain(cell))}


def _says_so_itself(words: Sequence[str], spelled: Collection[str], is_mixed: bool) -> bool:
    """Whether the values of a column say who stays, whatever its heading: as words, as a remark, or as marks.

    ``spelled``: the values as ``plain`` makes them; ``is_mixed``: one plainly means staying, and one going.
    """
    if not spelled or len(spelled) > MAX_MIXED:
        return False
    if is_mixed or are_statuses(set(spelled) - {""}) or any(map(STAYING_REMARK.search, spelled)):
        return True
    if len(spelled) > 1 and not _is_name(words) and any(map(PLAINLY_STAYING_VALUE.fullmatch, spelled)):
        return True
    if not all(value == "" or YES.fullmatch(value) or NO.fullmatch(value) for value in spelled):
        return False
    if any(map(FLAG.fullmatch, words)):
        return len(spelled) > 1 or not _means_all_leave(words, *spelled)
    return len(spelled) == 2 and "" in spelled and not any(map(NO.fullmatch, spelled))


def _is_name(words: Sequence[str]) -> bool:
    return not {"name", "surname", "nachname", "vorname", "nom", "nombre"}.isdisjoint(words)


def _means_all_leave(words: Sequence[str], value: str) -> bool:
    """Whether the only value of a column plainly means going, or nothing at all."""
    is_going = (NO if _means_staying(words) else YES).fullmatch(value) or GOING_VALUE.fullmatch(value)
    return not value or bool(is_going)


def _means_staying(words: Sequence[str]) -> bool:
    """Whether yes under a heading of these words means that somebody stays."""
    return any(map(STAYING.fullmatch, words)) != any(map(NEGATION.fullmatch, words))
