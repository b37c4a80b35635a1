"""Readers of the lists in Zoho's answers to reads: courses, batches and learners. Pure.

Most of these answers are not documented (``domain/operation.py``). So a reader knows a closed set of names, takes any
subset of them, and refuses the whole answer where an id is missing or damaged, or two members could be meant: a record
that was left out would look like a learner who has gone.
"""

from __future__ import annotations

from collections.abc import Mapping

from bulkremove.domain.errors import ReadFailed
from bulkremove.domain.ids import is_id
from bulkremove.domain.leavers import Employee
from bulkremove.domain.listing import Batch, Course, Enrolment, Learner
from bulkremove.zoho.contradictions import normalized, text_of
from bulkremove.zoho.read_response import Tree

COURSES = ("courses", "result", "data")
"""Names of the member that holds the list (observed; the last two in Zoho's other answers)."""
BATCHES = ("batches", "result", "data")
"""Documented, in an older copy of the page; the others are observed elsewhere."""
LEARNERS = ("learners", "courseprogress", "learnerprogress", "learnersprogress", "progress", "result", "data")
"""Inferred from the answer for one learner, and from Zoho's other answers: that for a batch is not documented."""
ENROLMENTS = ("courseprogress", "courses", "learnerprogress", "progress", "result", "data")
"""Observed; the others in Zoho's other answers."""
EMPLOYEES = ("result", "data")
"""Documented; the last one in Zoho's other answers."""
_COUNTS = ("recordcount", "recordscount", "totalcount", "totalrecords", "count")
"""Inferred: the answer is not documented."""
_WRAPPERS = ("response", "data", "result")
"""Objects that may stand around the list."""
_ABOUT_LEARNER = ("learner", "learnerdetails", "user", "employee")
"""Objects in a learner's record that may hold the learner's own members (inferred)."""

_LEARNER_ID = ("learnerid",)
"""Only a member of this name is ever sent as a learner id: a record number of the employee is of another kind."""
_RECORD_NUMBERS = ("erecno", "employeeerecno", "recordid", "zohoid")
RECORD_NUMBERS = ("erecno", "employeeerecno")
"""Of these, those by which Zoho enrols somebody (documented)."""
_NAME = ("displayname", "learnername", "employeename", "fullname")
_EMAIL = ("emailid", "email", "mailid", "emailaddress", "learneremail")
_EMPLOYEE_ID = ("employeeid", "empid")
_STATUS, _STATUS_TYPE, _DEPARTMENT = "employeestatus", "employeestatustype", "department"
_EXIT, _JOINING = "dateofexit", "dateofjoining"
_EMPLOYEE = frozenset(
    {"emailid", "employeeid", "firstname", "lastname", _STATUS, _STATUS_TYPE, _EXIT, _JOINING, _DEPARTMENT}
)
"""Fields of the employee form that are looked at; the others are an organisation's own, and may be called anything."""
_PROGRESS = ("completionpercentage", "progresspercentage", "completionstatus", "progressstatus")


def courses_in(tree: Tree) -> list[Course]:
    """The courses of an answer. Raises ReadFailed."""
    return [Course(_id(item, "courseid", "id"), _text(item, "coursename", "name")) for item in _items(tree, COURSES)]


def batches_in(tree: Tree, course: str) -> list[Batch]:
    """The batches of an answer for a course. Raises ReadFailed."""
    return [_batch(item, course) for item in _items(tree, BATCHES)]


def batch_in(tree: Tree, course: str, batch: str) -> Batch:
    """The batch of an answer for one batch (documented). Raises ReadFailed, also when it is another one."""
    members = _members(tree) if isinstance(tree, Mapping) else {}
    found = members.get("batch")
    if not isinstance(found, Mapping):
        raise _unreadable("it holds no batch")
    read = _batch(_members(found), course)
    if read.id != batch:
        raise _unreadable("it is about another batch")
    return read


def learners_in(tree: Tree, course: str, batch: str) -> list[Learner]:
    """The learners of an answer for a batch. Raises ReadFailed."""
    return [_learner(item, course, batch) for item in _items(tree, LEARNERS)]


def enrolments_in(tree: Tree, record_number: str) -> list[Enrolment]:
    """The courses of an answer for one employee. Raises ReadFailed, also when a record is about another one."""
    return [_enrolment(item, record_number) for item in _items(tree, ENROLMENTS)]


def employees_in(tree: Tree) -> list[Employee]:
    """The employees of an answer. Raises ReadFailed."""
    return [_employee(item) for item in _items(tree, EMPLOYEES)]


def count_in(tree: Tree) -> int | None:
    """The number of records in an answer, which is the one member of such a name; None where there is no such one."""
    found, pending = set[str](), [tree] if isinstance(tree, Mapping) else []
    while pending:
        for name, value in pending.pop().items():
            if normalized(name) in _COUNTS and (text := text_of(value)):
                found.add(text)
            elif normalized(name) in _WRAPPERS:
                inner = value if isinstance(value, list) else [value]
                pending += [one for one in inner if isinstance(one, Mapping)]
    text = found.pop() if len(found) == 1 else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _enrolment(item: Mapping[str, object], record_number: str) -> Enrolment:
    if _only(item, *RECORD_NUMBERS) not in ("", record_number):
        raise _unreadable("a record is about another employee")
    return Enrolment(
        _id(item, "courseid"),
        "" if _text(item, "batchid") == "0" else _optional_id(item, "batchid"),
        _optional_id(item, *_LEARNER_ID),
        _text(item, "coursename"),
        _text(item, "batchname"),
    )


