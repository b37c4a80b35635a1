"""Use cases that read courses, batches and learners from Zoho People; removals don't need them.

A listing is kept in the journal for ``listing_minutes``, so that finding a batch and writing its roster costs its calls
once. What can't be read completely is refused: a learner whom a list does not name has not gone by that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from bulkremove.app.accounts import Accounts
from bulkremove.app.connections import Connections
from bulkremove.app.context import Context
from bulkremove.app.employee_list import EMPLOYEE_PAGING, EMPLOYEE_QUERY, EmployeeList, read_employees
from bulkremove.app.pages import FULL_PAGE, read_all
from bulkremove.domain.clock import later
from bulkremove.domain.errors import BulkremoveError, EmptyRoster, ReadFailed
from bulkremove.domain.leavers import Employee, folded
from bulkremove.domain.listing import Batch, Course, Enrolment, Learner, Roster
from bulkremove.domain.operation import (
    COUNT_EMPLOYEES,
    GET_BATCH,
    LIST_BATCHES,
    LIST_COURSES,
    LIST_EMPLOYEES,
    LIST_ENROLMENTS,
    LIST_PROGRESS,
    READS,
    Call,
    Operation,
)
from bulkremove.engine import rate_limit
from bulkremove.engine.reads import Reads
from bulkremove.engine.slot_decisions import Wait
from bulkremove.storage.interface.reads import ListingName, SeenField
from bulkremove.zoho.accounts import client_hash
from bulkremove.zoho.fields import fields_of
from bulkremove.zoho.listings import (
    batch_in,
    batches_in,
    count_in,
    courses_in,
    employees_in,
    enrolments_in,
    learners_in,
)
from bulkremove.zoho.read_response import Tree

MAX_COURSES = 10
"""Courses that were found whose batches are listed too, with two calls each or more."""

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class CourseFound:
    """A course that was found, and its batches; None where they were not listed, since too many courses were found."""

    course: Course
    batches: Sequence[Batch] | None


@dataclass(frozen=True, slots=True)
class AnswerFields:
    """The fields of an account's answer to a read, and why it can't be used; empty if it can."""

    operation: Operation
    fields: dict[str, str]
    problem: str = ""


class OpenListings:
    """The listings of one account while a connection is open. Its methods raise ReadFailed, NotAuthorized and others.

    ``is_fresh``: no listing is used again that was kept before. ``max_calls``: a list that would take more calls than
    are left of so many is not read; None for no limit. Calls to the employee form don't count. ``on_read``: called
    after each call.
    """

    def __init__(
        self,
        context: Context,
        reads: Reads,
        employee_reads: Reads,
        client: str,
        *,
        is_fresh: bool,
        max_calls: int | None,
        on_read: Callable[[], None],
    ) -> None:
        self._context, self._reads, self._employee_reads = context, reads, employee_reads
        self.client, self.calls_left, self._on_read = client, max_calls, on_read
        self._seconds, self._is_fresh = context.settings.listing_minutes * 60.0, is_fresh
        self._read_now = set[tuple[str, ...]]()
        """The names of the listings that were not kept from before."""

    async def find(self, text: str) -> list[CourseFound]:
        """The courses that Zoho finds by a text, with their batches unless they are many."""
        courses = await self.courses(text)
        is_short = len(courses) <= MAX_COURSES
        return [CourseFound(course, await self.batches(course.id) if is_short else None) for course in courses]

    async def courses(self, search: str, *, is_fresh: bool = False) -> Sequence[Course]:
        """The courses that Zoho finds by a text. ``is_fresh``: a list that was kept from before is not used."""

        async def read() -> Sequence[Course]:
            query = (("search", search),) if search else ()
            return await read_all(Call(LIST_COURSES, (), query), self._read, courses_in)

        return await self._kept((LIST_COURSES.name, search), tuple[Course, ...], read, is_fresh=is_fresh)

    async def batches(self, course: str, *, is_fresh: bool = False) -> Sequence[Batch]:
        """The batches of a course. ``is_fresh``: a list that was kept from before is not used."""

        async def read() -> Sequence[Batch]:
            return await read_all(Call(LIST_BATCHES, (course,)), self._read, lambda tree: batches_in(tree, course))

        return await self._kept((LIST_BATCHES.name, course), tuple[Batch, ...], read, is_fresh=is_fresh)

    def was_kept(self, operation: Operation, *asked_for: str) -> bool:
        """Whether a list was kept from before when it was asked for here, by ids or by a text."""
        return (operation.name, *asked_for) not in self._read_now

    async def roster(self, course: str, batch: str, *, is_fresh: bool = False) -> Roster:
        """The learners of a batch. Raises EmptyRoster where Zoho counts learners and lists none.

        ``is_fresh``: one that was kept from before is not used.
        """

        async def read() -> Roster:
            counted_at = self._context.clock.wall()
            tree = await self._read(Call(GET_BATCH, (course, batch)))
            found = batch_in(tree if tree is not None else {}, course, batch)
            self._check_calls_left(found)
            call = Call(LIST_PROGRESS, (course, batch))
            learners = await read_all(
                call, self._read, lambda tree: learners_in(tree, course, batch), size=found.learners
            )
            if found.learners != 0 and not learners:
                counted = "does not say how many there are" if found.learners is None else f"counts {found.learners:,}"
                raise EmptyRoster(
                    f"Zoho lists no learner of batch {batch} and {counted}, so it is not known who is in it.",
                    hint="Look at the batch in Zoho People.",
                )
            return Roster(found, tuple(learners), counted_at)

        return await self._kept((LIST_PROGRESS.name, course, batch), Roster, read, is_fresh=is_fresh)

    async def employees(self) -> EmployeeList:
        """All employees, by the limit that their form has of its own. Raises ReadFailed where Zoho lists none."""
        return await read_employees(self._employee_reads.read)

    async def enrolments(self, record_number: str) -> Sequence[Enrolment]:
        """The courses of the employee with this record number; none if Zoho lists none."""
        call = Call(LIST_ENROLMENTS, (record_number,))
        return await read_all(call, self._read, lambda tree: enrolments_in(tree, record_number))

    async def fields(self, course: str, batch: str, *, for_leavers: bool = False) -> list[AnswerFields]:
        """The fields of the first answer to each read about a batch, and with ``for_leavers`` about its people.

        Only the names and types of the fields are kept, and only of answers that can be used.
        """
        learners = list[Learner]()

        def people(tree: Tree) -> None:
            learners.extend(learners_in(tree, course, batch))

        answers = [
            await self._fields(Call(LIST_COURSES), courses_in),
            await self._fields(Call(LIST_BATCHES, (course,)), lambda tree: batches_in(tree, course)),
            await self._fields(Call(GET_BATCH, (course, batch)), lambda tree: batch_in(tree, course, batch)),
            await self._fields(Call(LIST_PROGRESS, (course, batch)), people),
        ]
        if for_leavers:
            staff = list[Employee]()
            first = (*EMPLOYEE_QUERY, (EMPLOYEE_PAGING.parameter, str(EMPLOYEE_PAGING.first)))
            of_employees = await self._fields(
                Call(LIST_EMPLOYEES, (), first),
                lambda tree: staff.extend(employees_in(tree)),
                self._employee_reads.read,
            )
            count = await self._fields(Call(COUNT_EMPLOYEES), _check_count, self._employee_reads.read)
            of_enrolments = await self._enrolment_fields(_record_number(learners, staff), course, batch)
            answers += [of_enrolments, of_employees, count]
        at = self._context.clock.wall()
        for one in answers:
            seen = [SeenField(path, types, at) for path, types in one.fields.items() if not one.problem]
            await self._context.storage.reads.save_fields(
                self.client, self._context.settings.host, one.operation.name, seen
            )
        return answers

    async def _enrolment_fields(self, record_number: str, course: str, batch: str) -> AnswerFields:
        """The fields of one learner's courses, if Zoho finds them by the record number and they name the batch."""

        def check(tree: Tree) -> None:
            if not any((one.course, one.batch) == (course, batch) for one in enrolments_in(tree, record_number)):
                raise ReadFailed("The courses of a learner of this batch do not name it.")

        if not record_number:
            why = "No learner of the batch is known by an employee's record number, so nobody's courses were asked for."
            return AnswerFields(LIST_ENROLMENTS, {}, why)
        return await self._fields(Call(LIST_ENROLMENTS, (record_number,)), check)

    async def _fields(
        self,
        call: Call,
        parse: Callable[[Tree], object],
        read: Callable[[Call], Awaitable[Tree | None]] | None = None,
    ) -> AnswerFields:
        fields: dict[str, str] = {}
        try:
            tree = await (read or self._read)(call)
            if tree is None:
                return AnswerFields(call.operation, {}, "Zoho says that there are no records.")
            fields = fields_of(tree)
            parse(tree)
        except BulkremoveError as error:
            return AnswerFields(call.operation, fields, error.message)
        return AnswerFields(call.operation, fields)

    async def _read(self, call: Call) -> Tree | None:
        """Make one call. Raises ReadFailed where no more are to be made."""
        if self.calls_left is not None:
            if self.calls_left <= 0:
                raise ReadFailed("Its list takes more calls than are made for it unasked.")
            self.calls_left -= 1
        result = await self._reads.read(call)
        self._on_read()
        return result

    def _check_calls_left(self, batch: Batch) -> None:
        """Check that the list of a batch takes no more calls than are left. Raises ReadFailed."""
        calls = -(-(batch.learners or 0) // FULL_PAGE) + 1  # the last one brings nothing new
        if self.calls_left is not None and calls > self.calls_left:
            raise ReadFailed(
                f"Zoho counts {batch.learners:,} learners in it, and their list takes more calls than are made for it "
                "unasked."
            )

    async def _kept(
        self, name: tuple[str, ...], kind: type[K], read: Callable[[], Awaitable[K]], *, is_fresh: bool = False
    ) -> K:
        """What was read with this name a short while ago, or what ``read`` brings now."""
        storage, clock = self._context.storage, self._context.clock
        key = ListingName(self.client, self._context.settings.host, msgspec.json.encode(name).decode())
        now = clock.wall()
        since = now if is_fresh or self._is_fresh else max(later(now, -self._seconds), self._context.counted_from)
        kept = await storage.reads.listing(key, since=since, until=now)
        if kept is not None:
            with suppress(msgspec.DecodeError):  # an older version kept it in another form
                return msgspec.json.decode(kept[1], type=kind)
        result = await read()
        at = clock.wall()
        self._read_now.add(name)
        if self._seconds:
            records = msgspec.json.encode(result).decode()
            await storage.reads.save_listing(key, records, at=at, since=later(at, -self._seconds))
        return result


def _check_count(tree: Tree) -> None:
    if count_in(tree) is None:
        raise ReadFailed(
            "How many employees Zoho counts is in no form that is known. Leavers are found without it, but none by an "
            "e-mail address."
        )


def _record_number(learners: Sequence[Learner], employees: Sequence[Employee]) -> str:
    """The record number of one of these learners, by their list or by their e-mail address; empty if there is none."""
    by_email = Counter(folded(one.email) for one in employees if one.email)
    numbers = {folded(one.email): one.id for one in employees if by_email[folded(one.email)] == 1}
    known = (one.record_number or numbers.get(folded(one.email), "") for one in learners)
    return next(filter(None, known), "")


class Listings:
    """The listings of the settings' account."""

    def __init__(self, context: Context, accounts: Accounts, connections: Connections) -> None:
        self._context, self._accounts, self._connections = context, accounts, connections

    @property
    def client(self) -> str:
        """The identity of the account's client; empty without credentials."""
        return self._accounts.client(self._context.settings)

    async def half_of_day(self) -> int | None:
        """Half of the calls that are left of the day's allowance; None where there is no such limit."""
        usage = await self._accounts.allowance()
        return None if usage.daily is None else max(0, usage.daily - usage.today) // 2

    def minutes_for(self, calls: int) -> float:
        """Minutes that so many reads take at the limit."""
        return rate_limit.forecast(calls, self._context.settings.quota, is_new=True) / 60.0

    @asynccontextmanager
    async def open(
        self,
        *,
        is_fresh: bool = False,
        max_calls: int | None = None,
        on_wait: Callable[[Wait], None] = lambda wait: None,
        on_read: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[OpenListings]:
        """Connect to Zoho. ``on_wait``: called with what a read waits for; the others: see ``OpenListings``.

        Raises NotAuthorized, SettingsError, OtherHomeSends or LocalFileFailed.
        """
        context, settings = self._context, self._context.settings
        credentials = self._accounts.credentials(settings)
        with self._accounts.sole_home(settings, credentials):
            async with self._connections.open(settings, credentials, READS) as (client, tokens):
                reads = self._connections.reads(settings, credentials, client, tokens, on_wait=on_wait)
                employee_reads = self._connections.employee_reads(settings, credentials, client, tokens)
                client_id = client_hash(credentials.client_id)
                yield OpenListings(
                    context, reads, employee_reads, client_id, is_fresh=is_fresh, max_calls=max_calls, on_read=on_read
                )
