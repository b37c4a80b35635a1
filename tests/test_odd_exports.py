"""Exports as other programs write them: each is read exactly, or refused with words that say what to do next."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.planner import plan
from bulkremove.domain.row import Status
from bulkremove.domain.table import Table
from bulkremove.reading.delimited import without_rows
from bulkremove.reading.options import ReadOptions, parse_columns
from bulkremove.reading.reader import read, read_protected_learners
from tests.workbooks import Book, Cell, Sheet

HEADER = ("Course ID", "Batch ID", "Learner ID")
ROWS = [("478346000019501001", "478346000019502002", str(478346000019558010 + 7 * n)) for n in range(6)]


def of(data: bytes | str, name: str = "list.csv", **options: object) -> Table:
    raw = data.encode() if isinstance(data, str) else data
    return read(io.BytesIO(raw), name=name, options=ReadOptions(**options))  # type: ignore[arg-type] # fields by name


def text(*rows: Sequence[str], separator: str = ",", end: str = "\r\n") -> str:
    return "".join(separator.join(row) + end for row in rows)


def ids(table: Table) -> list[tuple[str, ...]]:
    return [tuple(row.cells[column] for column in table.roles) for row in table.rows()]


def refused(data: bytes | str, name: str = "list.csv", **options: object) -> str:
    """The message and hint with which the file is refused; they name no class of Python."""
    with pytest.raises(FileRefused) as info:
        of(data, name, **options)
    said = f"{info.value.message} {info.value.hint}"
    assert not re.search(r"[a-z](?:Error|Exception|Zip|File)\b|codec|byte 0x", said)
    return said


# Separators


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_the_one_that_gives_the_headings_of_all_three_ids(separator: str) -> None:
    for other in {",", ";", "\t", "|"} - {separator}:
        heading = f"Notes (a{other}b{other}c{other}d{other}e)"
        table = of(text((*HEADER, heading), *[(*row, "x") for row in ROWS], separator=separator))
        assert (*HEADER, heading) == table.header
        assert ROWS == ids(table)
        assert list(range(2, 8)) == list(table.numbers)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_without_headings_of_ids_it_is_the_one_with_most_fields_that_fits_the_second_line(separator: str) -> None:
    for other in {",", ";", "\t", "|"} - {separator}:
        # Both give the first line three fields; only one gives the second line as many.
        names = (f"one{other}1", f"two{other}2", "three")
        chosen = parse_columns("course=A,batch=B,learner=C")
        table = of(text(names, *ROWS, separator=separator), columns=chosen)
        assert (names, ROWS) == (table.header, ids(table))
        most = of(text(("a", "b", f"c{other}d"), *ROWS, separator=separator), columns=chosen)
        assert (("a", "b", f"c{other}d"), ROWS) == (most.header, ids(most))


def test_one_column_is_refused_with_the_separators_named() -> None:
    assert "no comma, semicolon, tab or | separates its headings" in refused("Course ID\r\n478346000019501001\r\n")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_sep_line_is_read_with_any_line_ends(separator: str, end: str, quote: str) -> None:
    data = f"{quote}sep={separator}{quote}{end}" + text(HEADER, *ROWS, separator=separator, end=end)
    table = of(data)
    assert (ROWS, list(range(2, 8))) == (ids(table), list(table.numbers))


def test_blank_lines_above_the_headings_are_counted_with_cr_line_ends() -> None:
    table = of("\r \r" + text(HEADER, *ROWS, end="\r"))
    assert (ROWS, list(range(4, 10))) == (ids(table), list(table.numbers))


def test_a_large_file_with_cr_line_ends_is_no_single_line() -> None:
    rows = [("1", "2", str(478346000000000000 + n)) for n in range(180_000)]
    table = of(text(HEADER, *rows, end="\r"))
    assert rows == ids(table)


def test_a_line_is_named_with_cr_line_ends() -> None:
    said = refused(text(HEADER, ROWS[0], ("1", '"2"3', "4"), end="\r"))
    assert "line 3: digits follow a closing quotation mark" in said


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_rows_are_taken_out_of_such_a_file_and_all_else_stays(encoding: str) -> None:
    head = "sep=|\r" + text(HEADER, end="\r", separator="|")
    lines = [text(row, end="\r", separator="|") for row in ROWS]
    raw = (head + "".join(lines) + "\x1a").encode(encoding)
    assert ROWS == ids(of(raw))
    left = without_rows(raw, "list.csv", {3, 7})
    assert (head + lines[0] + "".join(lines[2:5]) + "\x1a").encode(encoding) == left


# What only looks like another format


def test_a_first_heading_that_begins_with_pk_is_no_zip() -> None:
    table = of(text(("PK", *HEADER), *[(str(n), *row) for n, row in enumerate(ROWS)]))
    assert (("PK", *HEADER), ROWS) == (table.header, ids(table))


@pytest.mark.parametrize("signature", [b"PK\x03\x04", b"PK\x05\x06"])
def test_a_zip_by_its_signature_is_no_csv(signature: bytes) -> None:
    with pytest.raises(FileRefused, match="damaged"):
        of(signature + text(HEADER, *ROWS).encode())


PAGE = "<html><body><table><tr><td>Course ID</td></tr></table></body></html>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("start", ["", "\r\n  ", "<!doctype html>\n", "<!-- made by HR -->\n"])
def test_a_web_page_is_named_as_one(encoding: str, start: str) -> None:
    said = refused((start + PAGE).encode(encoding), "leavers.xls")
    assert said == (
        "leavers.xls is a web page named .xls. Open it in Excel, save it as .xlsx, and compare the ids: Excel may have "
        "rounded long numbers."
    )


def test_a_web_page_without_a_table_may_be_a_sign_in_page() -> None:
    said = refused("<!DOCTYPE html><html><body>Sign in</body></html>")
    assert said == (
        "list.csv is a web page named .csv. It may be a sign-in or error page that was saved in place of the list. "
        "Download the list again."
    )


@pytest.mark.parametrize(
    "content",
    [
        '{"course": "1", "batch": "2", "learner": "3"}\n',
        '[{"course": "1", "batch": "2"}]',
        '\ufeff[\n  ["Course ID", "Batch ID", "Learner ID"]\n]',
        "[]",
    ],
)
def test_json_is_named_as_such(content: str) -> None:
    assert refused(content) == "list.csv is JSON, not a table. Export the list as CSV or .xlsx."


def test_a_heading_in_brackets_is_no_json() -> None:
    table = of(text(("[Nr]", *HEADER), *[("1", *row) for row in ROWS]))
    assert ROWS == ids(table)


# Encodings


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_utf_16_without_a_byte_order_mark_is_read_with_a_note(encoding: str, end: str) -> None:
    rows = [(*row, "Zoë 山田") for row in ROWS]
    table = of(text((*HEADER, "Näme"), *rows, end=end).encode(encoding))
    assert rows == [row.cells for row in table.rows()]
    assert ("The file has no byte order mark; it was read as UTF-16. Check names with accents.",) == table.reading_notes


def test_half_a_character_of_utf_16_refuses_the_file() -> None:
    for encoding in ("utf-16", "utf-16-le"):
        assert refused(text(HEADER, *ROWS).encode(encoding) + b"1") == (
            "list.csv can't be read as text: line 8 holds bytes that are no UTF-16; it is damaged or cut off. "
            "Export it again."
        )


@pytest.mark.parametrize("end", ["\x1a", "\r\n\x1a", "\r\n\x1a\x1a"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "utf-16-le"])
def test_a_final_ctrl_z_is_ignored(end: str, encoding: str) -> None:
    table = of((text((*HEADER, "é"), *[(*row, "x") for row in ROWS]).rstrip() + end).encode(encoding))
    assert [(*row, "x") for row in ROWS] == [row.cells for row in table.rows()]


def test_a_ctrl_z_elsewhere_is_a_character_as_any_other() -> None:
    made = plan(of(text(HEADER, ROWS[0], ("1", "2", "3\x1a"), ROWS[1])), account="a", host="h")
    assert (2, Status.INVALID) == (made.removals, made.excluded[1].status)


@pytest.mark.parametrize(
    ("encoding", "heading", "name", "told"),
    [
        ("shift_jis", "氏名", "山田 太郎", "it seems to be Shift_JIS (Japanese)"),
        ("gbk", "姓名", "张伟", "Line 1 holds other characters"),
        ("big5", "姓名", "陳大文", "Line 2 holds other characters"),
        ("euc-kr", "Name", "김철수", "Line 2 holds other characters"),
        ("euc-jp", "Name", "山田 太郎", "Line 2 holds other characters"),
        ("cp1251", "Имя", "Иван Петров", "Line 1 holds other characters"),
        ("koi8-r", "Name", "Иван Петров", "Line 2 holds other characters"),
        ("cp1253", "Name", "Γιώργος", "Line 2 holds other characters"),
        ("cp850", "Name", "René Müller", "Line 2 holds other characters"),
        ("mac-roman", "Name", "Genève", "Line 2 holds other characters"),
    ],
)
def test_other_encodings_are_refused_with_the_way_to_utf_8(encoding: str, heading: str, name: str, told: str) -> None:
    said = refused(text((*HEADER, heading), *[(*row, name) for row in ROWS]).encode(encoding))
    assert said.startswith("list.csv is neither UTF-8 nor Windows-1252")
    assert told in said
    assert said.endswith(
        "Open it in a text editor, see that the names are right, and save it as UTF-8. Don't do that in Excel, which "
        "rounds long numbers."
    )


@pytest.mark.parametrize(
    "name",
    [
        "Zoë",
        "Þórður Þórðarson",
        "Määttä",
        "O\N{RIGHT SINGLE QUOTATION MARK}Brien \N{EN DASH} Šimek",
        "ÄÖÜäöüß",
        "\xa0\xa0\xa0\xa0\xa0é",
        "„créée“ €",
        "£££££",
    ],
)
def test_western_names_in_windows_1252_are_read_with_a_note(name: str) -> None:
    rows = [(*row, name) for row in ROWS]
    table = of(text((*HEADER, "Name"), *rows).encode("cp1252"))
    assert rows == [row.cells for row in table.rows()]
    assert ("The file is not UTF-8; it was read as Windows-1252. Check names with accents.",) == table.reading_notes


# Ids that Excel shall keep as text


def test_an_id_written_as_a_text_formula_is_read_as_its_digits_and_counted() -> None:
    rows = [*[[f'="{one}"' for one in row] for row in ROWS], [*ROWS[0][:2], "478346000019559999"]]
    raw = text(HEADER, *rows)
    out = io.StringIO(newline="")
    csv.writer(out).writerows([HEADER, *rows])  # "=""478..."""
    assert '"=""478' in out.getvalue()
    for data in (raw, out.getvalue()):
        table = of(data)
        assert [*ROWS, (*ROWS[0][:2], "478346000019559999")] == ids(table)
        assert table.reading_notes == tuple(
            f"Column '{heading}': {count} cells written as =\"digits\" are read as the digits."
            for heading, count in zip(HEADER, (6, 6, 6), strict=True)
        )
        assert 7 == plan(table, account="a", host="h").removals


