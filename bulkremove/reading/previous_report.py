"""Recognize files that this program wrote and that are given as input: reports, undo lists and plan files.

A report's own columns are stripped, and the rows that its job settled are not sent again. A file of ours that was
changed so that not all of its columns are known any more, or that has lost its headings, is refused: read as an
ordinary list, it would remove people again.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import JOB_ID
from bulkremove.domain.operation import OPERATIONS
from bulkremove.domain.row import Exclusion, Roles, Status
from bulkremove.domain.table import (
    PLAN_COLUMNS,
    REPORT_COLUMNS,
    RESULT_COLUMNS,
    SANDBOX_COLUMN,
    SANDBOX_MARK,
    UNDO_COLUMN,
)

_ADDED_APOSTROPHE = re.compile(r"'(?=[=+\-@\x00-\x1f\ufffd])")
_DISTINCTIVE_COLUMNS = frozenset(REPORT_COLUMNS) - {"row", "status", "detail", "job", "attempts"}
"""Columns of a report that hardly another list has."""
_RESULT_COLUMNS = frozenset(name.casefold() for name in RESULT_COLUMNS)
_NEEDED = ("status", "detail", "http_status", "finished_at", "job")
_STATUSES = frozenset(status.value for status in Status)
_COMMON_WORDS = frozenset({Status.UNKNOWN, Status.INVALID, Status.DUPLICATE, Status.REFUSED})
"""Statuses that other lists hold too."""
_PLANNED, _TO_REMOVE = "planned", "remove"
_TO_SEND = {operation.words.act for operation in OPERATIONS.values()}
"""The column of a plan file that says what happens to a row, and its words for rows that are sent."""
_NEARLY_ALL = 0.9
_JOB_ID = re.compile(rf"^[ \t]*(?=.*[a-z][2-9]*[ \t]*$){JOB_ID}[ \t]*$", re.MULTILINE | re.IGNORECASE)
"""A line with a job's id alone. One without a letter at its end might be the number of another thing."""
_ROW_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_HINT = "Nothing was sent. Give the report as it was written, or the original file."
_NEVER_SENT = (
    Status.DUPLICATE,
    Status.INVALID,
    Status.DONE_BEFORE,
    Status.NOT_ENROLLED,
    Status.IDENTITY_MISMATCH,
)
SETTLED = (Status.REMOVED, Status.REMOVED_INFERRED, Status.NOT_FOUND, Status.REFUSED, Status.DONE_BEFORE)
"""The statuses of rows that are not sent again."""
EXCLUDED_AGAIN = (Status.DUPLICATE, Status.IDENTITY_MISMATCH)
"""Not sent again either: another row or job has the say, or a person, who changes the file that the report is of."""


def report_columns(header: Sequence[str], name: str) -> tuple[int, ...] | None:
    """Return the positions of a report's columns, in the order of REPORT_COLUMNS; None if the file is not a report.

    Raises FileRefused for a report that was changed, an undo list or a plan file.
    """
    names = [heading.strip().casefold() for heading in header]
    if any(re.sub(r"\s", "_", name).startswith(UNDO_COLUMN) for name in names):
        raise FileRefused(
            f"{name} is an undo list, or the report of a job that put people back: it names people who were removed "
            "and are to be in their batches again.",
            hint="Nothing was sent. It is not a list of people to remove.",
        )
    plan_columns = set(PLAN_COLUMNS).intersection(names)
    if len(plan_columns) >= len(PLAN_COLUMNS) - 1 or (
        _PLANNED in plan_columns and not plan_columns.isdisjoint({"row", "detail"})
    ):
        raise _plan_file(name)
    width = len(REPORT_COLUMNS)
    for start in range(len(names) - width, -1, -1):  # the file itself may have columns of these names too
        if tuple(names[start : start + width]) == REPORT_COLUMNS:
            return tuple(range(start, start + width))
    if len(_DISTINCTIVE_COLUMNS.intersection(names)) < 2:
        return None
    places = tuple(names.index(column) for column in REPORT_COLUMNS if names.count(column) == 1)
    if len(places) < len(REPORT_COLUMNS):
        doubtful = ", ".join(column for column in REPORT_COLUMNS if names.count(column) != 1)
        raise FileRefused(
            f"{name} looks like a report of an earlier job, but these of its columns are missing, renamed or doubled: "
            f"{doubtful}. Its rows may have been removed already.",
            hint=_HINT,
        )
    return places


def result_columns(header: Sequence[str]) -> tuple[int, ...]:
    """Return the positions of the columns for people that a report's workbook begins with."""
    ours = itertools.takewhile(lambda heading: heading.strip().casefold() in _RESULT_COLUMNS, header)
    return tuple(range(len([*ours])))


def sandbox_column(
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    own_columns: Sequence[int] | None,
    name: str,
    *,
    is_allowed: bool,
) -> int | None:
    """Return where the mark of a sandbox run's file stands; None if it has none.

    ``own_columns``: those of a report. ``is_allowed``: the rows are for a sandbox run too. Raises FileRefused
    otherwise: in its report, removed means that nobody was removed, and its retry file lacks those people. One marked
    cell is enough, under whatever heading, and in a report the heading, or the id of one job.
    """
    column = next(
        (
            place
            for place, heading in enumerate(header)
            if (own_columns and heading.strip().casefold() == SANDBOX_COLUMN) or SANDBOX_MARK in cells[place]
        ),
        None,
    )
    jobs = cells[own_columns[REPORT_COLUMNS.index("job")]] if own_columns else ()
    if not is_allowed and (column is not None or any(f"-{SANDBOX_MARK}-" in job for job in jobs)):
        raise FileRefused(
            f"{name} was written by a sandbox run: nobody was really removed then.",
            hint="Nothing was sent. Give the original file.",
        )
    return column


