"""What a file says beside its ids: who stays, where the headings stand, and whether this program wrote it itself."""

from __future__ import annotations

import csv
import io
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from bulkremove.config import load
from bulkremove.domain.errors import FileRefused, SettingsError
from bulkremove.domain.permissions import Role
from bulkremove.domain.planner import plan
from bulkremove.domain.row import Status
from bulkremove.domain.table import PLAN_COLUMNS, REPORT_COLUMNS, SANDBOX_COLUMN, SANDBOX_MARK, Table
from bulkremove.reading.options import Hidden, ReadOptions
from bulkremove.reading.reader import read
from bulkremove.reading.subprocess_reader import read_in_subprocess
from bulkremove.report import RowSelection, write_plan
from tests.application_fixtures import account, application, run, stored
from tests.cli_fixtures import SAMPLES, Bulkremove, crowd, environment
from tests.nightly_fixtures import nightly_site
from tests.web_fixtures import running_site, triples
from tests.workbooks import Book, Cell, Sheet

COURSE, BATCH = "478346000019501001", "478346000019502001"
HEADER = ["Course ID", "Batch ID", "Learner ID"]


def learner(number: int) -> str:
    return str(478346000019558000 + number)


def listed(*rows: list[str]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def roster(heading: str, values: list[str]) -> bytes:
    """A list with one more column, one row for each value."""
    return listed([*HEADER, heading], *([COURSE, BATCH, learner(i), value] for i, value in enumerate(values)))


def of(data: bytes, *only: str, **options: object) -> Table:
    """``only``: which rows are meant."""
    options = {"today": date(2026, 11, 30), **options}
    return read(io.BytesIO(data), name="list.csv", options=ReadOptions(only=only, **options))  # type: ignore[arg-type] # fields by name


# The name of a file or sheet

STAYING_NAMES = (
    "Do not remove",
    "DON'T_REMOVE-2026",
    "keep",
    "To keep",
    "active staff",
    "protected learners",
    "nicht_l\u00f6schen",
)
OTHER_NAMES = ("leavers", "current leavers", "Sheet1", "list", "Leavers 2026-11", "inactive", "to remove")


@pytest.mark.parametrize("name", STAYING_NAMES)
def test_a_file_or_sheet_whose_name_says_that_people_stay_is_refused(name: str) -> None:
    rows = [HEADER, [COURSE, BATCH, learner(0)]]
    with pytest.raises(FileRefused, match=r"name of the file.* says that these people stay"):
        read(io.BytesIO(listed(*rows)), name=f"{name}.csv")
    book = Book([Sheet([[*row] for row in rows], name)]).as_bytes("xlsx")
    with pytest.raises(FileRefused, match=r"name of the sheet.* says that these people stay"):
        read(io.BytesIO(book), name="list.xlsx")
    chosen = read(io.BytesIO(book), name="list.xlsx", options=ReadOptions(sheet=name))
    assert 1 == len(chosen), "who names the sheet has read its name"
    assert 1 == len(read(io.BytesIO(listed(*rows)), name=f"{name}.csv", options=ReadOptions(only=("all",))))


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_names_of_files_and_sheets_are_read(name: str) -> None:
    rows = [HEADER, [COURSE, BATCH, learner(0)]]
    assert 1 == len(read(io.BytesIO(listed(*rows)), name=f"{name}.csv"))
    assert 1 == len(read(io.BytesIO(Book([Sheet([[*row] for row in rows], name)]).as_bytes("xlsx")), name="list.xlsx"))


# Who stays

GOING_HEADINGS = (
    "Current", "Still employed", "Left", "Leaves", "Going", "Gone", "Resigned", "Cancelled", "Offboarding", "Ignore",
    "Protected", "Exempt", "Deactivated", "Deregister", "Disenroll", "Registered", "Enabled", "Disabled", "Terminate",
    "Staying", "Remains", "Dropout", "Quit", "Void", "isactive", "isdeleted", "removeflag", "Ausgeschieden",
    "Gek\u00fcndigt", "Abmelden", "Besch\u00e4ftigt", "Streichen", "Verbleibt", "Abgang", "Sortie", "Pr\u00e9sent",
    "Reste", "Quitte", "D\u00e9sinscrire", "Parti", "Supprim\u00e9s", "Licenci\u00e9", "Salida", "Permanece",
    "Departure", "Departed", "Retirement", "Rehire", "Rehiring", "On leave",
    "Se queda", "Retirar", "Quitar", "Borrar", "Eliminado", "Desmatricular", "Despedido",
)  # fmt: skip
DATES = (
    "End date", "Last working day", "Resignation date", "Relieving date", "Separation date", "Leave date", "Left on",
    "Austrittsdatum", "K\u00fcndigungsdatum", "Date de sortie", "Fecha de salida",
)  # fmt: skip
REMARKS = (
    "keep", "stays", "bleibt", "bitte behalten", "nicht l\u00f6schen!", "ne pas supprimer", "no eliminar",
    "keep in course", "shouldn't be removed", "cannot remove", "no removal", "wrong person",
)  # fmt: skip


@pytest.mark.parametrize(
    ("heading", "values", "shown"),
    [
        ("Action", ["add", "del", "add"], "add (2), del (1)"),
        ("action", ["del", " DEL ", "add"], "del (2), add (1)"),
        ("Status", ["active", "deleted", "active"], "active (2), deleted (1)"),
        ("Enrolment status", ["Enrolled", "", "Dropped"], "Enrolled (1), blank (1), Dropped (1)"),
        ("employeeStatus", ["a", "b", "c", "d", "e"], "a (1), b (1), c (1), d (1), e (1)"),
        ("Unenroll", ["1", "", ""], "1 (1), blank (2)"),
        ("Keep", ["y", "n", "n"], "y (1), n (2)"),
        ("Status", ["active", "active"], "active (2)"),
        ("Keep?", ["y", "y"], "y (2)"),
        ("Remove", ["no", "no"], "no (2)"),
        ("Action", ["add", "Add"], "add (2)"),
        ("Do not remove", ["yes", "yes"], "yes (2)"),
        ("Don't delete", ["x"], "x (1)"),
        ("Not active", ["no"], "no (1)"),
        ("Action", ["none", "none"], "none (2)"),
        ("Status", ["In progress"], "In progress (1)"),
        ("Status", ["removed", "removed"], "removed (2)"),
        ("Retained", ["yes"], "yes (1)"),
        *((heading, ["yes", "no"], "yes (1), no (1)") for heading in GOING_HEADINGS),
        *(
            (heading, ["2026-03-01", "", "2026-03-02"], "2026-03-01 (1), blank (1), 2026-03-02 (1)")
            for heading in DATES
        ),
        *((heading, ["x", "aktiv"], "x (1), aktiv (1)") for heading in ("Mitarbeiterstatus", "empstatus", "STATUS")),
        ("Exit date", [*(f"2026-03-0{day}" for day in range(1, 8)), "-", "-"], "- (2), any value: * (7)"),
        ("Termination reason", [*"abcdefg", "none"], "none (1), any value: * (7)"),
        *(("Comment", ["", remark], f"blank (1), {remark} (1)") for remark in REMARKS),
        ("X", ["keep", "remove."], "keep (1), remove. (1)"),
        ("X", ["(keep)", "(remove)"], "(keep) (1), (remove) (1)"),
        ("X", ["to keep", "to remove"], "to keep (1), to remove (1)"),
        ("Mark", ["\u2705", ""], "\u2705 (1), blank (1)"),
        ("Mark", ["ok", ""], "ok (1), blank (1)"),
        ("\u200bSta\u00adtus", ["a", "b"], "a (1), b (1)"),
        ("L\u006f\u0308schen", ["ja", "nein"], "ja (1), nein (1)"),
        ("Behalten", ["ja", "nein"], "ja (1), nein (1)"),
        ("Nicht l\u00f6schen", ["ja", "ja"], "ja (2)"),
        ("Bemerkung", ["behalten", "l\u00f6schen", ""], "behalten (1), l\u00f6schen (1), blank (1)"),
        ("Aktion", ["behalten", "behalten"], "behalten (2)"),
        ("\u00c0 garder", ["oui", "non"], "oui (1), non (1)"),
        ("Estado", ["activo", "inactivo"], "activo (1), inactivo (1)"),
        ("Statut", ["active", "deleted"], "active (1), deleted (1)"),
        ("Comment", ["KEEP", "remove", "ask Kim"], "KEEP (1), remove (1), ask Kim (1)"),
        ("Comment", ["", "Do not remove!", ""], "blank (2), Do not remove! (1)"),
        ("Notes", ["moved", "don\u2019t delete her yet"], "moved (1), don\u2019t delete her yet (1)"),
        *(
            ("Remark", ["left", said], f"left (1), {said} (1)")
            for said in ("resignation rescinded", "on parental leave until 2027", "on leave", "returns in May")
        ),
        ("Rehired", ["Yes", "No"], "Yes (1), No (1)"),
        ("Rehired", ["Yes", "Yes"], "Yes (2)"),
        ("Remark", ["please keep him", "left"], "please keep him (1), left (1)"),
        ("Include", ["x", "", "x"], "x (2), blank (1)"),
        ("Approved", ["yes", "no", "yes"], "yes (2), no (1)"),
        ("Approved", ["no", "no"], "no (2)"),
        ("Done?", ["yes", "", ""], "yes (1), blank (2)"),
        ("Processed", ["yes", "yes"], "yes (2)"),
        ("Mark", ["x", "", ""], "x (1), blank (2)"),
        ("HR", ["", "\u2713"], "blank (1), \u2713 (1)"),
        ("Termination date", ["", *(f"2026-03-0{day}" for day in range(1, 7)), ""], "blank (2), any value: * (6)"),
        ("Leaving reason", ["", *"abcdef"], "blank (1), any value: * (6)"),
        (
            "Status",
            ["Active", "Enrolled", "Left", "Dropped", "Suspended", "Completed"],
            "Active (1), Enrolled (1), Left (1), Dropped (1), Suspended (1), Completed (1)",
        ),
    ],
)
def test_a_column_that_says_who_stays_is_never_passed_over(heading: str, values: list[str], shown: str) -> None:
    with pytest.raises(FileRefused) as refused:
        of(roster(heading, values))
    assert f"column {heading!r} seems to say who stays and who goes; it holds {shown}." in refused.value.message
    assert refused.value.choices is not None
    ((asked, counts),) = refused.value.choices.only
    assert (heading, len(values)) == (asked, sum(count for _, count in counts))


@pytest.mark.parametrize(
    ("heading", "values"),
    [
        ("Status", ["a", "b", "c", "d", "e", "f"]),
        ("Action", ["del", "del"]),
        ("Remove", ["yes", "yes"]),
        ("Unenroll", ["1", "1"]),
        ("L\u00f6schen", ["ja", "ja"]),
        ("Supprimer", ["oui"]),
        ("Status", ["ausgetreten"] * 2),
        ("Status", ["deleted"] * 3),
        ("Status", ["", ""]),
        ("Reason", ["left", "moved", "left"]),
        ("Inactive", ["yes", "yes"]),
        ("Not active", ["yes", "yes"]),
        ("Course status", [f"step {number}" for number in range(7)]),
        ("Name", ["Active", "Keep"]),
        ("Done", []),
        ("Action", []),
        ("Termination date", [f"2026-03-0{day}" for day in range(1, 8)]),
        ("Birthday", ["", *(f"2026-03-0{day}" for day in range(1, 8))]),
        ("Approved", ["yes", "yes"]),
        ("Approved by", ["Kim", "Jo"]),
        ("Laptop returned", ["Yes", "No"]),
        ("Remark", ["left on Friday", "returned the laptop"]),
        ("Done", ["no", "no"]),
        ("Manager", ["yes", "no"]),
        ("Department", ["yes", "no"]),
        ("Title", ["Dr", ""]),
        ("Comment", ["remove", "please remove her"]),
        ("Surname", ["Keep", "Jones"]),
        ("Left on", ["2026-03-01", "2026-03-02"]),
        ("Exit date", ["31.12.2025"]),
        ("Department", ["HR", "IT"]),
    ],
)
def test_columns_that_say_something_else_are_passed_over(heading: str, values: list[str]) -> None:
    assert len(values) == len(of(roster(heading, values)))


def test_a_column_with_few_values_that_nobody_recognizes_is_shown_with_them() -> None:
    text = listed(
        [*HEADER, "Manager", "Dzia\u0142anie"],
        *([COURSE, BATCH, learner(number), "Kim", "zostaje" if number else "usun"] for number in range(3)),
    )
    assert (
        "If one of these columns says who stays, leave these people out of the file. "
        "'Dzia\u0142anie': usun (1), zostaje (2).",
    ) == of(text).reading_notes
    assert () == of(text, "all").reading_notes


def test_one_remark_among_many_different_ones_is_asked_about() -> None:
    with pytest.raises(FileRefused, match=r"it holds Do not remove \(1\)"):
        of(roster("Comment", [*(f"c{number}" for number in range(300)), "Do not remove"]))


def test_what_stands_for_a_blank_is_none_of_any_values() -> None:
    dates = [*(f"2026-03-0{day}" for day in range(1, 8)), "-", "n/a"]
    assert 7 == len(of(roster("Exit date", dates), "Exit date=*"))


def test_only_the_rows_that_were_meant_are_in_the_table() -> None:
    table = of(roster("Action", ["add", "del", "add", " Del"]), "Action=del")
    assert [3, 5] == list(table.numbers)
    assert [learner(1), learner(3)] == list(table.columns[2])
    assert (2, "2 rows are left out, since 'Action' is not 'del' there.") == (
        table.unchosen_rows,
        table.reading_notes[-1],
    )
    assert [2, 4] == list(of(roster("Unenroll", ["", "1", ""]), "Unenroll=").numbers)
    assert 4 == len(of(roster("Action", ["add", "del", "add", " Del"]), "all"))


@pytest.mark.parametrize("heading", ["Action", "Mark"])
def test_a_footer_says_nothing_about_who_stays(heading: str) -> None:
    value = "del" if heading == "Action" else "x"
    table = of(roster(heading, [value] * 5) + b"\r\nTotal,,,\r\nEnd,,5,\r\n")
    assert 5 == plan(table, account="a", host="h").removals


def test_whoever_has_any_value_can_be_meant() -> None:
    data = roster("Exit date", ["", "2026-03-01", " ", *(f"2026-04-0{day}" for day in range(1, 8))])
    assert [3, *range(5, 12)] == list(of(data, "Exit date=*").numbers)
    assert ("2 rows are left out, since 'Exit date' is blank there.",) == of(data, "Exit date=*").reading_notes
    assert [2, 4] == list(of(data, "Exit date=").numbers)
    assert ("8 rows are left out, since 'Exit date' is not blank there.",) == of(data, "Exit date=").reading_notes
    many = [f"2025-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
    with pytest.raises(FileRefused, match=r"blank \(1\), any value: \* \(336\)"):
        of(roster("Exit date", ["", *many]))
    assert [2, 5] == list(of(roster("Exit", ["*", "x", "y", "*"]), "Exit=*").numbers), "here it is a value"
    with pytest.raises(FileRefused, match="no row has"):
        of(roster("Exit", ["", ""]), "Exit=*")


def test_a_learner_who_stays_in_one_row_and_goes_in_another_is_refused() -> None:
    rows = [[COURSE, BATCH, learner(0), "keep"], [COURSE, BATCH, learner(0), "remove"]]
    with pytest.raises(FileRefused, match="rows 2 and 3 name the same learner"):
        of(listed([*HEADER, "Action"], *rows), "Action=remove")


@pytest.mark.parametrize(
    ("only", "words"),
    [("Action=remove", "no row has 'remove'"), ("Status=del", "names no column"), ("Action", "names no column")],
)
def test_a_choice_that_fits_no_row_is_refused(only: str, words: str) -> None:
    with pytest.raises(FileRefused, match=words):
        of(roster("Action", ["add", "del"]), only)


TWO = listed(
    [*HEADER, "Status", "Name", "Keep"],
    *(
        [COURSE, BATCH, learner(number), status, "A", keep]
        for number, (status, keep) in enumerate(
            [("active", "y"), ("left", "y"), ("left", "n"), ("dropped", "n"), ("left", "n"), ("active", "n")]
        )
    ),
)
"""A list in which two columns say who stays."""


def test_two_columns_that_say_who_stays_are_both_asked_about() -> None:
    with pytest.raises(FileRefused) as refused:
        of(TWO)
    assert refused.value.message == (
        "list.csv: columns 'Status' and 'Keep' seem to say who stays and who goes; 'Status' holds active (2), "
        "left (3), dropped (1); 'Keep' holds y (2), n (4)."
    )
    assert '--only "Status=VALUE" --only "Keep=VALUE"' in refused.value.hint
    assert refused.value.choices is not None
    assert ["Status", "Keep"] == [heading for heading, _ in refused.value.choices.only]


def test_who_decided_on_one_column_is_asked_about_the_other_one_in_the_rows_that_are_left() -> None:
    with pytest.raises(FileRefused, match=r"column 'Keep' seems .* it holds y \(1\), n \(2\)") as refused:
        of(TWO, "Status=left")
    assert '--only "Status=left" --only "Keep=VALUE"' in refused.value.hint
    with pytest.raises(FileRefused, match=r"column 'Status' seems"):
        of(TWO, "Keep=n")
    table = of(TWO, "Status=left", "Keep=n")
    assert ([4, 6], 4) == (list(table.numbers), table.unchosen_rows)
    assert ("4 rows are left out, since 'Status' is not 'left' or 'Keep' is not 'n' there.",) == table.reading_notes
    plainly = roster("Action", ["del", "add", "del"]).decode().replace("Learner ID,", "Learner ID,Keep,")
    assert 2 == len(of(plainly.replace(",del", ",no,del").replace(",add", ",yes,add").encode(), "Action=del"))


def test_every_row_that_is_left_or_several_values_of_a_column_can_be_meant() -> None:
    assert [3, 4, 6] == list(of(TWO, "Status=left", "all").numbers)
    assert [3, 4, 5, 6] == list(of(TWO, "Status=left", "Status=dropped", "all").numbers)
    assert [4, 5, 6] == list(of(TWO, "Status=left", "Keep=n", "Status=dropped").numbers)
    note = "3 rows are left out, since 'Status' is not 'left' or 'dropped' or 'Keep' is not 'n' there."
    assert (note,) == of(TWO, "Status=left", "Keep=n", "Status=dropped").reading_notes
    assert [3, 4, 6] == list(of(TWO, "Status=left", "Status=expelled", "all").numbers), "a night may have none of these"
    assert 6 == len(of(TWO, "all"))


@pytest.mark.parametrize(
    ("only", "words"),
    [(("Status=left", "Keep=maybe"), "no row has 'maybe'"), (("Status=active", "Keep=x"), "no row has 'x'")],
)
def test_each_choice_must_fit_a_row(only: tuple[str, ...], words: str) -> None:
    with pytest.raises(FileRefused, match=words):
        of(TWO, *only)


def test_choices_that_fit_no_row_together_are_refused() -> None:
    data = roster("Action", ["add", "del"]).decode().replace("Learner ID,", "Learner ID,Keep,")
    with pytest.raises(FileRefused, match="no row has all the values that were chosen"):
        of(data.replace(",del", ",no,del").replace(",add", ",yes,add").encode(), "Action=del", "Keep=yes")


async def test_the_page_and_the_night_ask_about_both_columns(tmp_path: Path) -> None:
    async with running_site(tmp_path / "home") as one, one.visitor() as visitor:
        asked = await visitor.upload(TWO)
        assert 'name="only0" value="Status=left" required>' in asked.text
        assert 'name="only1" value="Keep=n" required>' in asked.text
        assert 'data-wanted="2"' in (await visitor.post(asked.url, only0="Status=left", only1="Keep=n")).text
        asked = await visitor.upload(TWO)
        assert 'data-wanted="3"' in (await visitor.post(asked.url, only0="Status=left", only1="all")).text
        asked = await visitor.upload(TWO)
        again = await visitor.post(asked.url, only0="Status=left")
        assert (True, False) == ('name="only0" value="Keep=n"' in again.text, "Status=" in again.text)
        assert 'data-wanted="2"' in (await visitor.post(asked.url, only0="Keep=n")).text
    async with running_site(tmp_path / "api") as one, one.visitor(known=False) as visitor:
        headers = await one.program(Role.PREPARER)
        for query, status in (("only=Status%3Dleft", 422), ("only=Status%3Dleft&only=Keep%3Dn", 201)):
            reply = await visitor.ask("POST", f"/api/v1/plans?{query}", headers=headers, data=TWO)
            assert status == reply.status
    for number, only in enumerate([("Status=left",), ("Status=left", "Keep=n")]):
        (tmp_path / str(number)).mkdir()
        async with nightly_site(tmp_path / str(number), only=only) as night:
            night.drop("two.csv", TWO.decode())
            (held,) = (await night.run()).held
            assert ("column 'Keep' seems" in held, "other columns" in held) == (number == 0, number == 1)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('only = "Action=del"', ("Action=del",)),
        ('only = ["Status=left", "Keep=n"]', ("Status=left", "Keep=n")),
        ('only = "Reason=moved, left"', ("Reason=moved, left",)),
    ],
)
def test_the_setting_takes_one_choice_or_a_list(tmp_path: Path, line: str, values: tuple[str, ...]) -> None:
    block = '[[nights]]\nsource = "/srv/leavers"\n'
    (tmp_path / "bulkremove.toml").write_text(f"{block}{line}")
    assert values == load({"home": str(tmp_path)}, {}).nights[0].only
    (tmp_path / "bulkremove.toml").write_text(f"{block}only = [1]")
    with pytest.raises(SettingsError, match=r"line 3: write \"COLUMN=VALUE\", or a list"):
        load({"home": str(tmp_path)}, {})


