"""A list of employees that is short, or lacks what the rule looks at, holds the night; what is remembered shows it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bulkremove.app import leavers as search
from bulkremove.app.employee_list import KEPT_SECONDS, EmployeeList, check_number
from bulkremove.app.nightly import NightlyResult, NightlyRunEnd
from bulkremove.domain.attempt import Reply
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ReadFailed
from bulkremove.domain.leavers import Employee
from bulkremove.sandbox import Employee as Record
from bulkremove.sandbox import employees as form
from bulkremove.sandbox import reads
from bulkremove.sandbox.replies import CannedResponse
from bulkremove.storage.interface.leavers import LeaverMemory
from bulkremove.zoho.listings import count_in
from bulkremove.zoho.read_response import parse_read
from tests.leaver_fixtures import BATCHES, LeaverSite, enrolment, number
from tests.test_leavers_nights import DAY, play

NOW = Epoch(1e9)
LONG_AGO = Epoch(NOW - KEPT_SECONDS - 1.0)


def listed(*numbers: int, counted: int | None = None) -> EmployeeList:
    return EmployeeList([Employee(str(one)) for one in numbers], counted)


def remembered(count: int, **facts: Any) -> LeaverMemory:
    return replace(LeaverMemory(count, NOW, {}), **facts)


def times(*numbers: int, at: Epoch = NOW) -> dict[str, Epoch]:
    return {str(one): at for one in numbers}


@pytest.mark.parametrize(
    ("found", "memory", "why"),
    [
        (listed(*range(10)), None, ""),
        (listed(*range(10), counted=10), remembered(10), ""),
        (listed(*range(10), counted=11), None, "counts 11 employees and lists 10"),
        (listed(*range(10), counted=11), remembered(10, uncounted=1), ""),
        (listed(*range(10), counted=12), remembered(10, uncounted=1), "counts 12 employees and lists 10"),
        (listed(*range(11), counted=10), remembered(10), ""),
        (listed(*range(8)), remembered(10), ""),
        (listed(*range(7)), remembered(10), "lists 7 employees, and listed 10"),
        (listed(*range(7)), remembered(8, most=10, most_at=NOW), "lists 7 employees, and listed 10"),
        (listed(*range(7)), remembered(8, most=10, most_at=LONG_AGO), ""),
        (listed(*range(10)), remembered(10, listed=times(*range(12))), ""),
        (listed(*range(10)), remembered(10, listed=times(*range(13))), "does not list 3 employees"),
        (listed(*range(10), counted=10), remembered(10, listed=times(*range(13))), ""),
        (listed(*range(10)), remembered(10, listed=times(*range(13), at=LONG_AGO)), ""),
    ],
)
def test_a_list_is_short_by_zoho_s_count_or_by_what_was_listed_in_the_last_weeks(
    found: EmployeeList, memory: LeaverMemory | None, why: str
) -> None:
    if not why:
        check_number(found, memory, NOW, night="")
        return
    with pytest.raises(ReadFailed, match=why) as raised:
        check_number(found, memory, NOW, night="")
    assert "--accept-fewer" in raised.value.hint


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({"response": {"result": {"RecordCount": 7}, "status": 0}}, 7),
        ({"response": {"result": [{"recordCount": "7"}], "status": 0}}, 7),
        ({"totalCount": 7}, 7),
        ({"response": {"result": 7, "status": 0}}, None),
        ({"count": "seven"}, None),
        ({"count": -7}, None),
        ({"count": 7, "recordCount": 8}, None),
        ({"response": {"result": [], "status": 0}}, None),
        ([7], None),
    ],
)
def test_a_count_is_read_in_a_form_that_is_known_or_not_at_all(body: Any, count: int | None) -> None:
    tree = parse_read(Reply(200, json.dumps(body).encode()), now=Epoch(0.0)).tree
    assert tree is not None
    assert count == count_in(tree)


def check_held(one: LeaverSite, result: NightlyResult, why: str) -> None:
    assert (NightlyRunEnd.FAILED, set()) == (result.end, one.sandbox.removed)
    assert why in result.failures[0], result.failures


def test_a_list_that_lacks_one_new_record_hides_nobody_who_was_employed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(one: LeaverSite) -> None:
        await one.run()
        one.leave(3)
        one.sandbox.employees["990"] = Record("990", "Learner 003", "learner003@example.com", "E003")
        await one.clock.sleep(DAY)
        whole = form.answer
        monkeypatch.setattr(form, "answer", lambda staff, *rest: whole(dict([*staff.items()][:10]), *rest))
        check_held(one, await one.run(), "Zoho counts 11 employees and lists 10")
        found = await one.app.leavers.find(remembers=False, accept_fewer=True)
        await one.app.leavers.accept_number(found)
        await one.clock.sleep(DAY)
        assert NightlyRunEnd.DONE == (await one.run()).end, "a person has accepted one that is not listed"
        one.sandbox.employees["991"] = Record("991")
        await one.clock.sleep(DAY)
        assert "counts 12 employees and lists 10" in (await one.run()).failures[0]

    play(tmp_path, scene)


def test_a_list_that_gets_shorter_night_by_night_is_noticed_without_a_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form, "count", lambda staff: CannedResponse(200, b'{"response": {"status": 0}}'))

    async def scene(one: LeaverSite) -> None:
        for person in (9, 8):
            assert NightlyRunEnd.DONE == (await one.run()).end
            del one.sandbox.employees[number(person)]
            await one.clock.sleep(DAY)
        assert NightlyRunEnd.DONE == (await one.run()).end
        one.leave(3)
        one.sandbox.employees["990"] = Record("990")
        del one.sandbox.employees[number(7)]
        await one.clock.sleep(DAY)
        check_held(one, await one.run(), "does not list 3 employees whom it listed in the last weeks")
        await one.clock.sleep(KEPT_SECONDS)
        await one.run()
        assert {enrolment(3, 0)} == one.sandbox.removed

    play(tmp_path, scene)


def test_nobody_is_found_by_an_address_where_the_list_is_not_proven_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        one.reads.coming = ["ok", "ok", "ok", "without_records"]
        monkeypatch.setattr(form, "count", lambda staff: CannedResponse(200, b'{"response": {"status": 0}}'))
        (row,) = (await one.app.leavers.find(remembers=True)).rows
        assert ("", True) == (row.learner, "employees may not be whole" in row.note), row.note

    play(tmp_path, scene)


@pytest.mark.parametrize("lost", ["Dateofexit", "Dateofjoining", "Employeestatus.type", "Department"])
def test_a_field_that_doctor_saw_and_that_no_employee_has_tonight_holds_the_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    record = form._record

    def without(one: Record, shape: str) -> dict[str, object]:
        whole: Any = record(one, shape)
        return {
            key: [{name: value for name, value in fields.items() if name != lost}] for key, (fields,) in whole.items()
        }

    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        monkeypatch.setattr(form, "_record", without)
        check_held(one, await one.run(), f"No employee in Zoho's list has '{lost}'")
        async with one.app.listings.open() as lists:
            await lists.fields(*BATCHES[0], for_leavers=True)
        await one.run()
        assert {enrolment(3, 0)} == one.sandbox.removed, "a person has looked at the fields again"

    play(tmp_path, scene)


def test_no_status_at_all_holds_the_night(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        for person in range(10):
            one.change(person, status="", exit_date="01-Jan-2020", status_type=0)
        check_held(one, await one.run(), "names no status of any employee")

    play(tmp_path, scene, leaver_exit_days=0)


def test_a_department_that_nobody_is_in_holds_the_night_and_a_status_that_nobody_has_is_told(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3, department="Board")
        one.change(4, department="Sales")
        check_held(one, await one.run(), "'Bord', which is no employee's department")
        one.change(5, department="Bord")
        await one.clock.sleep(DAY)
        result = await one.run()
        assert {enrolment(3, 0)} == one.sandbox.removed
        (note,) = [note for note in result.notes if "leaver_statuses" in note]
        assert note == (
            "leaver_statuses names 'Gone', which is no employee's status. There are: 'Active' (9), 'Inactive' (1)."
        )

    play(tmp_path, scene, leaver_departments=("Bord",), leaver_statuses=("Inactive", "Gone"))


def test_leavers_whose_courses_can_never_be_read_keep_nobody_else_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged, whole = {number(person) for person in range(4)}, reads._enrolments

    def enrolments(world: Any, staff: Any, enrolled: Any, who: str, *rest: Any) -> CannedResponse:
        return (
            CannedResponse(200, b'{"courseProgress": 1}')
            if who in damaged
            else whole(world, staff, enrolled, who, *rest)
        )

    async def scene(one: LeaverSite) -> None:
        for person in range(8):
            one.leave(person)
        monkeypatch.setattr(reads, "_enrolments", enrolments)
        await one.run()
        assert {enrolment(person, 0) for person in range(4, 8)} == one.sandbox.removed, "no lock ends the search"
        one.asked()
        monkeypatch.setattr(search, "MAX_ASKED", 2)
        for expected in ([0, 1], [2, 3], [0, 1]):
            await one.clock.sleep(DAY)
            await one.run()
            assert [number(person) for person in expected] == one.asked()

    play(tmp_path, scene)


def test_an_enrolment_made_after_the_courses_were_read_is_found_in_the_night_a_week_later(tmp_path: Path) -> None:
    async def scene(one: LeaverSite) -> None:
        one.leave(3)
        began = one.clock.wall()
        await one.clock.sleep(600.0)
        await one.run()
        one.enrol(3, 1)
        await one.clock.sleep(began + 7 * DAY - one.clock.wall())
        await one.run()
        assert set() == one.enrolments_of(3)

    play(tmp_path, scene)
