"""The rows of a plan, a page at a time."""

from __future__ import annotations

import asyncio

from bulkremove.app.results import PAGE_SIZE
from bulkremove.domain import planner
from bulkremove.domain.plan import Plan, PlannedRow
from bulkremove.domain.row import Status


async def filter_rows(
    plan: Plan,
    *,
    status: Status | None,
    to_remove: bool,
    text: str,
    page: int = 1,
    after: int = -1,
    limit: int = PAGE_SIZE,
) -> tuple[list[tuple[int, PlannedRow]], bool]:
    """A page (from 1) of a plan's rows with their indexes, and whether more follow; see ``planner.filter_rows``."""
    found = await asyncio.to_thread(
        planner.filter_rows,
        plan,
        status=status,
        to_remove=to_remove,
        text=text,
        offset=(page - 1) * limit,
        after=after,
        limit=limit + 1,
    )
    return found[:limit], len(found) > limit