def _employee(item: Mapping[str, object]) -> Employee:
    """An employee, from ``{"<record number>": [{...}]}``: the bare number in the field Zoho_ID is never used."""
    number, record = next(iter(item.items()), ("", None))
    if isinstance(record, list) and len(record) == 1:
        record = record[0]
    if len(item) != 1 or not is_id(number) or not isinstance(record, Mapping):
        raise _unreadable("an employee's record does not stand under its number")
    fields = _members({name: value for name, value in record.items() if normalized(name) in _EMPLOYEE})
    return Employee(
        number,
        " ".join(filter(None, (_text(fields, "firstname"), _text(fields, "lastname")))),
        _text(fields, "emailid"),
        _text(fields, "employeeid"),
        _text(fields, _STATUS),
        _text(fields, _STATUS_TYPE),
        _text(fields, _EXIT),
        _text(fields, _JOINING),
        _text(fields, _DEPARTMENT),
    )


def _batch(item: Mapping[str, object], course: str) -> Batch:
    if _optional_id(item, "courseid") not in ("", course):
        raise _unreadable("it is about another course")
    count = _text(item, "learnerscount")
    if count and not (count.isascii() and count.isdigit() and len(count) <= 9):
        raise _unreadable("the number of learners is not a number")
    return Batch(course, _id(item, "batchid", "id"), _text(item, "name", "batchname"), int(count) if count else None)


def _learner(item: Mapping[str, object], course: str, batch: str) -> Learner:
    for name in _ABOUT_LEARNER:
        inner = item.get(name)
        if isinstance(inner, Mapping):
            item = _merged(item, {("learnername" if n == "name" else n): v for n, v in _members(inner).items()})
    if _optional_id(item, "courseid") not in ("", course) or _optional_id(item, "batchid") not in ("", batch):
        raise _unreadable("a record is about another course or batch")
    if not _text(item, *_LEARNER_ID) and any(_text(item, name) for name in _RECORD_NUMBERS):
        raise unexpected_fields(
            "Zoho's list of this batch holds record numbers of employees and no learner ids, so it can't be used: a "
            "removal names a learner id, and one is never guessed from the other."
        )
    name = _text(item, *_NAME) or " ".join(filter(None, (_text(item, "firstname"), _text(item, "lastname"))))
    return Learner(
        _id(item, *_LEARNER_ID),
        name,
        _only(item, *_EMAIL),
        _only(item, *_EMPLOYEE_ID),
        _text(item, *_PROGRESS),
        number if is_id(number := _only(item, *RECORD_NUMBERS)) else "",
    )


def _items(tree: Tree, names: tuple[str, ...]) -> list[Mapping[str, object]]:
    """The records of the one list in an answer, each by normalized names."""
    lists: list[list[object]] = [tree] if isinstance(tree, list) else [*_lists(tree, names, depth=0)]
    if len(lists) != 1:
        raise _unreadable("it holds no list" if not lists else "it holds more than one list")
    items = lists[0]
    if not all(isinstance(item, Mapping) for item in items):
        raise _unreadable("a record has no fields")
    return [_members(item) for item in items if isinstance(item, Mapping)]


def _lists(tree: Mapping[str, object], names: tuple[str, ...], *, depth: int) -> list[list[object]]:
    members, found = _members(tree), list[list[object]]()
    for name, value in members.items():
        if isinstance(value, list) and name in names:
            found.append(value)
        elif isinstance(value, Mapping) and name in _WRAPPERS and depth < 3:
            found += _lists(value, names, depth=depth + 1)
    return found


def _members(tree: Mapping[str, object]) -> dict[str, object]:
    """The members by normalized names, which are the same for ``courseId`` and ``course_id``."""
    members: dict[str, object] = {}
    for name, value in tree.items():
        if members.setdefault(normalized(name), value) != value:
            raise _unreadable("a field stands in it twice")
    return members


def _merged(outer: Mapping[str, object], inner: Mapping[str, object]) -> Mapping[str, object]:
    """A record with the members of an object in it. Raises ReadFailed if the two name different learner ids."""
    if len({_text(one, *_LEARNER_ID) for one in (outer, inner)} - {""}) > 1:
        raise _unreadable("a record holds two learner ids")
    return {**inner, **{name: value for name, value in outer.items() if value not in (None, "")}}


def _text(item: Mapping[str, object], *names: str) -> str:
    """The first of these members that is a text or number; empty if there is none."""
    return next((text for name in names if (text := text_of(item.get(name)))), "")


def _only(item: Mapping[str, object], *names: str) -> str:
    """The same, of members by which a person is recognized: they must not differ. Raises ReadFailed."""
    texts = {text for name in names if (text := text_of(item.get(name)))}
    if len(texts) > 1:
        raise _unreadable(f"a record holds two fields like {names[0]!r} that differ")
    return next(iter(texts), "")


def _id(item: Mapping[str, object], *names: str) -> str:
    found = _optional_id(item, *names)
    if not found:
        raise _unreadable(f"a record holds no {names[0].removesuffix('id')} id")
    return found


def _optional_id(item: Mapping[str, object], *names: str) -> str:
    """The first of these members, which must be an id; empty if there is none. Raises ReadFailed."""
    text = _text(item, *names)
    if text and not is_id(text):
        raise _unreadable(f"a {names[0].removesuffix('id')} id in it is damaged")
    return text


def unexpected_fields(message: str) -> ReadFailed:
    """The error for a list whose fields can't be used, with the command that shows them."""
    return ReadFailed(
        message,
        hint="`bulkremove doctor --read COURSE BATCH` shows which fields this account's answers have.",
        page_hint="An admin of this server can look which fields this account's answers have.",
    )


def _unreadable(why: str) -> ReadFailed:
    return unexpected_fields(f"Zoho's answer can't be read, so nothing follows from it: {why}.")