async def test_a_night_holds_a_roster_and_the_setting_decides(tmp_path: Path) -> None:
    roster_file = roster("Action", ["add"] * 8 + ["del"] * 4).decode()
    async with nightly_site(tmp_path) as one:
        one.drop("roster.csv", roster_file)
        result = await one.run()
        assert ([], 1) == (result.ran, len(result.held))
        assert "add (8), del (4)" in result.held[0]
    (tmp_path / "second").mkdir()
    async with nightly_site(tmp_path / "second", only=("Action=del",)) as one:
        one.drop("roster.csv", roster_file)
        result = await one.run()
        (held,) = result.held
        assert "It has other columns" in held
        await one.app.jobs.approve((await one.job()).id, by="kim")
        (ended,) = (await one.run()).ended
        assert (4, 4) == (ended.tally[Status.REMOVED], ended.tally.total)


async def test_the_page_offers_the_values_with_their_counts(tmp_path: Path) -> None:
    async with running_site(tmp_path / "home") as one, one.visitor() as visitor:
        asked = await visitor.upload(roster("Action", ["add"] * 8 + ["del"] * 4))
        assert 422 == asked.status
        assert 'value="Action=del" required> del (4 rows)' in asked.text
        plan_page = await visitor.post(asked.url, only0="Action=del")
        assert 'data-wanted="4"' in plan_page.text
        assert "8 rows are left out" in plan_page.text


