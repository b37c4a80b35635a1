"""Cursors: where the next page of a list begins. A program gets one with a page, and gives it back as it is."""

from __future__ import annotations

import re

from aiohttp import web

from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import Job

POSITION = r"[0-9]{1,15}"
"""What the cursor of a row looks like: the position of the last one."""
TIME_AND_ID = r"[0-9]{1,12}(\.[0-9]{1,9})?:[A-Za-z0-9-]{1,60}"
"""What the cursor of a job looks like: time and id of the last one. Others that were made since then shift nothing."""


def cursor_at(position: int) -> str:
    """Return the cursor behind the row at this position."""
    return str(position)


def position_of(request: web.Request) -> int:
    """Return the position behind which a page of rows begins; -1 without a cursor. Raises HTTPBadRequest."""
    cursor = _cursor(request, POSITION)
    return -1 if cursor is None else int(cursor)


def cursor_of(job: Job) -> str:
    """Return the cursor behind a job in the list of jobs, the newest first."""
    return f"{job.created_at!r}:{job.id}"


def job_before(request: web.Request) -> tuple[Epoch, str] | None:
    """Return time and id of the job behind which a page begins; None without a cursor. Raises HTTPBadRequest."""
    cursor = _cursor(request, TIME_AND_ID)
    if cursor is None:
        return None
    created_at, _, job_id = cursor.partition(":")
    return Epoch(float(created_at)), job_id


def _cursor(request: web.Request, pattern: str) -> str | None:
    text = request.query.get("cursor")
    if text is not None and not re.fullmatch(pattern, text, re.ASCII):
        raise web.HTTPBadRequest(text="cursor must be the `next` of an earlier page of this list.")
    return text
