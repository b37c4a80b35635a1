"""Workbooks of all three kinds: exact text ids, no repaired damage, nothing hidden that is read unseen."""

from __future__ import annotations

import datetime
import io
import re
from functools import cache

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import Table
from bulkremove.reading.chosen_rows import ALL
from bulkremove.reading.options import Hidden, ReadOptions
from bulkremove.reading.reader import read
from tests.workbooks import KINDS, Book, Cell, Error, Formula, Sheet

HEADER: list[Cell] = ["Course ID", "Batch ID", "Learner ID"]
IDS: list[Cell] = ["478346000019501001", "478346000019502001", "478346000019558209"]
OTHER: list[Cell] = [*IDS[:2], "478346000019558210"]

pytestmark = pytest.mark.parametrize("kind", KINDS)


def of(kind: str, *sheets: Sheet, **options: object) -> Table:
    chosen = ReadOptions(**options)  # type: ignore[arg-type] # fields by name
    return read(io.BytesIO(Book(list(sheets)).as_bytes(kind)), name="list", options=chosen)


def test_text_ids_are_exact_and_the_kind_is_told_by_content(kind: str) -> None:
    table = of(kind, Sheet([HEADER, IDS, OTHER]))
    assert (kind, "Leavers") == (table.kind, table.sheet)
    assert [tuple(IDS), tuple(OTHER)] == [row.cells for row in table.rows()]
    assert [2, 3] == list(table.numbers)


def test_other_columns_travel_as_they_are_shown(kind: str) -> None:
    note: list[Cell] = ["Note", "Seen on", "Sum", "Ok"]
    table = of(
        kind,
        Sheet([[*HEADER, *note], [*IDS, 3.0, datetime.date(2026, 11, 23), "=1+1", True]]),
        today=datetime.date(2026, 11, 24),
    )
    number, date, _, ok = table.row(0).cells[3:]
    assert ("3", "TRUE") == (number, ok)
    assert date.startswith("2026-11-23")


@pytest.mark.parametrize(
    ("damaged", "why"),
    [
        (478346000019558209.0, "more than 15 digits"),
        (4.5, "decimals"),
        (1e15, "more than 15 digits"),
        (-7.0, "a negative number"),
        (True, "true or false"),
        (datetime.date(2026, 11, 23), "a date"),
        (Formula("1+1"), "a formula"),
        ("4.78346E+17", "not a plain whole number"),
        ("#N/A", "not a plain whole number"),
    ],
    ids=str,
)
@pytest.mark.parametrize("column", [0, 2])
def test_a_damaged_id_refuses_the_file_and_names_the_cell(kind: str, damaged: Cell, why: str, column: int) -> None:
    row: list[Cell] = list(OTHER)
    row[column] = damaged
    with pytest.raises(FileRefused, match=rf"sheet 'Leavers'.*{'ABC'[column]}3 shows .*{why}") as refused:
        of(kind, Sheet([HEADER, IDS, row]))
    assert "format the column as text" in str(refused.value).lower()


@pytest.mark.parametrize("text", ["#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!"])
def test_an_error_value_in_an_id_column_refuses_the_file_and_names_the_cell(kind: str, text: str) -> None:
    with pytest.raises(
        FileRefused, match=rf"1 cell holds .*: C3 shows {re.escape(text)} \(an error value\)\. "
    ) as refused:
        of(kind, Sheet([HEADER, IDS, [*IDS[:2], Error(text)], OTHER]))
    assert "Re-enter the ids from Zoho in the cells that show an error." == refused.value.hint


def test_a_row_of_errors_alone_is_not_empty(kind: str) -> None:
    errors: list[Cell] = [Error("#N/A")] * 3
    told = r"'Batch ID', 'Learner ID': 4 cells hold .*: C2 .*; A4 .*; B4 .*; C4 shows #N/A \(an error value\)\. "
    with pytest.raises(FileRefused, match=told):
        of(kind, Sheet([HEADER, [*IDS[:2], Error("#REF!")], IDS, errors]))


def test_an_error_value_elsewhere_is_read_as_it_is_shown(kind: str) -> None:
    assert (*IDS, "#N/A") == of(kind, Sheet([[*HEADER, "Note"], [*IDS, Error("#N/A")]])).row(0).cells


def test_a_formula_in_the_last_row_below_ids_is_a_totals_row(kind: str) -> None:
    with pytest.raises(FileRefused, match=r"1 cell holds .*: C4 shows \w.* \(a formula\)") as refused:
        of(kind, Sheet([HEADER, IDS, OTHER, ["Total", None, Formula("1+1")]]))
    assert "Delete the totals row, and save the file again." == refused.value.hint


def test_a_short_whole_number_is_its_digits(kind: str) -> None:
    assert "123456789012345" == of(kind, Sheet([HEADER, [*IDS[:2], 123456789012345.0]])).row(0).cells[2]


