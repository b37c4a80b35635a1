"""Use case: who has left, by Zoho's employees, and which batches they are still in. Removes nobody.

Each leaver's courses are read by one call, and each learner id comes from a field of that name: of the courses, or of
the batch's roster (docs/decisions/0022-leavers.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bulkremove.app.context import Context
from bulkremove.app.employee_list import EmployeeList, check_list, check_number, kept_numbers, most_of
from bulkremove.app.leaver_ids import LearnerIds
from bulkremove.app.listings import Listings, OpenListings
from bulkremove.app.seen_fields import COMMAND, require_fields
from bulkremove.domain.clock import DAY_SECONDS, Epoch, seconds_between
from bulkremove.domain.errors import NotKnown, ReadFailed, ReadsStopped, SettingsError
from bulkremove.domain.leavers import Employee, Leavers, find_leavers, status_words, unknown_names
from bulkremove.domain.listing import Enrolment
from bulkremove.domain.operation import LIST_EMPLOYEES, LIST_ENROLMENTS, LIST_PROGRESS
from bulkremove.domain.plural import pluralize
from bulkremove.engine.slot_decisions import Wait
from bulkremove.platform.local_time import day_of
from bulkremove.storage.interface.leavers import LeaverMemory

ASK_AGAIN_SECONDS = 6.75 * DAY_SECONDS
"""Seconds after which a leaver's courses are read again: somebody may have enrolled them since, or a removal failed.
Some hours less than a week, since a night does not begin at the same second."""
MAX_ASKED = 500
"""Leavers whose courses one nightly run reads, the new ones first: 18 minutes at the limit."""
MAX_FAILURES = 3
"""After so many leavers in a row for whom nothing can be read of the account, the others are left to the next time."""
MANY_UNKNOWN = 10
"""If Zoho knows none of at least so many leavers, and never knew one, it may know nobody who has left."""


@dataclass(frozen=True, slots=True)
class LeaverRow:
    """An enrolment of a leaver. ``learner``: the learner id; empty where ``note`` says why it is not known."""

    employee: Employee
    enrolment: Enrolment
    learner: str
    note: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """Its cells in a file, as ``domain.leavers_list`` names them."""
        who, where = self.employee, self.enrolment
        of_person = (who.name, who.email, who.employee_id, who.id)
        return (where.course, where.batch, self.learner, *of_person, where.course_name, where.batch_name, self.note)


@dataclass(slots=True)
class LeaversFound:
    """What was found out. ``failures``: sentences about what could not be read; the rest holds all the same."""

    listed: EmployeeList
    leavers: Leavers
    rows: list[LeaverRow] = field(default_factory=list)
    asked: dict[str, Epoch] = field(default_factory=dict)
    """When the courses of each leaver were read, by record number, also by earlier nightly runs."""
    tried: dict[str, Epoch] = field(default_factory=dict)
    """When their courses could not be read, in the same way."""
    unknown: int = 0
    """Leavers that Zoho knows no courses of."""
    without_batch: int = 0
    """Enrolments in courses without batches."""
    put_off: int = 0
    """Leavers who are left to the next time."""
    known: int = 0
    """Leavers that Zoho knows courses of."""
    failures: list[str] = field(default_factory=list)
    unknown_statuses: str = ""
    """Which names of leaver_statuses are not the status of any employee, in a sentence; empty if there are none."""

    @property
    def employees(self) -> int:
        """How many employees Zoho lists."""
        return len(self.listed.all)

    @property
    def notes(self) -> list[str]:
        """What a person should know beside the plan, in sentences that name nobody."""
        sentences = [
            (self.put_off, ("leaver is", "leavers are"), "asked for by the next nightly runs."),
            (self.unknown, ("leaver is", "leavers are"), "known to Zoho by no course, so perhaps no learner ever."),
            (self.without_batch, ("enrolment has", "enrolments have"), "no batch: only batches are cleaned up."),
        ]
        counted = [f"{pluralize(count, *nouns)} {words}" for count, nouns, words in sentences if count]
        return self.leavers.kept_words + counted + [self.unknown_statuses] * bool(self.unknown_statuses)


_NOTHING = LeaverMemory(0, Epoch(0.0), {})
"""What is remembered before the first nightly run."""


class LeaverSearch:
    """Searches for the leavers of the settings' account."""

    def __init__(self, context: Context, listings: Listings) -> None:
        self._context, self._listings, self._store = context, listings, context.storage.leavers

    async def find(
        self,
        *,
        remembers: bool,
        asks_again: bool = False,
        accept_fewer: bool = False,
        on_start: Callable[[int], None] = lambda leavers: None,
        on_wait: Callable[[Wait], None] = lambda wait: None,
    ) -> LeaversFound:
        """Find all leavers and their enrolments; remembers nothing itself.

        ``remembers``: leave out leavers whose courses an earlier nightly run has read, unless it ``asks_again``, and
        most of very many; and leave at least half of the day's allowance to removals.
        ``accept_fewer``: a person says that there are so much fewer employees now. ``on_start`` is called with the
        number of leavers before their courses are read, with a call for each.

        Raises SettingsError without a rule, ReadFailed where nothing follows from an answer, NotAuthorized and others.
        """
        rule, now = self._context.settings.leaver_rule, self._context.clock.wall()
        max_calls = await self._listings.half_of_day() if remembers else None
        async with self._listings.open(is_fresh=True, on_wait=on_wait, max_calls=max_calls) as lists:
            await check_fields(self._context, lists.client)
            listed = await lists.employees()
            if not rule.statuses:
                raise SettingsError(
                    f"Nobody has said yet which employees have left. Zoho's have these statuses: "
                    f"{status_words(listed.all)}.",
                    hint='Write for example leaver_statuses = ["Inactive"] into bulkremove.toml.',
                )
            memory = await self._store.memory(lists.client, self._context.settings.host)
            if not accept_fewer:
                night = self._context.settings.night
                check_number(listed, memory, now, night=night.name if night else "")
            await check_list(self._context, lists.client, listed, rule)
            found = LeaversFound(listed, find_leavers(listed.all, rule, day_of(now)))
            if unknown := unknown_names(rule.statuses, (one.status for one in listed.all)):
                found.unknown_statuses = (
                    f"leaver_statuses names {', '.join(map(repr, unknown))}, which is no employee's status. There are: "
                    f"{status_words(listed.all)}."
                )
            due = self._due(found, None if asks_again else memory) if remembers else [*found.leavers.leavers]
            on_start(len(due))
            await self._ask(due, found, lists)
            if found.unknown >= MANY_UNKNOWN and not found.known and not (memory and memory.known_at):
                found.failures.append(
                    f"Zoho knows no courses of any of {found.unknown:,} leavers, and of no leaver before. It may know "
                    "nobody by the record number who has left. Look in Zoho People whether one of them is still in a "
                    "batch; if so, tell support."
                )
        return found

    async def remember(self, found: LeaversFound) -> None:
        """Remember what a nightly run has found, once its rows are where no kill can lose them."""
        now, memory = self._context.clock.wall(), await self._store.memory(*self._account) or _NOTHING
        most, most_at = most_of(memory, now)
        await self._save(
            LeaverMemory(
                found.employees,
                now,
                found.asked,
                found.tried,
                kept_numbers(memory, now) | {one.id: now for one in found.listed.all},
                *((found.employees, now) if found.employees >= most else (most, most_at)),
                memory.uncounted,
                now if found.known else memory.known_at,
            )
        )

    async def accept_number(self, found: LeaversFound) -> None:
        """Remember how many employees there are, as a person says that they are not too few."""
        now, memory = self._context.clock.wall(), await self._store.memory(*self._account) or _NOTHING
        listed, count = {one.id: now for one in found.listed.all}, found.employees
        await self._save(
            replace(
                memory,
                employees=count,
                counted_at=now,
                listed=listed,
                most=count,
                most_at=now,
                uncounted=found.listed.uncounted,
            )
        )

    @property
    def _account(self) -> tuple[str, str]:
        return self._listings.client, self._context.settings.host

    async def _save(self, memory: LeaverMemory) -> None:
        await self._store.remember(*self._account, memory)

    def _due(self, found: LeaversFound, memory: LeaverMemory | None) -> Sequence[Employee]:
        """The leavers whose courses are to be read now, those first who were not asked for or for longest.

        ``found`` learns of the others.
        """
        now, since = self._context.clock.wall(), self._context.counted_from
        leavers = {one.id for one in found.leavers.leavers}
        known: Mapping[str, Epoch] = {} if memory is None else memory.asked
        tried: Mapping[str, Epoch] = {} if memory is None else memory.tried
        found.asked, found.tried = (
            {
                number: at
                for number, at in times.items()
                if number in leavers and since <= at and 0 <= seconds_between(at, now)
            }
            for times in (known, tried)
        )
        due = [
            one
            for one in found.leavers.leavers
            if one.id not in found.asked or seconds_between(found.asked[one.id], now) >= ASK_AGAIN_SECONDS
        ]
        due.sort(key=lambda one: max(found.asked.get(one.id, 0.0), found.tried.get(one.id, 0.0)))
        found.put_off = max(0, len(due) - MAX_ASKED)
        return due[:MAX_ASKED]

    async def _ask(self, due: Sequence[Employee], found: LeaversFound, lists: OpenListings) -> None:
        """Read the courses of these leavers, as far as the allowance goes."""
        ids, stopped = LearnerIds(lists, is_complete=found.listed.is_complete), 0
        for place, employee in enumerate(due):
            if stopped >= MAX_FAILURES or lists.calls_left == 0:
                found.put_off += len(due) - place
                break
            in_batches = list[Enrolment]()
            try:
                enrolments = await lists.enrolments(employee.id)
                in_batches = [one for one in enrolments if one.batch]
                rows = [LeaverRow(employee, one, *await ids.of(employee, one)) for one in in_batches]
            except NotKnown:
                found.unknown += 1
            except ReadFailed as failed:
                stopped = stopped + 1 if isinstance(failed, ReadsStopped) else 0
                found.tried[employee.id] = self._context.clock.wall()
                found.failures.append(f"The courses of a leaver could not be read: {failed}")
                continue
            else:
                found.known += 1
                found.rows += rows
                found.without_batch += len(enrolments) - len(in_batches)
            stopped = 0
            if not ids.unread.isdisjoint((one.course, one.batch) for one in in_batches):
                found.tried[employee.id] = self._context.clock.wall()  # else nobody would ask again for a week
                continue
            found.tried.pop(employee.id, None)
            found.asked[employee.id] = self._context.clock.wall()


async def check_fields(context: Context, client: str) -> None:
    """Check that ``doctor --read`` has seen what a search for leavers relies on. Raises ReadFailed."""
    rule = context.settings.leaver_rule
    of_employees = [("Employeestatus",)]
    of_employees += [("Dateofexit",)] if rule.exit_days is not None else []
    of_employees += [("Department",)] if rule.departments else []
    needed = {
        LIST_EMPLOYEES: of_employees,
        LIST_ENROLMENTS: [("courseId",), ("batchId",)],
        LIST_PROGRESS: [("learnerId",)],
    }
    for operation, fields in needed.items():
        await require_fields(
            context, client, operation, *fields, purpose="Looking for leavers", command=f"{COMMAND} --leavers"
        )
