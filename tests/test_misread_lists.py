"""Lists that once had people removed whom they did not name, or passed over what they said about them.

Each is refused, or asked about, and never read in silence.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
import xlwt
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.comments import Comment

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import Table
from bulkremove.reading.options import Hidden, ReadOptions
from bulkremove.reading.reader import read, read_protected_learners
from tests.test_unread_cells import retyped
from tests.workbooks import KINDS, Book, Cell, Formula, Sheet, archive

HEADER: list[Cell] = ["Course ID", "Batch ID", "Learner ID"]
BLANK, NOTE = 0x0201, 0x001C
"""Types of records of an .xls."""
COURSE, BATCH = "478346000019501001", "478346000019502001"


def learner(number: int) -> str:
    return str(478346000019558001 + 7 * number)


def row(number: int) -> list[Cell]:
    return [COURSE, BATCH, learner(number)]


def of(data: str | bytes, **options: object) -> Table:
    raw = data.encode() if isinstance(data, str) else data
    return read(io.BytesIO(raw), name="list", options=ReadOptions(**options))  # type: ignore[arg-type] # fields by name


def refusal(data: str | bytes, **options: object) -> str:
    with pytest.raises(FileRefused) as refused:
        of(data, **options)
    assert refused.value.hint
    return refused.value.message


def lines(*rows: Sequence[object]) -> str:
    return "".join(",".join(map(str, cells)) + "\n" for cells in rows)


# Fields that are missing, and rows that one quotation mark joins

MANAGER = "478346000019558318"


@pytest.mark.parametrize("rows", [(0, 1), (0,), (1,)])
def test_a_row_with_a_missing_field_does_not_put_the_manager_into_the_learners_place(rows: tuple[int, ...]) -> None:
    names = [[] if number in rows else [f"Name {number}"] for number in range(3)]
    people = [[COURSE, BATCH, *names[number], learner(number), MANAGER] for number in range(3)]
    text = lines(["Course ID", "Batch ID", "Name", "Learner ID", "Manager ID"], *people)
    said = refusal(text)
    assert f"in row {', '.join(str(number + 2) for number in rows)}: 4 fields instead of 5" in said


@pytest.mark.parametrize(
    "people",
    [
        [[*row(0), "Kim", "moved"], row(1), [*row(2), "Jo"]],
        [[*row(0), "Kim", "moved"], ["Report of 2026-11-29"]],
    ],
)
def test_blank_cells_that_a_program_left_out_at_the_end_of_a_row_change_nothing(people: list[list[Cell]]) -> None:
    table = of(lines([*HEADER, "Name", "Note"], *people))
    assert len(people) == len(table)
    assert ["478346000019558001"] == [cells.cells[2] for cells in table.rows()][:1]


@pytest.mark.parametrize(
    "text",
    [
        lines(["Name", *HEADER], ['"Kim', *row(0)], ['"Jo', *row(1)], ["Al", *row(2)]),
        lines([*HEADER, "Name"], [*row(0), '"Kim'], [*row(1), 'Lee"'], [*row(2), "Jo"]),
        lines([*HEADER, "Note"], [*row(0), f'"see\n{learner(5)}\n"'], [*row(1), "x"]),
    ],
)
def test_a_cell_that_has_swallowed_rows_refuses_the_file(text: str) -> None:
    assert "a cell holds several lines, one of them with ids" in refusal(text)


def test_a_note_of_several_lines_is_read() -> None:
    note = '"Street 12, 3rd floor\nCall 0170 1234567, or 491 5, after 5\n2026"'
    assert 2 == len(of(lines([*HEADER, "Note"], [*row(0), note], [*row(1), "x"])))


# Titles between rows, and columns that say nothing yet


def test_a_title_between_the_rows_is_asked_about() -> None:
    text = lines([*HEADER, "Name"], [*row(0), "Kim"], ["Please keep these:", "", "", ""], [*row(1), "Jo"])
    assert "row 3: 'Please keep these:' is a title inside the list" in refusal(text)
    footer = lines([*HEADER, "Name"], [*row(0), "Kim"], [*row(1), "Jo"], ["Please keep these:", "", "", ""])
    assert 3 == len(of(footer))


@pytest.mark.parametrize("kind", ["xlsx", "xls"])
def test_a_column_of_formulas_that_nobody_has_computed_refuses_the_file(kind: str) -> None:
    rows: list[list[Cell]] = [
        [*HEADER, "Action"],
        *([*row(number), Formula('IF(1=1,"keep","x")')] for number in (0, 1)),
    ]
    assert "column 'Action' holds formulas without results, such as in cell D2" in refusal(
        Book([Sheet(rows)]).as_bytes(kind)
    )


@pytest.mark.parametrize("options", [{}, {"columns": {"course": "A", "batch": "B", "learner": "C"}}])
def test_short_ids_never_become_the_headings(options: dict[str, object]) -> None:
    assert "row 1 holds ids, not headings" in refusal("101,201,301\n102,202,302\n", **options)


def test_short_ids_do_not_vanish_above_a_row_of_headings() -> None:
    assert "row 1 holds ids, and it stands above" in refusal(lines([101, 201, 301], HEADER, row(0)), header_row=2)


# Struck through, and hidden


def shared(strike: str) -> bytes:
    """A workbook with the second person's name as rich text, a part of it with ``strike``."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    name = CellRichText("Jo ", TextBlock(InlineFont(strike=True), "Smith"))
    for cells in ([*HEADER, "Name"], [*row(0), "Kim"], [*row(1), name]):
        sheet.append(cells)
    out = io.BytesIO()
    book.save(out)
    with zipfile.ZipFile(out) as whole:
        parts = {one: whole.read(one) for one in whole.namelist()}
    assert any(b"<strike" in part for part in parts.values())
    return archive({one: part.replace(b'<strike val="1" />', strike.encode()) for one, part in parts.items()})


