"""Cells that a reader could pass over, and rows that could vanish with them: read, or refused and named."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import xlsxwriter
import xlwt
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import Table
from bulkremove.reading.reader import read
from tests.test_bombs import MAIN, MEGABYTES
from tests.workbooks import Book, Cell, Formula, Sheet, archive

HEADER: list[Cell] = ["Course ID", "Batch ID", "Learner ID"]
IDS: list[Cell] = ["478346000019501001", "478346000019502001", "478346000019558209"]
OTHER: list[Cell] = [*IDS[:2], "478346000019558210"]
LABELSST = 0x00FD


def of(data: bytes) -> Table:
    return read(io.BytesIO(data), name="list")


def refusal(data: bytes) -> FileRefused:
    with pytest.raises(FileRefused) as refused:
        of(data)
    return refused.value


def cells(table: Table) -> list[list[Cell]]:
    return [list(row.cells) for row in table.rows()]


def retyped(xls: bytes, old: int, new: int, row: int, column: int) -> bytes:
    """The .xls with another type in the record of one cell (row and column from 0)."""
    at = next(
        at
        for at in range(len(xls) - 8)
        if struct.unpack_from("<H", xls, at)[0] == old and struct.unpack_from("<HH", xls, at + 4) == (row, column)
    )
    return xls[:at] + struct.pack("<H", new) + xls[at + 2 :]


def xlsx(rows: str, shared: str = "", more: dict[str, str] | None = None) -> bytes:
    """An .xlsx of these rows below the headings."""
    with zipfile.ZipFile(io.BytesIO(Book([Sheet([])]).as_bytes("xlsx"))) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    top = "<row r='1'>" + "".join(map(text, HEADER)) + "</row>"
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{top}{rows}</sheetData></worksheet>'
    written = {"xl/worksheets/sheet1.xml": sheet, "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{shared}</sst>'}
    return archive({**parts, **{name: part.encode() for name, part in (written | (more or {})).items()}})


def text(cell: object) -> str:
    return f'<c t="inlineStr"><is><t>{cell}</t></is></c>'


def row(*ids: Cell, number: int = 2) -> str:
    return f'<row r="{number}">{"".join(map(text, ids))}</row>'


def ods(rows: str) -> bytes:
    """An .ods of these rows below the headings."""
    with zipfile.ZipFile(io.BytesIO(Book([Sheet([HEADER])]).as_bytes("ods"))) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    content = parts["content.xml"].replace(b"</table:table>", rows.encode() + b"</table:table>")
    return archive({**parts, "content.xml": content})


def ods_row(*ids: Cell, more: str = "", attributes: str = "") -> str:
    shown = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{i}</text:p></table:table-cell>' for i in ids
    )
    return f"<table:table-row{attributes}>{shown}{more}</table:table-row>"


@pytest.mark.parametrize("kind", [0x0206, 0x0406])
def test_formulas_of_every_record_type_of_an_xls_are_formulas(kind: int) -> None:
    formulas: list[Cell] = [Formula("1+1")] * 3
    book = Book([Sheet([HEADER, IDS, [*OTHER[:2], Formula("1+1")], OTHER, formulas])]).as_bytes("xls")
    for place in [(2, 2), (4, 0), (4, 1), (4, 2)]:
        book = retyped(book, 0x0006, kind, *place)
    assert (
        "list, sheet 'Leavers', columns 'Course ID', 'Batch ID', 'Learner ID': 4 cells hold ids that a spreadsheet "
        "has changed or computed: C3 shows nothing (a formula); A5 shows nothing (a formula); B5 shows nothing "
        "(a formula); C5 shows nothing (a formula). Nothing was sent."
    ) == refusal(book).message


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 0x0202, 0x0406 + 0x0200, 0x00D6, 0x007E, 0x0777, 0x0088])
def test_a_cell_record_of_an_unknown_type_refuses_the_xls(kind: int) -> None:
    book = retyped(Book([Sheet([HEADER, IDS, OTHER])]).as_bytes("xls"), LABELSST, kind, 2, 2)
    assert (
        f"list, sheet 'Leavers': it holds a cell of an unknown kind (record type {kind:04X})." == refusal(book).message
    )


def test_the_text_of_a_formula_that_is_not_read_is_never_taken_for_another_cell() -> None:
    book = Book([Sheet([[*HEADER, "Note"], IDS, [*OTHER, Formula('"x"')]])]).as_bytes("xls")
    result = struct.pack("<HHHB", 0x0207, 4, 1, 0) + b"7"
    at = book.find(struct.pack("<HHH", LABELSST, 10, 2)) + 3 * 14  # the formula behind the three ids of row 3
    kind, length = struct.unpack_from("<HH", book, at)
    assert 0x0006 == kind
    book = book[:at] + struct.pack("<H", 0x0406) + book[at + 2 : at + 4 + length] + result + book[at + 4 + length :]
    del_at = book.find(b"\0" * 64, at)  # keeps the length of the stream
    assert "cell D3 holds a formula of an old form" in refusal(book[:del_at] + book[del_at + len(result) :]).message


def test_a_row_of_an_xlsx_that_is_scanned_but_not_read_refuses_the_file() -> None:
    book = xlsx(row(*IDS) + "</sheetData><sheetData>" + row(*OTHER, number=3))
    assert (
        "list, sheet 'Leavers': 3 rows have values but 2 were read; they differ first in row 3, so a row might get "
        "lost."
    ) == refusal(book).message


def test_a_row_of_an_xls_that_is_scanned_but_not_read_refuses_the_file() -> None:
    book = bytearray(Book([Sheet([HEADER, IDS, ["7", "8", "9"], OTHER])]).as_bytes("xls"))
    for column in range(3):
        at = book.find(struct.pack("<HHHH", LABELSST, 10, 2, column))
        book[at + 10 : at + 14] = struct.pack("<I", 9_999)  # no such text: python-calamine drops the cell
    assert "4 rows have values but 3 were read; they differ first in row 3" in refusal(bytes(book)).message


def test_rows_of_empty_texts_are_blank_in_an_xlsx() -> None:
    blank = "".join(f'<c t="s"><v>{index}</v></c>' for index in (1, 2, 3))
    shared = "<si><t>x</t></si><si><t></t></si><si><t/></si><si><t>&#xA;</t></si>"
    book = xlsx(f'{row(*IDS)}<row r="3">{blank}</row>{row(*OTHER, number=4)}', shared)
    assert [IDS, OTHER] == cells(of(book))


def test_a_row_of_an_empty_text_is_blank_in_an_xls() -> None:
    book = Book([Sheet([HEADER, IDS, OTHER, ["wxyz"]])]).as_bytes("xls")
    assert 1 == book.count(b"\x04\0\0wxyz")
    assert [IDS, OTHER] == cells(of(book.replace(b"\x04\0\0wxyz", b"\0\0\0\x01\0\0z")))


def test_formulas_that_no_program_has_computed_yet_are_not_blank_rows() -> None:
    uncomputed = "<row r='3'><c><f>A2</f></c><c><f>B2</f></c><c><f>C2</f></c></row>"
    assert "A3 shows nothing (a formula); B3" in refusal(xlsx(row(*IDS) + uncomputed)).message


@pytest.mark.parametrize("value", ["<v/>", "<v></v>"])
def test_a_last_row_of_formulas_with_empty_values_does_not_vanish(value: str) -> None:
    """As openpyxl writes them."""
    uncomputed = "".join(f'<c r="{column}3"><f>{column}2</f>{value}</c>' for column in "ABC")
    refused = refusal(xlsx(f'{row(*IDS)}<row r="3">{uncomputed}</row>'))
    assert "A3 shows nothing (a formula); B3" in refused.message
    assert "totals row" not in refused.hint, "it may be a person"


def test_formulas_with_an_empty_text_as_their_result_are_blank() -> None:
    """As those that are filled down below a list, for the rows to come."""
    below = "".join(f'<row r="{n}"><c r="D{n}" t="str"><f>IF(A{n}="","",1)</f><v></v></c></row>' for n in range(3, 40))
    assert [IDS] == cells(of(xlsx(row(*IDS) + below)))


@pytest.mark.parametrize(
    "second",
    [f"<c t='str'><v>{IDS[2]}</v><v>7</v></c>", f"<c t='inlineStr'><is><t>{IDS[2]}</t></is><is><t>7</t></is></c>"],
)
def test_a_cell_with_two_values_refuses_the_file(second: str) -> None:
    cut = f"<row r='3'>{text(IDS[0])}{text(IDS[1])}{second}</row>"
    assert "cell C3 holds two values" in refusal(xlsx(row(*IDS) + cut)).message


PEAK = """
import sys
from pathlib import Path
from bulkremove.reading.reader import read
table = read(Path(sys.argv[1]), name="list")
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(len(table), int(peak.split()[1]) // 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
def test_a_formatted_blank_cell_in_the_last_row_is_no_data_and_takes_little(tmp_path: Path) -> None:
    book = xlsx(f'{row(*IDS)}{row(*OTHER, number=3)}<row r="1048576"><c r="XFD1048576" s="0"/></row>')
    assert [IDS, OTHER] == cells(of(book))
    (tmp_path / "stray.xlsx").write_bytes(book)
    words = [sys.executable, "-c", PEAK, str(tmp_path / "stray.xlsx")]
    rows, peak = map(int, subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())
    assert 2 == rows
    assert peak <= MEGABYTES


@pytest.mark.parametrize("kind", ["array", "dataTable"])
def test_the_results_of_an_array_formula_in_an_xlsx_are_formulas(kind: str) -> None:
    first = f'<c t="str"><f t="{kind}" ref="C2:C3">F(X2:X3)</f><v>47</v></c>'
    rows = (
        f"<row r='2'>{text(1)}{text(2)}{first}</row>"
        f"<row r='3'>{text(1)}{text(2)}<c t='str'><v>48</v></c></row>{row(3, 4, 5, number=4)}"
    )
    refused = refusal(xlsx(rows))
    assert (
        "2 cells hold ids that a spreadsheet has changed or computed: C2 shows 47 (a formula); C3 shows 48 (a f"
        in str(refused)
    )
    assert "Copy the column, paste it as values (Paste Special, Values), and save the file again." == refused.hint


def test_the_results_of_an_array_formula_in_an_ods_are_formulas() -> None:
    spans = 'table:number-matrix-rows-spanned="2" table:number-matrix-columns-spanned="1"'
    facts = f'table:formula="of:=F" {spans} office:value-type="string"'
    first = f"<table:table-cell {facts}><text:p>47</text:p></table:table-cell>"
    refused = refusal(ods(ods_row(1, 2, more=first) + ods_row(1, 2, 48) + ods_row(3, 4, 5)))
    assert (
        "2 cells hold ids that a spreadsheet has changed or computed: C2 shows 47 (a formula); C3 shows 48 (a f"
        in str(refused)
    )


def test_a_formula_that_shows_a_text_id_is_to_be_pasted_as_values() -> None:
    lookup = '<c t="str"><f>VLOOKUP(D2,M!A:B,2,FALSE)</f><v>478346000019558209</v></c>'
    refused = refusal(xlsx(f"<row r='2'>{text(1)}{text(2)}{lookup}</row>{row(3, 4, 5, number=3)}"))
    assert "C2 shows 478346000019558209 (a formula)" in refused.message
    assert "Copy the column, paste it as values (Paste Special, Values), and save the file again." == refused.hint


@pytest.mark.parametrize("other_table", [False, True])
def test_the_totals_row_of_a_table_is_to_be_deleted(other_table: bool) -> None:
    """A table beside the ids, whose totals row stands beside ids, changes nothing."""
    book = xlsxwriter.Workbook(out := io.BytesIO())
    sheet = book.add_worksheet("Leavers")
    for number, line in enumerate([HEADER, IDS, OTHER]):
        sheet.write_row(number, 0, line)
    heading, total = {"header": "Learner ID"}, {"total_string": "12"}
    if other_table:
        sheet.add_table("E1:E3", {"total_row": True, "columns": [{"header": "Note"} | total]})
    else:
        columns = [{"header": "Course ID"}, {"header": "Batch ID"}, heading | total]
        sheet.add_table("A1:C4", {"total_row": True, "columns": columns})
    book.close()
    if other_table:
        assert [IDS, OTHER] == [line[:3] for line in cells(of(out.getvalue()))]
        return
    refused = refusal(out.getvalue())
    assert "column 'Learner ID': 1 cell holds" in refused.message
    assert "C4 shows 12 (in the totals row)" in refused.message
    assert "Delete the totals row, and save the file again." == refused.hint


BROKEN = {
    "zip": b"PK\x03\x04 cut off",
    "xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 no book",
    "xml": xlsx("<row>"),
    "number": xlsx("<row r='2'><c t='n'><v>x</v></c></row>"),
    "ods": archive({"content.xml": b"<office:x"}),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_message_about_a_damaged_file_names_no_class_of_the_program(kind: str) -> None:
    assert refusal(BROKEN[kind]).message in ("list is damaged.", "list is damaged or cut off.")


BLANKS = '<table:table-cell table:number-columns-repeated="16381"/>'


def test_an_ods_as_excel_saves_it_is_read_whole() -> None:
    linked = "<table:table-cell><text:p><text:a>478346000019558299</text:a></text:p></table:table-cell>"
    rows = [
        ods_row(*IDS, more=BLANKS, attributes=' table:style-name="ro1"'),
        ods_row(*OTHER, more=BLANKS),
        ods_row(more='<table:table-cell table:number-columns-repeated="16384"/>'),
        ods_row(*IDS[:2], more=linked + BLANKS),
        ods_row("Zoë &amp; Kim", "5", more=BLANKS),
        ods_row(*OTHER, more=BLANKS),
        ods_row(
            more='<table:table-cell table:number-columns-repeated="16384"/>',
            attributes=' table:number-rows-repeated="1048569"',
        ),
    ]
    table = of(ods("".join(rows)))
    assert [2, 3, 5, 6, 7] == list(table.numbers)
    assert [IDS, OTHER, [*IDS[:2], "478346000019558299"], ["Zoë & Kim", "5", ""], OTHER] == cells(table)


PIECES = [ods_row(*IDS), ods_row(*OTHER, more=BLANKS), ods_row("", "Zoë"), ods_row(more=BLANKS), "<text:p>", "<", "47"]


@given(data=st.data())
@settings(max_examples=100)
def test_plain_rows_of_an_ods_are_read_as_any_others(data: st.DataObject) -> None:
    """A comment anywhere makes the reader parse all rows as XML."""
    rows = "".join(data.draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6)))
    at = data.draw(st.integers(0, len(rows)))
    odd = data.draw(st.sampled_from(["", "", "&amp;", "<", "</table:table-row>", "<table:table-row>"]))
    rows = rows[:at] + odd + rows[at:]
    outcomes = list[tuple[str, list[list[Cell]]]]()
    for content in (rows, f"<!-- -->{rows}"):
        try:
            table = of(ods(content))
        except FileRefused as refused:
            outcomes.append((str(refused), []))
        else:
            outcomes.append((str(list(table.numbers)), cells(table)))
    assert outcomes[0] == outcomes[1]


