"""No id is ever changed: what is read back is what stands in the file, or the file is refused."""

from __future__ import annotations

import csv
import io
import re
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.planner import plan
from bulkremove.domain.row import Status
from bulkremove.domain.table import Table
from bulkremove.reading.chosen_rows import ALL
from bulkremove.reading.options import ReadOptions, parse_columns
from bulkremove.reading.reader import read
from tests.workbooks import Book, Sheet, archive

HEADER = ["Course ID", "Batch ID", "Learner ID"]
IDS = ["478346000019501001", "478346000019502001", "478346000019558209"]


def of(data: bytes, **options: object) -> Table:
    return read(io.BytesIO(data), name="list", options=ReadOptions(**options))  # type: ignore[arg-type] # fields by name


def text(*rows: list[str], separator: str = ",") -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator).writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_every_encoding_and_separator_gives_the_same_cells(encoding: str, separator: str) -> None:
    data = text([*HEADER, "Näme"], [*IDS, "Zoë"], separator=separator).encode(encoding)
    table = of(data)
    assert [*IDS, "Zoë"] == list(table.row(0).cells)
    assert 2 == table.numbers[0]


def test_a_sep_line_names_the_separator_and_is_no_row() -> None:
    table = of(("sep=;\r\n" + text(HEADER, IDS, separator=";")).encode())
    assert (IDS, 2) == (list(table.row(0).cells), table.numbers[0])


def test_blank_lines_are_counted_and_keep_the_numbers_right() -> None:
    table = of(f"\n{','.join(HEADER)}\n\n{','.join(IDS)}\n".encode())
    assert ([4], 1) == (list(table.numbers), table.empty_rows)


@pytest.mark.parametrize("extra", [[[*IDS, "x"]], [IDS, [*IDS, "x"]], [[*IDS, "x"], [*IDS, "y"]]])
def test_a_row_with_more_fields_than_the_header_refuses_the_file(extra: list[list[str]]) -> None:
    with pytest.raises(FileRefused, match="4 fields"):
        of(text(HEADER, *extra).encode())


@pytest.mark.parametrize(
    "damaged",
    ["4.78346E+17", "4,78346E+17", "478346000019558209.0", "4.7e3", "12-05-2026", "2026/05/12", "TRUE", "#REF!", "=A1"],
)
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_damaged_text_in_an_id_column_refuses_the_file(damaged: str, column: int) -> None:
    row = [*IDS]
    row[column] = damaged
    with pytest.raises(FileRefused, match=rf"{'ABC'[column]}3.*"):
        of(text(HEADER, IDS, row).encode())


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "47 83",
        "\uff14\uff17",
        "4783\u200b",
        "+5",
        "-5",
        "4_7",
        "'478",
        "\u0664\u0667",
        "4" * 20,
        "n/a",
        "²",
        "0",
        "0478346000019558209",
    ],
)
def test_what_is_no_id_is_invalid_and_never_made_into_one(bad: str) -> None:
    made = plan(of(text([*HEADER, "x"], [*IDS[:2], bad, "x"]).encode()), account="a", host="h")
    assert (0, Status.INVALID) == (made.removals, made.excluded[0].status)
    assert "C2" in made.excluded[0].detail


def test_outer_blanks_are_trimmed_and_the_preview_says_so() -> None:
    table = of(text(HEADER, [*IDS[:2], " \u00a0478346000019558209\t"]).encode())
    made = plan(table, account="a", host="h")
    assert IDS[2] == made.removal(0).learner
    assert any("outer blanks of 1 cells" in note for note in table.reading_notes)


def test_a_duplicate_names_the_earlier_row() -> None:
    made = plan(of(text(HEADER, IDS, IDS).encode()), account="a", host="h")
    assert (Status.DUPLICATE, 1) == (made.excluded[1].status, made.removals)
    assert "row 2" in made.excluded[1].detail


@pytest.mark.parametrize("names", [["course", "BATCH_ID", "learner-id"], ["courseId", "Batch Id", "LearnerID"]])
def test_columns_are_found_by_common_spellings_in_any_order(names: list[str]) -> None:
    table = of(text(["Name", *reversed(names)], ["x", *reversed(IDS)]).encode())
    assert IDS == [table.row(0).cells[i] for i in table.roles]


@pytest.mark.parametrize(
    "names", [["Course ID", "Batch ID"], ["Course ID", "Batch ID", "learner_id", "Learner ID"], ["a", "b", "c"]]
)
def test_a_missing_or_a_double_column_refuses_and_lists_the_headings(names: list[str]) -> None:
    with pytest.raises(FileRefused, match="Headings found"):
        of(text(names, (IDS * 2)[: len(names)]).encode())


