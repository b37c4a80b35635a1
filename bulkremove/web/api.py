"""The HTTP API for other programs: the use cases as JSON under /api/v1. Tests compare it with ``openapi``."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from bulkremove.app import App, Consent
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.app.metrics import figures
from bulkremove.domain.errors import AlreadyConfirmed, ConsentMissing
from bulkremove.domain.job import MAX_KEY_LENGTH, Job, Tally
from bulkremove.domain.permissions import Permission
from bulkremove.domain.plan import PlannedRow
from bulkremove.domain.row import UNPLANNED
from bulkremove.domain.standing import standing_of
from bulkremove.reading.options import Hidden, Match, ReadOptions, parse_columns
from bulkremove.report import as_json
from bulkremove.report.json_types import RowJson
from bulkremove.report.metrics import CONTENT_TYPE, prometheus_text
from bulkremove.storage.interface.jobs import VISIBLE
from bulkremove.web.api_models import Confirmation, JobEvents, JobsPage, RowsPage, SupervisedJob, UploadedPlan
from bulkremove.web.lookups import Lookups
from bulkremove.web.openapi import PREFIX, document_text, query_names
from bulkremove.web.openapi_operations import BYTES
from bulkremove.web.parameters import choice, json_body, page_parameter, whole_number, with_known_parameters
from bulkremove.web.plan_pages import TO_REMOVE, confirm
from bulkremove.web.responses import download, while_awaited
from bulkremove.web.routes import JSON, Route, Scope, check_permission, person
from bulkremove.web.upload import Upload
from bulkremove.web.uploads import Uploads


class Api:
    """The handlers of the HTTP API and of the metrics."""

    def __init__(self, app: App, supervisor: JobSupervisor, uploads: Uploads, lookups: Lookups) -> None:
        self._app, self._supervisor, self._uploads, self._lookups = app, supervisor, uploads, lookups

    def routes(self) -> list[Route]:
        """List the routes of these handlers."""
        return [Route("GET", "/metrics", self.metrics, Scope.SOME, Permission.LOOK), *self._versioned()]

    def _versioned(self) -> list[Route]:
        return [
            Route(
                method,
                f"{PREFIX}{path}",
                with_known_parameters(handler, query_names(method, path)),
                scope,
                permission,
                content_type,
            )
            for method, path, handler, scope, permission, content_type in (
                ("GET", "/openapi.json", self.openapi, Scope.NOBODY, None, ""),
                ("POST", "/plans", self.make_plan, Scope.SOME, Permission.PREPARE, ""),
                ("GET", "/plans/{plan}", self.plan, Scope.UPLOAD, Permission.LOOK, ""),
                ("GET", "/plans/{plan}/rows", self.plan_rows, Scope.UPLOAD, Permission.LOOK, ""),
                ("POST", "/plans/{plan}/confirm", self.confirm, Scope.SOME, Permission.APPROVE, JSON),
                ("GET", "/jobs", self.jobs, Scope.SOME, Permission.LOOK, ""),
                ("GET", "/jobs/{job}", self.job, Scope.JOB, Permission.LOOK, ""),
                ("GET", "/jobs/{job}/events", self.events, Scope.JOB, Permission.LOOK, ""),
                ("GET", "/jobs/{job}/report.{ending:csv|xlsx|jsonl}", self.report, Scope.JOB, Permission.LOOK, ""),
                ("POST", "/jobs/{job}/pause", self.pause, Scope.JOB, Permission.PAUSE, ""),
                ("POST", "/jobs/{job}/resume", self.resume, Scope.JOB, Permission.APPROVE, ""),
                ("POST", "/jobs/{job}/canary", self.confirm_canary, Scope.JOB, Permission.APPROVE, ""),
                ("POST", "/jobs/{job}/cancel", self.cancel, Scope.JOB, Permission.APPROVE, ""),
            )
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
        """Return a page of a plan's rows, filtered by status and text."""
        upload, page = self._upload(request), page_parameter(request)
        excluded = {reason.value: reason for reason in UNPLANNED}
        status = choice(request, "status", excluded | {TO_REMOVE: None})
        preview = await self._uploads.preview(upload, by=person(request).name)
        to_remove = request.query.get("status") == TO_REMOVE
        text = request.query.get("q", "")
        rows, has_more = await self._app.plans.filter_rows(
            preview.plan, status=status, to_remove=to_remove, text=text, page=page
        )
        body: RowsPage = {"rows": [_row(row, preview.plan.operation.words.act) for row in rows], "more": has_more}
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
            return await self._job_response(existing_job)
        upload = self._upload(request)  # which may be gone before, so its account is asked about here
        check_permission(request, Permission.APPROVE, upload.account)
        consent = Consent(plan_hash=body.plan_hash, removals=body.removals, compared=body.compared)
        by = person(request).name
        job_id, is_new = await confirm(
            self._app, self._supervisor, self._uploads, upload, consent, by=by, idempotency_key=key
        )
        return await self._job_response(await self._app.jobs.find(job_id), status=201 if is_new else 200)

    async def jobs(self, request: web.Request) -> web.StreamResponse:
        """Return a page of the jobs, the newest first, filtered by state and file name."""
        state = choice(request, "state", {state.value: state for state in VISIBLE})
        source = request.query.get("q", "")
        jobs, tallies, has_more = await self._app.jobs.page(
            accounts=person(request).seen, page=page_parameter(request), limit=100, state=state, source=source
        )
        body: JobsPage = {"jobs": [self._job_json(job, tallies[job.id]) for job in jobs], "more": has_more}
        return web.json_response(body)

    async def job(self, request: web.Request) -> web.StreamResponse:
        """Return a job with its counts."""
        return await self._job_response(await self._job(request))

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Return the events of a job, the oldest first."""
        events = await self._app.jobs.events(await self._job(request))
        body: JobEvents = {"events": [{"at": at, "name": name, "text": text} for at, name, text in events]}
        return web.json_response(body)

    async def report(self, request: web.Request) -> web.StreamResponse:
        """Return the report of a job as a CSV, Excel or JSON Lines file."""
        job = await self._job(request)
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"{job.id}-report.{request.match_info['ending']}"
            await self._app.reports.write(job.id, path, by=person(request).name)
            return await download(path, content_type=BYTES if request.headers.get("Accept") == BYTES else "")

    async def pause(self, request: web.Request) -> web.StreamResponse:
        """Pause a job and return it once the rows in flight are finished."""
        job = await self._job(request)
        await self._supervisor.pause(job.id, by=person(request).name)
        return await self._job_response(await self._app.jobs.find(job.id))

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """Resume a job and return it. Raises ActionRefused."""
        rows, job_id = whole_number(request, "rows"), request.match_info["job"]
        job = await self._supervisor.resume(job_id, by=person(request).name, rows_reviewed=rows)
        return await self._job_response(job)

    async def confirm_canary(self, request: web.Request) -> web.StreamResponse:
        """Record that the first row had its effect, or that it can't be known, and return the job.

        Raises ActionRefused.
        """
        job, canaries = await self._job(request), self._app.canaries
        answers = {"gone": canaries.confirm, "enrolled": canaries.confirm, "again": canaries.give_up}
        answer, name = choice(request, "answer", answers), request.query.get("answer")
        if answer is None:
            raise web.HTTPBadRequest(text="answer must be given: gone, enrolled or again.")
        if name not in ("enrolled" if job.is_enrolment else "gone", "again"):
            raise ConsentMissing(
                f"Job {job.id} {job.words.does} learners, so {name} is not a valid answer. Nothing was confirmed."
            )
        await answer(job, by=person(request).name)
        return await self._job_response(job)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Cancel a job for good and return it."""
        job = await self._job(request)
        await self._supervisor.cancel(job.id, by=person(request).name)
        return await self._job_response(await self._app.jobs.find(job.id))

    def _upload(self, request: web.Request) -> Upload:
        return self._uploads.get(request.match_info["plan"], person(request).seen)

    async def _job(self, request: web.Request) -> Job:
        return await self._app.jobs.find(request.match_info["job"])

    async def _plan(self, request: web.Request, upload: Upload) -> UploadedPlan:
        if upload.job is not None:
            raise AlreadyConfirmed(f"This plan was confirmed: it is job {upload.job} now.")
        preview = await self._uploads.preview(upload, by=person(request).name)
        refusal = preview.refusal.page_text if preview.refusal else None
        open_in = [job.id for job in preview.plan.open_in if job.account in person(request).seen]
        plan = preview.as_json() | {"refusal": refusal, "open_in": open_in}
        return {"id": upload.id, "prepared_by": ", ".join(upload.prepared_by), **plan}

    async def _job_response(self, job: Job, *, status: int = 200) -> web.Response:
        headers = {"Location": f"{PREFIX}/jobs/{job.id}"} if status == 201 else {}
        tally = await self._app.jobs.tally(job)
        return web.json_response(self._job_json(job, tally), status=status, headers=headers)

    def _job_json(self, job: Job, tally: Tally) -> SupervisedJob:
        running, now = self._supervisor.running(job.id) is not None, self._app.clock.wall()
        return {
            **as_json(job, tally),
            "standing": standing_of(job, tally, now=now, is_running=running),
            "needs_review": not running and job.needs_review(now),
            "running": running,
            "failure": self._supervisor.failures.get(job.id),
        }


def _row(row: PlannedRow, act: str) -> RowJson:
    planned, detail = (row.exclusion.status.value, row.exclusion.detail) if row.exclusion else (act, "")
    return {"row": row.row.number, "planned": planned, "detail": detail, "cells": list(row.row.cells)}