def test_plain_rows_of_an_ods_in_a_closed_group_are_hidden() -> None:
    group = f'<table:table-row-group table:display="false">{ods_row(*OTHER, more=BLANKS)}</table:table-row-group>'
    assert (
        "1 hidden, filtered, struck-through or commented row and 1 that can be seen"
        in refusal(ods(ods_row(*IDS, more=BLANKS) + group)).message
    )


@pytest.mark.parametrize(
    ("before", "behind"), [("<!--", "-->"), ("<?x ", "?>"), ("<table:x><![CDATA[", "]]></table:x>")]
)
def test_plain_rows_within_a_comment_of_an_ods_are_no_rows(before: str, behind: str) -> None:
    assert [IDS] == cells(of(ods(ods_row(*IDS) + before + ods_row(*OTHER) + behind)))


def test_plain_rows_within_an_attribute_refuse_the_ods() -> None:
    assert "list is damaged." == refusal(ods(f"{ods_row(*IDS)}<table:x y='{ods_row(*OTHER)}'/>")).message


def test_a_repeat_count_above_the_widest_sheet_refuses_the_ods() -> None:
    assert "more rows or cells" in refusal(ods(ods_row(*IDS, more=BLANKS.replace("16381", "16385")))).message


def test_a_chart_in_an_xls_sheet_refuses_the_file() -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Leavers")
    for column, heading in enumerate(HEADER):
        sheet.write(5, column, heading)
    sheet.write(9, 9, 1)
    book.save(out := io.BytesIO())
    whole = out.getvalue()
    at = whole.find(struct.pack("<HHHH", 0x027E, 10, 9, 9))
    chart = struct.pack("<HHIIII", 0x0809, 16, 0x00200600, 0, 0, 0) + whole[at : at + 14] + struct.pack("<HH", 0x0A, 0)
    unused = whole.find(b"\0" * 100, at)
    spoilt = whole[:at] + chart + whole[at + 14 : unused] + whole[unused + len(chart) - 14 :]
    assert "list, sheet 'Leavers': it holds a chart." == refusal(spoilt).message
