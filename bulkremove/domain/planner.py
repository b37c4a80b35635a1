"""From a table to a plan: which rows are sent, which are not and why, and the plan's fingerprint.

Pure: it reads no file, no clock and no settings. An id is never mended into another one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

from bulkremove.domain.ids import MAX_ID_DIGITS, OUTER, all_digits
from bulkremove.domain.operation import REMOVE_LEARNER, Operation
from bulkremove.domain.plan import Plan, PlannedRow, ProtectedLearners
from bulkremove.domain.row import Exclusion, Removal, Status
from bulkremove.domain.table import Table, column_letter

_FORMAT = "bulkremove plan 2"
_BORDER = "\x1f"
"""Between two texts of a column; ASCII's own unit separator."""


PROTECTED = "This learner is on the list of those who are never removed."


def plan(
    table: Table,
    *,
    account: str,
    host: str,
    protected: ProtectedLearners | None = None,
    operation: Operation = REMOVE_LEARNER,
) -> Plan:
    """The plan for a table, as ``account`` on ``host``. Every row of the table is in it exactly once.

    ``protected``: who is never removed; their rows are ``not_sent``.
    """
    (course, _), (batch, _), (learner, _) = checked = [_checked(table.columns[column]) for column in table.roles]
    excluded = dict(table.settled)
    for role, column, (_, invalid) in zip(operation.roles, table.roles, checked, strict=True):
        for index, why in invalid.items():
            if index not in excluded:
                raw = table.columns[column][index]
                place = f"Cell {column_letter(column)}{table.numbers[index]} ({table.header[column]})"
                excluded[index] = Exclusion(Status.INVALID, f"{place} is no {role} id: {_quoted(raw)} {why}.")
    _exclude_duplicates(table, course, batch, learner, excluded)
    if protected:
        for index, triple in enumerate(zip(course, batch, learner, strict=True)):
            if index not in excluded and Removal(*triple) in protected:
                excluded[index] = Exclusion(Status.NOT_SENT, PROTECTED)
    if excluded:
        pairs = ((c, b) for i, (c, b) in enumerate(zip(course, batch, strict=True)) if i not in excluded)
        batches = Counter(pairs)
    else:
        batches = Counter(zip(course, batch, strict=True))
    fingerprint = _fingerprint(operation, table, excluded, account, host)
    return Plan(account, host, table, (course, batch, learner), excluded, dict(batches), fingerprint, operation)


def some_rows(
    plan: Plan, *, status: Status | None, to_remove: bool, text: str, offset: int, limit: int
) -> list[PlannedRow]:
    """The rows that are not sent for one reason, or those ``to_remove``, or (neither) all, in file order.

    ``text``: what some cell must hold, letters' case aside.
    """
    wanted, columns = text.casefold(), plan.table.columns

    def meant(index: int) -> bool:
        exclusion = plan.excluded.get(index)
        if (to_remove and exclusion) or (status and (exclusion is None or exclusion.status is not status)):
            return False
        return not wanted or any(wanted in column[index].casefold() for column in columns)

    found = islice((index for index in range(len(plan.table)) if meant(index)), offset, offset + limit)
    return [plan.row(index) for index in found]


def _checked(cells: Sequence[str]) -> tuple[Sequence[str], Mapping[int, str]]:
    """The trimmed cells; which of them are no id, and why. The look at all at once is what a million rows need."""
    if all_digits(cells) and max(map(len, cells), default=0) <= MAX_ID_DIGITS:
        return cells, {}
    trimmed = [cell.strip(OUTER) for cell in cells]
    return trimmed, {index: why for index, cell in enumerate(trimmed) if (why := _why(cell)) is not None}


def _why(cell: str) -> str | None:
    if cell.isascii() and cell.isdigit() and len(cell) <= MAX_ID_DIGITS:
        return None
    if not cell:
        return "is empty"
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
    """Each repetition of an earlier row's three ids; a row settled before counts as an earlier row."""
    invalid = {index for index, exclusion in excluded.items() if exclusion.status is Status.INVALID}
    if not invalid and len(set(learner)) == len(learner):
        return  # nobody stands there twice, so no triple does
    first: dict[tuple[str, str, str], int] = {}
    for index, triple in enumerate(zip(course, batch, learner, strict=True)):
        if index in invalid:
            continue
        earlier = first.setdefault(triple, index)
        if earlier != index and index not in excluded:
            words = f"The same course, batch and learner stand in row {table.numbers[earlier]}."
            excluded[index] = Exclusion(Status.DUPLICATE, words)


def _fingerprint(operation: Operation, table: Table, excluded: Mapping[int, Exclusion], account: str, host: str) -> str:
    """SHA-256 (hex) over everything that the plan would do, in a form that no two plans share."""
    call = [operation.name, operation.method, operation.path]
    head = [_FORMAT, *call, account, host, list(table.header), list(table.roles), table.sheet]
    digest = hashlib.sha256(json.dumps(head).encode())
    digest.update(json.dumps([[i, e.status.value, e.detail] for i, e in sorted(excluded.items())]).encode())
    numbers = table.numbers
    place = [numbers.start, len(numbers)] if isinstance(numbers, range) else list(numbers)
    digest.update(json.dumps(place).encode())
    for column in table.columns:
        joined = _BORDER.join(column)
        if joined.count(_BORDER) >= len(column):  # a text holds the border: only its length tells where it ends
            digest.update(",".join(map(str, map(len, column))).encode())
        digest.update(b"|%d|" % len(joined))
        digest.update(joined.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _quoted(raw: str) -> str:
    shown = raw if len(raw) <= 40 else f"{raw[:39]}…"
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in shown) + '"'
