"""Matching: from the e-mail addresses or employee ids of a file, and its courses and batches, to Zoho's ids.

Each row is resolved through the roster of its batch: exactly one match, or the row is ``invalid`` and says why. Nobody
is ever matched by name. The ids are in columns of their own: plan, hash and report hold them like those of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from bulkremove.domain.email_addresses import bare_address
from bulkremove.domain.errors import FileRefused, NotListed
from bulkremove.domain.ids import TRIMMED_CHARACTERS, is_id
from bulkremove.domain.listing import Batch, Course, Learner, Roster
from bulkremove.domain.operation import LIST_BATCHES, LIST_COURSES, LIST_PROGRESS, Operation
from bulkremove.domain.plan import Plan
from bulkremove.domain.row import Exclusion, Roles, Status
from bulkremove.domain.table import Table
from bulkremove.reading.columns import by_name
from bulkremove.reading.options import ALL_BATCHES, ROLES, Match
from bulkremove.zoho.listings import unexpected_fields

HEADINGS = {"course": "Course ID", "batch": "Batch ID", "learner": "Learner ID"}
"""Of the columns that are added."""
_KEYS: Mapping[Match, Callable[[Learner], str]] = {
    Match.EMAIL: lambda learner: learner.email,
    Match.EMPLOYEE_ID: lambda learner: learner.employee_id,
    Match.LEARNER_ID: lambda learner: learner.id,
}
_Ids = tuple[str, str, str]
N = TypeVar("N", Course, Batch)


class Lists(Protocol):
    """The listings that matching needs, implemented by ``listings.OpenListings``. Each raises ReadFailed."""

    async def courses(self, search: str, *, is_fresh: bool = False) -> Sequence[Course]:
        """The courses that are found by a text. ``is_fresh``: a list that was kept from before is not used."""
        ...

    async def batches(self, course: str, *, is_fresh: bool = False) -> Sequence[Batch]:
        """The batches of a course."""
        ...

    async def roster(self, course: str, batch: str, *, is_fresh: bool = False) -> Roster:
        """The learners of a batch."""
        ...

    def was_kept(self, operation: Operation, *asked_for: str) -> bool:
        """Whether a list was kept from before when it was asked for here, by ids or by a text."""
        ...


async def resolve(table: Table, match: Match, lists: Lists) -> Table:
    """Return the table with columns for the three ids, and an exclusion for each row that has none.

    Its roles, before, are the columns of course, batch, and of what the learners are matched by. Raises FileRefused for
    a table that has learner ids already, and the errors of ``Lists``.
    """
    if match is not Match.LEARNER_ID and any(_holds_ids(table, column) for column in by_name(table.header, "learner")):
        raise FileRefused(
            f"{table.source} has a column with learner ids, so nobody need be matched by {match.words}.",
            hint="Leave --match out, or give --match learner-id if its courses or batches are names; or take that "
            "column out of the file.",
            page_hint="Take that column out of the file, or give its courses and batches by their ids.",
        )
    keys = [[cell.strip(TRIMMED_CHARACTERS) for cell in table.columns[column]] for column in table.roles]
    keys.append(_employee_ids(table) if match is Match.EMAIL else [""] * len(table))
    matching = _Matching(match, lists)
    found = [await matching.ids_of(*row) for row in zip(*keys, strict=True)]
    ids = [one if isinstance(one, tuple) else None for one in found]
    unresolved = {
        index: Exclusion(Status.INVALID, one) for index, one in enumerate(found) if not isinstance(one, tuple)
    }
    resolved = len(table) - len(unresolved)
    what = "batch" if match is Match.LEARNER_ID else "learner"
    note = f"{resolved:,} of {len(table):,} rows were matched to one {what} each by {match.words}, from Zoho's lists."
    with_ids = _with_ids(table, ids)
    return replace(with_ids, settled={**unresolved, **table.settled}, reading_notes=(*table.reading_notes, note))


def has_names(plan: Plan) -> bool:
    """Whether rows of a plan are invalid since course or batch is not an id, beside a learner id: it may be a name."""
    course, batch, learner = plan.ids
    return any(
        exclusion.status is Status.INVALID
        and is_id(learner[index])
        and not (is_id(course[index]) and is_id(batch[index]))
        and course[index]
        and batch[index]
        for index, exclusion in plan.excluded.items()
    )


def matches_instead(table: Table) -> list[Match]:
    """By what a file could be matched that has a column for learner ids with nothing in it, like a filled template."""
    if not table.roles or not _is_empty(table, table.roles.learner):
        return []
    others = (Match.EMAIL, Match.EMPLOYEE_ID)
    return [match for match in others if all(by_name(table.header, role, match) for role in ("course", "learner"))]


def _is_empty(table: Table, column: int) -> bool:
    return not any(cell.strip(TRIMMED_CHARACTERS) for cell in table.columns[column])


def _holds_ids(table: Table, column: int) -> bool:
    """Whether a column that is called like that of the learner holds ids, and not names or nothing."""
    is_called_so = "id" in table.header[column].casefold() and not _is_empty(table, column)
    return is_called_so or any(is_id(cell.strip()) for cell in table.columns[column])


def _employee_ids(table: Table) -> list[str]:
    """The employee ids beside e-mail addresses, by which a row says twice who is meant; empty without such a column."""
    columns = by_name(table.header, "learner", Match.EMPLOYEE_ID)
    if len(columns) != 1:
        return [""] * len(table)
    return [cell.strip(TRIMMED_CHARACTERS) for cell in table.columns[columns[0]]]


class _Matching:
    """The listings that the rows of one table need, each read once, and what they say about a row."""

    def __init__(self, match: Match, lists: Lists) -> None:
        self._match, self._lists = match, lists
        self._courses: dict[str, str | Course] = {}
        self._batches: dict[tuple[str, str], str | Sequence[Batch]] = {}
        self._rosters: dict[Batch, str | Mapping[str, Sequence[Learner]]] = {}

    async def ids_of(self, course: str, batch: str, person: str, employee_id: str = "") -> _Ids | str:
        """The ids for the cells of a row, or a sentence that says why there are none. Batch ``*`` means all.

        ``employee_id``: what the row says of the person besides; empty for nothing.
        """
        for what, cell in (("course", course), ("batch", batch), (self._match.words, person)):
            if not cell:
                hint = " Write * for all batches of the course." if what == "batch" else ""
                return f"The cell with the {what} is empty.{hint}"
        if course not in self._courses:
            self._courses[course] = await self._course(course)
        found = self._courses[course]
        if isinstance(found, str):
            return found
        if (found.id, batch) not in self._batches:
            self._batches[found.id, batch] = await self._batches_of(found.id, batch)
        batches = self._batches[found.id, batch]
        if isinstance(batches, str):
            return batches
        if self._match is Match.LEARNER_ID and batch != ALL_BATCHES:
            return found.id, batches[0].id, person
        key = _folded(bare_address(person) if self._match is Match.EMAIL else person)
        matches = list[tuple[str, Learner]]()
        for is_fresh in (False, True):  # somebody may have been enrolled since a list was kept
            if is_fresh and batch == ALL_BATCHES and self._lists.was_kept(LIST_BATCHES, found.id):
                batches = self._batches[found.id, batch] = await self._batches_of(found.id, batch, is_fresh=True)
                if isinstance(batches, str):
                    return batches
            for one in batches:
                if one not in self._rosters or (is_fresh and self._lists.was_kept(LIST_PROGRESS, one.course, one.id)):
                    self._rosters[one] = await self._by_key(one, is_fresh=is_fresh)
                people = self._rosters[one]
                if isinstance(people, str):
                    return people
                matches += [(one.id, learner) for learner in people.get(key, ())]
            if matches:
                break
        if len(matches) != 1:
            is_one = batch != ALL_BATCHES
            where = f"Batch {batches[0].id} has" if is_one else f"The batches of course {found.id} have"
            count = f"{len(matches)} learners" if matches else "no learner"
            return f"{where} {count} with this {self._match.words}."
        learner = matches[0][1]
        if employee_id and learner.employee_id and _number(employee_id) != _number(learner.employee_id):
            return f"This row has employee id {employee_id!r}, and Zoho {learner.employee_id!r} for its e-mail address."
        return found.id, matches[0][0], learner.id

    async def _batches_of(self, course: str, cell: str, *, is_fresh: bool = False) -> str | Sequence[Batch]:
        """The batch that a cell names, or all of the course for ``*``; or why there is none.

        A list that was kept from before is read anew before it shows that there is none.
        """
        try:
            batches = await self._lists.batches(course, is_fresh=is_fresh)
        except NotListed as unknown:
            return unknown.message
        if cell == ALL_BATCHES:
            found: str | Sequence[Batch] = batches or f"Course {course} has no batches."
        else:
            one = _only(batches, cell, f"Course {course} has", "batch")
            found = one if isinstance(one, str) else [one]
        if isinstance(found, str) and self._lists.was_kept(LIST_BATCHES, course):
            return await self._batches_of(course, cell, is_fresh=True)
        return found

    async def _course(self, cell: str, *, is_fresh: bool = False) -> str | Course:
        if is_id(cell):  # a name of digits alone is not looked for: it would be taken for an id elsewhere
            return Course(cell, "")
        text = " ".join(cell.split())
        found = _only(await self._lists.courses(text, is_fresh=is_fresh), cell, "There is", "course")
        if isinstance(found, str) and self._lists.was_kept(LIST_COURSES, text):
            return await self._course(cell, is_fresh=True)
        return found

    async def _by_key(self, batch: Batch, *, is_fresh: bool) -> str | Mapping[str, Sequence[Learner]]:
        """The learners of a batch by what they are matched by, or why nobody can be matched."""
        try:
            roster = await self._lists.roster(batch.course, batch.id, is_fresh=is_fresh)
        except NotListed as unknown:
            return unknown.message
        batch = roster.batch
        if not roster.is_complete:
            counted = "does not say how many it has" if batch.learners is None else f"counts {batch.learners:,}"
            return (
                f"Zoho lists {len(roster.learners):,} learners of batch {batch.id} and {counted}, so it is not known "
                "whether exactly one matches."
            )
        key, by_key = _KEYS[self._match], dict[str, list[Learner]]()
        for learner in roster.learners:
            if text := _folded(key(learner)):
                by_key.setdefault(text, []).append(learner)
        if roster.learners and not by_key:
            raise unexpected_fields(
                f"Zoho's list of batch {batch.id} names no {self._match.words} of any learner, so nobody can be "
                "matched by it."
            )
        return by_key


def _only(records: Sequence[N], cell: str, where: str, what: str) -> str | N:
    """The one record with this id or name, or a sentence that says why there is none."""
    wanted = _folded(cell)
    matches = [one for one in records if one.id == cell or _folded(one.name) == wanted]
    if len(matches) == 1:
        return matches[0]
    return f"{where} {'no' if not matches else 'more than one'} {what} of this name."


def _folded(text: str) -> str:
    """A text as it is compared: letters' case and the number of blanks aside."""
    return " ".join(text.split()).casefold()


def _with_ids(table: Table, ids: Sequence[_Ids | None]) -> Table:
    """The table whose roles are columns of ids: the file's own where they hold these ids already, else added ones."""
    header, columns, roles = [*table.header], [*table.columns], list[int]()
    for place, role in enumerate(ROLES):
        own = [*table.roles][place]
        cells = [one[place] if one else "" for one in ids]
        if all(
            one is None or cell.strip(TRIMMED_CHARACTERS) == one[place]
            for cell, one in zip(columns[own], ids, strict=True)
        ):
            roles.append(own)
            continue
        header.append(f"{HEADINGS[role]} in Zoho" if HEADINGS[role] in table.header else HEADINGS[role])
        columns.append(cells)
        roles.append(len(columns) - 1)
    return replace(table, header=tuple(header), columns=tuple(columns), roles=Roles(*roles))


def _number(employee_id: str) -> str:
    """An employee id as it is compared: a spreadsheet takes zeros off its begin."""
    return _folded(employee_id).lstrip("0")
