"""What an enrolment check says about its rosters: what was compared, what was not, and whom no list holds. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from bulkremove.domain.compared_names import is_other_batch
from bulkremove.domain.doubts import Doubt, DoubtCode
from bulkremove.domain.listing import Learner, Roster
from bulkremove.domain.plan import Plan

_NAMED = 3
"""Batches that a doubt names."""
_Batch = tuple[str, str]


def notes_of(plan: Plan, rosters: Mapping[_Batch, Roster | str]) -> list[str]:
    """The batches that could not be checked, and those whose list may not be complete, in sentences."""
    notes = []
    for batch in plan.batches:
        roster, place = rosters.get(batch), f"Batch {batch[1]} of course {batch[0]}"
        if isinstance(roster, str):
            notes.append(f"{place} was not checked: {roster}")
        elif roster is not None and not roster.is_complete:
            counted = (
                "does not say how many it has" if roster.batch.learners is None else f"counts {roster.batch.learners:,}"
            )
            notes.append(
                f"{place}: Zoho lists {len(roster.learners):,} learners and {counted}, so who is not listed is sent as "
                "always."
            )
    return notes


def doubt_of_unlisted(
    plan: Plan, rosters: Mapping[_Batch, Roster | str], known: Collection[_Batch]
) -> tuple[Doubt, ...]:
    """A doubt if complete lists hold nobody whom the plan removes. ``known``: batches with ids known to be right."""
    found = {
        batch: len(roster.learners)
        for batch, roster in rosters.items()
        if batch in plan.batches and batch not in known and isinstance(roster, Roster) and roster.is_complete
    }
    if not found:
        return ()
    examples = _examples(
        f"batch {batch[1]} of course {batch[0]} has {listed:,} learners, and none of the file's {plan.batches[batch]:,}"
        for batch, listed in found.items()
    )
    text = (
        "Zoho's whole list of a batch holds nobody whom the file names in it, so these may be no learner ids, or those "
        f"of another batch: {examples}."
    )
    return (Doubt(DoubtCode.NOBODY_LISTED, sum(plan.batches[batch] for batch in found), text),)


def doubt_of_batch_names(
    plan: Plan, names: Mapping[_Batch, str], column: int | None, instead: Collection[int] = ()
) -> tuple[Doubt, ...]:
    """A doubt if rows that are sent name another batch than Zoho does for their batch id.

    ``names``: Zoho's, of the batches that were read; ``column``: that of the file's names, if there is one;
    ``instead``: rows that the plan leaves out as repeated, and that may be sent in the place of another one.
    """
    if column is None:
        return ()
    first = dict[tuple[_Batch, str], int]()
    courses, batches, _ = plan.ids
    for index, row in enumerate(zip(courses, batches, plan.table.columns[column], strict=True)):
        if index not in plan.excluded or index in instead:
            first.setdefault((row[:2], row[2]), plan.table.numbers[index])
    found = dict[_Batch, tuple[str, int]]()
    for (batch, cell), number in first.items():
        if batch not in found and is_other_batch(cell, names.get(batch, "")):
            found[batch] = cell.strip(), number
    if not found:
        return ()
    examples = _examples(
        f"batch {batch[1]} is {names[batch]!r} in Zoho, and row {number} says {cell!r}"
        for batch, (cell, number) in found.items()
    )
    text = (
        "The file names another batch than Zoho does for the batch id beside it, so the ids may be those of another "
        f"batch: {examples}."
    )
    return (Doubt(DoubtCode.OTHER_BATCH_NAME, len(found), text),)


def _examples(of_batches: Iterable[str]) -> str:
    first, others = [*of_batches][:_NAMED], [*of_batches][_NAMED:]
    return "; ".join(first) + (f"; and {len(others):,} more batches" if others else "")


def compared_text(
    header: Sequence[str], email: int | None, name_columns: Sequence[int], rows: int, removals: int
) -> str:
    """What was compared, in a sentence. ``rows``: how many have an e-mail address in both places."""
    names = " ".join(f"{header[column]!r}" for column in name_columns)
    if email is None:
        instead = f" Names are compared ({names})." if names else ""
        return f"No column of the file is known to have the learners' e-mail addresses, so none are compared.{instead}"
    also = f", names with {names}" if names else ""
    of_rows = f" {rows:,} of {removals:,} rows have an address both in the file and in Zoho." if rows < removals else ""
    return f"Zoho's e-mail addresses are compared with column {header[email]!r}{also}.{of_rows}"


def mismatch_text(person: Learner) -> str:
    """Whom Zoho and the file name for one learner id, of a row with another address; without a full stop."""
    who = ", ".join(filter(None, [person.name, person.email]))
    return f"This learner id is that of {who} in Zoho, and the file names {person.other_email}"
