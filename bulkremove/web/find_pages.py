"""The pages that find people in Zoho's lists, so that no file with ids is needed: course, batch, learners."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from aiohttp import web

from bulkremove.app import App
from bulkremove.app.chosen_people import check_of, chosen
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.errors import BulkremoveError
from bulkremove.domain.ids import is_id
from bulkremove.domain.listing import Batch, Course, Roster
from bulkremove.domain.permissions import Permission
from bulkremove.web.account_choice import account_of, accounts_for
from bulkremove.web.lookups import ALL, MAX_BATCHES, Lookups
from bulkremove.web.responses import page, read_form, while_awaited
from bulkremove.web.routes import FORM, Route, Scope, person
from bulkremove.web.uploads import Uploads

FOREGROUND_SECONDS = 1.0
"""Seconds that a page waits for a list of learners before it shows how far it is; one that was kept comes at once."""
MAX_CHOICE_BYTES = 512 * 1024
"""Largest form of ticks and pasted lines; more than other forms have, since a batch may have thousands of learners."""


class FindPages:
    """The handlers of the pages of Zoho's lists. Each list takes calls of the limit that removals have."""

    def __init__(self, app: App, uploads: Uploads, lookups: Lookups) -> None:
        self._app, self._uploads, self._lookups = app, uploads, lookups

    def routes(self) -> list[Route]:
        """List the routes of these handlers."""
        return [
            Route("GET", "/find", self.courses, Scope.SOME, Permission.PREPARE),
            Route("GET", "/find/{course}", self.batches, Scope.SOME, Permission.PREPARE),
            Route("GET", "/find/{course}/{batch}", self.learners, Scope.SOME, Permission.PREPARE),
            Route("POST", "/find/{course}/{batch}", self.choose, Scope.SOME, Permission.PREPARE, FORM),
        ]

    async def courses(self, request: web.Request) -> web.StreamResponse:
        """Show a search form, and the courses that Zoho finds by its text."""
        names, text = accounts_for(self._app, person(request)), request.query.get("q")
        context: dict[str, object] = {
            "accounts": names,
            "text": text or "",
            "found": None,
            "problem": "",
            "account": "",
        }
        if text is None:
            return page("find.html", request, context)
        account = context["account"] = self._account(request, request.query)
        found, problem = list[Course](), ""
        try:
            found = [*await while_awaited(request, self._courses(account, text.strip()))]
        except BulkremoveError as error:
            problem = error.page_text
        return page("find.html", request, context | {"found": found, "problem": problem})

    async def batches(self, request: web.Request) -> web.StreamResponse:
        """Show the batches of a course."""
        course, account = self._id(request, "course"), self._account(request, request.query)
        found, problem = list[Batch](), ""
        try:
            found = [*await while_awaited(request, self._batches(account, course))]
        except BulkremoveError as error:
            problem = error.page_text
        context = {"account": account, "course": course, "batches": found, "problem": problem, "most": MAX_BATCHES}
        return page("find_batches.html", request, context)

    async def learners(self, request: web.Request) -> web.StreamResponse:
        """Show the learners of a batch, or of all batches of a course, each with a box to tick.

        While they are read it shows how far that is; the browser asks again, and loads the page at the end.
        """
        course, batch = self._id(request, "course"), self._id(request, "batch", ALL)
        account, who = self._account(request, request.query), person(request)
        lookup = await self._lookups.rosters(who, account, course, batch)
        if lookup.task is not None:
            await asyncio.wait({lookup.task}, timeout=FOREGROUND_SECONDS)
        context: dict[str, object] = {"account": account, "course": course, "batch": batch, "lookup": lookup}
        is_poll = "HX-Request" in request.headers
        if lookup.is_under_way or is_poll:
            headers = {} if lookup.is_under_way else {"HX-Refresh": "true"}
            return page("find_lookup.html", request, context, headers=headers)
        self._lookups.forget_rosters(who, account, course, batch)
        rosters, problem = (
            lookup.rosters if lookup.error is None else (),
            lookup.error.page_text if lookup.error else "",
        )
        if not problem:
            listed = sum(len(roster.learners) for roster in rosters)
            facts = {"course": course, "batches": len(rosters), "learners": listed, "account": account}
            await self._app.record(who.name, AuditAct.ROSTER, **facts)
        context |= {"rosters": rosters, "problem": problem}
        return page("find_learners.html", request, context)

    async def choose(self, request: web.Request) -> web.StreamResponse:
        """Plan the removal of the learners who were ticked or named, and redirect to the plan."""
        form = await read_form(request, max_bytes=MAX_CHOICE_BYTES)
        course, batch = self._id(request, "course"), self._id(request, "batch", ALL)
        account, by = self._account(request, form), person(request).name
        values = (str(value).partition("-") for name, value in form.items() if name == "learner")
        ticked = dict.fromkeys((of_batch, learner) for of_batch, _, learner in values)
        lines = str(form.get("people", "")).replace(",", "\n").replace(";", "\n").splitlines()
        generation = await self._app.plans.generation()
        rosters = await while_awaited(request, self._rosters(account, course, batch))
        names = ", ".join(roster.batch.name or roster.batch.id for roster in rosters)
        table = chosen(rosters, ticked, lines, source=names[:100])
        if not len(table):
            raise web.HTTPBadRequest(text="Nobody was chosen. Go back and tick somebody, or name them.")
        app, seen = self._app.for_account(account), person(request).seen
        preview = await app.plans.preview_table(table, seen=seen)
        check = check_of(preview.plan, rosters)
        upload = self._uploads.add_table(table, check, generation, account=account, by=by, seen=seen)
        facts = {"name": upload.name, "course": course, "batches": len(rosters), "rows": len(table), "account": account}
        await self._app.record(by, AuditAct.CHOSE, **facts)
        raise web.HTTPSeeOther(f"/uploads/{upload.id}")

    async def _courses(self, account: str, text: str) -> Sequence[Course]:
        async with self._app.for_account(account).listings.open() as lists:
            return await lists.courses(text)

    async def _batches(self, account: str, course: str) -> Sequence[Batch]:
        async with self._app.for_account(account).listings.open() as lists:
            return await lists.batches(course)

    async def _rosters(self, account: str, course: str, batch: str) -> Sequence[Roster]:
        """The rosters of a batch, or of all of a course. Raises ReadFailed and others."""
        async with self._app.for_account(account).listings.open() as lists:
            batches = [one.id for one in await lists.batches(course)] if batch == ALL else [batch]
            return [await lists.roster(course, one) for one in batches]

    def _account(self, request: web.Request, fields: Mapping[str, object]) -> str:
        return account_of(self._app, person(request), str(fields.get("account", "")))

    @staticmethod
    def _id(request: web.Request, name: str, *others: str) -> str:
        value = request.match_info[name]
        if value not in others and not is_id(value):
            raise web.HTTPNotFound(text=f"{value!r} is no {name} id.")
        return value
