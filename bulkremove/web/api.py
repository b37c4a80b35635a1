"""The HTTP API for other programs: the use cases as JSON under /api/v1. Tests compare it with ``openapi``.

Here: its document, the metrics, and plans; ``api_jobs`` has the handlers of jobs.
"""

from __future__ import annotations

from aiohttp import web

from bulkremove.app import App, Consent
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.app.metrics import figures
from bulkremove.app.plan_rows import filter_rows
from bulkremove.domain.errors import AlreadyConfirmed
from bulkremove.domain.job import MAX_KEY_LENGTH
from bulkremove.domain.permissions import Permission
from bulkremove.domain.row import UNPLANNED
from bulkremove.reading.options import Hidden, Match, ReadOptions, parse_columns
from bulkremove.report import utc
from bulkremove.report.metrics import CONTENT_TYPE, prometheus_text
from bulkremove.web.api_jobs import ApiJobs
from bulkremove.web.api_models import Confirmation, PlannedRows, UploadedPlan
from bulkremove.web.api_routes import PREFIX, api_route
from bulkremove.web.api_rows import planned_row_json
from bulkremove.web.cursors import cursor_at, position_of
from bulkremove.web.lookups import Lookups
from bulkremove.web.openapi import document_text
from bulkremove.web.parameters import choice, json_body, limit_parameter, whole_number
from bulkremove.web.plan_pages import TO_REMOVE, confirm
from bulkremove.web.responses import while_awaited
from bulkremove.web.routes import JSON, Route, Scope, check_permission, person
from bulkremove.web.upload import Upload
from bulkremove.web.uploads import Uploads


class Api:
    """The handlers of the HTTP API and of the metrics."""

    def __init__(self, app: App, supervisor: JobSupervisor, uploads: Uploads, lookups: Lookups) -> None:
        self._app, self._supervisor, self._uploads, self._lookups = app, supervisor, uploads, lookups
        self._jobs = ApiJobs(app, supervisor)

    def routes(self) -> list[Route]:
        """List the routes of these handlers."""
        look = Permission.LOOK
        return [
            Route("GET", "/metrics", self.metrics, Scope.SOME, look),
            api_route("GET", "/openapi.json", self.openapi, Scope.NOBODY, None),
            api_route("POST", "/plans", self.make_plan, Scope.SOME, Permission.PREPARE),
            api_route("GET", "/plans/{plan}", self.plan, Scope.UPLOAD, look),
            api_route("GET", "/plans/{plan}/rows", self.plan_rows, Scope.UPLOAD, look),
            api_route("POST", "/plans/{plan}/confirm", self.confirm, Scope.SOME, Permission.APPROVE, JSON),
            *self._jobs.routes(),
        ]

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """Return the metrics of the token's accounts in Prometheus' text format."""
        return web.Response(
            body=prometheus_text(await figures(self._app.context, person(request).seen)),
            headers={"Content-Type": CONTENT_TYPE},
        )

    async def openapi(self, request: web.Request) -> web.StreamResponse:
        """Return the OpenAPI document, to everybody."""
        return web.json_response(text=document_text())

    async def make_plan(self, request: web.Request) -> web.StreamResponse:
        """Make a plan from the file in the body, read as the query parameters say. Raises FileRefused."""
        query = request.query
        name, columns = query.get("name", "upload"), query.get("columns")
        hidden = choice(request, "hidden", {option.value: option for option in Hidden}) or Hidden.REFUSE
        columns_by_role = parse_columns(columns) if columns is not None else {}
        header_row = whole_number(request, "header_row")
        match = choice(request, "match", {option.value: option for option in Match})
        only = tuple(query.getall("only", []))
        options = ReadOptions(query.get("sheet"), columns_by_role, hidden, only, header_row, match=match)
        is_checked = choice(request, "check", {"no": False, "yes": True}) or False
        include_open = choice(request, "open", {"leave_out": False, "include": True}) or False
        upload = await self._uploads.add_body(
            request, name=name, account=query.get("account", ""), options=options, include_open=include_open
        )
        if is_checked or match or self._app.settings.enrolment_check == "always":
            now = self._lookups.now(upload, person(request), is_checked=is_checked)
            await while_awaited(request, now)
        if upload.refusal is not None:
            raise upload.refusal
        plan = await self._plan(request, upload)
        return web.json_response(plan, status=201, headers={"Location": f"{PREFIX}/plans/{upload.id}"})

    async def plan(self, request: web.Request) -> web.StreamResponse:
        """Return a plan that is not confirmed yet."""
        upload = self._upload(request)
        await self._uploads.read_restored(upload, by=person(request).name)
        if upload.refusal is not None:
            raise upload.refusal
        return web.json_response(await self._plan(request, upload))

    async def plan_rows(self, request: web.Request) -> web.StreamResponse:
        """Return some rows of a plan, filtered by status and text."""
        upload, after, limit = self._upload(request), position_of(request), limit_parameter(request)
        excluded = {reason.value: reason for reason in UNPLANNED}
        status = choice(request, "status", excluded | {TO_REMOVE: None})
        preview = await self._uploads.preview(upload, by=person(request).name)
        found, has_more = await filter_rows(
            preview.plan,
            status=status,
            to_remove=request.query.get("status") == TO_REMOVE,
            text=request.query.get("q", ""),
            after=after,
            limit=limit,
        )
        act = preview.plan.operation.words.act
        body: PlannedRows = {
            "rows": [planned_row_json(row, act) for _, row in found],
            "next": cursor_at(found[-1][0]) if has_more else None,
        }
        return web.json_response(body)

    async def confirm(self, request: web.Request) -> web.StreamResponse:
        """Confirm a plan by its hash and start its job: 201 with the new job, 200 if it was confirmed before.

        With an ``Idempotency-Key`` it is known as confirmed also after a restart, when the plan itself is gone.
        """
        body, key = await json_body(request, Confirmation), request.headers.get("Idempotency-Key", "")
        if len(key) > MAX_KEY_LENGTH:
            raise web.HTTPBadRequest(text=f"Idempotency-Key has more than {MAX_KEY_LENGTH} characters.")
        approved = person(request).access.accounts(Permission.APPROVE)
        if key and (existing_job := await self._app.jobs.by_idempotency_key(key, body.plan_hash, approved)):
            return await self._jobs.answer(existing_job)
        upload = self._upload(request)  # which may be gone before, so its account is asked about here
        check_permission(request, Permission.APPROVE, upload.account)
        consent = Consent(plan_hash=body.plan_hash, removals=body.removals, compared=body.compared)
        by = person(request).name
        job_id, is_new = await confirm(
            self._app, self._supervisor, self._uploads, upload, consent, by=by, idempotency_key=key
        )
        return await self._jobs.answer(await self._app.jobs.find(job_id), is_new=is_new)

    def _upload(self, request: web.Request) -> Upload:
        return self._uploads.get(request.match_info["plan"], person(request).seen)

    async def _plan(self, request: web.Request, upload: Upload) -> UploadedPlan:
        if upload.job is not None:
            raise AlreadyConfirmed(f"This plan was confirmed: it is job {upload.job} now.")
        preview = await self._uploads.preview(upload, by=person(request).name)
        refusal = preview.refusal.page_text if preview.refusal else None
        open_in = [job.id for job in preview.plan.open_in if job.account in person(request).seen]
        plan = preview.as_json() | {"refusal": refusal, "open_in": open_in}
        return {
            "id": upload.id,
            "prepared_by": [*upload.prepared_by],
            "uploaded_at": utc(upload.uploaded_at),
            **plan,
        }
