"""The reads of employees and of one learner's courses: each shape is read whole or refused, by a limit of their own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkremove.app import App, SandboxOptions
from bulkremove.app.listings import OpenListings
from bulkremove.app.pages import read_all
from bulkremove.config import Settings
from bulkremove.domain.attempt import Reply
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import BulkremoveError, NotAuthorized, NotKnown, NotListed, ReadFailed
from bulkremove.domain.operation import LIST_ENROLMENTS, Call
from bulkremove.sandbox import Employee
from bulkremove.sandbox.employees import answer
from bulkremove.sandbox.faults import READ_SHAPES
from bulkremove.zoho.listings import employees_in, enrolments_in
from bulkremove.zoho.read_response import Tree, parse_read
from tests.test_reads import BATCH, COUNT, COURSE, journal, learner, world

MANY = 450
"""Employees: three pages."""
SCOPE = "ZOHOPEOPLE.training.ALL,ZOHOPEOPLE.forms.READ"


def record_number(index: int) -> str:
    return f"47834600000200{index:04}"


@asynccontextmanager
async def opened(
    folder: Path, *, employees: Sequence[str] = (), count: int = MANY, scope: str = SCOPE, **of_world: Any
) -> AsyncIterator[OpenListings]:
    path = world(folder, scope=scope, **of_world)
    tree = json.loads(path.read_text())
    tree["employees"] = [
        {"erecno": record_number(i), "name": f"Learner {i:04}", "email": f"learner{i:04}@example.com"}
        for i in range(COUNT, count)
    ]
    tree["faults"]["employees"] = [*employees]
    path.write_text(json.dumps(tree))
    app = App(Settings(folder / "home"), environ={}, sandbox=SandboxOptions(path, 60.0))
    with closing(app):
        async with app.listings.open() as lists:
            yield lists


async def test_all_employees_are_read_a_page_of_200_at_a_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as lists:
        listed = await lists.employees()
    found = listed.all
    assert (MANY, True) == (listed.counted, listed.is_complete)
    assert [record_number(i) for i in range(MANY)] == [one.id for one in found]
    assert ("Learner 0449", "learner0449@example.com", "Active", "1") == (
        found[-1].name,
        found[-1].email,
        found[-1].status,
        found[-1].status_type,
    )
    assert [("count employees", 200, "answered")] + [("list employees", 200, "answered")] * 3 + [
        ("list employees", 200, "no_records")
    ] == journal(tmp_path, "SELECT operation, http_status, response_kind FROM read ORDER BY id")


WHOLE = {
    "learner_ids",
    "nested",
    "no_count",
    "numbers",
    "without_inactive",
    "without_records",
    "bare_list",
    "wrapped",
    "few",
}
"""Shapes from which all are read; of ``few`` it is not known who has left, so nobody has."""
WHY_NOT = {
    "cut": "can't be read",
    "empty": "lists no employee",
    "empty_object": "holds no list",
    "failed": "did not answer|can't be read|Something other|no such course, batch or person",
    "ignored_index": "the same 200 records again",
    "no_records": "lists no employee",
    "record_numbers": "does not stand under its number",
    "scope_403": r"ZOHOPEOPLE\.forms\.READ",
    "two_lists": "more than one list",
    "html_200": "Something other than Zoho People",
    "500": "did not answer",
    "null": "can't be read",
    "403": "may probably not see this",
}


def test_every_shape_of_the_sandbox_is_tried() -> None:
    assert READ_SHAPES == WHOLE | (WHY_NOT.keys() & READ_SHAPES) | {"short"}


@pytest.mark.parametrize("shape", sorted(WHOLE))
async def test_employees_of_any_known_shape_are_read_whole(tmp_path: Path, shape: str) -> None:
    async with opened(tmp_path, employees=[shape]) as lists:
        assert [record_number(i) for i in range(MANY)] == [one.id for one in (await lists.employees()).all]


@pytest.mark.parametrize("shape", sorted(WHY_NOT))
async def test_any_other_answer_is_refused_in_words_and_is_never_nobody(tmp_path: Path, shape: str) -> None:
    async with opened(tmp_path, employees=[shape]) as lists:
        with pytest.raises((ReadFailed, NotAuthorized), match=WHY_NOT[shape]):
            await lists.employees()


async def test_a_list_that_breaks_off_between_two_pages_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, employees=["ok", "500"]) as lists:
        with pytest.raises(ReadFailed):
            await lists.employees()


def page(*records: Mapping[str, object]) -> bytes:
    return json.dumps({"courseProgress": records}).encode()


async def pages(*bodies: bytes) -> list[tuple[str, str]]:
    """The batches and learner ids of a learner's courses, of which each answer is a page; then there are no records."""
    coming = [Reply(200, body) for body in bodies] + [Reply(200, b'{"courseProgress": []}')]

    async def read(call: Call) -> Tree | None:
        reply = coming.pop(0)
        if not reply.body:
            raise NotKnown("Zoho knows no such person.")
        return parse_read(reply, now=Epoch(0.0)).tree

    records = await read_all(Call(LIST_ENROLMENTS, ("9",)), read, lambda tree: enrolments_in(tree, "9"))
    return [(one.batch, one.learner) for one in records]


