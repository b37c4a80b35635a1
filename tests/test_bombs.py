"""Small files that would become large ones: refused with a sentence, and with at most 300 MB of memory."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import xlwt

from bulkremove.reading.reader import read
from tests.workbooks import Book, Sheet, archive

MEGABYTES = 300
HEAD = "course,batch,learner\n"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
CODE = """
import sys
from pathlib import Path
from bulkremove.domain.errors import FileRefused
from bulkremove.reading.reader import read
try:
    read(Path(sys.argv[1]), name="list")
except FileRefused as refused:
    # Not ru_maxrss, which a process inherits from the one that started it.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(peak.split()[1]) // 1024, refused)
"""


def sheet(rows: str, shared: str = "") -> bytes:
    """An .xlsx of one sheet with these rows, as bare as a reader will take it."""
    relation = '<Relationship Id="r1" Target="worksheets/sheet1.xml"/>'
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f"<Relationships>{relation}</Relationships>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{shared}</sst>',
    }
    return archive({name: part.encode() for name, part in parts.items()})


def contradictory_xls() -> bytes:
    """An .xls whose first claim of its size is large, and the last one small."""
    row, size = b"\x08\x02\x10\x00", b"\x00\x02\x10\x00"
    head, first, second = Book([Sheet([["course", "batch", "learner"], ["1", "2", "3"]])]).as_bytes("xls").split(row)
    large, small = (struct.pack("<IIHH", 0, rows, 0, 4) for rows in (16_711_683, 3))
    return head + size + large + first[12:] + size + small + second[12:]


def twins() -> bytes:
    """An .xlsx with two sheets of one name, letters' case aside."""
    with zipfile.ZipFile(
        file := io.BytesIO(Book([Sheet([["course", "batch", "learner"]])]).as_bytes("xlsx")), "a"
    ) as book:
        book.writestr("xl/worksheets/SHEET1.xml", "<worksheet/>")
    return file.getvalue()


def wide_ods() -> bytes:
    """An .ods of one row that would have 200 million cells."""
    whole = Book([Sheet([["course", "batch", "learner"]])]).as_bytes("ods")
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    head, found, rest = parts["content.xml"].partition(b"</table:table-row>")
    repeated = b'<table:table-cell table:number-columns-repeated="16384"/>' * 12_000
    parts["content.xml"] = head + repeated + found + rest
    return archive(parts)


def without_relations() -> bytes:
    """An .xlsx that does not say where its sheets are."""
    with zipfile.ZipFile(io.BytesIO(sheet(""))) as file:
        return archive({name: file.read(name) for name in file.namelist() if not name.endswith(".rels")})


def far_xls(*, sheets: int = 1, kind: int = 0) -> bytes:
    """An .xls of some 20 kB whose sheets have two distant cells each; they are chart sheets when ``kind`` is 2."""
    book = xlwt.Workbook()
    for number in range(sheets):
        sheet = book.add_sheet(f"S{number}")
        for column, heading in enumerate(["course", "batch", "learner"]):
            sheet.write(0, column, heading)
        sheet.write(65_535, 115, xlwt.Formula("1+1"))
    book.save(out := io.BytesIO())
    whole = bytearray(out.getvalue())
    first = whole.find(struct.pack("<HH", 0x0085, 10))  # BOUNDSHEET of a name of two letters
    for number in range(sheets - 1 if kind else 0):
        whole[first + 14 * (number + 1) + 9] = kind
    return bytes(whole)


def plain_ods() -> bytes:
    """An .ods of more plain rows than are read."""
    with zipfile.ZipFile(io.BytesIO(Book([Sheet([["course", "batch", "learner"]])]).as_bytes("ods"))) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    row = b"<table:table-row><table:table-cell><text:p>1</text:p></table:table-cell></table:table-row>"
    parts["content.xml"] = parts["content.xml"].replace(b"</table:table>", row * 1_100_000 + b"</table:table>")
    return archive(parts)


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "too many rows": (lambda: (HEAD + "1,2,3\n" * 1_300_000).encode(), "more than 1,000,000 rows"),
    "one endless cell": (lambda: (HEAD + "1,2," + "3" * 98_000_000).encode(), "a line has 98,000,005 bytes"),
    "an open quotation mark": (lambda: (HEAD + '1,2,"' + "x,y\n" * 24_000_000).encode(), "never closed"),
    "nothing but quotation marks": (lambda: (HEAD + "1,2," + '"' * 97_000_000).encode(), "row 2"),
    "too many columns": (lambda: b",".join([b"c"] * 1_000_000), "columns or more"),
    "too many rows of a sheet": (lambda: sheet("<row><c><v>1</v></c></row>" * 3_600_000), "more than 1,000,000 rows"),
    "too many cells": (lambda: sheet(f"<row>{'<c/>' * 1000}</row>" * 12_000), "more than 8,000,000 cells"),
    "too many formulas": (lambda: sheet("<row><c><f>1</f></c></row>" * 900_000), "more than 500,000 formulas"),
    "too many texts": (lambda: sheet("", "<si><t>a</t></si>" * 5_000_000), "different texts"),
    "a formula outside every cell": (lambda: sheet('<f r="A1"/>'), "outside every cell"),
    "a large sheet that calls itself small": (contradictory_xls, "it claims 16,711,683 rows"),
    "repeats within a row of an .ods": (wide_ods, "more rows or cells"),
    "more plain rows than are read": (plain_ods, "more rows or cells"),
    "two distant cells of an .xls": (far_xls, "it claims 65,536 rows of 116 columns"),
    "two distant cells in each of ten sheets": (lambda: far_xls(sheets=10), "it claims 65,536 rows of 116 columns"),
    "two distant cells in a chart sheet": (lambda: far_xls(sheets=2, kind=2), "it claims 65,536 rows of 116 columns"),
    "two parts of one name": (twins, "two parts of one name"),
    "no relations": (without_relations, "damaged"),
    "a far corner": (lambda: sheet('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'), "it claims"),
}


def test_the_formulas_of_sparklines_behind_the_rows_belong_to_no_cell() -> None:
    whole = Book([Sheet([["course", "batch", "learner"], ["1", "2", "3"]])]).as_bytes("xlsx")
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    formula = b'<xm:f xmlns:xm="http://schemas.microsoft.com/office/excel/2006/main">Leavers!A1:B2</xm:f>'
    place = "xl/worksheets/sheet1.xml"
    parts[place] = parts[place].replace(b"</worksheet>", b"<extLst><ext>" + formula + b"</ext></extLst></worksheet>")
    table = read(io.BytesIO(archive(parts)), name="list")
    assert [("1", "2", "3")] == [row.cells for row in table.rows()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_and_takes_little(tmp_path: Path, name: str) -> None:
    make, says = BOMBS[name]
    bomb = tmp_path / "bomb"
    bomb.write_bytes(make())
    done = subprocess.run([sys.executable, "-c", CODE, str(bomb)], capture_output=True, text=True, check=True)
    taken, _, words = done.stdout.partition(" ")
    assert says in words
    assert int(taken) <= MEGABYTES
