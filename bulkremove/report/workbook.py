"""The report as a workbook for people: what became of each row comes first, in words and color, then a summary.

Behind the columns for people stand the input's own and those of every report, so that it can be read again as well.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO

from bulkremove.domain.attempt import Outcome
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import OVER_CAP, Job, Tally
from bulkremove.domain.row import Status
from bulkremove.domain.standing import OF_STATE, Standing, standing_of
from bulkremove.domain.status_words import STATUS_WORDS, label_of
from bulkremove.domain.table import REPORT_COLUMNS, RESULT_COLUMNS, SUMMARY_SHEET, SUMMARY_TITLE
from bulkremove.platform.local_time import local
from bulkremove.report.summary import duration
from bulkremove.report.tables import cells, columns, escape_formula, id_cell, replace_unwritable

if TYPE_CHECKING:
    import xlsxwriter
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

XLSX_ROWS = 1_048_576
"""Rows of a sheet, Excel's limit."""
TEXT_FORMAT = "@"
"""The number format of a cell that holds text, whatever is typed into it."""
MAX_CELL_CHARACTERS = 32_767
"""Characters of a cell, Excel's limit."""

_GOOD, _WAIT, _BAD = ("#1A6338", "#E3F4E9"), ("#7A4B00", "#FFF3D6"), ("#A8231C", "#FDECEB")
"""Colors of letters and ground, those of the page."""
_COLORS: Mapping[Status, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys((Status.REMOVED, Status.REMOVED_INFERRED, Status.ENROLLED), _GOOD),
        **dict.fromkeys((Status.NOT_SENT, Status.INVALID, Status.IDENTITY_MISMATCH), _WAIT),
        **dict.fromkeys((Status.REFUSED, Status.UNKNOWN), _BAD),
    }
)
_WIDTHS = (24, 30, 22, 60, 20)
"""Widths in characters of the columns for people, in the order of RESULT_COLUMNS."""
_OWN_WIDTH, _REPORT_WIDTH = 22, 12


@contextmanager
def opened_workbook(file: BinaryIO) -> Iterator[xlsxwriter.Workbook]:
    """Open a workbook that is written to the file at the end, the same bytes for the same cells. Raises OSError."""
    from xlsxwriter import Workbook

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    content = io.BytesIO()  # on a full disk xlsxwriter would hide the error, and Python would print another at its end
    with Workbook(content, options) as book:
        book.set_properties({"created": datetime(2000, 1, 1)})  # noqa: DTZ001 - the file format knows no zone
        yield book
    file.write(content.getbuffer())


def write_texts(
    sheet: Worksheet, number: int, row: Iterable[str], text: Format, *, first: int = 0, ids: Iterable[int] = ()
) -> None:
    """Write cells as texts to a row of a sheet, from its column ``first``; ``ids``: which of them stay exact."""
    exact = set(ids)
    for place, cell in enumerate(row):
        shown = id_cell(cell) if place in exact else escape_formula(cell)
        sheet.write_string(number, first + place, shown[:MAX_CELL_CHARACTERS], text)


def write_report(file: BinaryIO, job: Job, outcomes: Iterable[Outcome]) -> None:
    """Write the report of a job. Times for people are local to this computer; the last columns have them in UTC."""
    with opened_workbook(file) as book:
        counts = _write_rows(book, job, outcomes)
        _write_summary(book, job, counts)


