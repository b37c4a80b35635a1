"""Public hostile files: each is read as its clean version says, or refused with a sentence; none takes long or much.

They have no id columns, so the first three columns are named as such, or three good ids are set before each record.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.planner import plan
from bulkremove.domain.row import Status
from bulkremove.domain.table import Table
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from tests.conftest import Proving

CORPUS = Path(__file__).parent.parent / "corpus"
FIRST_THREE = ReadOptions(columns={"course": 0, "batch": 1, "learner": 2})
MOST_SECONDS, MOST_MEGABYTES = 10.0, 300

WHOLE: dict[str, int | str] = {
    "blns/blns.json": "is JSON, not a table",
    "calamine/empty_shared_string.xlsx": "no column 2",
    "calamine/encoded_entities.xlsx": "Headings found: A '&'",
    "calamine/has_x000D_.xlsx": "no column 2",
    "calamine/inlineStr_cdata.xlsx": "Headings found: A 'Hello CDATA', B 'World'",
    "calamine/issue_594_dos.ods": "more rows or cells than",
    "calamine/merge_cells.xls": "3 merged ranges (A1:B1, A2:A4, B2:D4)",
    "csv-spectrum/csvs/comma_in_quotes.csv": 1,
    "csv-spectrum/csvs/empty.csv": 2,
    "csv-spectrum/csvs/empty_crlf.csv": 2,
    "csv-spectrum/csvs/escaped_quotes.csv": "no column 3",
    "csv-spectrum/csvs/json.csv": "no column 3",
    "csv-spectrum/csvs/location_coordinates.csv": 1,
    "csv-spectrum/csvs/newlines.csv": 3,
    "csv-spectrum/csvs/newlines_crlf.csv": 3,
    "csv-spectrum/csvs/quotes_and_newlines.csv": "no column 3",
    "csv-spectrum/csvs/simple.csv": 1,
    "csv-spectrum/csvs/simple_crlf.csv": 1,
    "csv-spectrum/csvs/utf8.csv": 2,
    "defusedxml/dtd.xml": "is a web page",
    "defusedxml/external_file.xml": "is not a CSV file or a workbook",
    "defusedxml/quadratic.xml": "is not a CSV file or a workbook",
    "defusedxml/xmlbomb.xml": "is not a CSV file or a workbook",
    "defusedxml/xmlbomb2.xml": "is not a CSV file or a workbook",
    "excelize/BadWorkbook.xlsx": "is empty",
    "excelize/MergeCell.xlsx": "4 merged ranges (A1:B1, A2:A3, A4:B5, A7:C10)",
    "excelize/OverflowNumericCell.xlsx": "row 1 holds ids, not headings",
    "excelize/encryptAES.xlsx": "protected by a password",
    "frictionless/blank-headers.csv": 2,
    "frictionless/bom.csv": "Headings found: A 'id', B 'name'",
    "frictionless/cast-int-to-string-issue-1251.xlsx": 2,
    "frictionless/duplicate-headers.csv": 2,
    "frictionless/encoding-issue-274.csv": 507,
    "frictionless/latin1.csv": "no column 3",
    "frictionless/merged-cells.xlsx": "no column 2",
    "frictionless/without-headers-extra.csv": "row 3: it has 3 fields, but the header has 2",
    "poi/poc-shared-strings.xlsx": "row 0 comes after row 0",
    "poi/poc-xmlbomb.xlsx": "holds an XML document type",
    "sheetjs/AutoFilter.xlsx": "11 sheets with data",
    "sheetjs/LONumbers.xlsx": "74 cells hold ids that a spreadsheet has changed or computed: B2 shows 1.0",
    "sheetjs/mixed_sheets.xlsx": "3 sheets with data: survey, choices, settings",
    "sheetjs/sheet_visibility.xlsx": "2 hidden sheets with data (Hidden, VeryHidden)",
    "sheetjs/text_and_numbers.xlsx": "B4 shows 13.37 (a number with decimals)",
}
"""What becomes of each file as it is: so many rows, or a refusal with these words."""

CHILD = """
import json, sys, time
from pathlib import Path
from bulkremove.domain.errors import FileRefused
from tests.proofs.test_corpus import CORPUS, FIRST_THREE
from bulkremove.reading.reader import read
seen = {}
for name in json.load(sys.stdin):
    began = time.monotonic()
    try:
        came = len(read(CORPUS / name, name=name, options=FIRST_THREE))
    except FileRefused as refused:
        came = str(refused)
    seen[name] = came, time.monotonic() - began
