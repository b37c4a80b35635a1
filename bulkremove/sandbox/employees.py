"""The sandbox's employee form: records in the form that Zoho documents, with the fields that were observed.

It has a limit of its own, and at most 200 records an answer, both documented. Does no I/O.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bulkremove.sandbox import replies
from bulkremove.sandbox.replies import CannedResponse

MAX_RECORDS = 200
"""Records of an answer (documented)."""
CALLS = 400
"""Calls a minute (documented); the time and the lock are those of the other limit."""

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class Employee:
    """A record of the employee form; ``erecno``: its number. Dates are texts like 31-Dec-2026, or empty."""

    erecno: str
    name: str = ""
    email: str = ""
    employee_id: str = ""
    status: str = "Active"
    status_type: int = 1
    exit_date: str = ""
    joining_date: str = ""
    department: str = ""


def answer(employees: Mapping[str, Employee], query: Mapping[str, str], shape: str) -> CannedResponse:
    """A page of all employees, in a shape (``faults.READ_SHAPES``), or in the usual one for any other word."""
    start, limit = query.get("sIndex", "1"), query.get("limit", str(MAX_RECORDS))
    if not (start.isdigit() and limit.isdigit() and int(start) >= 1):
        return replies.envelope(400, 7016, "Invalid input")
    if int(limit) > MAX_RECORDS:
        return replies.envelope(400, 7021, "Maximum records that can be fetched is 200")
    first = 0 if shape == "ignored_index" else int(start) - 1
    page = [_record(one, shape) for one in [*employees.values()][first : first + int(limit)]]
    if not page or shape == "no_records":
        return replies.envelope(200, 7024, "No records found")
    match shape:
        case "empty":
            page = []
        case "short":
            page = page[: len(page) // 2]
        case "bare_list":
            return CannedResponse(200, json.dumps(page).encode())
    body: Record = {"result": page, "message": "Data fetched successfully", "uri": "/api/forms/employee", "status": 0}
    if shape == "two_lists":
        body["data"] = page
    if shape == "failed":
        body |= {"message": "Error occurred", "status": 1}
    if shape == "empty_object":
        del body["result"]
    return _SHAPES.get(shape, _whole)({"response": body})


def count(employees: Mapping[str, Employee]) -> CannedResponse:
    """How many employees there are. The call is documented, the form of its answer inferred from other ones."""
    result = {"RecordCount": len(employees)}
    return _whole({"response": {"result": result, "message": "Data fetched successfully", "status": 0}})


def _record(one: Employee, shape: str) -> Record:
    first, _, last = one.name.partition(" ")
    fields: Record = {
        "EmployeeID": one.employee_id,
        "EmailID": one.email,
        "FirstName": first,
        "LastName": last,
        "Employeestatus": one.status,
        "Employeestatus.type": one.status_type,
        "Dateofexit": one.exit_date,
        "Dateofjoining": one.joining_date,
        "Department": one.department,
        "Zoho_ID": int(one.erecno),
        "ModifiedTime": "1767225600000",
    }
    if shape == "few":
        fields = {"EmployeeID": one.employee_id}
    if shape == "record_numbers":
        return {"recordId": one.erecno, **fields}
    return {one.erecno: fields if shape == "nested" else [fields]}


def _whole(body: Record) -> CannedResponse:
    return CannedResponse(200, json.dumps(body).encode())


def _cut(body: Record) -> CannedResponse:
    whole = _whole(body).body
    return CannedResponse(200, whole[: len(whole) * 2 // 3])


_SHAPES: dict[str, Callable[[Record], CannedResponse]] = {
    "cut": _cut,
    "scope_403": lambda body: replies.envelope(403, 7218, "Invalid OAuth scope"),
}
