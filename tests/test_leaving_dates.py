"""Dates of leaving that lie ahead: whoever leaves later has a place until then, so nobody is removed unasked."""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.permissions import Role
from bulkremove.domain.row import Status
from bulkremove.domain.table import Table
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from tests.cli_fixtures import Bulkremove, environment
from tests.nightly_fixtures import nightly_site
from tests.test_meaning import BATCH, COURSE, HEADER, learner, listed, roster
from tests.web_fixtures import running_site
from tests.workbooks import Book, Cell, Sheet

TODAY = date(2026, 11, 30)
PAST = [f"2026-03-0{day}" for day in range(1, 8)]


def of(data: bytes, *only: str, name: str = "list.csv", **more: object) -> Table:
    options = ReadOptions(only=only, today=TODAY, **more)  # type: ignore[arg-type] # fields by name
    return read(io.BytesIO(data), name=name, options=options)


def asked(data: bytes, *only: str, **options: object) -> dict[str, int]:
    """The values that are offered for the one column that is asked about, with how many rows have each."""
    with pytest.raises(FileRefused) as refused:
        of(data, *only, **options)  # type: ignore[arg-type] # fields by name
    assert refused.value.choices is not None
    ((_, counts),) = refused.value.choices.only
    return dict(counts)


@pytest.mark.parametrize(
    "heading",
    [
        *(
            "Leaving date",
            "Exit date",
            "Last day",
            "Date of exit",
            "Termination effective date",
            "End date",
            "LWD",
            "DOL",
        ),
        *("Left on", "Leaves on", "Effective date", "Effective from", "Last working date", "Contract end", "Date"),
        *("Departure", "Departure date", "Retires", "Retirement date", "Released on", "End", "Until", "Rehire date"),
        *("Austrittsdatum", "Vertragsende", "Letzter Arbeitstag", "Date de sortie", "Fecha de salida", "Datum"),
    ],
)
def test_a_leaving_date_that_lies_ahead_is_asked_about(heading: str) -> None:
    for later in ("2026-12-31", "2026-11-30"):  # whoever leaves today is there today
        assert {"*passed": 7, "*ahead": 1} == asked(roster(heading, [*PAST, later]))
    assert 7 == len(of(roster(heading, PAST)))


@pytest.mark.parametrize(
    "cell",
    [
        *("31.12.2026", "31-Dec-2026", "12/31/2026", "Dec 31, 2026", "2026-12-31 00:00:00", "2026-12-31T00:00:00Z"),
        *(
            "20261231",
            "46387",
            "44894",
            "31/12/26",
            "29/11/25",
            "31-Dec-26",
            "2027",
            "Dec 2026",
            "31 d\u00e9cembre 2026",
            "Q1 2027",
        ),
        *("2025-11-30 00:00 - 2027-05-31 00:00", "1/2/2025 8:00 AM to 1/2/2027 5:00 PM", "31.12.2025 until 31.12.27"),
        *("permanent since 2019", "31/12/2025 (back on 01/02/26)", "2025-12-31 extended", "29/12/1448", "0026-12-31"),
        *("01/02/2027", "12/11/2026", "11/12/2026", "9999-12-30", "to be confirmed", "soon?", "31.Dez.", "2026-13-45"),
    ],
)
def test_whatever_is_no_date_that_has_surely_passed_is_asked_about(cell: str) -> None:
    assert {"*passed": 7, "*ahead": 1} == asked(roster("Exit date", [*PAST, cell]))
    assert 7 == len(of(roster("Exit date", [*PAST, cell]), "Exit date=*passed"))


@pytest.mark.parametrize(
    "cell",
    [
        *("29.11.2026", "29-Nov-2026", "11/29/2026", "11.10.2026", "2026-11-29 23:59:00", "20261129", "44893"),
        *("05/03/26", "03-Mar-26", "2025", "Dec 2025", "31 d\u00e9cembre 2025", "31.12.2025."),
        *("2026-11-29T10:00:00.000Z", "11/29/2026 5:30 PM", "2026-11-29 10:00 +02:00", "1. M\u00e4rz 2025", "Q3-2025"),
    ],
)
def test_a_date_that_has_passed_however_it_is_read_is_not(cell: str) -> None:
    assert 8 == len(of(roster("Exit date", [*PAST, cell])))


@pytest.mark.parametrize(
    "heading",
    ["Batch end date", "Course End Date", "Certificate valid until", "Next review", "Return to work", "Kursende"],
)
def test_dates_of_something_else_are_not_asked_about(heading: str) -> None:
    assert 8 == len(of(roster(heading, [*PAST, "2027-01-31"])))


@pytest.mark.parametrize("kind", ["xlsx", "xls", "ods"])
def test_date_cells_of_workbooks_are_read_as_dates(kind: str) -> None:
    days = [TODAY - timedelta(days=1), TODAY + timedelta(days=40)]
    rows: list[list[Cell]] = [[COURSE, BATCH, learner(n), datetime(d.year, d.month, d.day)] for n, d in enumerate(days)]  # noqa: DTZ001 - as a cell has it
    book = Book([Sheet([[*HEADER, "Last day"], *rows])]).as_bytes(kind)
    assert {"*passed": 1, "*ahead": 1} == asked(book, name=f"list.{kind}")
    assert [2] == list(of(book, "Last day=*passed", name=f"list.{kind}").numbers)


