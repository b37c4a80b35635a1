"""The report: one safe line a row, the same bytes every time, never over another file, and a sum that balances."""

from __future__ import annotations

import csv
import gc
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkremove.domain.attempt import Outcome
from bulkremove.domain.clock import Epoch, later
from bulkremove.domain.errors import ReportFailed
from bulkremove.domain.job import FrontEnd, Job, JobState, Tally
from bulkremove.domain.row import Roles, Status
from bulkremove.domain.table import REPORT_COLUMNS
from bulkremove.reading.reader import read
from bulkremove.report import RowSelection, default_path, reserve, retry_path, summary, warning_text, write
from bulkremove.report.formats import write_csv
from bulkremove.report.workbook import write_report

JOB = Job(
    "20261123-abcd", "default", "people.zoho.com", "leavers.csv", "", None,
    ("Course ID", "Batch ID", "Learner ID", "Note"),
    Roles(0, 1, 2), "f" * 64, JobState.FINISHED, seconds=852.0, peak_calls=30,
    options={"limit": "30/60s", "calls": "30"},
)  # fmt: skip
SENT = Epoch(1_700_000_000.5)
IDS = ("478346000019501001", "478346000019502001", "478346000019558209")


def outcome(status: Status = Status.REMOVED, note: str = "", number: int = 2) -> Outcome:
    return Outcome(0, number, (*IDS, note), status, "Said so.", 200, "200", 1, SENT, later(SENT, 0.5))