def check_cells(
    header: Sequence[str], cells: Sequence[Sequence[str]], roles: Roles, name: str, *, has_headings: bool
) -> None:
    """Check that a file that is not a report by its headings is not one by its cells either. Raises FileRefused.

    ``cells``: by column. Statuses refuse a file without headings only: under a heading, the user is asked which
    rows are meant (``row_choice``).
    """
    for column, heading in enumerate(header):
        if column in roles:
            continue
        is_planned = heading.strip().casefold() == _PLANNED
        words = _words(cells[column]) if is_planned or not has_headings else {}
        if words and is_planned and words.keys() <= {*_TO_SEND, *_STATUSES}:
            raise _plan_file(name)
        others = "with other headings" if has_headings else "without its headings"
        text = "\n".join(cells[column])
        if "-" in text and _JOB_ID.search(text):  # one is enough: the list may be pasted below another
            raise FileRefused(
                f"{name}: column {heading!r} holds the numbers of jobs of this program, so the file seems to be a "
                f"report of an earlier job or an undo list {others}. Its rows may have been removed already.",
                hint=f"{_HINT} If it is something else, take this column out.",
            )
        if not has_headings and _are_nearly_all(words, _STATUSES | {_TO_REMOVE}) and not words.keys() <= {_TO_REMOVE}:
            raise FileRefused(
                f"{name}: column {heading!r} holds statuses of this program ({', '.join(words)}), so the file seems to "
                "be a report of an earlier job without its headings. Its rows may have been removed already.",
                hint=f"{_HINT} If it is something else, take this column out.",
            )


def are_statuses(words: Collection[str]) -> bool:
    """Whether the words, in lower case, are statuses of a report, and not only such as other lists hold too."""
    found = _STATUSES.intersection(words)
    return len(found) == len(words) and not found <= _COMMON_WORDS


def _words(cells: Sequence[str]) -> Mapping[str, int]:
    """The words of a column in lower case, with how often each occurs; none if most cells differ."""
    raw = Counter(cells)
    if len(raw) > max(len(cells) // 2, len(Status) + 1):
        return {}
    words = Counter[str]()
    for cell, count in raw.items():
        if word := cell.strip().casefold():
            words[word] += count
    return words


def _are_nearly_all(words: Mapping[str, int], expected: Collection[str]) -> bool:
    return bool(words) and sum(words.get(word, 0) for word in expected) >= _NEARLY_ALL * sum(words.values())


def _plan_file(name: str) -> FileRefused:
    return FileRefused(
        f"{name} is or was a plan file: it shows what would be done with each row of another file.",
        hint="Nothing was sent. Give the file that it was made from.",
    )


def settled(columns: Sequence[Sequence[str]], numbers: Sequence[int], name: str) -> Mapping[int, Exclusion]:
    """Return the exclusions of rows (by index) that an earlier job settled. ``columns``: those of REPORT_COLUMNS.

    Raises FileRefused for a status that no report has, or that does not belong to its row: somebody changed it, or
    sorted this column alone, and the row may have been removed already.
    """
    statuses, details, http_statuses, finished, jobs = (columns[REPORT_COLUMNS.index(name)] for name in _NEEDED)
    exclusions = {}
    for index, text in enumerate(statuses):
        status = text.strip().casefold()
        if status not in _STATUSES:
            raise FileRefused(
                f"{name}, row {numbers[index]}: {text!r} is not a status of a report, so it was changed.",
                hint=_HINT,
            )
        http_status = http_statuses[index].strip()
        if (status == Status.REMOVED and not http_status.startswith("2")) or (status in _NEVER_SENT and http_status):
            raise FileRefused(
                f"{name}, row {numbers[index]}: status {status!r} and HTTP status {http_status!r} do not belong "
                "together: a column of the report was changed, or sorted without the others.",
                hint=_HINT,
            )
        if status in SETTLED:
            detail = (
                details[index] if status == Status.DONE_BEFORE else f"Job {jobs[index]} at {finished[index]}: {status}."
            )
            exclusions[index] = Exclusion(Status.DONE_BEFORE, detail)
        elif status in EXCLUDED_AGAIN:
            exclusions[index] = Exclusion(Status(status), details[index])
        elif status == Status.UNKNOWN:
            exclusions[index] = unknown_in(jobs[index])
    return exclusions


def job_rows(columns: Sequence[Sequence[str]]) -> Mapping[int, tuple[str, int]]:
    """Return of which job's row a report tells in each row (by index). ``columns``: those of REPORT_COLUMNS.

    Rows that name none are left out.
    """
    jobs, numbers = (columns[REPORT_COLUMNS.index(name)] for name in ("job", "row"))
    return {
        index: (job.strip(), int(number))
        for index, (job, number) in enumerate(zip(jobs, numbers, strict=True))
        if job.strip() and _ROW_NUMBER.fullmatch(number.strip())
    }


def unknown_in(job: str) -> Exclusion:
    """The exclusion of a row that is unknown in an earlier job."""
    return Exclusion(
        Status.DONE_BEFORE,
        f"Unknown in job {job}: look this learner up in Zoho People, then retry that job with its unknown rows.",
    )


def strip_apostrophes(cells: Sequence[str]) -> list[str]:
    """Remove the leading apostrophes that the report added against formulas (docs/decisions/0003-report-cells.md)."""
    return [_ADDED_APOSTROPHE.sub("", cell, count=1) if cell.startswith("'") else cell for cell in cells]