def xls_with_struck_part() -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("S")
    rows: list[list[Cell]] = [[*HEADER, "Name"], [*row(0), "Kim"], row(1)]
    for index, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            sheet.write(index, column, cell)
    sheet.write_rich_text(2, 3, ("Jo ", ("Smith", xlwt.easyfont("struck_out on"))))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


SOLID = '<style:text-properties style:text-line-through-style="solid"/>'
STYLES = (
    '<office:document-styles xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
    ' xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"><office:styles>'
    f'<style:style style:name="Gone" style:family="table-cell">{SOLID}</style:style>'
    '<style:style style:name="Fine" style:family="table-cell"/></office:styles></office:document-styles>'
)


def ods(*, cell: str = "", columns: str = "", styles: str = "") -> bytes:
    """The second person's name with these attributes, below these columns, and these automatic styles."""
    people: list[list[Cell]] = [[*HEADER, "Name"], [*row(0), "Kim"], [*row(1), "Jo Smith"]]
    with zipfile.ZipFile(io.BytesIO(Book([Sheet(people)]).as_bytes("ods"))) as whole:
        content = whole.read("content.xml").decode()
    named = '<table:table-cell office:value-type="string"><text:p>Jo Smith'
    changed = content.replace(named, named.replace(" office", f" {cell} office"))
    changed = changed.replace("</office:automatic-styles>", f"{styles}</office:automatic-styles>")
    changed = changed.replace('table:name="Leavers">', f'table:name="Leavers">{columns}')
    assert not cell or changed != content
    kind = b"application/vnd.oasis.opendocument.spreadsheet"
    return archive({"mimetype": kind, "content.xml": changed.encode(), "styles.xml": STYLES.encode()})


CHILD = '<style:style style:name="ce1" style:family="table-cell" style:parent-style-name="Gone"/>'
UNDONE = CHILD.replace("/>", '><style:text-properties style:text-line-through-style="none"/></style:style>')
STRUCK = {
    "shared text": shared("<strike/>"),
    "rich text of an .xls": xls_with_struck_part(),
    "named style": ods(cell='table:style-name="Gone"'),
    "style made from another": ods(cell='table:style-name="ce1"', styles=CHILD),
    "style of a column": ods(columns='<table:table-column table:default-cell-style-name="Gone"/>'),
}


@pytest.mark.parametrize("name", STRUCK)
def test_whoever_is_struck_through_is_asked_about_in_whatever_way_it_was_done(name: str) -> None:
    assert "hidden, filtered, struck-through or commented row" in refusal(STRUCK[name])