@pytest.mark.parametrize(
    "cell",
    [
        '=""',
        '="478 "',
        '=" 478"',
        '="47"&"8"',
        "=478",
        '="478',
        '=478"',
        '="478""',
        "='478'",
        '="\uff14\uff17\uff18"',
        '="478"1',
        '= "478"',
        '="478";',
        '=T("478")',
        '+"478"',
        '="478E5"',
    ],
)
def test_any_other_text_that_begins_with_an_equals_sign_stays_damage(cell: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([HEADER, ['="1"', "2", "3"], ["1", "2", cell]])
    if cell.startswith("+"):
        made = plan(of(out.getvalue()), account="a", host="h")
        assert Status.INVALID is made.excluded[1].status
    else:
        assert "C3 shows" in refused(out.getvalue())


def test_a_text_formula_outside_the_id_columns_is_left_as_it_is() -> None:
    assert '="5"' == of(text((*HEADER, "Nr"), (*ROWS[0], '="5"'))).row(0).cells[3]


def test_a_text_cell_of_a_workbook_with_such_a_text_is_read_as_its_digits() -> None:
    rows: list[list[Cell]] = [[*HEADER], [*ROWS[0][:2], f'="{ROWS[0][2]}"'], [1, 2, 3]]
    table = of(Book([Sheet(rows)]).as_bytes("xls"))
    assert [ROWS[0], ("1", "2", "3")] == ids(table)


def test_protected_learners_may_be_written_so_too(tmp_path: Path) -> None:
    path = tmp_path / "protected.csv"
    for heading in ("Learner ID", "Learner ID*", "Learner ID (18 digits)", "Learner ID [text]:"):
        for end in ("\n", "\r\n", "\r"):
            path.write_bytes(f'{heading}{end}="{ROWS[0][2]}"{end}{ROWS[1][2]}{end}'.encode())
            assert {ROWS[0][2], ROWS[1][2]} == read_protected_learners(path).learners


# Headings


@pytest.mark.parametrize(
    "names",
    [
        ("Course ID*", "Batch ID*", "Learner ID*"),
        ("Course #", "Batch #", "Learner #"),
        ("Course ID:", "Batch ID :", "Learner ID *:"),
        ("Course ID (18 digits)", "Batch ID [text]", "Learner ID (18 digits, required)*"),
        ("Course ID* (Zoho)", "BATCH_ID(number)", "learner-id [Zoho People]"),
    ],
)
def test_marks_and_units_behind_a_heading_do_not_hide_it(names: tuple[str, ...]) -> None:
    for separator in ",;\t|":
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=separator).writerows([("Name", *reversed(names)), *[("x", *r[::-1]) for r in ROWS]])
        table = of(out.getvalue())
        assert (names[::-1], ROWS) == (table.header[1:], ids(table))


