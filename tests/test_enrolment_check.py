"""The enrolment check: who the learners of a plan are, and which rows are left out. In doubt a row is sent."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.app import App, Preview, SandboxOptions, Stop
from bulkremove.cli.preview_text import lines
from bulkremove.config import Settings
from bulkremove.domain.clock import Epoch
from bulkremove.domain.compared_names import is_other_batch
from bulkremove.domain.doubts import DoubtCode
from bulkremove.domain.enrolment_check import (
    LEAVERS_UNLISTED,
    ComparedColumns,
    EarlierRemoval,
    EnrolmentCheck,
    compare,
)
from bulkremove.domain.errors import ConsentMissing
from bulkremove.domain.flags import Flag
from bulkremove.domain.job import EndReason
from bulkremove.domain.leavers_list import COLUMNS
from bulkremove.domain.listing import Batch, Learner, Roster
from bulkremove.domain.plan import Plan
from bulkremove.domain.planner import plan
from bulkremove.domain.row import Exclusion, Status
from bulkremove.reading.columns import compared_columns
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.reader import read
from bulkremove.zoho.accounts import AccountStore, Credentials
from tests.application_fixtures import run
from tests.application_fixtures import stored as stored_job
from tests.cli_fixtures import Bulkremove, environment, sandbox
from tests.nightly_fixtures import nightly_site
from tests.test_reads import BATCH, COUNT, COURSE, learner, world
from tests.web_fixtures import triples, until

SPEED = ("--speed", "60")
HERE = (COURSE, BATCH)


def planned(*rows: str, header: str = "course,batch,learner,name,e-mail") -> Plan:
    """The plan of a file with the ids of these learners in one batch. ``rows``: the index of each, and other cells."""
    lines = [f"{COURSE},{BATCH},{learner(int(row.partition(',')[0]))},{row.partition(',')[2]}" for row in rows]
    table = read(BytesIO("\n".join([header, *lines, ""]).encode()), name="leavers.csv")
    return plan(table, account="default", host="people.zoho.com", client="c")


def roster(*indexes: int, counted: int | None = -1, batch: str = BATCH) -> Roster:
    """``counted``: how many learners Zoho counts in the batch; -1: as many as it lists."""
    people = tuple(
        Learner(learner(i), f"Ann {i:04}", f"ann{i}@example.com", f"E{i}", "100" if i % 2 else "40") for i in indexes
    )
    return Roster(Batch(COURSE, batch, "Spring", len(people) if counted == -1 else counted), people)


def checked(one: Plan, found: Roster | str) -> EnrolmentCheck:
    return compare(one, {HERE: found}, compared_columns(one.table.header, one.table.roles))


def statuses(one: Plan, check: EnrolmentCheck) -> list[str]:
    return [check.exclusions[i].status.value if i in check.exclusions else "" for i in range(len(one.table))]


# --- who is enrolled -----------------------------------------------------------------------------------------


def test_who_is_missing_from_a_list_is_sent_where_the_file_names_people_who_have_left() -> None:
    found = roster(0, 1)
    ordinary = planned("0", "2", header="course,batch,learner,name")
    assert ["", "not_enrolled"] == statuses(ordinary, checked(ordinary, found))
    cells = ",N,ann@example.com,E,1,C,B,"
    leavers = planned(f"0{cells}", f"2{cells}", header=",".join(COLUMNS))
    check = compare(leavers, {HERE: found}, None)
    assert (["", ""], True) == (statuses(leavers, check), LEAVERS_UNLISTED in check.notes)


def test_a_learner_who_is_not_in_a_whole_roster_is_left_out() -> None:
    one = planned("1,", "2,", "3,")
    assert ["", "not_enrolled", ""] == statuses(one, checked(one, roster(1, 3, 4)))


def test_who_has_a_new_learner_id_is_not_told_as_gone() -> None:
    """As somebody has who was put back, or enrolled again by hand."""
    one = planned("1,", "2,Ann 0004,ann4@example.com", "3,")
    check = checked(one, roster(1, 3, 4))
    assert ["", "not_sent", ""] == statuses(one, check)
    assert "so they are in the batch" in check.exclusions[1].detail


def test_a_row_without_an_address_is_looked_for_by_those_of_the_rows_with_its_ids() -> None:
    one = planned("1,", "2,Ann 0004,", "3,", "2,Ann 0004,ann4@example.com")
    check = checked(one, roster(1, 3, 4))
    assert ["", "not_sent", "", ""] == statuses(one, check)
    assert "so they are in the batch" in check.exclusions[1].detail
    own = planned("1,", "2,Ann 0009,ann9@example.com", "2,Ann 0004,ann4@example.com")
    assert "not_enrolled" == statuses(own, checked(own, roster(1, 4)))[1], "its own address says who it is"


def test_a_record_number_of_somebody_in_the_batch_is_no_learner_id() -> None:
    one, listed = planned("1,", "2,", "3,"), roster(1, 4)
    people = (listed.learners[0], replace(listed.learners[1], record_number=one.removal(1).learner))
    check = checked(one, replace(listed, learners=people))
    assert ["", "invalid", "not_enrolled"] == statuses(one, check)
    assert "record number" in check.exclusions[1].detail


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (roster(1, 3, counted=3), "counts 3, so who is not listed is sent"),
        (roster(1, 3, counted=1), "counts 1, so who is not listed is sent"),
        (roster(1, 3, counted=None), "does not say how many it has"),
        ("Zoho is out.", "was not checked: Zoho is out."),
    ],
)
def test_in_doubt_who_is_not_listed_is_sent_as_always(found: Roster | str, note: str) -> None:
    one = planned("1,", "2,", "3,")
    check = checked(one, found)
    assert ["", "", ""] == statuses(one, check)
    assert any(note in text for text in check.notes), check.notes


def test_a_whole_list_with_nobody_of_the_file_is_a_doubt_and_leaves_nobody_out() -> None:
    one = planned("1,", "2,", "3,")
    check = checked(one, roster(7, 8, 9))
    assert ["", "", ""] == statuses(one, check)
    assert [(DoubtCode.NOBODY_LISTED, 3)] == [(doubt.code, doubt.ids) for doubt in check.doubts]
    assert "has 3 learners, and none of the file's 3" in check.doubts[0].text
    assert not checked(one, roster(7, 8, counted=9)).doubts, "the list may not be whole"
    assert not checked(one, roster(1, 8)).doubts


def test_what_zoho_confirmed_before_shows_that_the_file_has_learner_ids() -> None:
    one = planned("1,", "2,", "3,")
    check = compare(one, {HERE: roster(7, 8)}, None, {}, {one.removal(1): EarlierRemoval("Removed by job J.", "")})
    assert ["not_enrolled"] * 3 == statuses(one, check)
    assert ["by job J." in check.exclusions[i].detail for i in range(3)] == [False, True, False]
    assert not check.doubts


def test_a_batch_that_was_not_read_changes_nothing_in_another_one() -> None:
    one = planned("1,", "2,")
    assert ["", ""] == statuses(one, compare(one, {("1", "2"): roster(1)}, ComparedColumns()))


def test_no_row_that_is_left_out_for_another_reason_is_counted_again_but_its_learner_proves_the_ids() -> None:
    one = planned("1,", "1,", "2,")
    check = checked(one, roster(1, 3))
    assert ["", "", "not_enrolled"] == statuses(one, check)
    assert {0} == check.people.keys()


@given(st.sets(st.integers(0, 30), min_size=1), st.sets(st.integers(0, 30)), st.integers(-2, 2))
def test_never_is_a_learner_left_out_who_is_listed_or_by_a_list_that_may_not_be_whole(
    named: set[int], listed: set[int], missing: int
) -> None:
    one = planned(*(f"{i}," for i in sorted(named)))
    check = checked(one, roster(*sorted(listed), counted=max(0, len(listed) + missing)))
    left_out = {sorted(named)[i] for i in check.exclusions}
    assert left_out.isdisjoint(listed)
    if max(0, len(listed) + missing) != len(listed) or named.isdisjoint(listed):
        assert not left_out
    else:
        assert left_out == named - listed


# --- who they are --------------------------------------------------------------------------------------------


def test_a_sorted_column_is_found_by_the_addresses_and_a_person_may_send_the_rows_all_the_same() -> None:
    one = planned("1,Ann,ann2@example.com", "2,Ann,ANN2@Example.com ", "3,Ann,")
    check = checked(one, roster(1, 2, 3))
    assert ["identity_mismatch", "", ""] == statuses(one, check)
    assert [0] == check.mismatched
    assert (
        'The file says "ann2@example.com" and Zoho "ann1@example.com" for this learner.' == check.exclusions[0].detail
    )
    sent = check.including([0, 1])
    assert (["", "", ""], (Flag.COMPLETED, Flag.OTHER_EMAIL)) == (statuses(one, sent), sent.flags[0])
    assert [0] == check.including([1, 2]).mismatched


@pytest.mark.parametrize(
    "cell",
    [
        "mailto:ann1@example.com",
        "Ann <ANN1@example.com>",
        "old@example.com; ann1@example.com",
        "ann1@example.com (left in March)",
        "'ann1@example.com",
        "\u200bann1@example.com.",
        "\uff41nn1@example.com",
        *("-", "n/a", "none", "ann1 at example.com", "@", "@example.com", "ann1@"),
    ],
)
def test_an_address_is_found_in_what_stands_around_it_and_a_cell_without_one_names_nobody(cell: str) -> None:
    one = planned(f'1,Ann,"{cell}"')
    assert [""] == statuses(one, checked(one, roster(1))), cell


@pytest.mark.parametrize("cell", ["ann1+hr@example.com", "ann1@example.com.au", "xann1@example.com", "mailto:b@c.org"])
def test_another_address_is_never_taken_for_the_learner_s(cell: str) -> None:
    one = planned(f'1,Ann,"{cell}"')
    assert ["identity_mismatch"] == statuses(one, checked(one, roster(1))), cell


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("1,,ann1@example.com", "1,,bo@example.com"), ["", "identity_mismatch"]),
        (("1,,bo@example.com", "1,,ann1@example.com"), ["identity_mismatch", ""]),
        (("1,,", "1,,bo@example.com"), ["identity_mismatch", "identity_mismatch"]),
        (("1,,", "1,,bo@example.com", "1,,ann1@example.com"), ["", "identity_mismatch", "duplicate"]),
        (("1,,ann1@example.com", "1,,"), ["", "duplicate"]),
        (("1,,bo@example.com", "1,,bo@example.com"), ["identity_mismatch", "identity_mismatch"]),
    ],
)
def test_each_row_with_the_same_ids_is_compared_and_the_one_that_zoho_confirms_is_sent(
    cells: Sequence[str], expected: Sequence[str]
) -> None:
    one = planned(*cells, "2,,ann2@example.com")
    check = checked(one, roster(1, 2))
    table = replace(one.table, settled={**check.exclusions, **one.table.settled})
    again = plan(table, account="default", host="people.zoho.com", client="c")
    assert [*expected, ""] == [again.excluded[i].status.value if i in again.excluded else "" for i in range(len(table))]
    assert {i for i in range(len(table)) if i not in again.excluded} <= check.people.keys(), "whoever is sent is named"


def test_rows_of_one_learner_that_are_sent_all_the_same_are_one_removal() -> None:
    one = planned("1,,bo@example.com", "1,,bo@example.com", "1,,ann1@example.com", "2,,")
    check = checked(one, roster(1, 2))
    check = check.including(check.mismatched)
    table = replace(one.table, settled={**check.exclusions, **one.table.settled}, included=check.included)
    again = plan(table, account="default", host="people.zoho.com", client="c")
    assert (2, {1, 2}) == (again.removals, set(again.excluded))


def test_a_detail_stays_short_whatever_the_cell_holds() -> None:
    one = planned(f'1,Ann,"{"; ".join(f"b{i}@example.com" for i in range(50))}"')
    assert (
        'The file says "b0@example.com" and "b1@example.com" and "b2@example.com" and others and Zoho '
        '"ann1@example.com" for this learner.' == checked(one, roster(1)).exclusions[0].detail
    )


def test_nothing_is_concluded_from_an_address_that_zoho_does_not_give() -> None:
    one = planned("1,Ann,other@example.com")
    nameless = Roster(Batch(COURSE, BATCH, "Spring", 1), (Learner(learner(1)),))
    check = checked(one, nameless)
    assert ([""], {}) == (statuses(one, check), check.flags)


@pytest.mark.parametrize(
    ("in_file", "is_flagged"),
    [("Bo 9", True), ("ann", False), ("ÁNN", False), ("9999, 0002", False), ("", False), ("-", False)],
)
def test_names_without_a_common_part_are_flagged_and_sent(in_file: str, is_flagged: bool) -> None:
    one = planned(f'2,"{in_file}",')
    check = checked(one, roster(2))
    assert ([""], is_flagged) == (statuses(one, check), Flag.OTHER_NAME in check.flags.get(0, ()))


@pytest.mark.parametrize(
    ("cell", "is_doubt"),
    [
        ("Autumn 2026", True),
        ("Spring 2027", True),
        ("Winter", True),
        ("Spring 2026", False),
        ("spring   2026", False),
        ("Spring", False),
        ("Onboarding: Spring 2026", False),
        ("Batch Spring 2026", False),
        ("", False),
        ("3", False),
        ("A", False),
        ("478346000019502001", False),
    ],
)
def test_a_batch_that_the_file_calls_otherwise_than_zoho_is_a_doubt(cell: str, is_doubt: bool) -> None:
    one = planned(f"0,{cell}", "1,Spring 2026", header="Course ID,Batch ID,Learner ID,Batch name")
    found = replace(roster(0, 1), batch=Batch(COURSE, BATCH, "Spring 2026", 2))
    check = checked(one, found)
    assert ["", ""] == statuses(one, check)
    assert [(DoubtCode.OTHER_BATCH_NAME, 1)] * is_doubt == [(doubt.code, doubt.ids) for doubt in check.doubts]
    assert all("'Spring 2026' in Zoho" in doubt.text and f"row 2 says {cell!r}" in doubt.text for doubt in check.doubts)


def test_how_many_have_a_flag_is_told_with_their_rows() -> None:
    one = planned(*(f"{n},{'Somebody Else' if n < 7 else f'Ann {n:04}'}" for n in range(9)))
    texts = [text for _, text in checked(one, roster(*range(9))).flag_texts(one)]
    assert texts == [
        "7 learners have another name in the file (rows 2, 3, 4, 5, 6 and 2 more).",
        "4 learners have completed the course (rows 3, 5, 7, 9).",
    ]
    sent = replace(one, excluded={index: Exclusion(Status.NOT_SENT, "") for index in range(8)})
    assert [] == checked(one, roster(*range(9))).flag_texts(sent)


@pytest.mark.parametrize(
    ("cell", "name", "is_other"),
    [
        ("spring_1", "Spring", False),
        ("Spring2026", "Spring", False),
        ("Spring2026", "Spring 2026", False),
        ("SPRING_2026", "Onboarding, Spring 2026", False),
        ("spring_1", "Spring 2026", False),
        ("Spring 26", "Spring 2026", False),
        ("Spring 27", "Spring 2026", True),
        ("Spring2027", "Spring 2026", True),
        ("autumn_1", "Spring", True),
        ("Spring", "Onboarding, Spring 2026", False),
        ("Group A", "Group B", True),
        ("group_a", "GROUP A", False),
        ("Group A", "Group A (Berlin)", False),
        ("Group A", "Group", False),
        ("Batch 1", "Batch 2", True),
        ("Batch 01", "Batch 1", False),
        ("Batch1", "Batch 12", True),
        ("Batch I", "Batch II", True),
        ("Batch II", "Batch I", True),
        ("Batch 1", "Batch B", False),
        ("Class 3", "Batch 4", False),
        ("Group A", "Spring", False),
        ("Spring Group A", "Spring Group B", True),
        ("3", "Batch 4", False),
        ("A", "Group B", False),
        ("Group A", "", False),
        ("", "Group A", False),
        ("_", "Group A", False),
    ],
)
def test_two_names_of_batches_are_compared_by_their_words(cell: str, name: str, is_other: bool) -> None:
    assert is_other is is_other_batch(cell, name)


@given(cell=st.text(max_size=30), name=st.text(max_size=30))
def test_a_batch_is_never_another_than_itself_or_than_one_with_more_words(cell: str, name: str) -> None:
    assert not is_other_batch(cell, cell)
    assert not is_other_batch(cell, f"{cell} {name}")
    assert not is_other_batch(f"{name} {cell}", cell)


def test_the_batch_of_a_repeated_row_that_is_sent_instead_of_another_is_a_doubt_too() -> None:
    header = "course id,batch id,learner id,batch name,e-mail"
    rows = ("1,Spring,else@example.com", "1,Autumn,ann1@example.com", "1,Winter,ann1@example.com")
    one = planned(*rows, header=header)
    check = checked(one, roster(1, 2))
    assert ["identity_mismatch", "", ""] == statuses(one, check)
    assert ["row 3 says 'Autumn'."] == [doubt.text.rpartition("and ")[2] for doubt in check.doubts]
    same = planned("1,Spring,ann1@example.com", "1,Autumn,ann1@example.com", header=header)
    assert not checked(same, roster(1, 2)).doubts, "the second row is not sent"


def test_the_batch_of_a_row_that_is_not_sent_is_no_doubt() -> None:
    one = planned("0,Autumn 2026", "1,", header="Course ID,Batch ID,Learner ID,Batch name")
    one = replace(one, excluded={0: Exclusion(Status.NOT_SENT, "")})
    assert () == checked(one, roster(0, 1)).doubts


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("course,batch,learner,E-mail,Name", ComparedColumns(3, (4,))),
        ("course,batch,learner,Email,Mail", ComparedColumns(None, ())),
        ("course,batch,learner,Manager email,Manager", ComparedColumns(None, ())),
        ("course,batch,Learner ID,First name,Surname", ComparedColumns(None, (3, 4))),
        ("course,Batch ID,learner,Batch,Course name", ComparedColumns(None, (), 3)),
        ("course,Batch ID,learner,Batch,Batch name", ComparedColumns(None, ())),
    ],
)
def test_only_columns_that_are_the_learner_s_are_compared(header: str, columns: ComparedColumns) -> None:
    table = read(BytesIO(f"{header}\n1,2,3,4,5\n".encode()), name="a.csv")
    assert columns == compared_columns(table.header, table.roles)


def test_what_was_compared_is_said() -> None:
    assert (
        "No column of the file is known" in checked(planned("1,", header="course,batch,learner,x"), roster(1)).notes[0]
    )
    assert "compared with column 'e-mail', names with 'name'" in checked(planned("1,,"), roster(1)).notes[0]
    one = planned("1,,ann1@example.com", "2,,-", "3,,")
    assert checked(one, roster(1, 2, 3)).notes[0].endswith("1 of 3 rows have an address both in the file and in Zoho.")


# --- over the command line -----------------------------------------------------------------------------------


def leavers(folder: Path, indexes: Sequence[int], **emails: str) -> Path:
    """A file of learners of ``test_reads.world``. ``emails``: by ``i`` and an index, another address than Zoho's."""
    path = folder / "leavers.csv"
    rows = (
        f"{COURSE},{BATCH},{learner(i)},Learner {i:04},{emails.get(f'i{i}', f'learner{i:04}@example.com')}\n"
        for i in indexes
    )
    path.write_text("course,batch,learner,name,e-mail\n" + "".join(rows))
    return path