@pytest.mark.parametrize(
    "data",
    [
        shared('<strike val="0"/>'),
        ods(cell='table:style-name="Fine"'),
        ods(cell='table:style-name="ce1"', styles=UNDONE),
        ods(columns='<table:table-column table:number-columns-repeated="9" table:default-cell-style-name="Fine"/>'),
    ],
)
def test_what_is_not_struck_through_is_read(data: bytes) -> None:
    assert 2 == len(of(data))


def test_a_struck_heading_counts_as_no_person() -> None:
    sheet = Sheet([[*HEADER], row(0), row(1)], struck=(1, 1))
    assert 2 == len(of(Book([sheet]).as_bytes("xlsx")))


def with_comment(kind: str, number: int) -> bytes:
    """Two people, and a comment on a cell of this row of the sheet, from 1."""
    rows: list[list[Cell]] = [HEADER, row(0), row(1)]
    out = io.BytesIO()
    if kind == "xlsx":
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for cells in rows:
            sheet.append(cells)
        sheet.cell(number, 2).comment = Comment("Stays until spring", "HR")
        book.save(out)
        return out.getvalue()
    if kind == "xls":
        old = xlwt.Workbook()
        page = old.add_sheet("S")
        for index, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                page.write(index, column, cell)
        page.write(number - 1, 9, "", xlwt.easyxf("font: bold on"))
        old.save(out)
        return retyped(out.getvalue(), BLANK, NOTE, number - 1, 9)
    with zipfile.ZipFile(io.BytesIO(Book([Sheet(rows)]).as_bytes("ods"))) as whole:
        parts = {one: whole.read(one) for one in whole.namelist()}
    text = f"<text:p>{rows[number - 1][2]}</text:p>"
    note = f"<office:annotation><text:p>Stays until spring</text:p></office:annotation>{text}"
    return archive({**parts, "content.xml": parts["content.xml"].replace(text.encode(), note.encode())})


@pytest.mark.parametrize("kind", KINDS)
def test_a_comment_on_a_person_is_asked_about_and_one_on_a_heading_is_not(kind: str) -> None:
    data = with_comment(kind, 3)
    assert "1 hidden, filtered, struck-through or commented row and 1 that can be seen" in refusal(data)
    assert [learner(0)] == [one.cells[2] for one in of(data, hidden=Hidden.LEAVE_OUT).rows()]
    assert 2 == len(of(data, hidden=Hidden.INCLUDE))
    assert 2 == len(of(with_comment(kind, 1)))


@pytest.mark.parametrize("height", ["0", "0.1", "0.75"])
def test_a_row_too_low_to_be_read_is_hidden(height: str) -> None:
    with zipfile.ZipFile(io.BytesIO(Book([Sheet([HEADER, row(0), row(1)])]).as_bytes("xlsx"))) as whole:
        parts = {one: whole.read(one) for one in whole.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b'<row r="3"', f'<row r="3" ht="{height}" customHeight="1"'.encode())
    assert "1 hidden" in refusal(archive(parts))


# Digits that are no part of an id


def with_raised_digit(kind: str, place: str, *, first: bool = False) -> bytes:
    """The second person's id with a digit that is raised or lowered, as a footnote mark is; in front, or behind."""
    begun: list[list[Cell]] = [HEADER, row(0), [COURSE, BATCH]]
    out = io.BytesIO()
    if kind == "xlsx":
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        mark = TextBlock(InlineFont(vertAlign=place), "1")
        parts = (mark, learner(1)) if first else (learner(1), mark)
        for cells in (HEADER, row(0)):
            sheet.append(cells)
        sheet.append([COURSE, BATCH, CellRichText(*parts)])
        book.save(out)
        return out.getvalue()
    if kind == "shared":
        written = xlsxwriter.Workbook(out)
        page = written.add_worksheet()
        for index, line in enumerate(begun):
            page.write_row(index, 0, [str(cell) for cell in line])
        page.write_rich_string(2, 2, learner(1), written.add_format({"font_script": 1 + (place == "subscript")}), "1")
        written.close()
        return out.getvalue()
    if kind == "xls":
        old = xlwt.Workbook()
        leaf = old.add_sheet("S")
        for index, line in enumerate(begun):
            for column, cell in enumerate(line):
                leaf.write(index, column, cell)
        leaf.write_rich_text(2, 2, (learner(1), ("1", xlwt.easyfont(f"escapement {place}"))))
        old.save(out)
        return out.getvalue()
    position = {"superscript": "super 58%", "subscript": "-33% 58%", "baseline": "0% 100%"}[place]
    style = '<style:style style:name="T1" style:family="text"/>'.replace(
        "/>", f'><style:text-properties style:text-position="{position}"/></style:style>'
    )
    with zipfile.ZipFile(io.BytesIO(Book([Sheet([HEADER, row(0), row(1)])]).as_bytes("ods"))) as whole:
        members = {one: whole.read(one) for one in whole.namelist()}
    span = f'{learner(1)}<text:span text:style-name="T1">1</text:span>'
    content = members["content.xml"].decode().replace(learner(1), span)
    content = content.replace("</office:automatic-styles>", f"{style}</office:automatic-styles>")
    return archive({**members, "content.xml": content.encode()})