def test_without_headings_any_date_that_lies_ahead_is_asked_about() -> None:
    rows = [[COURSE, BATCH, learner(number), day] for number, day in enumerate([*PAST, "2027-01-31"])]
    assert {"*passed": 7, "*ahead": 1} == asked(
        listed(*rows), header_row=0, columns={"course": "A", "batch": "B", "learner": "C"}
    )


def test_blank_dates_are_offered_too_and_each_answer_means_its_rows() -> None:
    data = roster("Exit date", [*PAST, "2027-01-31", "", "-"])
    assert {"*passed": 7, "*ahead": 1, "": 1, "-": 1} == asked(data)
    assert [7, 1, 1, 10] == [
        len(of(data, *only)) for only in (["Exit date=*passed"], ["Exit date=*ahead"], ["Exit date="], ["all"])
    ]
    assert (
        "3 rows are left out, since 'Exit date' is not a date that has passed there."
        == (of(data, "Exit date=*passed").reading_notes[-1])
    )


def test_any_value_is_no_word_about_those_who_leave_later() -> None:
    data = roster("Exit date", [*PAST, "2027-01-31", ""])
    assert {"*passed": 7, "*ahead": 1} == asked(data, "Exit date=*")
    with pytest.raises(FileRefused) as refused:
        of(data, "Exit date=*")
    assert '--only "Exit date=VALUE", or' in str(refused.value.hint)
    assert 7 == len(of(data, "Exit date=*", "Exit date=*passed")), "as the page adds one answer to the other"
    assert [8, 8] == [
        len(of(data, *only)) for only in (["Exit date=*", "all"], ["Exit date=*passed", "Exit date=*ahead"])
    ]
    assert 7 == len(of(roster("Exit date", [*PAST, ""]), "Exit date=*"))


def test_without_a_word_about_today_no_date_has_passed() -> None:
    with pytest.raises(FileRefused, match="a later or unclear date"):
        read(io.BytesIO(roster("Exit date", PAST)), name="list.csv", options=ReadOptions())


async def test_a_night_holds_it_and_the_setting_takes_those_who_have_left(tmp_path: Path) -> None:
    days = [date.today() - timedelta(days=2)] * 3 + [date.today() + timedelta(days=9)]  # noqa: DTZ011 - the program's own day
    content = roster("Leaving date", [*map(str, days)]).decode()
    async with nightly_site(tmp_path) as one:
        one.drop("leavers.csv", content)
        result = await one.run()
        assert ([], 1) == (result.ran, len(result.held))
        assert "a date that has passed: *passed (3), a later or unclear date: *ahead (1)" in result.held[0]
    (tmp_path / "second").mkdir()
    async with nightly_site(tmp_path / "second", only=("Leaving date=*passed",)) as one:
        one.drop("leavers.csv", content)
        (held,) = (await one.run()).held
        assert "It has other columns" in held
        await one.app.jobs.approve((await one.job()).id, by="kim")
        (ended,) = (await one.run()).ended
        assert (3, 3) == (ended.tally[Status.REMOVED], ended.tally.total)


async def test_the_page_and_the_api_ask_by_todays_date(tmp_path: Path) -> None:
    days = [str(date.today() + timedelta(days=days)) for days in (-3, -2, 9)]  # noqa: DTZ011 - the program's own day
    content = roster("Leaving date", days)
    async with running_site(tmp_path / "home") as one, one.visitor() as visitor:
        page = await visitor.upload(content)
        assert 'value="Leaving date=*passed" required> a date that has passed (2 rows)' in page.text
        assert 'data-wanted="2"' in (await visitor.post(page.url, only0="Leaving date=*passed")).text
        assert 'data-wanted="2"' in (await visitor.upload(roster("Leaving date", days[:2]))).text
    async with running_site(tmp_path / "api") as one, one.visitor(known=False) as visitor:
        headers = await one.program(Role.PREPARER)
        for query, status in (("", 422), ("?only=Leaving+date%3D*passed", 201)):
            reply = await visitor.ask("POST", f"/api/v1/plans{query}", headers=headers, data=content)
            assert status == reply.status


def test_the_command_line_asks_by_todays_date(tmp_path: Path) -> None:
    bulkremove = Bulkremove(tmp_path / "home", environment())
    days = [str(date.today() + timedelta(days=days)) for days in (-3, -2, 9)]  # noqa: DTZ011 - the program's own day
    file = tmp_path / "leavers.csv"
    file.write_bytes(roster("Leaving date", days))
    preview = bulkremove("preview", str(file))
    assert (2, True) == (preview.returncode, "*ahead (1)" in preview.stderr)
    assert 0 == bulkremove("preview", str(file), "--only", "Leaving date=*passed").returncode