def lines(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_the_original_columns_stand_first_then_ours(tmp_path: Path) -> None:
    header, row = lines(write(tmp_path / "r.csv", JOB, [outcome()], rows=1))
    assert [*JOB.header, *REPORT_COLUMNS] == header
    assert ["2", "removed", "Said so.", "200", "200", "1"] == row[4:10]
    assert "2023-11-14T22:13:20.500Z" == row[10]


def test_a_program_joins_a_report_with_its_input_on_the_ids_as_they_are(tmp_path: Path) -> None:
    ids = [IDS, (f" {IDS[0]}", f"{IDS[1]}\xa0", "478346000019558210"), (*IDS[:2], "007")]
    path = tmp_path / "leavers.csv"
    pandas.DataFrame([(*row, "=1+1") for row in ids], columns=JOB.header).to_csv(path, index=False)
    given = pandas.read_csv(path, dtype=str)
    outcomes = [replace(outcome(number=n), cells=(*row, "=1+1")) for n, row in enumerate(ids)]
    report = pandas.read_csv(write(tmp_path / "r.csv", JOB, outcomes, rows=3), dtype=str)
    merged = given.merge(report, on=list(JOB.header[:3]), how="left")
    assert ["removed"] * 3 == list(merged["status"])
    assert ["'=1+1"] * 3 == list(merged["Note_y"])
    numbers = pandas.read_csv(path).merge(pandas.read_csv(tmp_path / "r.csv"), on=list(JOB.header[:3]))
    assert ["removed"] * 3 == list(numbers["status"])


def test_every_cell_of_a_csv_is_quoted(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", JOB, [outcome(note='x;"y"')], rows=1)
    for line in path.read_text("utf-8-sig").splitlines():
        assert re.fullmatch(r'"(?:[^"]|"")*"(?:,"(?:[^"]|"")*")*', line)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_could_run_is_led_by_an_apostrophe(tmp_path: Path, start: str) -> None:
    cells = (f"{start}1+cmd|'/c calc'!A1", IDS[1], IDS[2], f"{start}1")
    row = lines(write(tmp_path / "r.csv", JOB, [replace(outcome(), cells=cells)], rows=1))[1]
    assert {"'"} == {row[0][0], row[3][0]}


def test_a_report_of_an_earlier_version_with_tabs_before_its_ids_is_still_recognized(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", JOB, [outcome(), outcome(Status.NOT_SENT, number=3)], rows=2)
    old = path.read_text("utf-8-sig").replace('"', "")
    for one in IDS:
        old = old.replace(one, f"\t{one}")
    path.write_text(old, "utf-8-sig")
    table = read(path, name="r")
    assert ({0}, [*JOB.header]) == (set(table.settled), [*table.header])
    again = write(tmp_path / "again.csv", JOB, [replace(outcome(), cells=table.row(1).cells)], rows=1)
    assert list(IDS) == lines(again)[1][:3]


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".jsonl"])
def test_the_same_outcomes_make_the_same_bytes(tmp_path: Path, ending: str) -> None:
    made = [write(tmp_path / f"{n}{ending}", JOB, [outcome(note="x")], rows=1).read_bytes() for n in "ab"]
    assert made[0] == made[1]


def test_json_lines_keep_cells_in_order_and_raw(tmp_path: Path) -> None:
    found = json.loads(write(tmp_path / "r.jsonl", JOB, [outcome(note="=1")], rows=1).read_text())
    assert [["Course ID", IDS[0]], ["Batch ID", IDS[1]], ["Learner ID", IDS[2]], ["Note", "=1"]] == found["cells"]


def test_rows_for_a_retry_keep_their_cells_in_json_lines_too(tmp_path: Path) -> None:
    reserved = reserve(tmp_path / "r.jsonl", job=JOB, rows=1)
    path = reserved.publish_input(JOB, [outcome(Status.NOT_SENT)], RowSelection.RETRY)
    assert path is not None
    assert {"cells": [list(pair) for pair in zip(JOB.header, (*IDS, ""), strict=True)]} == json.loads(path.read_text())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_at_the_end_of_a_workbook_is_an_error_of_the_file() -> None:
    with pytest.raises(OSError, match="No space"), Path("/dev/full").open("wb", buffering=0) as file:
        write_report(file, JOB, [outcome()])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_in_the_middle_of_a_csv_is_an_error_and_leaves_no_second_one() -> None:
    with pytest.raises(OSError, match="No space"), Path("/dev/full").open("wb") as file:
        write_csv(file, JOB.header, JOB.roles, [[*IDS, "x" * 100]] * 1000)
    gc.collect()  # an error here would fail the test (filterwarnings)


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("mine")
    with pytest.raises(ReportFailed, match="not overwritten"):
        reserve(path, job=JOB, rows=1)
    reserved = reserve(tmp_path / "s.csv", job=JOB, rows=1)
    (tmp_path / "s.csv").write_text("someone was quicker")
    with pytest.raises(ReportFailed):
        reserved.publish(JOB, [outcome()])
    assert ("mine", "someone was quicker") == (path.read_text(), (tmp_path / "s.csv").read_text())


def test_default_names_count_up_and_the_retry_file_follows(tmp_path: Path) -> None:
    first = default_path(JOB, tmp_path, rows=1)
    first.write_text("")
    second = default_path(JOB, tmp_path, rows=1)
    assert ("20261123-abcd-report.csv", "20261123-abcd-report-2.csv") == (first.name, second.name)
    assert "20261123-abcd-retry-2.csv" == retry_path(second, JOB).name
    nightly = replace(JOB, origin=FrontEnd.NIGHTLY)
    assert "20261123-abcd-report.xlsx" == default_path(nightly, tmp_path / "done", rows=1).name
    assert "20261123-abcd-report.csv" == default_path(nightly, tmp_path / "done", rows=1_048_576).name


def test_the_retry_file_holds_the_original_columns_of_rows_not_sent(tmp_path: Path) -> None:
    rows = [outcome(), outcome(Status.NOT_SENT, number=3), outcome(Status.UNKNOWN, number=4)]
    path = reserve(tmp_path / "retry.csv", job=JOB, rows=3).publish_input(JOB, rows, RowSelection.RETRY)
    assert path is not None
    assert [list(JOB.header), [*IDS, ""]] == lines(path)
    assert reserve(tmp_path / "none.csv", job=JOB, rows=1).publish_input(JOB, [outcome()], RowSelection.RETRY) is None
    assert ["retry.csv"] == [one.name for one in tmp_path.iterdir()]


@pytest.mark.parametrize("path", ["r.pdf", "no/such/folder/r.csv"])
def test_a_report_that_can_not_be_written_is_told_before_anything_is_sent(tmp_path: Path, path: str) -> None:
    with pytest.raises(ReportFailed):
        reserve(tmp_path / path, job=JOB, rows=1)


def test_a_sheet_that_would_overflow_is_told_beforehand(tmp_path: Path) -> None:
    with pytest.raises(ReportFailed, match=r"\.csv"):
        reserve(tmp_path / "r.xlsx", job=JOB, rows=1_048_576)


@given(note=st.text(max_size=40), name=st.text(max_size=20))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_breaks_a_report_or_becomes_a_formula(tmp_path: Path, note: str, name: str) -> None:
    job = Job(**{**{f: getattr(JOB, f) for f in JOB.__slots__}, "header": (*JOB.header[:3], name)})
    (tmp_path / "r.csv").unlink(missing_ok=True)
    path = write(tmp_path / "r.csv", job, [outcome(note=note)], rows=1)
    parsed = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    assert [14, 14] == [len(row) for row in parsed]
    assert all(cell[:1] not in ("=", "+", "-", "@", "\r", "\n") for row in parsed for cell in row)


def test_the_summary_balances_and_shows_what_was_inferred() -> None:
    counts = {Status.REMOVED: 396, Status.REMOVED_INFERRED: 2, Status.NOT_FOUND: 7, Status.REFUSED: 5}
    counts |= {Status.NOT_SENT: 2, Status.DUPLICATE: 3, Status.INVALID: 1}
    assert (
        "Removed 398 (2 inferred), not found 7, refused 5, unknown 0, not sent 2, duplicate 3, invalid 1 of 416 rows "
        "in 14 min 12 s; at most 30 of 30 calls in a window, 0 lock-outs. Report: r.csv"
    ) == summary(JOB, Tally(counts), report="r.csv")


def test_unknown_rows_and_other_learners_stand_on_the_first_line() -> None:
    assert warning_text(JOB, Tally({Status.REMOVED: 3})) is None
    assert "2 unknown" in str(warning_text(JOB, Tally({Status.UNKNOWN: 2})))
    other = Job(**{**{f: getattr(JOB, f) for f in JOB.__slots__}, "mismatched": 1})
    assert str(warning_text(other, Tally({Status.REMOVED: 3}))).startswith("WARNING")
