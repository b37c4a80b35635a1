"""The list of all employees, and what must be true of it before anything follows from it.

A list that is short hides who was employed again; a field that it lacks hides who has come back or is yet to leave
(docs/decisions/0022-leavers.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bulkremove.app.context import Context
from bulkremove.app.pages import Paging, read_all
from bulkremove.app.seen_fields import COMMAND, lost_fields
from bulkremove.domain.clock import DAY_SECONDS, Epoch, seconds_between
from bulkremove.domain.errors import NotAuthorized, ReadFailed, ReadsStopped, SettingsError
from bulkremove.domain.leavers import Employee, LeaverRule, unknown_names
from bulkremove.domain.operation import COUNT_EMPLOYEES, LIST_EMPLOYEES, Call
from bulkremove.platform.local_time import local
from bulkremove.storage.interface.leavers import LeaverMemory
from bulkremove.zoho.fields import fields_of
from bulkremove.zoho.listings import count_in, employees_in
from bulkremove.zoho.read_response import Tree

FORMS_SCOPE = LIST_EMPLOYEES.scopes[0]
EMPLOYEE_QUERY = (("limit", "200"),)
EMPLOYEE_PAGING = Paging("sIndex", 1, 200)
"""Documented: from 1, and at most 200 records an answer; the parameter's name is observed."""

MIN_SHARE = 0.8
"""Share of the most employees of the last weeks below which an answer is taken for a short one."""
KEPT_SECONDS = 28 * DAY_SECONDS
"""Seconds for which the highest number, and each record number, is remembered: a list may get short night by night."""
MAX_VANISHED, MAX_VANISHED_SHARE = 2, 0.01
"""Records that may be gone from a list not known to be complete: so many, or so large a share. HR deletes few."""

_FIELDS = (
    *("Employeestatus", "Employeestatus.type", "Dateofexit", "Dateofjoining", "Department"),
    *("EmailID", "EmployeeID"),
)
"""Fields by which somebody counts as a leaver, or is kept."""


@dataclass(frozen=True, slots=True)
class EmployeeList:
    """All employees that Zoho lists. ``counted``: how many it counts; None where its count can't be read."""

    all: Sequence[Employee]
    counted: int | None = None
    fields: set[str] = field(default_factory=set)
    """Paths of the fields of its answers."""

    @property
    def is_complete(self) -> bool:
        """Whether Zoho has counted as many before it listed them."""
        return self.counted == len(self.all)

    @property
    def uncounted(self) -> int:
        """How many more Zoho counts than it lists."""
        return max(0, (self.counted or 0) - len(self.all))


async def read_employees(read: Callable[[Call], Awaitable[Tree | None]]) -> EmployeeList:
    """Read the count of all employees, then their list. Raises ReadFailed where Zoho lists none, and others."""
    counted, fields = await _count(read), set[str]()

    def parse(tree: Tree) -> list[Employee]:
        fields.update(fields_of(tree))
        return employees_in(tree)

    found = await read_all(Call(LIST_EMPLOYEES, (), EMPLOYEE_QUERY), read, parse, paging=EMPLOYEE_PAGING)
    if not found:
        raise ReadFailed(
            "Zoho lists no employee, so it is not known who has left.",
            hint=f"May the user who made the grant code see all employees, and has it the scope {FORMS_SCOPE}?",
        )
    return EmployeeList(found, counted, fields)


async def _count(read: Callable[[Call], Awaitable[Tree | None]]) -> int | None:
    """How many employees Zoho counts; None where it doesn't say so in a form that is known. Raises ReadsStopped."""
    try:
        tree = await read(Call(COUNT_EMPLOYEES))
    except ReadsStopped:
        raise
    except (ReadFailed, NotAuthorized):  # where it is forbidden, so is the list, which tells
        return None
    return None if tree is None else count_in(tree)


async def check_list(context: Context, client: str, listed: EmployeeList, rule: LeaverRule) -> None:
    """Check that a list has all that the rule looks at. Raises ReadFailed; SettingsError for unknown departments."""
    lost = await lost_fields(context, client, LIST_EMPLOYEES, _FIELDS, listed.fields)
    if lost:
        raise ReadFailed(
            f"No employee in Zoho's list has {', '.join(map(repr, lost))}, which `doctor --read` saw before, so it is "
            "not known who has left.",
            hint=f"If the form has changed, run `{COMMAND} --leavers` again.",
        )
    if not any(one.status for one in listed.all):
        raise ReadFailed("Zoho names no status of any employee, so it is not known who has left.")
    names = {one.department for one in listed.all if one.department}
    if unknown := unknown_names(rule.departments, names):
        known = ", ".join(map(repr, sorted(names)[:50])) or "none"
        raise SettingsError(
            f"leaver_departments names {', '.join(map(repr, unknown))}, which is no employee's department, so nobody "
            f"would be left out by it. There are: {known}.",
            hint="Correct or remove the name in bulkremove.toml.",
        )


def check_number(listed: EmployeeList, memory: LeaverMemory | None, now: Epoch, *, night: str) -> None:
    """Check that a list is not a short one, by Zoho's count and by what is remembered. Raises ReadFailed.

    ``night``: that it is for, whose account and rule the command in the hint must use; empty for none.
    """
    of_night = f" --night {night}" if night else ""
    remedy = (
        f"If so many records were deleted, or are hidden from this user: `bulkremove leavers{of_night} --accept-fewer`."
    )
    count, accepted = len(listed.all), memory.uncounted if memory else 0
    if listed.uncounted > accepted:
        raise ReadFailed(
            f"Zoho counts {listed.counted:,} employees and lists {count:,}. The list may be cut short, so nothing "
            "follows from it.",
            hint=remedy,
        )
    if memory is None:
        return
    most, at = most_of(memory, now)
    if count < MIN_SHARE * most:
        raise ReadFailed(
            f"Zoho lists {count:,} employees, and listed {most:,} on {local(at):%Y-%m-%d}. The list may be cut short, "
            "so nothing follows from it.",
            hint=remedy,
        )
    vanished = kept_numbers(memory, now).keys() - {one.id for one in listed.all}
    if not listed.is_complete and len(vanished) > max(MAX_VANISHED, MAX_VANISHED_SHARE * count):
        raise ReadFailed(
            f"Zoho does not list {len(vanished):,} employees whom it listed in the last weeks. The list may be cut "
            "short, so nothing follows from it.",
            hint=remedy,
        )


def most_of(memory: LeaverMemory, now: Epoch) -> tuple[int, Epoch]:
    """The most employees of the last weeks that are remembered, and when they were listed."""
    last, most = (memory.employees, memory.counted_at), (memory.most, memory.most_at)
    return max(last, most) if seconds_between(memory.most_at, now) <= KEPT_SECONDS else last


def kept_numbers(memory: LeaverMemory, now: Epoch) -> dict[str, Epoch]:
    """When each record number was listed last, of the last weeks."""
    return {number: at for number, at in memory.listed.items() if 0 <= seconds_between(at, now) <= KEPT_SECONDS}
