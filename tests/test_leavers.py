"""Who has left, by the rule, and where the learner ids of their enrolments come from."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.app import leavers as search
from bulkremove.app.leaver_ids import LearnerIds
from bulkremove.config import load
from bulkremove.domain.errors import EmptyRoster, NotListed, ReadFailed, ReadsStopped, SettingsError
from bulkremove.domain.leavers import Employee, KeptReason, LeaverRule, find_leavers, readings
from bulkremove.domain.listing import Batch, Enrolment, Learner, Roster
from bulkremove.sandbox import reads, replies
from tests.cli_fixtures import SAMPLES, Bulkremove, environment, sandbox
from tests.leaver_fixtures import enrolment, leaver_site, number
from tests.virtual_time import run
from tests.web_fixtures import CREDENTIALS

TODAY = date(2026, 3, 10)
RULE = LeaverRule(("Inactive", "Has  resigned"))
LEFT = Employee("1", "A", "a@example.com", "E1", "Inactive", "0")
ACTIVE = Employee("2", "B", "b@example.com", "E2", "Active", "1")
WORKS, EXITS = replace(ACTIVE, status_type="0"), replace(RULE, exit_days=0)


@pytest.mark.parametrize(
    ("one", "rule", "expected"),
    [
        (LEFT, RULE, True),
        (replace(LEFT, status=" has RESIGNED "), RULE, True),
        (replace(LEFT, status="Inactive today"), RULE, None),
        (replace(LEFT, status=""), RULE, None),
        (ACTIVE, RULE, None),
        (LEFT, LeaverRule(), None),
        (replace(LEFT, status_type="1"), RULE, KeptReason.TYPE_ACTIVE),
        (replace(LEFT, status_type=""), RULE, True),
        (replace(LEFT, exit_date="10-Mar-2026"), RULE, KeptReason.EXIT_AHEAD),
        (replace(LEFT, exit_date="09-Mar-2026"), RULE, True),
        (replace(LEFT, exit_date="09-Mar-2026"), replace(RULE, exit_days=1), KeptReason.EXIT_AHEAD),
        (replace(LEFT, exit_date="soon"), RULE, KeptReason.UNREADABLE_DATE),
        (replace(LEFT, exit_date="29-12-1448"), EXITS, KeptReason.UNREADABLE_DATE),
        (replace(WORKS, exit_date="0026-12-31"), EXITS, None),
        (replace(LEFT, joining_date="01-Dec-1448"), RULE, KeptReason.UNREADABLE_JOINING),
        (replace(LEFT, exit_date="02/04/2026"), RULE, KeptReason.EXIT_AHEAD),
        (replace(LEFT, exit_date="01-Jan-2027", joining_date="01-Feb-2027"), RULE, KeptReason.JOINS_LATER),
        (replace(LEFT, exit_date="01-Jan-2020", joining_date="01-Feb-2021"), RULE, True),
        (replace(ACTIVE, exit_date="01-Jan-2020"), RULE, None),
        (replace(WORKS, exit_date="01-Jan-2020"), replace(RULE, exit_days=0), True),
        (replace(WORKS, exit_date="01-Mar-2026"), replace(RULE, exit_days=9), None),
        (replace(WORKS, exit_date="01-Mar-2026"), replace(RULE, exit_days=8), True),
        (replace(ACTIVE, exit_date="01-Jan-2020"), replace(RULE, exit_days=0), KeptReason.TYPE_ACTIVE),
        (replace(WORKS, exit_date="31-Jan-2026", joining_date="01-Mär-2026"), EXITS, KeptReason.UNREADABLE_JOINING),
        (replace(WORKS, exit_date="31-Jan-2026", joining_date="2027/03/01"), EXITS, KeptReason.UNREADABLE_JOINING),
        (replace(LEFT, joining_date="01-Mar-2026 00:00:00"), RULE, KeptReason.UNREADABLE_JOINING),
        (replace(WORKS, exit_date="01/05/2025", joining_date="03/03/2025"), EXITS, None),
        (replace(WORKS, exit_date="01/05/2025", joining_date="04/01/2025"), EXITS, None),
        (replace(WORKS, exit_date="05/06/2025", joining_date="03/03/2025"), EXITS, True),
        (replace(LEFT, exit_date="02/04/2026", joining_date="03/03/2026"), RULE, KeptReason.EXIT_AHEAD),
        (replace(ACTIVE, exit_date="01-Jan-2020", joining_date="01-Feb-2021"), replace(RULE, exit_days=0), None),
        (replace(ACTIVE, exit_date="soon"), replace(RULE, exit_days=0), None),
        (replace(LEFT, department="Sales"), replace(RULE, departments=("sales",)), KeptReason.DEPARTMENT),
        (LEFT, replace(RULE, departments=("sales",)), KeptReason.DEPARTMENT),
        (replace(LEFT, department="Legal"), replace(RULE, departments=("sales",)), True),
    ],
)
def test_the_rule_says_who_has_left(one: Employee, rule: LeaverRule, expected: KeptReason | bool | None) -> None:
    found = find_leavers([one], rule, TODAY)
    told: list[object] = [reason for _, reason in found.kept] + [True for _ in found.leavers]
    assert [expected] * (expected is not None) == told


@pytest.mark.parametrize(
    "other",
    [
        replace(ACTIVE, email=" A@Example.com"),
        replace(ACTIVE, employee_id="e1"),
        replace(ACTIVE, email="a\u200b@example.com"),
        replace(ACTIVE, email="\uff41@example.com"),
        replace(ACTIVE, employee_id="\ufeffe1"),
        replace(LEFT, id="2", exit_date="01-Jan-2099"),
        replace(LEFT, id="2", employee_id="", exit_date="?"),
    ],
)
def test_somebody_who_is_employed_again_is_kept_and_named(other: Employee) -> None:
    found = find_leavers([LEFT, other], RULE, TODAY)
    assert () == found.leavers
    assert (LEFT, KeptReason.EMPLOYED_AGAIN) in found.kept


def test_two_old_records_of_one_person_and_records_without_an_address_are_leavers() -> None:
    nameless = [Employee("3", status="Inactive"), Employee("4", status="Active")]
    again = replace(LEFT, id="5")
    assert (LEFT, again, nameless[0]) == find_leavers([LEFT, again, *nameless], RULE, TODAY).leavers


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("31-Dec-2026", date(2026, 12, 31)),
        ("1 january 2026", date(2026, 1, 1)),
        ("Jan 2, 2026", date(2026, 1, 2)),
        ("2026-01-02", date(2026, 1, 2)),
        ("31/12/2026", date(2026, 12, 31)),
        ("12/31/2026", date(2026, 12, 31)),
        ("03.02.2026", date(2026, 3, 2)),
        ("", None),
        ("soon", None),
        ("31-Foo-2026", None),
        ("30-Sept-2026", date(2026, 9, 30)),
        ("31-marras-2026", None),
        ("15 Marraskuu 2026", None),
        ("01-Mai-2026", None),
        ("31-Feb-2026", None),
        ("1767225600000", None),
        ("01-Jan-26", None),
    ],
)
def test_a_date_is_the_later_one_of_what_it_may_mean_or_none(text: str, day: date | None) -> None:
    found = readings(text)
    assert day == (found[-1] if found else None)


@given(day=st.dates(date(1990, 1, 1), date(2099, 1, 1)), form=st.sampled_from(["%d-%b-%Y", "%d/%m/%Y", "%m-%d-%Y"]))
def test_a_day_is_one_of_the_readings_of_each_form(day: date, form: str) -> None:
    assert day in readings(day.strftime(form))


@given(
    days=st.integers(-400, 400),
    exit_days=st.none() | st.integers(0, 90),
    status=st.sampled_from(["Active", "Inactive"]),
)
def test_nobody_has_left_before_the_exit_date(days: int, exit_days: int | None, status: str) -> None:
    one = Employee("1", status=status, status_type="", exit_date=(TODAY + timedelta(days)).isoformat())
    is_left = bool(find_leavers([one], LeaverRule(("inactive",), exit_days), TODAY).leavers)
    assert is_left == (-days > (exit_days or 0) and (status == "Inactive" or exit_days is not None))


# --- learner ids ---------------------------------------------------------------------------------------------


class Rosters:
    """The rosters of batches, and how often each is asked for."""

    def __init__(self, *learners: Learner, size: int | None = None, error: Exception | None = None) -> None:
        count = len(learners) if size is None else size
        self._roster, self._error, self.calls = Roster(Batch("7", "8", "", count), learners), error, 0

    async def roster(self, course: str, batch: str) -> Roster:
        self.calls += 1
        if self._error:
            raise self._error
        return self._roster


OF_A, OF_B = Learner("11", email="a@example.com", record_number="1"), Learner("12", email="b@x.y", record_number="2")
IN_BATCH = Enrolment("7", "8")


async def learner_id(
    rosters: Rosters, one: Enrolment = IN_BATCH, employee: Employee = LEFT, *, is_complete: bool = True
) -> tuple[str, str]:
    ids: Any = rosters
    return await LearnerIds(ids, is_complete=is_complete).of(employee, one)


async def test_a_learner_id_is_that_of_the_courses_or_of_the_one_learner_with_the_record_number() -> None:
    assert ("99", "") == await learner_id(Rosters(error=AssertionError("not needed")), replace(IN_BATCH, learner="99"))
    assert ("11", "") == await learner_id(Rosters(OF_B, OF_A))
    assert ("11", "") == await learner_id(Rosters(OF_B, OF_A), replace(IN_BATCH, learner=LEFT.id)), "an echo"
    assert ("11", "") == await learner_id(Rosters(OF_B, OF_A, size=9)), "a record number stands for one person"
    assert ("11", "") == await learner_id(Rosters(replace(OF_A, email="")))
    by_mail = [replace(one, record_number="") for one in (OF_A, OF_B)]
    assert ("11", "") == await learner_id(Rosters(*by_mail))
    assert "employees may not be whole" in (await learner_id(Rosters(*by_mail), is_complete=False))[1]


@pytest.mark.parametrize(
    ("rosters", "why"),
    [
        (Rosters(OF_B), "no learner with this record number"),
        (Rosters(OF_A, replace(OF_A, id="13")), "more than one learner with this record number"),
        (Rosters(OF_B, replace(OF_A, record_number="")), "no learner with this record number"),
        (Rosters(replace(OF_A, email="other@example.com")), "different e-mail addresses"),
        (Rosters(replace(OF_A, record_number=""), size=2), "may not be whole"),
        (Rosters(*[replace(OF_A, id=one, record_number="") for one in "34"]), "more than one learner with this e-mail"),
        (Rosters(replace(OF_B, record_number="")), "no learner with this e-mail"),
        (Rosters(error=NotListed("Zoho knows no such batch.")), "no such batch"),
        (Rosters(error=EmptyRoster("Zoho lists no learner.")), "lists no learner"),
    ],
)
async def test_where_no_one_learner_is_meant_there_is_no_id_and_it_is_said_why(rosters: Rosters, why: str) -> None:
    found, note = await learner_id(rosters)
    assert ("", True) == (found, why in note), note


async def test_an_address_that_only_looks_alike_is_another_one() -> None:
    of_strasse = replace(LEFT, email="a.strasse@example.com")
    other = Learner("11", email="a.stra\u00dfe@example.com")
    assert "no learner" in (await learner_id(Rosters(other), employee=of_strasse))[1]
    assert "different e-mail" in (await learner_id(Rosters(replace(other, record_number="1")), employee=of_strasse))[1]


async def test_nobody_is_matched_by_an_empty_address() -> None:
    rosters = Rosters(Learner("11"), Learner("12"))
    assert "no learner" in (await learner_id(rosters, employee=replace(LEFT, email="")))[1]


async def test_a_roster_is_read_once_and_one_that_can_t_be_read_is_no_answer() -> None:
    rosters: Any = Rosters(OF_A, OF_B)
    ids = LearnerIds(rosters, is_complete=True)
    for employee in (LEFT, replace(LEFT, id="2", email="")):
        await ids.of(employee, IN_BATCH)
    assert 1 == rosters.calls
    damaged: Any = Rosters(error=ReadFailed("A record is damaged."))
    ids = LearnerIds(damaged, is_complete=True)
    assert {("", "A record is damaged.")} == {await ids.of(employee, IN_BATCH) for employee in (LEFT, ACTIVE)}
    assert 1 == damaged.calls
    with pytest.raises(ReadsStopped):
        await learner_id(Rosters(error=ReadsStopped("locked")))


# --- the search ----------------------------------------------------------------------------------------------


def test_many_leavers_are_asked_for_over_several_nights_the_new_ones_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_ASKED", 2)

    async def main() -> None:
        async with leaver_site(tmp_path) as one:
            for person in (1, 2, 3):
                one.leave(person)
            found = await one.app.leavers.find(remembers=True)
            assert (2, 1) == (len(found.asked), found.put_off)
            assert any("asked for by the next nightly runs" in note for note in found.notes)
            await one.app.leavers.remember(found)
            await one.clock.sleep(8 * 86_400.0)
            one.asked()
            await one.app.leavers.find(remembers=True)
            assert [number(3), number(1)] == one.asked()
            assert 3 == len((await one.app.leavers.find(remembers=False)).rows)

    run(main, wire=0.002)


def test_half_of_the_day_s_allowance_is_left_to_removals(tmp_path: Path) -> None:
    async def main() -> None:
        async with leaver_site(tmp_path, daily_limit=40) as one:
            for person in range(1, 10):
                one.leave(person)
            used = (await one.app.accounts.allowance()).today
            found = await one.app.leavers.find(remembers=True)
            after = (await one.app.accounts.allowance()).today
            assert after - used <= (40 - used) // 2
            assert 0 < len(found.asked) < 9 == len(found.asked) + found.put_off + len(found.tried)

    run(main, wire=0.002)


def test_leavers_whom_zoho_knows_by_no_course_are_told_and_many_of_them_hold_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with leaver_site(tmp_path, people=12) as one:
            one.leave(1)
            monkeypatch.setattr(reads, "_enrolments", lambda *arguments: replies.NOT_FOUND)
            found = await one.app.leavers.find(remembers=True)
            assert (1, 1, []) == (found.unknown, len(found.asked), found.rows)
            one.reads.coming = ["400"]
            found = await one.app.leavers.find(remembers=True)
            assert (0, 0, 1) == (found.unknown, len(found.asked), len(found.failures)), "a 400 says nothing"
            for person in range(11):
                one.leave(person)
            found = await one.app.leavers.find(remembers=True)
            assert (11, 11) == (found.unknown, len(found.asked))
            assert "no courses of any of 11 leavers" in found.failures[0]
            await one.app.leavers.remember(found)
            monkeypatch.undo()
            one.leave(11)
            await one.app.leavers.remember(await one.app.leavers.find(remembers=True))
            monkeypatch.setattr(reads, "_enrolments", lambda *arguments: replies.NOT_FOUND)
            await one.clock.sleep(8 * 86_400.0)
            found = await one.app.leavers.find(remembers=True)
            assert (12, []) == (found.unknown, found.failures), "Zoho has known somebody who had left"

    run(main, wire=0.002)


def test_an_inactive_person_who_is_in_no_roster_is_an_invalid_row_with_the_reason(tmp_path: Path) -> None:
    async def main() -> None:
        async with leaver_site(tmp_path) as one:
            one.leave(3)
            one.reads.coming = ["ok", "ok", "ok", "without_inactive"]
            (row,) = (await one.app.leavers.find(remembers=True)).rows
            assert ("", "no learner with this record number") == (row.learner, row.note[-35:-1]), row.note
            one.enrol(3, 1)
            one.sandbox.enrolled.discard(enrolment(3, 0))
            one.reads.coming = ["ok", "ok", "ok", "without_inactive"]
            (row,) = (await one.app.leavers.find(remembers=True)).rows
            assert ("", True) == (row.learner, "lists no learner of batch" in row.note), row.note
            one.enrol(3, 0)
            one.sandbox.enrolled.discard(enrolment(3, 1))
            one.reads.coming = ["learner_ids", "learner_ids"]
            (row,) = (await one.app.leavers.find(remembers=True)).rows
            assert enrolment(3, 0).learner == row.learner

    run(main, wire=0.002)


def test_learners_are_found_by_their_address_where_no_roster_has_record_numbers(tmp_path: Path) -> None:
    async def main() -> None:
        async with leaver_site(tmp_path) as one:
            one.leave(3, email="LEARNER003@example.com")
            one.reads.coming = ["ok", "ok", "ok", "without_records"]
            (row,) = (await one.app.leavers.find(remembers=True)).rows
            assert enrolment(3, 0).learner == row.learner

    run(main, wire=0.002)


def test_without_a_rule_the_statuses_are_shown_and_nobody_is_asked_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with leaver_site(tmp_path, leaver_statuses=()) as one:
            one.leave(3)
            with pytest.raises(SettingsError, match=r"'Active' \(9\), 'Inactive' \(1\)"):
                await one.app.leavers.find(remembers=True)
            assert [] == one.asked()

    run(main, wire=0.002)


# --- settings and the command --------------------------------------------------------------------------------


def test_a_block_has_a_rule_of_its_own_and_else_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "bulkremove.toml").write_text(
        'leaver_statuses = ["Inactive"]\nleaver_exit_days = 3\n'
        '[[nights]]\nname = "a"\naccount = "a"\nnotify = "a"\nsource = "zoho:leavers"\n'
        '[[nights]]\nname = "b"\naccount = "b"\nnotify = "b"\nsource = "zoho:leavers"\n'
        'leaver_statuses = "Gone, Left"\nleaver_departments = ["Sales"]\nleaver_exit_days = 0\n'
    )
    settings = load({"home": str(tmp_path)}, {})
    first, second = (settings.for_night(night).leaver_rule for night in settings.nights)
    assert LeaverRule(("Inactive",), 3) == first
    assert LeaverRule(("Gone", "Left"), 0, ("Sales",)) == second


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ('leaver_statuses = [""]\n', "are no names"),
        ("leaver_exit_days = -1\n", "whole number"),
        ('[[nights]]\nsource = "zoho:people"\n', "zoho:leavers"),
        ('[[nights]]\nsource = "zoho:leavers"\n[[nights]]\nname = "b"\nsource = "zoho:leavers"\n', "the same source"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path: Path, lines: str, why: str) -> None:
    (tmp_path / "bulkremove.toml").write_text(lines)
    with pytest.raises(SettingsError, match=why):
        load({"home": str(tmp_path)}, {})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["leavers.csv", "leavers.xlsx"])
def test_the_command_writes_a_file_that_removes_exactly_these_enrolments(tmp_path: Path, name: str) -> None:
    home, options = tmp_path / "home", ("--sandbox", str(SAMPLES / "world.json"), "--speed", "60")
    home.mkdir(mode=0o700)
    program = Bulkremove(home, environment())
    refused = program("leavers", *options)
    assert (2, True) == (refused.returncode, "'Inactive' (5)" in refused.stderr), refused.stderr
    (home / "bulkremove.toml").write_text('leaver_statuses = ["Inactive"]\n')
    told = program("leavers", "-o", str(tmp_path / name), *options)
    assert 0 == told.returncode, told.stderr
    assert "left out: Learner 12  learner12@example.com: another record" in told.stdout
    assert "4 of whom have left; 4 enrolments of theirs" in told.stdout
    assert "exists already" in program("leavers", "-o", str(tmp_path / name), *options).stderr
    as_json = json.loads(program("leavers", "--json", *options).stdout)
    assert (59, 4, 4, 1) == (
        as_json["employees"],
        as_json["leavers"],
        len(as_json["enrolments"]),
        len(as_json["left_out"]),
    )
    done = program("run", str(tmp_path / name), *options, "--yes")
    assert 0 == done.returncode, done.stderr
    report = next(tmp_path.glob("*-report.csv"))
    with report.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {f"Learner {n}" for n in (5, 6, 10, 11)} == {row["Name"] for row in rows}
    assert ["removed"] * 4 == [row["status"] for row in rows]
    assert "leavers" in program("audit").stdout


@pytest.mark.slow
def test_a_sandbox_of_its_own_is_asked_only_after_doctor_and_far_fewer_employees_are_accepted_by_a_person(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "bulkremove.toml").write_text('[[nights]]\nsource = "zoho:leavers"\nleaver_statuses = ["Inactive"]\n')
    with sandbox(SAMPLES / "world.json", tmp_path / "log.jsonl") as variables:
        program = Bulkremove(home, environment(**{**CREDENTIALS, **variables}))
        refused = program("leavers", "--night", "nightly")
        assert (1, True) == (refused.returncode, "doctor --read COURSE BATCH --leavers" in refused.stderr), (
            refused.stderr
        )
        assert "There is no night 'other'" in program("leavers", "--night", "other").stderr
        looked = program("doctor", "--read", "478346000019501001", "478346000019502001", "--leavers")
        assert (0, 7) == (looked.returncode, looked.stdout.count("ok ")), looked.stdout
        assert "Nobody has said yet" in program("leavers").stderr, "the rule is that of the night"
        accepted = program("leavers", "--night", "nightly", "--accept-fewer")
        assert (0, True) == (accepted.returncode, "4 of whom have left" in accepted.stdout), accepted.stderr