def of_sandbox(folder: Path, **of_world: object) -> tuple[str, ...]:
    return ("--sandbox", str(world(folder, **of_world)), *SPEED)  # type: ignore[arg-type] # each for its parameter


@pytest.fixture
def program(tmp_path: Path) -> Bulkremove:
    return Bulkremove(tmp_path / "home", environment())


def test_a_run_sends_only_those_who_are_enrolled_and_the_same_person_and_reports_each_row(
    program: Bulkremove, tmp_path: Path
) -> None:
    file, log = leavers(tmp_path, [0, 1, 2, 99], i1="else@example.com"), tmp_path / "log.jsonl"
    with sandbox(world(tmp_path), log, *SPEED) as variables:
        program = Bulkremove(tmp_path / "home", environment(**variables))
        shown = program("preview", str(file), "--check", "--json")
        shown_plan = json.loads(shown.stdout)
        assert (2, 1, 1, True) == (
            shown_plan["removals"],
            shown_plan["not_enrolled"],
            shown_plan["identity_mismatch"],
            shown_plan["checked"],
        ), shown.stderr
        assert ["Learner 0000", "Learner 0001", "Learner 0002"] == [one["name"] for one in shown_plan["people"]]
        assert [["completed"]] == [one["flags"] for one in shown_plan["people"] if one["flags"]]
        ran = program("run", str(file), "--check", "--plan", shown_plan["plan_hash"])
        assert 3 == ran.returncode, ran.stderr
    sent = [json.loads(line) for line in log.read_text().splitlines()]
    assert {learner(0), learner(2)} == {one["path"].rpartition("/")[2] for one in sent if one.get("method") == "DELETE"}
    with next(tmp_path.glob("*-report.csv")).open(encoding="utf-8-sig", newline="") as report:
        rows = list(csv.DictReader(report))
    assert ["removed", "identity_mismatch", "removed", "not_enrolled"] == [row["status"] for row in rows]
    assert "else@example.com" in rows[1]["detail"]
    assert "identity mismatch 1, not enrolled 1" in ran.stderr + ran.stdout