@pytest.mark.parametrize("kind", ["csv", "xlsx", "xls", "ods"])
@pytest.mark.parametrize(
    "struck",
    [
        "~~Kim~~",
        "left ~~on Friday~~",
        "K\u0336i\u0336m\u0336",
        "K\u0337im",
        "K\u0338im",
        "K\u0335im",
        "~Kim~",
        "<s>Kim</s>",
        "<DEL>Kim</DEL>",
    ],
)
def test_texts_that_are_struck_through_by_characters_are_asked_about(kind: str, struck: str) -> None:
    rows = [[*HEADER, "Name"], *([COURSE, BATCH, learner(i), name] for i, name in enumerate(["Jo", struck]))]
    data = listed(*rows) if kind == "csv" else Book([Sheet([[*row] for row in rows])]).as_bytes(kind)
    with pytest.raises(FileRefused, match="1 hidden, filtered, struck-through or commented row and 1 that"):
        of(data)
    assert [2] == list(of(data, hidden=Hidden.LEAVE_OUT).numbers)
    assert [2, 3] == list(of(data, hidden=Hidden.INCLUDE).numbers)


@pytest.mark.parametrize("name", ["~ 5", "~~", "~a~ and ~b~", "<strong>Kim", "J\u00f8rgen", "Zo\u0308e", "a ~ b ~ c"])
def test_other_marks_strike_nothing_through(name: str) -> None:
    assert 1 == len(of(listed([*HEADER, "Name"], [COURSE, BATCH, learner(0), name])))


