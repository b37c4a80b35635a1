"""The workbook of a report: results first and in words for people, and still a report when it is given back."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from bulkremove.domain.attempt import Outcome
from bulkremove.domain.errors import FileRefused
from bulkremove.domain.job import Job, JobState
from bulkremove.domain.listing import Learner
from bulkremove.domain.row import Roles, Status
from bulkremove.domain.status_words import STATUS_WORDS, label_of
from bulkremove.domain.table import REPORT_COLUMNS, RESULT_COLUMNS, SANDBOX_COLUMN, SANDBOX_MARK
from bulkremove.reading.options import Match, ReadOptions
from bulkremove.reading.reader import read
from bulkremove.report import write
from tests.test_report import IDS, JOB, outcome

WIDTH = len(RESULT_COLUMNS)
ANN = Learner(IDS[2], name="Ann Example", email="ann@example.com")


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process in a zone of two hours before UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "TST-2")
        time.tzset()
        yield
    time.tzset()


def every_status() -> list[Outcome]:
    return [
        replace(outcome(status, number=n), http_status=200 if status is Status.REMOVED else None)
        for n, status in enumerate(Status, start=2)
    ]


def report(folder: Path, *outcomes: Outcome, job: Job = JOB) -> Path:
    return write(folder / "r.xlsx", job, outcomes, rows=len(outcomes))


def sheets(path: Path) -> tuple[Worksheet, Worksheet]:
    book = load_workbook(path)
    assert ["Report", "Summary"] == book.sheetnames
    return book["Report"], book["Summary"]


@pytest.mark.usefixtures("zone")
def test_the_result_stands_first_in_words_with_the_person_and_the_local_time(tmp_path: Path) -> None:
    rows, _ = sheets(report(tmp_path, replace(outcome(Status.REMOVED_INFERRED), person=ANN)))
    assert [*RESULT_COLUMNS, *JOB.header, *REPORT_COLUMNS] == [cell.value for cell in rows[1]]
    first = [cell.value for cell in rows[2]]
    assert ["Ann Example", "ann@example.com", "Removed (confirmed by a second check)", "Said so."] == first[:4]
    assert datetime(2023, 11, 15, 0, 13, 21) == first[4]  # noqa: DTZ001 - the file format knows no zone
    assert [*IDS] == first[WIDTH : WIDTH + 3]
    assert "2023-11-14T22:13:21.000Z" == first[WIDTH + len(JOB.header) + REPORT_COLUMNS.index("finished_at")]


def test_it_is_made_to_be_looked_at(tmp_path: Path) -> None:
    rows, _ = sheets(report(tmp_path, *every_status()))
    assert ("A2", f"A1:S{len(Status) + 1}") == (rows.freeze_panes, rows.auto_filter.ref)
    assert all(cell.font.bold for cell in rows[1])
    assert rows["D2"].alignment.wrap_text
    grounds = {cell.value: cell.fill.start_color.rgb for cell in rows["C"][1:]}
    good, bad = (
        {grounds[label_of(status)] for status in of}
        for of in (
            (Status.REMOVED, Status.REMOVED_INFERRED, Status.ENROLLED),
            (Status.REFUSED, Status.UNKNOWN),
        )
    )
    assert ({"FFE3F4E9"}, {"FFFDECEB"}) == (good, bad)


def test_columns_of_names_are_hidden_where_nobody_is_known(tmp_path: Path) -> None:
    unknown, _ = sheets(report(tmp_path, outcome()))
    assert unknown.column_dimensions["A"].hidden
    known, _ = sheets(write(tmp_path / "known.xlsx", JOB, [outcome(), replace(outcome(), person=ANN)], rows=2))
    assert (False, "Ann Example") == (known.column_dimensions["A"].hidden, known["A3"].value)


def test_every_cell_but_the_time_is_a_text_and_none_a_formula(tmp_path: Path) -> None:
    evil = Learner(IDS[2], name="=1+1", email="@x")
    rows, _ = sheets(report(tmp_path, replace(outcome(note="=1+1"), person=evil)))
    kinds = {cell.column_letter: cell.data_type for cell in rows[2] if cell.value is not None}
    assert "d" == kinds.pop("E")
    assert {"s"} == {*kinds.values()}
    assert ("'=1+1", "'@x", IDS[2], "'=1+1") == tuple(rows[f"{column}2"].value for column in "ABHI")


def test_its_summary_counts_every_row_and_says_what_a_result_means(tmp_path: Path) -> None:
    outcomes = [*every_status(), outcome(), outcome()]
    said: dict[str, Any] = {"confirmed_by": "kim", "options": {**JOB.options, "over_cap": "The site was closed."}}
    _, summary = sheets(report(tmp_path, *outcomes, job=replace(JOB, reason="=Zoho said no.", **said)))
    cells = {row[0]: row[1:] for row in summary.iter_rows(values_only=True) if row[0]}
    assert (len(outcomes), 3) == (cells["All rows"][0], cells["Removed"][0])
    assert {(label, meaning) for label, meaning in STATUS_WORDS.values()} <= {(k, v[1]) for k, v in cells.items()}
    assert ("leavers.csv", "Finished with problems", "14 min 12 s") == tuple(
        cells[name][0] for name in ("File", "State", "Time of all its runs")
    )
    assert "'=Zoho said no." == cells["Why"][0]
    assert ("kim", "The site was closed.") == (cells["Confirmed by"][0], cells["Why it may exceed the cap"][0])
    assert "SANDBOX" not in cells


@pytest.mark.parametrize(("state", "words"), [(JobState.FINISHED, "Finished"), (JobState.RUNNING, "Running")])
def test_its_summary_says_how_the_job_stood(tmp_path: Path, state: JobState, words: str) -> None:
    _, summary = sheets(report(tmp_path, outcome(), job=replace(JOB, state=state)))
    assert words == {row[0]: row[1] for row in summary.iter_rows(values_only=True)}["State"]


def test_a_workbook_of_a_sandbox_run_says_so_on_both_sheets(tmp_path: Path) -> None:
    job = replace(JOB, host="sandbox")
    assert job.is_sandbox
    rows, summary = sheets(report(tmp_path, outcome(), job=job))
    assert (SANDBOX_COLUMN, SANDBOX_MARK) == (rows.cell(1, WIDTH + 5).value, rows.cell(2, WIDTH + 5).value)
    assert "Nobody was really removed." == summary["B2"].value


# --- given back as an input ----------------------------------------------------------------------------------


def test_given_back_it_is_the_file_of_before_and_its_settled_rows_are_not_sent(tmp_path: Path) -> None:
    path = report(tmp_path, outcome(), replace(outcome(Status.NOT_SENT, number=3), http_status=None, person=ANN))
    table = read(path, name="r.xlsx")
    assert (JOB.header, {0}) == (table.header, {*table.settled})
    assert (*IDS, "") == table.row(1).cells
    assert "2023-11-14T22:13:21.000Z" in table.settled[0].detail


def test_given_back_to_be_matched_by_e_mail_its_own_columns_of_people_are_not_taken(tmp_path: Path) -> None:
    job = replace(JOB, header=("Course", "Batch", "E-mail"), roles=Roles(0, 1, 2))
    row = replace(outcome(), cells=("Fire safety", "Spring", "ann@example.com"), person=ANN)
    table = read(report(tmp_path, row, job=job), name="r.xlsx", options=ReadOptions(match=Match.EMAIL))
    assert (job.header, {0}) == (table.header, {*table.settled})


def test_a_file_with_columns_of_the_same_names_keeps_them(tmp_path: Path) -> None:
    job = replace(JOB, header=(*JOB.header, "status", "result"))
    row = replace(outcome(), cells=(*IDS, "", "left", "done"))
    table = read(report(tmp_path, row, job=job), name="r.xlsx")
    assert (job.header, {0}) == (table.header, {*table.settled})


@pytest.mark.parametrize("lost", range(1, WIDTH + 1))
def test_one_whose_columns_for_people_were_taken_out_is_still_a_report(tmp_path: Path, lost: int) -> None:
    path = report(tmp_path, replace(outcome(), person=ANN))
    book = load_workbook(path)
    book["Report"].delete_cols(1, lost)
    book.save(path)
    table = read(path, name="r.xlsx")
    assert (JOB.header, {0}) == (table.header, {*table.settled})


def test_another_sheet_named_summary_is_still_asked_about(tmp_path: Path) -> None:
    book = Workbook()
    for name, text in (("People", "Course ID"), ("Summary", "Summary of leavers")):
        sheet = book.create_sheet(name)
        sheet.append([text, "Batch ID", "Learner ID"])
        sheet.append([*IDS])
    content = io.BytesIO()
    book.save(content)
    content.seek(0)
    with pytest.raises(FileRefused, match="2 sheets with data"):
        read(content, name="list.xlsx")
