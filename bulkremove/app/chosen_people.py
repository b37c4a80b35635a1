"""People chosen from rosters, instead of a file: a table with their ids, which is planned like that of a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bulkremove.domain.email_addresses import bare_address
from bulkremove.domain.enrolment_check import EnrolmentCheck, compare
from bulkremove.domain.listing import Batch, Learner, Roster
from bulkremove.domain.plan import Plan
from bulkremove.domain.row import Exclusion, Roles, Status
from bulkremove.domain.table import Table

HEADER = ("Course ID", "Batch ID", "Learner ID", "Name", "E-mail", "Employee ID", "Batch")
_ROLES = Roles(0, 1, 2)
MAX_LINE_LENGTH = 200
"""Characters of a line that are quoted."""
_INVISIBLE = "\ufeff\u200b\u200e\u200f"
"""Characters that pasted lines may begin or end with, unseen: of byte order, of no width and of direction."""


def chosen(rosters: Sequence[Roster], ticked: Iterable[tuple[str, str]], lines: Iterable[str], *, source: str) -> Table:
    """The table of the learners who were ``ticked``, by the ids of batch and learner, and of those whom ``lines`` name.

    A line is an e-mail address or an employee id. Exactly one learner of these batches must have it, and their lists
    must be complete; else its row is ``invalid`` and says why. So is the row of somebody ticked who is listed no more.
    Whoever is chosen in both ways has one row.
    """
    everybody = [(roster.batch, learner) for roster in rosters for learner in roster.learners]
    listed = {(batch.id, learner.id): _cells(batch, learner) for batch, learner in everybody}
    rows: dict[tuple[str, str] | str, tuple[str, ...]] = {}
    problems: dict[tuple[str, str] | str, str] = {}
    where = "this batch" if len(rosters) == 1 else "these batches"
    for key in ticked:
        rows[key] = listed.get(key, ("", *key, "", "", "", ""))
        if key not in listed:
            problems[key] = "Zoho's list of this batch does not hold this learner any more."
    for line in filter(None, (" ".join(text.split()).strip(_INVISIBLE) for text in lines)):
        found = [one for one in everybody if _is_named(one[1], line)]
        if len(found) == 1 and all(roster.is_complete for roster in rosters):
            batch, learner = found[0]
            rows.setdefault((batch.id, learner.id), _cells(batch, learner))
            continue
        rows[line] = ("", "", "", "", line, "", "")
        if len(found) == 1:
            why = "matches a learner, but Zoho's list may not be whole, so others may match too."
        else:
            count = f"{len(found)} learners" if found else "no learner"
            why = f"is the e-mail address or employee id of {count} in {where}."
        problems[line] = f'"{line[:MAX_LINE_LENGTH]}" {why}'
    settled = {index: Exclusion(Status.INVALID, problems[key]) for index, key in enumerate(rows) if key in problems}
    columns = tuple(zip(*rows.values(), strict=True)) or tuple(() for _ in HEADER)
    return Table(source, "zoho", HEADER, _ROLES, range(1, len(rows) + 1), columns, settled=settled)


def check_of(plan: Plan, rosters: Sequence[Roster]) -> EnrolmentCheck:
    """The enrolment check of a plan of people who were chosen from these rosters."""
    return compare(plan, {(one.batch.course, one.batch.id): one for one in rosters}, None)


def _cells(batch: Batch, learner: Learner) -> tuple[str, ...]:
    return batch.course, batch.id, learner.id, learner.name, learner.email, learner.employee_id, batch.name


def _is_named(learner: Learner, line: str) -> bool:
    email, employee_id = learner.email.strip().casefold(), learner.employee_id.strip().casefold()
    return (bare_address(line).casefold() == email != "") or (line.casefold() == employee_id != "")
