"""Nights that ask Zoho who has left: what they remove, what they leave, and what holds them. In virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bulkremove.app import Stop
from bulkremove.app.leavers import ASK_AGAIN_SECONDS
from bulkremove.app.night_checks import night_checks
from bulkremove.app.nightly import NightlyRunEnd
from bulkremove.domain.ledger import EMPLOYEE_CALLS
from bulkremove.domain.row import Removal, Status
from bulkremove.sandbox import Employee
from tests.leaver_fixtures import LeaverSite, enrolment, leaver_site, number
from tests.virtual_time import run

DAY = 86_400.0
pytestmark = pytest.mark.slow


def play(tmp_path: Path, scene: Callable[[LeaverSite], Awaitable[None]], **options: Any) -> None:
    """Play a scene on a site in virtual time."""

    async def main() -> None:
        async with leaver_site(tmp_path, **options) as one:
            await scene(one)

    run(main, wire=0.002)


def test_a_night_removes_the_enrolments_of_leavers_and_of_nobody_else(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        one.enrol(3, 1, 2)
        one.leave(4, exit_date="01-Jan-2099")
        one.leave(5, status="inactive", exit_date="31-Jan-2026")
        one.change(6, status="Resigned", status_type=0)
        one.sandbox.employees["7"] = Employee("7", "L", "LEARNER007@example.com", "E7", "Inactive", 0)
        result = await one.run()
        assert NightlyRunEnd.DONE == result.end, result.failures + result.held
        assert {enrolment(3, 0), enrolment(3, 1), enrolment(3, 2), enrolment(5, 0)} == one.sandbox.removed
        assert [number(3), number(5)] == one.asked()
        assert any("exit date has not passed" in note for note in result.notes)
        assert any("is not one of a leaver" in note for note in result.notes)
        (job,) = await one.jobs()
        assert 4 == (await one.app.jobs.tally(job))[Status.REMOVED]

    play(tmp_path, scene)


def test_who_was_asked_for_is_asked_for_again_after_a_week_and_at_once_after_a_new_leave(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        await one.run()
        assert [number(3)] == one.asked()
        one.leave(4)
        one.enrol(3, 1)
        await one.clock.sleep(DAY)
        await one.run()
        assert [number(4)] == one.asked()
        one.change(4, status="Active", status_type=1)
        one.enrol(4, 2)
        await one.clock.sleep(DAY)
        await one.run()
        assert {enrolment(4, 2)} == one.enrolments_of(4)
        one.leave(4)
        await one.clock.sleep(DAY)
        await one.run()
        assert [number(4)] == one.asked()
        assert set() == one.enrolments_of(4)
        assert {enrolment(3, 1)} == one.enrolments_of(3)
        await one.clock.sleep(ASK_AGAIN_SECONDS - 3 * DAY)
        await one.run()
        assert set() == one.enrolments_of(3)

    play(tmp_path, scene)


def test_an_enrolment_that_is_there_again_is_removed_again(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        for _ in range(2):
            one.leave(3)
            one.enrol(3, 0)
            await one.run()
            assert set() == one.enrolments_of(3)
            await one.clock.sleep(ASK_AGAIN_SECONDS + DAY)
        assert 2 == len(await one.jobs())

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ("empty", "lists no employee"),
        ("no_records", "lists no employee"),
        ("short no_records", "counts 10 employees and lists 5"),
        ("cut", "can't be read"),
        ("403", "may probably not see this"),
        ("scope_403", "ZOHOPEOPLE.forms.READ"),
        ("422", "has locked the employee form"),
        ("html_200", "Something other"),
        ("500", "did not answer"),
    ],
)
def test_an_answer_about_employees_that_is_no_good_holds_the_night(tmp_path: Path, shape: str, why: str) -> None:
    async def scene(one: LeaverSite) -> None:
        await one.run()
        one.leave(3)
        await one.clock.sleep(DAY)
        one.employees.coming = shape.split()
        result = await one.run()
        assert (NightlyRunEnd.FAILED, set()) == (result.end, one.sandbox.removed)
        assert why in result.failures[0], result.failures
        await one.clock.sleep(DAY)
        assert NightlyRunEnd.DONE == (await one.run()).end
        assert {enrolment(3, 0)} == one.sandbox.removed

    play(tmp_path, scene)


def test_far_fewer_employees_hold_every_night_until_a_person_has_accepted_them(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        await one.run()
        for person in range(5, 10):
            del one.sandbox.employees[number(person)]
        one.leave(3)
        for _ in range(2):
            await one.clock.sleep(DAY)
            assert NightlyRunEnd.FAILED == (await one.run()).end
        found = await one.app.leavers.find(remembers=False, accept_fewer=True)
        await one.app.leavers.accept_number(found)
        await one.clock.sleep(DAY)
        assert NightlyRunEnd.DONE == (await one.run()).end
        assert {enrolment(3, 0)} == one.sandbox.removed, "who is not listed has not left"

    play(tmp_path, scene)


def test_a_roster_that_breaks_off_once_is_read_again_in_the_next_night(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(2)
        one.reads.coming = ["ok", "ok", "ok", "cut"]
        await one.run()
        assert set() == one.sandbox.removed
        await one.clock.sleep(DAY)
        await one.run()
        assert {enrolment(2, 0)} == one.sandbox.removed

    play(tmp_path, scene)


def test_courses_that_can_t_be_read_are_told_and_read_in_the_next_night(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        for person in (2, 3, 4):
            one.leave(person)
        one.reads.coming = ["ok"] * 5 + ["cut"]  # after the courses and the roster of the first one
        result = await one.run()
        assert NightlyRunEnd.FAILED == result.end
        assert "The courses of a leaver could not be read" in result.failures[0]
        assert 2 == len(one.sandbox.removed)
        await one.clock.sleep(DAY)
        assert NightlyRunEnd.DONE == (await one.run()).end
        assert {enrolment(person, 0) for person in (2, 3, 4)} == one.sandbox.removed

    play(tmp_path, scene)


def test_a_lock_out_leaves_the_rest_to_the_next_night_and_no_call_is_made_in_it(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        for person in range(1, 8):
            one.leave(person)
        one.reads.coming = ["ok"] * 6 + ["422"]
        result = await one.run()
        assert NightlyRunEnd.FAILED == result.end
        removed = len(one.sandbox.removed)
        assert 0 < removed < 7
        assert any("asked for by the next nightly runs" in note for note in result.notes), result.notes
        times = [entry.time for entry in one.sandbox.requests if entry.counted]
        locked = next(i for i, entry in enumerate(e for e in one.sandbox.requests if e.counted) if entry.fault == "422")
        assert times[locked + 1] - times[locked] >= 300.0
        await one.clock.sleep(DAY)
        await one.run()
        assert 7 == len(one.sandbox.removed)

    play(tmp_path, scene)


@pytest.mark.parametrize("reads", [["record_numbers"], ["400"]])
def test_leavers_are_refused_until_doctor_has_seen_the_fields(tmp_path: Path, reads: list[str]) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        result = await one.run()
        assert "bulkremove doctor --read COURSE BATCH --leavers" in result.failures[0]
        assert [] == one.asked()
        one.reads.coming = ["ok"] * 4 + reads
        async with one.app.listings.open() as lists:
            await lists.fields(enrolment(0, 0).course, enrolment(0, 0).batch, for_leavers=True)
        assert "bulkremove doctor --read COURSE BATCH --leavers" in (await one.run()).failures[0]
        assert set() == one.sandbox.removed

    play(tmp_path, scene, is_looked_at=False)


def test_the_first_plan_waits_for_a_person(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        assert NightlyRunEnd.NEEDS_PERSON == (await one.run()).end
        (job,) = await one.jobs()
        await one.app.jobs.approve(job.id, by="kim")
        await one.clock.sleep(DAY)
        await one.run()
        assert {enrolment(3, 0)} == one.sandbox.removed

    play(tmp_path, scene, has_past=False)


def test_a_dry_run_shows_the_plan_and_remembers_nothing(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        for _ in range(2):
            result = await one.app.nightly_runs(one.app.supervisor()).dry_run()
            assert [1] == [preview.plan.removals for preview in result.plans], result.failures
        await one.run()
        assert {enrolment(3, 0)} == one.sandbox.removed

    play(tmp_path, scene)


def test_a_plan_of_an_earlier_night_is_held_when_somebody_in_it_has_come_back(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        one.leave(4)
        await one.run()
        one.change(4, status="Active", status_type=1)
        await one.clock.sleep(DAY)
        one.employees.coming = ["500"]
        assert NightlyRunEnd.FAILED == (await one.run()).end
        assert set() == one.sandbox.removed, "who has come back is not known"
        await one.clock.sleep(DAY)
        result = await one.run()
        assert "1 of its rows are of people who do not count as leavers any more" in result.held[0]
        assert set() == one.sandbox.removed
        one.leave(4)
        (job,) = await one.jobs()
        await one.app.jobs.approve(job.id, by="kim")
        await one.clock.sleep(DAY)
        await one.run()
        assert {enrolment(3, 0), enrolment(4, 0)} == one.sandbox.removed

    play(tmp_path, scene, delay_days=1)


@pytest.mark.parametrize("is_remembered", [True, False])
def test_a_file_that_no_plan_was_made_of_is_superseded_and_nobody_in_it_is_lost(
    tmp_path: Path, is_remembered: bool
) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        one.leave(4)
        intake = one.app.nightly_runs(one.app.supervisor())._intake
        intake.incoming.inbox.path.mkdir(mode=0o700)
        await intake.incoming.leavers.fetch(intake.incoming.inbox.path)
        if is_remembered:
            await intake.incoming.leavers.remember()  # and then killed, or stopped
        one.change(4, status="Active", status_type=1)
        await one.clock.sleep(DAY)
        result = await one.run()
        assert NightlyRunEnd.DONE == result.end, result.held
        assert "An earlier list of leavers" in result.unchanged[0]
        assert (1, {enrolment(3, 0)}) == (len(await one.jobs()), one.sandbox.removed)

    play(tmp_path, scene)


def test_a_list_of_an_earlier_night_that_is_given_anew_is_held_for_who_came_back(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        await one.run()
        one.change(3, status="Active", status_type=1)
        one.enrol(3, 0)
        (path,) = (one.app.settings.home / "nightly" / "done").glob("*zoho-leavers.csv")
        await one.clock.sleep(DAY)
        result = await one.app.nightly_runs(one.app.supervisor()).run(stop=Stop(), rerun_name=path.name)
        assert "1 of its rows are of people who do not count as leavers any more" in result.held[0]
        assert {enrolment(3, 0)} == one.enrolments_of(3)

    play(tmp_path, scene)


def test_doctor_says_what_a_night_for_leavers_lacks(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        (check, _) = await night_checks(one.app.context)
        assert (False, True) == (check.ok, "doctor --read COURSE BATCH --leavers" in check.hint), check
        async with one.app.listings.open() as lists:
            await lists.fields(enrolment(0, 0).course, enrolment(0, 0).batch, for_leavers=True)
        assert (await night_checks(one.app.context))[0].ok
        settings = replace(one.app.context.settings, leaver_statuses=(), nights=())
        night = replace(one.app.settings.nights[0], leaver_statuses=())
        context = replace(one.app.context, settings=replace(settings, nights=(night,), top=None, night=None))
        assert "Nobody has said which employees have left" in (await night_checks(context))[0].message

    play(tmp_path, scene, is_looked_at=False)


PEOPLE, NIGHTS = 60, 30


def test_a_month_of_nights_removes_exactly_the_enrolments_of_those_who_have_left(tmp_path: Path) -> None:
    play(tmp_path, partial(_month, seed=1), people=PEOPLE, baseline_factor=99.0)


async def _month(one: LeaverSite, *, seed: int) -> None:
    """Every day people leave, are hired and come back; some nights Zoho answers badly, or locks the account."""
    random = Random(seed)
    gone: dict[int, int] = {}
    """Who has left, and on which day."""
    again: set[int] = set()
    """Who was employed again, under another record; the old one stays inactive."""
    hired = PEOPLE // 2
    """People from this number on are not employed yet."""
    for person in range(hired, PEOPLE):
        del one.sandbox.employees[number(person)]
        one.sandbox.enrolled.difference_update(one.enrolments_of(person))
    for person in range(hired):
        one.enrol(person, random.randrange(1, 3))
    for person in range(12):
        one.leave(person)
        gone[person] = 0
    wanted: set[Removal] = set()
    bad = {5: ["empty"], 9: ["short", "no_records"], 13: ["cut"], 17: ["no_records"], 21: ["422"]}
    locks = {3: ["ok", "422"], 11: ["ok"] * 3 + ["429"], 19: ["500"]}
    for day in range(1, NIGHTS + 1):
        employed = [person for person in range(hired) if person not in gone]
        for person in random.sample(employed, 1):
            one.leave(person, exit_date=random.choice(["", "01-Feb-2026"]))
            gone[person] = day
        if day % 4 == 0:
            one.leave(random.choice([p for p in employed if p not in gone]), exit_date="31-Dec-2099")
        if day % 3 == 0 and hired < PEOPLE:
            one.sandbox.employees[number(hired)] = Employee(
                number(hired), f"Learner {hired:03}", f"learner{hired:03}@example.com", f"E{hired:03}"
            )
            one.enrol(hired, 0, 2)
            hired += 1
        if day % 5 == 0:  # on the same record, with a new enrolment
            person = random.choice([p for p in gone if p not in again])
            del gone[person]
            one.change(person, status="Active", status_type=1, exit_date="")
            if enrolment(person, 1) not in one.sandbox.enrolled:
                one.enrol(person, 1, time=1)
        if day % 6 == 0:  # under another record, with the same address: the old enrolments stay, too
            person = random.choice([p for p in gone if p not in again])
            again.add(person)
            mail = f"learner{person:03}@example.com".upper()
            one.sandbox.employees[f"99{person}"] = Employee(f"99{person}", f"Learner {person:03}", mail, f"N{person}")
            one.enrol(person, 2, time=1)
        if day % 7 == 0 and day < NIGHTS - 7:  # somebody enrols a leaver, who is asked for again after a week
            one.enrol(random.choice([p for p in gone if p not in again]), 2)
        leavers = {person for person in gone if person not in again}
        theirs = {enrolled for person in leavers for enrolled in one.enrolments_of(person)}
        before = set(one.sandbox.enrolled)
        one.employees.coming, one.reads.coming = bad.get(day, [])[:], locks.get(day, [])[:]
        result = await one.run()
        removed = before - one.sandbox.enrolled
        assert removed <= theirs, f"day {day}: somebody who has not left was removed"
        assert bool(day in bad or day in locks) == bool(result.failures), f"day {day}: {result.failures}"
        assert not (day in bad and removed), f"day {day}: {removed}"
        assert [] == result.held, f"day {day}"
        wanted |= removed
        await one.clock.sleep(DAY)
    left_over = {p: one.enrolments_of(p) for p, day in gone.items() if p not in again and one.enrolments_of(p)}
    assert not left_over, f"{left_over}, who left on {gone}"
    assert one.sandbox.removed == wanted
    assert len(wanted) > 40
    assert (0, 0) == (one.sandbox.threshold.lockouts, one.sandbox.employee_threshold.lockouts)
    assert one.sandbox.threshold.peak_calls <= 30
    assert one.sandbox.employee_threshold.peak_calls <= EMPLOYEE_CALLS