# Where the headings stand


def test_a_title_above_the_headings_is_found_and_offered() -> None:
    lines = [["Leavers, March 2026"], [], HEADER, [COURSE, BATCH, learner(1)]]
    with pytest.raises(FileRefused, match="seem to stand in row 3") as refused:
        of(listed(*lines))
    assert refused.value.choices is not None
    assert 3 == refused.value.choices.header_row
    table = of(listed(*lines), header_row=3)
    assert (tuple(HEADER), [4], [learner(1)]) == (table.header, list(table.numbers), list(table.columns[2]))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_lines_above_the_headings_may_have_more_fields_and_line_ends_in_quotes(encoding: str) -> None:
    title = 'Exported,by,HR,on,Monday\r\n"two\r\nlines"\r\n'
    data = (title + listed(HEADER, [COURSE, BATCH, learner(7)]).decode()).encode(encoding)
    with pytest.raises(FileRefused, match="seem to stand in row 3"):
        of(data)
    table = of(data, header_row=3)
    assert ([4], [learner(7)]) == (list(table.numbers), list(table.columns[2]))


@pytest.mark.parametrize("kind", ["xlsx", "xls", "ods"])
def test_a_workbook_with_a_title_is_asked_about_too(kind: str) -> None:
    sheet = Sheet([["Leavers"], ["as of March"], [*HEADER, "Name"], [COURSE, BATCH, learner(1), "A"]])
    data = Book([sheet]).as_bytes(kind)
    with pytest.raises(FileRefused, match="seem to stand in row 3"):
        of(data)
    table = of(data, header_row=3)
    assert ([4], [learner(1)]) == (list(table.numbers), list(table.columns[2]))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_sep_line_is_no_row_above_the_headings_either(line: str, end: str, encoding: str) -> None:
    rows = ["Leavers, March, 2026", "", ";".join(HEADER), f"{COURSE};{BATCH};{learner(1)}", f"{COURSE};{BATCH};x"]
    data = end.join([line, *rows, ""]).encode(encoding)
    with pytest.raises(FileRefused, match="seem to stand in row 3"):
        of(data)
    table = of(data, header_row=3)
    assert (tuple(HEADER), [4, 5]) == (table.header, list(table.numbers))
    assert "Cell C5" in plan(table, account="a", host="h").excluded[1].detail
    with pytest.raises(FileRefused, match="row 4 holds ids, not headings"):
        of(data, header_row=4)
    without = of(end.join([line, *rows[2:], ""]).encode(encoding), header_row=1)
    assert [2, 3] == list(without.numbers)
    with pytest.raises(FileRefused, match="row 2 holds ids"):
        of(end.join([line, *rows[2:], rows[2], ""]).encode(encoding), header_row=4)