@pytest.mark.parametrize("heading", ["Learner ID (manager)", "Learner ID [old]", "Learner (name)", "*", "(18 digits)"])
def test_what_stands_in_parentheses_may_make_it_another_column(heading: str) -> None:
    assert "no column for the learner id" in refused(text((*HEADER[:2], heading), *ROWS))


def test_the_exact_heading_wins_over_a_similar_one() -> None:
    names = ("Course", "Batch", "Learner", "Learner ID", "Batch ID*", "Course ID")
    table = of(text(names, *[("Safety", "May", "Zoë", *row[::-1]) for row in ROWS]))
    assert ((5, 4, 3), ROWS) == (tuple(table.roles), ids(table))


@pytest.mark.parametrize("pair", [("Batch ID", "batch_id"), ("Batch ID", "Batch ID*"), ("Batch", "Batch #")])
def test_two_headings_that_are_equally_near_are_asked_about(pair: tuple[str, str]) -> None:
    assert "2 columns for the batch id" in refused(text((*pair, "Course ID", "Learner ID"), ("1", "2", "3", "4")))


# Groups and footers


def grouped(groups: int, members: int, course: str = "", batch: str = "") -> list[tuple[str, str, str]]:
    return [
        ("47", str(480 + group), str(1 + members * group + n))
        if n == 0
        else (course, batch, str(1 + members * group + n))
        for group in range(groups)
        for n in range(members)
    ]