def test_rows_of_another_address_are_sent_if_a_person_says_so(program: Bulkremove, tmp_path: Path) -> None:
    file = leavers(tmp_path, [0, 1], i1="else@example.com")
    options = of_sandbox(tmp_path)
    shown = program("preview", str(file), "--check", *options)
    assert "give --include-mismatched" in shown.stdout, "what a person can do is said"
    held = program("run", str(file), "--check", "--yes", *options)
    assert (3, True) == (held.returncode, "identity mismatch 1" in held.stdout + held.stderr), held.stderr
    sent = program("preview", str(file), "--check", "--include-mismatched", *options)
    assert "another e-mail address in the file, and is sent as a person decided" in sent.stdout
    assert "Another   1 learner is somebody else in Zoho, and is sent as a person decided" in sent.stdout
    assert "row 3: This learner id is that of Learner 0001, learner0001@example.com in Zoho, and the" in sent.stdout
    assert "Another   " not in shown.stdout
    assert "--include-mismatched" in sent.stdout.splitlines()[-2], "the command runs exactly this plan"
    done = program("run", str(file), "--check", "--include-mismatched", "--yes", *options)
    assert 0 == done.returncode, done.stderr
    job = json.loads(program("jobs", "--json").stdout)[0]["job"]
    assert 0 == program("report", job, "-o", str(tmp_path / "told.csv")).returncode
    with (tmp_path / "told.csv").open(encoding="utf-8-sig", newline="") as report:
        rows = list(csv.DictReader(report))
    who = "This learner id is that of Learner 0001, learner0001@example.com in Zoho"
    assert f'{who}, and the file names "else@example.com"; it was sent as a person decided.' in rows[-1]["detail"]
    assert not any("as a person decided" in row["detail"] for row in rows[:-1])
    assert "included mismatched 1" in program("audit").stdout.replace("_", " ").replace(":", ""), program(
        "audit"
    ).stdout