def test_a_row_of_headings_that_does_not_exist_is_refused() -> None:
    with pytest.raises(FileRefused):
        of(listed(HEADER, [COURSE, BATCH, learner(1)]), header_row=9)


@pytest.mark.parametrize("columns", [{}, {"course": "A", "batch": "B", "learner": "C"}, {"learner": 2}])
def test_the_first_person_never_becomes_the_heading(columns: dict[str, str | int]) -> None:
    data = listed(*([COURSE, BATCH, learner(i)] for i in range(3)))
    with pytest.raises(FileRefused, match="row 1 holds ids, not headings") as refused:
        of(data, columns=columns)
    assert refused.value.choices is not None
    assert 0 == refused.value.choices.header_row


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_without_headings_is_read_by_letters(kind: str) -> None:
    rows = [[COURSE, BATCH, learner(i)] for i in range(3)]
    data = listed(*rows) if kind == "csv" else Book([Sheet([[*row] for row in rows])]).as_bytes("xlsx")
    table = of(data, header_row=0, columns={"course": "A", "batch": "B", "learner": "C"})
    assert ([1, 2, 3], ("A", "B", "C")) == (list(table.numbers), table.header)
    assert [learner(0), learner(1), learner(2)] == list(table.columns[2])


@pytest.mark.parametrize("kind", ["xlsx", "xls", "ods"])
def test_hidden_rows_are_asked_about_without_headings_too(kind: str) -> None:
    sheet = Sheet([[COURSE, BATCH, learner(i)] for i in range(4)], hidden_rows=(2, 3))
    letters = {"course": "A", "batch": "B", "learner": "C"}
    with pytest.raises(
        FileRefused, match="2 hidden, filtered, struck-through or commented rows and 2 that can be seen"
    ):
        of(Book([sheet]).as_bytes(kind), header_row=0, columns=letters)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_nobody_vanishes_above_a_row_that_is_called_the_headings(kind: str) -> None:
    people: list[list[Cell]] = [[COURSE, BATCH, learner(i)] for i in range(3)]
    rows: list[list[Cell]] = [[*HEADER], *people[:2], [*HEADER], people[2]]
    texts = ([str(cell) for cell in row] for row in rows)
    data = listed(*texts) if kind == "csv" else Book([Sheet(rows)]).as_bytes(kind)
    letters = {"course": "A", "batch": "B", "learner": "C"}
    with pytest.raises(FileRefused, match="row 2 holds ids"):
        of(data, header_row=4)
    with pytest.raises(FileRefused, match="row 2 holds ids"):
        of(data, header_row=2, columns=letters)
    with pytest.raises(FileRefused, match="row 1 holds headings"):
        of(data, header_row=0, columns=letters)