@pytest.mark.parametrize(("course", "batch", "column"), [("", "", "A"), (" ", "\xa0", "A"), ("47", "", "B")])
def test_ids_in_the_first_row_of_a_group_only_refuse_the_file(course: str, batch: str, column: str) -> None:
    said = refused(text(HEADER, *grouped(5, 6, course, batch)))
    heading = {"A": "Course ID", "B": "Batch ID"}[column]
    assert said == (
        f"list.csv, row 3: column '{heading}' is blank, as in 25 of 30 rows with a learner id; it seems to be filled "
        "in the first row of each group only. Fill the blanks down, so that each row has its own ids, and export the "
        "file again."
    )


def test_a_row_above_each_group_counts_as_its_first() -> None:
    rows = [("47", "48", ""), ("", "", "1"), ("", "", "2")]
    assert "row 3: column 'Course ID' is blank, as in 2 of 2 rows" in refused(text(HEADER, *rows))


@pytest.mark.parametrize("kind", ["xlsx", "xls", "ods"])
def test_groups_in_a_workbook_refuse_it_too(kind: str) -> None:
    rows: list[list[Cell]] = [[*HEADER], *[list[Cell](row) for row in grouped(2, 3)]]
    assert "row 3: column 'Course ID' is blank, as in 4 of 6 rows" in refused(Book([Sheet(rows)]).as_bytes(kind))