def test_a_hash_is_consent_to_rows_of_another_address_only_if_these_rows_were_shown(
    program: Bulkremove, tmp_path: Path
) -> None:
    file, options = leavers(tmp_path, [0, 1], i1="else@example.com"), of_sandbox(tmp_path)

    def plan_hash(*words: str) -> str:
        return str(json.loads(program("preview", str(file), "--json", *words, *options).stdout)["plan_hash"])

    unchecked, included = plan_hash("--no-check"), plan_hash("--check", "--include-mismatched")
    for shown, words in ((unchecked, ("--check", "--include-mismatched")), (included, ("--no-check",))):
        refused = program("run", str(file), "--plan", shown, *words, *options)
        assert (4, True) == (refused.returncode, "Zoho's list of a batch has changed" in refused.stderr), refused.stderr
    done = program("run", str(file), "--plan", included, "--check", "--include-mismatched", *options)
    assert 0 == done.returncode, done.stderr


@pytest.mark.parametrize("reads", [["ok"] * 30, ["500"] * 30])
def test_a_hash_is_no_consent_without_the_comparison_that_its_plan_asked_for(
    program: Bulkremove, tmp_path: Path, reads: list[str]
) -> None:
    """Also where Zoho can't be asked any more, or nobody asks: the doubt was shown, and nobody has cleared it."""
    file = tmp_path / "leavers.csv"
    file.write_text(f"course,batch id,learner,batch name\n{COURSE},{BATCH},{learner(0)},Autumn\n")
    shown = json.loads(program("preview", str(file), "--check", "--json", *of_sandbox(tmp_path)).stdout)
    assert ["other_batch_name"] == [doubt["code"] for doubt in shown["doubts"]]
    options = of_sandbox(tmp_path, reads=reads)
    for words in ((), ("--no-check",), ("--check",)):
        refused = program("run", str(file), "--plan", shown["plan_hash"], *words, *options)
        assert refused.returncode in (1, 4), (words, refused.stderr)
        assert "Removed" not in refused.stdout
    if reads[0] == "ok":
        done = program("run", str(file), "--plan", shown["plan_hash"], "--compared", "1", "--check", *options)
        assert 0 == done.returncode, done.stderr