def test_hidden_rows_refuse_until_somebody_decides(kind: str) -> None:
    sheet = Sheet([HEADER, IDS, OTHER], hidden_rows=(3,))
    with pytest.raises(FileRefused, match="1 hidden, filtered, struck-through or commented row and 1 that can be seen"):
        of(kind, sheet)
    visible = of(kind, sheet, hidden=Hidden.LEAVE_OUT)
    assert ([2], 1) == (list(visible.numbers), visible.hidden_rows)
    assert [2, 3] == list(of(kind, sheet, hidden=Hidden.INCLUDE).numbers)


@pytest.mark.parametrize("column", [1, 2, 3, 4])
def test_a_struck_through_row_refuses_until_somebody_decides(kind: str, column: int) -> None:
    sheet = Sheet([[*HEADER, "Name"], [*IDS, "Kim"], [*OTHER, "Jo"]], struck=(3, column))
    with pytest.raises(FileRefused, match="1 hidden, filtered, struck-through or commented row and 1 that can be seen"):
        of(kind, sheet)
    assert [2] == list(of(kind, sheet, hidden=Hidden.LEAVE_OUT).numbers)
    assert [2, 3] == list(of(kind, sheet, hidden=Hidden.INCLUDE).numbers)


def test_merged_cells_refuse_until_somebody_decides(kind: str) -> None:
    sheet = Sheet([HEADER, IDS, [None, *OTHER[1:]]], merged=(2, 3, 1, 1))
    with pytest.raises(FileRefused, match="1 merged range"):
        of(kind, sheet)


def test_a_hidden_sheet_with_data_refuses_until_somebody_decides(kind: str) -> None:
    sheets = Sheet([HEADER, IDS]), Sheet([HEADER, OTHER], "Secret", hidden=True)
    with pytest.raises(FileRefused, match=r"1 hidden sheet with data \(Secret\)"):
        of(kind, *sheets)
    assert [tuple(IDS)] == [row.cells for row in of(kind, *sheets, hidden=Hidden.LEAVE_OUT).rows()]
    asked = of(kind, *sheets, hidden=Hidden.INCLUDE, sheet="Secret")
    assert [tuple(OTHER)] == [row.cells for row in asked.rows()]


def test_several_sheets_with_data_need_a_name(kind: str) -> None:
    sheets = Sheet([HEADER, IDS]), Sheet([HEADER, OTHER], "Later"), Sheet([], "Empty")
    with pytest.raises(FileRefused, match="2 sheets with data: Leavers, Later") as refused:
        of(kind, *sheets)
    assert refused.value.choices is not None
    assert [("Leavers", 2), ("Later", 2)] == [choice[:2] for choice in refused.value.choices.sheets]
    assert all(choice.first == tuple(map(str, HEADER)) for choice in refused.value.choices.sheets)
    assert [tuple(OTHER)] == [row.cells for row in of(kind, *sheets, sheet="Later").rows()]
    with pytest.raises(FileRefused, match="no sheet 'None' with data"):
        of(kind, *sheets, sheet="None")


def test_empty_rows_are_counted_and_the_numbers_stay_right(kind: str) -> None:
    nothing: list[Cell] = [None, None, None]
    table = of(kind, Sheet([nothing, HEADER, IDS, nothing, OTHER]))
    assert [3, 5] == list(table.numbers)


CELL = st.text(
    st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_categories=("Cc", "Cs", "Cn")), max_size=12
).filter(lambda text: text == text.strip() and not text.startswith(("=", "_x")))
ID = st.integers(0, 10**19 - 1).map(str)


@given(rows=st.lists(st.tuples(ID, ID, ID, CELL), min_size=1, max_size=6))
@example(rows=[("1", "2", "3", "ENROLLED")])
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_a_grid_of_texts_is_read_back_exactly(kind: str, rows: list[tuple[str, ...]]) -> None:
    table = of(kind, Sheet([[*HEADER, "Note"], *map(list[Cell], rows)]), only=(ALL,))  # a note may be "enrolled"
    assert rows == [row.cells for row in table.rows()]


@cache
def small_book(kind: str) -> bytes:
    """Made once: an .xlsx holds the second of its making, and Hypothesis wants the same bytes each time."""
    return Book([Sheet([HEADER, IDS])]).as_bytes(kind)


@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_a_broken_book_is_refused_with_a_sentence_or_read_right(kind: str, data: st.DataObject) -> None:
    whole = small_book(kind)
    at = data.draw(st.integers(0, len(whole) - 1))
    broken = data.draw(st.sampled_from([whole[:at], whole[:at] + b"\xff" + whole[at + 1 :], whole + whole[at:]]))
    try:
        table = read(io.BytesIO(broken), name="list")
    except FileRefused:
        return
    for row in table.rows():
        assert len(row.cells) == len(table.header)
