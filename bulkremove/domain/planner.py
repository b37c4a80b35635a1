"""Make a plan from a table: which rows are sent, which are not and why, and the plan's hash.

Pure: it reads no file, no clock and no settings. An id is trimmed, but never corrected into another one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from itertools import islice
from types import MappingProxyType

from bulkremove.domain.doubts import Doubt, find_doubts
from bulkremove.domain.hosts import is_sandbox
from bulkremove.domain.ids import MAX_ID_DIGITS, TRIMMED_CHARACTERS, all_ids, is_id
from bulkremove.domain.listing import Learner
from bulkremove.domain.operation import REMOVE_LEARNER, PlannedOperation
from bulkremove.domain.plan import OtherJob, Plan, PlannedRow, ProtectedLearners
from bulkremove.domain.row import Exclusion, Removal, Status
from bulkremove.domain.table import Table, column_letter
from bulkremove.domain.wording import Wording

_FORMAT = "bulkremove plan 5"
_UNIT_SEPARATOR = "\x1f"
"""Separates the texts of a column; ASCII's unit separator."""

_FOOTER_ROWS = 10
PROTECTED = "This learner is on the list of those who are never removed."


def plan(
    table: Table,
    *,
    account: str,
    host: str,
    client: str = "",
    protected: ProtectedLearners | None = None,
    open_elsewhere: Mapping[Removal, OtherJob] = MappingProxyType({}),
    operation: PlannedOperation = REMOVE_LEARNER,
    accepted_wordings: Iterable[Wording] = (),
    people: Mapping[int, Learner] | None = None,
    email_column: int | None = None,
    doubts: Iterable[Doubt] = (),
    batch_names: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> Plan:
    """Make the plan for a table, with ``account`` on ``host``. Every row of the table is in it exactly once.

    ``client``: the identity of the account's client; empty where there are no credentials, and then it can't be run.
    ``protected``: learners who are never removed; ``open_elsewhere``: removals that other jobs may still send, each
    with the job. ``accepted_wordings``: what counts as a proven removal besides the documented success; they are
    part of the hash. ``people``: who the learners are, by index in the table; they are not part of it.
    ``email_column``: that of the learners' e-mail addresses, if it is known. ``doubts``, ``batch_names``: those of its
    enrolment check; all doubts are part of the hash, which is no consent where there are others, or none any more. A
    protected learner's row is ``not_sent``, one that another job may still send ``duplicate``.
    """
    (course, _), (batch, _), (learner, _) = checked = [_trim_and_check(table.columns[column]) for column in table.roles]
    excluded = dict(table.settled)
    footer = _footer(table) if any(invalid for _, invalid in checked) else range(0)
    for role, column, (_, invalid) in zip(operation.roles, table.roles, checked, strict=True):
        for index, problem in invalid.items():
            if index not in excluded:
                raw = table.columns[column][index]
                place = f"Cell {column_letter(column)}{table.numbers[index]} ({table.header[column]})"
                footer_note = " The row looks like a footer of the list." if index in footer else ""
                detail = f"{place} is no {role} id: {_quoted(raw)} {problem}.{footer_note}"
                excluded[index] = Exclusion(Status.INVALID, detail)
    _exclude_duplicates(table, course, batch, learner, excluded)
    open_in = Counter[OtherJob]()
    if protected or open_elsewhere:
        for index, triple in enumerate(zip(course, batch, learner, strict=True)):
            removal = Removal(*triple)
            if index not in excluded and protected and removal in protected:
                excluded[index] = Exclusion(Status.NOT_SENT, PROTECTED)
            elif index not in excluded and removal in open_elsewhere:
                job = open_elsewhere[removal]
                open_in[job] += 1
                detail = f"This row is still to be sent by {job.named_for(account)}."
                excluded[index] = Exclusion(Status.DUPLICATE, detail)
    if excluded:
        pairs = ((c, b) for i, (c, b) in enumerate(zip(course, batch, strict=True)) if i not in excluded)
        batches = Counter(pairs)
    else:
        batches = Counter(zip(course, batch, strict=True))
    wordings = tuple(sorted(accepted_wordings))
    ids, jobs = (course, batch, learner), dict(sorted(open_in.items()))
    found = find_doubts(table, ids, excluded, batches, email_column, is_sandbox=is_sandbox(host))
    all_doubts = (*found, *doubts) if batches else ()
    plan_hash = _plan_hash(operation, table, excluded, (account, client, host), wordings, all_doubts)
    return Plan(
        account,
        host,
        table,
        ids,
        excluded,
        dict(batches),
        plan_hash,
        operation,
        jobs,
        client,
        all_doubts,
        people or {},
        batch_names,
        wordings,
    )


def filter_rows(
    plan: Plan, *, status: Status | None, to_remove: bool, text: str, limit: int, offset: int = 0, after: int = -1
) -> list[tuple[int, PlannedRow]]:
    """Return a page of rows with their indexes: those excluded with ``status``, those ``to_remove``, or else all.

    ``text``: only rows with it in some cell, ignoring case; ``after``: an index, only rows after it.
    """
    pattern, columns = text.casefold(), plan.table.columns

    def matches(index: int) -> bool:
        exclusion = plan.excluded.get(index)
        if (to_remove and exclusion) or (status and (exclusion is None or exclusion.status is not status)):
            return False
        return not pattern or any(pattern in column[index].casefold() for column in columns)

    indexes = islice(filter(matches, range(after + 1, len(plan.table))), offset, offset + limit)
    return [(index, plan.row(index)) for index in indexes]


def _footer(table: Table) -> range:
    """Return the indexes of the last rows, ten at most, that hold nothing but a text in the first cell."""
    end = start = len(table)
    while start and end - start < _FOOTER_ROWS:
        first, *others = (column[start - 1].strip() for column in table.columns)
        if not first or first.isdecimal() or any(others):
            break
        start -= 1
    return range(start, end)


def _trim_and_check(cells: Sequence[str]) -> tuple[Sequence[str], Mapping[int, str]]:
    """Return the trimmed cells, and by index the problem of each that is not an id; fast when all cells are ids."""
    if all_ids(cells):
        return cells, {}
    trimmed = [cell.strip(TRIMMED_CHARACTERS) for cell in cells]
    return trimmed, {index: problem for index, cell in enumerate(trimmed) if (problem := _problem(cell)) is not None}


def _problem(cell: str) -> str | None:
    """Why a cell is not an id, or None if it is one. The text is part of the plan's hash."""
    if is_id(cell):
        return None
    if not cell:
        return "is empty"
    if cell.isascii() and cell.isdigit() and cell[0] == "0":
        return "begins with 0, as no id does"
    if cell.isascii() and cell.isdigit():
        return f"has {len(cell)} digits, and an id has {MAX_ID_DIGITS} at most"
    if cell.startswith("'"):
        return "begins with an apostrophe"
    if cell.isdecimal():
        return "is written in other digits than 0 to 9"
    if re.fullmatch(r"[0-9\s]+", cell):
        return "has a blank inside"
    if cell[0] in "+-":
        return "begins with a sign"
    if not cell.isprintable():
        return "holds characters that can't be seen"
    return "holds something other than digits"


def _exclude_duplicates(
    table: Table, course: Sequence[str], batch: Sequence[str], learner: Sequence[str], excluded: dict[int, Exclusion]
) -> None:
    """Exclude each row with the three ids of an earlier row; a row settled by an earlier job counts as one, too.

    An earlier row whose person in Zoho is another does not: what is not sent for it may be right for the later one.
    """
    apart = (Status.INVALID, Status.IDENTITY_MISMATCH)
    passed_over = {index for index, exclusion in excluded.items() if exclusion.status in apart}
    if not passed_over and len(set(learner)) == len(learner):
        return  # no learner occurs twice, so no triple does
    first: dict[tuple[str, str, str], int] = {}
    for index, triple in enumerate(zip(course, batch, learner, strict=True)):
        if index in passed_over:
            continue
        earlier = first.setdefault(triple, index)
        if earlier != index and index not in excluded:
            detail = f"The same course, batch and learner stand in row {table.numbers[earlier]}."
            excluded[index] = Exclusion(Status.DUPLICATE, detail)


def _plan_hash(
    operation: PlannedOperation,
    table: Table,
    excluded: Mapping[int, Exclusion],
    target: tuple[str, str, str],
    wordings: Iterable[Wording],
    doubts: Iterable[Doubt],
) -> str:
    """Compute the SHA-256 (hex) over everything that the plan would do, in an unambiguous encoding."""
    call = [operation.name, operation.method, operation.path]
    head = [_FORMAT, *call, *target, list(table.header), list(table.roles), table.sheet, [*map(astuple, wordings)]]
    digest = hashlib.sha256(json.dumps(head).encode())
    digest.update(json.dumps([astuple(doubt) for doubt in doubts]).encode())
    for exclusions in (excluded, table.included) if table.included else (excluded,):
        digest.update(json.dumps([[i, e.status.value, e.detail] for i, e in sorted(exclusions.items())]).encode())
    numbers = table.numbers
    number_list = [numbers.start, len(numbers)] if isinstance(numbers, range) else list(numbers)
    digest.update(json.dumps(number_list).encode())
    for column in table.columns:
        joined = _UNIT_SEPARATOR.join(column)
        if joined.count(_UNIT_SEPARATOR) >= len(column):  # a text contains the separator: add the lengths of all texts
            digest.update(",".join(map(str, map(len, column))).encode())
        digest.update(b"|%d|" % len(joined))
        digest.update(joined.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _quoted(raw: str) -> str:
    excerpt = raw if len(raw) <= 40 else f"{raw[:39]}…"
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in excerpt) + '"'