def test_a_check_that_was_demanded_refuses_the_plan_when_zoho_can_t_say(program: Bulkremove, tmp_path: Path) -> None:
    file = leavers(tmp_path, [0, 1])
    for reads, words in ((["scope_403"], "ZOHOPEOPLE.training.READ"), (["ok", "cut"], "can't be read")):
        home = Bulkremove(tmp_path / words[:4], program.env)
        refused = home("run", str(file), "--check", "--yes", *of_sandbox(tmp_path, reads=reads))
        assert (True, False) == (words in refused.stderr, "Removed" in refused.stdout), refused.stderr
        assert not list(tmp_path.glob("*-report.csv"))
    both = program("preview", str(file), "--check", "--no-check")
    assert (2, True) == (both.returncode, "exclude each other" in both.stderr)


def test_a_check_that_was_demanded_names_the_batch_that_can_t_be_read(program: Bulkremove, tmp_path: Path) -> None:
    file, unknown = leavers(tmp_path, [0, 1]), BATCH.replace("502001", "502999")
    file.write_text(file.read_text() + f"{COURSE},{unknown},{learner(3)},,\n")
    refused = program("preview", str(file), "--check", *of_sandbox(tmp_path))
    assert f"Batch {unknown} of course {COURSE} was not checked: Zoho knows no such" in refused.stderr, refused.stderr


