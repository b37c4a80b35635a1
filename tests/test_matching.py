"""From e-mail addresses and names of courses and batches to ids: exactly one match, or a reason; never by name."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.app.matching import has_names, resolve
from bulkremove.domain.errors import FileRefused, NotListed, ReadFailed
from bulkremove.domain.listing import Batch, Course, Learner, Roster
from bulkremove.domain.operation import LIST_BATCHES, LIST_COURSES, Operation
from bulkremove.domain.plan import Plan
from bulkremove.domain.planner import plan
from bulkremove.domain.row import Removal, Status
from bulkremove.domain.table import Table
from bulkremove.reading.columns import possible_matches
from bulkremove.reading.options import Match, ReadOptions
from bulkremove.reading.reader import read
from bulkremove.reading.table import WITHOUT_BATCH
from tests.cli_fixtures import SAMPLES, Bulkremove, environment
from tests.virtual_time import run

SPRING, AUTUMN = Batch("1", "21", "Spring", 2), Batch("1", "22", "Autumn", 1)
ANN, BO = Learner("478346000019558001", "Ann", "ann@example.com", "E1"), Learner("478346000019558002", "Bo", "", "E2")
ANN_IN_AUTUMN = Learner("478346000019558003", "Ann", "ANN@example.com", "E1")

CY = Learner("478346000019558004", "Cy", "cy@example.com", "E4")


@dataclass
class Lists:
    """What Zoho would list, and how often it was asked for rosters."""

    found: Sequence[Course] = (Course("1", "Fire safety"), Course("2", "First aid"), Course("3", "First aid"))
    of_course: Mapping[str, Sequence[Batch]] = field(default_factory=lambda: {"1": (SPRING, AUTUMN), "2": ()})
    rosters: Mapping[str, Roster] = field(
        default_factory=lambda: {"21": Roster(SPRING, (ANN, BO)), "22": Roster(AUTUMN, (ANN_IN_AUTUMN,))}
    )
    asked: list[str] = field(default_factory=list)

    kept: Mapping[str, Roster] = field(default_factory=dict)
    """Rosters of some minutes ago, by batch."""
    kept_courses: Sequence[Course] | None = None
    kept_batches: Sequence[Batch] | None = None
    """Lists of some minutes ago."""

    async def courses(self, search: str, *, is_fresh: bool = False) -> Sequence[Course]:
        if self.kept_courses is not None and not is_fresh:
            return self.kept_courses
        self.asked.append("courses")
        return self.found

    async def batches(self, course: str, *, is_fresh: bool = False) -> Sequence[Batch]:
        if self.kept_batches is not None and not is_fresh:
            return self.kept_batches
        self.asked.append("batches")
        return self.of_course[course]

    async def roster(self, course: str, batch: str, *, is_fresh: bool = False) -> Roster:
        if batch in self.kept and not is_fresh:
            return self.kept[batch]
        self.asked.append(batch)
        return self.rosters[batch]

    def was_kept(self, operation: Operation, *asked_for: str) -> bool:
        lists = {LIST_COURSES: self.kept_courses, LIST_BATCHES: self.kept_batches}
        if operation in lists:
            return lists[operation] is not None and operation.name.split()[1] not in self.asked
        return asked_for[1] in self.kept and asked_for[1] not in self.asked


class StrictLists(Lists):
    """Zoho knows no other courses than those it lists, and has deleted a batch meanwhile."""

    async def batches(self, course: str, *, is_fresh: bool = False) -> Sequence[Batch]:
        if course not in self.of_course:
            raise NotListed("Zoho knows no such course.")
        return await super().batches(course, is_fresh=is_fresh)

    async def roster(self, course: str, batch: str, *, is_fresh: bool = False) -> Roster:
        if batch == "22":
            raise NotListed("Zoho has no such batch any more.")
        return await super().roster(course, batch, is_fresh=is_fresh)


def table(*rows: str, header: str = "Course,Batch,E-mail", match: Match = Match.EMAIL) -> Table:
    content = "\n".join([header, *rows, ""]).encode()
    return read(BytesIO(content), name="people.csv", options=ReadOptions(match=match))


def resolved(given_table: Table, lists: Lists | None = None, match: Match = Match.EMAIL) -> Table:
    async def main() -> Table:
        return await resolve(given_table, match, lists or Lists())

    return run(main)


def details(one: Table) -> list[str]:
    return [one.settled[index].detail if index in one.settled else "" for index in range(len(one))]


def test_one_match_gives_the_ids_and_they_stand_in_plan_and_hash() -> None:
    lists = Lists()
    with_ids = resolved(
        table("Fire safety,spring,ANN@Example.com", "1,22,ann@example.com", "1,21,ann@example.com"), lists
    )
    planned = plan(with_ids, account="a", host="h")
    assert [Removal("1", "21", ANN.id), Removal("1", "22", ANN_IN_AUTUMN.id), None] == [
        row.removal for row in planned.rows()
    ]
    assert Status.DUPLICATE is planned.excluded[2].status
    assert ["21", "22"] == [asked for asked in lists.asked if asked.isdigit()]
    assert ("Fire safety", "spring", "ANN@Example.com", "1", "21", ANN.id) == with_ids.row(0).cells
    other = Lists(rosters={"21": Roster(SPRING, (Learner("478346000019558009", "Ann", "ann@example.com"), BO))})
    rows = ("1,21,ann@example.com",)
    assert plan(resolved(table(*rows)), account="a", host="h").hash != (
        plan(resolved(table(*rows), other), account="a", host="h").hash
    )


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("Fire safety,Spring,eve@example.com", "Batch 21 has no learner with this e-mail address."),
        ("Fire safety,Spring,Ann", "Batch 21 has no learner with this e-mail address."),
        ("Fire safety,Summer,ann@example.com", "Course 1 has no batch of this name."),
        ("First aid,Spring,ann@example.com", "There is more than one course of this name."),
        ("Fire,Spring,ann@example.com", "There is no course of this name."),
        (",Spring,ann@example.com", "The cell with the course is empty."),
        ("Fire safety,,ann@example.com", "The cell with the batch is empty. Write * for all batches of the course."),
        ("Fire safety,Spring,", "The cell with the e-mail address is empty."),
    ],
)
def test_anything_but_one_match_is_invalid_and_says_why(row: str, why: str) -> None:
    one = resolved(table("Fire safety,Spring,ann@example.com", row))
    assert ["", why] == details(one)
    planned = plan(one, account="a", host="h")
    assert (1, {Status.INVALID: 1}) == (planned.removals, planned.not_sent())


@pytest.mark.parametrize(("employee_id", "is_found"), [("E1", True), ("e1", True), ("", True), ("E2", False)])
def test_a_row_that_names_two_people_is_about_neither(employee_id: str, is_found: bool) -> None:
    rows = table(f"1,21,ann@example.com,{employee_id}", header="Course,Batch,E-mail,Employee ID")
    why = "This row has employee id 'E2', and Zoho 'E1' for its e-mail address."
    assert ["" if is_found else why] == details(resolved(rows))


def test_the_zeros_that_a_spreadsheet_takes_off_an_employee_id_make_it_no_other() -> None:
    lists = Lists(rosters={"21": Roster(SPRING, (Learner(ANN.id, "Ann", "ann@example.com", "0035"), BO))})
    rows = table("1,21,ann@example.com,35", header="Course,Batch,E-mail,Employee ID")
    assert [""] == details(resolved(rows, lists))


@pytest.mark.parametrize(
    ("cell", "is_found"),
    [
        ("mailto:ann@example.com", True),
        ("MAILTO:Ann@example.com", True),
        ("Ann Lee <ann@example.com>", True),
        ("Ann Lee <mailto:ann@example.com>", True),
        ("<ann@example.com>", True),
        ("ann@example.com <bo@example.com>", False),
        ("Ann <ann@example.com> Bo", False),
        ("Ann <ann@example.com>, Bo <bo@example.com>", False),
        ("ann@example.com; bo@example.com", False),
        ("mailto:ann@example.com?cc=bo@example.com", False),
        ("ann@example.com (left)", False),
    ],
)
def test_an_address_is_taken_out_of_a_link_or_from_behind_a_name_and_out_of_nothing_else(
    cell: str, is_found: bool
) -> None:
    one = resolved(table(f'1,21,"{cell}"'))
    assert ["" if is_found else "Batch 21 has no learner with this e-mail address."] == details(one)


def test_an_employee_id_is_never_taken_out_of_a_text() -> None:
    one = resolved(
        table("1,21,A <e1@x>", header="Course,Batch,Employee ID", match=Match.EMPLOYEE_ID), match=Match.EMPLOYEE_ID
    )
    assert ["Batch 21 has no learner with this employee id."] == details(one)


def test_nobody_is_missing_by_a_list_that_was_kept() -> None:
    lists = Lists(kept={"21": Roster(Batch("1", "21", "Spring", 1), (ANN,))}, rosters={"21": Roster(SPRING, (ANN, CY))})
    assert [""] == details(resolved(table("1,21,ann@example.com"), lists))
    assert ["batches"] == lists.asked, "who is in it needs no other roster"
    one = resolved(table("1,21,cy@example.com", "1,21,eve@example.com", "1,21,eva@example.com"), lists)
    assert ["", *["Batch 21 has no learner with this e-mail address."] * 2] == details(one)
    assert 1 == lists.asked.count("21")


def test_no_course_and_no_batch_is_missing_by_a_list_that_was_kept() -> None:
    rows = ("Fire safety,Spring,ann@example.com", "Fire safety,Winter,ann@example.com", "Fire,Spring,ann@example.com")
    expected = ["", "Course 1 has no batch of this name.", "There is no course of this name."]
    for lists in (Lists(kept_courses=()), Lists(kept_batches=()), Lists(kept_courses=(), kept_batches=())):
        assert expected == details(resolved(table(*rows), lists))
    lists = Lists(kept_courses=Lists().found, kept_batches=(SPRING,))
    assert [""] == details(resolved(table(rows[0]), lists))
    assert ["21"] == lists.asked, "what is found needs no other list"


def test_a_star_means_the_batches_that_were_made_since_a_list_was_kept_too() -> None:
    lists = Lists(kept_batches=(SPRING,), rosters={"21": Roster(SPRING, (ANN, BO)), "22": Roster(AUTUMN, (CY,))})
    assert [""] == details(resolved(table("1,*,cy@example.com"), lists))


def test_an_address_of_two_learners_matches_neither() -> None:
    twins = Roster(SPRING, (ANN, Learner("478346000019558007", "Ann", "Ann@example.com")))
    one = resolved(table("1,21,ann@example.com"), Lists(rosters={"21": twins}))
    assert ["Batch 21 has 2 learners with this e-mail address."] == details(one)


def test_two_batches_of_one_name_match_neither() -> None:
    lists = Lists(of_course={"1": (SPRING, Batch("1", "23", "SPRING"))})
    assert ["Course 1 has more than one batch of this name."] == details(
        resolved(table("1,Spring,ann@example.com"), lists)
    )


@pytest.mark.parametrize("counted", [3, None])
def test_a_roster_that_may_not_be_whole_matches_nobody(counted: int | None) -> None:
    short = Roster(Batch("1", "21", "Spring", counted), (ANN, BO))
    (why,) = details(resolved(table("1,21,ann@example.com"), Lists(rosters={"21": short})))
    assert "not known whether exactly one matches" in why


def test_a_star_means_all_batches_of_the_course() -> None:
    lists = Lists(rosters={"21": Roster(SPRING, (ANN, BO)), "22": Roster(AUTUMN, (CY,))})
    found = resolved(
        table("Fire safety,*,cy@example.com", "Fire safety,*,ann@example.com", "Fire safety,*,x@y.z"), lists
    )
    assert ["", "", "The batches of course 1 have no learner with this e-mail address."] == details(found)
    assert ["22", "21"] == [row.cells[found.roles.batch] for row in found.rows()][:2]
    twice = resolved(table("Fire safety,*,ann@example.com"))
    assert ["The batches of course 1 have 2 learners with this e-mail address."] == details(twice)


def test_a_course_or_batch_that_zoho_does_not_know_makes_its_rows_invalid_and_no_others() -> None:
    found = resolved(table("4711,Spring,bo@example.com", "Fire safety,Spring,ann@example.com"), StrictLists())
    assert ["Zoho knows no such course.", ""] == details(found)
    found = resolved(table("Fire safety,Autumn,ann@example.com", "Fire safety,Spring,ann@example.com"), StrictLists())
    assert ["Zoho has no such batch any more.", ""] == details(found)


def test_a_roster_without_any_address_is_refused() -> None:
    with pytest.raises(ReadFailed, match="names no e-mail address of any learner"):
        resolved(table("1,21,ann@example.com"), Lists(rosters={"21": Roster(SPRING, (BO, Learner("5")))}))


def test_employee_ids_match_as_well() -> None:
    one = table("1,Spring,e2", header="Course ID,Batch name,Employee ID", match=Match.EMPLOYEE_ID)
    with_ids = resolved(one, match=Match.EMPLOYEE_ID)
    assert BO.id == with_ids.columns[with_ids.roles.learner][0]
    assert ("Course ID", "Batch name", "Employee ID", "Batch ID", "Learner ID") == with_ids.header


BY_ID = "Course title,Batch name,Learner ID,E-mail"


def test_a_file_of_learner_ids_needs_only_the_ids_of_its_courses_and_batches() -> None:
    lists = Lists()
    rows = (
        f"Fire safety,spring,{BO.id},bo@example.com",
        "1,22,4711,",
        "Fire safety,Summer,4711,",
        "Fire safety,Spring,x,",
    )
    one = resolved(table(*rows, header=BY_ID, match=Match.LEARNER_ID), lists, match=Match.LEARNER_ID)
    planned = plan(one, account="a", host="h")
    assert [Removal("1", "21", BO.id), Removal("1", "22", "4711"), None, None] == [
        row.removal for row in planned.rows()
    ]
    assert ["", "", "Course 1 has no batch of this name.", ""] == details(one)
    assert "is no learner id" in planned.excluded[3].detail
    assert {"courses", "batches"} == {*lists.asked}, "no roster is needed"


def test_a_learner_id_in_all_batches_is_looked_for_in_their_rosters() -> None:
    rows = table(f"1,*,{ANN_IN_AUTUMN.id},", "1,*,4711,", header=BY_ID, match=Match.LEARNER_ID)
    one = resolved(rows, match=Match.LEARNER_ID)
    assert ["", "The batches of course 1 have no learner with this learner id."] == details(one)
    assert "22" == one.columns[one.roles.batch][0]


def test_without_a_column_for_the_batch_all_batches_of_the_course_are_searched() -> None:
    lists = Lists(rosters={"21": Roster(replace(SPRING, learners=1), (ANN,)), "22": Roster(AUTUMN, (CY,))})
    rows = table("Fire safety,cy@example.com", "", "Fire safety,bo@example.com", header="Course title,E-mail")
    assert (1, True) == (rows.empty_rows, WITHOUT_BATCH in rows.reading_notes)
    one = resolved(rows, lists)
    assert ["", "The batches of course 1 have no learner with this e-mail address."] == details(one)
    assert ("1", "22", CY.id) == tuple(one.columns[column][0] for column in one.roles)


@pytest.mark.parametrize(
    ("header", "possible"),
    [
        (BY_ID, [Match.LEARNER_ID]),
        ("Course,Batch title,Learner ID", [Match.LEARNER_ID]),
        ("Course,Batch,Learner ID,E-mail", []),
        ("Course,Batch,E-mail,Employee ID", [Match.EMAIL, Match.EMPLOYEE_ID]),
        ("Course,Learner ID,E-mail", [Match.LEARNER_ID]),
        ("Course title,E-mail", [Match.EMAIL]),
        ("Batch,E-mail", []),
    ],
)
def test_only_what_can_work_is_offered(header: str, possible: list[Match]) -> None:
    assert possible == possible_matches(header.split(","))


def test_names_beside_learner_ids_are_told_from_other_faults() -> None:
    def planned(*rows: str) -> Plan:
        content = "\n".join(["Course,Batch,Learner ID", *rows, ""]).encode()
        return plan(read(BytesIO(content), name="a.csv"), account="a", host="h")

    assert has_names(planned(f"Fire safety,Spring,{BO.id}"))
    assert has_names(planned(f"1,Spring,{BO.id}"))
    assert not has_names(planned(f"1,,{BO.id}", "1,21,Bo", f"1,21,{BO.id}"))
    with pytest.raises(FileRefused, match="give --match learner-id"):
        read(BytesIO(b"Course title,Batch name,Learner ID\nFire,Spring,1\n"), name="people.csv")


@pytest.mark.parametrize("header", ["Course,Batch,Learner ID,E-mail", "Course,Batch,Learner,E-mail"])
def test_a_file_with_learner_ids_is_not_matched(header: str) -> None:
    with pytest.raises(FileRefused, match="Leave --match out"):
        resolved(table(f"1,21,{ANN.id},bo@example.com", header=header))


def test_names_beside_the_addresses_match_nobody() -> None:
    one = resolved(table("1,21,Ann,bo@example.com", header="Course,Batch,Learner,E-mail"))
    assert ["Batch 21 has no learner with this e-mail address."] == details(one)


def test_a_list_of_addresses_that_is_read_as_ids_says_how_to_match_it() -> None:
    with pytest.raises(FileRefused, match="give --match email"):
        read(BytesIO(b"Course ID,Batch ID,E-mail\n1,2,a@example.com\n"), name="people.csv")


def test_a_file_without_addresses_is_refused() -> None:
    with pytest.raises(FileRefused, match="no column for the e-mail address"):
        table("1,21,Ann", header="Course,Batch,Name")
    with pytest.raises(FileRefused, match="2 columns for the e-mail address"):
        table("1,21,a@example.com,b@example.com", header="Course,Batch,Email,E-mail")


EMAILS = st.sampled_from(["a@example.com", "A@example.com", "b@example.com", " b@example.com", "c@example.com", ""])


@given(people=st.lists(EMAILS, max_size=6), rows=st.lists(EMAILS.filter(bool), min_size=1, max_size=6))
def test_no_row_ever_names_a_learner_of_another_address(people: list[str], rows: list[str]) -> None:
    batch = Batch("1", "21", "Spring", len(people))
    learners = tuple(Learner(f"47834600001955800{i}", "", one) for i, one in enumerate(people))
    lists = Lists(of_course={"1": (batch,)}, rosters={"21": Roster(batch, learners)})
    try:
        one = resolved(table(*(f"1,Spring,{row}" for row in rows)), lists)
    except ReadFailed:
        assert not any(people)
        return
    for index, row in enumerate(rows):
        same = [learner.id for learner in learners if learner.email.strip().lower() == row.strip().lower()]
        if index in one.settled:
            assert len(same) != 1
        else:
            assert same == [one.columns[one.roles.learner][index]]


def test_learner_ids_beside_names_are_removed_from_the_batch_that_has_this_name(tmp_path: Path) -> None:
    program, file = Bulkremove(tmp_path / "home", environment()), tmp_path / "people.csv"
    file.write_text('Course,Batch,Learner ID\nFire safety,"Fire safety, spring",478346000019558038\n')
    in_sandbox = ("--sandbox", str(SAMPLES / "world.json"), "--speed", "300")
    assert "give --match learner-id" in program("preview", str(file), *in_sandbox).stdout
    preview = json.loads(program("preview", str(file), *in_sandbox, "--match", "learner-id", "--json").stdout)
    assert (1, True) == (preview["removals"], "--match learner-id" in preview["command"])
    done = program("run", str(file), *in_sandbox, "--match", "learner-id", "--plan", preview["plan_hash"])
    assert (0, True) == (done.returncode, "Removed 1" in done.stdout), done.stderr


def test_a_list_of_addresses_is_previewed_and_removed_by_its_hash(tmp_path: Path) -> None:
    program, file = Bulkremove(tmp_path / "home", environment()), tmp_path / "people.csv"
    file.write_text('Course,Batch,E-mail\nFire safety,"Fire safety, spring",Learner5@example.com\n')
    in_sandbox = ("--match", "email", "--sandbox", str(SAMPLES / "world.json"), "--speed", "300")
    preview = program("preview", str(file), *in_sandbox, "--json")
    assert 0 == preview.returncode, preview.stderr
    told = json.loads(preview.stdout)
    assert "--match email" in told["command"]
    done = program("run", str(file), *in_sandbox, "--plan", told["plan_hash"])
    assert 0 == done.returncode, done.stderr
    with next(tmp_path.glob("*-report.csv")).open(encoding="utf-8-sig", newline="") as report:
        (row,) = csv.DictReader(report)
    assert ("removed", "478346000019558038") == (row["status"], row["Learner ID"])
    again = program("preview", str(next(tmp_path.glob("*-report.csv"))), *in_sandbox)
    assert "Leave --match out" in again.stderr