async def test_one_record_on_two_pages_is_the_same_or_nothing_follows_from_the_list() -> None:
    first = {"courseId": "7", "batchId": "8", "courseName": "A"}
    assert [("8", ""), ("9", "")] == await pages(page(first), page(first, {"courseId": "7", "batchId": "9"}))
    for bodies in ([page(first), page({**first, "courseName": "B"})], [page(first, {**first, "courseName": "B"})]):
        with pytest.raises(ReadFailed, match="have one id and differ"):
            await pages(*bodies)


async def test_two_enrolments_of_one_person_in_one_batch_are_told_apart_by_their_learner_ids() -> None:
    two = [{"courseId": "7", "batchId": "8", "learnerId": learner} for learner in ("1", "2")]
    assert [("8", "1"), ("8", "2")] == await pages(page(*two))


async def test_only_a_404_to_the_first_page_says_that_zoho_knows_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path, reads=["ok", "400"]) as lists:
        for number, error in (("1", NotKnown), (record_number(3), NotListed)):
            with pytest.raises(ReadFailed) as raised:
                await lists.enrolments(number)
            assert error is type(raised.value)
    with pytest.raises(ReadFailed, match="broke off after 1 records") as raised:
        await pages(page({"courseId": "7", "batchId": "8"}), b"")
    assert ReadFailed is type(raised.value)


async def test_what_an_answer_holds_of_people_is_in_no_message(tmp_path: Path) -> None:
    async with opened(tmp_path, count=3, employees=["cut"]) as lists:
        with pytest.raises(ReadFailed, match=r"can't be read|Something other") as raised:
            await lists.employees()
    assert not any(personal in str(raised.value) for personal in ("example.com", "Learner", "4783")), raised.value


async def test_a_lock_of_the_form_locks_nothing_else(tmp_path: Path) -> None:
    async with opened(tmp_path, employees=["422"]) as lists:
        with pytest.raises(ReadFailed, match=r"has locked the employee form .*\. Removals go on"):
            await lists.employees()
        with pytest.raises(ReadFailed, match="Nothing is read before"):
            await lists.employees()
        assert 1 == len(await lists.courses(""))
    ledgers = journal(tmp_path, "SELECT key, suspension IS NOT NULL FROM ledger ORDER BY key")
    assert [0, 1] == [is_locked for _, is_locked in ledgers]
    assert ledgers[1][0] == f"{ledgers[0][0]}|employees"


async def test_a_lock_of_the_account_does_not_lock_the_form(tmp_path: Path) -> None:
    async with opened(tmp_path, reads=["422"]) as lists:
        with pytest.raises(ReadFailed, match=r"has locked the account .*\. Removals wait too"):
            await lists.courses("")
        assert MANY == len((await lists.employees()).all)


async def test_the_courses_of_an_employee_are_read_by_the_record_number(tmp_path: Path) -> None:
    async with opened(tmp_path) as lists:
        (plain,) = await lists.enrolments(record_number(3))
        assert (COURSE, BATCH, "", "Fire safety", "Spring") == (
            plain.course,
            plain.batch,
            plain.learner,
            plain.course_name,
            plain.batch_name,
        )
    async with opened(tmp_path, reads=["learner_ids"]) as lists:
        assert [learner(3)] == [one.learner for one in await lists.enrolments(record_number(3))]
        with pytest.raises(NotListed):
            await lists.enrolments(learner(3))
    async with opened(tmp_path, reads=["numbers"]) as lists:
        assert [COURSE] == [one.course for one in await lists.enrolments(record_number(3))]
    async with opened(tmp_path, reads=["record_numbers"]) as lists:
        with pytest.raises(ReadFailed, match="about another employee"):
            await lists.enrolments(record_number(3))
    for nothing in ("empty", "no_records"):
        async with opened(tmp_path, reads=[nothing]) as lists:
            assert [] == await lists.enrolments(record_number(3))
    for unreadable in ("empty_object", "cut", "two_lists", "html_200", "null"):
        async with opened(tmp_path, reads=[unreadable]) as lists:
            with pytest.raises(ReadFailed):
                await lists.enrolments(record_number(3))