def test_columns_can_be_told_by_letter_or_heading() -> None:
    table = of(text(["x", "y", "z"], IDS).encode(), columns=parse_columns("course=A,batch=y,learner=C"))
    assert (0, 1, 2) == tuple(table.roles)


def _bomb(member: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr(member, content)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"one column\n1\n",
        b"%PDF-1.4",
        b"<html></html>",
        b"a,b\0,c\n1,2,3\n",
        b'a,b,c\n1,2,"3\n',
        b"PK\x03\x04 cut off",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 no book",
        _bomb("xl/a.xml", b"0" * (101 * 1024 * 1024)),
        _bomb("xl/a.xml", b"<!DOCTYPE lolz [<!ENTITY a 'b'>]><x/>"),
        _bomb("xl/inner.zip", b"PK\x03\x04nested"),
        b"course,batch,learner\n1,2," + b"3" * 1001 + b"\n",
        b"course,batch,learner\n" + b"1,2,3\n" * 1_000_001,
    ],
    ids=range(14),
)
def test_bombs_and_bad_files_are_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(FileRefused):
        of(data)


@pytest.mark.parametrize(
    ("place", "lie"),
    [
        ("<table:table-row>", ' table:number-rows-repeated="900000000"'),
        ("<table:table-cell ", ' table:number-columns-repeated="99999999" '),
    ],
    ids=["rows", "columns"],
)
def test_repeat_counts_that_lie_are_refused(place: str, lie: str) -> None:
    with zipfile.ZipFile(io.BytesIO(Book([Sheet([[*HEADER], [*IDS]])]).as_bytes("ods"))) as whole:
        content = whole.read("content.xml").decode()
    spoilt = content.replace(place, place[:-1] + lie + place[-1].strip(" "))
    with pytest.raises(FileRefused, match="more rows or cells"):
        of(archive({"content.xml": spoilt.encode()}))


def test_nothing_of_a_missing_file_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(FileRefused):
        read(tmp_path / "none.csv", name="none.csv")


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=20)
ID = st.integers(0, 10**19 - 1).map(str)


@given(
    rows=st.lists(st.tuples(ID, ID, ID, CELL), min_size=1, max_size=8),
    separator=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_a_grid_written_as_csv_is_read_back_exactly(
    rows: list[tuple[str, ...]], separator: str, quoting: int, end: str, encoding: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end)  # type: ignore[arg-type] # an int
    writer.writerows([(*HEADER, "Note"), *rows])
    table = of(out.getvalue().encode(encoding), only=(ALL,))  # a note may be "enrolled"
    assert rows == [row.cells for row in table.rows()]


@given(cell=st.text(max_size=30))
@settings(max_examples=300)
def test_no_cell_ever_becomes_another_id(cell: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([HEADER, [*IDS[:2], cell]])
    try:
        made = plan(of(out.getvalue().encode("utf-8", "surrogatepass")), account="a", host="h")
    except FileRefused:
        return
    for row in made.rows():
        if row.removal:
            written = re.sub(r'^="([0-9]+)"$', r"\1", cell)  # how a CSV keeps an id from being rounded in Excel
            assert row.removal.learner == written.strip(" \t\xa0")
            assert row.removal.learner.isascii()
            assert row.removal.learner.isdigit()


def test_one_changed_byte_makes_another_plan() -> None:
    def hash_of(*row: str, account: str = "a", host: str = "h") -> str:
        return plan(of(text([*HEADER, "N"], list(row)).encode()), account=account, host=host).hash

    same = hash_of(*IDS, "x")
    others = {
        hash_of(*IDS, "y"),
        hash_of(IDS[1], IDS[0], IDS[2], "x"),
        hash_of(*IDS, "x", account="b"),
        hash_of(*IDS, "x", host="i"),
    }
    assert same == hash_of(*IDS, "x")
    assert 4 == len(others - {same})


def test_samples_are_what_the_script_makes(tmp_path: Path) -> None:
    folder = Path(__file__).parent.parent / "sample_data"
    sys.path.insert(0, str(folder))
    try:
        from make_samples import make  # type: ignore[import-not-found] # a script beside the samples, no package
    finally:
        sys.path.remove(str(folder))
    make(tmp_path)
    for made in tmp_path.iterdir():
        kept = folder / made.name
        if made.suffix == ".xlsx" and made.name != "damaged.xlsx":
            one, two = (read(path, name="x", options=ReadOptions()) for path in (made, kept))
            assert list(one.rows()) == list(two.rows())
        elif made.suffix != ".xlsx":
            assert made.read_bytes() == kept.read_bytes()