def test_another_person_is_listed_before_those_who_have_completed_the_course(
    program: Bulkremove, tmp_path: Path
) -> None:
    file = leavers(tmp_path, range(60), i57="else@example.com")
    file.write_text(file.read_text().replace("Learner 0058", "Bo Li"))
    shown = program("preview", str(file), "--check", "--include-mismatched", *of_sandbox(tmp_path, count=60)).stdout
    assert "Another" in shown
    listed = shown.partition("People")[2].partition("\nPlan ")[0]
    people = [line.split() for line in listed.splitlines() if "@example.com" in line]
    assert [("59:", "email"), ("60:", "name")] == [(row[1], "name" if "name" in row else "email") for row in people[:2]]
    assert 20 == len(people)


def test_a_check_that_was_demanded_is_refused_without_an_account(program: Bulkremove, tmp_path: Path) -> None:
    file = leavers(tmp_path, [0, 1])
    for command in ("preview", "run"):
        refused = program(command, str(file), "--check")
        assert ("There is no account" in refused.stderr, "") == (True, refused.stdout), refused.stderr
    assert "2 learners" in program("preview", str(file)).stdout, "a plan needs no account"


def test_unasked_no_list_is_read_that_takes_more_calls_than_a_check_may(tmp_path: Path) -> None:
    file, home = leavers(tmp_path, [0, 1]), tmp_path / "home"
    home.mkdir(mode=0o700)
    stored(home, may_read=True)
    log = tmp_path / "log.jsonl"
    with sandbox(world(tmp_path, count=1500), log, *SPEED) as variables:
        urls = {name: value for name, value in variables.items() if name.endswith("_URL")}
        program = Bulkremove(home, environment(**urls, BULKREMOVE_SPEED="60"))
        shown = json.loads(program("preview", str(file), "--json").stdout)
        assert 1 == log.read_text().count('"GET"')
        demanded = json.loads(program("preview", str(file), "--json", "--check").stdout)
    assert (2, []) == (shown["removals"], shown["people"])
    assert any("was not checked: Zoho counts 1,500 learners" in note for note in shown["notes"]), shown["notes"]
    assert 2 == len(demanded["people"])


def test_no_flag_and_no_variable_loosens_a_check_that_the_settings_file_demands(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "bulkremove.toml").write_text('enrolment_check = "always"\n')
    file, options = str(leavers(tmp_path, [0])), of_sandbox(tmp_path)
    refused = Bulkremove(home, environment())("preview", file, "--no-check", *options)
    assert (2, True) == (refused.returncode, "--no-check can't loosen enrolment_check" in refused.stderr)
    loosened = Bulkremove(home, environment(BULKREMOVE_ENROLMENT_CHECK="never"))
    assert "can't loosen enrolment_check" in loosened("preview", file, *options).stderr
    assert "People" in Bulkremove(home, environment())("preview", file, *options).stdout


def stored(home: Path, *, may_read: bool) -> None:
    AccountStore(home, None).add("default", Credentials("us", "sandbox", "s", "r"), "Acme", may_read=may_read)


@pytest.mark.parametrize("may_read", [False, True])
def test_unasked_a_plan_is_checked_where_the_login_permits_reads(tmp_path: Path, may_read: bool) -> None:
    file, log = leavers(tmp_path, [0, 1, 99]), tmp_path / "log.jsonl"
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    stored(home, may_read=may_read)
    with sandbox(world(tmp_path), log, *SPEED) as variables:
        urls = {name: value for name, value in variables.items() if name.endswith("_URL")}
        program = Bulkremove(home, environment(**urls, BULKREMOVE_SPEED="60"))
        for extra, is_checked in (((), may_read), (("--no-check",), False)):
            shown = json.loads(program("preview", str(file), "--json", *extra).stdout)
            assert (is_checked, 2 if is_checked else 3) == (shown["checked"], shown["removals"])
    if not may_read:
        assert not log.read_text().count('"GET"'), "no read is made that nobody permitted"


@pytest.mark.parametrize(
    ("scope", "is_checked", "is_told"),
    [
        ("ZOHOPEOPLE.training.DELETE,ZOHOPEOPLE.training.READ", True, False),
        ("ZOHOPEOPLE.training.ALL", True, False),
        ("ZOHOPEOPLE.training.DELETE", False, False),
        ("", False, True),
    ],
)
def test_unasked_a_plan_is_checked_where_a_variable_says_that_credentials_may_read(
    tmp_path: Path, scope: str, is_checked: bool, is_told: bool
) -> None:
    file, log = leavers(tmp_path, [0, 1, 99]), tmp_path / "log.jsonl"
    with sandbox(world(tmp_path), log, *SPEED) as variables:
        program = Bulkremove(tmp_path / "home", environment(**variables, BULKREMOVE_SCOPE=scope))
        shown = json.loads(program("preview", str(file), "--json").stdout)
    assert (is_checked, 2 if is_checked else 3) == (shown["checked"], shown["removals"])
    assert is_told == any("not known whether these credentials may read" in note for note in shown["notes"])
    assert is_checked == bool(log.read_text().count('"GET"')), "no read is made that nobody permitted"