def _write_rows(book: xlsxwriter.Workbook, job: Job, outcomes: Iterable[Outcome]) -> Counter[Status]:
    text, wrapped = (
        book.add_format({"num_format": TEXT_FORMAT}),
        book.add_format({"num_format": TEXT_FORMAT, "text_wrap": True}),
    )
    heading = book.add_format({"num_format": TEXT_FORMAT, "bold": True, "bottom": 1})
    time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    colored = {
        status: book.add_format({"num_format": TEXT_FORMAT, "font_color": letters, "bg_color": ground})
        for status, (letters, ground) in _COLORS.items()
    }
    header, width, own = columns(job), len(RESULT_COLUMNS), len(columns(job)) - len(REPORT_COLUMNS)
    counts, has_people, number = Counter[Status](), False, 0
    sheet = book.add_worksheet("Report")
    write_texts(sheet, 0, (*RESULT_COLUMNS, *header), heading)
    for number, outcome in enumerate(outcomes, start=1):
        row = cells(job, outcome)
        status, person = outcome.status, outcome.person
        counts[status] += 1
        if person is not None:
            has_people = True
            write_texts(sheet, number, (person.name, person.email), text)
        write_texts(sheet, number, (label_of(status),), colored.get(status, text), first=2)
        write_texts(sheet, number, (row[own + REPORT_COLUMNS.index("detail")],), wrapped, first=3)
        if outcome.finished_at is not None:
            sheet.write_datetime(number, 4, _local(outcome.finished_at), time)
        write_texts(sheet, number, row, text, first=width, ids=job.roles)
    for column, characters in enumerate(_WIDTHS):
        is_empty = column < 2 and not has_people
        sheet.set_column(column, column, characters, text, {"hidden": is_empty})
    sheet.set_column(width, width + own - 1, _OWN_WIDTH, text)
    sheet.set_column(width + own, width + len(header) - 1, _REPORT_WIDTH, text)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, number, width + len(header) - 1)
    return counts


def _write_summary(book: xlsxwriter.Workbook, job: Job, counts: Mapping[Status, int]) -> None:
    text, bold = (
        book.add_format({"num_format": TEXT_FORMAT, "text_wrap": True, "valign": "top"}),
        book.add_format({"bold": True}),
    )
    amount = book.add_format({"num_format": "#,##0", "valign": "top"})
    sheet = book.add_worksheet(SUMMARY_SHEET)
    sheet.set_column(0, 0, 38, text)
    sheet.set_column(1, 1, 38, text)
    sheet.set_column(2, 2, 80, text)
    begun, ended = _moment(job.created_at), _moment(job.finished_at)
    facts = [
        ("SANDBOX", "Nobody was really removed." if job.is_sandbox else ""),
        ("File", job.source),
        ("Account", job.account),
        ("Confirmed by", job.confirmed_by),
        ("Why it may exceed the cap", job.options.get(OVER_CAP, "")),
        ("State", _standing(job, counts).label),
        ("Why", job.reason),
        ("Begun", begun),
        ("Ended", ended),
        ("Time of all its runs", duration(job.seconds)),
    ]
    write_texts(sheet, 0, (SUMMARY_TITLE + job.id,), bold)
    number = 1
    for name, value in facts:
        if value:
            write_texts(sheet, number, (name, value), text)
            number += 1
    write_texts(sheet, number + 1, ("Result", "Rows", "What it means"), bold)
    number += 2
    for status, (label, meaning) in STATUS_WORDS.items():
        if counts.get(status):
            write_texts(sheet, number, (label,), text)
            sheet.write_number(number, 1, counts[status], amount)
            write_texts(sheet, number, (meaning,), text, first=2)
            number += 1
    write_texts(sheet, number, ("All rows",), bold)
    sheet.write_number(number, 1, sum(counts.values()), amount)


def _standing(job: Job, counts: Mapping[Status, int]) -> Standing:
    """How the job stood when the report was written, as far as its rows tell."""
    at = job.created_at if job.finished_at is None else job.finished_at
    return standing_of(job, Tally(counts), now=at, is_running=False) if job.state.is_over else OF_STATE[job.state]


def _local(at: Epoch) -> datetime:
    return local(at).replace(tzinfo=None, microsecond=0)  # the file format knows no zone


def _moment(at: Epoch | None) -> str:
    return "" if at is None else replace_unwritable(f"{local(at):%Y-%m-%d %H:%M:%S %Z}")


def write_table(file: BinaryIO, header: Sequence[str], roles: Iterable[int], rows: Iterable[Sequence[str]]) -> None:
    """Write a workbook with text cells only, so that no id is rounded and no cell is a formula."""
    with opened_workbook(file) as book:
        text = book.add_format({"num_format": TEXT_FORMAT})
        sheet = book.add_worksheet("Report")
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(header) - 1, _OWN_WIDTH, text)
        write_texts(sheet, 0, header, text)
        for number, row in enumerate(rows, start=1):
            write_texts(sheet, number, row, text, ids=roles)