# Not ru_maxrss, which a process inherits from the one that started it.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([seen, int(peak.split()[1]) // 1024]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
def test_each_public_file_is_read_whole_or_refused_in_words_and_takes_little(proving: Proving) -> None:
    files = sorted(_files())
    assert files == sorted(WHOLE)
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(files),
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
        cwd=CORPUS.parent.parent,
    )
    seen, peak = json.loads(done.stdout)
    for name, expected in WHOLE.items():
        came, seconds = seen[name]
        assert (expected == came) if isinstance(expected, int) else (expected in str(came)), (name, came)
        assert seconds < MOST_SECONDS, name
    assert peak < MOST_MEGABYTES
    read_whole = sum(isinstance(expected, int) for expected in WHOLE.values())
    proving.figure(
        "Public hostile files are read as they mean or refused in words, within 10 s and 300 MB",
        f"{len(files)} files: {read_whole} read, {len(files) - read_whole} refused, at most {peak} MB",
    )


def _files() -> Iterator[str]:
    for path in CORPUS.rglob("*.*"):
        if path.name != "README.md" and path.parent.name != "json":
            yield path.relative_to(CORPUS).as_posix()


SPECTRUM = sorted(
    path.stem
    for path in (CORPUS / "csv-spectrum" / "csvs").glob("*.csv")
    if path.stem != "location_coordinates"  # its clean version holds other values than it does
)


@pytest.mark.parametrize("name", SPECTRUM)
def test_a_csv_means_what_its_clean_version_says(name: str) -> None:
    raw = (CORPUS / "csv-spectrum" / "csvs" / f"{name}.csv").read_bytes().decode()
    clean = json.loads((CORPUS / "csv-spectrum" / "json" / f"{name}.json").read_text(encoding="utf-8"))
    table = _of("".join(_with_ids(raw)).encode())
    found = [dict(zip(table.header[3:], row.cells[3:], strict=True)) for row in table.rows()]
    # One clean version has the line ends that its file lost in the repository.
    assert json.loads(json.dumps(clean).replace("\\r\\n", "\\n")) == found


def _with_ids(raw: str) -> Iterator[str]:
    """Each record of a CSV, as it stands, with three columns more in front."""
    record, ids = "", "course,batch,learner,"
    for line in raw.splitlines(keepends=True):
        record += line
        if record.count('"') % 2 == 0:
            yield ids + record
            record, ids = "", "1,2,3,"


NAUGHTY: list[str] = json.loads((CORPUS / "blns" / "blns.json").read_text(encoding="utf-8"))


def test_a_naughty_string_is_never_made_into_an_id_and_travels_unchanged_beside_one() -> None:
    refused = invalid = 0
    for text in NAUGHTY:
        out = io.StringIO(newline="")
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows(
            [["course", "batch", "learner", "note"], ["1", "2", "3", text]]
        )
        try:
            table = _of(out.getvalue().encode())
        except FileRefused:
            refused += 1
        else:
            assert [("1", "2", "3", text)] == [row.cells for row in table.rows()]
    assert refused <= 4  # control characters that no spreadsheet writes, and letters with strokes through them
    for text in NAUGHTY:
        out = io.StringIO(newline="")
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows(
            [["course", "batch", "learner"], ["1", "2", text], ["1", "2", "3"]]
        )
        try:
            made = plan(_of(out.getvalue().encode()), account="a", host="h")
        except FileRefused:
            continue
        first, second = made.rows()
        if first.removal and not first.exclusion:
            assert first.removal.learner == text.strip(" \t\xa0")
        else:
            assert first.exclusion is None or first.exclusion.status is Status.INVALID
            invalid += 1
        assert second.removal is not None
    assert invalid > len(NAUGHTY) / 2


def _of(data: bytes) -> Table:
    return read(io.BytesIO(data), name="list.csv")