@pytest.mark.parametrize("around", ['="{}"', "'{}", "\u200b{}", "{}\xa0"])
def test_an_id_with_something_around_it_is_no_heading(around: str) -> None:
    rows = [[around.format(COURSE), BATCH, around.format(learner(i))] for i in range(3)]
    with pytest.raises(FileRefused, match="row 1 holds ids, not headings"):
        of(listed(*rows), columns={"course": "A", "batch": "B", "learner": "C"})


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_quotes_in_a_title_are_read_with_the_separator_of_the_list(separator: str) -> None:
    lines = ['Leavers,"Q3', *(separator.join(row) for row in ([*HEADER, "Size"], [COURSE, BATCH, learner(1), '5" x']))]
    title = lines[0] if separator != "," else "Leavers"
    table = of("\n".join([title, *lines[1:], separator.join([COURSE, BATCH, learner(2), "x"])]).encode(), header_row=2)
    assert [3, 4] == list(table.numbers)
    assert [learner(1), learner(2)] == list(table.columns[2])


def test_damaged_utf_16_is_refused_below_a_title_too() -> None:
    data = ("Title\n" + listed(HEADER, [COURSE, BATCH, learner(1)]).decode()).encode("utf-16") + b"1"
    with pytest.raises(FileRefused, match="not valid UTF-16"):
        of(data, header_row=2)


def test_digits_in_a_heading_that_is_no_id_are_a_heading() -> None:
    assert 1 == len(of(listed([*HEADER, "20260331"], [COURSE, BATCH, learner(1), "x"])))


def test_headings_in_another_order_inside_the_list_are_refused() -> None:
    rows = [HEADER, [COURSE, BATCH, learner(1)], ["Learner ID", "Course ID", "Batch ID"], [learner(2), COURSE, BATCH]]
    with pytest.raises(FileRefused, match="row 3: headings stand here again, in another order"):
        of(listed(*rows))
    same = of(listed(HEADER, [COURSE, BATCH, learner(1)], HEADER, [COURSE, BATCH, learner(2)]))
    made = plan(same, account="a", host="h")
    assert ({1: Status.INVALID}, 2) == ({i: e.status for i, e in made.excluded.items()}, made.removals)