@pytest.mark.parametrize("place", ["superscript", "subscript"])
@pytest.mark.parametrize("kind", ["xlsx", "shared", "xls", "ods"])
def test_a_raised_or_lowered_digit_never_becomes_part_of_an_id(kind: str, place: str) -> None:
    said = refusal(with_raised_digit(kind, place))
    assert f"C3 shows {learner(1)}1 (part of it is superscript or subscript)" in said
    assert "C3" in refusal(with_raised_digit("xlsx", place, first=True))


@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_a_part_of_an_id_that_stands_on_the_line_is_read(kind: str) -> None:
    assert f"{learner(1)}1" == of(with_raised_digit(kind, "baseline")).row(1).cells[2]


def hidden_column(kind: str) -> bytes:
    out = io.BytesIO()
    rows: list[list[Cell]] = [[*HEADER, "Learner"], [*row(0), learner(5)]]
    if kind == "xlsx":
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for cells in rows:
            sheet.append(cells)
        sheet.column_dimensions["C"].hidden = True
        book.save(out)
    elif kind == "xls":
        old = xlwt.Workbook()
        page = old.add_sheet("S")
        for index, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                page.write(index, column, cell)
        page.col(2).hidden = True
        old.save(out)
    else:
        return ods(
            columns='<table:table-column table:number-columns-repeated="2"/>'
            '<table:table-column table:visibility="collapse"/>'
        )
    return out.getvalue()


@pytest.mark.parametrize("kind", ["xlsx", "xls", "ods"])
def test_ids_in_a_hidden_column_are_asked_about(kind: str) -> None:
    data = hidden_column(kind)
    assert "column 'Learner ID' with ids is hidden" in refusal(data)
    assert "is hidden" in refusal(data, hidden=Hidden.LEAVE_OUT)
    assert learner(0) == of(data, hidden=Hidden.INCLUDE).row(0).cells[2]


# Files of this program, and the list of protected learners


@pytest.mark.parametrize("heading", ["sandbox", "Umgebung", "Sandbox run"])
def test_one_cell_of_a_sandbox_run_is_enough_whatever_its_heading(heading: str) -> None:
    text = lines([*HEADER, heading], [*row(0), ""], [*row(1), "SANDBOX"])
    assert "written by a sandbox run" in refusal(text)
    assert 2 == len(of(text, sandbox=True))


@pytest.mark.parametrize("job", ["20261129-k3f9", "20261129-SANDBOX-k3f9", " 20261129-K3F9 "])
def test_one_job_id_among_many_rows_is_enough(job: str) -> None:
    people = [[*row(number), f"R-{number}"] for number in range(20)]
    assert "holds the numbers of jobs of this program" in refusal(lines([*HEADER, "Ref"], *people, [*row(20), job]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("".join(["Learner ID\n", *(f"{478346000019550000 + 1000 * n}\n" for n in range(5))]), "end in 000"),
        ("Learner ID\n" + "478346000019558000\n" * 5, "end in 000"),
        ("".join(["Learner ID\n", *(f"{float(learner(9 * n)):.0f}\n" for n in range(6))]), "computer's calculations"),
        (f'Learner ID,Name\n{learner(0)},"Kim\n{learner(1)},Lee "the boss\n{learner(2)},Jo\n', "several lines"),
        (f"Name,Learner ID,Manager ID\nKim,{learner(0)},{MANAGER}\n{learner(1)},{MANAGER}\n", "fields are missing"),
    ],
)
def test_a_protected_list_that_protects_others_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "protected.csv").write_text(text)
    with pytest.raises(FileRefused, match=words):
        read_protected_learners(tmp_path / "protected.csv")