def test_a_plan_and_its_files_have_the_names_that_zoho_s_lists_give(program: Bulkremove, tmp_path: Path) -> None:
    file, out = leavers(tmp_path, [0, 99]), tmp_path / "plan.csv"
    shown = program("preview", str(file), "--check", "-o", str(out), *of_sandbox(tmp_path))
    assert f"batch {BATCH} (Spring)" in shown.stdout
    with out.open(encoding="utf-8-sig", newline="") as plan_file:
        first, second = csv.DictReader(plan_file)
    assert ("Learner 0000", "learner0000@example.com", "Spring") == tuple(
        first[f"zoho_{name}"] for name in ("name", "email", "batch")
    )
    assert ("", "Spring") == (second["zoho_name"], second["zoho_batch"])
    told = json.loads(program("preview", str(file), "--check", "--json", *of_sandbox(tmp_path)).stdout)
    assert "Spring" == told["batches"][0]["name"]
    unchecked = program("preview", str(file), "--no-check", "-o", str(tmp_path / "2.csv"), *of_sandbox(tmp_path))
    assert (0, False) == (unchecked.returncode, "zoho_name" in (tmp_path / "2.csv").read_text())


def test_the_bundled_sandbox_knows_what_its_credentials_may(program: Bulkremove, tmp_path: Path) -> None:
    file = leavers(tmp_path, [0, 1, 99])
    for scope, is_checked in (("ZOHOPEOPLE.training.ALL", True), ("ZOHOPEOPLE.training.DELETE", False)):
        options = ("--sandbox", str(world(tmp_path, scope=scope)), "--speed", "300")
        assert is_checked == json.loads(program("preview", str(file), "--json", *options).stdout)["checked"]


def test_unasked_what_can_t_be_read_leaves_the_plan_as_it_was_and_says_so(tmp_path: Path) -> None:
    file, home = leavers(tmp_path, [0, 1, 99]), tmp_path / "home"
    home.mkdir(mode=0o700)
    stored(home, may_read=True)
    with sandbox(world(tmp_path, reads=["scope_403"]), tmp_path / "log.jsonl", *SPEED) as variables:
        urls = {name: value for name, value in variables.items() if name.endswith("_URL")}
        program = Bulkremove(home, environment(**urls, BULKREMOVE_SPEED="60"))
        shown = program("preview", str(file), "--json")
    told = json.loads(shown.stdout)
    assert (0, False, 3) == (shown.returncode, told["checked"], told["removals"]), shown.stderr
    assert any("could not be looked up in Zoho" in note for note in told["notes"])


def test_a_report_s_rows_of_another_person_stay_unsent_when_it_is_given_back(
    program: Bulkremove, tmp_path: Path
) -> None:
    file = leavers(tmp_path, [0, 1, 99], i1="else@example.com")
    options = of_sandbox(tmp_path)
    program("run", str(file), "--check", "--yes", *options)
    report = next(tmp_path.glob("*-report.csv"))
    again = json.loads(program("preview", str(report), "--json", "--no-check", *options).stdout)
    assert (1, 1, 1) == (again["removals"], again["done_before"], again["identity_mismatch"]), "99 is tried"
    report.write_text(report.read_text(encoding="utf-8-sig").replace("identity_mismatch", "not_sent"))
    changed = json.loads(program("preview", str(report), "--json", "--no-check", *options).stdout)
    assert (1, 1) == (changed["removals"], changed["identity_mismatch"]), "the journal knows better"


# --- from a list that was kept -------------------------------------------------------------------------------


async def test_nobody_is_left_out_by_a_list_that_was_kept_and_other_lists_are_read_once(tmp_path: Path) -> None:
    file = leavers(tmp_path, [0, 30])
    app = App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world(tmp_path), 300.0))

    async def check() -> tuple[Preview, int]:
        preview = await app.plans.preview(file, name="leavers.csv", options=ReadOptions())
        before = await app.plans.calls_since(Epoch(0.0))
        done = await app.enrolment_checks.check(preview, is_asked=True)
        return done, await app.plans.calls_since(Epoch(0.0)) - before

    with closing(app):
        first, cost = await check()
        assert (1, 1, True) == (first.plan.removals, first.plan.not_sent()[Status.NOT_ENROLLED], cost > 2)
        again, more = await check()
        assert (first.plan.hash, cost) == (again.plan.hash, more), "what leaves a row out is read anew"
        world(tmp_path, count=31)  # somebody enrols the other learner
        last, _ = await check()
        assert 2 == last.plan.removals, last.plan.excluded
        assert (2, 0) == ((whole := await check())[0].plan.removals, whole[1]), "a list that leaves nobody out is kept"