@pytest.mark.parametrize(
    "rows",
    [
        grouped(3, 2),  # half of them
        [("", "", "1"), ("47", "48", "2"), ("", "", "3")],  # the first row is blank itself
        [("47", "48", "1"), ("", "", ""), ("", "", "x"), ("", "", "y")],  # no learner ids
    ],
)
def test_some_blank_ids_are_invalid_rows_as_before(rows: list[tuple[str, ...]]) -> None:
    made = plan(of(text(HEADER, *rows)), account="a", host="h")
    blank = [i for i, row in enumerate([row for row in rows if any(row)]) if not row[0]]
    assert blank == sorted(made.excluded)
    assert {Status.INVALID} == {exclusion.status for exclusion in made.excluded.values()}


FOOTER = "Report generated by Workday on 2026-11-24, page 1 of 1"


def test_a_footer_is_invalid_and_named_as_one() -> None:
    rows = [(*row, "x") for row in ROWS]
    made = plan(of(text((*HEADER, "Name"), *rows, ('"' + FOOTER + '"',))), account="a", host="h")
    assert (6, {6: Status.INVALID}) == (made.removals, {i: e.status for i, e in made.excluded.items()})
    assert made.excluded[6].detail == (
        'Cell A8 (Course ID) is no course id: "Report generated by Workday on 2026-11-…" holds something other than '
        "digits. The row looks like a footer of the list."
    )


def test_each_line_of_a_footer_is_named_as_one() -> None:
    lines = [("", "", "", ""), ("Total rows", "", "", ""), ("", "", "", ""), ("End", "", "", "")]
    names = ("Name", *HEADER)
    made = plan(of(text(names, *[("x", *row) for row in ROWS], *lines)), account="a", host="h")
    assert [6, 7] == sorted(made.excluded)
    assert made.excluded[6].detail == (
        'Cell B9 (Course ID) is no course id: "" is empty. The row looks like a footer of the list.'
    )
    assert made.excluded[7].detail.endswith("The row looks like a footer of the list.")


@pytest.mark.parametrize(
    "rows",
    [
        [("Total", "", ""), ROWS[0]],  # not at the end
        [ROWS[0], ("478346000019501001", "", "")],  # an id, whose row has lost the others
        [ROWS[0], ("Total", "6", "")],
        [ROWS[0], ("", "Total", "")],
        [ROWS[0], ("", "", ROWS[1][2])],
    ],
)
def test_what_is_no_footer_is_not_named_as_one(rows: list[tuple[str, ...]]) -> None:
    made = plan(of(text(HEADER, *rows)), account="a", host="h")
    assert [Status.INVALID] == [exclusion.status for exclusion in made.excluded.values()]
    assert not any("footer" in exclusion.detail for exclusion in made.excluded.values())
