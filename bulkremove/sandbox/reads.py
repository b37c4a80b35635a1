"""The sandbox's answers to reads: courses, batches, one batch and the learners' progress, in several shapes.

The batches' members are documented by Zoho People, the others observed or inferred; nobody outside knows the rest. So
each answer also comes in other shapes, by the fault of the call. Does no I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qs

from bulkremove.domain.operation import (
    GET_BATCH,
    LIST_BATCHES,
    LIST_COURSES,
    LIST_ENROLMENTS,
    LIST_PROGRESS,
    READS,
    Call,
)
from bulkremove.domain.row import Removal
from bulkremove.sandbox import replies
from bulkremove.sandbox.employees import Employee
from bulkremove.sandbox.replies import CannedResponse
from bulkremove.sandbox.world import Batch, World

PAGE = 25
"""Records of an answer: documented for batches, assumed for the others."""

Record = dict[str, object]

_PATHS = [(operation, re.compile(re.sub(r"\{\w+\}", "([0-9]+)", operation.path), re.ASCII)) for operation in READS]


def requested_read(method: str, path: str, query: str) -> Call | None:
    """The read that a request asks for; None for any other call."""
    for operation, form in _PATHS:
        if method == operation.method and (match := form.fullmatch(path)):
            return Call(operation, match.groups(), tuple((name, all_[-1]) for name, all_ in parse_qs(query).items()))
    return None


def answer(
    world: World, employees: Mapping[str, Employee], enrolled: set[Removal], call: Call, shape: str
) -> CannedResponse:
    """The answer to a read in a shape (``faults.READ_SHAPES``), or in the usual one for any other word."""
    query = dict(call.query)
    if call.operation.name == LIST_ENROLMENTS.name:
        return _enrolments(world, employees, enrolled, call.ids[0], query, shape)
    match call.operation.name:
        case LIST_COURSES.name:
            found = [course for course in _courses(world) if query.get("search", "").lower() in _name(course)]
            return _listed("courses", found, query, shape, {"hasMoreRecords": len(found) > PAGE})
        case LIST_BATCHES.name:
            batches = [batch for batch in world.batches if batch.course == call.ids[0]]
            if not batches:
                return replies.NOT_FOUND
            return _listed("batches", [_batch(one, enrolled, shape) for one in batches], query, shape, {})
    batch = next((one for one in world.batches if (one.course, one.batch) == call.ids), None)
    if batch is None:
        return replies.NOT_FOUND
    if call.operation.name == GET_BATCH.name:
        return _shaped({"code": "200", "batch": _batch(batch, enrolled, shape), "message": "success"}, shape)
    assert call.operation.name == LIST_PROGRESS.name  # noqa: S101 - the last of READS
    here = [learner for learner in batch.learners if Removal(batch.course, batch.batch, learner) in enrolled]
    if shape == "without_inactive":
        active = {one.erecno for one in employees.values() if one.status == "Active"}
        here = [one for one in here if world.person(one).erecno in active]
    return _listed("learners", [_learner(world, one, shape) for one in here], query, shape, {})


def _enrolments(
    world: World,
    employees: Mapping[str, Employee],
    enrolled: set[Removal],
    number: str,
    query: Mapping[str, str],
    shape: str,
) -> CannedResponse:
    """The courses of one employee, whose record number is taken; a learner id is not (both observed and not proven)."""
    if number not in employees:
        return replies.NOT_FOUND
    records: list[Record] = [
        {
            "courseId": batch.course,
            "courseName": world.courses.get(batch.course, f"Course {batch.course[-4:]}"),
            "batchId": batch.batch,
            "batchName": batch.name,
            "completionPercentage": world.person(learner).progress,
            **({"learnerId": learner} if shape == "learner_ids" else {}),
            **({"erecno": "1"} if shape == "record_numbers" else {}),
        }
        for batch in world.batches
        for learner in batch.learners
        if world.person(learner).erecno == number and Removal(batch.course, batch.batch, learner) in enrolled
    ]
    return _listed("courseProgress", records, query, shape, {})


def _name(course: Record) -> str:
    return str(course["courseName"]).lower()


def _courses(world: World) -> list[Record]:
    ids = dict.fromkeys([*world.courses, *(batch.course for batch in world.batches)])
    return [
        {"courseId": one, "courseName": world.courses.get(one, f"Course {one[-4:]}"), "courseType": 2} for one in ids
    ]


def _batch(batch: Batch, enrolled: set[Removal], shape: str) -> Record:
    """The members that Zoho documents for a batch."""
    count = sum(Removal(batch.course, batch.batch, learner) in enrolled for learner in batch.learners)
    record: Record = {
        "learnersCount": count,
        "startDateAsDisplayString": "01-Jan-2026",
        "endDateAsDisplayString": "31-Dec-2026",
        "name": batch.name,
        "minimumCapacity": 1,
        "maximumCapacity": 500,
        "batchId": batch.batch,
        "courseId": batch.course,
        "publishStatus": "published",
    }
    if shape == "no_count":
        del record["learnersCount"]
    return record


def _learner(world: World, learner: str, shape: str) -> Record:
    """A learner with the members by which Zoho names people elsewhere (documented for shared courses)."""
    person = world.person(learner)
    about: Record = {
        "erecno": person.erecno,
        "displayName": person.name,
        "employeeId": person.employee_id,
        "emailId": person.email,
    }
    progress: Record = {
        "completionPercentage": person.progress,
        "completionStatus": "Completed" if person.progress == 100 else "In progress",
    }
    match shape:
        case "few":
            return {"learnerId": learner}
        case "record_numbers":
            return {**about, **progress}
        case "without_records":
            del about["erecno"]
        case "nested":
            return {"learner": {"learnerId": learner, **about}, **progress}
    return {"learnerId": learner, **about, **progress}


def _listed(
    name: str, records: Sequence[Record], query: Mapping[str, str], shape: str, around: Record
) -> CannedResponse:
    start = query.get("startIndex", "0")
    if not start.isdigit():
        return replies.BAD_INPUT
    first = 0 if shape == "ignored_index" else int(start)
    page = [*records[first : first + PAGE]]
    match shape:
        case "empty":
            page = []
        case "short":
            page = page[:-2]
        case "bare_list":
            return _json(page)
        case "two_lists":
            around = {**around, "result": page}
        case "wrapped":
            return _json({"response": {"result": page, "message": "Data fetched successfully", "status": 0}})
    return _shaped({name: page, **around, "code": "200", "message": "success"}, shape)


def _shaped(body: Record, shape: str) -> CannedResponse:
    return _BODIES.get(shape, _json)(body)


def _json(body: object) -> CannedResponse:
    return CannedResponse(200, json.dumps(body).encode())


def _with_numbers(body: Record) -> CannedResponse:
    """The same with ids as bare numbers, as some of Zoho's answers have them (documented)."""
    answer = _json(body)
    return replace(answer, body=re.sub(rb'"([1-9][0-9]{9,18})"(?!:)', rb"\1", answer.body))


def _cut(body: Record) -> CannedResponse:
    answer = _json(body)
    return replace(answer, body=answer.body[: len(answer.body) * 2 // 3])


_BODIES: dict[str, Callable[[Record], CannedResponse]] = {
    "numbers": _with_numbers,
    "cut": _cut,
    "empty_object": lambda body: _json({"code": "200", "message": "success"}),
    "no_records": lambda body: replies.envelope(200, 7024, "No records found"),
    "scope_403": lambda body: replies.envelope(403, 7218, "Invalid OAuth scope"),
    "failed": lambda body: _json({**body, "message": "failure"}),
}
