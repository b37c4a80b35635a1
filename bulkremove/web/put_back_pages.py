"""The pages on which people are chosen whom a job removed, to put them back; a plan of enrolments follows."""

from __future__ import annotations

from aiohttp import web

from bulkremove.app import App
from bulkremove.domain.job import Job
from bulkremove.domain.permissions import Permission
from bulkremove.web.job_actions import plan_put_back
from bulkremove.web.lookups import Lookups
from bulkremove.web.responses import page, parse_number, read_form
from bulkremove.web.routes import FORM, Route, Scope, person
from bulkremove.web.uploads import Uploads

MAX_PEOPLE = 2_000
"""People that the page lists; of a job with more the first ones."""
MAX_CHOICE_BYTES = 512 * 1024
"""Largest form of ticks."""


class PutBackPages:
    """The handlers of these pages."""

    def __init__(self, app: App, uploads: Uploads, lookups: Lookups) -> None:
        self._app, self._uploads, self._lookups = app, uploads, lookups

    def routes(self) -> list[Route]:
        """List the routes of these handlers."""
        return [
            Route("GET", "/jobs/{job}/put-back", self.people, Scope.JOB, Permission.PREPARE),
            Route("POST", "/jobs/{job}/put-back", self.choose, Scope.JOB, Permission.PREPARE, FORM),
        ]

    async def people(self, request: web.Request) -> web.StreamResponse:
        """Show whom a job removed, each with a box to tick if Zoho can be asked to enrol them again."""
        job = await self._job(request)
        rows = await self._app.reenrolments.removed(job)
        context: dict[str, object] = {"job": job, "rows": rows[:MAX_PEOPLE], "left_out": max(0, len(rows) - MAX_PEOPLE)}
        context |= {"back": await self._app.reenrolments.put_back(job)}
        context |= {"can": [row for row in rows if row.person and row.person.record_number]}
        return page("put_back.html", request, context)

    async def choose(self, request: web.Request) -> web.StreamResponse:
        """Plan the enrolment of those who were ticked, or of everybody, and redirect to the plan."""
        job, form = await self._job(request), await read_form(request, max_bytes=MAX_CHOICE_BYTES)
        ticked = frozenset(parse_number(str(value), 0) for name, value in form.items() if name == "row")
        numbers = None if form.get("who") == "all" else ticked
        upload = await plan_put_back(self._uploads, job, numbers, by=person(request).name)
        await self._lookups.begin(upload, person(request))
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    async def _job(self, request: web.Request) -> Job:
        return await self._app.jobs.find(request.match_info["job"])
