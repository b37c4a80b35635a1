"""Files of a shape that no spreadsheet should have: each one was once read as another id, or lost a row, or took a
gigabyte. Each is refused, or read as a spreadsheet shows it.
"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import xlwt

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.planner import plan
from bulkremove.domain.table import Table
from bulkremove.reading.options import Hidden, ReadOptions
from bulkremove.reading.reader import read
from tests.test_bombs import CODE, MAIN, MEGABYTES
from tests.workbooks import Book, Cell, Sheet, archive

HEADER = ["course", "batch", "learner"]
OPEN = '<table:table-cell office:value-type="string"'


def of(data: bytes, **options: object) -> Table:
    return read(io.BytesIO(data), name="list", options=ReadOptions(**options))  # type: ignore[arg-type] # fields by name


def parts_of(kind: str, *rows: list[Cell]) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(Book([Sheet([[*HEADER], *rows])]).as_bytes(kind))) as whole:
        return {name: whole.read(name) for name in whole.namelist()}


def ods(find: str, put: str) -> bytes:
    """A sheet with the learners 3 and 4783, altered in its XML."""
    parts = parts_of("ods", ["1", "2", "3"], ["1", "2", "4783"])
    content = parts["content.xml"].decode()
    assert find in content
    return archive({**parts, "content.xml": content.replace(find, put).encode()})


def xlsx(rows: str, path: str = "xl/worksheets/sheet1.xml") -> bytes:
    """A sheet of these rows below the headings, the part being at ``path``."""
    parts = parts_of("xlsx")
    del parts["xl/worksheets/sheet1.xml"]
    top = "<row r='1'>" + "".join(text(heading) for heading in HEADER) + "</row>"
    return archive(
        {**parts, path: f'<worksheet xmlns="{MAIN}"><sheetData>{top}{rows}</sheetData></worksheet>'.encode()}
    )


def text(cell: object) -> str:
    return f'<c t="inlineStr"><is><t>{cell}</t></is></c>'


@pytest.mark.parametrize(
    "between",
    ["<text:tab/>", "<text:s/>", '<text:s text:c="2"/>', "<text:line-break/>", "<text:note>1</text:note>"],
)
def test_digits_that_something_parts_in_an_ods_are_never_one_id(between: str) -> None:
    made = plan(of(ods("<text:p>4783<", f"<text:p>47{between}83<")), account="a", host="h")
    assert ["3"] == [row.removal.learner for row in made.rows() if row.removal]


def test_an_ods_cell_is_the_value_that_a_spreadsheet_shows() -> None:
    value = ods(f"{OPEN}><text:p>4783<", f'{OPEN} office:string-value="99"><text:p>4783<')
    assert "99" == of(value).row(1).cells[2]


def test_runs_of_letters_in_an_ods_are_one_text() -> None:
    assert "4783" == of(ods("<text:p>4783<", "<text:p>47<text:span>83</text:span><")).row(1).cells[2]


@pytest.mark.parametrize("count", ["0", "-1", "1_0", "x"])
@pytest.mark.parametrize("of_what", ["rows", "columns"])
def test_a_repeat_count_that_is_none_refuses_the_file(count: str, of_what: str) -> None:
    tag = "<table:table-row" if of_what == "rows" else "<table:table-cell"
    with pytest.raises(FileRefused, match="damaged"):
        of(ods(tag, f'{tag} table:number-{of_what}-repeated="{count}"'))


def test_a_table_within_a_table_refuses_the_file() -> None:
    inner = "<table:table><table:table-row/></table:table>"
    with pytest.raises(FileRefused, match="a table within a table"):
        of(ods("<text:p>4783</text:p>", inner))


def test_a_row_outside_every_table_refuses_the_file() -> None:
    with pytest.raises(FileRefused, match="rows outside a table"):
        of(ods("</table:table>", f"</table:table><table:table-row>{OPEN}>5</table:table-cell></table:table-row>"))


def test_rows_of_a_closed_group_are_hidden() -> None:
    content = parts_of("ods", ["1", "2", "3"])["content.xml"]
    content = content.replace(b"<table:table-row>", b'<table:table-row-group table:display="false"><table:table-row>')
    content = content.replace(b"</table:table-row>", b"</table:table-row></table:table-row-group>")
    with pytest.raises(FileRefused, match="hidden, filtered, struck-through or commented row"):
        of(archive({"content.xml": content}))


@pytest.mark.parametrize("path", ["xl/worksheets/sheet1.xml", "xl/Worksheets/SHEET1.xml"])
def test_a_formula_and_a_hidden_row_are_seen_however_the_part_is_spelt(path: str) -> None:
    row = f"<row r='2'>{text(1)}{text(2)}<c><f>1+1</f><v>5</v></c></row>"
    with pytest.raises(FileRefused, match="a formula"):
        of(xlsx(row, path))
    hidden = f"<row r='2' hidden = '1'>{text(1)}{text(2)}{text(3)}</row>"
    with pytest.raises(FileRefused, match="1 hidden, filtered, struck-through or commented row"):
        of(xlsx(hidden, path))
    assert 0 == len(of(xlsx(hidden, path), hidden=Hidden.LEAVE_OUT))


@pytest.mark.parametrize("height", ["0", "0.0", "00"])
def test_a_row_of_no_height_in_an_xlsx_is_hidden(height: str) -> None:
    rows = f"<row r='2' ht='{height}' customHeight='1'>{text(1)}{text(2)}{text(3)}</row><row r='3' ht='15'></row>"
    with pytest.raises(FileRefused, match="1 hidden, filtered, struck-through or commented row"):
        of(xlsx(rows))


@pytest.mark.parametrize("second", [2, 1])
def test_a_row_that_stands_twice_in_an_xlsx_refuses_the_file(second: int) -> None:
    rows = f"<row r='2'>{text(1)}{text(2)}{text(3)}</row><row r='{second}'>{text(1)}{text(2)}{text(4)}</row>"
    with pytest.raises(FileRefused, match=f"row {second} comes after row 2"):
        of(xlsx(rows))


@pytest.mark.parametrize(
    ("places", "told"),
    [
        (["A2", "B2", "C2", "C2"], "cell C2 stands in row 2 after column C"),
        (["A2", "C2", "B2", "D2"], "cell B2 stands in row 2 after column C"),
        (["A2", "B2", "C3", "D2"], "cell C3 stands in row 2"),
        (["A2", "B2", f"C{'1' * 40}", "D2"], "is no place"),
        (["A2", "B2", "C\N{ARABIC-INDIC DIGIT TWO}", "D2"], "is no place"),
    ],
)
def test_a_cell_that_stands_elsewhere_or_twice_refuses_the_file(places: list[str], told: str) -> None:
    cells = "".join(f'<c r="{place}" t="str"><v>{number}</v></c>' for number, place in enumerate(places, start=1))
    with pytest.raises(FileRefused, match=told):
        of(xlsx(f'<row r="2">{cells}</row>'))


@pytest.mark.parametrize("separator", ["§", "\r", '"', "4", "\u2028"])
def test_a_sep_line_that_names_no_separator_refuses_the_file(separator: str) -> None:
    with pytest.raises(FileRefused, match="not a valid separator"):
        of(f"sep={separator}\r\ncourse,batch,learner\r\n1,2,3\r\n".encode())


@pytest.mark.parametrize("separator", ",;\t")
def test_digits_behind_a_closing_quotation_mark_refuse_the_file(separator: str) -> None:
    with pytest.raises(FileRefused, match="line 2: digits follow a closing quotation mark"):
        of(separator.join([*HEADER, '\n"1"', "2", '"47"83\n']).replace(f"{separator}\n", "\n").encode())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
def test_two_cells_far_apart_in_an_xls_take_little(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("S")
    for column, heading in enumerate([*HEADER, *["x"] * 253]):
        sheet.write(0, column, heading)
    sheet.write(65_535, 255, "x")
    book.save(str(tmp_path / "far.xls"))
    words = [sys.executable, "-c", CODE, str(tmp_path / "far.xls")]
    taken, _, said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.partition(" ")
    assert "it claims 65,536 rows of 256 columns" in said
    assert int(taken) <= MEGABYTES


XLS = Book([Sheet([[*HEADER], ["1", "2", "3"]])]).as_bytes("xls")
DIMENSIONS = XLS.find(b"\x00\x02\x0e\x00")
BYTES = {
    "a sheet that ends before it begins": (DIMENSIONS + 7, 0x7F),  # python-calamine asked for 500 GB and died of it
    "a sheet of too many rows": (DIMENSIONS + 11, 0x7F),
    "a sheet that begins as none": (XLS.rfind(b"\x09\x08\x10\x00", 0, DIMENSIONS), 1),  # none of its records was seen
    "a cell that stands where another one does": (XLS.find(b"\xfd\x00\x0a\x00") + 6 + 14, 0),
    "a first record of no length": (0x202, 0),  # python-calamine panics
    "sectors of no size": (0x1E, 0),  # xlrd divides by it
    "a folder that is no folder": (0x30, 6),  # xlrd recurses without end
}


@pytest.mark.parametrize("name", BYTES)
def test_one_wrong_byte_in_an_xls_refuses_the_file_and_ends_nothing_else(tmp_path: Path, name: str) -> None:
    at, value = BYTES[name]
    broken = tmp_path / "broken.xls"
    broken.write_bytes(XLS[:at] + bytes([value]) + XLS[at + 1 :])
    done = subprocess.run([sys.executable, "-c", CODE, str(broken)], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    assert "list" in done.stdout


def test_an_encoding_that_nobody_knows_refuses_the_file() -> None:
    with pytest.raises(FileRefused, match="damaged"):
        of(ods('encoding="UTF-8"', 'encoding="UTF-4"'))


def test_properties_outside_a_style_hide_nothing_and_end_in_no_traceback() -> None:
    outside = '<style:table-properties table:display="false"/><office:body>'
    assert 2 == len(of(ods("<office:body>", outside)))


def test_a_wrong_byte_in_a_zip_directory_refuses_the_file_or_changes_nothing() -> None:
    whole = archive(parts_of("ods", ["1", "2", "3"]))
    for at in range(whole.find(b"PK\x01\x02"), len(whole)):
        try:
            table = of(whole[:at] + b"\xff" + whole[at + 1 :])
        except FileRefused:
            continue
        assert [("1", "2", "3")] == [row.cells for row in table.rows()]
