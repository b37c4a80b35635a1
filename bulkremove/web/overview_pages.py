"""The pages of the frame's navigation: new removal, jobs, nights and help."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from bulkremove.app import App, QuotaUsage
from bulkremove.app.backup import REPLACED
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.app.reports import MIN_PERSON_TEXT
from bulkremove.domain.attempt import Outcome
from bulkremove.domain.clock import Epoch, later
from bulkremove.domain.errors import BulkremoveError
from bulkremove.domain.job import Job, JobState, Tally
from bulkremove.domain.permissions import AccountSet, Permission
from bulkremove.domain.standing import OF_STATE, Standing, standing_of
from bulkremove.platform.local_time import day_in
from bulkremove.report import template_file
from bulkremove.storage.interface.jobs import VISIBLE
from bulkremove.web.account_choice import accounts_for
from bulkremove.web.night_facts import night_facts
from bulkremove.web.responses import KINDS, page, page_number, while_awaited
from bulkremove.web.routes import Route, Scope, person
from bulkremove.web.upload import replaced_by
from bulkremove.web.uploads import Uploads

FILTERS = ("q", "state", "account", "who", "since")
"""The filters of the page of jobs: file, state, account, who prepared or confirmed it, and the first day."""


class OverviewPages:
    """The handlers of the pages that the navigation names."""

    def __init__(self, app: App, supervisor: JobSupervisor, uploads: Uploads) -> None:
        self._app, self._supervisor, self._uploads = app, supervisor, uploads

    def routes(self) -> list[Route]:
        """List the routes of these handlers."""
        return [
            Route("GET", "/", self.home, Scope.SOME, Permission.LOOK),
            Route("GET", "/jobs", self.jobs, Scope.SOME, Permission.LOOK),
            Route("GET", "/people", self.people, Scope.SOME, Permission.LOOK),
            Route("GET", "/nights", self.nights, Scope.SOME, Permission.LOOK),
            Route("GET", "/help", self.help, Scope.SOME, Permission.LOOK),
            Route("GET", "/template.xlsx", self.template, Scope.SOME, Permission.PREPARE),
        ]

    async def home(self, request: web.Request) -> web.StreamResponse:
        """Show where a new removal begins, the drafts, and what is under way."""
        seen = person(request).seen
        uploads = self._uploads.drafts(seen)
        drafts = [(upload, replaced_by(upload, uploads) is not None) for upload in uploads]
        context: dict[str, Any] = {"drafts": drafts, "order": await self._order(seen)}
        held, _, _ = await self._app.jobs.page(accounts=seen, state=JobState.HELD)
        context |= {"scheduled": await self._scheduled(seen), "held": held}
        context |= {"accounts": accounts_for(self._app, person(request)), "show_account": self._shows_account(seen)}
        context |= {"replaced": REPLACED if await self._app.backups.is_replaced() else ""}
        context |= {"unconnected": [name for name in context["accounts"] if not self._is_connected(name)]}
        return page("home.html", request, context | await self._allowances(seen))

    async def jobs(self, request: web.Request) -> web.StreamResponse:
        """Show a page of the jobs, and how much of each account's limit is used."""
        seen, query, number = person(request).seen, request.query, page_number(request)
        filters = {name: query.get(name, "").strip() for name in FILTERS}
        state = JobState(filters["state"]) if filters["state"] in set(VISIBLE) else None
        account, since = filters["account"], day_in(filters["since"])
        jobs, tallies, has_more = await self._app.jobs.page(
            accounts=AccountSet.only(account) if account in seen and account else seen,
            page=number,
            state=state,
            source=filters["q"],
            who=filters["who"],
            since=Epoch(0.0) if since is None else since,
        )
        standings = [(job, tallies[job.id], await self._standing(job, tallies[job.id])) for job in jobs]
        accounts = {*self._accounts(seen), *(job.account for job in jobs)}
        context: dict[str, Any] = {"jobs": standings, "order": await self._order(seen)}
        context |= {"scheduled": await self._scheduled(seen)}
        context |= {"states": [(state, OF_STATE[state]) for state in VISIBLE], "accounts": self._accounts(seen)}
        context |= {"filters": filters, "query": urlencode(filters), "page": number, "more": has_more}
        context |= {"replaced": REPLACED if await self._app.backups.is_replaced() else ""}
        return page("jobs.html", request, context | await self._allowances(seen) | {"show_account": len(accounts) > 1})

    async def people(self, request: web.Request) -> web.StreamResponse:
        """Show in which jobs a person stands, and what became of the row."""
        text = request.query.get("q", "").strip()
        is_short = len(text) < MIN_PERSON_TEXT
        found, has_more = list[tuple[Job, list[Outcome]]](), False
        if not is_short:
            work = self._app.reports.about_person(text, person(request).seen)
            found, has_more = await while_awaited(request, work)
        context = {"text": text, "is_short": is_short, "found": found, "has_more": has_more}
        return page("people.html", request, context | {"least": MIN_PERSON_TEXT})

    async def nights(self, request: web.Request) -> web.StreamResponse:
        """Show the nights of the person's accounts, with their next and last runs and what waits for a person."""
        seen = person(request).seen
        nights = [await night_facts(self._app, night) for night in self._app.settings.nights]
        held, _, _ = await self._app.jobs.page(accounts=seen, state=JobState.HELD)
        scheduled, _, _ = await self._app.jobs.page(accounts=seen, state=JobState.SCHEDULED)
        waiting = [
            (job, await self._standing(job, await self._app.jobs.tally(job)))
            for job in [*held, *(job for job in scheduled if job.night)]
        ]
        return page(
            "nights.html",
            request,
            {"nights": [facts for facts in nights if facts.account in seen], "waiting": waiting},
        )

    async def help(self, request: web.Request) -> web.StreamResponse:
        """Show how a removal works, and what the words of the page mean."""
        return page("help.html", request, {})

    async def template(self, request: web.Request) -> web.StreamResponse:
        """Send the workbook to fill in with people to remove."""
        content = io.BytesIO()
        template_file.write_template(content)
        headers = {"Content-Disposition": f'attachment; filename="{template_file.NAME}"'}
        return web.Response(body=content.getvalue(), content_type=KINDS[".xlsx"], headers=headers)

    def _is_connected(self, account: str) -> bool:
        return self._app.accounts.is_connected(self._app.for_account(account).settings)

    def _accounts(self, seen: AccountSet) -> list[str]:
        return [name for name in self._app.accounts.names() if name in seen]

    def _shows_account(self, seen: AccountSet) -> bool:
        return len({*self._accounts(seen), *(upload.account for upload in self._uploads.drafts(seen))}) > 1

    async def _allowances(self, seen: AccountSet) -> dict[str, Any]:
        """How much of the limit of each account is used, or why that is not known."""
        allowances: list[tuple[str, QuotaUsage | None, str]] = []
        for name in self._accounts(seen):
            try:
                usage = await self._app.for_account(name).accounts.allowance()
            except BulkremoveError as error:
                allowances.append((name, None, error.page_text))
            else:
                allowances.append((name, usage, ""))
        return {"allowances": allowances, "speed": self._app.clock.speed}

    async def _order(self, seen: AccountSet) -> list[tuple[Job, float, Epoch]]:
        """The jobs under way, those that end first at the front, with the seconds until then and the time."""
        order, speed, now = list[tuple[Job, float, Epoch]](), self._app.clock.speed, self._app.clock.wall()
        locked = {name: usage.locked for name, usage, _ in (await self._allowances(seen))["allowances"] if usage}
        for job, seconds in await self._supervisor.running_by_end():
            if job.account in seen:
                left = (seconds + locked.get(job.account, 0.0)) / speed
                order.append((job, left, later(now, left)))
        return order

    async def _scheduled(self, seen: AccountSet) -> list[Job]:
        """The jobs that start by themselves at a time that a person chose, those that start first at the front."""
        jobs, _, _ = await self._app.jobs.page(accounts=seen, state=JobState.SCHEDULED)
        return sorted((job for job in jobs if not job.night), key=lambda job: job.due_at or 0.0)

    async def _standing(self, job: Job, tally: Tally) -> Standing:
        is_running = self._supervisor.running(job.id) is not None or await self._app.jobs.is_running(job)
        return standing_of(job, tally, now=self._app.clock.wall(), is_running=is_running)