def test_a_course_without_batches_has_no_batch_and_a_damaged_id_refuses_all() -> None:
    def read(**record: object) -> list[tuple[str, str]]:
        tree = parse_read(Reply(200, json.dumps({"courseProgress": [record]}).encode()), now=Epoch(0.0)).tree
        assert tree is not None
        return [(one.course, one.batch) for one in enrolments_in(tree, "9")]

    for none in ({}, {"batchId": ""}, {"batchId": None}, {"batchId": "0"}, {"batchId": 0}):
        assert [("7", "")] == read(courseId="7", **none)
    assert [("7", "8")] == read(courseId=7, batchId=8)
    damaged: list[dict[str, object]] = [
        {"courseId": "4.78E+17"},
        {"courseId": ""},
        {"batchId": "8"},
        {"courseId": "7", "learnerId": "x"},
    ]
    for one in damaged:
        with pytest.raises(BulkremoveError):
            read(**one)


FIELDS = [
    "EmployeeID",
    "EmailID",
    "Employeestatus",
    "Employeestatus.type",
    "Dateofexit",
    "Department",
    "Zoho_ID",
    "own",
]
RECORDS = st.dictionaries(
    st.integers(1, 10**18).map(str),
    st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=9) | st.integers() | st.none()),
    min_size=1,
    max_size=5,
)


@given(records=RECORDS, has_lists=st.booleans())
def test_every_employee_stands_under_the_number_that_is_the_record_s_key(
    records: dict[str, dict[str, object]], has_lists: bool
) -> None:
    result = [{number: [fields] if has_lists else fields} for number, fields in records.items()]
    body = json.dumps({"response": {"result": result, "message": "Data fetched successfully", "status": 0}})
    tree = parse_read(Reply(200, body.encode()), now=Epoch(0.0)).tree
    assert tree is not None
    found = employees_in(tree)
    assert [*records] == [one.id for one in found]
    for one, fields in zip(found, records.values(), strict=True):
        status = fields.get("Employeestatus")
        assert ("" if status is None else str(status).strip()) == one.status


def test_the_form_refuses_more_than_200_records_and_counts_from_one() -> None:
    staff = {record_number(i): Employee(record_number(i)) for i in range(3)}
    assert b"7021" in answer(staff, {"limit": "201"}, "ok").body
    assert b"7016" in answer(staff, {"sIndex": "0"}, "ok").body
    assert b"7024" in answer(staff, {"sIndex": "4"}, "ok").body
    assert record_number(2).encode() in answer(staff, {"sIndex": "3"}, "ok").body


async def test_doctor_looks_at_the_fields_that_leavers_need(tmp_path: Path) -> None:
    async with opened(tmp_path) as lists:
        shown = await lists.fields(COURSE, BATCH, for_leavers=True)
    assert [""] * 7 == [one.problem for one in shown]
    assert "number" == shown[6].fields["response.result.RecordCount"]
    assert "text" == shown[5].fields["response.result[].<other>[].Employeestatus"]
    assert "text" == shown[4].fields["courseProgress[].batchId"]
    assert not any(personal in str(shown) for personal in ("Learner 0", "example.com", "4783", "E0001"))
    async with opened(tmp_path, reads=["ok"] * 4 + ["400"], scope="ZOHOPEOPLE.training.ALL") as lists:
        shown = await lists.fields(COURSE, BATCH, for_leavers=True)
    assert "no such course, batch or person" in shown[4].problem
    assert "ZOHOPEOPLE.forms.READ" in shown[5].problem
    async with opened(tmp_path, reads=["ok"] * 4 + ["empty"]) as lists:
        assert "do not name it" in (await lists.fields(COURSE, BATCH, for_leavers=True))[4].problem
    async with opened(tmp_path, reads=["ok", "ok", "ok", "few"]) as lists:
        assert "No learner of the batch is known" in (await lists.fields(COURSE, BATCH, for_leavers=True))[4].problem
    async with opened(tmp_path, reads=["ok", "ok", "ok", "without_records"]) as lists:
        shown = await lists.fields(COURSE, BATCH, for_leavers=True)
    assert ([""] * 7, False) == ([one.problem for one in shown], "learners[].erecno" in shown[3].fields)