async def test_the_page_and_the_process_that_reads_untrusted_files_take_the_same_choices(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(listed(["Title"], HEADER, [COURSE, BATCH, learner(1)]))
    with pytest.raises(FileRefused) as refused:
        await read_in_subprocess(path, name="list.csv", options=ReadOptions())
    assert refused.value.choices is not None
    assert 2 == refused.value.choices.header_row
    table = await read_in_subprocess(path, name="list.csv", options=ReadOptions(header_row=2))
    assert [3] == list(table.numbers)
    path.write_bytes(roster("Action", ["add", "del"]))
    with pytest.raises(FileRefused) as refused:
        await read_in_subprocess(path, name="list.csv", options=ReadOptions())
    assert refused.value.choices is not None
    assert (("Action", (("add", 1), ("del", 1))),) == refused.value.choices.only
    async with running_site(tmp_path / "home") as one, one.visitor() as visitor:
        asked = await visitor.upload(listed(["Title"], HEADER, [COURSE, BATCH, learner(1)]))
        assert "The headings stand in row 2" in asked.text
        assert 'data-wanted="1"' in (await visitor.post(asked.url, header_row="2")).text
        asked = await visitor.upload(listed(*([COURSE, BATCH, learner(i)] for i in range(3))))
        assert "its first row is a person, too" in asked.text
        chosen = await visitor.post(asked.url, header_row="0", course="0", batch="1", learner="2")
        assert 'data-wanted="3"' in chosen.text


# What this program wrote itself


async def reported(tmp_path: Path) -> tuple[list[list[str]], Path, Path]:
    """The report of a job that removed three learners, as that of a real run; its undo list, and its plan file."""
    with account(tmp_path) as environ, closing(application(environ)) as app:
        (tmp_path / "f.csv").write_text(triples(3))
        preview = await app.plans.preview(tmp_path / "f.csv", name="f.csv", options=ReadOptions())
        write_plan(tmp_path / "plan.csv", preview.plan)
        ended = await run(app, await stored(app, preview, tmp_path))
        await app.reports.write(ended.job.id, tmp_path / "undo.csv", rows=RowSelection.UNDO, by="jo")
        assert ended.report is not None
        with ended.report.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        mark = rows[0].index(SANDBOX_COLUMN)
        rows = [
            [cell.replace(f"-{SANDBOX_MARK}-", "-") for place, cell in enumerate(row) if place != mark] for row in rows
        ]
        return rows, tmp_path / "undo.csv", tmp_path / "plan.csv"


async def test_a_report_is_known_wherever_its_columns_stand(tmp_path: Path) -> None:
    rows, _, _ = await reported(tmp_path)
    more = [[*row, "checked" if i == 0 else "yes"] for i, row in enumerate(rows)]
    turned = [[*row[4:], *row[:4]] for row in rows]
    typed = [[cell.upper() if i == 0 else cell for cell in row] for i, row in enumerate(rows)]
    for changed in (rows, more, turned, typed):
        table = of(listed(*changed))
        made = plan(table, account="a", host="h")
        assert (0, 3) == (made.removals, made.not_sent()[Status.DONE_BEFORE])
        assert learner(0) == made.removal(0).learner
    assert "checked" in of(listed(*more)).header


async def test_a_report_is_known_beside_columns_of_the_same_names(tmp_path: Path) -> None:
    rows, _, _ = await reported(tmp_path)
    own = [["Status", "Row", *row] for row in rows]
    own[1:] = [["moved", "7", *row[2:]] for row in own[1:]]
    for changed in (own, [[*row, "checked"] for row in own], [["x", *row, "", "y"] for row in own]):
        changed[0] = [name or "More" for name in changed[0]]
        table = of(listed(*changed), "Status=moved")
        made = plan(table, account="a", host="h")
        assert (0, 3) == (made.removals, made.not_sent()[Status.DONE_BEFORE])
        assert "Status" in table.header
        assert not {"status", "plan_hash"} & set(table.header)


async def test_a_report_without_its_headings_is_refused(tmp_path: Path) -> None:
    rows, undo, _ = await reported(tmp_path)
    letters: dict[str, str | int] = {"course": "A", "batch": "B", "learner": "C"}
    for changed in (rows[1:], [row[:6] for row in rows[1:]], [[*row[:3], "checked", *row[3:]] for row in rows[1:]]):
        with pytest.raises(FileRefused, match="report of an earlier job"):
            of(listed(*changed), header_row=0, columns=letters)
        with pytest.raises(FileRefused, match="report of an earlier job"):
            of(listed(*changed), "all", header_row=0, columns=letters)
    with undo.open(encoding="utf-8-sig", newline="") as file:
        taken = list(csv.reader(file))
    with pytest.raises(FileRefused, match="undo list"):
        of(listed(*taken[1:]), header_row=0, columns=letters)
    fresh = [[COURSE, BATCH, learner(number), "remove", "unknown to us"] for number in range(3)]
    assert 3 == len(of(listed(*fresh), header_row=0, columns=letters))


@pytest.mark.parametrize(
    ("words", "is_report"),
    [
        (["removed", "removed", "removed"], True),
        (["removed", "not_sent", " REFUSED "], True),
        (["unknown", "unknown", "unknown"], True),
        (["removed"] * 19 + ["checked"], True),
        (["removed", "", ""], True),
        (["remove", "remove", "remove"], False),
        (["remove", "remove", "done_before"], True),
        (["removed", "left", "moved"], False),
        (["", "", ""], False),
    ],
)
def test_a_column_of_our_statuses_without_headings_is_that_of_a_report(words: list[str], is_report: bool) -> None:
    data = listed(*([COURSE, BATCH, learner(number), word] for number, word in enumerate(words)))
    letters: dict[str, str | int] = {"course": "A", "batch": "B", "learner": "C"}
    if is_report:
        with pytest.raises(FileRefused, match="column 'D' holds statuses"):
            of(data, "all", header_row=0, columns=letters)
    else:
        assert len(words) == len(of(data, header_row=0, columns=letters))


@pytest.mark.parametrize(
    ("words", "is_asked"),
    [
        (["removed", "removed"], True),
        (["not_found", "not_sent"], True),
        (["removed", ""], True),
        (["unknown", "unknown"], False),
        (["removed", "checked"], False),
    ],
)
def test_a_column_of_our_statuses_under_another_heading_is_asked_about(words: list[str], is_asked: bool) -> None:
    data = roster("Ergebnis", words)
    if is_asked:
        with pytest.raises(FileRefused, match="column 'Ergebnis' seems to say who stays"):
            of(data)
    else:
        assert 2 == len(of(data))


async def test_a_report_or_an_undo_list_whose_headings_are_all_renamed_is_refused(tmp_path: Path) -> None:
    rows, undo, _ = await reported(tmp_path)
    renamed = [[*HEADER, *(f"Spalte {number}" for number in range(len(rows[0]) - 3))], *rows[1:]]
    with pytest.raises(FileRefused, match="column 'Spalte 9' holds the numbers of jobs"):
        of(listed(*renamed), "all")
    with undo.open(encoding="utf-8-sig", newline="") as file:
        taken = list(csv.reader(file))
    taken[0] = [name.replace("undo_of", "Auftrag") for name in taken[0]]
    with pytest.raises(FileRefused, match="column 'Auftrag' holds the numbers of jobs"):
        of(listed(*taken))
    tickets = [[COURSE, BATCH, learner(number), f"2026112{number}-4242"] for number in range(3)]
    assert 3 == len(of(listed([*HEADER, "Ticket"], *tickets)))


@pytest.mark.parametrize("column", [name for name in REPORT_COLUMNS if name not in ("row", "status")])
async def test_a_report_that_lacks_a_column_is_refused(tmp_path: Path, column: str) -> None:
    rows, _, _ = await reported(tmp_path)
    place = rows[0].index(column)
    fewer = [[cell for i, cell in enumerate(row) if i != place] for row in rows]
    renamed = [[*rows[0][:place], f"{column} (old)", *rows[0][place + 1 :]], *rows[1:]]
    for changed in (fewer, renamed):
        with pytest.raises(FileRefused, match=f"looks like a report of an earlier job.*{column}"):
            of(listed(*changed), "all")


async def test_the_note_about_a_report_counts_the_rows_that_were_meant(tmp_path: Path) -> None:
    rows, _, _ = await reported(tmp_path)
    own = [["Action", *rows[0]], *([value, *row] for value, row in zip(("del", "add", "del"), rows[1:], strict=True))]
    table = of(listed(*own), "Action=del")
    assert (2, True) == (len(table), any("2 rows were settled then" in note for note in table.reading_notes))


async def test_a_report_with_other_statuses_or_ids_elsewhere_is_refused(tmp_path: Path) -> None:
    rows, _, _ = await reported(tmp_path)
    place = rows[0].index("status")
    for status, words in (("entfernt", "is not a status of a report"), ("", "is not a status of a report")):
        changed = [rows[0], *([*row[:place], status, *row[place + 1 :]] for row in rows[1:])]
        with pytest.raises(FileRefused, match=words):
            of(listed(*changed))
    shouted = [rows[0], *([*row[:place], " REMOVED ", *row[place + 1 :]] for row in rows[1:])]
    assert 0 == plan(of(listed(*shouted)), account="a", host="h").removals
    with pytest.raises(FileRefused, match="a column of the report can't hold ids"):
        of(listed(*rows), columns={"course": "course", "batch": "batch", "learner": "row"})
    short = [[row[i] for i in (0, 1, 2, place)] for row in rows]
    with pytest.raises(FileRefused, match="it holds removed"):
        of(listed(*short))


def test_an_export_of_another_system_with_such_columns_is_an_ordinary_list() -> None:
    assert 1 == len(of(listed([*HEADER, "Attempts", "finished_at"], [COURSE, BATCH, learner(1), "2", "2026-01-01"])))


@pytest.mark.parametrize(
    ("statuses", "is_whole"),
    [
        (["removed", "removed", "removed"], True),
        (["removed", "not_sent", "removed"], True),
        (["removed", "removed", "not_sent"], False),
        (["removed", "invalid", "removed"], True),
        (["invalid", "removed", "removed"], False),
    ],
)
async def test_a_report_whose_status_column_was_sorted_alone_is_refused(
    tmp_path: Path, statuses: list[str], is_whole: bool
) -> None:
    rows, _, _ = await reported(tmp_path)
    status, http_status = rows[0].index("status"), rows[0].index("http_status")
    for row, word in zip(rows[1:], statuses, strict=True):
        row[status] = word
    if "removed" != statuses[1] or not is_whole:
        rows[2][http_status] = ""
    if is_whole:
        assert 3 == len(of(listed(*rows)))
    else:
        with pytest.raises(FileRefused, match=r"row [23]: .* do not belong together"):
            of(listed(*rows))


async def test_undo_lists_and_plan_files_are_no_lists_of_people_to_remove(tmp_path: Path) -> None:
    _, undo, plan_file = await reported(tmp_path)
    with pytest.raises(FileRefused, match="names people who were removed"):
        of(undo.read_bytes())
    with pytest.raises(FileRefused, match="is or was a plan file"):
        of(plan_file.read_bytes())


@pytest.mark.parametrize("column", PLAN_COLUMNS)
@pytest.mark.parametrize("change", ["renamed", "left out"])
async def test_a_plan_file_with_a_changed_column_is_refused(tmp_path: Path, column: str, change: str) -> None:
    _, _, plan_file = await reported(tmp_path)
    with plan_file.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    place, titles = rows[0].index(column), {"course_id": "Course", "batch_id": "Batch", "learner_id": "Learner"}
    rows[0][place] = titles.get(column, f"{column} (old)")
    if change == "left out" and column not in titles:
        rows = [[cell for index, cell in enumerate(row) if index != place] for row in rows]
    with pytest.raises(FileRefused, match="plan file"):
        of(listed(*rows), "all")
    with pytest.raises(FileRefused, match="plan file"):
        of(listed(*([*row, "x"] for row in rows)), "all")


async def test_the_word_of_a_plan_alone_shows_it(tmp_path: Path) -> None:
    rows = [["Row", COURSE, BATCH, learner(0), "remove"], ["3", COURSE, BATCH, learner(1), "done_before"]]
    with pytest.raises(FileRefused, match="plan file"):
        of(listed([*HEADER, "planned"], *(row[1:] for row in rows)), "all")
    day = listed([*HEADER, "planned"], *([*row[1:4], "2026-03-31"] for row in rows))
    assert 2 == len(of(day))


@pytest.mark.slow
def test_the_command_line_takes_the_choices(tmp_path: Path) -> None:
    _, file = crowd(tmp_path, 3)
    program = Bulkremove(tmp_path / "home", environment())
    file.write_bytes(roster("Action", ["add"] * 6 + ["del"] * 6))
    asked = program("preview", str(file))
    assert (2, True) == (asked.returncode, '--only "Action=VALUE"' in asked.stderr)
    shown = program("preview", str(file), "--only", "Action=del").stdout
    assert ("Remove    6 learners" in shown, "--only Action=del" in shown) == (True, True)
    file.write_bytes(TWO)
    shown = program("preview", str(file), "--only", "Status=left", "--only", "Keep=n").stdout
    assert ("Remove    2 learners" in shown, "--only Status=left --only Keep=n" in shown) == (True, True)
    assert "--only" not in program("preview", str(SAMPLES / "leavers.csv")).stdout
    file.write_bytes(listed(["Title"], HEADER, [COURSE, BATCH, learner(1)]))
    assert "--header-row 2" in program("preview", str(file)).stderr
    assert "Remove    1 learner " in program("preview", str(file), "--header-row", "2").stdout
    file.write_bytes(listed(*([COURSE, BATCH, learner(i)] for i in range(3))))
    assert "--no-header" in program("preview", str(file)).stderr
    letters = ("--no-header", "--columns", "course=A,batch=B,learner=C")
    assert "Remove    3 learners" in program("preview", str(file), *letters).stdout
    assert 2 == program("preview", str(file), "--no-header", "--header-row", "1").returncode