@pytest.mark.parametrize("is_demanded", [False, True])
def test_a_list_that_can_t_be_read_anew_leaves_nobody_out(tmp_path: Path, is_demanded: bool) -> None:
    file, log, home = leavers(tmp_path, [0, 1, 30], i1="else@example.com"), tmp_path / "log.jsonl", tmp_path / "home"
    home.mkdir(mode=0o700)
    stored(home, may_read=True)
    with sandbox(world(tmp_path, reads=[*["ok"] * 4, "cut"]), log, *SPEED) as variables:
        urls = {name: value for name, value in variables.items() if name.endswith("_URL")}
        program = Bulkremove(home, environment(**urls, BULKREMOVE_SPEED="60"))
        first = json.loads(program("preview", str(file), "--json").stdout)
        assert (1, 1, 1) == (first["removals"], first["not_enrolled"], first["identity_mismatch"])
        again = program("preview", str(file), "--json", *["--check"] * is_demanded)
    if is_demanded:
        assert "was not checked" in again.stderr, again.stderr
        return
    plan_json = json.loads(again.stdout)
    assert (2, 0, 1) == (plan_json["removals"], plan_json["not_enrolled"], plan_json["identity_mismatch"])
    assert any("not read anew" in note for note in plan_json["notes"]), plan_json["notes"]


async def test_who_was_removed_by_an_earlier_job_is_told_as_such_and_not_sent_again(tmp_path: Path) -> None:
    file = leavers(tmp_path, [0, 1])
    variables = Settings(tmp_path / "home", canary="live")
    with closing(App(variables, environ={}, sandbox=SandboxOptions(world(tmp_path), 60.0))) as app:
        async with app.connections.in_sandbox():

            async def preview() -> Preview:
                return await app.enrolment_checks.check(
                    await app.plans.preview(file, name="leavers.csv", options=ReadOptions()), is_asked=True
                )

            job = await stored_job(app, await preview(), tmp_path)
            await run(app, job)
            again = await preview()
            assert (0, ()) == (again.plan.removals, again.plan.doubts)
            assert not [line for line in lines(again, None) if line.startswith("Undo")], "there is nothing to undo"
            assert all(f"by job {job.id}." in one.detail for one in again.plan.excluded.values()), again.plan.excluded


async def test_ids_that_no_whole_list_holds_are_sent_only_once_a_person_compared_them(tmp_path: Path) -> None:
    file = leavers(tmp_path, [70, 71])
    with closing(App(Settings(tmp_path / "home"), environ={}, sandbox=SandboxOptions(world(tmp_path), 60.0))) as app:
        preview = await app.plans.preview(file, name="leavers.csv", options=ReadOptions())
        preview = await app.enrolment_checks.check(preview, is_asked=True)
        assert (2, 2) == (preview.plan.removals, preview.plan.doubtful_ids)
        with pytest.raises(ConsentMissing, match="may be no learner ids"):
            await stored_job(app, preview, tmp_path)


# --- at night ------------------------------------------------------------------------------------------------


async def test_a_night_holds_a_plan_with_another_person_or_one_that_can_t_be_checked(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=30, enrolment_check="always") as site:
        site.drop("wrong.csv", leavers(tmp_path, [0, 1], i1="else@example.com").read_text())
        held = await site.run()
        assert "In 2 of its rows the e-mail address is another one than Zoho has" in held.held[0], held
    (tmp_path / "2").mkdir()
    async with nightly_site(tmp_path / "2", count=30, enrolment_check="always", faults={"reads": ["cut"]}) as site:
        site.drop("any.csv", "course,batch,learner\n" + f"{COURSE},{BATCH},{learner(0)}\n")
        held = await site.run()
        assert "could not be looked up in Zoho" in held.held[0], held


async def test_a_night_holds_a_plan_of_whose_people_a_whole_list_holds_nobody(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=30, enrolment_check="always") as site:
        lines = [f"{COURSE},{BATCH},{learner(i)},left\n" for i in (70, 71)]
        site.drop("other.csv", triples(0) + "".join(lines))
        held = await site.run()
        assert "may be no learner ids" in held.held[0], held


async def test_a_night_that_is_stopped_while_it_checks_ends_at_once_and_the_next_one_takes_the_file(
    tmp_path: Path,
) -> None:
    faults: dict[str, object] = {"reads": ["slow:25", "ok"]}
    async with nightly_site(tmp_path, count=30, enrolment_check="always", faults=faults) as site:
        site.drop("any.csv", triples(0) + f"{COURSE},{BATCH},{learner(0)},left\n")
        stop = Stop()
        night = asyncio.create_task(site.run(stop=stop))
        await until(lambda: site.app.plans.calls_since(Epoch(0.0)))
        stop.request("Enough.", EndReason.TERMINATED)
        result = await night
        assert ("Enough.", []) == (result.stopped, await site.jobs())
        assert "any.csv" in site.where()["working"][0]
        result = await site.run()
        assert (["finished"], []) == ([job.state.value for job in await site.jobs()], result.held)


async def test_a_night_removes_who_is_enrolled_and_counts_no_others(tmp_path: Path) -> None:
    async with nightly_site(tmp_path, count=10, enrolment_check="always") as site:
        header = triples(0)
        site.drop("leavers.csv", header + "".join(f"{COURSE},{BATCH},{learner(i)},left\n" for i in (0, 1, 99)))
        result = await site.run()
        assert not result.held, result.held
        tally = await site.app.jobs.tally(await site.job())
        assert (2, 1) == (tally[Status.REMOVED], tally[Status.NOT_ENROLLED])


def test_the_world_of_these_tests_has_more_than_one_page() -> None:
    assert COUNT > 25
