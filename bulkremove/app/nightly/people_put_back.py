"""People whom a job was made to put back, in a list that a night takes: nobody has agreed to remove them again."""

from __future__ import annotations

from bulkremove.domain.plan import Plan
from bulkremove.domain.plural import pluralize
from bulkremove.storage import Storage

_NAMED = 5
"""Rows that a sentence names."""


async def put_back_reason(plan: Plan, storage: Storage) -> str:
    """Why a person must look at a plan of removals first, in sentences; empty if it names nobody who was put back."""
    if not storage.exists or not plan.client:
        return ""
    planned = {plan.removal(index): index for index in range(len(plan.table)) if index not in plan.excluded}
    people = {
        removal: plan.people[index].record_number if index in plan.people else "" for removal, index in planned.items()
    }
    back = await storage.rows.people_put_back(plan.client, plan.host, people)
    if not back:
        return ""
    rows = sorted(plan.table.numbers[planned[removal]] for removal in back)
    named = ", ".join(f"{number:,}" for number in rows[:_NAMED]) + f" and {len(rows) - _NAMED:,} more" * (
        len(rows) > _NAMED
    )
    jobs = sorted({job.named_for(plan.account) for job in back.values()})
    who = pluralize(len(rows), "of its learners was", "of its learners were")
    return (
        f"{who} to be put back since they were removed last, by {' and '.join(jobs)} "
        f"({'row' if len(rows) == 1 else 'rows'} {named}). Who must stay belongs into the protected list."
    )
